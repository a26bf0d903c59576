"""How often `as_good_and_cheaper` deploys what it should not, on simulated experiments; writes goal.md beside it.

    python tests/bench/bench_goal.py [--experiments 2000] [--seed 0]

Scores go through `compare`, costs through `saving`, both through `decide`, as those of an experiment do.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import repeat
from pathlib import Path

import numpy as np
from simulated import Array, Draw, Drawn, binary, clustered, graded, sparse_binary

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Kind, Question, compare
from harness.decision.costs import Usage
from harness.decision.decide import Verdict, decide
from harness.decision.prices import Rate
from harness.decision.saving import Payer, Saving, saving
from harness.stats import paired, unbounded
from harness.stats.spending import level_of_look
from suites.types import Score

POLICY = Policy(goal="as_good_and_cheaper", margin=0.03, min_saving="30%")
ALPHA, MARGIN, LEAST = 1 - POLICY.confidence, 0.03, 0.3
SIZES = (100, 400)
DRAWS: dict[str, Draw] = {
    "0/1, 20 % differ": binary,
    "0/1, 5 % differ": sparse_binary,
    "graded, 30 % differ": graded,
    "0/1 in clusters of 1-7": clustered,
}
Row = tuple[object, ...]

# --- quality --------------------------------------------------------------------------------------------------------


def compared(kind: Kind, drawn: Drawn, *, arm: str = "large", look: int = 1) -> Comparison:
    """Simulated scores beside a prompt of the bar, through the harness's own comparison; 0/1 pairs by their counts."""
    before, after, clusters = drawn
    if clusters is None and set(np.unique(before)) | set(np.unique(after)) <= {0.0, 1.0}:
        return _of_counts(kind, len(before), int(np.sum(after > before)), int(np.sum(after < before)), arm, look)
    return _compared(kind, before, after, clusters, arm, look)


@cache
def _of_counts(kind: Kind, n: int, gained: int, lost: int, arm: str, look: int) -> Comparison:
    before = np.arange(n) >= gained
    after = (np.arange(n) < gained) | (np.arange(n) >= gained + lost)
    return _compared(kind, before.astype(float), after.astype(float), None, arm, look)


def _compared(
    kind: Kind, before: Array, after: Array, clusters: Sequence[int] | None, arm: str, look: int
) -> Comparison:
    names = [f"e{i}" for i in range(len(before))]
    groups = names if clusters is None else [f"c{c}" for c in clusters]
    asked = {"suite": "exam", "metric": "score", "baseline_arm": arm, "candidate_arm": "tuned"}
    question = Question(**asked, kind=kind, margin=-MARGIN if kind == "task" else 0.0)
    scores = [{name: Score(float(v)) for name, v in zip(names, arm, strict=True)} for arm in (before, after)]
    level = level_of_look(look, POLICY.confidence)
    return compare(
        question, list(zip(names, groups, strict=True)), *scores, confidence=POLICY.confidence, level=level, look=look
    )


def deploys(comparisons: Sequence[Comparison], savings: Sequence[Saving]) -> bool:
    return decide([], comparisons, POLICY, savings=savings).verdict is Verdict.DEPLOY


@cache
def surely_as_good() -> Comparison:
    return compared("task", binary(np.random.default_rng(0), 2000, 0.1))


@cache
def surely_cheaper(arm: str = "large") -> Saving:
    rng = np.random.default_rng(0)
    return priced(*(costs(rng, 400, 0.8, "steady")), arm=arm)


def at_the_margin_of_quality(experiments: int, seed: int) -> Iterator[Row]:
    for name, draw in DRAWS.items():
        for n in SIZES:
            rng = np.random.default_rng(seed)
            share = rate(
                deploys([compared("task", draw(rng, n, -MARGIN))], [surely_cheaper()]) for _ in range(experiments)
            )
            yield name, n, percent(share), mark(share, experiments)


# --- price ----------------------------------------------------------------------------------------------------------

MOST = 2048
"""Tokens an answer may have."""
Costs = tuple[Array, Array, Array, Array]
"""Tokens read and written by the bar, and by the candidate."""


def lengths(rng: np.random.Generator, n: int, mean: float, spread: float) -> Array:
    """Lengths of answers, lognormal, cut where answers are; `mean` and `spread` are of the whole curve."""
    return np.clip(np.rint(rng.lognormal(math.log(mean) - spread**2 / 2, spread, n)), 1, MOST)


@cache
def mean_length(mean: float, spread: float) -> float:
    return float(lengths(np.random.default_rng(1), 4_000_000, mean, spread).mean())


SHAPES: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    # (mean, spread) of the answers' lengths, of the bar and of the candidate
    "steady": ((200, 0.01), (100, 0.01)),
    "alike": ((200, 0.5), (100, 0.5)),
    "skewed": ((200, 1.0), (100, 1.0)),
    "candidate skewed": ((200, 0.01), (100, 1.0)),
    "candidate very skewed": ((200, 0.01), (100, 1.5)),
    "bar skewed": ((200, 1.0), (100, 0.01)),
}


