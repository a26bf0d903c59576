"""Stops the candidate's exam at one of a few planned looks, as soon as the verdict on the gain stands.

Clusters come in a seeded random order, and both sides are compared on the part that was asked. Whether the gain clears
the policy's limit at a look is told by an interval that holds over all looks together (see `sequential`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from baselines.arm import Arm
from harness.decision.sharpen import Asked, known_of_part
from harness.evaluation.evaluate import answer
from harness.observe.progress import say
from harness.stats.sequential import interval_at_look, planned_looks
from suites.metrics import table
from suites.model import Model
from suites.types import Example, Score, Suite


def shortened(
    arm: Arm,
    suite: Suite,
    base: Mapping[str, Score],
    model: Model,
    *,
    limit: float,
    confidence: float,
    seed: int,
    sharpen: bool = False,
) -> Suite:
    """The part of the task's exam on which the gain is settled; all of it when it is not settled before the end.

    `base` has the chosen prompt's scores on the primary metric, by example id; `limit` is the gain asked for, below 0
    the loss allowed. `sharpen`
    says whether its scores on the rest of the exam are made use of.
    """
    mark = table.build(suite.primary, suite.schema, suite.folder)
    looks = planned_looks(len({example.cluster for example in suite.examples}))
    for part in _parts(suite, looks[:-1], seed):
        answers = answer(arm, part, model, seed)
        seen = arm.prompter.seen(part.examples)
        after = {e.id: mark(e, given) for e, given in zip(seen, answers, strict=True)}
        scored = [(base[e.id].value, after[e.id].value, e.cluster) for e in part.examples if e.id in base]
        pairs = [(b, c, cluster) for b, c, cluster in scored if b is not None and c is not None]
        if not pairs:
            continue
        before, now, clusters = zip(*pairs, strict=True)
        interval = interval_at_look(before, now, clusters, looks=looks, confidence=confidence)
        if interval and sharpen:
            known = known_of_part(_asked(part), _asked(suite), base, after)
            interval = known.interval(interval, fmean(now) - fmean(before))
        if interval and (interval.low > limit or interval.high <= limit):
            count = f"{len(part.examples):,} of {len(suite.examples):,} examples"
            say(f"stopped early: the verdict on the gain stands after {count}")
            return part
    return suite


def _asked(suite: Suite) -> Asked:
    return [(example.id, example.cluster) for example in suite.examples]


def _parts(suite: Suite, looks: Sequence[int], seed: int) -> Iterator[Suite]:
    """The suite as far as it is asked at each look, in clusters."""
    clusters = sorted({example.cluster for example in suite.examples})
    random.Random(seed).shuffle(clusters)
    order = {cluster: number for number, cluster in enumerate(clusters)}
    for size in looks:
        yield replace(suite, examples=tuple(e for e in suite.examples if _is_in(e, order, size)))


def _is_in(example: Example, order: Mapping[str, int], size: int) -> bool:
    return order[example.cluster] < size
