"""Commands in processes of their own that a signal ends at a chosen moment, and what is compared afterwards.

A moment is a file about to be opened for writing, renamed, made or removed, or a function of the store that is entered
or left. They are counted, so each can be met again. Processes are forked off one that has imported the harness already.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).parents[1]
STORE = str(ROOT / "harness" / "store") + os.sep
FILES = {"os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "shutil.copyfile", "shutil.move"}
PRELOADED = [
    "kills", "harness.cli.main", "harness.experiment.session", "harness.pipeline.order", "harness.importers.trainers",
    "reports.outputs.html", "reports.outputs.record", "scipy.stats", "matplotlib.figure", "markdown_it", "pyarrow",
]  # fmt: skip

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(PRELOADED)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, or minus the signal; what it said; and how many moments it had."""

    code: int
    out: str
    err: str
    moments: int


def harness(
    *words: object, cwd: Path, at: int | None = None, after: float | None = None, kind: str = "SIGKILL"
) -> Ended:
    """`harness WORDS` in `cwd`. With `at` it sends itself the signal `kind` at its moment of that number; with `after`
    it is sent the signal so many seconds after it began, and moments are not counted."""
    log = cwd.parent / f"{cwd.name}.log"
    log.mkdir(exist_ok=True)
    for name in ("out", "err", "moments"):
        (log / name).touch()
    here, there = CONTEXT.Pipe()
    arguments = (list(map(str, words)), str(cwd), str(log), at, kind, after is None, there)
    child = CONTEXT.Process(target=_child, args=arguments)
    child.start()
    here.recv()  # it begins
    if after is not None:
        child.join(after)
        if child.exitcode is None and child.pid:
            os.kill(child.pid, getattr(signal, kind))
    child.join(300)
    assert child.exitcode is not None, "it hangs"
    told = [(log / name).read_text() for name in ("out", "err", "moments")]
    shutil.rmtree(log)
    return Ended(child.exitcode, told[0], told[1], int(told[2] or 0))


def _child(words: list[str], cwd: str, log: str, at: int | None, kind: str, counted: bool, there: Connection) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{log}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's is ignored
    os.chdir(cwd)
    count = 0
    note = os.open(f"{log}/moments", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def moment() -> None:
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), getattr(signal, kind))

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        # The mode of a plain `open` is text, that of `os.open` is None with flags.
        if event in FILES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            moment()

    def called(frame: Any, event: str, _: Any) -> None:
        if event in ("call", "return") and frame.f_code.co_filename.startswith(STORE):
            moment()

    from harness.cli.main import main

    if counted:
        sys.addaudithook(audit)
        sys.setprofile(called)
    try:
        there.send(None)
        code = main(words)
    finally:
        sys.setprofile(None)
        sys.stdout.flush()
        os.write(note, str(count).encode())
    os._exit(code)


# --- what is compared: everything, times and dates aside

TIMES = {"seconds", "created_at", "finished_at", "p95_seconds", "p95_low", "p95_high", "training_seconds"}
PACE = ("tokens_per_second", "memory_gb")


def rows(store: Path) -> dict[str, list[str]]:
    """Every row of every table of a store, sorted, without what tells the time."""
    with duckdb.connect(str(store), read_only=True) as con:
        tables = [name for (name,) in con.execute("select table_name from duckdb_tables() order by 1").fetchall()]
        return {table: _rows(con, table) for table in tables}


def _rows(con: Any, table: str) -> list[str]:
    cursor = con.execute(f"from {table}")
    names = [column[0] for column in cursor.description]
    out = {*TIMES, "digest"} if table == "decision_digests" else TIMES  # of rows with their times
    found = [{n: v for n, v in zip(names, row, strict=True) if n not in out} for row in cursor.fetchall()]
    return sorted(json.dumps(row, sort_keys=True, default=str) for row in found if row.get("name") not in PACE)


SECONDS = re.compile(r"\b\d[\d,]*(?:\.\d+)? ?(?:ms|s|seconds|minutes|min|h|tokens/s)\b")
DATES = re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?)?")


def timeless(text: str) -> str:
    """Text without dates and durations, an interval of one included."""
    return DATES.sub("DATE", re.sub(r"TIME \[[^\]]*\]", "TIME", SECONDS.sub("TIME", text)))


def left(folder: Path) -> dict[str, object]:
    """Every file in a folder by its place in it, times aside: a store as its rows, other files as what is in them."""
    return {str(path.relative_to(folder)): _content(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _content(path: Path) -> object:
    if path.suffix == ".duckdb":
        return rows(path)
    if path.name in ("decision.json", "harness_training.json"):
        return timeless(json.dumps(_untimed(json.loads(path.read_text())), indent=1))
    content = path.read_bytes()
    try:
        return timeless(content.decode())
    except UnicodeDecodeError:
        return content


def _untimed(value: Any) -> Any:
    """JSON without what tells the time."""
    if isinstance(value, dict):
        return {name: _untimed(part) for name, part in value.items() if name not in {*TIMES, "stages"}}
    if isinstance(value, list):
        return [_untimed(part) for part in value if not (isinstance(part, list) and set(part[1:2]) & set(PACE))]
    return value


def settled(folder: Path) -> list[str]:
    """Files under a name of their own that are not whole: JSON that cannot be read, pages without an end."""
    torn = []
    for path in sorted(folder.rglob("[!.]*")):
        try:
            if path.suffix == ".jsonl":
                [json.loads(line) for line in path.read_text().splitlines()]
            elif path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".html" and not path.read_text().rstrip().endswith("</html>"):
                torn.append(path.name)
        except ValueError:
            torn.append(path.name)
    return torn


def differences(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """Where two folders differ, to the row or the line."""
    found: list[str] = []
    for name in sorted({*one, *other}):
        a, b = one.get(name), other.get(name)
        if a == b:
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            found += [f"{name}: {text}" for text in differences(a, b)]
        elif isinstance(a, (str, list)) and isinstance(b, (str, list)):
            found += [f"{name}: {line[:300]}" for line in _apart(a, b)]
        else:
            found.append(f"{name}: {'only after' if a is None else 'only before' if b is None else 'other bytes'}")
    return found


def _apart(one: str | Sequence[str], other: str | Sequence[str]) -> list[str]:
    a, b = (x.splitlines() if isinstance(x, str) else list(x) for x in (one, other))
    only = [f"- {line}" for line in a if line not in b] + [f"+ {line}" for line in b if line not in a]
    return only or ["the same lines in another order or number"]
