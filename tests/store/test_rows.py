"""The records that everyone reads are those of the views: a field for each column, of its type."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from harness.store.database import Store
from reports.rows import FROM

TYPES = {
    "VARCHAR": "str", "JSON": "str", "INTEGER": "int", "BIGINT": "int", "HUGEINT": "int", "DOUBLE": "float",
    "BOOLEAN": "bool", "TIMESTAMP": "datetime", "VARCHAR[]": "list[str]",
}  # fmt: skip
WORDS = {"Side", "Status", "Tier", "Level", "Grade"}  # text of which the words are known


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("blank") / "harness.duckdb")


def test_every_view_has_a_record_and_no_other(blank: Store) -> None:
    with blank.connect(read_only=True) as con:
        views = con.execute("select view_name from duckdb_views() where not internal").fetchall()
    assert {name for (name,) in views} == set(FROM)


@pytest.mark.parametrize("view", FROM)
def test_a_record_has_the_columns_of_its_view(blank: Store, view: str) -> None:
    with blank.connect(read_only=True) as con:
        columns = {name: TYPES[kind] for name, kind, *_ in con.execute(f"describe {view}").fetchall()}
    record = {field.name: re.sub(r" \| None$", "", str(field.type)) for field in fields(FROM[view])}
    assert {name: "str" if kind in WORDS else kind for name, kind in record.items()} == columns
