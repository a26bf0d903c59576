"""Whether metrics of text say of two systems what sacrebleu's own paired tests say; writes corpus_peers.md.

    python tests/bench/bench_corpus_peers.py [--sentences 120] [--seed 0]

Two systems translate the same made-up sentences; the second spoils as large a share of its words as the first, or a
larger one. Scores, and the p-value of no difference: ours by approximate randomisation of sentences, sacrebleu's
`PairedTest` by the same and by paired bootstrap. The two randomisations differ by chance alone.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest

from harness.stats.corpus_level import corpus_difference
from suites.metrics.table import CORPUS

WORDS = tuple(
    "the a small large old new house river garden letter train walks sees finds under over near and then".split()  # noqa: SIM905
)
SPOILED = (0.2, 0.2, 0.23, 0.27, 0.35)  # of the second system's words; of the first's the first of these
TRIALS = 5_000
PEERS = {"bleu": BLEU, "chrf": CHRF, "chrf++": lambda: CHRF(word_order=2), "ter": TER}


@dataclass(frozen=True, slots=True)
class Row:
    """One pair of systems by one metric."""

    metric: str
    share: float
    ours: tuple[float, float]
    theirs: tuple[float, float]
    p_ours: float
    p_ar: float
    p_bs: float
    interval: tuple[float, float]


def translated(rng: np.random.Generator, targets: list[str], share: float) -> list[str]:
    """The targets with about a share of their words left out, doubled or exchanged."""
    return [" ".join(_spoiled(rng, target.split(), share)) for target in targets]


def _spoiled(rng: np.random.Generator, words: list[str], share: float) -> Iterator[str]:
    for word in words:
        if rng.random() >= share:
            yield word
        elif (how := rng.integers(3)) == 0:
            yield str(rng.choice(WORDS))
        elif how == 1:
            yield word
            yield word


def compared(metric: str, targets: list[str], systems: list[list[str]], share: float, trials: int) -> Row:
    """Two systems by one metric, here and by sacrebleu."""
    whole = CORPUS[metric]
    before, after = (whole.statistics(targets, answers) for answers in systems)
    ours = corpus_difference(before, after, whole.value, resamples=trials)
    assert ours.interval is not None
    assert ours.p_value is not None
    named = [("first", systems[0]), ("second", systems[1])]
    p_values, scores = [], (0.0, 0.0)
    for kind in ("ar", "bs"):
        _, results = PairedTest(named, {metric: PEERS[metric]()}, [targets], kind, n_samples=trials)()
        first, second = next(values for name, values in results.items() if name != "System")
        scores = (first.score / 100, second.score / 100)
        p_values.append(second.p_value)
    less = metric == "ter"
    theirs = (1 - scores[0], 1 - scores[1]) if less else scores
    return Row(metric, share, (ours.baseline, ours.candidate), theirs, ours.p_value, p_values[0], p_values[1],
               (ours.interval.low, ours.interval.high))  # fmt: skip


def rows(
    sentences: int,
    seed: int,
    shares: tuple[float, ...] = SPOILED[1:],
    trials: int = TRIALS,
    metrics: tuple[str, ...] = tuple(PEERS),
) -> Iterator[Row]:
    """Every metric on pairs of systems."""
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    rng = np.random.default_rng(seed)
    targets = [" ".join(rng.choice(WORDS, rng.integers(6, 20))) for _ in range(sentences)]
    first = translated(rng, targets, SPOILED[0])
    for share in shares:
        second = translated(rng, targets, share)
        for metric in metrics:
            yield compared(metric, targets, [first, second], share, trials)


def page(found: list[Row], sentences: int, seed: int) -> str:
    """The table as Markdown."""
    lines = [
        "# Metrics of text beside sacrebleu's paired tests",
        "",
        f"`python tests/bench/bench_corpus_peers.py --sentences {sentences} --seed {seed}`: two systems, {sentences} "
        f"sentences, {TRIALS:,} trials. The first spoils {SPOILED[0]:.0%} of its words. TER is shown as 1 - TER.",
        "",
        "| metric | second spoils | ours | sacrebleu | p, ours | p, randomised | p, bootstrap | our interval |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        ours, theirs = (f"{a:.4f}, {b:.4f}" for a, b in (row.ours, row.theirs))
        low, high = row.interval
        lines.append(
            f"| {row.metric} | {row.share:.0%} | {ours} | {theirs} | {row.p_ours:.4f} | {row.p_ar:.4f} "
            f"| {row.p_bs:.4f} | {low:+.4f}, {high:+.4f} |"
        )
    agree = sum((row.p_ours < 0.05) == (row.p_ar < 0.05) == (row.p_bs < 0.05) for row in found)
    lines += [
        "",
        f"Scores are the same to four places. All three tests say the same of {agree} of {len(found)} rows at 0.05. "
        "Where few sentences differ, or edits are counted in whole numbers, as large a difference as the one seen "
        "comes up again: it counts as one here, and not there, so that ours is never the smaller for it. Its bootstrap "
        "counts absolute differences less their mean, which is smaller than a two-sided p.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    text = page(list(rows(options.sentences, options.seed)), options.sentences, options.seed)
    Path(__file__).with_name("corpus_peers.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
