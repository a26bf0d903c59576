"""What the processes of a training tell each other comes back as it was, from plain JSON."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.config.recipe import TrainingConfig
from harness.training.elsewhere import notes
from harness.training.types import PairRow, RatedRow, TrainingData, TrainingDiverged, TrainingResult, TrainRow
from suites.errors import UserError
from suites.model import ModelSpec

ASK = [{"role": "user", "content": "é \ud800 \u2028"}]  # a lone surrogate, as JSON data may hold
SPEC = ModelSpec("base", template_settings=(("thinking", True), ("level", "1"), ("share", 0.5), ("steps", 3)))
RESULT = TrainingResult(
    SPEC, 1.5, 3, 10, 4, 8, best_step=2, loss_curve=[(1, "loss", math.inf)], remarks={"a": "b"}, preferred=[("1", 0.5)]
)


def test_a_job_comes_back_with_every_kind_of_row(tmp_path: Path) -> None:
    data = TrainingData(
        [TrainRow(ASK, "a", "1", ("b",))],
        [],
        [],
        pairs=[PairRow(ASK, "a", "b")],
        held_out=[],
        rated=[RatedRow(ASK, "a", False)],
        schema={"type": "object", "enum": [1, None, 0.1]},
        reward_model=tmp_path,
    )
    config = TrainingConfig(method="dpo", after=(TrainingConfig(method="full", learning_rate=1e-3),))
    notes.write_job(tmp_path, (SPEC, data, config, Path("out")))
    assert notes.read_job(tmp_path) == (SPEC, data, config, Path("out"))


def test_a_training_is_known_by_further_answers_only_where_there_are_some() -> None:
    one, several = (TrainingData([TrainRow(ASK, "a", "1", others)]).plain()["train"] for others in ((), ("b",)))
    assert one == [{"messages": ASK, "target": "a", "id": "1"}]
    assert several == [{**one[0], "others": ("b",)}]


def test_a_result_comes_back_with_losses_that_are_no_numbers(tmp_path: Path) -> None:
    notes.write_result(tmp_path, RESULT)
    assert notes.read_result(tmp_path) == RESULT


@pytest.mark.parametrize(
    ("error", "back"),
    [
        (UserError("what", "where", "fix"), "what\n  where: where\n  fix:   fix"),
        (TrainingDiverged("loss is nan"), "loss is nan"),
        (RuntimeError("out of memory"), "RuntimeError: out of memory"),
    ],
)
def test_an_error_of_ours_comes_back_as_one_and_any_other_as_a_sentence(
    error: Exception, back: str, tmp_path: Path
) -> None:
    notes.write_trouble(tmp_path / "note", error)
    trouble = notes.read_trouble(tmp_path / "note")
    assert str(trouble) == back
    assert type(trouble) is (type(error) if isinstance(error, UserError | TrainingDiverged) else str)
