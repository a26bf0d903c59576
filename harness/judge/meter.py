"""What a judge's verdicts take, whoever paid for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.decision.prices import Rate
from harness.store.judging import Measure
from suites.model import Completion, Generation, Identity, LogLikelihood, Model, OnProgress, Prompt


@dataclass
class Metered:
    """A model that keeps count of what its answers took, those on record among them."""

    model: Model
    given: list[Completion] = field(default_factory=list)

    @property
    def identity(self) -> Identity:
        return self.model.identity

    def render(self, prompt: Prompt) -> str:
        return self.model.render(prompt)

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        return self.model.loglikelihood(requests)

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        """As the model does."""
        answers = self.model.generate(prompts, generation, on_progress=on_progress)
        self.given += answers
        return answers


def measures(models: Sequence[Metered], rate: Rate | None, currency: str) -> list[Measure]:
    """Tokens of the models' verdicts, and what they cost where there is a price; nothing where none was asked."""
    given = [answer for model in models for answer in model.given]
    if not given:
        return []
    n, tokens = len(given), sum(answer.tokens_in + answer.tokens_out for answer in given)
    costs = [rate.of(a.tokens_in, a.tokens_out, a.seconds) for a in given if not a.error] if rate else []
    cost = None if None in costs or not costs else sum(cost or 0.0 for cost in costs)
    return [
        Measure("tokens", float(tokens), None, None, n, "read and written, those on record too"),
        *([Measure("cost", cost, None, None, n, currency)] if rate else []),
    ]
