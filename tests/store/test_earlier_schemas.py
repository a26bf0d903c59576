"""Stores of every earlier version open, are brought up to date, and say what they said when they were made.

Each holds two experiments that the harness of its time ran and decided, and beside it what they were decided to be.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from workspaces import select

from harness.cli.main import main
from harness.store import decisions, judging
from harness.store.database import VERSION, Store
from reports import data
from reports.outputs import markdown, record
from reports.rows import FROM

KEPT = Path(__file__).parents[1] / "cases" / "stores"
VERSIONS = range(1, 11)  # no store was made by version 11


def unpacked(version: int, folder: Path) -> tuple[Path, list[Mapping[str, Any]]]:
    """The store of a version, and the decisions it held."""
    path = folder / "harness.duckdb"
    path.write_bytes(lzma.decompress((KEPT / f"v{version}.duckdb.xz").read_bytes()))
    return path, json.loads((KEPT / f"v{version}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", VERSIONS)
def test_an_earlier_store_reports_the_same_decisions(
    version: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, held = unpacked(version, tmp_path)
    for was in held:
        assert main(["gate", was["experiment"], "--store", str(path), "--json"]) == was["exit_code"]
        now = json.loads(capsys.readouterr().out)
        assert {key: now[key] for key in ("verdict", "headline", "reason")} == {
            key: was[key] for key in ("verdict", "headline", "reason")
        }
        assert [[gate["name"], gate["status"]] for gate in now["gates"]] == was["gates"]
    [found] = select(Store(path), "from schema_version")
    assert found["version"] == VERSION


@pytest.mark.parametrize("version", VERSIONS)
def test_an_earlier_store_renders_and_every_view_can_be_read(version: int, tmp_path: Path) -> None:
    path, held = unpacked(version, tmp_path)
    store = Store(path)
    for view, kind in FROM.items():
        store.fetch(kind, f"from {view}")
    for was in held:
        with store.connect(read_only=True) as con:
            found = data.load(con, was["experiment"])
        report = markdown.render(found, {})
        assert was["headline"] in report
        assert "agrees with the labelled pairs" in report
        assert record.record(found).decision.verdict == was["verdict"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_measured_about_a_judge_is_kept(version: int, tmp_path: Path) -> None:
    path, held = unpacked(version, tmp_path)
    store = Store(path)
    for was in held:
        measures = judging.measures(store, was["experiment_id"])
        assert set(measures) == {"agreement", "kappa", "readable", "consistency", "first_slot", "metric_agreement"}
        assert decisions.verdict(store, was["experiment_id"]) == was["verdict"]
