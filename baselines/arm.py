"""An Arm is a model and a way to prompt it; training changes the first, prompting the second."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from baselines.retrieval.written import PASSAGES, Passage, Written
from baselines.template import compiled, fill, parts, shown_columns
from suites.model import Constraint, Generation, Message, ModelSpec, Prompt, TemplateSettings
from suites.similarity.kin import How, Kin
from suites.tools.dialects import as_turn
from suites.types import Example


@dataclass(frozen=True, slots=True)
class Asking:
    """How a prompt is answered, beside what it says; the model and the candidate made from it alike.

    `thinking_tokens` an answer may have beside the task's `max_new_tokens`; `settings` go to the chat template; what is
    said must fit the `constraint`; of `votes` answers, drawn at `temperature` where there are several, the most
    frequent counts.
    """

    thinking_tokens: int = 0
    settings: TemplateSettings = ()
    constraint: Constraint | None = None
    votes: int = 1
    temperature: float = 0.0

    def generation(self, task: Generation) -> Generation:
        """How answers to this prompt are produced, from what the task says."""
        limit = task.max_new_tokens + self.thinking_tokens
        temperature = self.temperature or task.temperature
        return replace(task, max_new_tokens=limit, constraint=self.constraint, temperature=temperature)


@dataclass(frozen=True, slots=True)
class KeptBack:
    """A row that would have been shown to an example, and is not, as it gives the answer away."""

    example: Example
    row: Example
    how: How


class ShotFinder(Protocol):
    """Finds the examples to show before an example, the last one next to it; never one that gives its answer away."""

    def find(self, asked: Sequence[Example]) -> Sequence[Sequence[Example]]:
        """Shots for each of `asked`, at once, because that is faster."""

    def kept_back(self, asked: Sequence[Example]) -> Sequence[KeptBack]:
        """The rows that are not shown to `asked`, as they would give an answer away."""

    @property
    def digest(self) -> str:
        """sha256 of the pool and the rule by which it is searched."""

    @property
    def about(self) -> str:
        """What is found, for whoever has to find it again elsewhere: what of the training rows, by which rule."""


class PassageFinder(Protocol):
    """Finds the passages to show before an example."""

    def find(self, examples: Sequence[Example]) -> Sequence[Sequence[Passage]]:
        """Passages for each of `examples`, the best first; at once, because that is faster, and they are kept."""

    @property
    def digest(self) -> str:
        """sha256 of the corpus and the rule by which it is searched."""

    @property
    def about(self) -> str:
        """What is found, for whoever has to find it again elsewhere."""


@dataclass(frozen=True, slots=True)
class Prompter:
    """Turns an example into chat messages: the instruction, `shots` as earlier turns, then the example.

    `template` is the system message, with the example's columns as variables. A template that uses `{{ input }}` is
    instead the whole user message, for models and tasks that want one block of text; a conversation is told in it. One
    that begins with a line `system:` or `user:` says itself which part is which. A system message of the example's own
    follows the instruction. A `finder` gives each example shots of its own, after the common ones. `kin` is the pool
    that the common shots are of: none of them is shown to an example that it gives away. `passages` are shown where the
    template says `{{ passages }}`, else before the question; a shot is shown with its own, as the example is.
    """

    name: str
    template: str = ""
    shots: tuple[Example, ...] = ()
    asking: Asking = Asking()
    finder: ShotFinder | None = None
    kin: Kin | None = field(default=None, compare=False, repr=False)
    passages: PassageFinder | None = None

    def prompts(self, examples: Sequence[Example]) -> list[Prompt]:
        """What a model is asked about each of `examples`."""
        found = self.finder.find(examples) if self.finder else [()] * len(examples)
        shots = [(*common, *own) for common, own in zip(self._common(examples), found, strict=True)]
        if self.passages:
            self.passages.find([*examples, *{shot.id: shot for each in shots for shot in each}.values()])
        return [
            Prompt(example.id, self.with_shots(example, each), self.asking.settings, example.tools)
            for example, each in zip(examples, shots, strict=True)
        ]

    def seen(self, examples: Sequence[Example]) -> list[Example]:
        """The examples as a prompt has them: with the passages that were found, in the column that templates name."""
        if self.passages is None:
            return list(examples)
        found = map(Written, self.passages.find(examples))
        return [
            replace(example, columns={**example.columns, PASSAGES: passages})
            for example, passages in zip(examples, found, strict=True)
        ]

    def kept_back(self, examples: Sequence[Example]) -> list[KeptBack]:
        """The rows that are not shown to an example, as they would give its answer away."""
        hidden = [
            KeptBack(example, self.kin.pool[row], how)
            for example, kin in zip(examples, self._hidden(examples), strict=True)
            for row, how in kin.items()
            if self.kin
        ]
        return [*hidden, *(self.finder.kept_back(examples) if self.finder else ())]

    def _common(self, examples: Sequence[Example]) -> Iterable[Sequence[Example]]:
        """The common shots that each example may see."""
        for hidden in self._hidden(examples):
            ids = {self.kin.pool[row].id for row in hidden} if self.kin else ()
            yield [shot for shot in self.shots if shot.id not in ids]

    def _hidden(self, examples: Sequence[Example]) -> list[dict[int, How]]:
        if self.kin is None or not self.shots:
            return [{} for _ in examples]
        return self.kin.among(examples, [self.kin.positions(self.shots)] * len(examples))

    def messages(self, example: Example) -> list[Message]:
        """The chat messages for `example`. Raises UserError when the template needs a column it lacks."""
        [prompt] = self.prompts([example])
        assert not isinstance(prompt.messages, str)
        return list(prompt.messages)

    def with_shots(self, example: Example, shots: Iterable[Example]) -> list[Message]:
        """The messages for `example` with these shots."""
        rules = [self._instructed(example)] if self.instruction else []
        rules += [message["content"] for message in example.messages[:1] if message["role"] == "system"]
        messages: list[Message] = [{"role": "system", "content": "\n\n".join(rules)}] if rules else []
        for shot in shots:
            if shot.input == example.input and self._same(shot, example):
                continue  # never its own answer
            messages += self.shown(shot)
        return messages + self._turns(example)

    def shown(self, shot: Example) -> list[Message]:
        """An example as an earlier turn, with its answer."""
        turns = self._turns(shot)
        return [*turns, as_turn(shot.target, shot.tools, turns)]

    def outline(self) -> list[Message]:
        """The same messages with the example left open: columns stay as the template names them."""
        told = self.instruction
        text = told if shown_columns(told, self.name) else compiled(told, self.name).render().strip()
        rules: list[Message] = [{"role": "system", "content": text}] if text else []
        shots = [message for shot in self.shots for message in self.shown(shot)]
        asked = self.question or "{{ input }}"
        if self._before:
            asked = f"{{{{ {PASSAGES} }}}}\n\n{asked}"
        return [*rules, *shots, {"role": "user", "content": asked}]

    @property
    def found(self) -> str:
        """What each question is shown beside, where that is found for it; else empty."""
        return "; ".join(finder.about for finder in (self.finder, self.passages) if finder)

    @property
    def instruction(self) -> str:
        """The template's part that is the system message; empty where there is none."""
        return parts(self.template, self.name)[0]

    @property
    def question(self) -> str:
        """The template's part that is the user's message; empty where the example's own turns are that."""
        return parts(self.template, self.name)[1]

    def _same(self, shot: Example, example: Example) -> bool:
        """Whether the prompt shows the same of both; many rows may share an input and differ in what is beside it."""
        return [self._instructed(shot), *self._turns(shot)] == [self._instructed(example), *self._turns(example)]

    def _instructed(self, example: Example) -> str:
        [seen] = self.seen([example])
        return fill(self.instruction, self.name, seen.columns)

    def _turns(self, example: Example) -> list[Message]:
        """The example's turns without its system message, or one block of text."""
        [seen] = self.seen([example])
        if self.question:
            turns: list[Message] = [{"role": "user", "content": fill(self.question, self.name, seen.columns)}]
        else:
            first = 1 if example.messages[:1] and example.messages[0]["role"] == "system" else 0
            turns = list(example.messages[first:])
        if self._before and (passages := seen.columns[PASSAGES]):
            turns[-1] = {**turns[-1], "content": f"{passages}\n\n{turns[-1]['content']}"}
        return turns

    @property
    def _before(self) -> bool:
        """Whether passages stand before the question, as the template gives them no place."""
        return self.passages is not None and PASSAGES not in shown_columns(self.template, self.name)

    @property
    def digest(self) -> str:
        """sha256 of instruction, shots and way of asking: two prompters with one digest ask the same things."""
        shots = [[shot.input, shot.target] for shot in self.shots]
        told: list[object] = [self.template, shots]
        if self.asking != Asking() or self.finder:  # which came later, and gave no earlier prompt another digest
            told += [asdict(self.asking), self.finder.digest if self.finder else ""]
        if self.passages:
            told.append(self.passages.digest)
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Arm:
    """One point of the grid of models and prompts."""

    name: str
    model: ModelSpec
    prompter: Prompter
