"""What the data check costs on large data, beside datasketch; writes checks.md beside it.

    python tests/bench/bench_checks.py [--train 100000] [--test 10000]

100,000 training and 10,000 test rows of about 60 words. The words are invented; how often they are used, and in which
order, follows a Zipf law and a chain, as in natural text. Some test rows are copies of training rows with words
replaced. `datasketch` gets the same texts as sets of the same 5-grams and is used as its manual says: MinHashLSH with
128 permutations at the threshold, then its candidates are compared exactly. Both run alone in a process of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from suites.checks.material import Material
from suites.checks.table import check
from suites.normalise import normalise
from suites.similarity.near_duplicates import near_pairs
from suites.types import Example

WORDS, VOCABULARY, FOLLOWERS = 60, 50_000, 40
SYLLABLES = [a + b for a in "b c d f g h k l m n p r s t v w".split() for b in "a e i o u an er in or el".split()]  # noqa: SIM905
THRESHOLD, LEAKED = 0.8, 0.1
LABELS = 50


def vocabulary(rng: np.random.Generator) -> list[str]:
    """Invented words, the short ones first, as the common ones are in any language."""
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        size = min(1 + int(rng.integers(0, 2 + len(words) // 2000)), 4)
        words["".join(rng.choice(SYLLABLES, size=size))] = None
        if len(words) < 100:
            words["".join(rng.choice(list("abcdefghiklmnoprstuvw"), size=2))] = None
    return list(words)


def texts(count: int, seed: int = 0) -> list[str]:
    """Texts in which half of the words are drawn anew, and half are one of those that usually follow the last."""
    rng = np.random.default_rng(seed)
    words = vocabulary(rng)
    weights = 1 / (np.arange(len(words)) + 2.7)
    chances = np.cumsum(weights / weights.sum())
    followers = np.searchsorted(chances, rng.random((len(words), FOLLOWERS)))
    lengths = np.clip(rng.normal(WORDS, WORDS / 5, count), 5, None).astype(int)
    longest = int(lengths.max())
    columns = [np.searchsorted(chances, rng.random(count))]
    for _ in range(longest - 1):
        drawn = np.searchsorted(chances, rng.random(count))
        follows = followers[columns[-1], rng.integers(0, FOLLOWERS, count)]
        columns.append(np.where(rng.random(count) < 0.5, drawn, follows))
    table = np.array(columns).T.tolist()
    return [" ".join(words[w] for w in row[:n]) for row, n in zip(table, lengths.tolist(), strict=True)]


def corpus(n_train: int, n_test: int) -> Material:
    """Training and test rows; a tenth of the test rows are training rows with up to a fifth of the words replaced."""
    found = texts(n_train + n_test)
    rng = random.Random(0)
    pool = " ".join(found[:100]).split()
    train, test = found[:n_train], found[n_train:]
    for at in range(int(LEAKED * n_test)):
        words = train[rng.randrange(n_train)].split()
        for place in rng.sample(range(len(words)), int(len(words) * 0.2 * at / (LEAKED * n_test))):
            words[place] = rng.choice(pool)
        test[at] = " ".join(words)
    return Material({"train": _examples(train, "a"), "test": _examples(test, "b")})


def _examples(found: list[str], prefix: str) -> list[Example]:
    labels = [f"label {i % LABELS}" for i in range(len(found))]
    return [
        Example(f"{prefix}{i}", {"input": text, "target": label}, label, f"{prefix}{i}")
        for i, (text, label) in enumerate(zip(found, labels, strict=True))
    ]


def grams(plain: str) -> set[str]:
    """The set of character 5-grams of a normalised text."""
    return {plain[i : i + 5] for i in range(max(1, len(plain) - 4))}


def whole_check(material: Material) -> list[str]:
    """Everything that `harness check` looks for; the test rows that training has nearly seen, or wholly."""
    found = {finding.check: finding.rows for finding in check(material)}
    return sorted({*found["train_test_overlap"], *found["train_test_near"]})


def near_matches_alone(material: Material) -> list[str]:
    """Only the search of the test rows among the training rows."""
    train, test = ([e.input for e in material.splits[name]] for name in ("train", "test"))
    plain = [normalise(text) for text in (*train, *test)]
    sides = np.repeat([0, 1], [len(train), len(test)])
    ends = [np.maximum(first, second) for first, second in near_pairs(plain, THRESHOLD, sides)]
    return sorted({material.splits["test"][at - len(train)].id for batch in ends for at in batch.tolist()})


def datasketch_lsh(material: Material) -> list[str]:
    """The same search by datasketch: an index of the training rows, in which every test row is looked up."""
    from datasketch import MinHash, MinHashLSH

    sets = {name: [grams(normalise(e.input)) for e in material.splits[name]] for name in ("train", "test")}
    hashed = {
        name: MinHash.generator(([gram.encode() for gram in one] for one in all_), num_perm=128)
        for name, all_ in sets.items()
    }
    lsh = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    for at, sketch in enumerate(hashed["train"]):
        lsh.insert(at, sketch)
    found = []
    for example, one, sketch in zip(material.splits["test"], sets["test"], hashed["test"], strict=True):
        two = (sets["train"][at] for at in lsh.query(sketch))
        if any(len(one & other) >= THRESHOLD * len(one | other) for other in two):
            found.append(example.id)
    return sorted(found)


JOBS = {job.__name__: job for job in (whole_check, near_matches_alone, datasketch_lsh)}


def measured(job: str, n_train: int, n_test: int) -> dict[str, Any]:
    """Seconds and peak memory of one job in a process of its own, and the ids of the rows it found."""
    command = [sys.executable, __file__, "--job", job, "--train", str(n_train), "--test", str(n_test)]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def run_job(job: str, n_train: int, n_test: int) -> None:
    """One job in this process; JSON on stdout. Memory in GB, that of the texts themselves included."""
    material = corpus(n_train, n_test)
    wall, cpu = time.perf_counter(), time.process_time()
    found = JOBS[job](material)
    seconds, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "found": found}))


def table(results: Mapping[str, Mapping[str, Any]], n_train: int, n_test: int) -> str:
    """The results as Markdown."""
    rows = [
        f"| {job} | {r['seconds']:.1f} | {r['cpu']:.1f} | {r['peak']:.2f} | {len(r['found']):,} |"
        for job, r in results.items()
    ]
    ours, theirs = results["near_matches_alone"], results["datasketch_lsh"]
    missed = len(set(ours["found"]) - set(theirs["found"]))
    return "\n".join(
        [
            f"# What the data check costs\n\n`python tests/bench/bench_checks.py`: {n_train:,} training rows and",
            f"{n_test:,} test rows of about {WORDS} words, on {os.cpu_count()} cores of {platform.machine()}.\n",
            "| job | seconds | CPU seconds | peak GB | test rows nearly or wholly seen |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            f"\ndatasketch takes {theirs['seconds'] / ours['seconds']:.1f} times the seconds of the same search here "
            f"({theirs['cpu'] / ours['cpu']:.1f} times the CPU time), and misses {missed} of {len(ours['found']):,}.",
            "",
        ]
    )


def main() -> None:
    """Run every job, print the table, and write it beside this file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", choices=JOBS)
    parser.add_argument("--train", type=int, default=100_000)
    parser.add_argument("--test", type=int, default=10_000)
    options = parser.parse_args()
    if options.job:
        run_job(options.job, options.train, options.test)
        return
    results = {job: measured(job, options.train, options.test) for job in JOBS}
    text = table(results, options.train, options.test)
    Path(__file__).with_name("checks.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
