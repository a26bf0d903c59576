"""Every supervised method on a tiny model: it learns, comes back from disk the same, and changes what is answered."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import tiny_models
import torch

from harness.config.methods import METHODS
from harness.models import load
from harness.models.hf import loading
from harness.models.hf.chat import ChatTokenizer
from harness.models.hf.model import HFModel
from harness.training import TrainingConfig, TrainingData, TrainRow, train_stage
from harness.training.methods import adapters
from harness.training.methods.sft import Start, supervised
from suites.errors import UserError
from suites.model import Generation, ModelSpec, Prompt

torch.set_num_threads(1)

ANSWERS = {"the box was broken": "damaged", "it arrived late today": "delivery", "the bill is wrong": "billing"}
ROWS = [TrainRow([{"role": "user", "content": question}], answer) for question, answer in ANSWERS.items()]
PROMPTS = [Prompt(row.target, row.messages) for row in ROWS]
LESSON = TrainingConfig(epochs=25, batch_size=3, rank=4, alpha=8, virtual_tokens=8)
METHOD_RATES = {"full": 1e-2, "lora": 1e-2, "qlora": 1e-2, "ia3": 0.3, "prompt_tuning": 1.0, "prefix_tuning": 0.3}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Sizes of whole quantisation blocks, 64 weights each.
    return tiny_models.build("llama", tmp_path_factory.mktemp("base"), hidden_size=64, head_dim=32)


def train(base: Path, out: Path, config: TrainingConfig, rows: list[TrainRow] = ROWS) -> Any:
    return train_stage(ModelSpec(str(base)), TrainingData(rows), config, out)


def losses(result: Any) -> list[float]:
    return [value for _, name, value in result.loss_curve if name == "loss"]


@pytest.mark.parametrize("method", list(METHOD_RATES))
def test_each_method_learns_and_its_result_answers_differently_from_the_base(
    method: str, base: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    config = LESSON.changed(method=method, learning_rate=METHOD_RATES[method])
    result = train(base, tmp_path / "out", config)
    assert losses(result)[-1] < losses(result)[0] / 2
    before = load(ModelSpec(str(base), load_in=result.spec.load_in)).generate(PROMPTS, Generation(6))
    after = load(result.spec).generate(PROMPTS, Generation(6))
    assert [a.text for a in after] != [b.text for b in before]
    assert load(result.spec).identity != load(ModelSpec(str(base))).identity
    effect = HFModel(result.spec).effect(PROMPTS)
    assert effect is None if method == "full" else effect > 1
    assert [str(each.message) for each in recwarn if each.category is UserWarning] == []  # a user would see them


@pytest.mark.parametrize("method", list(METHOD_RATES))
def test_what_was_trained_is_what_is_loaded(method: str, base: Path, tmp_path: Path) -> None:
    """The loss of the trainer's model, at a rate too small to move it, is that of the model that is loaded."""
    config = LESSON.changed(method=method, epochs=1, learning_rate=1e-12, warmup_share=0)
    result = train(base, tmp_path / "out", config)
    assert tiny_models.answer_nats(result.spec, ROWS) == pytest.approx(losses(result)[0], rel=1e-3)


@pytest.mark.parametrize("method", ["prompt_tuning", "prefix_tuning"])
def test_virtual_tokens_give_the_same_answer_alone_and_in_a_batch(method: str, base: Path, tmp_path: Path) -> None:
    """Left padding would move the prompt away from the virtual tokens."""
    result = train(base, tmp_path / "out", LESSON.changed(method=method, learning_rate=0.3, epochs=3))
    long = Prompt("long", [{"role": "user", "content": "please route this ticket: " + "the parcel was late " * 5}])
    together = [a.text for a in load(result.spec).generate([*PROMPTS, long], Generation(12))]
    alone = [load(result.spec).generate([prompt], Generation(12))[0].text for prompt in (*PROMPTS, long)]
    assert together == alone


@pytest.fixture(scope="module")
def plain(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], list[float]]:
    """The losses of a LoRA of no variant at a learning rate."""

    @functools.cache
    def at(rate: float) -> list[float]:
        return losses(train(base, tmp_path_factory.mktemp("plain") / "out", LESSON.changed(learning_rate=rate)))

    return at


@pytest.mark.parametrize("variant", list(adapters.VARIANTS))
def test_variants_of_lora_are_other_adapters(
    variant: str, base: Path, plain: Callable[[float], list[float]], tmp_path: Path
) -> None:
    rate = 5e-2 if variant in ("loha", "lokr") else 1e-2
    result = train(base, tmp_path / "out", LESSON.changed(variant=variant, learning_rate=rate))
    answers = load(result.spec).generate(PROMPTS, Generation(6))
    assert [answer.text for answer in answers] == list(ANSWERS.values())
    assert losses(result) != plain(rate)
    assert tiny_models.answer_nats(result.spec, ROWS) < 0.5
    assert HFModel(result.spec).effect(PROMPTS) > 1


