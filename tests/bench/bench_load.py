"""What a large exam and a full store cost: 1,000,000 examples of three arms, and 200 experiments in one file.

    python tests/bench/bench_load.py [--examples 1000000] [--experiments 200]

Writes load.md beside it. Every step is a process of its own, as a user would start it; answers are recorded, so that
what is measured is the harness alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).with_name("load.md")
HARNESS = [sys.executable, "-m", "harness"]
WORDS = 50_000  # as common as Zipf says: the second half as often as the first, and so on
LABELS = "abcdefgh"
ARMS = {"a": 0.60, "b": 0.62, "c": 0.70}  # how often each is right
EXPERIMENT = """experiment: {name}
data: {{validation: validation.jsonl, test: test.jsonl}}
task: {{metrics: [exact_match]}}
baselines: [{{recorded: a.jsonl, name: a}}, {{recorded: b.jsonl, name: b}}]
candidate: {{recorded: c.jsonl}}
regression: []
"""
STEPS = {
    "`harness run`": ("run", "experiment.yaml"),
    "the same again": ("run", "experiment.yaml"),
    "`harness report`": ("report", "experiment.yaml"),
    "`harness flips`": ("flips", "experiment.yaml"),
}


class Cost(NamedTuple):
    """What a process took: wall and processor seconds, and the most memory it held at once, in GB."""

    wall: float
    cpu: float
    memory: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} | {self.cpu:.1f} | {self.memory:.2f}"


def measured(folder: Path, *words: str) -> Cost:
    """Run a command of the harness in a folder; it must end in a decision or in success."""
    start = time.perf_counter()
    with (folder / "output.txt").open("w") as output:
        fds = [(os.POSIX_SPAWN_DUP2, output.fileno(), fd) for fd in (1, 2)]
        os.chdir(folder)
        child = os.posix_spawn(HARNESS[0], [*HARNESS, *words], os.environ, file_actions=fds)
        _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 3, 4, 5):  # success, or a verdict
        raise SystemExit(f"harness {' '.join(words)} ended with {code}:\n{(folder / 'output.txt').read_text()[-2000:]}")
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6)


def exam(folder: Path, examples: int, seed: int) -> None:
    """A test set, a small validation set and every arm's answers to both."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("aeiounrstldmkp", k=rng.randint(2, 9))) for _ in range(WORDS)]
    weights = list(accumulate(1 / rank for rank in range(1, WORDS + 1)))
    folder.mkdir()
    answers = {arm: (folder / f"{arm}.jsonl").open("w") for arm in ARMS}
    for split, count in (("validation", min(examples, 200)), ("test", examples)):
        with (folder / f"{split}.jsonl").open("w") as rows:
            for number in range(count):
                target = rng.choice(LABELS)
                row = {
                    "id": f"{split}{number}",
                    "input": " ".join(rng.choices(words, cum_weights=weights, k=12)),
                    "target": target,
                }
                rows.write(json.dumps(row) + "\n")
                for arm, right in ARMS.items():
                    answer = target if rng.random() < right else rng.choice(LABELS)
                    answers[arm].write(json.dumps({"id": row["id"], "completion": answer}) + "\n")
    for file in answers.values():
        file.close()


def many(folder: Path, experiments: int) -> None:
    """Experiments that were decided into one store, each about the same small exam under a name of its own."""
    exam(folder, 60, 1)
    for number in range(experiments):
        file = folder / f"experiment-{number}.yaml"
        file.write_text(EXPERIMENT.format(name=f"experiment-{number}"))
        measured(folder, "run", file.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=1_000_000)
    parser.add_argument("--experiments", type=int, default=200)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    exam(work / "large", options.examples, 0)
    (work / "large" / "experiment.yaml").write_text(EXPERIMENT.format(name="large"))
    rows = []
    for said, words in STEPS.items():
        cost = measured(work / "large", *words)
        rows.append(f"| {said} | {cost} |")
        print(rows[-1], flush=True)
    size = (work / "large" / "harness.duckdb").stat().st_size / 1e6
    many(work / "many", options.experiments)
    listing = measured(work / "many", "runs")
    print("runs of many", listing)
    lines = [
        "# What a large exam and a full store cost",
        "",
        f"Written by `bench_load.py --examples {options.examples} --experiments {options.experiments}` on "
        f"{platform.machine()}, {os.cpu_count()} cores. Answers are recorded, inputs have twelve words.",
        "",
        f"{options.examples:,} examples, three arms, a store of {size:,.0f} MB at the end:",
        "",
        "| command | seconds | processor seconds | peak memory, GB |",
        "|---|---|---|---|",
        *rows,
        "",
        f"{options.experiments} experiments in one file:",
        "",
        "| command | seconds | processor seconds | peak memory, GB |",
        "|---|---|---|---|",
        f"| `harness runs` | {listing} |",
    ]
    PAGE.write_text("\n".join(lines) + "\n")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
