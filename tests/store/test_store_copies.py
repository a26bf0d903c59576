"""Copies hold what the store holds, run or no run; what decisions rest on outlasts every cleaning."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import dying
import pytest
from kept_stores import unpacked
from workspaces import recorded_experiment, run, select

from harness.cli.main import main
from harness.experiment.load import load_experiment
from harness.experiment.session import open_session
from harness.pipeline import order
from harness.store import copies, versions
from harness.store.contents import held
from harness.store.database import Store
from harness.store.prune import BY_EXPERIMENT, OTHERWISE, prune
from suites.errors import UserError

OLD = "update experiments set created_at = now()::timestamp - to_days(31) where name = 'given-up'"


def rows(path: Path) -> dict[str, tuple[int, str]]:
    """Count and digest of each table that has any rows."""
    with Store(path, create=False).connect(read_only=True) as con:
        return {name: (table.n, table.digest) for name, table in held(con).items() if table.n}


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of one decided experiment, and one that was left after its baseline a month ago."""
    folder = tmp_path_factory.mktemp("lived_in")
    path = run(recorded_experiment(folder / "kept", ["yes", "no"] * 6, ["yes"] * 12)).store.path
    left = recorded_experiment(
        folder / "left", ["no"] * 12, ["yes"] * 12, inputs=[f"other {i}" for i in range(12)], name="given-up"
    )
    other = open_session(load_experiment(left), path)
    for stage in ("check", "baseline"):
        order.do(other, stage)
    other.store.execute(OLD)
    return folder / "kept"


@pytest.fixture
def store(lived_in: Path, tmp_path: Path) -> Path:
    shutil.copytree(lived_in, tmp_path / "work")
    return tmp_path / "work" / "harness.duckdb"


# --- backup


def test_a_backup_is_the_store_as_it_is_and_is_written_over_nothing(store: Path, tmp_path: Path) -> None:
    copied = copies.backup(store, tmp_path / "copy.duckdb")
    assert rows(copied.path) == rows(store)
    assert copied.rows == sum(n for n, _ in rows(store).values())
    with pytest.raises(UserError, match="it is there already"):
        copies.backup(store, tmp_path / "copy.duckdb")
    with pytest.raises(UserError, match="no such folder"):
        copies.backup(store, tmp_path / "no" / "copy.duckdb")
    with pytest.raises(UserError, match="no store here yet"):
        copies.backup(tmp_path / "nothing.duckdb", tmp_path / "other.duckdb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.duckdb", "work"]


def test_a_backup_waits_for_a_run_that_writes_and_has_what_it_acknowledged(store: Path, tmp_path: Path) -> None:
    told = tmp_path / "acknowledged"
    writer = dying.SERVER.Process(target=dying.write_and_tell, args=(store, told))
    writer.start()
    dying.wait_for(told, 10)
    copied = copies.backup(store, tmp_path)
    before = told.stat().st_size
    dying.wait_for(told, before + 10)
    writer.kill()
    writer.join()
    there = select(Store(copied.path), "select count(*) as n from completions where prompt = 'told'")[0]["n"]
    assert 10 <= there <= before + 1, "all that was acknowledged when it began, and none of what came later"


def test_a_backup_of_an_earlier_store_stays_an_earlier_one(tmp_path: Path) -> None:
    path, _ = unpacked(3, tmp_path)
    before = path.read_bytes()
    assert copies.backup(path, tmp_path / "copy.duckdb").path.read_bytes() == before == path.read_bytes()


def test_what_a_killed_process_left_in_the_log_is_in_the_backup(tmp_path: Path) -> None:
    path = tmp_path / "harness.duckdb"
    assert dying.process(dying.commit_and_die, path, None) == -signal.SIGKILL
    assert copies.backup(path, tmp_path / "copy.duckdb").rows == 0
    assert rows(tmp_path / "copy.duckdb") == {}


# --- Parquet and back


@pytest.mark.parametrize("version", [pytest.param(1, marks=pytest.mark.slow), 8, None])
def test_what_was_exported_comes_back_with_equal_digests(
    version: int | None, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store if version is None else unpacked(version, tmp_path)[0]
    copies.export(path, tmp_path / "parquet")
    copied = copies.import_(tmp_path / "parquet", tmp_path / "again.duckdb")
    assert rows(copied.path) == rows(path)  # which brings the original up to date, too
    assert main(["gate", "--store", str(path)]) == main(["gate", "--store", str(copied.path)])
    told = capsys.readouterr().out.splitlines()
    assert told[0] == told[1]
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


@pytest.fixture(scope="module")
def exported(lived_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copies.export(lived_in / "harness.duckdb", tmp_path_factory.mktemp("exported") / "parquet").path


def change_list(folder: Path, **changes: object) -> None:
    path = folder / "store.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda folder: shutil.copy(folder / "answers.parquet", folder / "scores.parquet"), "cannot be read"),
        (lambda folder: (folder / "gates.parquet").unlink(), "cannot be read"),
        (lambda folder: (folder / "gates.parquet").write_bytes(b"PAR1"), "cannot be read"),
        (lambda folder: (folder / "store.json").unlink(), "no export here"),
        (lambda folder: (folder / "store.json").write_text("[]"), "not the list of an export"),
        (lambda folder: (folder / "store.json").write_text("{"), "not the list of an export"),
        (lambda folder: change_list(folder, version=99), "the export has version 99"),
        (lambda folder: change_list(folder, version=0), "the list of an export is wrong"),
        (lambda folder: change_list(folder, tables={}), "the list of an export is wrong: adapter_effects"),
    ],
)
def test_an_export_that_was_changed_makes_no_store(exported: Path, tmp_path: Path, damage: object, what: str) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "parquet"))
    damage(folder)  # type: ignore[operator]
    with pytest.raises(UserError, match=what):
        copies.import_(folder, tmp_path / "new.duckdb")
    assert [path.name for path in tmp_path.iterdir()] == ["parquet"]


