"""Decisions, with the comparisons and gates that made them, and what the self-test saw of these gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.store import digests
from harness.store.database import Store
from harness.store.opening import RESTORE
from reports.rows import ComparisonRow, DecisionRow, GateRow, SelfTested
from suites.errors import UserError


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
    with store.connect() as con:
        store.replace_all("comparisons", decided.experiment_id, comparisons)
        store.replace_all("gates", decided.experiment_id, gates)
        store.replace_all("decisions", decided.experiment_id, [decided])
        digests.stamp(con, decided.experiment_id)


def check(store: Store, experiment_id: str) -> bool:
    """Whether there is a decision of which it is kept what it rests on; that is compared with what is there now.

    Raises UserError where any row was changed since.
    """
    with store.connect(read_only=True) as con:
        changed = digests.changed(con, experiment_id)
    if changed:
        what = f"the decision on {changed.name!r} rests on rows that were changed since it was made: "
        raise UserError(what + ", ".join(changed.tables), str(store.path), RESTORE)
    return _is_stamped(store, experiment_id)


@contextmanager
def made_anew(store: Store, experiment_id: str) -> Iterator[None]:
    """While the block runs, rows that a decision rests on may change. Raises UserError as `check` does.

    Interrupted, the decision stays on record without what it rests on, until it is made again.
    """
    if kept := check(store, experiment_id):
        with store.connect() as con:
            digests.unstamp(con, experiment_id)
    yield
    if kept and not _is_stamped(store, experiment_id):  # it ended before a new decision
        with store.connect() as con:
            digests.stamp(con, experiment_id)


def _is_stamped(store: Store, experiment_id: str) -> bool:
    with store.connect(read_only=True) as con:
        return digests.is_stamped(con, experiment_id)


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
             where kind not in ('slice', 'prompt') and (kind <> 'regression' or baseline_arm = 'base')
                and sd is not null and name = ? order by created_at"""
    return store.fetch(Spread, sql, [name])


def put_selftest(store: Store, experiment_id: str, outcomes: Sequence[SelfTested]) -> None:
    """The outcomes of a self-test, in place of earlier ones."""
    store.replace_all("selftest", experiment_id, outcomes)
