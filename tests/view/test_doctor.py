"""What `harness doctor` sees: a machine and a store that are well, and each thing that is not, with what to do."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from pathlib import Path

import dying
import pytest
from kept_stores import unpacked

from harness.cli.main import main
from harness.store import opening
from harness.store.database import Store
from harness.training.loop.checkpoints import seal
from harness.view import doctor


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Store(tmp_path_factory.mktemp("blank") / "harness.duckdb").path


@pytest.fixture
def store(blank: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(blank, tmp_path))


def of_store(path: Path, *, must_exist: bool = True) -> list[tuple[str, str, str, str]]:
    """What is said of the file, without the checks of the machine."""
    return [(c.name, c.status, c.measured, c.fix) for c in doctor.file(path, must_exist)]


def test_what_is_well_is_told_in_a_table_and_exits_0(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(store.parent)]) == 0
    told = capsys.readouterr().out
    for name in ("packages", "hardware", "disk of the store", "cache of models", "store", "checkpoints"):
        assert f"\n{name} " in told
    assert "all readable" in told
    assert "0 broken" in told


def test_a_store_that_is_broken_exits_2_and_says_what_to_do(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store.write_bytes(store.read_bytes()[:40_000])
    assert main(["doctor", str(store), "--json"]) == 2
    [check] = [check for check in json.loads(capsys.readouterr().out) if check["status"] == "fail"]
    assert (check["name"], check["measured"]) == ("store", "not a usable DuckDB file: it is cut short")
    assert "harness store backup" in check["fix"]


def test_a_store_that_is_not_there_is_broken_only_where_it_was_named(tmp_path: Path) -> None:
    path = tmp_path / "harness.duckdb"
    assert of_store(path)[0][:2] == ("store", "fail")
    assert of_store(path, must_exist=False)[0][:2] == ("store", "warn")


def test_an_earlier_store_is_looked_at_and_left_as_it_is(tmp_path: Path) -> None:
    path, _ = unpacked(7, tmp_path)
    before = path.read_bytes()
    [(_, status, measured, fix)] = of_store(path)
    assert (status, measured.startswith("version 7, ")) == ("warn", True)
    assert "keep a copy: harness store backup" in fix
    assert path.read_bytes() == before


def test_what_killed_processes_left_is_named(tmp_path: Path) -> None:
    path, _ = unpacked(10, tmp_path)
    dying.process(dying.commit_and_die, path, 10)
    (tmp_path / ".harness.duckdb.77.new").touch()
    told = {name: (status, measured) for name, status, measured, _ in of_store(path)}
    assert told["log of the store"][0] == "warn"
    assert told["drafts"] == ("warn", f"{tmp_path / '.harness.duckdb.77.new'} was left by a process that was killed")
    assert opening.log_of(path).exists(), "a look changes nothing"


def test_a_store_at_work_is_not_a_broken_one(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LOCK_SECONDS", 0.2)
    told = store.with_name("told")
    writer = dying.SERVER.Process(target=dying.hold, args=(store, told))
    writer.start()
    dying.wait_for(told, 1)
    [(_, status, measured, _)] = of_store(store)
    writer.kill()
    writer.join()
    assert (status, f"the store is locked by process {writer.pid} " in measured) == ("warn", True)


def test_checkpoints_that_are_not_whole_are_named(tmp_path: Path) -> None:
    whole, cut = (tmp_path / "out" / "x" / "model.partial" / f"checkpoint-{step}" for step in (5, 10))
    for folder in (whole, cut):
        folder.mkdir(parents=True)
        (folder / "weights").write_text("1 2 3", encoding="utf-8")
    seal(whole)
    [check] = doctor.checkpoints(tmp_path)
    assert (check.status, check.measured) == ("warn", f"{cut}: it was not finished")
    seal(cut)
    [check] = doctor.checkpoints(tmp_path)
    assert (check.status, check.measured) == ("ok", "2 of unfinished trainings, all complete")


@pytest.mark.parametrize(
    ("needed", "wrong"),
    [
        ("duckdb>=2.0", ""),
        ("duckdb>=99", "duckdb {duckdb}, not >=99"),
        ("no-such-package>=1", "no-such-package is missing"),
        ('no-such-package>=1; extra == "sweep"', ""),
        ('duckdb>=99; extra == "sweep"', "duckdb {duckdb}, not >=99"),
        ('no-such-package>=1; python_version < "3"', ""),
    ],
)
def test_packages_are_compared_with_the_ranges_that_are_needed(
    needed: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: [needed])
    [check] = doctor.packages()
    told = wrong.format(duckdb=importlib.metadata.version("duckdb"))
    assert (check.status, check.measured if wrong else "") == ("fail" if wrong else "ok", told)


def test_packages_of_an_extra_that_is_not_whole_are_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a transformers of everybody's that only `gguf` wants newer."""
    needed = ["duckdb>=2.0", 'no-such-package>=1; extra == "gguf"', 'duckdb>=99; extra == "gguf"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: needed)
    [check] = doctor.packages()
    assert check.status == "ok"


def rooms(place: Path, free: float, size: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1e12, 1e12 - free, free))
    store = place / "harness.duckdb"
    with store.open("wb") as stream:
        stream.truncate(size)
    return [check.status for check in doctor.room(place, store)]


@pytest.mark.parametrize(
    ("free", "size", "status"),
    [(100e6 - 1, 0, "fail"), (100e6, 0, "warn"), (2e9 - 1, 0, "warn"), (2e9, 0, "ok"), (3e9, 10**9 * 2, "warn")],
)
def test_free_space_is_judged_at_its_limits(
    tmp_path: Path, free: float, size: int, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rooms(tmp_path, free, size, monkeypatch) == [status, status]
