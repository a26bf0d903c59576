"""What a way to prompt consists of: its settings, and what its prompter is made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Generic, TypeVar

from pydantic import Field

from baselines.arm import Asking, Prompter
from baselines.retrieval.shots import Room
from suites.answers import AnswerRule
from suites.settings import Regex, Section
from suites.similarity.encoder import Encoder
from suites.types import Example

MaxThinking = Annotated[int, Field(ge=1, le=1_000_000)]


EncoderName = Annotated[str, Field(min_length=1, json_schema_extra={"format": "path"})]


class SelfConsistency(Section):
    """Several answers to every question, of which the most frequent counts (arXiv:2203.11171). All of them are paid."""

    shorthand: ClassVar[str | None] = "votes"
    votes: Annotated[int, Field(ge=2, le=64)]
    """Answers drawn to each question."""
    temperature: Annotated[float, Field(gt=0, le=2)] = 0.7
    """Temperature at which they are drawn."""


class Pattern(Section):
    """What an answer has to match."""

    regex: Regex
    """A regular expression that the whole answer matches."""


class PromptSettings(Section):
    """The settings that every way to prompt has."""

    later: ClassVar[tuple[str, ...]] = ("max_thinking_tokens", "self_consistency", "constrain")
    prompt: str | None = None
    """An instruction, or a file that holds it, in place of `task.prompt`; `prompts/*.md` or a folder `prompts/` is an
    entry for each of its files. Left out: the task's own."""
    max_thinking_tokens: MaxThinking | None = None
    """Tokens for thinking before the answer, beside `task.max_new_tokens`; the chat template is asked for it
    (`enable_thinking: true`). Left out: as `model` says."""
    self_consistency: SelfConsistency | None = None
    """Several answers drawn to each question, of which the most frequent counts: how many, or `{votes: 5,
    temperature: 0.7}`. Left out: one answer, the likeliest."""
    constrain: bool | Pattern = False
    """`true` holds answers while they are written to `task.schema`, or else to the labels that training shows;
    `{regex: ...}` to a pattern. The candidate gets the prompt so, too."""

    @property
    def thinks_itself(self) -> bool:
        """Whether the model is asked to think by its chat template."""
        return self.max_thinking_tokens is not None

    @property
    def asking(self) -> Asking:
        """How the prompt is answered."""
        votes = self.self_consistency
        return Asking(
            thinking_tokens=self.max_thinking_tokens or 0,
            settings=(("enable_thinking", True),) if self.thinks_itself else (),
            votes=votes.votes if votes else 1,
            temperature=votes.temperature if votes else 0.0,
        )

    @property
    def manner(self) -> str:
        """What the way of asking adds to a prompter's name; empty where it is the usual one."""
        words = ["thinking"] if self.thinks_itself else []
        words += [f"x{self.self_consistency.votes}"] if self.self_consistency else []
        words += ["constrained"] if self.constrain else []
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Given:
    """What a prompter is made from beside its settings: the name it goes by, the instruction, the training rows, and
    where the task looks for the answer.

    `room` says how long a prompt may be. It raises UserError where that is not known. Files are named from `folder` on,
    and `encoder` is what one is that is named so.
    """

    name: str
    template: str
    train: Sequence[Example] = ()
    seed: int = 0
    answer: AnswerRule | None = None
    room: Callable[[], Room] | None = None
    folder: Path = Path()
    encoder: Callable[[str], Encoder] | None = None

    def encoder_of(self, name: str | None) -> Encoder | None:
        """The encoder of that name; None where none is named."""
        if name is None:
            return None
        assert self.encoder, "nobody says where encoders lie"
        return self.encoder(name)


S = TypeVar("S", bound=PromptSettings)


@dataclass(frozen=True, slots=True)
class PrompterKind(Generic[S]):
    """A way to prompt. `label` is what a prompter is called that has no name; `shows_rows` says that it needs training
    rows, `reasons` that it asks for more than the answer."""

    about: str
    settings: type[S]
    build: Callable[[S, Given], Prompter]
    label: Callable[[S], str]
    shows_rows: bool = False
    reasons: bool = False
