"""Whatever moment a process is killed at while a store is made, brought up to date or written, the next one goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import duckdb
import dying
import pytest
from kept_stores import VERSIONS, unpacked
from workspaces import select

from harness.cli.signals import ending_kindly
from harness.store import opening, versions
from harness.store.answers import completions, stored
from harness.store.database import Store, query
from suites.errors import UserError
from suites.model import Completion


def committed(path: Path, version: int | None = None) -> None:
    """What a process leaves that made or changed the tables and was killed before it closed the file."""
    assert dying.process(dying.commit_and_die, path, version) == -signal.SIGKILL
    assert opening.log_of(path).stat().st_size > 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Store(tmp_path_factory.mktemp("made") / "harness.duckdb").path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "harness.duckdb"


def is_whole(path: Path) -> bool:
    """Whether a store takes rows and gives them back."""
    store = Store(path)
    store.insert("completions", [stored("k", "p", Completion("t"))])
    return completions(Store(path), ["k"])["k"].text == "t"


# --- creation


@pytest.mark.parametrize("delay", [0.02, 0.06, 0.1])
def test_a_creation_that_is_killed_leaves_a_store_or_none(path: Path, delay: float) -> None:
    dying.process(dying.make, path, delay=delay)
    assert not path.exists() or Store(path, create=False)
    assert is_whole(path)


def test_a_creation_that_an_earlier_harness_did_not_finish_is_finished(path: Path) -> None:
    committed(path)
    assert is_whole(path)


@pytest.mark.parametrize("content", [b"", "a database without tables"])
def test_a_file_without_tables_is_a_fresh_one(path: Path, content: bytes | str) -> None:
    path.touch()
    if content:
        path.unlink()
        duckdb.connect(str(path)).close()
    for read in (lambda: Store(path, create=False), lambda: query(path, "select 1")):
        with pytest.raises(UserError, match="its creation was cut short"):
            read()
    assert is_whole(path)


def test_a_log_without_its_store_is_not_taken_for_that_of_a_new_one(path: Path) -> None:
    committed(path)
    path.unlink()
    with pytest.raises(UserError, match="a log lies there without the store it belongs to"):
        Store(path)


def test_nothing_is_left_beside_a_store_that_was_made(made: Path) -> None:
    assert [file.name for file in made.parent.iterdir()] == ["harness.duckdb"]


def test_drafts_of_processes_that_are_gone_are_taken_away(path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    old, log, new = (
        path.with_name(f".{path.name}.{name}") for name in (f"{gone.pid}.new", f"{gone.pid}.new.wal", "1.new")
    )
    for draft in (old, log, new):
        draft.touch()
    for _ in ("made", "opened"):
        Store(path)
        assert [draft.exists() for draft in (old, log, new)] == [False, False, True]
        old.touch()


# --- migration


@pytest.mark.parametrize(("version", "rounds"), [(None, 9), pytest.param(10, 30, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("interruptible")
def test_a_signal_in_creation_or_migration_is_no_other_error(version: int | None, rounds: int, tmp_path: Path) -> None:
    """DuckDB tells one that comes within a statement as an error of its own."""
    kinds = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    ended = 0
    for turn in range(rounds):
        folder = tmp_path / str(turn)
        folder.mkdir()
        path, _ = unpacked(version, folder) if version else (folder / "harness.duckdb", [])
        timer = threading.Timer(0.1 * turn / rounds, os.kill, (os.getpid(), kinds[turn % 3]))
        try:
            with ending_kindly():
                timer.start()
                Store(path)
                timer.join()  # it may come after the end
                time.sleep(0.01)
        except KeyboardInterrupt:
            ended += 1
        assert is_whole(path)
        assert {file.name for file in folder.iterdir()} == {path.name}
    assert ended == rounds


ONE = (10,)  # of the versions, in the fast tests


@pytest.mark.parametrize("version", [pytest.param(v, marks=() if v in ONE else pytest.mark.slow) for v in VERSIONS])
def test_a_migration_killed_between_commit_and_close_is_there_afterwards(version: int, tmp_path: Path) -> None:
    path, held = unpacked(version, tmp_path)
    committed(path, version)
    store = Store(path, create=False)
    assert select(store, "select version from schema_version") == [{"version": versions.VERSION}]
    verdicts = {row["name"]: row["verdict"] for row in select(store, "select name, verdict from v_decisions")}
    assert verdicts == {was["experiment"]: was["verdict"] for was in held}
    assert is_whole(path)


def test_what_a_migration_wrote_is_in_the_file_itself(tmp_path: Path) -> None:
    path, _ = unpacked(10, tmp_path)
    assert dying.process(dying.open_and_die, path) == -signal.SIGKILL
    assert not opening.log_of(path).exists()
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.execute("select version, harness is null from schema_version").fetchall() == [
            (versions.VERSION, False)
        ]


# --- rows


def test_a_batch_is_in_the_file_itself_when_it_counts_as_finished(made: Path, path: Path) -> None:
    shutil.copy(made, path)
    dying.process(dying.write_and_die, path, 5)
    opening.log_of(path).unlink(missing_ok=True)  # there may be an empty one
    assert len(completions(Store(path), [str(number) for number in range(5)])) == 5


# --- a log that cannot be replayed, and what to do about it


def flip(file: Path, share: float = 0.5) -> None:
    """Change a byte in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[int(share * len(content))] ^= 0xFF
    file.write_bytes(content)


