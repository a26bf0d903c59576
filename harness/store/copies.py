"""Copies of a store: as a file, or as a folder of Parquet files that any tool reads, and back from there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from harness import __version__
from harness.store import STORE_FILE, opening, versions
from harness.store.contents import Held, held
from suites.errors import UserError
from suites.text import json_text
from suites.text.files import read_bytes
from suites.writing import draft_of, drop_drafts, sync_folder, write_whole

MANIFEST = "store.json"


@dataclass(frozen=True, slots=True)
class Copied:
    """What was written where: rows of all tables, and bytes."""

    path: Path
    rows: int
    bytes: int


# Only tables are read while this holds.
WRITING = {"enable_external_access": "true"}


@contextmanager
def _still(path: Path, config: Mapping[str, str] | None = None) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
    """A store that nobody changes meanwhile, as it is (an earlier one stays one), and its version."""
    if not path.is_file():
        raise UserError("no store here yet", str(path), "name one with --store")
    log = opening.log_of(path)
    if log.is_file() and log.stat().st_size:  # a killed process left it; what it holds belongs into the copy
        opening.connect(path, read_only=False).close()
    con = opening.connect(path, read_only=True, config=config)
    try:
        version = versions.version_of(con, path)
        if version is None:
            raise UserError("nothing is in this store yet", str(path), "`harness run EXPERIMENT` fills it")
        with opening.interruptible():
            yield con, version
    except duckdb.Error as error:
        raise opening.trouble(path, error) from None
    finally:
        con.close()


def backup(path: Path, to: Path) -> Copied:
    """A copy of the file as it is at one moment, compared with it row by row; a run that goes on meanwhile waits.

    Raises UserError when `to` is there already, cannot be written, or is not what the store holds.
    """
    to = to / path.name if to.is_dir() else to
    _refuse_existing(to)
    draft = draft_of(to)
    drop_drafts(to)
    try:
        with _still(path) as (con, _):
            there = held(con)
            shutil.copyfile(path, draft)
        copied = _read(draft)
        if copied != there:
            raise UserError(f"the copy differs in {_differing(there, copied)}", str(to), "look at the disk, try again")
        os.rename(draft, to)
        sync_folder(to.parent)
    except OSError as error:
        raise opening.trouble(to, error) from None
    finally:
        draft.unlink(missing_ok=True)
    return Copied(to, sum(table.n for table in there.values()), to.stat().st_size)


def _read(path: Path) -> dict[str, Held]:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
    con = opening.connect(path, read_only=True)
    try:
        return held(con)
    finally:
        con.close()


def _differing(one: dict[str, Held], other: dict[str, Held]) -> str:
    return ", ".join(sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)))


def _refuse_existing(to: Path) -> None:
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise UserError("it is there already; nothing is written over", str(to), "name a new one")
    if not to.parent.is_dir():
        raise UserError("no such folder", str(to.parent), "make it, or name another")


# --- Parquet


def export(path: Path, folder: Path) -> Copied:
    """Every table as a Parquet file, and what they hold in `store.json`: all of it or nothing.

    Raises UserError when the folder has anything in it, or cannot be written.
    """
    _refuse_existing(folder)
    draft = draft_of(folder)
    drop_drafts(folder)
    try:
        draft.mkdir()
        with _still(path, WRITING) as (con, version):
            tables = held(con)
            for name in tables:
                con.execute(f"copy {name} to {_quoted(draft / f'{name}.parquet')} (format parquet)")
            [(engine,)] = con.execute("select version()").fetchall()
        manifest = {
            "version": version, "harness": __version__, "duckdb": engine,
            "tables": {name: asdict(table) for name, table in tables.items()},
        }  # fmt: skip
        write_whole(draft / MANIFEST, json.dumps(manifest, indent=1) + "\n")
        draft.replace(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise opening.trouble(folder, error) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    size = sum(file.stat().st_size for file in folder.iterdir())
    return Copied(folder, sum(table.n for table in tables.values()), size)


def import_(folder: Path, to: Path) -> Copied:
    """A new store from such a folder, brought up to date; its rows are compared with what the folder says it holds.

    Raises UserError when a file is missing or changed, is of a later harness, or there is a store already.
    """
    to = to / STORE_FILE if to.is_dir() else to
    _refuse_existing(to)
    manifest = _manifest(folder)

    def fill(con: duckdb.DuckDBPyConnection) -> None:
        con.execute("create table schema_version as select 0 as version")
        for step in versions.STEPS[: manifest.version]:
            con.execute(step.read_text(encoding="utf-8"))
        for name in manifest.tables:
            _take(con, folder / f"{name}.parquet", name)
        if (there := held(con)) != manifest.tables:
            what = f"the files are not what was exported: {_differing(manifest.tables, there)}"
            raise UserError(what, str(folder), f"export again (they were written by DuckDB {manifest.duckdb})")
        versions.migrate(con, manifest.version)

    opening.create(to, fill)
    return Copied(to, sum(table.n for table in manifest.tables.values()), to.stat().st_size)


def _take(con: duckdb.DuckDBPyConnection, file: Path, table: str) -> None:
    try:
        con.execute(f"insert into {table} by name from read_parquet({_quoted(file)})")
    except (duckdb.Error, UnicodeDecodeError) as error:  # the latter where DuckDB's own message holds damaged text
        if any(sign.sign in str(error) for sign in opening.TROUBLES[:3]):
            raise
        raise UserError(f"cannot be read: {str(error).splitlines()[0]}", str(file), "export again") from None


@dataclass(frozen=True, slots=True)
class _Manifest:
    version: int
    duckdb: str
    tables: dict[str, Held]


def _manifest(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    fix = "name a folder that `harness store export` wrote"
    try:
        content: dict[str, Any] = json_text.parse(read_bytes(path))
        tables = {name: Held(t["table"], int(t["n"]), str(t["digest"])) for name, t in content["tables"].items()}
        found = _Manifest(int(content["version"]), str(content["duckdb"]), tables)
    except OSError as error:
        raise UserError(f"no export here ({error.strerror})", str(path), fix) from None
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        raise UserError("not the list of an export", str(path), fix) from None
    if found.version > versions.VERSION:
        what = f"the export has version {found.version}, this harness reads {versions.VERSION}"
        raise UserError(what, str(path), "upgrade the harness")
    known = versions.tables_of(found.version) - {"schema_version"} if found.version > 0 else frozenset()
    if set(tables) != known:
        raise UserError(f"the list of an export is wrong: {', '.join(sorted(set(tables) ^ known))}", str(path), fix)
    return found


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
