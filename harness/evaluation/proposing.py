"""Instructions that a model proposes from right and wrong answers to training rows (GEPA, arXiv:2507.19457).

The package `gepa` says which instruction to change by which rows and which to keep; who is asked, what is marked, what
it costs and where it ends is ours. Answers and proposals are on record by what was asked, so that nothing is asked
again. What a model proposes is a text, never a template, but for the columns that the instruction showed before.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from statistics import fmean
from typing import Any

from baselines.arm import Arm
from baselines.template import parts, shown_columns, with_system, written
from harness.evaluation.asking import ask
from harness.evaluation.contest import tokens
from suites.errors import UserError
from suites.metrics import table
from suites.model import Generation, Model, Prompt
from suites.types import Example, Suite

INSTRUCTION = "instruction"
ROWS, AT_ONCE = 24, 4
"""Training rows that instructions are chosen by, and as many that mistakes are shown of, some at once."""
LONGEST = 1024
"""Tokens that a proposal may have."""
WARMTH = 0.7
"""Temperature at which it is drawn: the same mistakes may be mended in several ways."""
MOST_CALLS = 5_000
"""Answers after which it ends where nobody counts tokens."""
DENSE = 0.5
"""Tokens of a character, as long as none was counted: more than texts have in any language that is written in words."""


class Spent(Exception):
    """What is next may take more tokens than are left."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """Templates that scored better than the one they began with, the best first, and the tokens it took."""

    templates: tuple[str, ...]
    tokens: int


def need_package() -> None:
    """Raises UserError where the package is not installed."""
    if find_spec("gepa") is None:
        what = "instructions are proposed by the package gepa, which is not installed"
        raise UserError(what, "search: optimize", "pip install 'finetune-harness[gepa]'")


def propose(arm: Arm, suite: Suite, models: tuple[Model, Model], seed: int, budget: int) -> Proposed:
    """Instructions in place of the arm's, by the rows of a suite, from the arm's model and one that proposes.

    No more than `budget` tokens are read and written by both. Raises UserError for a proposer that cannot be asked, and
    for an instruction with statements of a template, which nobody can rewrite as a text.
    """
    need_package()
    import gepa

    task = _Task(arm, suite, models, seed, budget)
    rows = suite.examples
    half = min(ROWS, len(rows) // 2)
    shown, chosen_by = list(rows[half : 2 * half]), list(rows[:half])
    task.chosen_by = {row.id for row in chosen_by}
    with contextlib.suppress(Spent):
        gepa.optimize(
            seed_candidate={INSTRUCTION: task.begin}, trainset=shown, valset=chosen_by, adapter=task,
            reflection_lm=task.proposal, reflection_minibatch_size=AT_ONCE, max_metric_calls=MOST_CALLS,
            stop_callbacks=[lambda state: task.over], logger=_Quiet(), seed=seed,
        )  # fmt: skip
    if task.trouble:
        raise task.trouble
    return Proposed(task.better(), budget - task.left)


class _Quiet:
    """What the package tells of its work is told by ours."""

    def log(self, *_: object, **__: object) -> None: ...


@dataclass(slots=True)
class _Task:
    """What the package asks for: the marks of an instruction on rows, and what to show of them to who proposes.

    It goes on after an exception of whoever proposes: `over` ends it, and `trouble` is raised afterwards.
    """

    arm: Arm
    suite: Suite
    models: tuple[Model, Model]
    seed: int
    left: int
    chosen_by: set[str] = field(default_factory=set)
    scores: dict[str, float] = field(default_factory=dict)
    proposals: int = 0
    over: bool = False
    trouble: Exception | None = None
    dense: list[float] = field(default_factory=lambda: [0.0, 0.0])
    propose_new_texts: Callable[..., dict[str, str]] | None = None

    @property
    def begin(self) -> str:
        """The instruction that is rewritten: the system part, or the one block of text."""
        template = self.arm.prompter.template
        if "{%" in template or "{#" in template:
            fix = "write it without `{%` and `{#`, or leave `optimize` out"
            raise UserError("the instruction is a template with statements, and cannot be rewritten as a text",
                            f"prompt of {self.arm.name}", fix)  # fmt: skip
        system, user = parts(template, self.arm.name)
        return system or user

    def template(self, text: str) -> str:
        """A template with a text in place of the instruction."""
        begin, whole = self.begin, self.arm.prompter.template
        if text == begin:
            return whole
        columns = "|".join(map(re.escape, sorted(shown_columns(begin, self.arm.name)))) or r"(?!)"
        pieces = re.split(r"(\{\{\s*(?:" + columns + r")\s*\}\})", text)
        said = "".join(piece if at % 2 else written(piece) for at, piece in enumerate(pieces))
        return with_system(whole, self.arm.name, said)

    def better(self) -> tuple[str, ...]:
        """The templates that score better than the first one where all are compared."""
        first = self.scores.get(self.begin)
        texts = [text for text, score in self.scores.items() if first is not None and score > first]
        return tuple(self.template(text) for text in sorted(texts, key=lambda text: -self.scores[text]))

    def evaluate(self, batch: list[Example], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        """The marks of an instruction on rows."""
        from gepa.core.adapter import EvaluationBatch

        text = candidate[INSTRUCTION]
        arm = replace(self.arm, prompter=replace(self.arm.prompter, template=self.template(text)))
        part = replace(self.suite, name="train", examples=tuple(batch))
        prompts = arm.prompter.prompts(batch)
        self._afford(0, prompts, self.suite.generation.max_new_tokens)
        with self._ending():
            said = ask(arm, part, self.models[0], self.seed)
        self._pay(0, prompts, [each.came for each in said])
        mark = table.build(self.suite.primary, self.suite.schema, self.suite.folder)
        outputs = [each.read.text for each in said]
        scores = [mark(row, each.read).value or 0.0 for row, each in zip(batch, said, strict=True)]
        if {row.id for row in batch} == self.chosen_by:
            self.scores[text] = fmean(scores)
        traces = list(zip(batch, outputs, scores, strict=True)) if capture_traces else None
        return EvaluationBatch(outputs=outputs, scores=scores, trajectories=traces)

    def make_reflective_dataset(
        self, candidate: dict[str, str], evaluated: Any, components: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What was asked, what was said and what is right, for who proposes."""
        told = [
            {
                "Inputs": row.input,
                "Generated Outputs": said,
                "Feedback": "This is right." if score >= 1 else f"This is wrong. Right is: {row.target}",
            }
            for row, said, score in evaluated.trajectories
        ]
        return dict.fromkeys(components, told)

    def proposal(self, prompt: str | list[dict[str, Any]]) -> str:
        """What the proposer says. Raises UserError where it fails."""
        asked = Prompt("proposal", [{"role": "user", "content": str(prompt)}])
        self._afford(1, [asked], LONGEST)
        generation = Generation(max_new_tokens=LONGEST, temperature=WARMTH, seed=self.seed + self.proposals)
        self.proposals += 1
        with self._ending():
            return self._said(asked, generation)

    def _said(self, asked: Prompt, generation: Generation) -> str:
        [said] = self.models[1].generate([asked], generation)
        if said.error:
            fix = "see that it answers and run the same command again: what was asked is on record"
            raise UserError(
                f"the model that proposes instructions did not answer: {said.error}", "search: optimize", fix
            )
        self._pay(1, [asked], [said])
        return said.text

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """What goes wrong here ends it all, whoever catches it on the way."""
        try:
            yield
        except Exception as error:
            self.over, self.trouble = True, error
            raise

    def _afford(self, model: int, prompts: Sequence[Prompt], longest: int) -> None:
        """Raises Spent where the answers might take more than is left."""
        dense = self.dense[model] or DENSE
        if math.ceil(dense * sum(map(_length, prompts))) + longest * len(prompts) > self.left:
            self.over = True
            raise Spent

    def _pay(self, model: int, prompts: Sequence[Prompt], said: Sequence[Any]) -> None:
        self.left -= sum(map(tokens, said))
        counted = max(each.tokens_in / max(1, _length(prompt)) for prompt, each in zip(prompts, said, strict=True))
        self.dense[model] = max(self.dense[model], counted)


def _length(prompt: Prompt) -> int:
    assert not isinstance(prompt.messages, str)
    return sum(len(message["content"]) for message in prompt.messages)
