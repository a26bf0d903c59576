"""Where a training is after its experiment, its store, both or neither were moved or copied."""

from __future__ import annotations

from pathlib import Path

from harness.store import training
from harness.store.database import Store

PLACE = Path("out", "tiny", "model-1")


def test_a_training_is_looked_for_beside_its_experiment_then_its_store_then_where_it_was_made(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    store = Store(tmp_path / "kept" / "harness.duckdb")
    recorded = str(tmp_path / "first" / PLACE)
    made = training.Training(
        training_id="t", method="lora", config={}, folder=recorded, seconds=1.0, steps=1, trained_parameters=1,
        n_rows=1, best_step=None, remarks={}, spec={"adapter": recorded}, cost=None, preferred="[]",
    )  # fmt: skip
    training.put(store, made, [])
    for there in ("first", "kept", "moved"):
        (tmp_path / there / PLACE).mkdir(parents=True)
        left = training.left(store, "t", tmp_path / "moved")
        assert left
        assert left.folder == tmp_path / there / PLACE
        assert left.spec == {"adapter": str(left.folder)}
