"""Supervised fine-tuning on tiny models: it learns, on the answers only, repeatably, and stops where it should."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch

from harness.models.files import tensors_hash
from harness.models.hf.chat import ChatTokenizer
from harness.models.hf.loading import stop_ids
from harness.models.hf.model import HFModel
from harness.models.hf.padded import Plain
from harness.training import TrainingConfig, TrainingData, TrainingDiverged, TrainingResult, TrainRow, train_stage
from harness.training.data.tokens import IGNORED, check_rows, tokenize
from suites.errors import UserError
from suites.model import Generation, ModelSpec, Prompt

torch.set_num_threads(1)

ANSWERS = {"the box was broken": "damaged", "it arrived late": "delivery", "the bill is wrong": "billing"}
ROWS = [TrainRow([{"role": "user", "content": question}], answer) for question, answer in ANSWERS.items()]
QUICK = TrainingConfig(epochs=2, batch_size=2, rank=4, alpha=8, learning_rate=1e-2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("llama", tmp_path_factory.mktemp("base"))


def train(base: Path, out: Path, config: TrainingConfig = QUICK, **data: Any) -> TrainingResult:
    rows = TrainingData(data.get("train", ROWS), data.get("validation", ()))
    return train_stage(ModelSpec(str(base)), rows, config, out, data.get("on_log"))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_memorises_a_small_set(method: str, base: Path, tmp_path: Path) -> None:
    config = TrainingConfig(method=method, epochs=30, batch_size=3, learning_rate=1e-2)
    result = train(base, tmp_path / "out", config, validation=ROWS[:1])
    losses = [value for _, name, value in result.loss_curve if name == "loss"]
    assert losses[-1] < losses[0] / 5  # a frozen random head keeps LoRA from going lower
    looks = [step for step, name, _ in result.loss_curve if name == "eval_loss"]
    assert looks == [6, 12, 18, 24, 30]  # five times, as there are more epochs than that
    answers = HFModel(result.spec).generate([Prompt(row.target, row.messages) for row in ROWS], Generation(8))
    assert [(answer.text, answer.finish) for answer in answers] == [(row.target, "stop") for row in ROWS]
    assert (result.steps, result.train_rows) == (30, 3)
    assert not result.spec.adapter if method == "full" else result.spec.adapter


def test_first_loss_is_the_model_s_own_log_likelihood(base: Path, tmp_path: Path) -> None:
    result = train(base, tmp_path / "out", TrainingConfig(epochs=1, batch_size=3))
    model = HFModel(ModelSpec(str(base)))
    # The stop token is part of the lesson; what the template writes after it is not.
    pairs = []
    for row in ROWS:
        ids = tokenize(model.chat, row, model.stop)["input_ids"]
        start = len(model.chat.encode(model.chat.render(row.messages)))
        pairs.append((ids[:start], ids[start:]))
    assert [model.chat.decode(answer) for _, answer in pairs] == [row.target for row in ROWS]
    scored = Plain(model._model, model.device, model.stop).loglikelihood(pairs)
    total = sum(score.logprob for batch in scored for _, score in batch)
    assert result.loss_tokens == sum(len(answer) for _, answer in pairs)
    assert result.loss_curve[0][2] == pytest.approx(-total / result.loss_tokens, rel=1e-4)


@pytest.mark.parametrize("name", list(tiny_models.ARCHITECTURES))
def test_loss_is_on_the_answer_and_its_stop_token_only(name: str, tmp_path: Path) -> None:
    folder = tiny_models.build(name, tmp_path / name)
    chat = ChatTokenizer(folder)
    stops = stop_ids(folder, chat.tokenizer.eos_token_id)
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello order 17"}]
    row = tokenize(chat, TrainRow(messages, "damaged"), stops)  # type: ignore[arg-type]
    prompt = chat.encode(chat.render(messages))  # type: ignore[arg-type]
    assert row["input_ids"][: len(prompt)] == prompt
    assert row["labels"][: len(prompt)] == [IGNORED] * len(prompt)
    learnt = row["labels"][len(prompt) :]
    assert learnt == row["input_ids"][len(prompt) :]
    assert learnt[-1] in stops
    assert chat.decode(learnt[:-1]).strip() == "damaged"


def test_divergence_is_named(base: Path, tmp_path: Path) -> None:
    config = TrainingConfig(epochs=3, batch_size=3, learning_rate=1e30, warmup_share=0)
    with pytest.raises(TrainingDiverged, match=r"diverged at step 2 of 3: \w+ is (nan|inf)"):
        train(base, tmp_path / "out", config)
    assert not (tmp_path / "out").exists()


def test_target_modules_the_model_has_not(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be set up: Target modules"):
        train(base, tmp_path / "out", TrainingConfig(target_modules=["c_attn"]))


def test_divergence_in_the_last_step_is_found_in_the_weights(base: Path, tmp_path: Path) -> None:
    config = TrainingConfig(
        method="full", epochs=1, batch_size=3, learning_rate=3e37, weight_decay=90.0, warmup_share=0
    )
    with pytest.raises(TrainingDiverged, match=r"diverged: \d+ of \d+ tensors"):
        train(base, tmp_path / "out", config)


def test_rows_too_long_are_refused(base: Path, tmp_path: Path) -> None:
    long = TrainRow([{"role": "user", "content": "hello " * 40}], "damaged")
    found = r"1 of 4 training rows are longer than 40 tokens.*the longest has \d\d"
    with pytest.raises(UserError, match=found) as told:
        train(base, tmp_path / "out", TrainingConfig(max_length=40), train=[*ROWS, long])
    assert "max_length" in told.value.fix
    with pytest.raises(UserError, match="1 of 1 validation rows"):
        train(base, tmp_path / "out", TrainingConfig(max_length=40), validation=[long])


def test_max_length_cannot_exceed_the_context(base: Path, tmp_path: Path) -> None:
    long = TrainRow([{"role": "user", "content": "hello " * 300}], "damaged")
    with pytest.raises(UserError, match="longer than 256 tokens"):
        train(base, tmp_path / "out", TrainingConfig(max_length=4096), train=[long])


def test_template_without_a_stop_token_is_refused(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "base"))
    template = "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }} {% endfor %}"
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(UserError, match="3 of 3 training rows the answer ends without a stop token"):
        train(folder, tmp_path / "out")


def test_no_rows(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no training rows"):
        train(base, tmp_path / "out", train=[])
    with pytest.raises(UserError, match="no validation rows"):
        check_rows([], 10, [1], "validation")


def test_interrupted_training_is_not_taken_as_finished(base: Path, tmp_path: Path) -> None:
    def interrupt(step: int, total: int, logs: Mapping[str, float]) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train(base, out, on_log=interrupt)
    assert not out.exists()
    (out.with_name("out.partial") / "adapter_model.safetensors").write_text("half a file")
    assert train(base, out).steps == 4
    assert not out.with_name("out.partial").exists()


def test_finished_training_is_not_done_again(base: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    first = train(base, tmp_path / "out")
    again = train(base, tmp_path / "out", on_log=lambda step, total, logs: steps.append(step))
    assert (again, steps) == (first, [])
    with pytest.raises(UserError, match="holds something else"):
        train(base, tmp_path / "out", train=ROWS[:2])
    (tmp_path / "out" / "harness_training.json").unlink()
    with pytest.raises(UserError, match="holds something else"):
        train(base, tmp_path / "out")


def test_same_seed_same_weights(base: Path, tmp_path: Path) -> None:
    seeds = {"a": 1, "b": 1, "c": 2}
    weights = {}
    for name, seed in seeds.items():
        train(base, tmp_path / name, TrainingConfig(epochs=2, batch_size=2, seed=seed, dropout=0.1))
        weights[name] = (tmp_path / name / "adapter_model.safetensors").read_bytes()
    assert weights["a"] == weights["b"] != weights["c"]


def test_record_says_what_the_adapter_was_made_from(base: Path, tmp_path: Path) -> None:
    result = train(base, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "harness_training.json").read_text())
    assert record["base"]["weights"] == tensors_hash(base)
    assert record["config"]["rank"] == 4
    assert record["result"]["loss_tokens"] == result.loss_tokens
    assert set(record["versions"]) == {"torch", "transformers", "trl", "peft"}
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names


def test_full_model_keeps_its_stop_tokens_and_template(base: Path, tmp_path: Path) -> None:
    train(base, tmp_path / "out", TrainingConfig(method="full", epochs=1))
    for name in ("generation_config.json", "chat_template.jinja", "tokenizer.json"):
        assert (tmp_path / "out" / name).read_bytes() == (base / name).read_bytes()
    tuned, before = HFModel(ModelSpec(str(tmp_path / "out"))), HFModel(ModelSpec(str(base)))
    assert tuned.identity.template == before.identity.template
    assert tuned.identity.weights != before.identity.weights


def test_model_without_template_learns_the_fallback(tmp_path: Path) -> None:
    folder = tiny_models.build("phi3", tmp_path / "base")
    (folder / "chat_template.jinja").unlink()
    result = train(folder, tmp_path / "out", TrainingConfig(epochs=30, batch_size=3, rank=8, learning_rate=2e-2))
    tuned = HFModel(result.spec)
    answers = tuned.generate([Prompt(row.target, row.messages) for row in ROWS], Generation(8))
    assert [(answer.text.strip(), answer.finish) for answer in answers] == [(row.target, "stop") for row in ROWS]
    assert tuned.identity.template == HFModel(ModelSpec(str(folder))).identity.template


def test_training_says_nothing_of_its_own(base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int, dict[str, float]]] = []
    train(base, tmp_path / "out", on_log=lambda step, total, logs: seen.append((step, total, dict(logs))))
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert [(step, total) for step, total, _ in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {"loss", "grad_norm", "learning_rate", "memory_gb", "tokens_per_second"} == set(seen[0][2])


def test_adapter_as_a_starting_point_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="starts from a base"):
        train_stage(ModelSpec(str(base), adapter="x"), TrainingData(ROWS), QUICK, tmp_path / "out")
