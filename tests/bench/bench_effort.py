"""Processor time of commands on a decision of 600 recorded pairs, beside another checkout; writes effort.md beside it.

    python tests/bench/bench_effort.py --beside CHECKOUT [--rounds 9]

Both take turns, so that both meet the same machine; the least of the rounds counts.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
COMMANDS = {
    "`harness run`, with its report": ("run", "experiment.yaml"),
    "`harness run` again: decided anew": ("run", "experiment.yaml"),
    "`harness report`": ("report",),
    "`harness gate`": ("gate",),
    "`harness runs`": ("runs",),
    "`harness check` of two files": ("check", "--train", "validation.jsonl", "--test", "test.jsonl"),
    "`harness --help`": ("--help",),
}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    checkouts = [options.beside.resolve(), HERE]
    rounds = [[_round(checkout) for checkout in checkouts] for _ in range(options.rounds)]
    least = [[min(turn[at][row] for turn in rounds) for at in (0, 1)] for row in range(len(COMMANDS))]
    page = Path(__file__).with_name("effort.md")
    page.write_text(_page(dict(zip(COMMANDS, least, strict=True)), options.rounds), encoding="utf-8")
    print(page.read_text(encoding="utf-8"))


def _round(checkout: Path) -> list[float]:
    """Processor seconds of every command, in order, in a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder))
        return [_seconds(checkout, Path(folder), command) for command in COMMANDS.values()]


def _write(folder: Path) -> None:
    """Two prompts and a candidate, 600 test and 50 validation rows, right at different rates."""
    sys.path.insert(0, str(HERE / "tests"))
    from workspaces import write_jsonl

    ids = [f"e{i:03d}" for i in range(650)]
    rows = [
        {"id": i, "input": f"Order {7919 * n % 99991}: where is it?", "target": f"{n % 7}"} for n, i in enumerate(ids)
    ]
    write_jsonl(folder / "test.jsonl", rows[:600])
    write_jsonl(folder / "validation.jsonl", rows[600:])
    for name, wrong in (("a", 3), ("b", 4), ("tuned", 5)):
        answers = ["?" if n % wrong == 0 else row["target"] for n, row in enumerate(rows)]
        write_jsonl(folder / f"{name}.jsonl", [{"id": i, "completion": a} for i, a in zip(ids, answers, strict=True)])
    (folder / "experiment.yaml").write_text(
        "experiment: effort\ndata: {validation: validation.jsonl, test: test.jsonl}\ntask: {metrics: [exact_match]}\n"
        "baselines: [{recorded: a.jsonl, name: a}, {recorded: b.jsonl, name: b}]\n"
        "candidate: {recorded: tuned.jsonl}\nregression: []\n"
    )


def _seconds(checkout: Path, folder: Path, command: Sequence[str]) -> float:
    """User and system time of a command that `checkout` runs in `folder`."""
    # Compiled code is kept, as it is wherever a package was installed; the first round pays for it, and does not count.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *command], cwd=folder, env={**environment, "PYTHONPATH": str(checkout)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, _, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime


def _page(least: dict[str, list[float]], rounds: int) -> str:
    rows = [f"| {name} | {before:.2f} s | {after:.2f} s |" for name, (before, after) in least.items()]
    return "\n".join([
        "# What a small decision costs", "",
        "600 pairs of recorded answers, two prompts and a candidate. Processor time, user and system, least of "
        f"{rounds} rounds in which both versions took turns, on {os.cpu_count()} cores, Python "
        f"{platform.python_version()}. Written by `bench_effort.py`.", "",
        "| command | before | now |", "| --- | --- | --- |", *rows, "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
