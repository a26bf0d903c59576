"""Trainings: what they were made from and left, whose they are, and the further ones of an experiment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.store.database import Store
from reports.rows import RepeatRow
from suites.types import Json

Kind = Literal["seed", "share", "trial"]
State = Literal["done", "pruned", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A finished training. `spec` is what it changed of the base; `preferred` is JSON."""

    training_id: str
    method: str
    config: Mapping[str, object]
    folder: str
    seconds: float
    steps: int
    trained_parameters: int
    n_rows: int
    best_step: int | None
    remarks: Mapping[str, str]
    spec: Mapping[str, object]
    cost: float | None
    preferred: str


@dataclass(frozen=True, slots=True)
class _Logged:
    training_id: str
    step: int
    name: str
    value: float


def put(store: Store, training: Training, curve: Sequence[tuple[int, str, float]]) -> None:
    """Put a training on record with its log of (step, name, value), in place of an earlier one of its id."""
    with store.connect() as con:
        for table in ("training_log", "training"):
            con.execute(f"delete from {table} where training_id = ?", [training.training_id])
    store.insert("training_log", [_Logged(training.training_id, *point) for point in curve])
    store.insert("training", [training])


def curve(store: Store, training_id: str) -> list[tuple[int, str, float]]:
    """A training's log of (step, name, value), by step; empty for one that is not on record."""
    sql = "select training_id, step, name, value from training_log where training_id = ? order by step, name"
    return [(row.step, row.name, row.value) for row in store.fetch(_Logged, sql, [training_id])]


@dataclass(frozen=True, slots=True)
class Left:
    """What a training left: its folder, and what it changed of the base's spec.

    `spec` is None for one from before version 9 of the store. `preferred` has for each held-out pair its prompt's
    number and whether the reward model is right about it: 1, 0.5 or 0.
    """

    folder: Path
    spec: Json | None
    preferred: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class _Left:
    folder: str
    spec: str | None
    preferred: str | None


def left(store: Store, training_id: str, near: Path) -> Left | None:
    """What a training left, for an experiment in the folder `near`; None for one that is not on record."""
    rows = store.fetch(_Left, "select folder, spec, preferred from training where training_id = ?", [training_id])
    if not rows:
        return None
    [row] = rows
    folder = _here(store, row.folder, near)
    # null: trained before version 9, or 10, of the store
    spec, preferred = json.loads(row.spec or "null"), json.loads(row.preferred or "[]")
    spec = spec and {name: _moved(value, row.folder, folder) for name, value in spec.items()}
    return Left(folder, spec, [(prompt, value) for prompt, value in preferred])


def _here(store: Store, recorded: str, near: Path) -> Path:
    """A training's folder: beside the experiment or this store where it is there, for both may have been moved or
    copied, the store alone or not at all.

    A copy has to go by its own weights, or it would tidy away those of the workspace that it was copied from.
    """
    places = [place.resolve().joinpath(*Path(recorded).parts[-DEPTH:]) for place in (near, store.path.parent)]
    return next((place for place in places if place.is_dir()), Path(recorded))


DEPTH = 3
"""out/EXPERIMENT/model-ID: the parts of a training's folder that move with the workspace."""


def _moved(value: object, recorded: str, folder: Path) -> object:
    """A path of a model's spec, in the folder where the training is now."""
    if not isinstance(value, str) or not Path(value).is_relative_to(recorded):
        return value
    return str(folder / Path(value).relative_to(recorded))


# --- whose it is


@dataclass(frozen=True, slots=True)
class RewardAccuracy:
    """The share of `n` held-out pairs on which a reward model prefers the chosen answer, with its interval."""

    share: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class _Link:
    experiment_id: str
    training_id: str
    reward_accuracy: float | None
    reward_low: float | None
    reward_high: float | None
    reward_n: int | None


def link(store: Store, experiment_id: str, training_id: str, accuracy: RewardAccuracy | None) -> None:
    """The training that an experiment decides about, and how far its reward model is right, if it has one."""
    share, low, high, n = (
        (accuracy.share, accuracy.low, accuracy.high, accuracy.n) if accuracy else (None, None, None, None)
    )
    store.insert("experiment_training", [_Link(experiment_id, training_id, share, low, high, n)], replace=True)


def linked(store: Store, experiment_id: str) -> str | None:
    """The id of the training that an experiment decides about."""
    rows = store.fetch(_Link, "from experiment_training where experiment_id = ?", [experiment_id])
    return rows[0].training_id if rows else None


@dataclass(frozen=True, slots=True)
class Took:
    """The seconds of a training, and what an API charged for it; each None where it is not known."""

    seconds: float | None
    cost: float | None


def took(store: Store, experiment_id: str) -> Took:
    """What an experiment's training took."""
    sql = """select seconds, cost from training join experiment_training using (training_id) where experiment_id = ?"""
    rows = store.fetch(Took, sql, [experiment_id])
    return rows[0] if rows else Took(None, None)


def took_each_row(store: Store, experiment_id: str) -> Took:
    """What the trainings of an experiment's folds took for each row."""
    sql = """select sum(seconds) / sum(n_rows) as seconds, sum(cost) / sum(n_rows) as cost from training
             where training_id in (select training_id from folds f join experiment_training x
                on x.experiment_id = f.fold_id where f.experiment_id = ?)"""
    [row] = store.fetch(Took, sql, [experiment_id])
    return row


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of what `harness train` prints."""

    method: str
    n_rows: int
    steps: int
    trained_parameters: int
    seconds: float
    folder: str


def listed(store: Store, experiment_id: str) -> list[Listed]:
    """An experiment's training, or those of its folds."""
    sql = """select distinct method, n_rows, steps, trained_parameters, round(seconds, 1) as seconds, folder
             from v_training where experiment_id in (
                select $1 union select fold_id from v_folds where experiment_id = $1)"""
    return store.fetch(Listed, sql, [experiment_id])


# --- further ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A further training: another seed, a share of the rows, a trial of a sweep; with its score once there is one."""

    experiment_id: str
    kind: Kind
    position: int
    training_id: str
    settings: Mapping[str, object]
    run_id: str
    metric: str
    n: int
    value: float | None
    low: float | None
    high: float | None
    state: State


def put_repeat(store: Store, repeat: Repeat) -> None:
    """Put a further training on record, in place of an earlier one at its position."""
    store.insert("repeats", [repeat], replace=True)


def repeats(store: Store, experiment_id: str, kind: Kind) -> list[RepeatRow]:
    """The further trainings of a kind, in order."""
    sql = "from v_repeats where experiment_id = ? and kind = ? order by position"
    return store.fetch(RepeatRow, sql, [experiment_id, kind])


def best_trials(store: Store, experiment_id: str) -> list[RepeatRow]:
    """The finished trials of a sweep, the best first."""
    sql = """from v_repeats where experiment_id = ? and kind = 'trial' and state = 'done'
             order by value desc, position"""
    return store.fetch(RepeatRow, sql, [experiment_id])


@dataclass(frozen=True, slots=True)
class _Folder:
    folder: str


def disposable(store: Store, training_ids: Sequence[str], near: Path) -> list[Path]:
    """The folders of those trainings that are trials only: no experiment decides about them or goes by them."""
    sql = """select folder from training where training_id in (select unnest(?))
                and training_id not in (select training_id from experiment_training)
                and training_id not in (select training_id from repeats where kind <> 'trial')"""
    return [_here(store, row.folder, near) for row in store.fetch(_Folder, sql, [list(training_ids)])]
