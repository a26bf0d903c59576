"""What a store survives: kills at any moment, a disk that fills up or fails at each write, bytes that change; store.md.

    python tests/bench/bench_store.py [--rounds 200] [--seed 0]

Real processes, real signals, a small disk of its own (`unshare`), errors put into system calls (`strace`). What a
system does not allow is left out, and said. About a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import dying
import kept_stores
import tight_disk
import workspaces

from harness.store import health, opening
from harness.store.contents import Held, held
from harness.store.database import Store
from suites.errors import UserError

BLOCK, HEADERS = 16384, 3 * 4096  # where block 0 begins, and how long one of ours is


@dataclass
class Fault:
    """One kind of fault: how often it was injected, what became of it, and what was lost of what was acknowledged."""

    name: str
    times: int = 0
    survived: int = 0
    refused: int = 0  # with a message, and exit 2; nothing lost where the cause is gone
    lost: int = 0
    more: str = ""

    def line(self) -> str:
        return f"| {self.name} | {self.times} | {self.survived} | {self.refused} | {self.lost} | {self.more} |"


# --- kills


def kills(folder: Path, rounds: int, rng: random.Random) -> Iterator[Fault]:
    """A process that makes, brings up to date or fills a store, and is ended within a second."""
    last = kept_stores.VERSIONS[-1]
    starts = {"creation": None, f"migration, versions 1 to {last}": 0, "writing": -1}
    for kinds, times in (((signal.SIGKILL,), rounds), ((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), rounds // 2)):
        for number, (name, version) in enumerate(starts.items()):
            fault = Fault(f"{', '.join(kind.name for kind in kinds)} in {name}")
            _kills(folder, fault, times * (number + 1) // 3 - times * number // 3, version, kinds, rng)
            yield fault


def _kills(
    folder: Path, fault: Fault, rounds: int, version: int | None, kinds: Sequence[signal.Signals], rng: random.Random
) -> None:
    """Rounds from a store that is not there (None), one of each version (0), or the one of the round before (-1)."""
    before = acknowledged = 0
    for turn in range(rounds):
        path, told = folder / "harness.duckdb", folder / "told"
        if version != -1:
            opening.log_of(path).unlink(missing_ok=True)
        if version is not None and (version == 0 or not turn):
            kept_stores.unpacked(kept_stores.VERSIONS[turn % len(kept_stores.VERSIONS)], folder)
        elif version is None:
            path.unlink(missing_ok=True)
        if version != -1 or not turn:
            told.unlink(missing_ok=True)
            before = 0
        kind, delay = kinds[turn % len(kinds)], rng.uniform(0.02, 1.0 if version == -1 else 0.4)
        code = dying.process(dying.write_and_tell, path, told, before, delay=delay, kind=kind)
        fault.times += 1
        was, before = before, told.stat().st_size if told.exists() else 0
        acknowledged += before - was
        missing = _missing(path, before) + (code != (-9 if kind == signal.SIGKILL else 130))
        fault.lost += missing
        fault.survived += not missing
    fault.more = f"{acknowledged:,} batches acknowledged"


def _missing(path: Path, acknowledged: int) -> int:
    """Batches that were acknowledged and are not there as a whole. The store must open, or not be there at all."""
    if not path.exists() and not acknowledged:
        return 0
    with Store(path).connect(read_only=True) as con:
        sql = """select count(*) from range(?) numbers(number)
                 where (select count(*) from completions where completion_id = 'told ' || number) <> 1
                    or (select count(*) from scores where run_id = 'told ' || number) <> 3"""
        [(lost,)] = con.execute(sql, [acknowledged]).fetchall()
        [(torn,)] = con.execute("""select count(*) from completions where prompt = 'told'
            and (select count(*) from scores where run_id = completion_id) <> 3""").fetchall()
    return int(lost) + int(torn)


# --- bytes


REST = """
    insert into loglikelihoods values ('k', -1.5, true);
    insert into adapter_effects values ('e', 'hash', 0.25, 4);
    insert into trouble values ('e', 'train', 'candidate', 'the loss is no number');
    insert into folds values ('f', 'e', 1);
    insert into experiment_training (experiment_id, training_id) values ('e', 't');
    insert into training (training_id, method, config, folder, seconds, steps, trained_parameters, n_rows)
        values ('t', 'dpo', '{}', 'model', 1, 2, 3, 4);
    insert into training_log values ('t', 1, 'loss', 0.5);
    insert into repeats values ('e', 'seed', 0, 't', '{}', 'r', 'm', 4, 0.5, 0.4, 0.6, 'done');
    insert into stakes values ('e', 0.02, 0.9, 0.95, 'EUR', 1, 2, 3, 4, 5, 6, 7, 8, 'told');
    insert into decision_digests values ('of nobody', 'gates', '1');
