"""How probable a model finds the right answer and its rivals, beside what it says: numbers for `Completion.scores`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from baselines.arm import Arm
from harness.evaluation.asking import Said
from harness.observe.progress import phase
from suites.data.examples import sha256_json
from suites.errors import UserError
from suites.metrics import table
from suites.metrics.scores import TARGET
from suites.model import LogLikelihood, Model
from suites.types import Suite

MOST_LABELS = 100
"""Each is read after each question."""

Samples = tuple[Said, ...]


def with_probabilities(arm: Arm, suite: Suite, model: Model, said: Sequence[Samples]) -> Sequence[Samples]:
    """The answers with the numbers that the suite's metrics read; recorded ones as they came.

    Raises UserError for a model that tells no probabilities of given text, and for more labels than MOST_LABELS.
    """
    wanted = {asks for name in suite.metrics if (asks := table.asks(name))}
    if not wanted or arm.model.recorded:
        return said
    labels = _labels(suite) if "labels" in wanted else []
    targets = [example.target for example in suite.examples] if "target" in wanted else []
    contexts = [model.render(prompt) for prompt in arm.prompter.prompts(suite.examples)]
    requests = [(context, label) for context in contexts for label in labels] + list(
        zip(contexts, targets, strict=False)
    )
    with phase(f"{arm.name} on {suite.name} (probabilities)", len(requests)) as progress:
        found = model.loglikelihood(requests)
        progress.at(len(requests), len(requests))
    numbers: list[dict[str, float]] = []
    for at in range(len(contexts)):
        mine = found[at * len(labels) : (at + 1) * len(labels)]
        of_target = {TARGET: -found[len(contexts) * len(labels) + at].logprob} if targets else {}
        numbers.append({**dict(zip(labels, shares(mine), strict=True)), **of_target})
    return [tuple(_beside(one, scores) for one in samples) for samples, scores in zip(said, numbers, strict=True)]


def _labels(suite: Suite) -> list[str]:
    labels = sorted({example.target.strip() for example in suite.examples})
    if len(labels) > MOST_LABELS:
        what = f"probabilities are asked of each label, and the targets are {len(labels):,} different texts"
        raise UserError(what, f"the suite {suite.name}", f"they are for up to {MOST_LABELS} labels")
    return labels


def shares(found: Sequence[LogLikelihood]) -> list[float]:
    """How probable each of some texts is beside the others, together 1."""
    if not found:
        return []
    most = max(one.logprob for one in found)
    weights = [math.exp(one.logprob - most) for one in found]
    return [weight / sum(weights) for weight in weights]


def _beside(said: Said, scores: dict[str, float]) -> Said:
    """An answer under a key of its own, as the numbers are part of it."""
    if said.came.error:
        return said
    key = sha256_json([said.key, scores])
    return Said(key, replace(said.came, scores=scores), replace(said.read, scores=scores))