def costs(rng: np.random.Generator, n: int, saved: float, shape: str) -> tuple[Array, Array, Rate]:
    """Tokens written by both sides, and the price at which the candidate saves the share `saved`; nothing is read."""
    (bar, bar_spread), (own, own_spread) = SHAPES[shape]
    before, after = lengths(rng, n, bar, bar_spread), lengths(rng, n, own, own_spread)
    price = (1 - saved) * mean_length(bar, bar_spread) / mean_length(own, own_spread)
    return before, after, Rate(input=0.0, output=price)


def payer(arm: str, written: Array, rate: Rate, seconds: Array | None = None) -> Payer:
    times = np.zeros(len(written)) if seconds is None else seconds
    rows = enumerate(zip(written, times, strict=True))
    usages = [Usage(f"e{i}", f"e{i}", f"e{i}", 1, int(tokens), float(took)) for i, (tokens, took) in rows]
    return Payer(arm, usages, MOST, rate, "costs")


def priced(before: Array, after: Array, price: Rate, *, arm: str = "large", look: int = 1) -> Saving:
    """The saving through the harness's own rule; the bar pays 1 for a million tokens written."""
    return saving(
        payer(arm, before, Rate(input=0.0, output=1.0)), payer("tuned", after, price), POLICY,
        asked=len(before), level=level_of_look(look, POLICY.confidence),
    )  # fmt: skip


def by_student(before: Array, after: Array, price: Rate) -> bool:
    """Whether Student's t interval of what is left after 30 % shows the saving."""
    interval = unbounded.t_interval((1 - LEAST) * before - (price.output or 0.0) * after, None, POLICY.confidence)
    return interval is not None and interval.low >= 0


