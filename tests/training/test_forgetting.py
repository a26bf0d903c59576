"""Replay and elastic weight consolidation: the shares and sums by hand, and that both keep what the base could do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import peft
import pytest
import tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.models import load
from harness.models.hf.chat import ChatTokenizer
from harness.models.hf.loading import load_base, stop_ids
from harness.training import TrainingConfig, TrainingData, TrainingResult, TrainRow, train_stage
from harness.training.data.tokens import IGNORED, Tokens, tokenize_all
from harness.training.methods.forgetting import Anchor, fisher, mix
from suites.model import Generation, ModelSpec, Prompt

torch.set_num_threads(1)


def row(question: str, answer: str) -> TrainRow:
    return TrainRow([{"role": "user", "content": question}], answer)


GENERAL = [row("hello", "world"), row("one two", "three"), row("four five", "six"), row("seven eight", "nine")]
TASK = [row("the box was broken", "damaged"), row("it arrived late", "delivery"), row("the bill is wrong", "billing")]
KNOWN = TrainingConfig(method="full", epochs=40, batch_size=4, learning_rate=1e-2)
NEW = TrainingConfig(method="full", epochs=25, batch_size=3, learning_rate=1e-2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows the general rows by heart."""
    folder = tiny_models.build("llama", tmp_path_factory.mktemp("random"))
    out = tmp_path_factory.mktemp("base") / "model"
    return Path(train_stage(ModelSpec(str(folder)), TrainingData(GENERAL), KNOWN, out).spec.base)


def train(base: Path, out: Path, config: TrainingConfig) -> TrainingResult:
    return train_stage(ModelSpec(str(base)), TrainingData(TASK, general=GENERAL), config, out)


def tokens(base: Path, rows: list[TrainRow]) -> list[Tokens]:
    chat = ChatTokenizer(base)
    return tokenize_all(chat, rows, stop_ids(base, chat.tokenizer.eos_token_id))


def right(spec: ModelSpec, rows: list[TrainRow]) -> int:
    answers = load(spec).generate([Prompt(r.target, r.messages) for r in rows], Generation(6))
    return sum(answer.text == r.target for answer, r in zip(answers, rows, strict=True))


@given(st.integers(1, 60), st.integers(1, 20), st.floats(0.01, 0.9), st.integers(0, 5))
def test_replay_is_its_share_of_all_and_repeats_evenly(n: int, n_general: int, share: float, seed: int) -> None:
    rows: list[Tokens] = [{"input_ids": [0, i], "labels": []} for i in range(n)]
    general: list[Tokens] = [{"input_ids": [1, i], "labels": []} for i in range(n_general)]
    mixed = mix(rows, general, share, seed)
    assert mixed[:n] == rows
    assert abs((len(mixed) - n) - share * len(mixed)) <= 0.5 + 1e-9
    times = Counter(each["input_ids"][1] for each in mixed[n:])
    counts = [times[i] for i in range(n_general)]
    assert max(counts) - min(counts) <= 1
    assert mix(rows, general, share, seed) == mixed


def test_fisher_is_the_mean_squared_gradient_of_drawn_answers(base: Path) -> None:
    """By hand for one weight matrix; the draw is repeated with the same seed."""
    model, [one] = load_base(base, "float32"), tokens(base, GENERAL[:1])
    weight = model.model.layers[0].mlp.down_proj.weight
    found = fisher(model, {"w": weight}, [one], seed=3)["w"]
    ids, labels = torch.tensor([one["input_ids"]]), torch.tensor(one["labels"])
    at = [i for i in range(len(labels) - 1) if labels[i + 1] != IGNORED]
    logprobs = model(input_ids=ids).logits[0, at].log_softmax(-1)
    drawn = torch.multinomial(logprobs.detach().exp(), 1, generator=torch.Generator().manual_seed(3))
    [gradient] = torch.autograd.grad(logprobs.gather(1, drawn).sum(), [weight])
    assert torch.allclose(found, gradient**2, rtol=1e-4, atol=1e-12)
    assert found.max() > 0


def test_fisher_leaves_the_model_as_it_was(base: Path) -> None:
    model = load_base(base, "float32")
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    fisher(model, {"w": model.model.layers[0].mlp.down_proj.weight}, tokens(base, GENERAL), seed=0)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.requires_grad
        assert parameter.grad is None


