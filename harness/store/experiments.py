"""Experiments: what was frozen, which stages are finished, what the data check found, and what stopped them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from harness.store.database import Store
from harness.store.opening import log_of
from reports.rows import FindingRow, Side, TroubleRow
from suites.errors import UserError
from suites.types import Finding

StageName = Literal["baseline", "train", "exam"]


@dataclass(frozen=True, slots=True)
class _Experiment:
    experiment_id: str
    name: str
    file: str
    frozen: str


def register(store: Store, experiment_id: str, name: str, file: Path, frozen: str) -> None:
    """Put on record what is to be measured; `frozen` is JSON."""
    store.insert("experiments", [_Experiment(experiment_id, name, str(file), frozen)])


WORTH_KEEPING = ("completions", "loglikelihoods", "runs", "training", "verdicts", "decisions", "repeats")
"""Tables of what took work; what was frozen, split and found is there again after the next command."""


def leave_nothing(store: Store) -> None:
    """Take a store away again that this command made, when it came to nothing: an experiment was put on record, and
    then its files turned out to be wrong. Another's experiment, and anything that took work, stays."""
    if not store.is_new:
        return
    with store.connect() as con:  # so that nobody writes meanwhile
        [(others,)] = con.execute(
            "select count(*) - 1 from experiments where experiment_id not in (select fold_id from folds)"
        ).fetchall()
        if others <= 0 and not any(con.execute(f"from {table} limit 1").fetchone() for table in WORTH_KEEPING):
            store.path.unlink()
    if not store.path.exists():
        log_of(store.path).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Fold:
    fold_id: str
    experiment_id: str
    fold: int


def put_fold(store: Store, fold_id: str, experiment_id: str, fold: int) -> None:
    """Put on record that an experiment is a fold, from 1, of another."""
    store.insert("folds", [_Fold(fold_id, experiment_id, fold)])


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of `harness runs`: scores of the bar and of the candidate in [0, 1], the gain as it was decided on.

    `gain`, `low` and `high` are shares of the baseline's score where `relative`.
    """

    name: str
    verdict: str | None
    exit_code: int | None
    model: str | None
    candidate: str | None
    metric: str | None
    baseline_score: float | None
    score: float | None
    gain: float | None
    low: float | None
    high: float | None
    n: int | None
    relative: bool | None
    created_at: datetime
    id: str


def listed(store: Store) -> list[Listed]:
    """The experiments of a store, the latest first; folds stand under the one that decides on them."""
    return store.fetch(Listed, LISTED)


LISTED = """
    with chosen as (
        select * from v_runs where kind = 'task' and chosen and is_primary
        qualify row_number() over (partition by experiment_id, side order by created_at desc) = 1)
    select e.name, e.verdict, e.exit_code, coalesce(b.model_name, c.model_name) as model, c.arm as candidate,
        coalesce(c.metric, b.metric) as metric, coalesce(d.baseline, b.mean) as baseline_score,
        coalesce(d.candidate, c.mean) as score, d.difference as gain, d.low, d.high, coalesce(d.n, c.n, b.n) as n,
        d.relative, e.created_at, e.experiment_id[:12] as id
    from v_experiments e
        left join chosen b on b.experiment_id = e.experiment_id and b.side = 'base'
        left join chosen c on c.experiment_id = e.experiment_id and c.side = 'candidate'
        left join v_comparisons d on d.experiment_id = e.experiment_id and d.kind = 'task'
    where e.part_of is null order by e.created_at desc
"""


@dataclass(frozen=True, slots=True)
class Found:
    """An experiment on record; `verdict` is None until it is decided."""

    id: str
    name: str
    file: str
    verdict: str | None


def find(store: Store, name: str | None = None) -> Found:
    """The latest experiment of a name, or by the beginning of its id; the latest of all without a name.

    Raises UserError when there is none.
    """
    found = store.fetch(Found, FIND, [name])
    if found:
        return found[0]
    names = list(dict.fromkeys(row.name for row in listed(store)))
    if not names:
        raise UserError("no experiment is in this store yet", str(store.path), "`harness run EXPERIMENT` makes one")
    near = difflib.get_close_matches(name or "", names, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names[:10])}"
    raise UserError(f"no experiment is called {name!r}", str(store.path), f"{advice}; `harness runs` lists them")


FIND = """
    select experiment_id as id, name, file, verdict from v_experiments
    where ($1 is null and part_of is null) or name = $1 or ($1 <> '' and starts_with(experiment_id, $1))
    order by name is not distinct from $1 desc, created_at desc limit 1
"""


# --- stages


@dataclass(frozen=True, slots=True)
class _Stage:
    experiment_id: str
    stage: str
    seconds: float


def stage_is_finished(store: Store, experiment_id: str, stage: str) -> bool:
    """Whether a stage of an experiment is on record."""
    sql = "select experiment_id, stage, seconds from stages where experiment_id = ? and stage = ?"
    return bool(store.fetch(_Stage, sql, [experiment_id, stage]))


def finish_stage(store: Store, experiment_id: str, stage: str, seconds: float) -> None:
    """Put on record that a stage is done; a repeat that found nothing to do keeps the first time it took."""
    store.insert("stages", [_Stage(experiment_id, stage, seconds)])


# --- findings


def findings(store: Store, experiment_id: str) -> list[Finding]:
    """What the data check found."""
    rows = store.fetch(FindingRow, "from v_findings where experiment_id = ? order by position", [experiment_id])
    return [Finding(row.level, row.check_name, row.message, tuple(row.rows)) for row in rows]


def put_findings(store: Store, experiment_id: str, findings: Sequence[Finding]) -> None:
    """An experiment's findings, in order."""
    rows = [
        FindingRow(
            experiment_id=experiment_id, position=position, level=finding.level, check_name=finding.check,
            message=finding.message, rows=list(finding.rows),
        )
        for position, finding in enumerate(findings)
    ]  # fmt: skip
    store.replace_all("findings", experiment_id, rows)


# --- trouble


@dataclass(frozen=True, slots=True)
class _Trouble:
    experiment_id: str
    stage: StageName
    side: Side
    note: str


def put_trouble(store: Store, experiment_id: str, stage: StageName, side: Side, note: str) -> None:
    """Put on record what stopped an experiment in a stage."""
    store.insert("trouble", [_Trouble(experiment_id, stage, side, note)], replace=True)


def forget_trouble(store: Store, experiment_id: str) -> None:
    """A stage begins anew."""
    store.execute("delete from trouble where experiment_id = ?", [experiment_id])


def trouble(store: Store, experiment_id: str) -> list[TroubleRow]:
    """What stopped an experiment, or one of its folds."""
    return store.fetch(TroubleRow, "from v_trouble where experiment_id = ? order by fold, stage", [experiment_id])


def stopped(store: Store, experiment_id: str) -> bool:
    """Whether further work is pointless: a blocking finding, or weights that are no numbers."""
    blocked = any(finding.level == "block" for finding in findings(store, experiment_id))
    return blocked or bool(trouble(store, experiment_id))
