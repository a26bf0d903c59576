"""How much of a gain over a prompt is format alone: what the same prompt scores when its answers are held to a form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.decision.compare import Comparison
from harness.decision.gates import Gate, Measured, Rule
from reports.format.numbers import points, span

HELD_TO = {"choice": "the labels", "json_schema": "the JSON Schema", "regex": "the pattern"}


@dataclass(frozen=True, slots=True)
class FormatGain:
    """`part` is the base's own gain by the constraint (the same prompt, free and held), `gain` the candidate's over the
    prompt with free answers."""

    kind: str
    part: Comparison
    gain: Comparison


def told(found: FormatGain) -> str:
    """What of the gain is format, as a sentence; empty where a side has no score."""
    part, gain, to = found.part, found.gain, HELD_TO[found.kind]
    if part.difference is None or gain.difference is None or part.candidate is None:
        return ""
    same = f"the same prompt held to {to} scores {part.candidate:.1%}"
    shown, n = _points(part), f"n = {part.n:,}"
    whole = f"the gain over {part.baseline_arm} ({_points(gain)})"
    if gain.difference <= 0:
        return f"{same[:1].upper()}{same[1:]}, {shown} against {part.baseline_arm} with free answers, {n}."
    if part.low is None or part.low <= 0:
        return f"Of {whole} none is shown to be format: {same}, {shown}, {n}."
    return f"Of {whole} {shown} are format alone: {same}, {n}."


def _points(comparison: Comparison) -> str:
    assert comparison.difference is not None
    return f"{points(comparison.difference)} points{span(comparison.low, comparison.high, points)}"


def held_gate(broken: Mapping[str, int], n: int) -> Gate:
    """No answer that ended by itself is other than what it was held to: `broken` counts those that are, by arm, of
    `n`. A server may stop enforcing what it enforced when it was first asked."""
    bad = {arm: count for arm, count in broken.items() if count}
    words = "; ".join(f"{arm}: {count:,} not what they were held to" for arm, count in bad.items())
    total = sum(bad.values())
    measured = Measured(total, n=n, words=words or f"all of {n:,} answers are what they were held to")
    return Gate("held", "validity", "fail" if bad else "pass", Rule("held", 0, "count"), measured)
