"""From what is on record to the decision: comparisons, gates, verdict; nothing is asked of any model here."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from importlib.metadata import version

from harness.decision import validity
from harness.decision.budgets import budget_gates
from harness.decision.cautions import FAIR_BAR
from harness.decision.compare import GAINS, Comparison
from harness.decision.costs import cheaper
from harness.decision.decide import Decision, Verdict, decide
from harness.decision.gates import Gate
from harness.decision.overrides import overrides
from harness.decision.wording import in_words, measured
from harness.experiment.family import kin
from harness.experiment.session import Session
from harness.judge import ask, audit, cascade
from harness.pipeline import cross_validation
from harness.pipeline.compare import compare_all, gains
from harness.pipeline.costs import count_costs, keep_costs, keep_stakes, own_prompt_saves, savings
from harness.pipeline.draws import draws_sentence
from harness.pipeline.edges import edge_facts
from harness.pipeline.format_gain import format_alone
from harness.pipeline.lesson import tracked
from harness.pipeline.recipe import Seeds, recipe_gates, seeds_of, seeds_sentence
from harness.pipeline.search import on_record
from harness.pipeline.seeds import curve_sentence
from harness.pipeline.ship import commit, ship
from harness.pipeline.straw_men import straw_men
from harness.pipeline.validity import validity_gates
from harness.pipeline.word import word
from harness.store import decisions, experiments
from harness.store.decisions import Decided
from reports.rows import ComparisonRow, GateRow

LEAKS = ("train_test_overlap", "train_test_near", "train_test_words")
PACKAGES = ("finetune-harness", "torch", "transformers", "peft", "trl", "lm-eval", "evaluate", "datasets", "duckdb")


def conclude(session: Session) -> None:
    """The last stage. The same record always gives the same decision."""
    config = session.experiment.config
    comparisons = [] if experiments.stopped(session.store, session.id) else compare_all(session)
    gates = validity_gates(session, comparisons[0] if comparisons else None)
    declared = config.regression is not None or bool(config.asked_before)
    costs = count_costs(session)
    seeds = seeds_of(session, comparisons[0] if comparisons else None)
    others = budget_gates(costs, config.policy) + recipe_gates(seeds, config.policy.max_unscored)
    rules = partial(
        decide,
        policy=config.policy,
        budgets=others,
        regression_declared=declared,
        overridden=overrides(config),
        savings=savings(session, comparisons),
        currency=config.costs.currency,
    )
    decision = rules(gates, comparisons)
    if comparisons:
        gates += _straw_men(session, comparisons[0], decision.verdict)
        decision = rules(gates, comparisons)
    if decision.verdict is Verdict.KEEP_PROMPTING and (price := cheaper(costs)):
        decision = replace(decision, reason=f"{decision.reason} {price}")
    leaks = _without_leaks(session, gates, comparisons, rules, decision)
    if decision.verdict is Verdict.DEPLOY and leaks and leaks.turned:
        gates.append(validity.unseen_gate(leaks.told))
        decision = rules(gates, comparisons)
    decision = cross_validation.of_recipe(session, decision)
    comparable = decision.verdict is not Verdict.INVALID and comparisons
    with session.store.connect():
        keep_costs(session, costs)
        keep_stakes(session, comparisons[0] if comparable else None, costs)
        _store(session, comparisons, decision, leaks, seeds)
    _report(session, comparisons, decision)


def _straw_men(session: Session, gain: Comparison, verdict: Verdict) -> list[Gate]:
    """Gates and cautions on what both sides answered.

    Constant answers decide where they would be deployed, or deployed against; where they would not, or where the
    experiment says that they may be, they are told.
    """
    straw = straw_men(session, gain)
    constant = straw.constant
    told = session.experiment.config.policy.constant_answers == "warn" or verdict is not Verdict.DEPLOY
    if told and constant.status != "pass":
        constant = replace(constant, kind="caution", tier="advisory", status="fail")
    settled = verdict in (Verdict.KEEP_PROMPTING, Verdict.REJECT)
    gates = [straw.aligned, constant, *straw.always, *([] if settled else straw.beside_a_gain)]
    asked = session.experiment.config.policy.fair_bar == "required" and verdict is Verdict.DEPLOY
    return [_required(gate) if asked and gate.id in FAIR_BAR else gate for gate in gates]


def _required(gate: Gate) -> Gate:
    """What is told of the bar as a rule that is open: over a better bar the gain may be none."""
    return replace(gate, kind="gain", tier="critical", status="unknown")


def leaked(session: Session) -> set[str]:
    """The test examples that stand in the training set in some form, as the data check found them."""
    findings = experiments.findings(session.store, session.id)
    return {row for finding in findings if finding.check in LEAKS for row in finding.rows}


@dataclass(frozen=True, slots=True)
class WithoutLeaks:
    """What the decision would be without the examples that training has seen, and whether it would be another."""

    told: str
    turned: bool


def _without_leaks(
    session: Session,
    gates: Sequence[Gate],
    comparisons: Sequence[Comparison],
    rules: Callable[[Sequence[Gate], Sequence[Comparison]], Decision],
    decision: Decision,
) -> WithoutLeaks | None:
    """What the decision would be on the test examples that training has not seen; None where it has seen none."""
    seen, examples = leaked(session), session.splits["test"]
    if not seen or not comparisons:
        return None
    count = f"{len(seen):,} of the {len(examples):,} test examples stand in the training set in some form"
    if len(seen) == len(examples):
        return WithoutLeaks(f"{count}. No example is left to decide without them.", turned=True)
    clean, *others = gains(session, but=seen)
    other = rules(gates, [clean, *others, *(c for c in comparisons if c.kind not in GAINS)])
    sentence = (
        f"{count}. With them the gain is {measured(comparisons[0])}, verdict {decision.verdict.text}; without them "
        f"{measured(clean)}, verdict {other.verdict.text}."
    )
    return WithoutLeaks(sentence, other.verdict is not decision.verdict)


def _report(session: Session, comparisons: Sequence[Comparison], decision: Decision) -> None:
    """The decision's numbers to the experiment's trackers."""
    numbers: dict[str, float | None] = {"decision/exit_code": float(decision.verdict.exit_code)}
    for c in (c for c in comparisons if c.kind in ("task", "regression")):
        name = "decision/gain" if c.kind == "task" else f"decision/{c.suite}"
        numbers |= {name: c.difference, f"{name}_low": c.low, f"{name}_high": c.high}
    with tracked(session) as tracking:
        tracking.log({name: value for name, value in numbers.items() if value is not None})


def _store(
    session: Session,
    comparisons: Sequence[Comparison],
    decision: Decision,
    leaks: WithoutLeaks | None,
    seeds: Seeds | None,
) -> None:
    rows = [_comparison(session.id, position, c) for position, c in enumerate(comparisons)]
    indices: dict[Comparison | None, int] = {c: position for position, c in enumerate(comparisons)}
    gates = [
        _gate(session.id, position, gate, indices.get(gate.comparison)) for position, gate in enumerate(decision.gates)
    ]
    decided = Decided(
        experiment_id=session.id,
        verdict=decision.verdict.text,
        exit_code=decision.verdict.exit_code,
        headline=decision.headline,
        reason=decision.reason,
        next_step=decision.next_step,
        facts={
            **_facts(session, seeds, comparisons[0] if comparisons else None),
            "leaks": asdict(leaks) if leaks else {},
            **_examined(session, comparisons),
        },
    )
    decisions.put(session.store, decided, rows, gates)


def _gate(experiment_id: str, position: int, gate: Gate, comparison: int | None) -> GateRow:
    words = asdict(in_words(gate))
    return GateRow(experiment_id=experiment_id, position=position, **{**words, "comparison": comparison})


def _comparison(experiment_id: str, position: int, c: Comparison) -> ComparisonRow:
    columns = {field.name for field in fields(ComparisonRow)}
    values = {name: value for name, value in asdict(c).items() if name in columns}
    return ComparisonRow(experiment_id=experiment_id, position=position, **values)


SEEN_ONCE = "One training and one decoding were seen; another may differ by more."


ONE_TRAINING = "One training was seen; another may differ by more."


def _uncertainty(session: Session, seeds: Seeds | None, gain: Comparison | None) -> str:
    """What the intervals cover, and what they cannot."""
    if session.folds:
        sentence = cross_validation.uncertainty(session)
    else:
        told = seeds_sentence(seeds)
        drawn = draws_sentence(session, gain)
        seen = f"One decoding was seen; another may differ. {told}" if told else SEEN_ONCE
        seen = f"{drawn} {told or ONE_TRAINING}" if drawn else seen
        sentence = f"Intervals cover the choice of examples. {seen}"
    split = audit.contradiction(cascade.heard(ask.read_verdicts(session.store, session.id)))
    own = next((part.share for part in split.components if part.source == "judging"), None) if split else None
    return (
        sentence
        if own is None
        else f"{sentence} Of the judge's uncertainty {own:.0%} is its own contradiction between orders."
    )


def _examined(session: Session, comparisons: Sequence[Comparison]) -> dict[str, object]:
    """What ships, what the candidate's own prompt saves and how much is format alone, once both sides took the exam."""
    if not comparisons:
        return {}
    found: dict[str, object] = {
        "own_prompt": own_prompt_saves(session),
        "format": format_alone(session),
        "searches": on_record(session),
        "edge_cases": edge_facts(session),
    }
    return {"ship": ship(session).on_record(), **{name: facts for name, facts in found.items() if facts}}


def _facts(session: Session, seeds: Seeds | None, gain: Comparison | None) -> dict[str, object]:
    """What it takes to do it again."""
    config, said = session.experiment.config, word(session)
    return {
        "seed": config.seed,
        "commit": commit(session.experiment.folder),
        "experiment_id": session.id,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "judge": said.distrust if said else "",
        "judge_labels": said.labels if said else "",
        "judge_standing": said.trust.standing if said else "",
        "judge_family": kin(session.experiment) if said else "",
        "uncertainty": _uncertainty(session, seeds, gain),
        "learning_curve": curve_sentence(session, config.policy),
        **{name: version(name) for name in PACKAGES},
    }