"""
"""A row for each table that the kept store has none in."""


def bytes_changed(folder: Path, rng: random.Random) -> Iterator[Fault]:
    """Bytes of the file and of the log flipped or cut; whoever opens it afterwards reads every table to the end."""
    folder = folder / "bytes"
    folder.mkdir()
    path, _ = kept_stores.unpacked(10, folder)
    Store(path).execute(REST)
    with Store(path).connect(read_only=True) as con:
        was, blocks = held(con), {name: _blocks(con, name) for name in held(con)}
    content = path.read_bytes()
    for name in sorted(blocks):
        fault = Fault(f"byte flipped or block half written in `{name}`", more=f"{len(blocks[name])} blocks")
        for block in blocks[name][:12]:
            at = HEADERS + block * BLOCK
            for spoilt in (_flipped(content, at + rng.randrange(BLOCK), rng), _torn(content, at, rng)):
                _look(folder, spoilt, None, was, fault)
        yield fault
    fault = Fault("byte flipped anywhere in the file")
    for _ in range(200):
        _look(folder, _flipped(content, rng.randrange(len(content)), rng), None, was, fault)
    yield fault
    fault = Fault("file cut short")
    for _ in range(50):
        _look(folder, content[: rng.randrange(1, len(content))], None, was, fault)
    yield fault
    yield _logs(folder, rng)


def _blocks(con: object, table: str) -> list[int]:
    sql = f"select distinct block_id from pragma_storage_info('{table}') where persistent and block_id >= 0 order by 1"
    return [block for (block,) in con.execute(sql).fetchall()]  # type: ignore[attr-defined]


def _flipped(content: bytes, at: int, rng: random.Random) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _torn(content: bytes, at: int, rng: random.Random) -> bytes:
    """Half of a block from another time."""
    return content[: at + BLOCK // 2] + rng.randbytes(BLOCK // 2) + content[at + BLOCK :]


def _look(folder: Path, content: bytes, log: bytes | None, was: dict[str, Held], fault: Fault) -> None:
    """Open a store of these bytes: refused, the same in every table, or something lost without a word."""
    path = folder / "changed" / "harness.duckdb"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    opening.log_of(path).unlink(missing_ok=True)
    if log is not None:
        opening.log_of(path).write_bytes(log)
    fault.times += 1
    try:
        health.examine(path)
        with Store(path).connect(read_only=True) as con:
            now = held(con)
            same = all(now.get(name) == table for name, table in was.items())
    except UserError:
        fault.refused += 1
        return
    fault.survived += same
    fault.lost += not same


def _logs(folder: Path, rng: random.Random) -> Fault:
    """A log that a process left which was killed between commit and close: nobody was told that its batch is there."""
    fault = Fault("byte flipped in the log, or the log cut short", more="at most the batch nobody was told of is gone")
    path, _ = kept_stores.unpacked(10, folder)
    with Store(path).connect(read_only=True) as con:
        was = held(con)
    dying.process(dying.commit_row_and_die, path)
    content, log = path.read_bytes(), opening.log_of(path).read_bytes()
    opening.log_of(path).unlink()
    for turn in range(200):
        changed = log[: rng.randrange(len(log))] if turn % 4 == 0 else _flipped(log, rng.randrange(len(log)), rng)
        _look(folder, content, changed, {name: table for name, table in was.items() if name != "prices"}, fault)
    return fault


# --- a disk that is full, or fails


def full_disk(experiment: Path, pages: Sequence[int]) -> Iterator[Fault]:
    fault = Fault("the disk is full at page 1, 3, 5, ... of a run and its report")
    try:
        tries = tight_disk.run(experiment, [*pages, 4000])
    except (OSError, subprocess.CalledProcessError) as error:
        fault.more = f"left out: {error}"
        yield fault
        return
    whole = tries.pop()
    for each in tries:
        fault.times += 1
        fault.survived += each["code"] == whole["code"]
        fault.refused += each["code"] == 2 and "the disk is full" in each["said"] and "traceback" not in each["said"]
        fault.lost += (each["again"], each["gates"], each["left"], each["opens"] or 0) != (0, whole["gates"], [], 0)
    fault.more = "afterwards the same command ends as the undisturbed run does"
    yield fault


CALLS = {"pwrite64": 6, "fdatasync": 6, "fsync": 1, "ftruncate": 1, "rename": 1, "link": 1}
"""System calls that fail, and at which of them each time: 1, 1 + step, ..."""


def failing_calls(experiment: Path, folder: Path) -> Iterator[Fault]:
    """`harness run` with an I/O error put into its Nth system call of a kind, until it has no Nth."""
    for call, step in CALLS.items():
        fault = Fault(f"I/O error at `{call}` 1, {1 + step}, {1 + 2 * step}, ... N of a run and its report")
        for number in range(1, 400, step):
            work = folder / "work"
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(experiment, work)
            trace = folder / "trace"
            inject = ["strace", "-f", "--seccomp-bpf", "-o", str(trace), "-e", f"trace={call}"]
            inject += ["-e", f"inject={call}:error=EIO:when={number}"]
            done = _harness([*inject], work)
            if "(INJECTED)" not in (trace.read_text(errors="replace") if trace.exists() else ""):
                break
            fault.times += 1
            fault.survived += done.returncode == 0
            fault.refused += done.returncode == 2 and "failed to read or write" in done.stderr
            again = _harness([], work)
            store = work / "harness.duckdb"
            fault.lost += again.returncode != 0 or not store.exists() or "Traceback" in done.stderr + again.stderr
        yield fault


def _harness(before: list[str], work: Path) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-m", "harness.cli", "run", str(work / "experiment.yaml")]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


# --- the table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        experiment = workspaces.recorded_experiment(folder / "x", ["yes", "no"] * 30, ["yes"] * 60).parent
        faults = []
        for group in (
            kills(folder, options.rounds, rng),
            bytes_changed(folder, rng),
            full_disk(experiment, range(0, 216, 2)),
            failing_calls(experiment, folder),
        ):
            for fault in group:
                print(fault.line(), flush=True)
                faults.append(fault)
    lines = [HEAD.format(rounds=options.rounds, seed=options.seed), *(fault.line() for fault in faults if fault.times)]
    sums = Counter[str]()
    for fault in faults:
        sums.update(times=fault.times, survived=fault.survived, refused=fault.refused, lost=fault.lost)
    lines.append(f"| **together** | {sums['times']} | {sums['survived']} | {sums['refused']} | **{sums['lost']}** | |")
    left_out = [f"{fault.name}: {fault.more or 'never met'}" for fault in faults if not fault.times]
    lines += ["", *(f"Not injected: {sentence}." for sentence in left_out)]
    Path(__file__).with_name("store.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


HEAD = """# What a store survives

Written by `bench_store.py --rounds {rounds} --seed {seed}`. *Survived*: what was there is there, every table equal.
*Refused*: a message in the words of the product, exit 2. *Lost*: something acknowledged is gone, or the same command
does not end as an undisturbed run does, or a traceback.

| fault | times | survived | refused | lost | |
|---|---|---|---|---|---|"""


if __name__ == "__main__":
    main()