def test_rows_that_were_changed_are_named_by_their_table(exported: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "parquet"))
    content = json.loads((folder / "store.json").read_text(encoding="utf-8"))
    content["tables"]["gates"]["digest"] = "7"
    change_list(folder, tables=content["tables"])
    with pytest.raises(UserError, match="the files are not what was exported: gates"):
        copies.import_(folder, tmp_path / "new.duckdb")


# --- what can go


def test_pruning_says_what_would_go_and_takes_it_only_when_told(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(store)
    assert main(["store", "prune", "--store", str(store)]) == 0
    told = capsys.readouterr().out
    assert "given up: given-up, on record since" in told
    assert "nothing is removed yet: --yes removes" in told
    assert rows(store) == before
    assert main(["store", "prune", "--store", str(store), "--yes", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    went = {table["table"]: table["n"] for table in content["tables"]}
    assert went == {name: n - rows(store).get(name, (0, ""))[0] for name, (n, _) in before.items() if name in went}
    assert went.keys() >= {"experiments", "arms", "runs", "answers", "scores", "completions"}
    assert main(["store", "prune", "--store", str(store)]) == 0
    assert "there is nothing to remove" in capsys.readouterr().out


def test_what_a_decision_rests_on_outlasts_pruning_and_is_not_asked_again(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(store).connect(read_only=True) as con:
        kept = con.execute("from v_decisions").fetchall(), con.execute("from v_gates order by all").fetchall()
    prune(Store(store), older_than=0, remove=True)
    with Store(store).connect(read_only=True) as con:
        assert (con.execute("from v_decisions").fetchall(), con.execute("from v_gates order by all").fetchall()) == kept
    before = rows(store)
    code = main(["run", str(store.parent / "experiment.yaml")])
    assert code == main(["gate", "--store", str(store)])
    assert {name: rows(store)[name] for name in ("completions", "runs", "scores")} == {
        name: before[name] for name in ("completions", "runs", "scores")
    }
    capsys.readouterr()


@pytest.mark.parametrize(("age", "goes"), [(29, False), (30, True)])
def test_an_experiment_without_a_decision_is_given_up_after_its_days(store: Path, age: int, goes: bool) -> None:
    Store(store).execute(
        "update experiments set created_at = now()::timestamp - to_days(?) - to_seconds(1) where name = 'given-up'",
        [age],
    )
    pruned = prune(Store(store))
    assert [each.name for each in pruned.experiments] == ["given-up"] * goes
    assert [each.name for each in pruned.unfinished] == ["given-up"] * (not goes)


def test_runs_that_no_experiment_has_go_only_when_none_may_still_want_them(store: Path) -> None:
    Store(store).execute(
        "delete from arms where experiment_id in (select experiment_id from experiments where name = 'given-up')"
    )
    n = select(Store(store), "select count(*) as n from runs where run_id not in (select run_id from arms)")[0]["n"]
    assert n > 0
    went = {table.table: table.n for table in prune(Store(store), older_than=60).tables}
    assert "runs" not in went, "an experiment is not decided yet"
    went = {table.table: table.n for table in prune(Store(store)).tables}
    assert went["runs"] == n
    assert "completions" not in went, "answers without a run are somebody's"


def test_an_experiment_that_has_looked_at_test_questions_stays_for_looks_are_counted(store: Path) -> None:
    looked = Store(store)
    name = select(looked, "select experiment_id from experiments where name = 'recorded'")[0]["experiment_id"]
    looks = "select experiment_id, looks from v_looks"
    before = select(looked, looks)
    looked.execute("delete from decisions where experiment_id = ?", [name])
    prune(looked, older_than=0, remove=True)
    assert select(looked, looks) == before
    assert [row["name"] for row in select(looked, "select name from experiments")] == ["recorded"]


def test_pruning_knows_every_table() -> None:
    assert {*BY_EXPERIMENT, *OTHERWISE, "schema_version", "loglikelihoods"} == versions.tables_of(versions.VERSION)


def test_every_table_with_an_experiment_is_pruned_by_it(store: Path) -> None:
    with Store(store).connect(read_only=True) as con:
        sql = "select table_name from duckdb_columns() where column_name = 'experiment_id' and schema_name = 'main'"
        having = {name for (name,) in con.execute(sql).fetchall() if not name.startswith("v_")}
    assert set(BY_EXPERIMENT) == having


def test_a_table_whose_columns_have_damaged_names_is_told(store: Path, tmp_path: Path) -> None:
    """DuckDB's own message then holds text that is no UTF-8."""
    exported = copies.export(store, tmp_path / "out").path
    file = exported / "findings.parquet"
    file.write_bytes(file.read_bytes().replace(b"message", b"mes\x86age"))
    with pytest.raises(UserError, match="cannot be read"):
        copies.import_(exported, tmp_path / "new.duckdb")
    assert not (tmp_path / "new.duckdb").exists()


@pytest.mark.parametrize("version", ["1e999", "NaN", "[1]", "1" * 400])
def test_a_list_of_an_export_with_numbers_that_are_none_is_told(version: str, tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text(f'{{"version": {version}, "duckdb": "1", "tables": {{}}}}')
    with pytest.raises(UserError, match="not the list of an export"):
        copies.import_(tmp_path, tmp_path / "new.duckdb")
