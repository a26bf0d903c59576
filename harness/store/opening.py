"""How the DuckDB file is opened: made whole, waited for while others hold it, and what is wrong with it in words."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from harness.observe.progress import say
from suites.errors import UserError
from suites.writing import draft_of, drop_drafts, sync_folder

LOCK_SECONDS = 10.0
"""How long a command waits for another process to let go of the store it wants to open."""

READERS_WAIT = 6
"""How many times as long a command waits that only reads: a run may compute for a while between two batches."""

AT_WORK_SECONDS = 600.0
"""The same for a command that has begun its work, which may be hours old: a backup of a large file takes minutes."""

# What DuckDB raises for a wrong query or row; everything else says that the file or the disk failed.
OURS = (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError, duckdb.NotSupportedError)

# Nothing is ever downloaded, and nothing installed on this machine is loaded. What is built in counts as an extension
# too, even `isfinite`, and has to load before a log that a killed process left can be replayed: autoload stays on.
OFFLINE = {"autoinstall_known_extensions": "false", "extension_directory": str(Path(__file__).with_name("extensions"))}

# A new file is laid out in the smallest blocks there are: every column of every small table takes at least one, and
# 1,900 answers took 9.7 MB where they now take 1.8. A file that is there keeps its own.
# Each finished batch goes into the file at once, where every block has a checksum, and not only into the log, of which
# DuckDB drops without a word what it cannot read: nothing that was acknowledged is ever in the log alone.
LAYOUT = {"default_block_size": "16384", "checkpoint_threshold": "1b"}

# Nearly all of our queries are small: with more threads each takes a quarter longer, large ones no less, and a long one
# does not notice Ctrl-C.
SMALL = {"threads": "1"}

# A store that a stranger sent may have views of its own under our names: none of them reads a file for its sender.
ALONE = {"enable_external_access": "false"}

# Everything a query could use to reach beyond the store: files, network, extensions, Python variables, settings.
LOCKED_DOWN = {
    **ALONE,
    "python_enable_replacements": "false",
    "lock_configuration": "true",
}

MAGIC = b"DUCK"  # at byte 8 of every DuckDB file


class StoreTrouble(UserError):
    """The file or the disk failed: no mistake of what the user wrote."""


class Locked(StoreTrouble):
    """Another process has the store, and did not let go of it while one waited."""


def log_of(path: Path) -> Path:
    """DuckDB's write-ahead log of a file; it is there while a process writes, or after one was killed."""
    return path.with_name(path.name + ".wal")


def is_there(path: Path) -> bool:
    """Whether a file is at `path` that is more than a name: creating one may have been cut short."""
    return path.is_file() and path.stat().st_size > 0


