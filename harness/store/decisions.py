"""Decisions, with the comparisons and gates that made them, and what the self-test saw of these gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.store.database import Store
from reports.rows import ComparisonRow, DecisionRow, GateRow, SelfTested


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A verdict and the sentences that say why; `facts` are what it takes to do it again."""

    experiment_id: str
    verdict: str
    exit_code: int
    headline: str
    reason: str
    next_step: str
    facts: Mapping[str, object]


def put(store: Store, decided: Decided, comparisons: Sequence[ComparisonRow], gates: Sequence[GateRow]) -> None:
    """The decision on an experiment with what it rests on, in place of an earlier one."""
    store.replace_all("comparisons", decided.experiment_id, comparisons)
    store.replace_all("gates", decided.experiment_id, gates)
    store.replace_all("decisions", decided.experiment_id, [decided])


def verdict(store: Store, experiment_id: str) -> str:
    """The verdict on record; empty when there is none yet."""
    rows = _on_record(store, experiment_id)
    return rows[0].verdict if rows else ""


def headline(store: Store, experiment_id: str) -> str:
    """The headline on record; empty when there is none yet."""
    rows = _on_record(store, experiment_id)
    return rows[0].headline if rows else ""


def _on_record(store: Store, experiment_id: str) -> list[DecisionRow]:
    return store.fetch(DecisionRow, "from v_decisions where experiment_id = ?", [experiment_id])


def gates(store: Store, experiment_id: str) -> list[GateRow]:
    """The gates of a decision, in order."""
    return store.fetch(GateRow, "from v_gates where experiment_id = ? order by position", [experiment_id])


@dataclass(frozen=True, slots=True)
class Spread:
    """What an earlier decision measured by a gate: on how many examples, and the standard deviation of differences."""

    gate_id: str
    n: int
    sd: float


def spreads(store: Store, name: str) -> list[Spread]:
    """What decisions of the experiments of a name have measured, the latest last."""
    sql = """select case kind when 'task' then 'gain' when 'judge' then kind
                when 'metric' then concat('metric/', metric) else concat('regression/', suite) end as gate_id, n, sd
             from v_comparisons join v_experiments using (experiment_id)
             where kind not in ('slice', 'prompt') and sd is not null and name = ? order by created_at"""
    return store.fetch(Spread, sql, [name])


def put_selftest(store: Store, experiment_id: str, outcomes: Sequence[SelfTested]) -> None:
    """The outcomes of a self-test, in place of earlier ones."""
    store.replace_all("selftest", experiment_id, outcomes)
