"""Reads what answers and training took from the record, prices it, and puts what it cost on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

from harness.config.bar import other_models
from harness.config.policy import CostsConfig
from harness.config.schema import ExperimentConfig
from harness.decision import own_prompt
from harness.decision.compare import GAINS, Comparison
from harness.decision.costs import (
    CANDIDATE_PRICE,
    ArmCost,
    BreakEven,
    Costs,
    Estimate,
    arm_cost,
    break_even,
    ending,
    pays,
    training_cost,
    within,
)
from harness.decision.prices import rate
from harness.decision.saving import Payer, Saving, saving
from harness.decision.stakes import MORE, Stakes, at_stake, told
from harness.experiment.lifetimes import end_of_candidate
from harness.experiment.names import arm_name, bar_model
from harness.experiment.session import Session
from harness.pipeline import cross_validation
from harness.pipeline.rates import arm_rate, rates
from harness.store import arms, costs, experiments, training
from harness.store.costs import PricedArm, TaskArm
from harness.store.training import Took
from reports.rows import PriceRow, StoredBreakEven, StoredStakes


def count_costs(session: Session) -> Costs:
    """The costs of an experiment as its record tells them; nothing is known of one that was stopped."""
    settings = _settings(session.experiment.config)
    if experiments.stopped(session.store, session.id):
        return Costs(currency=settings.currency)
    return _count(session, settings, session.experiment.config.policy.confidence, _training_took(session))


def keep_costs(session: Session, counted: Costs) -> None:
    """Put the costs of an experiment on record, with the prices they were counted by."""
    config = session.experiment.config
    settings, even = _settings(config), counted.break_even
    prices = [
        PriceRow(experiment_id=session.id, side=side, **asdict(price))
        for side, price in rates(settings).items() if price
    ]  # fmt: skip
    others = {model.label: rate(model.price) for _, model in other_models(config) if model.price}
    prices += [
        PriceRow(experiment_id=session.id, side="base", model=label, **asdict(price)) for label, price in others.items()
    ]
    arms = [_arm_row(session.id, arm) for arm in counted.arms]
    seconds = _training_took(session).seconds
    row = _break_even_row(session.id, even, settings, config.policy.confidence, seconds) if even else None
    costs.put(session.store, session.id, prices, arms, row)


def _price_at(config: ExperimentConfig, arm: str) -> str:
    """The setting that says the price of an arm of the bar."""
    if bar_model(config, arm) is None:
        return "costs.baseline"
    place = next((place for place, entry in enumerate(config.baselines) if arm_name(entry) == arm), 0)
    return f"baselines.{place}.model.price"


def _count(session: Session, settings: CostsConfig, confidence: float, took: Took) -> Costs:
    config, rows = session.experiment.config, costs.task_arms(session.store, session.id)
    paid = {(row.side, row.run_id): arm_rate(config, row.side, row.arm) for row in rows}
    usages = {row.run_id: costs.usages(session.store, row.run_id) for row in rows}
    arms = [arm_cost(usages[row.run_id], paid[row.side, row.run_id], confidence, **asdict(row)) for row in rows]
    even = None
    if settings.training or took.cost is not None or any(paid.values()):
        [best] = [arm for arm in arms if arm.side == "base" and arm.chosen]
        [candidate] = [arm for arm in arms if arm.side == "candidate" and arm.chosen]
        counted = break_even(
            (best, candidate),
            (usages[best.run_id], usages[candidate.run_id]),
            (paid["base", best.run_id], paid["candidate", candidate.run_id]),
            settings,
            training_cost(settings, took.seconds, took.cost),
            confidence,
            _price_at(config, best.arm),
        )
        even = ending(counted, end_of_candidate(config), date.today())
    return Costs(currency=settings.currency, arms=arms, break_even=even, requests_per_month=settings.requests_per_month)


def savings(session: Session, comparisons: Sequence[Comparison]) -> list[Saving]:
    """What the candidate saves beside each prompt of the bar it is compared with, at the level of that comparison;
    nothing for a goal that does not ask."""
    config = session.experiment.config
    if not config.policy.as_good:
        return []
    rows = costs.task_arms(session.store, session.id)
    payers = {row.arm: _payer(session, row) for row in rows if row.side == "base"}
    candidate = next((_payer(session, row) for row in rows if row.side == "candidate" and row.chosen), None)
    return [
        saving(payers[c.baseline_arm], candidate, config.policy, asked=c.n + c.n_unscored, level=c.level)
        for c in comparisons
        if c.kind in GAINS and candidate
    ]


def _payer(session: Session, arm: TaskArm) -> Payer:
    config = session.experiment.config
    setting = CANDIDATE_PRICE if arm.side == "candidate" else _price_at(config, arm.arm)
    usages = costs.usages(session.store, arm.run_id)
    return Payer(arm.arm, usages, _most_tokens(config, arm), arm_rate(config, arm.side, arm.arm), setting)


def _most_tokens(config: ExperimentConfig, arm: TaskArm) -> int:
    """Tokens an answer of an arm may have in all, thinking and votes among them; of the candidate with any prompt it is
    asked with."""
    its_own = arm.side == "candidate" and config.own_prompt is None
    asked = [entry.settings.asking for entry in config.baselines
             if entry.prompter and (its_own or (arm.side == "base" and arm_name(entry) == arm.arm))]  # fmt: skip
    task = config.task.max_new_tokens
    return max([task, *((task + asking.thinking_tokens) * asking.votes for asking in asked)])


def own_prompt_saves(session: Session) -> dict[str, object]:
    """What the candidate's own prompt saves beside the best one, in numbers and words; empty without a prompt of its
    own, or where nobody counted tokens."""
    config = session.experiment.config
    if config.own_prompt is None:
        return {}
    best, candidate = (arms.chosen(session.store, session.id, side) for side in ("base", "candidate"))
    usages = (costs.usages(session.store, best.run_id), costs.usages(session.store, candidate.run_id))
    rate = rates(config.costs)["candidate"]
    short = own_prompt.shortened((best.arm, candidate.arm), usages, rate, config.policy.confidence)
    return {**asdict(short), "told": own_prompt.told(short, config.costs.currency)} if short else {}


def _settings(config: ExperimentConfig) -> CostsConfig:
    return within(config.costs, end_of_candidate(config), date.today())


def _training_took(session: Session) -> Took:
    """What the training took; with folds, what one on all rows would take."""
    if session.folds:
        return cross_validation.training_took(session)
    return training.took(session.store, session.id)


def _arm_row(experiment_id: str, arm: ArmCost) -> PricedArm:
    cost, latency = _parts(arm.cost), _parts(arm.latency)
    return PricedArm(
        experiment_id=experiment_id,
        run_id=arm.run_id,
        side=arm.side,
        cost=cost[0],
        cost_low=cost[1],
        cost_high=cost[2],
        cost_n=arm.cost.n if arm.cost else 0,
        p95_seconds=latency[0],
        p95_low=latency[1],
        p95_high=latency[2],
        p95_n=arm.latency.n if arm.latency else 0,
        unpriced=arm.unpriced,
    )


def _break_even_row(
    experiment_id: str, even: BreakEven, settings: CostsConfig, confidence: float, seconds: float | None
) -> StoredBreakEven:
    saving, requests = _parts(even.saving), _parts(even.requests)
    return StoredBreakEven(
        experiment_id=experiment_id,
        currency=settings.currency,
        confidence=confidence,
        baseline_run=even.baseline.run_id,
        candidate_run=even.candidate.run_id,
        training_seconds=seconds,
        training_cost=even.training,
        retrain_months=settings.retrain_months,
        upkeep=even.upkeep,
        hosting=even.hosting,
        saving=saving[0],
        saving_low=saving[1],
        saving_high=saving[2],
        n=even.saving.n if even.saving else 0,
        requests=requests[0],
        requests_low=requests[1],
        requests_high=requests[2],
        requests_per_month=settings.requests_per_month,
        told=pays(even, settings.currency),
    )


def keep_stakes(session: Session, task: Comparison | None, counted: Costs) -> None:
    """Put on record what hangs on the gain; nothing of an experiment whose numbers cannot be compared."""
    settings = _settings(session.experiment.config)
    stake = at_stake(task, counted, settings) if task else None
    row = _stakes_row(session.id, stake, task, settings) if stake and task else None
    costs.put_stakes(session.store, session.id, row)


def _stakes_row(experiment_id: str, stake: Stakes, task: Comparison, settings: CostsConfig) -> StoredStakes:
    money = stake.money
    return StoredStakes(
        experiment_id=experiment_id,
        min_gain=stake.min_gain,
        above_min_gain=stake.above_min_gain,
        above_zero=stake.above_zero,
        currency=settings.currency,
        value_per_point=settings.value_per_point,
        running=money.running if money else None,
        deploying=money.deploying if money else None,
        wrong=money.wrong if money else None,
        waiting=money.waiting if money else None,
        months=money.months if money else None,
        examples=MORE if money else None,
        information=money.information if money else None,
        told=told(stake, task, settings.currency),
    )


def _parts(estimate: Estimate | None) -> tuple[float | None, float | None, float | None]:
    """A value and its ends."""
    return (estimate.value, estimate.low, estimate.high) if estimate else (None, None, None)
