"""A first try that comes to nothing leaves nothing, and a report that cannot be written leaves the one before."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from workspaces import recorded_experiment, run, select

from harness.cli.disk import of_disk
from harness.cli.main import main
from harness.pipeline import order
from harness.store import opening
from harness.store.answers import stored
from harness.store.database import Store
from suites.model import Completion
from suites.writing import write_whole


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """An experiment whose test file turns out to be no data."""
    path = recorded_experiment(tmp_path, ["yes"] * 4, ["yes"] * 4)
    (tmp_path / "test.jsonl").write_text("nothing\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("command", ["run", "check", "exam"])
def test_a_first_try_that_ends_in_exit_2_leaves_no_store(
    wrong: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in wrong.parent.iterdir())
    assert main([command, str(wrong)]) == 2
    assert "test.jsonl" in capsys.readouterr().err
    assert sorted(path.name for path in wrong.parent.iterdir()) == before


def test_a_store_that_was_there_stays_and_so_does_what_took_work(wrong: Path) -> None:
    store = Store(wrong.parent)
    assert main(["run", str(wrong)]) == 2
    assert [row["name"] for row in select(store, "select name from experiments")] == ["recorded"]


def test_answers_that_came_before_the_mistake_was_met_are_kept(wrong: Path) -> None:
    from harness.store.experiments import leave_nothing

    store = Store(wrong.parent / "new.duckdb")
    store.insert("completions", [stored("k", "p", Completion("t"))])
    leave_nothing(store)
    assert store.path.exists()
    store.execute("delete from completions")
    leave_nothing(store)
    assert not store.path.exists()


def test_a_first_try_that_meets_a_full_disk_leaves_its_store_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded_experiment(tmp_path, ["yes"] * 4, ["yes"] * 4)
    full = opening.trouble(tmp_path / "harness.duckdb", OSError(errno.ENOSPC, "No space left on device"))

    def fails(*_: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(order, "run", fails)
        assert main(["run", str(path)]) == 2
    assert "error: the disk is full; nothing finished is lost" in capsys.readouterr().err
    assert Store(tmp_path, create=False).path.exists()


# --- files are written whole


def test_a_file_is_exchanged_as_one_and_keeps_its_mode(tmp_path: Path) -> None:
    path, link = tmp_path / "report.md", tmp_path / "link.md"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    link.symlink_to(path)
    inode = path.stat().st_ino
    write_whole(link, "new é")
    assert (path.read_text(encoding="utf-8"), link.is_symlink()) == ("new é", True)
    assert path.stat().st_ino != inode
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.md", "report.md"]


def test_what_is_no_file_is_written_to_straight_away() -> None:
    write_whole(Path(os.devnull), "anything")


REPORTS = ("report.md", "report.html", "decision.json", "forest.svg", "gates.xml")


def test_no_report_is_written_over_in_place(tmp_path: Path) -> None:
    session = run(recorded_experiment(tmp_path, ["yes"] * 6, ["yes"] * 6))
    out = tmp_path / "out"
    out.mkdir()
    for name in REPORTS:
        (out / name).write_text("read by somebody", encoding="utf-8")
        (tmp_path / f"{name}.open").hardlink_to(out / name)
    assert main(["report", "--store", str(session.store.path), "--out", str(out)]) == 0
    main(["gate", "--store", str(session.store.path), "--junit", str(out / "gates.xml")])
    assert {(tmp_path / f"{name}.open").read_text(encoding="utf-8") for name in REPORTS} == {"read by somebody"}
    assert not any("read by somebody" in (out / name).read_text(encoding="utf-8") for name in REPORTS)
    assert sorted(file.name for file in out.iterdir() if file.name not in REPORTS) == []


# --- what a disk that fails is told as


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "report.md"), "the disk is full"),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), "the disk is full"),
        (OSError(errno.EFBIG, "File too large"), "a file may not grow any more"),
        (OSError(errno.EIO, "Input/output error"), "the disk failed to read or write"),
        (OSError(errno.EROFS, "Read-only file system"), "the file system can only be read"),
        (FileNotFoundError(errno.ENOENT, "No such file"), None),
        (ValueError("five"), None),
    ],
)
def test_a_disk_that_fails_is_told_in_one_line_whoever_met_it(error: Exception, what: str | None) -> None:
    outer = RuntimeError("could not save")
    outer.__cause__ = error
    told = [of_disk(error), of_disk(outer)]
    assert [each.what if each else None for each in told] == [what, what]