def at_the_margin_of_price(experiments: int, seed: int) -> Iterator[Row]:
    for shape in SHAPES:
        for n in SIZES:
            rng = np.random.default_rng(seed)
            drawn = [costs(rng, n, LEAST, shape) for _ in range(experiments)]
            ours = rate(deploys([surely_as_good()], [priced(*each)]) for each in drawn)
            student = rate(by_student(*each) for each in drawn)
            better = [costs(rng, n, 0.5, shape) for _ in range(experiments // 10)]
            power = rate(deploys([surely_as_good()], [priced(*each)]) for each in better)
            yield shape, n, percent(student), percent(ours), percent(power), mark(ours, experiments)
    yield from at_the_margin_of_time(experiments, seed)


def at_the_margin_of_time(experiments: int, seed: int) -> Iterator[Row]:
    """The bar is paid by tokens, the candidate by the seconds of a machine, each request timed by itself."""
    for spread in (0.5, 1.0, 1.5):
        for n in SIZES:
            rng = np.random.default_rng(seed)
            ours = [
                rate(deploys([surely_as_good()], [timed(rng, n, saved, spread)]) for _ in range(count))
                for saved, count in ((LEAST, experiments), (0.5, experiments // 10))
            ]
            yield f"candidate by time, spread {spread:g}", n, "", *map(percent, ours), mark(ours[0], experiments)


def timed(rng: np.random.Generator, n: int, saved: float, spread: float) -> Saving:
    before = lengths(rng, n, 200, 0.5)
    seconds = rng.lognormal(-(spread**2) / 2, spread, n)
    per_hour = (1 - saved) * mean_length(200, 0.5) * 3600 / 1_000_000
    return saving(
        payer("large", before, Rate(input=0.0, output=1.0)),
        payer("tuned", np.ones(n), Rate(per_hour=per_hour), seconds), POLICY,
        asked=n, level=POLICY.confidence,
    )  # fmt: skip


# --- both, other prompts, looks -------------------------------------------------------------------------------------


def together(experiments: int, seed: int) -> Iterator[Row]:
    """Other truths under which nothing should be deployed."""
    for name, experiment in {
        "at both margins": _at_both,
        "a prompt that was not chosen is better by just the margin, the chosen one 2 points worse than it": _not_chosen,
        "another prompt is as good, and saves just what was asked for": _other_at_both,
        "another prompt is as good, at the candidate's own price": _own_base,
    }.items():
        for n in (100, 400):
            rng = np.random.default_rng(seed)
            share = rate(experiment(rng, n) for _ in range(experiments))
            yield name, n, percent(share), mark(share, experiments)


def _at_both(rng: np.random.Generator, n: int) -> bool:
    return deploys([compared("task", binary(rng, n, -MARGIN))], [priced(*costs(rng, n, LEAST, "alike"))])


def _not_chosen(rng: np.random.Generator, n: int) -> bool:
    """Three arms on the same questions: the best prompt, the chosen one, the candidate."""
    best, candidate, _ = binary(rng, n, -MARGIN)
    lost = rng.random(n) < 0.02 / 0.8
    chosen = np.where(lost, 0.0, best)
    parts = [compared("task", (chosen, candidate, None)), compared("prompt", (best, candidate, None), arm="other")]
    return deploys(parts, [surely_cheaper(), surely_cheaper("other")])


def _other_at_both(rng: np.random.Generator, n: int) -> bool:
    parts = [surely_as_good(), compared("prompt", binary(rng, n, 0.0), arm="other")]
    return deploys(parts, [surely_cheaper(), priced(*costs(rng, n, LEAST, "alike"), arm="other")])


def _own_base(rng: np.random.Generator, n: int) -> bool:
    parts = [surely_as_good(), compared("prompt", binary(rng, n, 0.0), arm="other")]
    return deploys(parts, [surely_cheaper(), priced(*costs(rng, n, 0.0, "alike"), arm="other")])


def successive_candidates(experiments: int, seed: int) -> Iterator[Row]:
    """Candidates one after the other on the same questions; a false deploy is any of them."""
    n = 400
    for where in ("at the margin of quality", "at the margin of price"):
        for tries in (1, 10):
            rng = np.random.default_rng(seed)
            share = rate(
                any(_at_look(rng, n, look, where.endswith("price")) for look in range(1, tries + 1))
                for _ in range(experiments // 2)
            )
            yield where, tries, n, percent(share), mark(share, experiments // 2)


def _at_look(rng: np.random.Generator, n: int, look: int, price: bool) -> bool:
    if price:
        return deploys([surely_as_good()], [priced(*costs(rng, n, LEAST, "alike"), look=look)])
    return deploys([compared("task", binary(rng, n, -MARGIN), look=look)], [surely_cheaper()])


def power(experiments: int, seed: int) -> Iterator[Row]:
    """A candidate that is equal, or a point better, and saves 60 %."""
    for name, draw in (("0/1, 20 % differ", binary), ("0/1, 5 % differ", sparse_binary)):
        for n in (500, 1000, 2000):
            rng = np.random.default_rng(seed)
            shares = [
                rate(
                    deploys([compared("task", draw(rng, n, true))], [priced(*costs(rng, n, 0.6, "alike"))])
                    for _ in range(experiments // 20)
                )
                for true in (0.0, 0.01)
            ]
            yield name, n, *map(percent, shares)


# --- the page -------------------------------------------------------------------------------------------------------


def rate(outcomes: Iterable[bool]) -> float:
    return float(np.mean(list(outcomes)))


def percent(share: float) -> str:
    return f"{share:.1%}"


def mark(share: float, experiments: int) -> str:
    """Empty where a rate is at most alpha, up to three Monte Carlo standard errors."""
    return "misses" if share > ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / experiments) else ""


TABLES: tuple[tuple[str, str, tuple[str, ...], Callable[[int, int], Iterable[Row]]], ...] = (
    (
        "At the margin of quality",
        "The candidate loses exactly the margin, 3 points, and surely saves 80 %. 2.5 % by the end of a two-sided "
        "interval, and at most 5 %.",
        ("scores", "n", "deploys", ""),
        at_the_margin_of_quality,
    ),
    (
        "At the margin of price",
        "The candidate is surely as good, and saves exactly 30 %, what was asked for. Costs are those of tokens "
        f"written, lognormal and cut at {MOST:,}: steady, a spread of 0.5 on either side (alike), of 1 (skewed), of "
        "1.5 (very skewed). At most 5 %. Student's t beside it shows a saving that is not there where the candidate's "
        "answers are now and then long. Power: it saves 50 %.",
        ("costs", "n", "deploys by t", "deploys", "power", ""),
        at_the_margin_of_price,
    ),
    (
        "Other truths",
        "Nothing should be deployed; at most 5 %.",
        ("truth", "n", "deploys", ""),
        together,
    ),
    (
        "Successive candidates",
        "Each of so many candidates on the same 400 questions is at a margin; a false deploy is any of them. At most "
        "5 %.",
        ("truth", "candidates", "n", "deploys", ""),
        successive_candidates,
    ),
    (
        "Power",
        "The candidate saves 60 %, at costs that are alike; the margin is 3 points.",
        ("scores", "n", "deploys where it is equal", "where it is a point better"),
        power,
    ),
)


def table(number: int, experiments: int, seed: int) -> str:
    paired.RESAMPLES = 99  # the permutation p-value is reported, never decided by
    title, told, columns, rows = TABLES[number]
    start = time.perf_counter()
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows(experiments, seed)]
    print(f"{title}: {len(lines)} rows in {time.perf_counter() - start:.0f} s", flush=True)
    head = f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"
    return "\n".join([f"## {title}", "", told, "", head, *lines, ""])


def page(experiments: int, seed: int) -> str:
    head = (
        "# How often a cheaper candidate is deployed\n\n"
        f"Written by `bench_goal.py --experiments {experiments} --seed {seed}`. Every row simulates {experiments:,} "
        "experiments whose truth is known (half of them for successive candidates, a tenth and a twentieth for power). "
        f"A rate is marked where it is above {ALPHA:.0%} by more than three Monte Carlo standard errors. Confidence "
        f"{POLICY.confidence:.0%}, `margin: {MARGIN}`, `min_saving: {LEAST:.0%}`.\n"
    )
    with ProcessPoolExecutor(2) as pool:
        parts = pool.map(table, range(len(TABLES)), repeat(experiments), repeat(seed))
        return "\n".join([head, *parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    Path(__file__).with_name("goal.md").write_text(page(arguments.experiments, arguments.seed), encoding="utf-8")


if __name__ == "__main__":
    main()
