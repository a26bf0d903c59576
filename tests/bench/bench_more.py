"""What more can be had from the same rows, on simulated experiments whose truth is known; writes more.md beside it.

    python tests/bench/bench_more.py [--experiments 2000] [--seed 0]

Suites judged by their mean go through `compare` and `decide`. Rates that miss their limit are marked.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from bench_decision import Row, bounds, mark, percent, sure
from scipy.special import ndtri
from simulated import Array

from harness.config.policy import Policy, RegressionRule
from harness.decision.compare import Comparison, Question, compare
from harness.decision.decide import Verdict, decide
from harness.stats import paired
from harness.stats.score_test import sample, score_interval, score_statistic
from harness.stats.two_phase import Sharpening, sharpening
from suites.types import Score

# --- suites judged by their mean ------------------------------------------------------------------------------------

OWN, MEAN = 0.05, 0.02  # margins of each suite and of the mean
DIFFER = 0.1  # share of the answers to a suite that differ between the sides
GAIN = 0.02
ALONE, TOGETHER = Policy(), Policy(regression=RegressionRule(together=MEAN))

LOSSES: dict[str, tuple[float, ...]] = {  # the true loss on each suite
    "nothing lost, 2 suites": (0.0,) * 2,
    "nothing lost, 6 suites": (0.0,) * 6,
    "nothing lost, 12 suites": (0.0,) * 12,
    "each loses .02, 6 suites": (0.02,) * 6,
    "mean loss .02, all of it on one of 2": (0.04, 0.0),
    "mean loss .02, all of it on one of 3": (0.06, 0.0, 0.0),
    "each loses .05, 6 suites": (0.05,) * 6,
    "one of 6 loses .05, the others gain .01": (0.05, *(-0.01,) * 5),
    "one of 6 loses .08, the others gain .01": (0.08, *(-0.01,) * 5),
    "one of 6 loses .12, the others gain .01": (0.12, *(-0.01,) * 5),
    "one of 6 loses .20, the others gain .01": (0.20, *(-0.01,) * 5),
}


def judged_together(experiments: int, seed: int, sizes: Sequence[int] = (200, 400, 1000)) -> Iterator[Row]:
    """How often each rule deploys and rejects, and a mark where the mean passes too often at or beyond its margin."""
    for scenario, losses in LOSSES.items():
        for n in sizes:
            rng = np.random.default_rng(seed)
            verdicts = [_both(rng, losses, n) for _ in range(experiments)]
            shares = [
                [float(np.mean([pair[rule] is verdict for pair in verdicts])) for rule in (0, 1)]
                for verdict in (Verdict.DEPLOY, Verdict.REJECT)
            ]
            limit = (1 - ALONE.confidence) / 2 if np.mean(losses) >= MEAN else 1.0
            missed = mark(shares[0][1], high=limit, experiments=experiments)
            yield scenario, n, *(percent(share) for pair in shares for share in pair), missed


def _both(rng: np.random.Generator, losses: Sequence[float], n: int) -> tuple[Verdict, Verdict]:
    """The verdict on one experiment, each suite by itself and all together; the gain is sure."""
    counts = [rng.multinomial(n, _shares(loss)) for loss in losses]
    suites = [replace(counted(n, int(lost), int(gained)), suite=f"s{i}") for i, (lost, gained, _) in enumerate(counts)]
    gain, supporting = sure("task", GAIN), [replace(suite, tier="supporting") for suite in suites]
    return decide([], [gain, *suites], ALONE).verdict, decide([], [gain, *supporting], TOGETHER).verdict


def _shares(loss: float) -> tuple[float, float, float]:
    """Shares of examples lost, gained and the same."""
    differ = max(DIFFER, abs(loss))
    return (differ + loss) / 2, (differ - loss) / 2, 1 - differ


@cache
def counted(n: int, lost: int, gained: int) -> Comparison:
    """A suite on which the candidate loses and gains so many of n examples."""
    ids = [f"e{i}" for i in range(n)]
    before = [1.0] * lost + [0.0] * (n - lost)
    after = [0.0] * lost + [1.0] * gained + [0.0] * (n - lost - gained)
    question = Question(
        suite="s", kind="regression", metric="score", baseline_arm="prompt", candidate_arm="tuned", margin=OWN
    )
    scores = [{i: Score(v) for i, v in zip(ids, arm, strict=True)} for arm in (before, after)]
    return compare(question, [(i, i) for i in ids], *scores, confidence=ALONE.confidence)


# --- a part of the exam, sharpened by the prompt's marks on all of it ------------------------------------------------

ARMS = {  # right: the prompt, the candidate; correlation of what makes an example hard for each of them
    "banking77-like: .80, .86": (0.80, 0.86, 0.80),
    "GSM8K-like: .55, .60": (0.55, 0.60, 0.75),
    "nearly the same: .80, .82": (0.80, 0.82, 0.95),
    "hardly related: .70, .76": (0.70, 0.76, 0.20),
    "nearly all right: .97, .98": (0.97, 0.98, 0.50),
}
PARTS = ((100, 500), (200, 1000), (500, 1000), (600, 3000))


def answered(rng: np.random.Generator, arms: tuple[float, float, float], n: int) -> tuple[Array, Array]:
    """Marks of both sides on n examples, right where an example is no harder than a side can do."""
    before, after, alike = arms
    hard = rng.standard_normal((2, n))
    hard[1] = alike * hard[0] + np.sqrt(1 - alike**2) * hard[1]
    return (hard[0] < ndtri(before)).astype(float), (hard[1] < ndtri(after)).astype(float)


def parts(experiments: int, seed: int) -> Iterator[Row]:
    """Coverage of the interval of a part, plain and sharpened, and the rows that the narrower one saves."""
    for name, arms in ARMS.items():
        for n, whole in PARTS:
            rng = np.random.default_rng(seed)
            held, widths, true = np.zeros(2), np.zeros(2), arms[1] - arms[0]
            for _ in range(experiments):
                before, after = answered(rng, arms, whole)
                differences = (after - before)[:n]
                plain = score_interval(sample(differences, None, low=-1.0), ALONE.confidence)
                known = sharpening(differences, before[:n], np.arange(n), before, whole)
                intervals = plain, known.interval(plain, float(differences.mean()))
                held += [interval.low <= true <= interval.high for interval in intervals]
                widths += [interval.high - interval.low for interval in intervals]
            shares, saved = held / experiments, 1 - (widths[1] / widths[0]) ** 2
            missed = mark(float(shares[1]), low=0.935, experiments=experiments)
            yield name, n, whole, percent(shares[0]), percent(shares[1]), percent(saved), missed


def stops(experiments: int, seed: int) -> Iterator[Row]:
    """Five looks, plain and sharpened: errors where the gain is exactly at the limit, rows saved where it is not."""
    for name, arms in ARMS.items():
        for n in (500, 1000, 3000):
            rng, true = np.random.default_rng(seed), arms[1] - arms[0]
            exams = [answered(rng, arms, n) for _ in range(experiments)]
            error = float(np.std(np.concatenate([after - before for before, after in exams]))) / np.sqrt(n)
            cells: list[str] = []
            wrong = [float(np.mean([settled(exam, true, sharp)[0] for exam in exams])) for sharp in (False, True)]
            for away in (3, 5):
                used = [np.mean([settled(exam, true - away * error, sharp)[1] for exam in exams]) for sharp in (0, 1)]
                cells += [percent(1 - float(u) / n) for u in used]
            yield name, n, *map(percent, wrong), *cells, mark(wrong[1], high=0.05, experiments=experiments)


def settled(exam: tuple[Array, Array], limit: float, sharp: bool) -> tuple[bool, int]:
    """Whether the exam is settled, and after how many rows: `early_stopping`, by tests instead of intervals.

    A sharpened interval ends at the limit where the plain one ends at the limit moved back and widened.
    """
    before, differences = exam[0], exam[1] - exam[0]
    for n, bound in bounds(len(before)):
        part = differences[:n]
        known = sharpening(part, before[:n], np.arange(n), before, len(before)) if sharp else Sharpening()
        mean = float(part.mean())
        moved = mean - (mean + known.shift - limit) / known.narrowing
        if abs(score_statistic(sample(part, None, low=-1.0), float(np.clip(moved, -0.999, 0.999)))) > bound:
            return True, n
    return False, len(before)


# --- people's labels on a part of what a judge has judged ------------------------------------------------------------


def labels(experiments: int, seed: int) -> Iterator[Row]:
    """PPI++ (Angelopoulos 2023): coverage of the candidate's preference, and labels saved at the same width."""
    for agreement in (0.95, 0.85, 0.75):
        for labelled, judged in ((100, 500), (200, 1000), (200, 5000)):
            rng = np.random.default_rng(seed)
            people = (rng.random((experiments, judged)) < 0.55).astype(float)
            judge = np.where(rng.random(people.shape) < agreement, people, 1 - people)
            held, widths = zip(*(ppi(y, f, labelled, 0.55) for y, f in zip(people, judge, strict=True)), strict=True)
            shares, width = np.mean(held, axis=0), np.mean(widths, axis=0)
            saved = 1 - (width[1] / width[0]) ** 2
            missed = mark(float(shares[1]), low=0.935, experiments=experiments)
            yield percent(agreement), labelled, judged, percent(shares[0]), percent(shares[1]), percent(saved), missed


