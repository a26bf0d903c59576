"""A race asks every arm of a round the same rows, keeps to its budget, and finds the best arm or nearly so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from baselines.racing import FEWEST, BudgetTooSmall, Standing, race


@dataclass
class Marks:
    """Arms whose marks are known beforehand, and what a row costs with each; None: none of it has a mark."""

    marks: Sequence[Sequence[float] | None]
    costs: Sequence[int]
    asked: dict[int, list[int]] = field(default_factory=dict)

    def ask(self, arm: int, rows: Sequence[int]) -> int:
        self.asked.setdefault(arm, []).extend(rows)
        return self.costs[arm] * len(rows)

    def standing(self, arm: int) -> Standing:
        marks, rows = self.marks[arm], self.asked[arm]
        return Standing(None if marks is None else sum(marks[row] for row in rows) / len(rows), self.costs[arm])


def flat(shares: Sequence[float], n: int = 64) -> list[list[float]]:
    return [[share] * n for share in shares]


def test_the_worse_half_leaves_and_the_best_arm_wins() -> None:
    contest = Marks(flat([0.1, 0.9, 0.3, 0.5]), [10] * 4)
    rounds = race(4, range(64), contest, 1_000)
    assert [part.arms for part in rounds] == [(1, 3, 2, 0), (1, 3)]
    assert [part.stay for part in rounds] == [2, 1]
    assert len(rounds[1].rows) > len(rounds[0].rows)


def test_all_arms_of_a_round_are_asked_the_same_rows() -> None:
    contest = Marks(flat([0.1, 0.9, 0.3, 0.5]), [10, 40, 20, 10])
    first, second = race(4, range(64), contest, 2_000)
    assert contest.asked[0] == list(first.rows)
    assert contest.asked[1] == contest.asked[3] == list(second.rows)
    assert second.rows[: len(first.rows)] == first.rows


def test_rows_of_one_cluster_are_asked_together() -> None:
    clusters = [f"thread {row // 5}" for row in range(60)]
    rounds = race(4, clusters, Marks(flat([0.1, 0.9, 0.3, 0.5]), [10] * 4), 1_000)
    for part in rounds:
        assert all(part.rows.count(5 * (row // 5) + k) == 1 for row in part.rows for k in range(5))


def test_a_budget_that_pays_everything_needs_one_round() -> None:
    [only] = race(3, range(64), Marks(flat([0.1, 0.9, 0.3]), [10] * 3), 10_000)
    assert (only.arms[0], only.stay, len(only.rows)) == (1, 1, 64)


def test_the_tokens_stay_within_the_budget() -> None:
    rounds = race(
        8, range(500), Marks(flat([0.1 * arm for arm in range(8)], 500), [7, 50, 90, 12, 30, 8, 44, 61]), 20_000
    )
    assert 0.8 * 20_000 <= sum(part.tokens for part in rounds) <= 20_000


def test_of_equal_arms_the_cheaper_one_wins_then_the_first() -> None:
    assert race(3, range(20), Marks(flat([0.5] * 3, 20), [30, 10, 10]), 10_000)[-1].arms == (1, 2, 0)


def test_an_arm_that_cannot_be_used_is_last_whatever_it_costs() -> None:
    contest = Marks([None, [0.0] * 20], [1, 100])
    assert race(2, range(20), contest, 10_000)[-1].arms == (1, 0)


@pytest.mark.parametrize(("budget", "enough"), [(FEWEST * 30, True), (FEWEST * 30 - 1, False)])
def test_the_budget_has_to_pay_a_first_round(budget: int, enough: bool) -> None:
    contest = Marks(flat([0.5, 0.6], 100), [10, 20])
    if enough:
        assert race(2, range(100), contest, budget)[-1].arms[0] == 1
    else:
        with pytest.raises(BudgetTooSmall) as error:
            race(2, range(100), contest, budget)
        assert error.value.needed == FEWEST * 30


def test_fewer_rows_than_a_first_round_has_are_asked_whole() -> None:
    [only] = race(2, range(3), Marks(flat([0.5, 0.6], 3), [10, 10]), 1_000)
    assert sorted(only.rows) == [0, 1, 2]


def test_the_same_seed_runs_the_same_race() -> None:
    marks = np.random.default_rng(0).random((6, 100)).round().tolist()
    runs = [race(6, range(100), Marks(marks, [9] * 6), 2_000, seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_the_winner_is_close_to_the_best_arm() -> None:
    generator = np.random.default_rng(1)
    behind = []
    for seed in range(60):
        shares = generator.uniform(0.2, 0.7, 16)
        marks = (generator.random((16, 150)) < shares[:, None]).astype(float).tolist()
        winner = race(16, range(150), Marks(marks, [100] * 16), 100_000, seed)[-1].arms[0]
        behind.append(shares.max() - shares[winner])
    assert np.mean(behind) < 0.03  # asking every arm every row takes 240,000 tokens


def test_the_winner_of_equal_arms_scores_no_better_on_other_rows() -> None:
    generator = np.random.default_rng(2)
    on_test, on_validation = [], []
    for seed in range(200):
        marks = (generator.random((20, 300)) < 0.5).astype(float)
        last = race(20, range(100), Marks(marks[:, :100].tolist(), [100] * 20), 100_000, seed)[-1]
        on_validation.append(marks[last.arms[0], list(last.rows)].mean() - 0.5)
        on_test.append(marks[last.arms[0], 100:].mean() - 0.5)
    error = np.std(on_test) / np.sqrt(len(on_test))
    assert abs(np.mean(on_test)) < 2 * error
    assert np.mean(on_validation) > 5 * error  # which is why the exam is another one