def test_a_broken_log_of_a_creation_can_be_deleted(path: Path) -> None:
    committed(path)
    flip(log := opening.log_of(path))
    with pytest.raises(UserError, match="the log beside the store cannot be replayed") as caught:
        Store(path)
    assert caught.value.fix.startswith(f"delete {log.name}: all that was finished is in the file itself")
    log.unlink()
    assert is_whole(path)


def test_a_broken_log_of_an_earlier_harness_is_kept(tmp_path: Path) -> None:
    path, _ = unpacked(10, tmp_path)
    committed(path, 10)
    flip(opening.log_of(path))
    with pytest.raises(UserError, match="the log beside the store cannot be replayed") as caught:
        Store(path)
    assert caught.value.fix.startswith("move harness.duckdb.wal away and keep it: an earlier harness left it")
    opening.log_of(path).unlink()
    assert is_whole(path)


def test_a_log_of_another_store_is_told_from_a_broken_one(made: Path, path: Path) -> None:
    committed(path)
    shutil.copy(made, path)
    with pytest.raises(UserError, match="the log beside the store belongs to another file"):
        Store(path)
    opening.log_of(path).unlink()
    assert is_whole(path)


def test_a_log_of_this_harness_can_be_deleted_unless_the_file_is_broken_too(made: Path, path: Path) -> None:
    replay = duckdb.CatalogException("Failure while replaying WAL file: anything")
    assert opening.trouble(made, replay).fix.startswith("delete harness.duckdb.wal: all that was finished")
    path.write_bytes(made.read_bytes()[:5000])
    assert opening.trouble(path, replay).fix.startswith("restore both from a copy")
    assert [file.name for file in path.parent.iterdir()] == ["harness.duckdb"]


# --- parts that are missing


@pytest.mark.parametrize(
    ("theft", "what"),
    [
        ("drop table gates cascade", "the store has lost tables: gates"),
        ("drop table runs cascade; drop table scores cascade", "the store has lost tables: runs, scores"),
        ("delete from schema_version", "the store does not say its version: `schema_version` holds 0 rows"),
        ("insert into schema_version from schema_version", "`schema_version` holds 2 rows"),
        ("update schema_version set version = null", "`schema_version` holds None"),
        ("update schema_version set version = -3", "`schema_version` holds -3"),
        ("alter table schema_version rename version to v", "the store is not as the harness made it"),
        ("alter table runs drop column digest", "the store is not as the harness made it"),
        ("drop macro question_of", None),
    ],
)
def test_what_is_missing_is_named_and_is_no_traceback(made: Path, path: Path, theft: str, what: str | None) -> None:
    shutil.copy(made, path)
    with duckdb.connect(str(path)) as con:
        for (view,) in con.execute("select view_name from duckdb_views() where not internal").fetchall():
            con.execute(f"drop view {view}")
        con.execute(theft)
    if what is None:
        Store(path)
        return
    with pytest.raises(UserError, match=what) as caught:
        Store(path)
    assert "restore it from a copy" in caught.value.fix


def test_views_that_are_missing_are_made_anew_for_they_hold_no_facts(made: Path, path: Path) -> None:
    shutil.copy(made, path)
    with duckdb.connect(str(path)) as con:
        con.execute("drop view v_gates")
    assert query(path, "select count(*) from v_gates")[1] == [(0,)]


def test_every_table_that_is_made_is_looked_for(made: Path) -> None:
    with duckdb.connect(str(made), read_only=True) as con:
        tables = {name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()}
    assert versions.tables_of(versions.VERSION) == tables


def test_a_store_is_read_where_nothing_may_be_written(made: Path, path: Path) -> None:
    shutil.copy(made, path)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert query(path, "select count(*) from v_runs")[1] == [(0,)]
    finally:
        path.parent.chmod(0o755)
