"""Kills at random moments over the whole life of an experiment: two logs imported and decided, data checked and mended,
a tiny model asked, trained, asked again and decided, the report written anew.

    PYTHONPATH=.:tests python tests/bench/bench_kills.py > tests/bench/kills.md

Moments are uniform over the time that the whole takes undisturbed. The command that is under way then is ended, given
again, ended twice more at moments of what is left, and given a fourth time. What is left is compared with what an
undisturbed run leaves, every file and every row; answers that were on record when it was ended and are not, or were
asked anew, are lost ones.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"}

import duckdb
import eval_logs
import kills
import tiny_models
from workspaces import tiny_training

KILLS = 100
SIGNALS = ("SIGKILL", "SIGKILL", "SIGTERM", "SIGINT")
LIFE = [
    ["import", "base", "tuned", "--out", "made"],
    ["run", "made/experiment.yaml"],
    ["check", "--train", "tiny/train.jsonl", "--fix", "mended"],
    ["check", "tiny/experiment.yaml"],
    ["run", "tiny/experiment.yaml"],
    ["report", "--store", "tiny"],
]
STAGES = ("check", "baseline", "train", "exam", "judge", "decide")
HEAVY = ["torch", "transformers", "peft", "trl", "datasets", "harness.training.methods.sft", "harness.models.hf.model"]


@dataclass(frozen=True, slots=True)
class Kill:
    """One end: in which phase, by what, how long the next try took, and what came of it."""

    phase: str
    kind: str
    code: int
    again: float
    lost: int
    identical: bool


class Life:
    """The folder before and after each command of an undisturbed life, always at the same place."""

    def __init__(self, root: Path) -> None:
        self.place, self._root = root / "place", root
        self.place.mkdir()
        eval_logs.lm_eval(self.place / "base", [i % 2 == 0 for i in range(60)])
        eval_logs.lm_eval(self.place / "tuned", [i % 5 != 0 for i in range(60)])
        tiny_training(
            self.place / "tiny", tiny_models.build("llama", root / "model"), evaluate_every=4, epochs=3, probe=4
        )
        with (self.place / "tiny" / "train.jsonl").open("a") as rows:
            rows.write('{"id": "again", "input": "ticket train 0", "target": "order"}\n')
        kills.harness("--version", cwd=self.place, after=300)  # the process that others are forked off is there
        self.seconds: list[float] = []
        self.codes: list[int] = []
        self._keep(0)
        for number, words in enumerate(LIFE):
            started = time.monotonic()
            self.codes.append(kills.harness(*words, cwd=self.place, after=300).code)
            self.seconds.append(time.monotonic() - started)
            self._keep(number + 1)

    def _keep(self, number: int) -> None:
        shutil.copytree(self.place, self._root / f"before-{number}")

    def begin(self, number: int) -> None:
        shutil.rmtree(self.place)
        shutil.copytree(self._root / f"before-{number}", self.place)

    def whole(self, number: int) -> dict[str, object]:
        return kills.left(self._root / f"before-{number + 1}")


def answers(place: Path) -> set[tuple[object, ...]]:
    """The answers on record, each with the time that it took: one asked anew would have taken another."""
    rows: set[tuple[object, ...]] = set()
    for store in place.rglob("harness.duckdb"):
        with duckdb.connect(str(store), read_only=True) as con:
            rows |= set(con.execute("select completion_id, text, seconds from completions").fetchall())
    return rows


def phase(place: Path, words: list[str]) -> str:
    """What was under way: the command, or the first stage that is not on record as finished."""
    store = place / Path(words[1]).parent / "harness.duckdb"
    if words[0] != "run":
        return " ".join(words[:1] + [word for word in words if word == "--fix"])
    if not store.is_file():
        return "run: before anything is on record"
    with duckdb.connect(str(store), read_only=True) as con:
        done = {stage for (stage,) in con.execute("select stage from stages").fetchall()}
    return "run: " + next((stage for stage in STAGES if stage not in done), "the report")


def trial(life: Life, number: int, moments: list[float], rng: random.Random) -> list[Kill]:
    """A command ended at these moments, one after the other, and then let be."""
    words = LIFE[number]
    ends: list[tuple[str, str, int, set[tuple[object, ...]]]] = []
    life.begin(number)
    for moment in moments:
        kind = rng.choice(SIGNALS)
        ended = kills.harness(*words, cwd=life.place, after=moment, kind=kind)
        if ended.code not in (-9, 130):
            break  # it was quicker
        ends.append((phase(life.place, words), kind, ended.code, answers(life.place)))
    started = time.monotonic()
    last = kills.harness(*words, cwd=life.place, after=300)
    seconds, there = time.monotonic() - started, answers(life.place)
    apart = kills.differences(life.whole(number), kills.left(life.place))
    for line in apart:
        print(words, ends[-1][:3] if ends else "", line, file=sys.stderr)
    identical = not apart and last.code == life.codes[number]
    return [Kill(name, kind, code, seconds, len(before - there), identical) for name, kind, code, before in ends]


def moments(seconds: float, rng: random.Random) -> list[float]:
    """When a command that takes so long is ended, and then twice the same command at what is left of it."""
    ends: list[float] = []
    for _ in range(3):
        ends.append(rng.uniform(0.02, max(0.05, seconds)))
        seconds -= ends[-1]
    return ends


def main() -> None:
    kills.CONTEXT.set_forkserver_preload([*kills.PRELOADED, *HEAVY])
    rng = random.Random(0)
    done: list[Kill] = []
    with tempfile.TemporaryDirectory() as root:
        life = Life(Path(root))
        print(life.seconds, life.codes, file=sys.stderr)
        while len(done) < KILLS:
            [number] = rng.choices(range(len(LIFE)), life.seconds)
            done += trial(life, number, moments(life.seconds[number], rng), rng)
            print(f"{len(done)} kills", file=sys.stderr, flush=True)
    show(done, life.seconds)


def show(done: list[Kill], seconds: list[float]) -> None:
    groups: dict[tuple[str, str], list[Kill]] = defaultdict(list)
    for kill in done:
        groups[kill.phase, kill.kind].append(kill)
    print(f"""# Kills at random moments

`tests/bench/bench_kills.py`: {len(done)} kills; undisturbed, the whole takes {sum(seconds):.1f} s. "Seconds" is the
median of the try that ended. Lost are answers that were on record and are not, or were asked anew. Every row and every
file is compared, times aside.

| phase | signal | kills | resumed | seconds | identical | answers lost |
| --- | --- | ---: | ---: | ---: | ---: | ---: |""")
    for (name, kind), group in sorted(groups.items()):
        row = [name, kind, len(group), len(group), f"{statistics.median(k.again for k in group):.1f}",
               sum(k.identical for k in group), sum(k.lost for k in group)]  # fmt: skip
        print(f"| {' | '.join(map(str, row))} |")
    print(f"| all | | {len(done)} | {len(done)} | | {sum(k.identical for k in done)} | {sum(k.lost for k in done)} |")


if __name__ == "__main__":
    main()
