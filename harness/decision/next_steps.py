"""What to do after a verdict, where its usual advice would not help: made of the gates that are open or broken."""

from __future__ import annotations

from collections.abc import Sequence

from harness.decision.cautions import FAIR_BAR
from harness.decision.gates import Gate, Kind
from harness.decision.room import at_floor
from harness.decision.wording import hangs_on_missing

READ_ANSWERS = (
    "Read what was asked and answered (`harness flips`, `harness show`) and look at the prompt, the metric and the "
    "targets: neither side gets an answer right, and more examples would show the same."
)
FULL_MARKS = (
    "Ship the chosen prompt: it answers every test example right, so that this exam leaves nothing to gain. Harder "
    "examples could tell more."
)
ANOTHER_PROMPT = (
    "Ship a prompt, chosen anew with more validation rows: one that was not chosen holds its own against the fine-tune."
)
BEHIND = (
    "Keep the best prompt and its model: the candidate is shown to fall behind by more than you allow. More or better "
    "data, or a larger base, could close that; another run would not."
)
NOT_CHEAPER = (
    "Keep the best prompt and its model. A shorter prompt of the candidate's own, a smaller base or a cheaper machine "
    "could save what you asked for; better answers would not."
)
ANOTHER_IS_ENOUGH = (
    "Ship the prompt named above that was not chosen, chosen anew with more validation rows: it is about as good as "
    "the candidate and not dearer by what you asked for."
)
PRICE = (
    "Give the price that is missing, or answers with their tokens, and run the same command again: what was answered "
    "is kept, and what has no price cannot win on price."
)
BAR_AT_FLOOR = (
    "Mend the prompt: it does hardly better than knowing nothing, and to be as good as that says nothing. Read what "
    "was asked and answered (`harness flips`, `harness show`)."
)
HARDER_SUITE = (
    "Ask what the base can do in place of the suites named above, or go without them; more of the same examples would "
    "not settle it."
)
JUDGE_FIRST = (
    "Make the judge trusted, as said above: where labels would do, label from the top of `pairs-to-label.jsonl` beside "
    "the report, add those rows to `judge.calibration` and run the same command again; else take a better judge or "
    "rubric."
)
ADD_EXAM = "Give the experiment a test set of the task (`data.test`, or `data.split`): nothing else can show a gain."
NAME_SUITES = (
    "Name what must not be lost under `regression`, or write `regression: []` to go without, and run the same command "
    "again."
)
GET_MARKS = "Get the marks that are missing and run the same command again; more examples would not settle it."
MEASURE = "Give what the budget needs and is not known, or take it out of `policy`; then run again."
MORE_SEEDS = "Train with more seeds (`seeds.count`) and run the same command again: finished work is kept."
RAISE_BAR = (
    "Give the base what the bar lacks, as said above, and run the same command again: finished work is kept. "
    "`policy: {fair_bar: told}` decides without."
)
CHEAPER = "Serve it on something faster or cheaper, or raise the budget in `policy`; then run again."
LIKE_ROWS = "Read the answers that got worse (`harness flips --worse`), add training rows like them, and run again."


def of_open(gates: Sequence[Gate]) -> str:
    """What settles an inconclusive decision where more test examples would not; empty where they would."""
    still = [gate for gate in gates if gate.status == "unknown" and gate.tier != "advisory"]
    if _right(gates) == (0, 0):
        return READ_ANSWERS
    if any(gate.comparison is not None and gate.comparison.untrusted for gate in still):
        return JUDGE_FIRST
    if any(gate.rule.name == "task_missing" for gate in still):
        return ADD_EXAM
    if all(gate.rule.name == "regression_missing" for gate in still):
        return NAME_SUITES
    if all(gate.kind == "harm" and gate.comparison is not None and at_floor(gate.comparison) for gate in still):
        return HARDER_SUITE
    if all(gate.rule.name == "as_good" and gate.comparison and at_floor(gate.comparison) for gate in still):
        return BAR_AT_FLOOR
    if all(gate.comparison is not None and hangs_on_missing(gate.comparison) for gate in still):
        return GET_MARKS
    return _of_price(still) or _of_bar_or_recipe(still)


def _of_price(still: Sequence[Gate]) -> str:
    """The same where what is open was not measured."""
    if all(gate.rule.name == "saving" and gate.measured.value is None for gate in still):
        return PRICE
    return MEASURE if all(gate.kind == "budget" and gate.measured.value is None for gate in still) else ""


def _of_bar_or_recipe(still: Sequence[Gate]) -> str:
    """The same where all that is open is the bar, or what other seeds would train."""
    if all(gate.rule.name in FAIR_BAR for gate in still):
        return RAISE_BAR
    return MORE_SEEDS if all(gate.id == "seeds" for gate in still) else ""


def of_no_gain(gates: Sequence[Gate]) -> str:
    """What follows from a gain that was excluded; empty where the chosen prompt is to be shipped."""
    if _right(gates) == (0, 0):
        return READ_ANSWERS
    as_good, failed = _as_good(gates), {gate.id for gate in _failed(gates, "gain")}
    if _right(gates)[0] == 1 and not as_good:
        return FULL_MARKS
    if failed == {"every_prompt"}:
        return ANOTHER_IS_ENOUGH if as_good else ANOTHER_PROMPT
    if as_good:
        return NOT_CHEAPER if failed == {"saving"} else BEHIND
    return ""


def of_harm(gates: Sequence[Gate]) -> str:
    """What follows from a rejection; empty where what the base could do was lost."""
    losses = _failed(gates, "harm")
    if not losses:
        return CHEAPER
    on_the_task = all(gate.id in ("slices", "edge_cases") or gate.id.startswith("metric/") for gate in losses)
    return LIKE_ROWS if on_the_task else ""


def _as_good(gates: Sequence[Gate]) -> bool:
    """Whether the goal was to be as good and cheaper."""
    return any(gate.rule.name == "as_good" for gate in gates)


def _right(gates: Sequence[Gate]) -> tuple[float | None, float | None]:
    """The scores of the best prompt and of the candidate on the task; None where there are none."""
    task = next((gate.comparison for gate in gates if gate.id == "gain"), None)
    return (task.baseline, task.candidate) if task else (None, None)


def _failed(gates: Sequence[Gate], kind: Kind) -> list[Gate]:
    return [gate for gate in gates if gate.kind == kind and gate.status == "fail" and gate.tier != "advisory"]
