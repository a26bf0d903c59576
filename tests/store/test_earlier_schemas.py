"""Stores of every earlier version open, are brought up to date, and say what they said when they were made.

Each holds two experiments that the harness of its time ran and decided, and beside it what they were decided to be.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from kept_stores import EXPERIMENT, FIRST_WITH_FILES, VERSIONS, unpacked
from workspaces import select

from harness.cli.main import main
from harness.store import decisions, experiments, judging, models
from harness.store.database import Store
from harness.store.versions import SCHEMA, STEPS, VERSION
from reports import data
from reports.outputs import markdown, record
from reports.rows import FROM, AdapterEffectRow, EndpointRow


@dataclass(frozen=True)
class Earlier:
    """A store of an earlier version, brought up to date, and what its experiments were decided to be."""

    store: Store
    held: Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module", params=VERSIONS)
def earlier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Earlier:
    path, held = unpacked(request.param, tmp_path_factory.mktemp("earlier"))
    return Earlier(Store(path), held)


def test_every_version_before_this_one_is_kept() -> None:
    """A version whose stores people have is kept before the next one comes: see `kept_stores`."""
    assert VERSIONS in (list(range(1, VERSION)), list(range(1, VERSION + 1)))


def test_an_earlier_store_reports_the_same_decisions(earlier: Earlier, capsys: pytest.CaptureFixture[str]) -> None:
    for was in earlier.held:
        assert main(["gate", was["experiment"], "--store", str(earlier.store.path), "--json"]) == was["exit_code"]
        now = json.loads(capsys.readouterr().out)
        assert {key: now[key] for key in ("verdict", "headline", "reason")} == {
            key: was[key] for key in ("verdict", "headline", "reason")
        }
        assert [[gate["name"], gate["status"]] for gate in now["gates"]] == was["gates"]
    [found] = select(earlier.store, "from schema_version")
    assert found["version"] == VERSION


ENDS = (VERSIONS[0], VERSIONS[-1])  # of the versions, in the fast tests


@pytest.mark.parametrize(
    "earlier", [pytest.param(v, marks=() if v in ENDS else pytest.mark.slow) for v in VERSIONS], indirect=True
)
def test_an_earlier_store_renders_and_every_view_can_be_read(earlier: Earlier) -> None:
    with earlier.store.hold():
        for view, kind in FROM.items():
            earlier.store.fetch(kind, f"from {view}")
    for was in earlier.held:
        with earlier.store.connect(read_only=True) as con:
            found = data.load(con, was["experiment"])
        report = markdown.render(found, {})
        assert was["headline"].split("`")[0] in report
        assert "agrees with the labelled pairs" in report
        assert record.record(found).decision.verdict == was["verdict"]


JUDGE = {"agreement", "kappa", "readable", "consistency", "first_slot", "metric_agreement"}
"""What every version measured about a judge; later ones measured more."""


def test_what_was_measured_about_a_judge_is_kept(earlier: Earlier) -> None:
    for was in earlier.held:
        measures = judging.measures(earlier.store, was["experiment_id"])
        assert set(measures) >= JUDGE
        assert decisions.verdict(earlier.store, was["experiment_id"]) == was["verdict"]


# --- stores of which the experiments are kept too: the same commands go on with them

WITH_FILES = [version for version in VERSIONS if version >= FIRST_WITH_FILES]
ONE = (FIRST_WITH_FILES,)  # of the versions, in the fast tests


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, set[tuple[str, ...]]]:
    """How the begun experiment ends where it is the only one, and the answers on record then."""
    folder = tmp_path_factory.mktemp("fresh")
    shutil.copytree(EXPERIMENT, folder, dirs_exist_ok=True)
    code = main(["run", str(folder / "third.yaml")])
    return code, _answers(folder)


@pytest.mark.parametrize("version", [pytest.param(v, marks=() if v in ONE else pytest.mark.slow) for v in WITH_FILES])
def test_an_earlier_store_is_continued(version: int, tmp_path: Path, fresh: tuple[int, set[tuple[str, ...]]]) -> None:
    shutil.copytree(EXPERIMENT, tmp_path, dirs_exist_ok=True)
    _, held = unpacked(version, tmp_path)
    before = _answers(tmp_path)
    for was in held:
        assert main(["run", str(tmp_path / f"{was['experiment'].removeprefix('store-')}.yaml")]) == was["exit_code"]
    again = _answers(tmp_path)
    assert before <= again, "what was asked is kept"
    assert len(again - before) <= TRAPS * len(held), "of what was decided nothing is asked again, but for traps"
    code, answers = fresh
    assert main(["run", str(tmp_path / "third.yaml")]) == code == 3
    assert _answers(tmp_path) == again | answers, "what was begun asks for the rest"


TRAPS = 18
"""Questions about traps that a judge is asked since version 23, where it was asked without them before."""


def _answers(folder: Path) -> set[tuple[str, ...]]:
    sql = "select completion_id, text from completions"
    return {(row["completion_id"], row["text"]) for row in select(Store(folder / "harness.duckdb"), sql)}


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
