"""Several trainings of one experiment: what the seeds say of the recipe, and the shares of the need for more rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models
import torch
import yaml
from workspaces import decided, run, select, tiny_training, verdict

from harness.pipeline import seeds as repeats
from reports.outputs import markdown
from suites.types import Example


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
    assert (gate.tier, gate.rule) == ("advisory", "more than +2.0 points")
    assert "This speaks of the one checkpoint. Over 2 training seeds the gain is" in data.decision.reason
    assert "Over 2 training seeds the gain is" in data.facts.uncertainty
    assert "Learning curve on validation (exact_match, n = 12): 8 rows" in data.facts.learning_curve
    text = markdown.write(data, tmp_path / "report").read_text()
    assert "Over 2 training seeds" in text
    assert "Learning curve on validation" in text
    assert "| seed | seed 1 | " in text
    assert "| share of the rows | rows 8, share 0.25 | " in text
    assert (tmp_path / "report" / "learning_curve.svg").stat().st_size > 0
    # The whole of the rows and the first seed are the training that is decided about: done once.
    assert len(select(session.store, "select 1 from training")) == 3
    [looks] = select(session.store, "select looks from v_looks")
    assert looks["looks"] == 1  # other seeds choose nothing


def test_a_learning_curve_needs_validation_rows(base: Path, tmp_path: Path) -> None:
    path = tiny_training(tmp_path, base, learning_curve=[0.5, 1.0])
    content = yaml.safe_load(path.read_text())
    del content["data"]["validation"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(Exception, match=r"learning_curve` is measured on `data.validation`"):
        run(path)
