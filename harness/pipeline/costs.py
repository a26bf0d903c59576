"""Reads what answers and training took from the record, prices it, and puts what it cost on record."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.decision import costs
from harness.decision.costs import ArmCost, BreakEven, Costs, Estimate, Usage
from harness.decision.prices import Rate, rate
from harness.experiment.session import Session
from harness.pipeline import cross_validation

Rates = dict[str, Rate | None]


def keep(session: Session) -> Costs:
    """Count the costs of an experiment and put them on record; nothing is known of one that was stopped."""
    rates = _rates(session)
    found = Costs(currency=session.experiment.config.costs.currency) if session.stopped() else _count(session, rates)
    priced = [{"side": side, **asdict(price)} for side, price in rates.items() if price]
    session.store.replace_all("prices", session.id, priced)
    session.store.replace_all("arm_costs", session.id, [_arm_row(arm) for arm in found.arms])
    row = [_break_even_row(session, found.break_even, found.currency)] if found.break_even else []
    session.store.replace_all("break_even", session.id, row)
    return found


def _rates(session: Session) -> Rates:
    settings = session.experiment.config.costs
    sides = {"base": settings.baseline, "candidate": settings.candidate}
    return {side: rate(price) if price else None for side, price in sides.items()}


def _count(session: Session, rates: Rates) -> Costs:
    settings, confidence = session.experiment.config.costs, session.experiment.config.policy.confidence
    sql = """select side, run_id, arm, chosen from v_runs where experiment_id = ? and kind = 'task' and is_primary
             order by side, arm"""
    rows = session.store.rows(sql, [session.id])
    usages = {row["run_id"]: _usages(session, row["run_id"]) for row in rows}
    arms = [costs.arm_cost(usages[row["run_id"]], rates[row["side"]], confidence, **row) for row in rows]
    found, took = None, _training_took(session)
    if settings.training or took["cost"] is not None or any(rates.values()):
        [best] = [arm for arm in arms if arm.side == "base" and arm.chosen]
        [candidate] = [arm for arm in arms if arm.side == "candidate" and arm.chosen]
        found = costs.break_even(
            (best, candidate),
            (usages[best.run_id], usages[candidate.run_id]),
            (rates["base"], rates["candidate"]),
            settings,
            costs.training_cost(settings, took["seconds"], took["cost"]),
            confidence,
        )
    return Costs(
        currency=settings.currency, arms=arms, break_even=found, requests_per_month=settings.requests_per_month
    )


def _usages(session: Session, run_id: str) -> list[Usage]:
    """What every answered request of a run took. Transformers answers in batches, which have one time between them."""
    sql = """select example_id, cluster_id as cluster, tokens_in, tokens_out, c.seconds,
                if(identity->>'engine' like 'transformers%', c.seconds::varchar, example_id) as batch
             from answers join runs using (run_id) join examples using (suite_id, example_id)
                join completions c using (completion_id)
             where run_id = ? and c.error is null order by example_id"""
    return [Usage(**row) for row in session.store.rows(sql, [run_id])]


def _training_took(session: Session) -> dict[str, float | None]:
    """The seconds of the training, and what an API charged for it; each None where it is not known."""
    if session.folds:
        return cross_validation.training_took(session)
    rows = session.store.rows("select distinct seconds, cost from v_training where experiment_id = ?", [session.id])
    return rows[0] if rows else {"seconds": None, "cost": None}


def _arm_row(arm: ArmCost) -> dict[str, Any]:
    return {
        "run_id": arm.run_id,
        "side": arm.side,
        **_estimate(arm.cost, "cost", "cost_low", "cost_high"),
        "cost_n": arm.cost.n if arm.cost else 0,
        **_estimate(arm.latency, "p95_seconds", "p95_low", "p95_high"),
        "p95_n": arm.latency.n if arm.latency else 0,
        "unpriced": arm.unpriced,
    }


def _break_even_row(session: Session, found: BreakEven, currency: str) -> dict[str, Any]:
    config = session.experiment.config
    return {
        "currency": currency,
        "confidence": config.policy.confidence,
        "baseline_run": found.baseline.run_id,
        "candidate_run": found.candidate.run_id,
        "training_seconds": _training_took(session)["seconds"],
        "training_cost": found.training,
        "retrain_months": config.costs.retrain_months,
        "upkeep": found.upkeep,
        "hosting": found.hosting,
        **_estimate(found.saving, "saving", "saving_low", "saving_high"),
        "n": found.saving.n if found.saving else 0,
        **_estimate(found.requests, "requests", "requests_low", "requests_high"),
        "requests_per_month": config.costs.requests_per_month,
        "told": costs.pays(found, currency),
    }


def _estimate(found: Estimate | None, *names: str) -> dict[str, float | None]:
    """A value and its ends under the names of its columns."""
    parts = (found.value, found.low, found.high) if found else (None, None, None)
    return dict(zip(names, parts, strict=True))
