"""From what is on record to the decision: comparisons, gates, verdict; nothing is asked of any model here."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

from harness.decision import validity
from harness.decision.budgets import budget_gates
from harness.decision.compare import Comparison
from harness.decision.costs import cheaper
from harness.decision.decide import Decision, Verdict, decide
from harness.decision.gates import Gate
from harness.decision.wording import in_words, measured
from harness.experiment.session import Session
from harness.judge import ask, audit
from harness.pipeline import costs as accounts
from harness.pipeline import cross_validation
from harness.pipeline import seeds as repeats
from harness.pipeline.compare import compare_all, compare_runs, distrust
from harness.pipeline.train import tracked
from harness.pipeline.validity import validity_gates

LEAKS = ("train_test_overlap", "train_test_near", "train_test_words")
PACKAGES = ("finetune-harness", "torch", "transformers", "peft", "trl", "lm-eval", "evaluate", "datasets", "duckdb")


def conclude(session: Session) -> None:
    """The last stage. The same record always gives the same decision."""
    config = session.experiment.config
    comparisons = [] if session.stopped() else compare_all(session)
    gates = validity_gates(session, comparisons[0] if comparisons else None)
    declared = config.regression is not None or config.model is not None
    costs = accounts.keep(session)
    others = budget_gates(costs, config.policy) + (repeats.seed_gates(session) if comparisons else [])
    decision = decide(gates, comparisons, config.policy, budgets=others, regression_declared=declared)
    if decision.verdict is Verdict.KEEP_PROMPTING and (price := cheaper(costs)):
        decision = replace(decision, reason=f"{decision.reason} {price}")
    leaks = _without_leaks(session, gates, comparisons, others, decision, declared)
    if decision.verdict is Verdict.DEPLOY and leaks.get("turned"):
        gates.append(validity.unseen_gate(leaks["told"]))
        decision = decide(gates, comparisons, config.policy, budgets=others, regression_declared=declared)
    decision = cross_validation.of_recipe(session, decision)
    _store(session, comparisons, decision, leaks)
    _report(session, comparisons, decision)


def leaked(session: Session) -> set[str]:
    """The test examples that stand in the training set in some form, as the data check found them."""
    return {row for found in session.findings() if found.check in LEAKS for row in found.rows}


def _without_leaks(
    session: Session,
    gates: Sequence[Gate],
    comparisons: Sequence[Comparison],
    others: Sequence[Gate],
    decision: Decision,
    declared: bool,
) -> dict[str, Any]:
    """What the decision would be on the test examples that training has not seen; empty where it has seen none.

    `told` is the sentence, `turned` whether the verdict would be another one.
    """
    seen, examples = leaked(session), session.splits["test"]
    if not seen or not comparisons:
        return {}
    count = f"{len(seen):,} of the {len(examples):,} test examples stand in the training set in some form"
    if len(seen) == len(examples):
        return {"told": f"{count}. No example is left to decide without them.", "turned": True}
    if session.experiment.config.policy.stop_early:
        return {"told": f"{count}. An exam that may stop early is decided with them only.", "turned": False}
    task, base, candidate = comparisons[0], session.chosen("base"), session.chosen("candidate")
    kept = {example.id for example in examples} - seen
    margin = session.experiment.config.policy.min_gain
    clean = compare_runs(session, "task", base, candidate, task.metric, margin, ids=kept)
    policy = session.experiment.config.policy
    other = decide(gates, [clean, *comparisons[1:]], policy, budgets=others, regression_declared=declared)
    told = (
        f"{count}. With them the gain is {measured(task)}, verdict {decision.verdict.text}; without them "
        f"{measured(clean)}, verdict {other.verdict.text}."
    )
    return {"told": told, "turned": other.verdict is not decision.verdict}


def _report(session: Session, comparisons: Sequence[Comparison], decision: Decision) -> None:
    """The decision's numbers to the experiment's trackers."""
    numbers: dict[str, float | None] = {"decision/exit_code": float(decision.verdict.exit_code)}
    for c in (c for c in comparisons if c.kind in ("task", "regression")):
        name = "decision/gain" if c.kind == "task" else f"decision/{c.suite}"
        numbers |= {name: c.difference, f"{name}_low": c.low, f"{name}_high": c.high}
    with tracked(session) as tracking:
        tracking.log({name: value for name, value in numbers.items() if value is not None})


def _store(session: Session, comparisons: Sequence[Comparison], decision: Decision, leaks: Mapping[str, Any]) -> None:
    rows = [{"position": i, **_without(asdict(c), "p_harm", "p_equal")} for i, c in enumerate(comparisons)]
    session.store.replace_all("comparisons", session.id, rows)
    places: dict[Comparison | None, int] = {c: position for position, c in enumerate(comparisons)}
    gates = [
        {"position": i, **asdict(in_words(gate)), "comparison": places.get(gate.comparison)}
        for i, gate in enumerate(decision.gates)
    ]
    session.store.replace_all("gates", session.id, gates)
    row = {
        "verdict": decision.verdict.text,
        "exit_code": decision.verdict.exit_code,
        "headline": decision.headline,
        "reason": decision.reason,
        "next_step": decision.next_step,
        "facts": {**_facts(session), "leaks": leaks},
    }
    session.store.replace_all("decisions", session.id, [row])


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in names}


SEEN_ONCE = "One training and one decoding were seen; another may differ by more."


def _uncertainty(session: Session) -> str:
    """What the intervals cover, and what they cannot."""
    if session.folds:
        told = cross_validation.uncertainty(session)
    else:
        seeds = "" if session.stopped() else repeats.seed_sentence(session)
        seen = f"One decoding was seen; another may differ. {seeds}" if seeds else SEEN_ONCE
        told = f"Intervals cover the choice of examples. {seen}"
    split = audit.contradiction(ask.read_verdicts(session.store, session.id))
    own = next((part.share for part in split.components if part.source == "judging"), None) if split else None
    return (
        told if own is None else f"{told} Of the judge's uncertainty {own:.0%} is its own contradiction between orders."
    )


def _facts(session: Session) -> dict[str, Any]:
    """What it takes to do it again."""
    return {
        "seed": session.experiment.config.seed,
        "experiment_id": session.id,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "judge": distrust(session) if session.experiment.config.judge else "",
        "uncertainty": _uncertainty(session),
        "learning_curve": repeats.curve_sentence(session),
        **{name: version(name) for name in PACKAGES},
    }