def test_dora_is_refused_where_it_would_divide_by_zero(base: Path, tmp_path: Path) -> None:
    model = loading.load_base(base, "float32")
    model.model.layers[1].self_attn.k_proj.weight.data[3] = 0
    shutil.copytree(base, tmp_path / "base")
    model.save_pretrained(tmp_path / "base")
    with pytest.raises(UserError, match=r"rows of zeros, first model.layers.1.self_attn.k_proj"):
        train(tmp_path / "base", tmp_path / "out", LESSON.changed(variant="dora"))


@pytest.mark.parametrize("name", list(tiny_models.ARCHITECTURES))
def test_packed_rows_do_not_see_each_other(name: str, tmp_path: Path) -> None:
    """Rows laid end to end have the losses of rows that are padded; a leak would lower them."""
    base = tiny_models.build(name, tmp_path / "base")
    config = LESSON.changed(epochs=4, learning_rate=1e-2)
    padded = train(base, tmp_path / "padded", config)
    packed = train(base, tmp_path / "packed", config.changed(packing=True))
    assert losses(packed) == pytest.approx(losses(padded), rel=1e-3)


def test_a_four_bit_base_takes_a_quarter_of_the_memory_of_its_linear_weights(base: Path) -> None:
    def linear_bytes(config: TrainingConfig, dtype: str) -> int:
        model = adapters.load(ModelSpec(str(base), dtype=dtype), base, config)
        head = model.get_output_embeddings()
        weights = [m.weight for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
        return sum(w.nbytes for w in weights)

    half = linear_bytes(TrainingConfig(method="lora"), "bfloat16")
    assert linear_bytes(TrainingConfig(method="qlora"), "auto") == half / 4


def test_four_bits_of_rows_that_are_no_whole_blocks(tmp_path: Path) -> None:
    base = tiny_models.build("llama", tmp_path / "base", hidden_size=64, head_dim=32, intermediate_size=96)
    result = train(base, tmp_path / "out", LESSON.changed(method="qlora", learning_rate=1e-2))
    assert tiny_models.answer_nats(result.spec, ROWS) < losses(result)[0] / 3


def test_four_bits_without_bitsandbytes_say_what_to_install(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError) as told:
        train(base, tmp_path / "out", LESSON.changed(method="qlora"))
    assert told.value.fix == "pip install 'finetune-harness[4bit]'"


def test_gradient_accumulation_is_a_larger_batch(base: Path, tmp_path: Path) -> None:
    rows = ROWS * 2
    whole = train(base, tmp_path / "whole", LESSON.changed(batch_size=6, epochs=3, learning_rate=1e-2), rows)
    parts = LESSON.changed(batch_size=2, gradient_accumulation=3, epochs=3, learning_rate=1e-2)
    assert losses(train(base, tmp_path / "parts", parts, rows)) == pytest.approx(losses(whole), rel=0.05)


def test_a_new_adapter_trains_what_its_method_says(base: Path) -> None:
    def trained(method: str) -> set[str]:
        model = adapters.load(ModelSpec(str(base)), base, TrainingConfig(method=method))
        tuned = peft.get_peft_model(model, adapters.peft_config(TrainingConfig(method=method)))
        names = {n for n, p in tuned.named_parameters() if p.requires_grad}
        return {part for name in names for part in name.split(".") if part.endswith("_proj")}

    attention = {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert trained("lora") == attention | {"gate_proj", "up_proj", "down_proj"}
    assert trained("ia3") == {"k_proj", "v_proj", "down_proj"}
    assert trained("prompt_tuning") == trained("prefix_tuning") == set()


@pytest.mark.parametrize("method", list(METHOD_RATES))
def test_the_learning_rate_is_the_method_s_own_with_a_warm_up_and_a_cosine(
    method: str, base: Path, tmp_path: Path
) -> None:
    spec = ModelSpec(str(base))
    start = Start(spec, base, ChatTokenizer(base), loading.stop_ids(base, None), 256, 256)
    job = supervised(start, TrainingData(ROWS * 10), TrainingConfig(method=method, batch_size=3), tmp_path)
    assert job.trainer.args.learning_rate == METHODS[method].learning_rate
    assert (job.trainer.args.lr_scheduler_type, job.trainer.args.get_warmup_steps(30)) == ("cosine", 2)
