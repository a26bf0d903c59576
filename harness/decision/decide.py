"""Comparisons + Policy -> Gates -> Decision. Pure: no files, no clock, no model.

The candidate reaches the goal (`goals`: better than the best prompt, or as good and cheaper), is not worse than its
base on every regression suite, and the numbers are comparable. Every gate must pass to deploy, so the false-deploy rate
stays at or below alpha without correction (intersection-union test, Berger 1982); claims of harm over several suites or
slices are Holm-adjusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from harness.config.policy import LIST_CURRENCY, Policy
from harness.decision import next_steps
from harness.decision.compare import Comparison
from harness.decision.gates import (
    Gate,
    Kind,
    Measured,
    Rule,
    Status,
    gate_id,
    loss_rule,
    numbers,
    slices_rule,
)
from harness.decision.goals import goal_gates, preferred_gates
from harness.decision.headline import BEATS, KEEPS_ALL, deploy_headline, is_suite_of_base
from harness.decision.room import at_floor
from harness.decision.saving import Saving
from harness.decision.slices import standing_out
from harness.decision.slices import worst as lowest
from harness.decision.together import together, together_gate
from harness.decision.wording import (
    beside_every_prompt,
    lost,
    lost_together,
    measured,
    measured_sentence,
    over_seeds,
    points,
    result,
    room_sentence,
    rule_sentence,
    saved_sentence,
    settle,
    title,
)
from harness.stats import paired


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
class Decision:
    """The verdict, the gates that made it, and the sentences that say so."""

    verdict: Verdict
    gates: tuple[Gate, ...]
    headline: str
    reason: str
    next_step: str


def decide(
    validity: Sequence[Gate],
    comparisons: Sequence[Comparison],
    policy: Policy,
    *,
    budgets: Sequence[Gate] = (),
    regression_declared: bool = True,
    overridden: Sequence[str] = (),
    savings: Sequence[Saving] = (),
    currency: str = LIST_CURRENCY,
) -> Decision:
    """The first of invalid, reject, keep_prompting, inconclusive, deploy that applies.

    `savings` are what the candidate saves beside each prompt of the bar, in a `currency`, for the goal that asks.

    `budgets` are gates on what the candidate may cost. `regression_declared` says whether the experiment named its
    regression suites, or named that it has none; `overridden` are careful defaults it set aside, for the headline.
    Raises ValueError when two gates have one id: a rule could hide behind another.
    """
    tasks = [c for c in comparisons if c.kind == "task"]
    goals = [*goal_gates(comparisons, policy, savings, currency), *preferred_gates(comparisons, policy)]
    gates = [*validity, *goals, *harm_gates(comparisons, policy), *budgets]
    if not tasks:
        gates.append(Gate("gain", "gain", "unknown", Rule("task_missing"), Measured(words="no task suite")))
    if not regression_declared:
        words = "none was named; list suites under `regression`, or write `regression: []` to go without"
        gates.append(Gate("regression", "harm", "unknown", Rule("regression_missing"), Measured(words=words)))
    if twice := [name for name, count in Counter(gate.id for gate in gates).items() if count > 1]:
        raise ValueError(f"several rules are called {', '.join(twice)}")
    return _decision(tuple(gates), overridden)


def harm_gates(comparisons: Sequence[Comparison], policy: Policy) -> list[Gate]:
    """One gate per tolerated loss, and one for the suites together where the policy asks for it.

    Harm is a claim, so its p-values are Holm-adjusted (suites and their mean, then slices, then edge cases). It is
    shown where it is with the missing marks at their best, and not excluded where it is with them at their worst.
    """
    whole = [c for c in comparisons if c.kind in ("metric", "regression", "judge")]
    decisive = [c for c in whole if c.tier != "advisory"]
    slices = [c for c in comparisons if c.kind == "slice" and not (c.of_suite or c.of_edges)]
    edges = [c for c in comparisons if c.of_edges]
    alpha = 1 - policy.confidence
    advisory = [c for c in whole if c.tier == "advisory"]
    mean = together(comparisons, policy.regression.together)
    beside = [mean.p_harm] if mean else []
    families: list[tuple[Sequence[Comparison], list[float | None]]] = [
        (decisive, beside), (advisory, []), (slices, []), (edges, []),
    ]  # fmt: skip
    status = {c: s for family, others in families for c, s in _statuses(family, alpha, others)}
    gates = [_harm_gate(c, status[c]) for c in whole]
    if mean:
        harmed = _harmed([*map(_p_at_best, decisive), mean.p_harm], alpha)[-1]
        gates.append(together_gate(mean, harmed))
    return gates + [_slice_gate([(c, status[c]) for c in parts]) for parts in (slices, edges) if parts]


def _p_at_best(c: Comparison) -> float | None:
    return c.p_harm_best if c.n_unscored else c.p_harm


def _statuses(
    family: Sequence[Comparison], alpha: float, others: Sequence[float | None]
) -> Iterator[tuple[Comparison, Status]]:
    """Critical and advisory rules ask for proof that nothing was lost; supporting ones for no proof that it was.

    Where the baseline has next to nothing to lose, neither can be had; nor where nothing could be measured, but for a
    slice that is too small, which stands beside others. `others` are p-values of further claims in Holm's family.
    """
    at_best = _harmed([*map(_p_at_best, family), *others], alpha)
    at_worst = _harmed([*(c.p_harm_worst if c.n_unscored else c.p_harm for c in family), *others], alpha)
    for c, harmed, open_ in zip(family, at_best, at_worst, strict=False):
        not_shown = not open_ and (c.kind == "slice" or c.at_least is not None)
        kept = not at_floor(c) and (not_shown if c.tier == "supporting" else _kept(c))
        yield c, "fail" if harmed else "pass" if kept else "unknown"


def _harmed(p_values: Sequence[float | None], alpha: float) -> list[bool]:
    """Which of a family are shown to be worse than their margin."""
    return [p <= alpha for p in paired.holm([1.0 if p is None else p for p in p_values])]


def _kept(c: Comparison) -> bool:
    return c.at_least is not None and c.at_least >= -c.margin


def _harm_gate(c: Comparison, status: Status) -> Gate:
    return Gate(gate_id(c), "harm", status, loss_rule(c), numbers(c), c.tier, c)


def _slice_gate(states: Sequence[tuple[Comparison, Status]]) -> Gate:
    """All slices, or kinds of edge cases, as one rule, with the numbers of the worst; the tier says whether one merely
    uncertain may block."""
    slices = [c for c, _ in states]
    called = "kinds" if slices[0].of_edges else "slices"
    bad, undecided = ([c for c, status in states if status == wanted] for wanted in ("fail", "unknown"))
    if all(c.at_least is None for c in slices):  # none of them is large enough to tell anything
        undecided = slices
    tier = slices[0].tier
    judged = [c for c in slices if c.baseline is not None]
    worst, apart = lowest(judged or slices), standing_out(slices)
    words = "; ".join(f"{_part(c)}: {measured(c)}" for c in bad) or f"worst is {_part(worst)}: {measured(worst)}"
    if undecided and not bad:
        words = "; ".join(f"{_part(c)}: {measured(c)}; {settle(c)}" for c in undecided)
    if apart:
        stand = "stands" if len(apart) == 1 else "stand"
        words += f"; look first at {', '.join(map(_part, apart))}, which {stand} out from the other {called}"
    if small := [c for c in slices if c.baseline is None]:
        words += f"; {len(small):,} of {len(slices):,} {called} are too small to be judged"
    status: Status = "fail" if bad else "unknown" if undecided else "pass"
    result = replace(numbers(worst), words=words)
    return Gate(gate_id(worst), "harm", status, slices_rule(worst, len(slices)), result, tier, worst)


def _part(c: Comparison) -> str:
    """What a slice is called in a sentence; of edge cases their kind says it all."""
    return c.slice.partition("=")[2] if c.of_edges else c.slice


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
    Verdict.DEPLOY: f"{BEATS} and {KEEPS_ALL}.",
    Verdict.KEEP_PROMPTING: "Keep prompting: the fine-tune is not worth replacing the prompt.",
    Verdict.REJECT: "Do not deploy: the fine-tune does harm.",
    Verdict.INCONCLUSIVE: "Do not deploy yet: inconclusive.",
    Verdict.INVALID: "No verdict: these numbers cannot be compared.",
}
NOT_AS_GOOD = "Keep prompting: the candidate does not replace the best prompt, it is not as good."
NOT_CHEAPER = "Keep prompting: the candidate does not replace the best prompt, it does not save what you asked for."
HARMS = "Do not deploy: the candidate does harm."
OVER_BUDGET = "Do not deploy: the fine-tune is over budget."

NEXT_STEPS = {
    Verdict.DEPLOY: "Ship the candidate; keep this report beside it.",
    Verdict.KEEP_PROMPTING: "Ship the chosen prompt. A better fine-tune needs more or better data, not another run.",
    Verdict.REJECT: "Lower the learning rate, train for fewer epochs, or mix in general data; then run again.",
    Verdict.INCONCLUSIVE: "Add test examples as said above and run the same command again: finished work is kept, and "
    "the grown test set is decided at the level of its next look. Or test on fresh questions, at the first look's.",
    Verdict.INVALID: "Mend what the failed gate names and run the same command again.",
}
REFINED = {
    Verdict.KEEP_PROMPTING: next_steps.of_no_gain,
    Verdict.REJECT: next_steps.of_harm,
    Verdict.INCONCLUSIVE: next_steps.of_open,
}


def _decision(gates: tuple[Gate, ...], overridden: Sequence[str]) -> Decision:
    verdict = _verdict(gates)
    headline = deploy_headline(gates, overridden) if verdict is Verdict.DEPLOY else _headline(verdict, gates)
    next_step = REFINED[verdict](gates) if verdict in REFINED else ""
    return Decision(verdict, gates, headline, _reason(verdict, gates), next_step or NEXT_STEPS[verdict])


def _headline(verdict: Verdict, gates: Sequence[Gate]) -> str:
    """The first sentence of any other verdict than a deploy."""
    as_good = next((gate for gate in gates if gate.rule.name == "as_good"), None)
    if verdict is Verdict.REJECT and not _failed(gates, "harm"):
        return OVER_BUDGET
    if as_good and verdict is Verdict.REJECT:
        return HARMS
    if as_good and verdict is Verdict.KEEP_PROMPTING:
        return NOT_CHEAPER if [gate.id for gate in _failed(gates, "gain")] == ["saving"] else NOT_AS_GOOD
    return HEADLINES[verdict]


def _failed(gates: Sequence[Gate], kind: Kind) -> list[Gate]:
    return [gate for gate in gates if gate.kind == kind and gate.status == "fail" and gate.tier != "advisory"]


def _reason(verdict: Verdict, gates: Sequence[Gate]) -> str:
    """The numbers behind the verdict in plain words."""
    task = next((gate.comparison for gate in gates if gate.id == "gain"), None)
    if verdict is Verdict.INVALID:
        return "; ".join(_broken(gate) for gate in _failed(gates, "validity"))
    if verdict is Verdict.REJECT:
        return " ".join([*_harm(gates), *([result(task)] if task else [])])
    if task is None:
        return "There is no task suite, so nothing can be better than the prompt."
    sentences = [result(task), *(saved_sentence(gate) for gate in gates if gate.id == "saving")]
    if verdict is Verdict.KEEP_PROMPTING and any(gate.id == "gain" for gate in _failed(gates, "gain")):
        sentences.append(_at_best(task))
    sentences += [beside_every_prompt(gate) for gate in gates if gate.id == "every_prompt"]
    sentences += [f"{_broken(gate)}." for gate in gates if gate.id == "preferred" and gate.status == "fail"]
    sentences += [_of_recipe(gate) for gate in gates if gate.id == "seeds" and gate.measured.value is not None]
    return " ".join([*sentences, *([_open(task, gates)] if verdict is Verdict.INCONCLUSIVE else [])])


def _at_best(task: Comparison) -> str:
    """Why a gain that was excluded is too little, or a loss too much."""
    if task.may_lose:
        return f"At best the difference is {points(task, task.at_most or 0.0)}; {_asked(task)}."
    shown = task.p_equal is not None and task.p_equal <= 1 - task.confidence and not task.n_unscored
    same = " The two are equivalent within that." if shown else ""
    return f"At best that is {points(task, task.at_most or 0.0)}; {_asked(task)}.{same}"


def _of_recipe(gate: Gate) -> str:
    """What other training seeds say of the gain, and whether that decides."""
    asked = rule_sentence(gate.rule)
    if gate.tier == "advisory":
        short = "" if gate.status == "pass" else f", which does not show {asked} of the recipe"
        return f"This speaks of the one checkpoint. {over_seeds(gate)}{short}."
    return f"{over_seeds(gate)}; the recipe was to gain {asked}."


def _broken(gate: Gate) -> str:
    return f"{title(gate)}: {measured_sentence(gate)} (rule: {rule_sentence(gate.rule)})"


def _harm(gates: Sequence[Gate]) -> list[str]:
    """A sentence for what is lost and one for every budget that is broken."""
    losses = [_loss(gate) for gate in _failed(gates, "harm")]
    over = [f"{_broken(gate)}." for gate in _failed(gates, "budget")]
    return [*([f"It loses {'; '.join(losses)}."] if losses else []), *over]


def _loss(gate: Gate) -> str:
    """What a broken rule about a loss says was lost, from its own numbers."""
    if gate.rule.name == "together":
        return lost_together(gate)
    if gate.comparison is None or gate.id in ("slices", "edge_cases"):
        return f"on {measured_sentence(gate)}"
    return lost(gate.comparison)


def _open(task: Comparison, gates: Sequence[Gate]) -> str:
    """What is still open; the gates themselves say what would close them."""
    still = [gate for gate in gates if gate.status == "unknown" and gate.tier != "advisory"]
    text = f"Still open: {', '.join(title(gate) for gate in still)}."
    nothing_right = task.baseline == task.candidate == 0
    if any(gate.id == "gain" for gate in still) and not nothing_right:
        how = room_sentence(next(gate for gate in still if gate.id == "gain")) or settle(task)
        text += f" {_asked(task)[:1].upper()}{_asked(task)[1:]}; {how}."
    suites = any(is_suite_of_base(gate) and gate.tier != "advisory" for gate in gates)
    if suites and all(gate.status == "pass" for gate in gates if gate.kind == "harm" and gate.tier != "advisory"):
        text += " Nothing it could do before got worse beyond what you allow."
    return text


def _asked(task: Comparison) -> str:
    """What was asked of the difference from the best prompt."""
    if task.may_lose:
        return f"you allow a loss of {points(task, -task.margin).lstrip('+')}{'' if task.relative else ' points'}"
    return f"you asked for more than {points(task, task.margin)}"
