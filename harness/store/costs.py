"""What answering took, request by request, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from harness.decision.costs import Usage
from harness.store.database import Store
from reports.rows import PriceRow, Side, StoredBreakEven, StoredStakes


@dataclass(frozen=True, slots=True)
class TaskArm:
    """An arm on the task's exam."""

    side: Side
    run_id: str
    arm: str
    chosen: bool


def task_arms(store: Store, experiment_id: str) -> list[TaskArm]:
    """Every arm of both sides that took the task's exam."""
    sql = """select side, run_id, arm, chosen from v_runs where experiment_id = ? and kind = 'task' and is_primary
             order by side, arm"""
    return store.fetch(TaskArm, sql, [experiment_id])


def usages(store: Store, run_id: str) -> list[Usage]:
    """What every answered request of a run took. Transformers answers in batches, which have one time between them."""
    sql = """select example_id, cluster_id as cluster, tokens_in, tokens_out, c.seconds,
                if(identity->>'engine' like 'transformers%', c.seconds::varchar, example_id) as batch
             from answers join runs using (run_id) join examples using (suite_id, example_id)
                join completions c using (completion_id)
             where run_id = ? and c.error is null order by example_id"""
    return store.fetch(Usage, sql, [run_id])


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedArm:
    """What 1,000 requests to an arm cost, how long the slowest 5 % take, and why there is a price and no cost."""

    experiment_id: str
    run_id: str
    side: str
    cost: float | None
    cost_low: float | None
    cost_high: float | None
    cost_n: int
    p95_seconds: float | None
    p95_low: float | None
    p95_high: float | None
    p95_n: int
    unpriced: str


def put(
    store: Store,
    experiment_id: str,
    prices: Sequence[PriceRow],
    arms: Sequence[PricedArm],
    break_even: StoredBreakEven | None,
) -> None:
    """The costs of an experiment, in place of earlier ones."""
    by_side = [_stored(_SidePrice, price) for price in prices if not price.model]
    by_model = [_stored(_BarPrice, price) for price in prices if price.model]
    store.replace_all("prices", experiment_id, by_side)
    store.replace_all("bar_prices", experiment_id, by_model)
    store.replace_all("arm_costs", experiment_id, arms)
    store.replace_all("break_even", experiment_id, [break_even] if break_even else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Price:
    experiment_id: str
    name: str
    input: float | None
    output: float | None
    per_hour: float | None
    as_of: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _SidePrice(_Price):
    side: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class _BarPrice(_Price):
    model: str


Stored = TypeVar("Stored", _SidePrice, _BarPrice)


def _stored(table: type[Stored], price: PriceRow) -> Stored:
    return table(**{column.name: getattr(price, column.name) for column in fields(table)})


def put_stakes(store: Store, experiment_id: str, stakes: StoredStakes | None) -> None:
    """What is at stake in an experiment, in place of what was; None where it is not known."""
    store.replace_all("stakes", experiment_id, [stakes] if stakes else [])
