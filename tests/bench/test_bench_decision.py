"""The error rates that tests/bench/decision.md prints: a short version of the main ones, and all of them."""

import bench_decision
import numpy as np
import pytest
import simulated


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(bench_decision.paired, "RESAMPLES", 99)  # the permutation p-value decides nothing


def missed(rows):
    return [row for row in rows if row[-1] == "misses" and row[0] not in ("asymptotic", "betting")]


@pytest.mark.parametrize("scenario", bench_decision.SCENARIOS)
def test_what_is_exactly_at_the_limit_is_seldom_deployed(scenario):
    rng, change = np.random.default_rng(1), bench_decision.SCENARIOS[scenario]
    deployed = [bench_decision.deploys(rng, simulated.binary, 200, change) for _ in range(300)]
    share = float(np.mean(deployed))
    assert not bench_decision.mark(share, high=bench_decision.ALPHA, experiments=300)
    assert share > 0.005 or scenario == "no true gain"  # the limit is a limit: somewhat inside it, it would be more


def test_what_is_clearly_better_is_deployed():
    rng = np.random.default_rng(1)
    assert np.mean([bench_decision.deploys(rng, simulated.binary, 400, 0.12) for _ in range(60)]) > 0.9


def test_the_simulated_truth_is_what_it_says():
    for name, draw in bench_decision.DRAWS.items():
        before, after, _ = draw(np.random.default_rng(0), 400_000, 0.02)
        assert np.mean(after - before) == pytest.approx(0.02, abs=0.005), name


def test_intervals_hold_the_truth():
    assert not missed(bench_decision.coverage(experiments=200, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("table", [pytest.param(table, id=table[0]) for table in bench_decision.TABLES])
def test_every_rate_keeps_its_limit(table):
    """A fifth of what the bench simulates: enough to see a rate go wrong, not to see a small miss."""
    *_, rows = table
    assert not missed(rows(400, 0))
