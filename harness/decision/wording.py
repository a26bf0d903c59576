"""Says a comparison in words: the numbers for those who know them, a sentence for everyone else."""

from __future__ import annotations

from harness.decision.compare import Comparison, Question
from harness.stats import power

POWER = 0.8


def measured(c: Comparison) -> str:
    """A comparison in threes: value, interval, n."""
    if c.n == 0:
        return f"no example has a score on both sides ({c.n_unscored} without)"
    value = "no ratio to a score of 0" if c.difference is None else amount(c, c.difference)
    ends = ["…" if end is None else amount(c, end) for end in (c.low, c.high)]
    interval = "no interval" if c.low is None and c.high is None else f"[{ends[0]}, {ends[1]}]"
    clusters = f" in {c.n_clusters} clusters" if c.n_clusters != c.n else ""
    unscored = f", {c.n_unscored} unscored" if c.n_unscored else ""
    return f"{value} {interval}, n={c.n:,}{clusters}{unscored}"


def amount(c: Question, value: float) -> str:
    """A difference as the rule states it: of scores, or as a share of the baseline's score."""
    return f"{value:+.1%}" if c.relative else f"{value:+.3f}"


def settle(c: Comparison) -> str:
    """What would close an open comparison: how many more examples, if the difference is what it looks like."""
    if c.n == 0:
        return "no example has a score on both sides"
    if c.n_clusters < 2:
        return "it takes examples of more than one cluster"
    if c.difference is None or c.sd is None:
        return "a score near 0 allows no ratio; state the margin as a difference"
    task = c.kind == "task"
    limit = c.margin if task else -c.margin
    needed = power.required_n(c.difference, limit, c.sd, confidence=c.confidence, power=POWER, one_sided=not task)
    if needed is None:
        return "no number of examples settles a difference exactly at the limit"
    return f"about {roughly(needed - c.n):,} more examples would settle it if the difference is what it looks like"


def roughly(count: int) -> int:
    """A count that was worked out from an estimate, rounded up to two digits; at least 1."""
    unit = int("1" + "0" * (len(str(max(count, 1))) - 2))
    return max(-(-count // unit) * unit, 1)


def told(task: Comparison) -> str:
    """The task's result as one sentence anyone can read."""
    if task.baseline is None or task.candidate is None:
        return "No test example has a score on both sides."
    interval = ""
    if task.low is not None or task.high is not None:
        interval = f"{task.confidence:.0%} interval {span(task)}, "
    metric = task.metric.removeprefix("recorded:").replace("_", " ")
    sentence = (
        f"{task.candidate_arm} {_more(task.candidate - task.baseline)} the best prompt ({task.baseline_arm}) on "
        f"{metric}: {task.candidate:.1%} against {task.baseline:.1%}, {interval}n = {task.n:,}."
    )
    if task.candidate == task.baseline == 0:
        sentence += " Neither gets a single example right: read their answers before anything else."
    return sentence


def lost(c: Comparison) -> str:
    """A shown loss as one phrase anyone can read."""
    name = {"metric": c.metric, "judge": "the judge's preference", "slice": c.slice}.get(c.kind, c.suite)
    if c.baseline is None or c.candidate is None:
        return name
    return (
        f"{(c.baseline - c.candidate) * 100:.1f} points on {name} ({c.candidate:.1%} after {c.baseline:.1%}; "
        f"allowed: {points(c, c.margin).lstrip('+')})"
    )


def span(c: Comparison) -> str:
    """Both ends of the interval in points, or as shares of the baseline's score."""
    low, high = ("no limit" if end is None else points(c, end) for end in (c.low, c.high))
    return f"{low} to {high}"


def points(c: Question, value: float) -> str:
    """A difference in percentage points, or as a share of the baseline's score, with its sign."""
    return f"{value:+.1%} of the prompt's score" if c.relative else f"{value * 100:+.1f}"


def _more(difference: float) -> str:
    if difference == 0:
        return "scores the same as"
    return f"scores {abs(difference) * 100:.1f} points {'more' if difference > 0 else 'fewer'} than"
