"""A number that a decision or its report rests on was changed by hand: it is told, by table, before it is trusted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from workspaces import decided, opened, recorded_experiment, run, select

from harness.cli.main import main
from harness.experiment.session import Session
from harness.store import decisions, digests, versions
from harness.store.database import Store
from harness.store.digests import RESTS_ON, Changed
from harness.view.doctor import file

# What this decision rests on beside what every recorded one does; another experiment's is not.
MORE = """
    insert into judge_measures values ('{id}', 'agreement', 0.5, 0.4, 0.6, 50, '');
    insert into repeats values ('{id}', 'seed', 1, 't1', '{{}}', 'r', 'exact_match', 20, 0.5, 0.4, 0.6, 'done');
    insert into experiment_training (experiment_id, training_id) values ('{id}', 't'), ('other', 't2');
    insert into training (training_id, method, config, folder, seconds, steps, trained_parameters, n_rows) values
        ('t', 'lora', '{{}}', 'm', 1, 2, 3, 4), ('t1', 'lora', '{{}}', 'm', 1, 2, 3, 4),
        ('t2', 'lora', '{{}}', 'm', 1, 2, 3, 4);
    insert into training_log values ('t', 1, 'loss', 0.5), ('t2', 1, 'loss', 0.5);
    insert into folds values ('fold', '{id}', 1);
    insert into trouble values ('fold', 'train', 'candidate', 'diverged');
    insert into prices values ('{id}', 'base', '', 1, 2, null, '', 'the file');
    insert into adapter_effects values ('{id}', 'a', 0.5, 4);
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    path = recorded_experiment(tmp_path_factory.mktemp("decided"), ["yes", "no"] * 20, ["yes"] * 40, seed=7)
    return run(path)


@pytest.fixture
def copy(session: Session, tmp_path: Path) -> Path:
    """The folder of that experiment, as it was decided."""
    return Path(shutil.copytree(session.experiment.folder, tmp_path / "copy"))


