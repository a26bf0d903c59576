"""Preferences and rewards on a tiny model: DPO, KTO, a reward model, RLOO and GRPO, one after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models
import torch

from harness.models import load
from harness.models.hf.chat import ChatTokenizer
from harness.models.hf.loading import stop_ids
from harness.training import (
    PairRow,
    Probe,
    RatedRow,
    TrainingConfig,
    TrainingData,
    TrainRow,
    train,
    train_stage,
    tuned_spec,
)
from harness.training.methods import online
from harness.training.methods.online import _by_metric
from harness.training.methods.preference import _mismatched, pair_ids
from harness.training.methods.reward_model import RewardModel
from harness.training.methods.sft import Start
from harness.training.types import OnLog
from suites.answers import AnswerRule
from suites.errors import UserError
from suites.metrics import table
from suites.model import Completion, Generation, Message, ModelSpec, Prompt
from suites.types import Example

torch.set_num_threads(1)

ANSWERS = {
    "the box was broken": ("damaged", "billing"),
    "it arrived late today": ("delivery", "damaged"),
    "the bill is wrong": ("billing", "delivery"),
}


def asked(question: str) -> list[Message]:
    return [{"role": "user", "content": question}]


ROWS = [TrainRow(asked(question), good, question) for question, (good, _) in ANSWERS.items()]
PAIRS = [PairRow(asked(question), good, bad) for question, (good, bad) in ANSWERS.items()]
RATED = [RatedRow(asked(question), text, text == pair[0]) for question, pair in ANSWERS.items() for text in pair]
DATA = TrainingData(ROWS, pairs=PAIRS, held_out=PAIRS, rated=RATED)
QUICK = TrainingConfig(batch_size=3, rank=4, alpha=8, epochs=12, learning_rate=1e-2, max_new_tokens=6)
SFT = QUICK.changed(method="lora", epochs=16)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("llama", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def start(base: Path) -> Start:
    chat = ChatTokenizer(base)
    return Start(ModelSpec(str(base)), base, chat, stop_ids(base, chat.tokenizer.eos_token_id), 256, 256)


def margin(spec: ModelSpec) -> float:
    """By how much a good answer is likelier than a bad one, in nats a token."""
    bad = [TrainRow(pair.messages, pair.rejected) for pair in PAIRS]
    return tiny_models.answer_nats(spec, bad) - tiny_models.answer_nats(spec, ROWS)


def curve(result: object, name: str) -> list[float]:
    return [value for _, each, value in result.loss_curve if each == name]  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_the_better_answer_becomes_likelier(method: str, base: Path, tmp_path: Path) -> None:
    spec = ModelSpec(str(base))
    result = train_stage(spec, DATA, QUICK.changed(method=method), tmp_path / "out")
    assert margin(result.spec) > margin(spec) + 0.5
    before = load(spec).generate([Prompt("", asked("hello"))], Generation(6))
    assert load(result.spec).generate([Prompt("", asked("hello"))], Generation(6)) != before


@pytest.mark.parametrize(("method", "first_loss"), [("dpo", 0.6931), ("kto", 0.5)])
@pytest.mark.parametrize("stage", ["lora", "full"])
def test_a_later_stage_starts_where_the_earlier_one_ended(
    method: str, first_loss: float, stage: str, base: Path, tmp_path: Path
) -> None:
    """The policy is its own reference at first, so the first loss is that of no difference: log 2, and one half."""
    data = replace(DATA, rated=())
    config = QUICK.changed(method=method, epochs=4, batch_size=6, after=(SFT.changed(method=stage),))
    result = train(ModelSpec(str(base)), data, config, tmp_path / "out")
    first = train_stage(ModelSpec(str(base)), data, config.after[0], tmp_path / f"out-1-{stage}")
    losses = curve(result, "loss")
    assert losses[: len(curve(first, "loss"))] == curve(first, "loss")
    assert losses[len(curve(first, "loss"))] == pytest.approx(first_loss, abs=1e-3)
    assert margin(result.spec) > margin(first.spec)
    assert result.spec == tuned_spec(ModelSpec(str(base)), config, tmp_path / "out")
    assert result.spec.base == (str(tmp_path / "out-1-full") if stage == "full" else str(base))
    assert result.seconds > first.seconds


def test_only_the_last_stage_is_probed_and_earlier_ones_report_under_their_names(base: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, set[str]]] = []
    questions = [Prompt("", row.messages) for row in DATA.train]
    targets = [row.target for row in DATA.train]
    probe = Probe("last", questions, targets, lambda answers: [float(bool(a.text)) for a in answers], 4)
    config = SFT.changed(epochs=2, rank=4, after=(SFT.changed(method="full", epochs=1),))
    data = replace(DATA, validation=DATA.train)
    out = tmp_path / "out"
    result = train(ModelSpec(str(base)), data, config, out, lambda s, n, logs: told.append((s, n, set(logs))), [probe])
    first = train_stage(ModelSpec(str(base)), data, config.after[0], tmp_path / "out-1-full")
    assert min(step for step, name, _ in result.loss_curve if name == "score") == first.steps
    assert result.best_step is not None
    assert first.steps < result.best_step <= result.steps
    names = set().union(*(names for _, _, names in told))
    assert {"full/loss", "loss", "score"} <= names
    assert "full/score" not in names


def test_a_stage_that_was_interrupted_goes_on_after_the_finished_one(base: Path, tmp_path: Path) -> None:
    config = SFT.changed(epochs=4, after=(SFT.changed(method="full", epochs=1),))
    whole = train(ModelSpec(str(base)), DATA, config, tmp_path / "whole")

    def stop(step: int, total: int, logs: Mapping[str, float]) -> None:
        if step > total / 2 and "loss" in logs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(ModelSpec(str(base)), DATA, config, tmp_path / "out", _later(stop))
    told: list[tuple[int, str]] = []

    def note(step: int, total: int, logs: Mapping[str, float]) -> None:
        told.extend((step, name) for name in logs)

    resumed = train(ModelSpec(str(base)), DATA, config, tmp_path / "out", note)
    assert "full/loss" not in {name for _, name in told}
    assert min(step for step, name in told if name == "loss") > 1
    assert curve(resumed, "loss") == curve(whole, "loss")


def _later(report: OnLog) -> OnLog:
    """Reports the last stage only."""
    return lambda step, total, logs: None if any("/loss" in name for name in logs) else report(step, total, logs)


def test_a_qlora_goes_on_on_its_four_bit_base(tmp_path: Path) -> None:
    base = tiny_models.build("llama", tmp_path / "base", hidden_size=64, head_dim=32)
    config = QUICK.changed(method="dpo", epochs=4, after=(SFT.changed(method="qlora"),))
    result = train(ModelSpec(str(base)), DATA, config, tmp_path / "out")
    first = tuned_spec(ModelSpec(str(base)), config.after[0], tmp_path / "out-1-qlora")
    assert result.spec.load_in == first.load_in == "4bit"
    assert curve(result, "loss")[16] == pytest.approx(0.6931, abs=1e-2)
    assert margin(result.spec) > margin(first)


def test_a_stage_after_another_adapter_is_another_training(base: Path, tmp_path: Path) -> None:
    one = train_stage(ModelSpec(str(base)), DATA, SFT.changed(epochs=1), tmp_path / "one")
    two = train_stage(ModelSpec(str(base)), DATA, SFT.changed(epochs=2), tmp_path / "two")
    train_stage(one.spec, DATA, QUICK.changed(method="dpo", epochs=1), tmp_path / "out")
    with pytest.raises(UserError, match="holds something else"):
        train_stage(two.spec, DATA, QUICK.changed(method="dpo", epochs=1), tmp_path / "out")


def test_pairs_are_read_as_the_model_reads_them_and_end_with_a_stop_token(start: Start) -> None:
    for row, pair in zip(pair_ids(start, PAIRS, "preference"), PAIRS, strict=True):
        assert row["prompt_ids"] == start.chat.encode(start.chat.render(pair.messages))
        assert start.chat.decode(row["chosen_ids"]) == pair.chosen
        assert start.chat.decode(row["rejected_ids"]) == pair.rejected
        assert row["chosen_ids"][-1] in start.stops


def test_kto_measures_its_distance_on_answers_to_other_prompts_of_the_batch() -> None:
    rows = [{"prompt_ids": [i], "completion_ids": [10 + i]} for i in range(5)]
    found = [row["KL_completion_ids"][0] - 10 for row in _mismatched(rows, 3)]
    assert found == [2, 0, 1, 4, 3]


def test_kto_needs_both_kinds(base: Path, tmp_path: Path) -> None:
    data = TrainingData((), rated=[row for row in RATED if row.good])
    with pytest.raises(UserError, match="3 good and 0 bad"):
        train_stage(ModelSpec(str(base)), data, QUICK.changed(method="kto"), tmp_path / "out")


def test_dpo_without_pairs_says_so(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no preference rows"):
        train_stage(ModelSpec(str(base)), TrainingData(ROWS), QUICK.changed(method="dpo"), tmp_path / "out")


def test_a_reward_model_is_marked_on_held_out_pairs_and_comes_back_from_disk(
    base: Path, start: Start, tmp_path: Path
) -> None:
    spec, config = ModelSpec(str(base)), QUICK.changed(method="reward")
    upside_down = [PairRow(pair.messages, pair.rejected, pair.chosen) for pair in PAIRS[:2]]
    result = train_stage(spec, replace(DATA, held_out=[*PAIRS, *upside_down]), config, tmp_path / "out")
    assert result.preferred == [("0", 1.0), ("1", 1.0), ("2", 1.0), ("0", 0.0), ("1", 0.0)]
    assert result.spec == spec  # it marks answers, and gives none
    model = RewardModel(tmp_path / "out", spec, start.chat)
    rows = pair_ids(start, PAIRS, "preference")
    better = model.score([row["prompt_ids"] + row["chosen_ids"] for row in rows])
    worse = model.score([row["prompt_ids"] + row["rejected_ids"] for row in rows])
    alone = [model.score([row["prompt_ids"] + row["chosen_ids"]])[0] for row in rows]
    assert all(a > b for a, b in zip(better, worse, strict=True))
    assert better == pytest.approx(alone, abs=1e-5)
    lowest = sum(torch.nn.functional.softplus(torch.tensor(b - a)) for a, b in zip(better, worse, strict=True)) / 3
    assert curve(result, "eval_loss")[-1] >= 0
    assert float(lowest) == pytest.approx(curve(result, "loss")[-1], abs=0.05)
    assert train_stage(spec, replace(DATA, held_out=[*PAIRS, *upside_down]), config, tmp_path / "out") == result


@pytest.mark.parametrize("method", ["rloo", "grpo"])
def test_an_online_method_reads_prompts_and_ends_answers_as_the_exam_does(
    method: str, start: Start, tmp_path: Path
) -> None:
    build = {"rloo": online.rloo, "grpo": online.grpo}[method]
    trainer = build(start, DATA, QUICK.changed(method=method, batch_size=8), tmp_path).trainer
    read, *_ = trainer._tokenize_prompts([row["prompt"] for row in trainer.train_dataset])
    assert read == [start.chat.encode(start.chat.render(row.messages)) for row in ROWS]
    assert sorted(trainer.eos_token_ids) == start.stops
    drawn = trainer.generation_config
    assert (drawn.temperature, drawn.top_p, drawn.top_k, drawn.max_new_tokens) == (1.0, 1.0, 0, 6)


@pytest.mark.parametrize("method", [pytest.param("rloo", marks=pytest.mark.slow), "grpo"])
def test_a_metric_of_the_exam_is_a_reward(method: str, base: Path, tmp_path: Path) -> None:
    """A model that gives right and wrong answers alike comes to give the right ones."""
    both = TrainingData([TrainRow(row.messages, row.completion) for row in RATED])
    torn = train_stage(
        ModelSpec(str(base)), both, SFT.changed(method="full", epochs=15, batch_size=6), tmp_path / "torn"
    )
    config = QUICK.changed(method=method, batch_size=96, completions=32, epochs=20, rank=16, alpha=32)
    result = train_stage(torn.spec, DATA, config, tmp_path / "out")
    rewards = curve(result, "reward")
    assert len(rewards) == 20
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.1
    assert margin(result.spec) > margin(torn.spec) + 0.5
    assert tiny_models.answer_nats(result.spec, ROWS) < tiny_models.answer_nats(torn.spec, ROWS)


def test_all_three_stages_of_rlhf(base: Path, tmp_path: Path) -> None:
    stages = (SFT.changed(epochs=12), QUICK.changed(method="reward"))
    config = QUICK.changed(method="rloo", reward="model", batch_size=24, epochs=12, after=stages)
    result = train(ModelSpec(str(base)), DATA, config, tmp_path / "out")
    rewards = curve(result, "reward")
    assert sum(rewards[-3:]) > sum(rewards[:3])
    assert [value for _, value in result.preferred] == [1.0] * 3
    assert result.spec.adapter == str(tmp_path / "out")
    assert (tmp_path / "out-2-reward").is_dir()
    assert train(ModelSpec(str(base)), DATA, config, tmp_path / "out") == result  # nothing is done again


def test_the_reward_is_the_mark_the_exam_would_give(start: Start) -> None:
    reward = _by_metric(start, DATA, "exact_match")
    right = start.chat.tokenizer("damaged<|eot_id|>", add_special_tokens=False)["input_ids"]
    wrong = start.chat.tokenizer("damaged goods", add_special_tokens=False)["input_ids"]
    mark = table.build("exact_match")
    for ids, text in ((right, "damaged"), (right[:-1], "damaged"), (wrong, "damaged goods")):
        assert reward([(ROWS[0], ids)]) == [mark(Example("", {}, "damaged", ""), Completion(text)).value]


def test_every_right_answer_is_rewarded(start: Start) -> None:
    row = replace(ROWS[0], others=("broken", "damaged goods"))
    reward = _by_metric(start, DATA, "exact_match")
    texts = ("damaged<|eot_id|>", "damaged goods<|eot_id|>", "goods<|eot_id|>")
    answers = [(row, start.chat.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    assert reward(answers) == [1.0, 1.0, 0.0]


def test_an_answer_is_rewarded_where_the_task_looks_for_it(start: Start) -> None:
    rows = replace(ROWS[0], target="so it is\ndamaged", others=("or\nbroken",))
    reward = _by_metric(start, replace(DATA, answer=AnswerRule("last_line")), "exact_match")
    texts = ("well\ndamaged<|eot_id|>", "well\nbroken<|eot_id|>", "damaged\nwell<|eot_id|>", "well\ndamaged")
    answers = [(rows, start.chat.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    assert reward(answers) == [1.0, 1.0, 0.0, 0.0], "and what was cut never came to its last line"


def test_an_answer_is_rewarded_without_its_thinking_and_earns_nothing_by_thinking_alone(start: Start) -> None:
    reward = _by_metric(start, DATA, "exact_match")
    texts = ("<think>so</think>damaged<|eot_id|>", "<think>damaged")
    answers = [(ROWS[0], start.chat.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    assert reward(answers) == [1.0, 0.0]


def test_a_target_that_cannot_be_marked_stops_the_training(start: Start) -> None:
    with pytest.raises(UserError, match="json_match cannot mark an answer to 'damaged': the target is not JSON"):
        _by_metric(start, DATA, "json_match")([(ROWS[0], [5])])


def test_online_settings_that_cannot_work_are_named(base: Path, tmp_path: Path) -> None:
    config = QUICK.changed(method="grpo", batch_size=12, completions=8)
    with pytest.raises(UserError, match="12 answers does not divide"):
        train_stage(ModelSpec(str(base)), DATA, config, tmp_path / "out")
    config = QUICK.changed(method="grpo", batch_size=32, completions=8)
    with pytest.raises(UserError, match="grpo asks 4 prompts at once, and there are 3 training rows"):
        train_stage(ModelSpec(str(base)), DATA, config, tmp_path / "out")
    config = QUICK.changed(method="grpo", batch_size=16, reward="model")
    with pytest.raises(UserError, match="no reward model"):
        train_stage(ModelSpec(str(base)), DATA, config, tmp_path / "out")
