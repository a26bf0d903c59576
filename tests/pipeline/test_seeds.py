"""Several trainings of one experiment: what the seeds say of the recipe, and the shares of the need for more rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
import yaml
from workspaces import decided, run, select, tiny_training, verdict

from harness.pipeline import seeds as repeats
from reports.outputs import markdown
from suites.types import Example


def marks(values: Any) -> dict[str, float]:
    return {f"e{i}": float(value) for i, value in enumerate(values)}


def test_seeds_that_agree_leave_the_interval_to_the_examples() -> None:
    rng = np.random.default_rng(0)
    base, gain = np.zeros(200), rng.random(200) * 0.2
    clusters = {f"e{i}": str(i) for i in range(200)}
    found = repeats.spread([marks(base + gain)] * 3, marks(base), clusters, 0.95)
    assert found
    assert found.gains == pytest.approx([gain.mean()] * 3)
    width = 1.972 * gain.std(ddof=1) / np.sqrt(200)  # Student's t with 199 degrees of freedom
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(width, rel=1e-3)


def test_seeds_that_differ_widen_it_as_far_as_three_of_them_must() -> None:
    clusters = {f"e{i}": str(i) for i in range(400)}
    found = repeats.spread([marks([g] * 400) for g in (0.1, 0.2, 0.3)], marks([0.0] * 400), clusters, 0.95)
    assert found
    width = 4.303 * 0.1 / np.sqrt(3)  # nothing but the seed varies: t with 2 degrees of freedom
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(width, rel=1e-3)


def test_the_interval_covers_the_recipe_s_gain_as_often_as_it_says() -> None:
    rng, covered, tries = np.random.default_rng(1), 0, 400
    clusters = {f"e{i}": str(i) for i in range(60)}
    for _ in range(tries):
        item = rng.normal(0.1, 0.1, 60)
        seeds = [item + rng.normal(0, 0.02) + rng.normal(0, 0.05, 60) for _ in range(3)]
        found = repeats.spread([marks(s) for s in seeds], marks(np.zeros(60)), clusters, 0.95)
        assert found
        covered += found.interval.low <= 0.1 <= found.interval.high
    assert 0.92 <= covered / tries <= 0.995


def test_one_seed_or_one_cluster_says_nothing() -> None:
    assert repeats.spread([marks([1, 0])], marks([0, 0]), {"e0": "a", "e1": "b"}, 0.95) is None
    assert repeats.spread([marks([1, 0])] * 2, marks([0, 0]), {"e0": "a", "e1": "a"}, 0.95) is None


def test_shares_are_nested_and_keep_clusters_whole() -> None:
    examples = [Example(f"e{i}", {"input": str(i)}, "x", f"c{i // 3}") for i in range(90)]
    parts = [repeats.take(examples, share, seed=0) for share in (0.25, 0.5, 1.0)]
    assert [len(part) for part in parts] == pytest.approx([22.5, 45, 90], abs=2)
    ids = [{e.id for e in part} for part in parts]
    assert ids[0] < ids[1] < ids[2]
    assert all(sum(e.cluster == f"c{c}" for e in parts[0]) in (0, 3) for c in range(30))
    assert repeats.take(examples, 0.001, seed=0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_models.build("qwen2", tmp_path_factory.mktemp("models") / "base")


def test_seeds_and_shares_go_into_decision_and_report(base: Path, tmp_path: Path) -> None:
    session = run(tiny_training(tmp_path, base, seeds=2, learning_curve=[0.25, 1.0]))
    assert verdict(session) == "deploy"
    rows = select(session.store, "select kind, n, value, settings, run_id from v_repeats order by kind, position")
    assert [(row["kind"], row["n"]) for row in rows] == [("seed", 40), ("share", 12), ("share", 12)]
    assert rows[0]["settings"] == '{"seed": 1}'
    data = decided(session)
    [gate] = [g for g in data.gates if g.gate_id == "seeds"]
    assert (gate.status, gate.tier) == ("pass", "supporting")
    assert "Over 2 training seeds the gain is" in data.facts.uncertainty
    assert "Learning curve on validation (exact_match, n = 12): 8 rows" in data.facts.learning_curve
    text = markdown.write(data, tmp_path / "report").read_text()
    assert "Over 2 training seeds" in text
    assert "Learning curve on validation" in text
    assert "| seed | seed 1 | " in text
    assert "| share of the rows | rows 8, share 0.25 | " in text
    assert (tmp_path / "report" / "learning_curve.png").stat().st_size > 0
    # The whole of the rows and the first seed are the training that is decided about: done once.
    assert len(select(session.store, "select 1 from training")) == 3
    [looks] = select(session.store, "select looks from v_looks")
    assert looks["looks"] == 1  # other seeds choose nothing


def test_a_recipe_shown_to_gain_too_little_keeps_the_prompt_whatever_one_seed_did() -> None:
    clusters = {f"e{i}": str(i) for i in range(100)}
    found = repeats.spread([marks([g] * 100) for g in (0.06, 0.05, 0.05)], marks([0.0] * 100), clusters, 0.95)
    assert found
    assert repeats.seed_gate(found, 0.02).status == "pass"
    gate = repeats.seed_gate(found, 0.1)
    assert (gate.status, gate.tier, gate.kind) == ("fail", "supporting", "gain")


def test_a_learning_curve_needs_validation_rows(base: Path, tmp_path: Path) -> None:
    path = tiny_training(tmp_path, base, learning_curve=[0.5, 1.0])
    content = yaml.safe_load(path.read_text())
    del content["data"]["validation"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(Exception, match=r"learning_curve` is measured on `data.validation`"):
        run(path)