def ppi(people: Array, judge: Array, n: int, true: float) -> tuple[tuple[bool, bool], tuple[float, float]]:
    """Whether the intervals of the labels alone and of PPI++ hold the truth, and their widths."""
    y, f, rest = people[:n], judge[:n], judge[n:]
    both = np.cov(y, f)
    pull = float(np.clip(both[0, 1] / ((1 + n / len(rest)) * both[1, 1]), 0, 1))
    means = y.mean(), pull * rest.mean() + (y - pull * f).mean()
    errors = np.sqrt(both[0, 0] / n), np.sqrt(pull**2 * rest.var() / len(rest) + (y - pull * f).var(ddof=1) / n)
    reach = [float(ndtri(0.975) * error) for error in errors]
    held = tuple(bool(abs(mean - true) <= r) for mean, r in zip(means, reach, strict=True))
    return (held[0], held[1]), (reach[0], reach[1])


# --- the page -------------------------------------------------------------------------------------------------------

TABLES: tuple[tuple[str, str, tuple[str, ...], Callable[[int, int], Iterable[Row]]], ...] = (
    (
        "Suites judged by their mean",
        f"`policy.regression.together: {MEAN}` beside a rule for each suite alone; each suite has a margin of {OWN} "
        f"and {DIFFER:.0%} of its answers differ. Where the mean loss is {MEAN} or more it may pass in at most 2.5 %.",
        ("truth", "n of each", "deploys, alone", "deploys, together", "rejects, alone", "rejects, together", ""),
        judged_together,
    ),
    (
        "A part of the exam, sharpened",
        "`policy.control_variate`: the candidate is asked n examples of an exam that the prompt has taken whole. 95 % "
        "should hold the truth, and no fewer than 93.5 %. Saved is the part of the candidate's rows that the narrower "
        "interval is worth. Arms are simulated: right where an example is no harder than they can do.",
        ("right", "n", "of", "hold the truth", "sharpened", "rows saved", ""),
        parts,
    ),
    (
        "Stopping early, sharpened",
        "Five looks. Errors over the whole path where the gain is exactly at the limit: at most 5 %. Rows of the "
        "candidate saved where it is three and five standard errors of the whole exam away.",
        ("right", "n", "errors", "sharpened", "saved, 3 away", "sharpened", "saved, 5 away", "sharpened", ""),
        stops,
    ),
    (
        "People's labels on a part of what a judge has judged",
        "PPI++ with its normal interval, and what it saves by how often the judge agrees with people. The product's "
        "has another interval, see judge_correction.md.",
        ("agrees", "labelled", "judged", "labels alone hold", "PPI++ holds", "labels saved", ""),
        labels,
    ),
)


def page(experiments: int, seed: int) -> str:
    parts = [
        "# More from the same rows\n\n"
        f"Written by `bench_more.py --experiments {experiments} --seed {seed}`. Every row simulates {experiments:,} "
        "experiments whose truth is known. A rate is marked where it misses its limit by more than three Monte Carlo "
        "standard errors.\n"
    ]
    for title, told, columns, rows in TABLES:
        start = time.perf_counter()
        lines = [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows(experiments, seed)]
        print(f"{title}: {len(lines)} rows in {time.perf_counter() - start:.0f} s", flush=True)
        head = f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"
        parts.append("\n".join([f"## {title}", "", told, "", head, *lines, ""]))
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    paired.RESAMPLES = 99  # the permutation p-value is reported, never decided by
    Path(__file__).with_name("more.md").write_text(page(arguments.experiments, arguments.seed), encoding="utf-8")


if __name__ == "__main__":
    main()
