"""Processes that are ended in the middle of something, started cheaply: what they need is imported once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb

from harness.cli.signals import INTERRUPTED, ending_kindly
from harness.store import opening, versions
from harness.store.answers import stored
from harness.store.database import Store, insert
from suites.model import Completion

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["dying"])


def process(
    work: Callable[..., object], *arguments: object, delay: float | None = None, kind: signal.Signals = signal.SIGKILL
) -> int:
    """Do `work` in a process of its own, sent a signal `delay` seconds after it began if it still goes on; its exit
    code: that of the harness where the signal can be heard."""
    here, there = SERVER.Pipe()
    child = SERVER.Process(target=_begin, args=(there, work, *arguments))
    child.start()
    here.recv()
    if delay is not None:
        time.sleep(delay)
        if child.exitcode is None and child.pid:
            os.kill(child.pid, kind)
    child.join(60)
    assert child.exitcode is not None
    return child.exitcode


def _begin(there: Connection, work: Callable[..., object], *arguments: object) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's is ignored
    with ending_kindly():
        try:
            there.send(None)
            work(*arguments)
        except KeyboardInterrupt:
            os._exit(INTERRUPTED)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def commit_and_die(path: Path, version: int | None) -> None:
    """Make the tables, or bring those of a version up to date, as earlier harnesses did, and die before closing."""
    con = duckdb.connect(str(path), config={**opening.OFFLINE, "checkpoint_threshold": "16mb"})
    con.execute("begin")
    versions.begin(con) if version is None else versions.migrate(con, version)
    con.execute("commit")
    die()


def open_and_die(path: Path) -> None:
    """Open a store, which may bring it up to date, and die."""
    store = Store(path)
    store.execute("select 1")
    die()


def make(path: Path) -> None:
    """Open a store, or make one."""
    Store(path)


def write_and_die(path: Path, batches: int) -> None:
    """Put some batches of one row on record without closing the file, and die."""
    store = Store(path)
    with store.hold():
        for number in range(batches):
            store.insert("completions", [stored(f"{number}", "p", Completion("t"))])
        die()


def hold(path: Path, told: Path) -> None:
    """Have a store open until killed."""
    with Store(path).connect():
        told.write_text(".", encoding="ascii")
        time.sleep(60)


@dataclass
class Score:
    """A row of the table of scores."""

    run_id: str
    example_id: str
    metric: str = "m"
    value: float = 1.0
    reason: str = ""


def write_and_tell(path: Path, told: Path, first: int = 0) -> None:
    """Put batches on record until killed, from number `first` on; after each that is there, a byte more in `told`."""
    store = Store(path)
    with told.open("ab", buffering=0) as acknowledged, store.hold():
        for number in range(first, 1_000_000):
            with store.connect() as con:
                insert(con, "completions", [stored(f"told {number}", "told", Completion("t" * 100))])
                insert(con, "scores", [Score(f"told {number}", f"e{position}") for position in range(3)])
            acknowledged.write(b".")
            if number % 5 == 0:
                store.release()


def commit_row_and_die(path: Path) -> None:
    """Put a row on record that stays in the log alone, and die before closing."""
    con = duckdb.connect(str(path), config={**opening.OFFLINE, "checkpoint_threshold": "16mb"})
    con.execute("insert into prices values ('e', 'base', 'n', 1, 1, 1, 'today', 'here')")
    die()


def wait_for(file: Path, size: int) -> None:
    """Wait until a file has so many bytes."""
    until = time.monotonic() + 60
    while not file.exists() or file.stat().st_size < size:
        assert time.monotonic() < until
        time.sleep(0.01)
