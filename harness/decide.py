"""Comparisons + Policy -> Gates -> Decision. Pure: no files, no clock, no model.

Superior to the best prompt on the task, and not worse than the base on every regression suite, and the numbers are
comparable. Every gate must pass to deploy, so the false-deploy rate stays at or below alpha without correction
(intersection-union test, Berger 1982); claims of harm over several suites or slices are Holm-adjusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from harness import power, stats
from harness.compare import Comparison
from harness.config import Policy, Tier

Status = Literal["pass", "fail", "unknown"]
POWER = 0.8


class Verdict(Enum):
    """The five answers; each has one exit code, so text and code cannot disagree."""

    DEPLOY = ("deploy", 0)
    KEEP_PROMPTING = ("keep_prompting", 3)
    REJECT = ("reject", 4)
    INCONCLUSIVE = ("inconclusive", 5)
    INVALID = ("invalid", 6)

    def __init__(self, text: str, exit_code: int) -> None:
        self.text = text
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule: what it asks, what was measured, and whether it holds."""

    kind: Literal["validity", "gain", "harm", "budget"]
    name: str
    rule: str
    measured: str
    status: Status
    tier: Tier = "critical"


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, the gates that made it, and the sentences that say so."""

    verdict: Verdict
    gates: tuple[Gate, ...]
    headline: str
    reason: str
    next_step: str


def decide(
    validity: Sequence[Gate], comparisons: Sequence[Comparison], policy: Policy, *, regression_declared: bool = True
) -> Decision:
    """The first of invalid, reject, keep_prompting, inconclusive, deploy that applies.

    `regression_declared` says whether the experiment named its regression suites, or named that it has none.
    """
    tasks = [c for c in comparisons if c.kind == "task"]
    gates = [*validity, *(gain_gate(c) for c in tasks), *harm_gates(comparisons, policy)]
    if not tasks:
        gates.append(Gate("gain", "gain over the best prompt", "a task suite decides", "no task suite", "unknown"))
    if not regression_declared:
        rule = "every regression suite is no worse than its margin"
        measured = "none was named; list suites under `regression`, or write `regression: []` to go without"
        gates.append(Gate("harm", "regression", rule, measured, "unknown"))
    return _decision(tuple(gates), tasks[0] if tasks else None)


def gain_gate(comparison: Comparison) -> Gate:
    """The candidate's gain over the best prompt, against the gain that was asked for."""
    c = comparison
    status: Status = "unknown"
    if c.low is not None and c.high is not None:
        status = "pass" if c.low > c.margin else "fail" if c.high <= c.margin else "unknown"
    return Gate("gain", "gain over the best prompt", f"more than {c.margin:+.3f}", measured(c), status)


def harm_gates(comparisons: Sequence[Comparison], policy: Policy) -> list[Gate]:
    """One gate per tolerated loss. Harm is a claim, so its p-values are Holm-adjusted (suites, then slices)."""
    whole = [c for c in comparisons if c.kind in ("metric", "regression", "judge")]
    decisive = [c for c in whole if c.tier != "advisory"]
    slices = [c for c in comparisons if c.kind == "slice"]
    alpha = 1 - policy.confidence
    advisory = [c for c in whole if c.tier == "advisory"]
    harmed = {c for family in (decisive, advisory, slices) for c in _harmed(family, alpha)}
    gates = [_harm_gate(c, c in harmed) for c in whole]
    return [*gates, _slice_gate(slices, [c for c in slices if c in harmed])] if slices else gates


def _harmed(comparisons: Sequence[Comparison], alpha: float) -> list[Comparison]:
    """Those shown to be worse than their margin."""
    p_values = [1.0 if c.p_harm is None else c.p_harm for c in comparisons]
    return [c for c, p in zip(comparisons, stats.holm(p_values), strict=True) if p <= alpha]


def _kept(c: Comparison) -> bool:
    return c.low is not None and c.low >= -c.margin


def _harm_gate(c: Comparison, harmed: bool) -> Gate:
    """Critical and advisory rules ask for proof that nothing was lost; supporting ones for no proof that it was."""
    name = {"metric": c.metric, "regression": c.suite, "judge": "judge"}[c.kind]
    if c.tier == "supporting":
        rule = f"not shown worse than {-c.margin:+.3f}"
        return Gate("harm", name, rule, measured(c), "fail" if harmed else "pass", c.tier)
    status: Status = "fail" if harmed else "pass" if _kept(c) else "unknown"
    told = f"{measured(c)}; {settle(c)}" if status == "unknown" else measured(c)
    return Gate("harm", name, f"no worse than {-c.margin:+.3f}", told, status, c.tier)


def _slice_gate(slices: Sequence[Comparison], bad: Sequence[Comparison]) -> Gate:
    """All slices as one rule; the tier says whether one that is merely uncertain may block."""
    tier = slices[0].tier
    open_ = [] if tier == "supporting" else [c for c in slices if not _kept(c) and c not in bad]
    worst = min(slices, key=lambda c: c.difference if c.difference is not None else 0.0)
    text = "; ".join(f"{c.slice}: {measured(c)}" for c in bad) or f"worst is {worst.slice}: {measured(worst)}"
    if open_ and not bad:
        text = "; ".join(f"{c.slice}: {measured(c)}; {settle(c)}" for c in open_)
    shown = "shown worse" if tier == "supporting" else "worse"
    rule = f"none of {len(slices)} {shown} than {-slices[0].margin:+.3f}"
    return Gate("harm", "slices", rule, text, "fail" if bad else "unknown" if open_ else "pass", tier)


