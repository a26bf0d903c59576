"""Is either side a straw man: one answer given to everything, or answers that stand beside the wrong rows? -> Gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.decision.compare import Comparison
from harness.decision.gates import Gate, Measured, Rule, Status
from harness.stats import paired
from reports.rows import Side

# A constant answer right on fewer than one example in fifty is a coincidence, not a strategy that a bar must beat.
STRATEGY = 0.02
# Where one answer is right this often, a sound prompt may well be right less often than it.
IMBALANCED = 0.8
# How much larger than the share of the most common target that of the most common answer must be to be far more, and
# how sure: a side whose true shares differ by no more is taken for one in a thousand at most.
FAR_MORE, SURE = 0.25, 0.999
# Answers fit a neighbouring row much better than their own when they score this much more there.
MUCH_BETTER = 0.1


@dataclass(frozen=True, slots=True)
class BesideConstant:
    """One side's `n` answers beside one answer given to everything.

    `most_common` is given `repeated` times, the most common target is wanted `wanted` times. `against` compares the
    side with `constant`, the best of constant answers, as its baseline; None where no constant answer can be marked.
    There `as_given` may compare it with its most common answer, worth everywhere what it is worth where it was given.
    """

    side: Side
    arm: str
    n: int
    most_common: str
    repeated: int
    wanted: int
    constant: str = ""
    against: Comparison | None = None
    as_given: Comparison | None = None

    @property
    def shown_better(self) -> bool:
        """Whether the side is shown better than the constant answer."""
        beside = self.against or self.as_given
        return beside is not None and beside.low is not None and beside.low > 0


@dataclass(frozen=True, slots=True)
class Shifted:
    """A side's answers marked by the targets of rows `by` further on: the score there, on their own rows, and that of
    the other rows nearby, `elsewhere`.

    `low` is the lower of two ends: of the interval of the difference to their own rows, and of that to the other rows
    nearby; None where it was not worked out.
    """

    arm: str
    by: int
    n: int
    own: float
    there: float
    elsewhere: float
    low: float | None


def repeats(side: BesideConstant) -> bool:
    """Whether the answers repeat far more than the targets do, beyond chance."""
    if not side.most_common.strip() or not side.n:
        return False
    surely = paired.wilson(side.repeated, side.n, 2 * SURE - 1).low
    return surely > side.wanted / side.n + FAR_MORE


def constant_gate(base: BesideConstant, candidate: BesideConstant) -> Gate:
    """Both sides do better than one answer given to everything.

    The candidate must be shown to; the bar must not score less than the constant answer, or the same, unless that is
    right nearly always and the candidate is shown better than it.
    """
    statuses = {side: _status(side, candidate) for side in (base, candidate)}
    worst = min(statuses.values(), key=("fail", "unknown", "pass").index)
    shown = [side for side, status in statuses.items() if status == worst]
    words = "; ".join(_words(side) for side in shown)
    if worst != "pass":
        words += f"; {_fix(shown)}"
    value = next((side.against.difference for side in shown if side.against), None)
    return Gate(
        "constant_answers", "validity", worst, Rule("constant_answers"), Measured(value, n=shown[0].n, words=words)
    )


def _status(side: BesideConstant, candidate: BesideConstant) -> Status:
    if side.shown_better:
        return "pass"
    if repeats(side):
        return "fail"
    c = side.against
    if c is None or c.baseline is None or c.candidate is None:
        return "pass"
    if side.side == "candidate":
        return "fail" if c.candidate <= c.baseline else "unknown"
    excused = c.baseline >= IMBALANCED and candidate.shown_better
    return "fail" if c.candidate <= c.baseline and c.baseline >= STRATEGY and not excused else "pass"


def _words(side: BesideConstant) -> str:
    c = side.against
    if repeats(side) and not side.shown_better:
        wanted = f"the most common target {side.wanted / side.n:.1%}"
        return f"{side.arm} gives {side.most_common!r} as {side.repeated / side.n:.1%} of its answers, {wanted}"
    if c is None or c.baseline is None or c.candidate is None:
        return f"{side.arm}: no constant answer to compare with"
    return f"{side.arm} scores {c.candidate:.1%}, always answering {side.constant!r} {c.baseline:.1%}"


def _fix(shown: Sequence[BesideConstant]) -> str:
    if any(side.side == "base" for side in shown):
        return (
            "mend the prompt (the form of the answers, the names of the labels); if the base cannot do the task at "
            "all, write `policy: {constant_answers: warn}`"
        )
    return "read its answers; if they are meant to be so, write `policy: {constant_answers: warn}`"


def shifted(
    arm: str, by: int, own: Sequence[float], there: Mapping[int, Sequence[float]], clusters: Sequence[str]
) -> Shifted:
    """How answers score `by` rows on, of what they score on each row nearby; with intervals where they gain much."""
    rest = [fmean(scores) for scores in zip(*(there[other] for other in there if other != by), strict=True)]
    score, best, elsewhere = fmean(own), fmean(there[by]), fmean(rest)
    low = None
    if best - max(score, elsewhere) >= MUCH_BETTER:
        low = min(_surely(own, there[by], clusters), _surely(rest, there[by], clusters))
    return Shifted(arm, by, len(own), score, best, elsewhere, low)


def _surely(before: Sequence[float], after: Sequence[float], clusters: Sequence[str]) -> float:
    """The lower end of the difference; the lowest there is where the rows are too few for an interval."""
    interval = paired.paired_difference(before, after, clusters, confidence=2 * SURE - 1).interval
    return interval.low if interval else -1.0


def aligned_gate(shifts: Sequence[Shifted]) -> Gate:
    """No side's answers fit the rows before or after their own much better than their own."""
    moved = [shift for shift in shifts if is_moved(shift)]
    words = "; ".join(
        f"the answers of {shift.arm} score {shift.there:.1%} beside the rows {_place(shift.by)} and {shift.own:.1%} "
        "beside their own: join them to the examples anew"
        for shift in moved
    )
    most = max((shift.there - shift.own for shift in shifts), default=None)
    n = shifts[0].n if shifts else None
    measured = Measured(most, n=n, words=words or "no neighbouring row fits better")
    return Gate("aligned", "validity", "fail" if moved else "pass", Rule("aligned", MUCH_BETTER, "score"), measured)


def is_moved(shift: Shifted) -> bool:
    """Whether answers fit another row much better than their own, and than the rest: not by being worse than chance."""
    shown = shift.low is not None and shift.low > 0
    return shown and shift.there - max(shift.own, shift.elsewhere) >= MUCH_BETTER


def _place(by: int) -> str:
    return f"{abs(by)} {'after' if by > 0 else 'before'}"