def create(path: Path, fill: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
    """A new file with what `fill` puts into it: it gets its name when it is whole. One made meanwhile by another
    process stays. Raises UserError when the disk is full, or the log of a file that is gone lies there."""
    if log_of(path).is_file():
        what = "a log lies there without the store it belongs to"
        fix = f"bring {path.name} back beside it; without it the log holds nothing that can be read, and can be deleted"
        raise UserError(what, str(log_of(path)), fix)
    draft = draft_of(path)
    drop_drafts(path)
    try:
        con = _connect(draft, False, {**OFFLINE, **LAYOUT, **SMALL})
        try:
            with interruptible():
                con.execute("begin")
                fill(con)
                con.execute("commit")
        finally:
            con.close()
        _name(draft, path)
    except UserError as error:
        raise type(error)(error.what, str(path), error.fix) from None
    except (duckdb.Error, OSError) as error:
        raise trouble(path, error) from None
    finally:
        for rest in (draft, log_of(draft)):
            rest.unlink(missing_ok=True)


def _name(draft: Path, path: Path) -> None:
    """Give a whole file its name, unless another has it."""
    if path.exists() and not is_there(path):
        path.unlink()
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if not path.exists():
            draft.rename(path)
    sync_folder(path.parent)


def connect(
    path: Path, *, read_only: bool, config: Mapping[str, str] | None = None, patience: float | None = None
) -> duckdb.DuckDBPyConnection:
    """Connect, waiting `patience` seconds (default: LOCK_SECONDS) for another process to finish its batch.

    Raises UserError for a file that is gone, is none of DuckDB, is damaged, may not be opened, or stays locked.
    """
    _look_at(path)
    return _connect(path, read_only, {**OFFLINE, **LAYOUT, **SMALL, **ALONE, **(config or {})}, patience)


def _connect(
    path: Path, read_only: bool, config: Mapping[str, str], patience: float | None = None
) -> duckdb.DuckDBPyConnection:
    started = time.monotonic()
    patience = LOCK_SECONDS if patience is None else patience
    told = False
    while True:
        try:
            with interruptible():
                return duckdb.connect(str(path), read_only=read_only, config=dict(config))
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise trouble(path, error) from None
            waited = time.monotonic() - started
            if waited > patience:
                fix = "wait for it to finish, or give another file with --store"
                raise Locked(f"the store is locked{_holder(error)}", str(path), fix) from None
            if waited > LOCK_SECONDS and not told:
                say(f"waiting for the store, which is locked{_holder(error)}")
                told = True
            time.sleep(random.uniform(0.05, 0.2))
        except duckdb.Error as error:
            raise trouble(path, error) from None


def _holder(error: duckdb.Error) -> str:
    """The process that has the lock, as DuckDB names it."""
    found = re.search(r"held in (.*?) \(PID (\d+)\)", str(error))
    return f" by process {found.group(2)} ({found.group(1)})" if found else ""


def _look_at(path: Path) -> None:
    """Raises UserError for a file of something else: DuckDB takes it as a reason to look for an extension that fits."""
    try:
        with path.open("rb") as stream:
            head = stream.read(12)
    except FileNotFoundError:
        raise UserError("the store is gone", str(path), "bring it back, or run the command again to make one") from None
    except OSError as error:
        raise trouble(path, error) from None
    if head[8:] != MAGIC:
        what = "it is empty" if not head else "it was written by something else"
        raise UserError(f"not a usable DuckDB file: {what}", str(path), OTHER_FILE)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C in the middle of a query, which DuckDB reports as an error of its own, is a KeyboardInterrupt."""
    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:
        if isinstance(error, RuntimeError) and str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from None


# --- what is wrong with a file

OTHER_FILE = "give another file with --store, or move this one away"
RESTORE = "restore it from a copy (`harness store backup` makes them), or move it away and run again"


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What the user is told when DuckDB's message contains `sign`; `{reason}` is its first line."""

    sign: str
    what: str
    fix: str


FAILED = "the disk failed to read or write; nothing finished is lost"
LOOK = "look at the disk (`dmesg`), copy the store away from it, and run the same command"

TROUBLES = (
    _Trouble("No space left", "the disk is full; nothing finished is lost", "make room and run the same command"),
    _Trouble("Disk quota", "the disk quota is used up; nothing finished is lost", "make room and run the same command"),
    _Trouble("File too large", "the file may not grow any more; nothing finished is lost",
             "raise the limit on file sizes (`ulimit -f`) and run the same command"),
    _Trouble("Permission denied", "the store cannot be opened: permission denied",
             "ask for the right to read and write it, or give another file with --store"),
    _Trouble("Read-only file system", "the store is on a file system that can only be read",
             "copy it to one that can be written, and give that with --store"),
    _Trouble("Too many open files", "too many files are open", "raise the limit (`ulimit -n`), run the same command"),
    _Trouble("Input/output error", FAILED, LOOK), _Trouble("fsync failed", FAILED, LOOK),
    _Trouble("Trying to read a database file with version", "the store was written by another DuckDB: {reason}",
             "install that version of duckdb, or a later one"),
    _Trouble("Could not read enough bytes", "not a usable DuckDB file: it is cut short", RESTORE),
    _Trouble("checksum", "not a usable DuckDB file: bytes in it are not what was written", RESTORE),
)  # fmt: skip


def trouble(path: Path, error: Exception) -> StoreTrouble:
    """What the user is told of a file or a disk that failed."""
    reason = str(error).splitlines()[0]
    if "replaying WAL" in reason:
        return _broken_log(path, reason)
    for known in TROUBLES:
        if known.sign in reason:
            return StoreTrouble(known.what.format(reason=reason), str(path), known.fix)
    return StoreTrouble(f"not a usable DuckDB file: {reason}", str(path), RESTORE)


KEPT_IN_FILE = 19
"""The schema's version from which on a batch is in the file itself before it counts as finished."""


def _broken_log(path: Path, reason: str) -> StoreTrouble:
    """What to do about a log that cannot be replayed: whether the file without it has all that was finished."""
    log = log_of(path)
    if "does not match database" in reason:
        fix = f"move {log.name} away, nothing of this store is in it; or bring back the file that it was left beside"
        return StoreTrouble("the log beside the store belongs to another file", str(log), fix)
    version = _version_without_log(path)
    if version is None:
        fix = f"restore both from a copy; the file cannot be read without {log.name} either"
    elif version == 0 or version >= KEPT_IN_FILE:
        fix = f"delete {log.name}: all that was finished is in the file itself, and the same command goes on from there"
    else:
        fix = (
            f"move {log.name} away and keep it: an earlier harness left it, and what that finished last may be in it "
            "alone; the same command then does again what the file lacks"
        )
    return StoreTrouble(f"the log beside the store cannot be replayed: {reason}", str(log), fix)


def _version_without_log(path: Path) -> int | None:
    """The schema's version of a file as it is without its log, 0 before it had any; None where that is unreadable."""
    near = path.parent if os.access(path.parent, os.W_OK) else None  # a link costs nothing, a copy its size
    with tempfile.TemporaryDirectory(dir=near) as folder:
        alone = Path(folder) / path.name
        try:
            (os.link if near else shutil.copyfile)(path, alone)
            with duckdb.connect(str(alone), read_only=True, config={**OFFLINE, **ALONE}) as con:
                tables = con.execute("from duckdb_tables() where table_name = 'schema_version'").fetchall()
                rows = con.execute("select version from schema_version").fetchall() if tables else [(0,)]
        except (OSError, duckdb.Error):
            return None
    return int(rows[0][0]) if len(rows) == 1 else None
