"""Which side of a split each row of the training file is on, so that the next run has the same one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from harness.store.database import Store


@dataclass(frozen=True, slots=True)
class _Side:
    split_id: str
    example_id: str
    side: str


@dataclass(frozen=True, slots=True)
class _Link:
    experiment_id: str
    recipe: str
    split_id: str


@dataclass(frozen=True, slots=True)
class Made:
    """A split on record: the experiment it was made for, by name and file, and what it was made by."""

    experiment_id: str
    name: str
    file: str
    recipe: str
    split_id: str


def made(store: Store) -> list[Made]:
    """Every split on record, the last one first."""
    sql = """select experiment_id, name, file, recipe, split_id
             from experiment_splits join experiments using (experiment_id)
             order by experiment_splits.created_at desc, experiment_id"""
    return store.fetch(Made, sql)


def sides(store: Store, split_id: str) -> dict[str, str]:
    """The sides of a split by example id."""
    sql = "select split_id, example_id, side from splits where split_id = ?"
    return {row.example_id: row.side for row in store.fetch(_Side, sql, [split_id])}


def put(store: Store, experiment_id: str, recipe: str, sides: Mapping[str, str]) -> None:
    """Put on record which side of the split each example is on."""
    split_id = hashlib.sha256(json.dumps(sides, sort_keys=True).encode()).hexdigest()
    known = store.fetch(_Side, "select split_id, example_id, side from splits where split_id = ? limit 1", [split_id])
    if not known:
        store.insert("splits", [_Side(split_id, example_id, side) for example_id, side in sides.items()])
    store.insert("experiment_splits", [_Link(experiment_id, recipe, split_id)])