def measured(c: Comparison) -> str:
    """A comparison in threes: value, interval, n."""
    if c.difference is None:
        return f"no example has a score on both sides ({c.n_unscored} without)"
    interval = "no interval" if c.low is None or c.high is None else f"[{c.low:+.3f}, {c.high:+.3f}]"
    clusters = f" in {c.n_clusters} clusters" if c.n_clusters != c.n else ""
    unscored = f", {c.n_unscored} unscored" if c.n_unscored else ""
    return f"{c.difference:+.3f} {interval}, n={c.n:,}{clusters}{unscored}"


def settle(c: Comparison) -> str:
    """What would close an open comparison: how many more examples, if the difference is what it looks like."""
    if c.difference is None or c.sd is None:
        return "no example has a score on both sides"
    if c.low is None:
        return "it takes examples of more than one cluster"
    task = c.kind == "task"
    limit = c.margin if task else -c.margin
    needed = power.required_n(c.difference, limit, c.sd, confidence=c.confidence, power=POWER, one_sided=not task)
    if needed is None:
        return "no number of examples settles a difference exactly at the limit"
    return f"about {max(needed - c.n, 1):,} more examples would settle it if the difference is what it looks like"


def _decision(gates: tuple[Gate, ...], task: Comparison | None) -> Decision:
    verdict = _verdict(gates)
    return Decision(verdict, gates, HEADLINES[verdict], _reason(verdict, gates, task), NEXT_STEPS[verdict])


def _verdict(gates: Sequence[Gate]) -> Verdict:
    deciding = [gate for gate in gates if gate.tier != "advisory"]
    failed = {gate.kind for gate in deciding if gate.status == "fail"}
    if "validity" in failed:
        return Verdict.INVALID
    if failed & {"harm", "budget"}:
        return Verdict.REJECT
    if "gain" in failed:
        return Verdict.KEEP_PROMPTING
    if any(gate.status == "unknown" for gate in deciding):
        return Verdict.INCONCLUSIVE
    return Verdict.DEPLOY


HEADLINES = {
    Verdict.DEPLOY: "Deploy: the fine-tune beats the best prompt and loses nothing beyond what you allow.",
    Verdict.KEEP_PROMPTING: "Keep prompting: the fine-tune is not worth replacing the prompt.",
    Verdict.REJECT: "Do not deploy: the fine-tune does harm.",
    Verdict.INCONCLUSIVE: "Do not deploy yet: inconclusive.",
    Verdict.INVALID: "No verdict: these numbers cannot be compared.",
}

NEXT_STEPS = {
    Verdict.DEPLOY: "Ship the candidate; keep this report beside it.",
    Verdict.KEEP_PROMPTING: "Ship the chosen prompt. A better fine-tune needs more or better data, not another run.",
    Verdict.REJECT: "Lower the learning rate, train for fewer epochs, or mix in general data; then run again.",
    Verdict.INCONCLUSIVE: "Add test examples as said above and run the same command again; finished work is kept.",
    Verdict.INVALID: "Mend what the failed gate names and run the same command again.",
}


def _reason(verdict: Verdict, gates: Sequence[Gate], task: Comparison | None) -> str:
    """The numbers behind the verdict in plain words."""
    kind = {Verdict.INVALID: "validity", Verdict.REJECT: "harm"}.get(verdict)
    if kind:
        failed = [gate for gate in gates if gate.kind == kind and gate.status == "fail"]
        told = "; ".join(f"{gate.name} {gate.measured} (rule: {gate.rule})" for gate in failed)
        return told if kind == "validity" or task is None else f"{told}. {_told(task)}"
    if task is None:
        return "There is no task suite, so nothing can be better than the prompt."
    open_gates = [gate.name for gate in gates if gate.status == "unknown"]
    if verdict is Verdict.INCONCLUSIVE:
        return f"{_told(task)} {_open(task, open_gates)}"
    if verdict is Verdict.KEEP_PROMPTING and task.high is not None:
        return f"{_told(task)} At best that is {points(task.high)}, and you asked for more than {points(task.margin)}."
    return _told(task)


def _told(task: Comparison) -> str:
    """The task's result as one sentence anyone can read."""
    if task.difference is None or task.baseline is None or task.candidate is None:
        return "No test example has a score on both sides."
    metric = task.metric.replace("_", " ")
    interval = ""
    if task.low is not None and task.high is not None:
        interval = f"{task.confidence:.0%} interval {points(task.low)} to {points(task.high)}, "
    told = (
        f"{task.candidate_arm} {_more(task.difference)} the best prompt ({task.baseline_arm}) on {metric}: "
        f"{task.candidate:.1%} against {task.baseline:.1%}, {interval}n = {task.n:,}."
    )
    if task.candidate == task.baseline == 0:
        told += " Neither gets a single example right: read their answers before anything else."
    return told


def _more(difference: float) -> str:
    if difference == 0:
        return "scores the same as"
    return f"scores {abs(difference) * 100:.1f} points {'more' if difference > 0 else 'fewer'} than"


def _open(task: Comparison, names: Sequence[str]) -> str:
    """What is still open; the gates themselves say what would close them."""
    text = f"Still open: {', '.join(names)}."
    if "gain over the best prompt" in names:
        text += f" You asked for more than {points(task.margin)}; {settle(task)}."
    return text


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{share * 100:+.1f}"
