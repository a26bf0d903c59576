"""How often a judge lets pass what people would not, with errors and a taste for length; writes judge.md beside it.

    python tests/bench/bench_judge.py [--experiments 1000] [--seed 0]

People's verdicts on labelled pairs and on the exam are drawn, and a judge that errs. Trust, errors, comparison and gate
are those of the product.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_decision import Array, mark

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Question
from harness.decision.compare_judge import compare_judged
from harness.judge import audit, calibration, trust
from harness.judge.ask import WORTH, Choice, Judged, Label
from harness.stats import paired, score_test
from suites.judges.pairwise import Pair
from suites.types import JudgeVerdict, Score

POLICY = Policy()
MARGIN = float(POLICY.judge.margin)
ALPHA = 1 - POLICY.confidence
QUESTION = Question(
    suite="exam", kind="judge", metric="preference", baseline_arm="prompt", candidate_arm="tuned", margin=MARGIN
)
CHOICES: dict[float, Choice] = {1.0: "first", 0.0: "tie", -1.0: "second"}
TURNED: dict[Choice, Choice] = {"first": "second", "second": "first", "tie": "tie"}
LONGER_BETTER = 0.65  # of labelled pairs, the share in which people prefer the longer answer, if one of them


@dataclass(frozen=True, slots=True)
class World:
    """A judge that is `right` in a share of the pairs, but takes the longer answer in the share `length`; `pairs` that
    people labelled, `alike` of each prompt, on which it errs alike; and how often the candidate is the longer one."""

    right: float
    length: float
    longer: float
    pairs: int = 200
    alike: int = 1


WORLDS = (
    World(0.93, 0.0, 0.5),
    World(0.93, 0.0, 0.9),
    World(0.97, 0.1, 0.9),
    World(1.0, 0.1, 1.0),
    World(0.97, 0.2, 0.9),
    World(0.93, 0.0, 0.5, pairs=50),
    World(0.97, 0.1, 0.9, pairs=50),
    World(0.93, 0.0, 0.5, alike=4),
)
SIZES = (200, 800)


def said(rng: np.random.Generator, world: World, people: Array, longer: Array, alike: int = 1) -> Array:
    """The judge's word on pairs; of a tie that it gets wrong it takes either side."""
    right, taken = (np.repeat(rng.random(-(-len(people) // alike)), alike)[: len(people)] for _ in range(2))
    wrong = np.where(people != 0, -people, rng.choice([-1.0, 1.0], len(people)))
    return np.where(taken < world.length, longer, np.where(right < world.right, people, wrong))


def labelled(rng: np.random.Generator, world: World) -> tuple[list[Judged], list[Label]]:
    """Pairs of which one in seven is a tie."""
    longer = rng.choice([-1.0, 1.0], world.pairs)
    people = np.where(rng.random(world.pairs) < LONGER_BETTER, longer, -longer) * (rng.random(world.pairs) > 1 / 7)
    word = said(rng, world, people, longer, world.alike)
    return judged(word, longer), [Label(CHOICES[float(v)], str(i // world.alike)) for i, v in enumerate(people)]


def exam(rng: np.random.Generator, world: World, n: int, preference: float) -> list[Judged]:
    """People prefer neither answer in 40 %, and have the mean `preference` for the candidate."""
    u = rng.random(n)
    people = np.where(u < (0.6 + preference) / 2, 1.0, np.where(u < 0.6, -1.0, 0.0))
    longer = np.where(rng.random(n) < world.longer, 1.0, -1.0)
    return judged(said(rng, world, people, longer), longer)


def judged(word: Array, longer: Array) -> list[Judged]:
    """What the judge said, alike in both orders."""
    choices = [(CHOICES[float(w)], CHOICES[float(long)]) for w, long in zip(word, longer, strict=True)]
    return [
        Judged(Pair(str(i), "", "a", "b"), JudgeVerdict(c, "", ""), JudgeVerdict(TURNED[c], "", ""), long)
        for i, (c, long) in enumerate(choices)
    ]


def heard(items: Sequence[Judged], labels: Sequence[Label], on: Sequence[Judged]) -> bool:
    """Whether the judge may decide, by what is measured of it."""
    none = {item.pair.id: Score(None) for item in on}
    measures = calibration.calibration_measures(items, labels, POLICY.confidence)
    measures += audit.exam_measures(on, none, none, POLICY.confidence)
    return not trust.distrust({measure.name: measure for measure in measures}, POLICY)


def heard_before(items: Sequence[Judged], labels: Sequence[Label]) -> bool:
    """The rule of 0.1: agreement alone, every pair a piece of evidence."""
    agreed = sum(item.choice == label.choice for item, label in zip(items, labels, strict=True))
    return paired.wilson(agreed, len(labels), POLICY.confidence).low >= POLICY.judge.agreement


def passes(comparison: Comparison) -> bool:
    """Whether no more is lost than allowed, shown."""
    return comparison.low is not None and comparison.low >= -MARGIN


def tries(world: World, n: int, preference: float, experiments: int, seed: int) -> tuple[float, float, float, float]:
    """(heard before, heard now, passes of those heard before, passes of those heard now) as shares."""
    rng, counts = np.random.default_rng(seed), np.zeros(4)
    for _ in range(experiments):
        items, labels = labelled(rng, world)
        on = exam(rng, world, n, preference)
        examples = [(item.pair.id, item.pair.id) for item in on]
        before, now = heard_before(items, labels), heard(items, labels, on)
        raw = before and _as_judged(on) >= -MARGIN
        counts += [before, now, raw, now and passes(_corrected(items, labels, on, examples))]
    first, second, was, passed = counts
    return first / experiments, second / experiments, was / max(first, 1), passed / max(second, 1)


def _as_judged(on: Sequence[Judged]) -> float:
    """The lower end of the interval of the judge's preference as it is."""
    word = np.array([WORTH[item.choice] for item in on], dtype=np.float64)
    return score_test.score_interval(score_test.sample(word, None, -1.0), 2 * POLICY.confidence - 1).low


def _corrected(
    items: Sequence[Judged], labels: Sequence[Label], on: Sequence[Judged], examples: Sequence[tuple[str, str]]
) -> Comparison:
    error = calibration.error_of(items, labels)
    assert error
    word = {item.pair.id: WORTH[item.choice] or 0.0 for item in on}
    longer = {item.pair.id: WORTH[item.longer] or 0.0 for item in on}
    return compare_judged(QUESTION, examples, word, longer, error)


def row(world: World, n: int, experiments: int, seed: int) -> list[str]:
    """One line of the table."""
    before, now, was, passed = tries(world, n, -MARGIN, experiments, seed)
    _, _, *equal = tries(world, n, 0.0, experiments // 4, seed)
    _, _, *better = tries(world, n, 0.1, experiments // 4, seed)
    count = f"{world.pairs}" if world.alike == 1 else f"{world.pairs} of {world.pairs // world.alike} prompts"
    shares = [f"{share:.1%}" for share in (before, now, was, passed, *equal, *better)]
    missed = mark(passed, high=ALPHA, experiments=max(1, round(now * experiments)))
    return [f"{world.right:.0%}", f"{world.length:.0%}", f"{world.longer:.0%}", count, str(n), *shares, missed]


COLUMNS = (
    "right", "takes the longer", "candidate longer", "labelled", "n", "heard before", "now",
    "loss passed before", "now", "equal passed before", "now", "better passed before", "now", "",
)  # fmt: skip


def page(experiments: int, seed: int) -> str:
    """The whole file."""
    rows = [row(world, n, experiments, seed) for world in WORLDS for n in SIZES]
    head = (
        "# A judge that errs\n\n"
        f"Written by `bench_judge.py --experiments {experiments} --seed {seed}`. People lose exactly the margin of "
        f"{MARGIN:.2f} (wins minus losses) on the exam, and the judge is right in some share of the pairs, or takes "
        "the longer answer whatever it says. Of the judges that are heard, at most 5 % may let that loss pass; what "
        "misses by more than three Monte Carlo standard errors is marked. Before: heard by agreement alone, its "
        "preference taken as it is. Now: also by its taste for length and at least 50 labelled pairs, clusters "
        "respected, the preference corrected for its errors. Beside it, in a quarter as many experiments, how often a "
        "candidate passes that is equal to the prompt, and one that people prefer by 10 points.\n"
    )
    return "\n".join([head, _line(COLUMNS), "|---" * len(COLUMNS) + "|", *map(_line, rows), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    Path(__file__).with_name("judge.md").write_text(page(arguments.experiments, arguments.seed), encoding="utf-8")


if __name__ == "__main__":
    main()