def test_penalty_of_all_weights_is_equation_3(base: Path) -> None:
    model = load_base(base, "float32")
    anchor = Anchor(model, tokens(base, GENERAL), strength=7.0, full=True, seed=0)
    assert anchor.penalty(model) == 0
    weight = model.model.layers[1].self_attn.q_proj.weight
    with torch.no_grad():
        weight[2, 3] += 0.5
        model.model.norm.weight[4] -= 0.25
    information = anchor.fisher["model.layers.1.self_attn.q_proj.weight"][2, 3]
    also = anchor.fisher["model.norm.weight"][4]
    by_hand = 7.0 / 2 * (float(information) * 0.5**2 + float(also) * 0.25**2)
    assert float(anchor.penalty(model)) == pytest.approx(by_hand, rel=1e-5)
    assert by_hand > 0


@pytest.mark.parametrize("rslora", [False, True])
def test_penalty_of_a_lora_is_that_of_the_merged_weights(rslora: bool, base: Path) -> None:
    """An adapter and the full model it merges into are the same distance from the base."""
    model = load_base(base, "float32")
    rows = tokens(base, GENERAL)
    anchor = Anchor(model, rows, strength=3.0, full=False, seed=0)
    tuned = peft.get_peft_model(
        model, peft.LoraConfig(r=3, lora_alpha=6, target_modules="all-linear", use_rslora=rslora, task_type="CAUSAL_LM")
    )
    assert float(anchor.penalty(tuned)) == 0
    torch.manual_seed(0)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.1)
    ours = float(anchor.penalty(tuned))
    merged = dict(tuned.merge_and_unload().named_parameters())
    home = dict(load_base(base, "float32").named_parameters())
    by_hand = sum(float((f * (merged[n] - home[n]) ** 2).sum()) for n, f in anchor.fisher.items()) * 3.0 / 2
    assert ours == pytest.approx(by_hand, rel=1e-3)
    assert ours > 0


def test_penalty_counts_once_however_a_step_is_cut(base: Path, tmp_path: Path) -> None:
    config = NEW.changed(ewc=3e5, epochs=5, batch_size=6)
    data = TrainingData(TASK * 2, general=GENERAL)
    whole = train_stage(ModelSpec(str(base)), data, config, tmp_path / "whole")
    parts = config.changed(batch_size=2, gradient_accumulation=3)
    cut = train_stage(ModelSpec(str(base)), data, parts, tmp_path / "parts")
    loss = [[v for _, name, v in result.loss_curve if name == "loss"] for result in (whole, cut)]
    assert loss[1] == pytest.approx(loss[0], rel=0.05)


def test_replay_and_ewc_keep_what_plain_training_forgets(base: Path, tmp_path: Path) -> None:
    plain = train(base, tmp_path / "plain", NEW)
    replayed = train(base, tmp_path / "replayed", NEW.changed(replay=0.5))
    held = train(base, tmp_path / "held", NEW.changed(ewc=3e6))
    assert right(ModelSpec(str(base)), GENERAL) == 4
    assert [right(result.spec, TASK) for result in (plain, replayed, held)] == [3, 3, 3]
    lost, less, least = (tiny_models.answer_nats(result.spec, GENERAL) for result in (plain, replayed, held))
    assert less < lost / 2
    assert least < lost / 5
    assert right(held.spec, GENERAL) >= 2 > right(plain.spec, GENERAL)
    assert replayed.train_rows == 6


def test_ewc_holds_a_lora_too(base: Path, tmp_path: Path) -> None:
    config = NEW.changed(method="lora", rank=8, alpha=16, epochs=60)
    plain = train(base, tmp_path / "plain", config)
    held = train(base, tmp_path / "held", config.changed(ewc=3e5))
    assert right(plain.spec, TASK) == right(held.spec, TASK) == 3
    assert tiny_models.answer_nats(held.spec, GENERAL) < tiny_models.answer_nats(plain.spec, GENERAL) / 2


@pytest.mark.parametrize("changes", [{"method": "ia3"}, {"variant": "dora"}, {"variant": "loha"}])
def test_ewc_is_refused_where_it_would_do_nothing(changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="`ewc` knows what full fine-tuning and LoRA change"):
        TrainingConfig.model_validate({"ewc": 1e5, **changes})
