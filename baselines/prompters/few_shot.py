"""The instruction and a few training examples as earlier turns: the same to every question, or those most like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from baselines.arm import Prompter
from baselines.prompters.types import EncoderName, Given, PromptSettings
from baselines.retrieval.shots import MOST, Choice, Order, Shots, choose_shots, common
from baselines.retrieval.written import PASSAGES
from baselines.template import shown_columns
from suites.errors import UserError
from suites.settings import Section
from suites.similarity.kin import Kin
from suites.types import Example


class ShotSettings(Section):
    """Training examples as earlier turns. No question is shown itself, a row nearly the same, or a row of its
    cluster."""

    later: ClassVar[tuple[str, ...]] = ("choose", "order", "encoder")
    shots: Annotated[int, Field(ge=1, le=MOST)] | Literal["max"] = 8
    """Training examples shown. `max`: as many as fit into what the base reads, with room for the answer, at most 256;
    those that say least are left out first."""
    choose: Choice = "balanced"
    """Which: `balanced`, drawn with the `seed` with as many different targets as possible; `random`, just drawn;
    `diverse`, which together are like most of the training rows; `nearest`, for each question those most like
    it."""
    order: Order | None = None
    """`seeded`: the order in which they are drawn. `nearest_last`: the one most like the question next to it. Left
    out: `nearest_last` where the nearest are chosen, else `seeded`."""

    encoder: EncoderName | None = None
    """What says which rows are alike: a folder or Hub id of an encoder that sentence-transformers reads. Left out: the
    words that they share (BM25)."""

    @model_validator(mode="after")
    def _encoder_is_used(self) -> Self:
        if self.encoder and self.choose not in ("nearest", "diverse") and self.order != "nearest_last":
            raise ValueError("`encoder` finds shots by `choose: nearest` or `diverse`, or `order: nearest_last`")
        return self

    @property
    def dynamic(self) -> bool:
        """Whether questions are shown shots of their own."""
        return self.shots == "max" or self.choose == "nearest" or self.order == "nearest_last"


class FewShot(ShotSettings, PromptSettings):
    """The instruction and a few training examples as earlier turns. No question is shown itself, a row nearly the same,
    or a row of its cluster."""

    later: ClassVar[tuple[str, ...]] = (*PromptSettings.later, *ShotSettings.later)


def label(settings: ShotSettings) -> str:
    """What such a prompt is called."""
    named: list[str] = [settings.choose] if settings.choose != "balanced" else []
    named += [settings.order] if settings.order else []
    return " ".join(["few-shot", str(settings.shots), *named, *by_encoder(settings.encoder)])


def by_encoder(encoder: str | None) -> list[str]:
    """What an encoder adds to a prompt's name."""
    return [f"by {Path(encoder).name}"] if encoder else []


def build(settings: FewShot, given: Given) -> Prompter:
    """The prompter that an experiment file asks for. Raises UserError as `few_shot` does."""
    return with_shots(Prompter(given.name, given.template), settings, given)


def with_shots(bare: Prompter, settings: ShotSettings, given: Given) -> Prompter:
    """A prompter that shows training rows, too. Raises UserError as `few_shot` does."""
    most = min(MOST, len(given.train)) if settings.shots == "max" else settings.shots
    refuse(given.name, given.train, most)
    kin = kin_of(given.template, given.name, given.train)
    encoder = given.encoder_of(settings.encoder)
    if settings.dynamic:
        order = settings.order or ("nearest_last" if settings.choose == "nearest" else "seeded")
        room = given.room() if settings.shots == "max" and given.room else None
        return replace(bare, finder=Shots(bare, kin, settings.choose, order, most, given.seed, room, encoder))
    if settings.choose == "balanced":
        return replace(bare, shots=choose_shots(given.train, most, given.seed), kin=kin)
    texts = kin.whole(given.train) if encoder else kin.pool_texts if settings.choose == "diverse" else ()
    shots = common(settings.choose, given.train, most, given.seed, texts, encoder)
    return replace(bare, shots=tuple(shots), kin=kin)


def few_shot(name: str, template: str, train: Sequence[Example], shots: int, seed: int = 0) -> Prompter:
    """A prompter with `shots` examples of `train`, chosen with `seed`. Raises UserError when there are too few."""
    refuse(name, train, shots)
    return Prompter(name, template, choose_shots(train, shots, seed), kin=kin_of(template, name, train))


def refuse(name: str, train: Sequence[Example], shots: int) -> None:
    """Raises UserError when there are fewer rows than shots, or rows that ask nothing."""
    if len(train) < max(shots, 1):
        raise UserError(f"{shots} shots from {len(train)} training rows", f"baselines: {name}", "ask for fewer shots")
    if any(not example.messages for example in train):
        fix = "give training rows with an input and a target"
        raise UserError("plain text has no question to show", f"baselines: {name}", fix)


def kin_of(template: str, name: str, train: Sequence[Example]) -> Kin:
    """The training rows as the pool of a prompt's shots."""
    return Kin(train, sorted(shown_columns(template, name) - {"input", PASSAGES}))
