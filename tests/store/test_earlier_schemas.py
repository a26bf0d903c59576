"""Stores of every earlier version open, are brought up to date, and say what they said when they were made.

Each holds two experiments that the harness of its time ran and decided, and beside it what they were decided to be.
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from kept_stores import VERSIONS, unpacked
from workspaces import select

from harness.cli.main import main
from harness.store import decisions, experiments, judging, models
from harness.store.database import Store
from harness.store.versions import SCHEMA, STEPS, VERSION
from reports import data
from reports.outputs import markdown, record
from reports.rows import FROM, AdapterEffectRow, EndpointRow


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


# --- what version 10 kept in one table, whatever it was

SERVER = "temperature yes, seed no, logprobs no, json mode yes"
KEPT_TOGETHER = f"""
    insert into experiments (experiment_id, name, file, frozen) values
        ('e', 'whole', 'e.yaml', '{{}}'), ('f1', 'whole/fold-1', 'e.yaml', '{{}}'),
        ('f2', 'whole/fold-2', 'e.yaml', '{{}}');
    insert into folds values ('f1', 'e', 1), ('f2', 'e', 2);
    insert into experiment_training values ('e', 't'), ('f1', 't1');
    insert into training (training_id, method, config, folder, seconds, steps, trained_parameters, n_rows)
        values ('t', 'dpo', '{{}}', 'model', 1, 2, 3, 4);
    insert into evidence values
        ('e', 'judge', 'agreement', 0.9, 0.8, 0.95, 50, 'with the labelled pairs'),
        ('e', 'endpoint', 'judge', null, null, null, 0, '{SERVER}'),
        ('e', 'candidate', 'effect', 0.25, null, null, 4, 'hash of the adapter'),
        ('e', 'candidate', 'reward_accuracy', 0.75, 0.6, 0.85, 40, 'held-out pairs'),
        ('e', 'trouble', 'fold 2, training', null, null, null, 0, 'the loss is no number'),
        ('f2', 'trouble', 'training', null, null, null, 0, 'the loss is no number'),
        ('f1', 'trouble', 'base', null, null, null, 0, 'a weight is no number');
"""


@pytest.fixture
def version_10(tmp_path: Path) -> Store:
    """A store of version 10 with one of everything that was measured, brought up to date."""
    path = tmp_path / "harness.duckdb"
    with duckdb.connect(str(path)) as con:
        for step in STEPS[:10]:
            con.execute(step.read_text(encoding="utf-8"))
        con.execute("create view v_evidence as select * from evidence")
        con.execute("create table schema_version as select 10 as version")
        con.execute(KEPT_TOGETHER)
    return Store(path)


def test_each_measured_fact_is_in_a_table_of_its_own(version_10: Store) -> None:
    [agreement] = judging.measures(version_10, "e").values()
    assert (agreement.name, agreement.value, agreement.low, agreement.n) == ("agreement", 0.9, 0.8, 50)
    effect = AdapterEffectRow(experiment_id="e", adapter="hash of the adapter", effect=0.25, n=4)
    assert models.effect(version_10, "e") == effect
    [server] = version_10.fetch(EndpointRow, "from v_endpoints")
    assert (server.model, server.abilities) == ("judge", SERVER)
    [training] = select(
        version_10, "select distinct reward_accuracy, reward_low, reward_high, reward_n from v_training"
    )
    assert tuple(training.values()) == (0.75, 0.6, 0.85, 40)


def test_the_trouble_of_a_fold_is_told_of_the_whole_and_kept_once(version_10: Store) -> None:
    told = [(row.name, row.note) for row in experiments.trouble(version_10, "e")]
    assert told == [("fold 1, base", "a weight is no number"), ("fold 2, training", "the loss is no number")]
    assert [row.name for row in experiments.trouble(version_10, "f2")] == ["training"]
    assert experiments.stopped(version_10, "e")
    experiments.forget_trouble(version_10, "f2")
    experiments.forget_trouble(version_10, "f1")
    assert not experiments.stopped(version_10, "e")


def test_nothing_is_left_of_the_table_that_held_everything(version_10: Store) -> None:
    names = select(version_10, "select table_name from information_schema.tables where table_name like '%evidence%'")
    assert names == []
    assert [step.name[:3] for step in STEPS] == [f"{number:03}" for number in range(1, VERSION + 1)]
    assert (SCHEMA / "views.sql").is_file()