@pytest.fixture(scope="module")
def con(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Such a store with a row in most tables."""
    path = shutil.copy(session.store.path, tmp_path_factory.mktemp("full"))
    with duckdb.connect(path) as con:
        con.execute(MORE.format(id=session.id))
        digests.stamp(con, session.id)
        yield con


def told(con: duckdb.DuckDBPyConnection, experiment_id: str, *statements: str) -> list[str]:
    """The tables that are told of after these statements, which are taken back."""
    con.execute("begin")
    try:
        for statement in statements:
            con.execute(statement)
        changed = digests.changed(con, experiment_id)
    finally:
        con.execute("rollback")
    return list(changed.tables) if changed else []


OTHER = {
    "DOUBLE": "coalesce({0} * 0.75 + 0.0001, 0.5)", "INTEGER": "coalesce({0} + 1, 1)", "BIGINT": "coalesce({0} + 1, 1)",
    "TIMESTAMP": "{0} + interval 1 second",
}  # fmt: skip


def test_a_number_of_every_table_that_a_decision_rests_on(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    tried = set()
    for table in RESTS_ON:
        columns = con.execute(f"select column_name, data_type from duckdb_columns() where table_name = '{table}'")
        numbers = [(column, OTHER[kind]) for column, kind in columns.fetchall() if kind in OTHER]
        if numbers and con.execute(f"from {table} limit 1").fetchall():
            column, other = numbers[-1]
            assert table in told(con, session.id, f"update {table} set {column} = {other.format(column)}")
            tried.add(table)
    assert len(tried) > 18


@pytest.mark.parametrize(
    ("edit", "tables"),
    [
        ("update gates set status = 'unknown' where position = 1", ["gates"]),
        ("update decisions set verdict = 'deploy', exit_code = 0, headline = 'Deploy'", ["decisions"]),
        ("delete from comparisons where position = 0", ["comparisons"]),
        ("update examples set slices = '{\"plan\": \"pro\"}' where example_id = 't0001'", ["examples"]),
        ("update trouble set note = 'nothing' where experiment_id = 'fold'", ["trouble"]),
        ("update training set seconds = 0 where training_id = 't1'", ["training"]),
        ("delete from folds", ["trouble", "folds"]),
        # what others rest on, and what is written after the decision
        ("update training set seconds = 0 where training_id = 't2'", []),
        ("update training_log set value = 0 where training_id = 't2'", []),
        ("update stages set seconds = 9 where stage = 'decide'", []),
    ],
)
def test_words_rows_and_what_others_rest_on(
    edit: str, tables: list[str], con: duckdb.DuckDBPyConnection, session: Session
) -> None:
    assert told(con, session.id, edit) == tables


def test_every_table_is_covered_or_holds_nothing_of_a_decision() -> None:
    apart = {"schema_version", "decision_digests", "selftest", "questions", "loglikelihoods"}
    assert RESTS_ON.keys() | apart == versions.tables_of(versions.VERSION)


def edit(folder: Path, sql: str) -> None:
    with duckdb.connect(str(folder / "harness.duckdb")) as con:
        con.execute(sql)


WHAT = "the decision on 'recorded' rests on rows that were changed since it was made: gates"


@pytest.mark.parametrize("command", ["gate", "report", "run", "check"])
def test_no_command_trusts_or_takes_over_an_edited_decision(
    command: str, copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(copy, "update gates set low = 0.5 where gate_id = 'gain'")
    monkeypatch.chdir(copy)
    assert main([command, "experiment.yaml"]) == 2
    assert WHAT in capsys.readouterr().err


def test_the_doctor_tells_of_it_and_counts_decisions_from_before(copy: Path) -> None:
    path = copy / "harness.duckdb"
    [store, told] = file(path, must_exist=True)
    assert (store.status, told.measured) == ("ok", "1 of 1 rest on what they did when they were made")
    edit(copy, "update arms set mean = 0.1")
    [store] = file(path, must_exist=True)
    assert (store.status, store.measured) == (
        "fail",
        "decisions rest on rows that were changed since: 'recorded': arms",
    )
    edit(copy, "delete from decision_digests")
    [store, told] = file(path, must_exist=True)
    assert told.measured.startswith("0 of 1 rest on what they did when they were made; 1 do not say: made before")


@pytest.mark.parametrize("command", ["run", "check"])
def test_the_same_command_again_leaves_a_decision_that_is_sound(command: str, copy: Path) -> None:
    assert main([command, str(copy / "experiment.yaml")]) in (0, 3, 4, 5)
    store = Store(copy / "harness.duckdb")
    [experiment] = select(store, "select experiment_id from experiments")
    assert decisions.check(store, experiment["experiment_id"])


def _interrupted(session: Session) -> None:
    with decisions.made_anew(session.store, session.id):
        session.store.execute("update arms set mean = 0.5")
        raise KeyboardInterrupt


def test_one_that_is_interrupted_while_it_is_made_anew_can_be_finished(session: Session, copy: Path) -> None:
    again = opened(copy / "experiment.yaml")
    with pytest.raises(KeyboardInterrupt):
        _interrupted(again)
    assert decisions.check(again.store, session.id) is False
    assert decided(run(copy / "experiment.yaml")).arms == decided(session).arms
    assert decisions.check(again.store, session.id)


def test_a_migration_keeps_what_was_sound_and_does_not_bless_what_was_edited(session: Session, copy: Path) -> None:
    with duckdb.connect(str(copy / "harness.duckdb")) as con:
        con.execute("alter table gates add column more integer default 3")  # as a later step may do
        assert digests.changed(con, session.id) == Changed(session.id, "recorded", ["gates"])
        versions.migrate(con, versions.VERSION)
        assert digests.changed(con, session.id)
        con.execute("alter table gates drop column more")
        assert not digests.changed(con, session.id)
        versions.migrate(con, versions.VERSION)
        assert digests.intact(con) == [session.id]
