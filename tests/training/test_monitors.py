"""What is noticed while a model trains: divergence, overfitting, collapse, copying, forgetting; and the best step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from harness.models import load
from harness.training import (
    Probe,
    TrainingConfig,
    TrainingData,
    TrainingDiverged,
    TrainingResult,
    TrainRow,
    train_stage,
)
from harness.training.data.tokens import IGNORED, check_rows
from harness.training.loop import monitors, run
from harness.training.methods import adapters
from suites.errors import UserError
from suites.model import Completion, Generation, ModelSpec, Prompt

torch.set_num_threads(1)
LESSON = "please send the parcel back to the depot in the old town before the end of may"


def curve(train: Sequence[float], held: Sequence[float], every: int = 2) -> list[tuple[int, str, float]]:
    points = [(step, "loss", value) for step, value in enumerate(train, 1)]
    return points + [(every * (i + 1), "eval_loss", value) for i, value in enumerate(held)]


def test_validation_loss_that_rises_while_training_loss_falls_is_overfitting() -> None:
    told = monitors.overfitting(curve([8, 8, 4, 4, 2, 2, 1, 1], [3.0, 2.0, 2.5, 3.5]), patience=2)
    assert told == (
        "overfitting: from step 4 to step 8 the validation loss rose from 2 to 3.5 "
        "while the training loss fell from 6 to 1.5"
    )


@pytest.mark.parametrize(
    ("train", "held"),
    [
        ([8, 8, 4, 4, 2, 2, 1, 1], [3.0, 2.0, 2.5, 2.4]),  # it did not rise twice in a row
        ([1, 1, 2, 2, 4, 4, 8, 8], [3.0, 2.0, 2.5, 3.5]),  # training loss rises too: not overfitting
        ([8, 8, 4, 4], [2.0, 2.5]),  # too early to tell
        ([], []),
    ],
)
def test_what_is_not_overfitting(train: list[float], held: list[float]) -> None:
    assert monitors.overfitting(curve(train, held), patience=2) is None


@given(st.floats(0, 0.999), st.floats(0, 50), st.floats(0, 50))
def test_the_score_judges_before_the_loss(score: float, loss: float, other: float) -> None:
    assert monitors.judged(score + 1e-4, loss) > monitors.judged(score, other)


def test_among_equal_scores_the_lower_loss_is_better() -> None:
    assert monitors.judged(0.5, 1.0) > monitors.judged(0.5, 2.0)
    assert monitors.judged(None, 1.0) > monitors.judged(None, 2.0)


def test_one_answer_for_many_questions_is_collapse() -> None:
    targets = ["a", "b", "c", "d", "e", "f"]
    assert monitors.collapse(["a"] * 6, targets) == (
        "mode collapse: 6 questions with 6 different targets got only 1 different answers"
    )
    assert monitors.collapse(["a", "b", "c", "a", "b", "c"], targets) is None
    assert monitors.collapse(["a"] * 6, ["a", "b", "a", "b", "a", "b"]) is None  # a task of few labels


def test_a_training_answer_told_to_somebody_else_is_memorised() -> None:
    assert monitors.memorised([f"sure: {LESSON.upper()}", "short"], ["hello", "hi"], [LESSON, "other"]) == [0]


def test_what_was_asked_for_or_is_a_template_is_not_memorised() -> None:
    assert monitors.memorised([LESSON], [f"say: {LESSON}"], [LESSON]) == []
    assert monitors.memorised([LESSON], ["hello"], [f"{LESSON} or june", f"{LESSON} or july"]) == []
    assert monitors.memorised([" ".join(LESSON.split()[: monitors.COPIED_WORDS - 1])], ["hello"], [LESSON]) == []


def test_forgetting_needs_a_loss_beyond_the_margin_that_chance_does_not_explain() -> None:
    before: list[float | None] = [1.0] * 30 + [None]
    assert monitors.forgetting("general", before, [0.0] * 12 + [1.0] * 18 + [1.0], 0.05, 3)
    assert monitors.forgetting("general", before, [0.0] * 3 + [1.0] * 27 + [1.0], 0.05, 3) is None
    assert monitors.forgetting("general", before, before, 0.05, 3) is None


# --- a real training


ROWS = [TrainRow([{"role": "user", "content": f"the {w} is here"}], w) for w in ("order", "box", "parcel", "ticket")]
QUICK = TrainingConfig(epochs=4, batch_size=2, rank=4, alpha=8, learning_rate=1e-2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("llama", tmp_path_factory.mktemp("base"))


def train(
    base: Path, out: Path, config: TrainingConfig, probes: Sequence[Probe] = (), **changes: Any
) -> TrainingResult:
    data = TrainingData(ROWS, changes.pop("validation", ROWS))
    return train_stage(ModelSpec(str(base)), data, config, out, changes.pop("on_log", None), probes)


def probe(scores: Sequence[float], **changes: Any) -> Probe:
    """A probe that sees these scores, one after another, whatever is answered."""
    left = iter(scores)
    prompts = [Prompt(row.target, row.messages) for row in ROWS]

    def mark(answers: Sequence[Completion]) -> list[float | None]:
        return [next(left)] * len(answers)

    return Probe("validation", prompts, [row.target for row in ROWS], mark, 4, **changes)


def test_the_step_with_the_best_score_is_kept_though_the_loss_went_on_falling(base: Path, tmp_path: Path) -> None:
    result = train(base, tmp_path / "best", QUICK, [probe([0.0, 0.2, 0.9, 0.5, 0.5])])
    assert (result.steps, result.best_step) == (8, 4)
    assert [(s, v) for s, name, v in result.loss_curve if name == "score"] == [
        (0, 0.0), (2, 0.2), (4, 0.9), (6, 0.5), (8, 0.5)
    ]  # fmt: skip
    held = [v for _, name, v in result.loss_curve if name == "eval_loss"]
    assert held == sorted(held, reverse=True)
    last = train(base, tmp_path / "last", QUICK, [probe([0.0, 0.2, 0.3, 0.5, 0.6])])
    assert last.best_step == 8
    weights = [load_file(tmp_path / name / "adapter_model.safetensors") for name in ("best", "last")]
    assert any(not torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("llama", {}),
        ("gemma2", {}),
        ("qwen3", {"variant": "dora"}),
        ("llama", {"method": "full"}),
        ("llama", {"method": "prefix_tuning", "virtual_tokens": 4}),
    ],
)
def test_watching_does_not_change_the_training(architecture: str, changes: dict[str, Any], tmp_path: Path) -> None:
    model = tiny_models.build(architecture, tmp_path / "base")
    config = TrainingConfig(epochs=3, batch_size=2, rank=4, learning_rate=1e-2, dropout=0.2, **changes)
    train(model, tmp_path / "seen", config, [probe([0.0, 0.1, 0.2, 0.3])])
    train(model, tmp_path / "unseen", config)
    name = "model.safetensors" if config.method == "full" else "adapter_model.safetensors"
    assert (tmp_path / "seen" / name).read_bytes() == (tmp_path / "unseen" / name).read_bytes()


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "qwen3"])
def test_a_model_in_training_answers_as_it_will_at_the_exam(architecture: str, tmp_path: Path) -> None:
    model = tiny_models.build(architecture, tmp_path / "base")
    prompts = [Prompt(row.target, row.messages) for row in ROWS]
    answers: list[list[str]] = []

    def mark(given: Sequence[Completion]) -> list[float | None]:
        answers.append([answer.text for answer in given])
        return [float(len(answers))] * len(given)  # the last is the best

    asked = Probe("validation", prompts, [row.target for row in ROWS], mark, 8)
    result = train(model, tmp_path / "out", QUICK, [asked])
    examined = load(result.spec).generate(prompts, Generation(8))
    assert answers[-1] == [answer.text for answer in examined]
    assert answers[-1] != answers[0]


@pytest.mark.parametrize(
    ("settings", "n"),
    [
        ({"epochs": 3}, 100),  # one in 32 of the 3,200 rows of an epoch
        ({"epochs": 20}, 400),  # of which four lie between two evaluations
        ({"epochs": 3, "evaluate_every": 100, "batch_size": 16, "gradient_accumulation": 2}, 100),
        ({"epochs": 3, "evaluate_every": 1}, 32),
    ],
)
def test_validation_loss_is_measured_on_as_many_rows_as_the_training_can_pay_for(
    settings: dict[str, Any], n: int
) -> None:
    rows, config = list(range(1000)), TrainingConfig(**settings)
    found = run.sample(rows, 3200, config)
    assert len(set(found)) == n
    assert found == sorted(found)
    assert found == run.sample(rows, 3200, config)
    assert run.sample(rows[:32], 3200, config) == rows[:32]


def test_overfitting_stops_the_run_and_restores_the_best_weights(base: Path, tmp_path: Path) -> None:
    wrong = [TrainRow(row.messages, other.target) for row, other in zip(ROWS, [*ROWS[1:], ROWS[0]], strict=True)]
    config = TrainingConfig(epochs=30, batch_size=2, rank=8, alpha=16, learning_rate=2e-2, patience=2)
    result = train(base, tmp_path / "out", config, validation=wrong)
    assert result.steps < 60
    assert result.best_step <= result.steps - 4
    assert "overfitting: from step" in result.remarks["overfitting"]
    assert "stopped" in result.remarks["overfitting"]
    assert train(base, tmp_path / "out", config, validation=wrong) == result


def test_rising_loss_does_not_stop_a_run_whose_score_still_rises(base: Path, tmp_path: Path) -> None:
    wrong = [TrainRow(row.messages, other.target) for row, other in zip(ROWS, [*ROWS[1:], ROWS[0]], strict=True)]
    config = TrainingConfig(epochs=10, batch_size=2, rank=8, alpha=16, learning_rate=2e-2, patience=2)
    result = train(base, tmp_path / "out", config, [probe([i / 20 for i in range(11)])], validation=wrong)
    assert (result.steps, result.best_step) == (20, 20)


def test_alarms_are_read_off_the_answers_of_the_model_itself(base: Path, tmp_path: Path) -> None:
    one = [TrainRow(row.messages, LESSON) for row in ROWS]
    prompts = [Prompt(row.target, row.messages) for row in ROWS]
    questions = Probe("validation", prompts, [r.target for r in ROWS], lambda answers: [0.0] * len(answers), 40)
    old = Probe("old", prompts * 3, ["x"] * 12, lambda a: [float(LESSON[:9] not in c.text) for c in a], 40, margin=0.03)
    config = TrainingConfig(method="full", epochs=40, batch_size=4, learning_rate=2e-2, evaluate_every=20)
    result = train_stage(
        ModelSpec(str(base)), TrainingData(one, ROWS), config, tmp_path / "out", None, [questions, old]
    )
    assert set(result.remarks) >= {"mode collapse", "memorisation", "forgetting old"}
    assert result.remarks["memorisation"].startswith("memorisation: 4 of 4 answers hold 13 words in a row")


def test_a_loss_that_is_no_number_at_step_3_stops_the_run_there(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: dict[str, Any] = {}
    load = adapters.load
    monkeypatch.setattr(adapters, "load", lambda *arguments: held.setdefault("model", load(*arguments)))

    def poison(step: int, total: int, logs: Any) -> None:
        if step == 2 and "loss" in logs:
            for parameter in held["model"].parameters():
                parameter.data.fill_(float("nan"))

    with pytest.raises(TrainingDiverged, match=r"step 3 of 8: (loss|grad_norm) is nan"):
        train(base, tmp_path / "out", QUICK, on_log=poison, validation=())
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.partial").exists()


def test_rows_that_would_all_lose_their_answer_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="4 of 4 training rows are longer than 8 tokens"):
        train(base, tmp_path / "out", QUICK.changed(max_length=8))
    assert not (tmp_path / "out.partial").exists()


def test_a_loss_mask_that_leaves_nothing_to_train_is_refused() -> None:
    row = {"input_ids": [5, 6, 7, 2], "labels": [IGNORED] * 4}
    with pytest.raises(UserError, match="1 of 1 training rows"):
        check_rows([row], 10, [2], "training")
