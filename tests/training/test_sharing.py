"""What rows of a batch begin with alike is read once: the loss, the gradients and the whole training stay the same."""

from __future__ import annotations

import copy
import pkgutil
from pathlib import Path
from typing import Any

import peft
import pytest
import tiny_models
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from trl.trainer.utils import add_fused_lm_head

from harness.config.recipe import TrainingConfig
from harness.models.hf.chat import ChatTokenizer
from harness.models.hf.loading import stop_ids
from harness.training import PairRow, RatedRow, TrainingData, TrainRow
from harness.training.methods.sft import Build, Start
from harness.training.sharing.layout import lay_out
from harness.training.sharing.proof import _difference, share_if_equal
from harness.training.sharing.share import share
from suites.model import ModelSpec

SMALL: dict[str, Any] = {
    "vocab_size": 97, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
WINDOW = 12  # shorter than the prefixes below
KINDS = {
    "llama": transformers.LlamaConfig(**SMALL),
    "mistral": transformers.MistralConfig(**SMALL, sliding_window=WINDOW),
    "qwen2": transformers.Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1),
    "qwen3": transformers.Qwen3Config(**SMALL, head_dim=16),
    "gemma2": transformers.Gemma2Config(**SMALL, head_dim=16, sliding_window=WINDOW),  # eager, with soft caps
    "gemma3": transformers.Gemma3TextConfig(**SMALL, head_dim=16, sliding_window=WINDOW),
    "phi3": transformers.Phi3Config(**SMALL, sliding_window=WINDOW),
    "smollm3": transformers.SmolLM3Config(**SMALL),
}


def model_of(kind: str, lora: bool) -> Any:
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(copy.deepcopy(KINDS[kind]))
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape) * 0.08 if parameter.dim() > 1 else parameter.data
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
    if not lora:
        return model
    tuned = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:  # zero at the start, which would hide half of the gradients
            parameter.data = torch.randn(parameter.shape) * 0.1
    return tuned


def padded(rows: list[list[int]], left: bool) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    ids, mask = torch.zeros(len(rows), longest, dtype=torch.long), torch.zeros(len(rows), longest, dtype=torch.long)
    for i, row in enumerate(rows):
        place = slice(longest - len(row), longest) if left else slice(len(row))
        ids[i, place], mask[i, place] = torch.tensor(row), 1
    return ids, mask


def batch(left: bool) -> dict[str, torch.Tensor]:
    """Two prefixes, one row without either, and one that is there twice; the loss is on the last four tokens."""
    chance = torch.Generator().manual_seed(3)

    def words(n: int) -> list[int]:
        return torch.randint(3, 97, (n,), generator=chance).tolist()

    one, other = words(20), words(15)
    rows = [one + words(5), one + words(9), other + words(7), one + words(17), other + words(4), words(11)]
    ids, mask = padded([*rows, rows[0]], left)
    place = mask.cumsum(-1)
    scored = (mask == 1) & (place > place[:, -1:] - 4)
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(~scored, -100)}


def step(model: Any, given: dict[str, torch.Tensor]) -> tuple[Any, torch.Tensor]:
    model.zero_grad()
    output = model(**given, fused_lm_head=True)
    output.loss.backward()
    return output, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_are_those_of_the_plain_step(kind: str, lora: bool, left: bool) -> None:
    model, given = model_of(kind, lora), batch(left)
    plain, gradient = step(model, given)
    share(model)
    shared, other = step(model, given)
    assert shared.loss.item() == pytest.approx(plain.loss.item(), abs=1e-6)
    assert (gradient - other).norm() / gradient.norm() < 1e-5
    torch.testing.assert_close(shared.log_probs, plain.log_probs, atol=1e-5, rtol=0)
    torch.testing.assert_close(shared.entropy, plain.entropy, atol=1e-5, rtol=0)
    assert torch.equal(shared.is_top1, plain.is_top1)
    assert torch.equal(shared.label_mask, plain.label_mask)


def test_of_a_row_alone_only_tokens_with_loss_reach_the_head() -> None:
    model, given = model_of("llama", lora=True), {name: each[:1] for name, each in batch(left=False).items()}
    shapes: list[tuple[int, ...]] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        plain, gradient = step(model, given)
        longest = given["input_ids"].shape[1]
        assert (longest - 1, 32) in shapes
        share(model)
        shapes.clear()
        alone, other = step(model, given)
    assert (4, 32) in shapes
    assert (longest - 1, 32) not in shapes
    assert alone.loss.item() == pytest.approx(plain.loss.item(), abs=1e-6)
    assert (gradient - other).norm() / gradient.norm() < 1e-5
    torch.testing.assert_close(alone.log_probs, plain.log_probs, atol=1e-5, rtol=0)
    assert torch.equal(alone.label_mask, plain.label_mask)


def test_a_step_with_checkpointed_gradients_is_the_same_too() -> None:
    model, given = model_of("llama", lora=True), batch(left=False)
    _, gradient = step(model, given)
    share(model)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    _, other = step(model, given)
    assert (gradient - other).norm() / gradient.norm() < 1e-5


def test_an_adapter_switched_off_reads_as_the_base_does() -> None:
    model, given = model_of("llama", lora=True), batch(left=False)
    with torch.no_grad(), model.disable_adapter():
        plain = model(**given, fused_lm_head=True).log_probs
    share(model)
    with torch.no_grad(), model.disable_adapter():
        shared = model(**given, fused_lm_head=True).log_probs
    torch.testing.assert_close(shared, plain, atol=1e-5, rtol=0)


def test_a_model_that_scores_whole_rows_gives_the_same_scores() -> None:
    torch.manual_seed(0)
    config = copy.deepcopy(KINDS["llama"])
    config.num_labels = 1
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    given = {name: value for name, value in batch(left=False).items() if name != "labels"}
    plain = model(**given).logits
    share(model)
    torch.testing.assert_close(model(**given).logits, plain, atol=1e-6, rtol=0)


def test_what_is_written_answer_by_answer_comes_out_as_ever() -> None:
    model, given = model_of("llama", lora=False), batch(left=True)
    asked = {"input_ids": given["input_ids"], "attention_mask": given["attention_mask"]}
    plain = model.generate(**asked, max_new_tokens=8, do_sample=False)
    share(model)
    assert torch.equal(model.generate(**asked, max_new_tokens=8, do_sample=False), plain)


def test_a_model_that_reads_across_rows_in_another_way_is_left_alone() -> None:
    """A short convolution beside attention: in one list of tokens it would look into the row before."""
    config = transformers.Lfm2Config(
        **{**SMALL, "num_hidden_layers": 2}, layer_types=["conv", "full_attention"], block_auto_adjust_ff_dim=False
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config)
    add_fused_lm_head(model)
    plain, _ = step(model, batch(left=False))
    assert "would differ" in share_if_equal(model) or "do not take it" in share_if_equal(model)
    again, _ = step(model, batch(left=False))
    assert torch.equal(again.log_probs, plain.log_probs)


def test_virtual_tokens_are_read_as_ever() -> None:
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    model = peft.get_peft_model(model_of("llama", lora=False), config)
    assert share_if_equal(model) == "virtual tokens stand before them"


def test_looking_whether_it_is_the_same_uses_up_no_luck_and_leaves_no_gradient() -> None:
    model = model_of("llama", lora=True)
    before = torch.get_rng_state()
    assert share_if_equal(model) == ""
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("dtype", "then", "now", "same"),
    [
        (torch.float32, 10_000.0, 10_001.0, True),  # one in ten thousand
        (torch.float32, 10_000.0, 10_001.5, False),
        (torch.bfloat16, 20.0, 21.0, True),  # one in twenty
        (torch.bfloat16, 20.0, 21.125, False),
        (torch.float32, 1.0, float("nan"), False),
    ],
)
def test_states_may_differ_by_rounding_and_no_more(dtype: torch.dtype, then: float, now: float, same: bool) -> None:
    told = _difference([torch.tensor([then], dtype=dtype)], [torch.tensor([now], dtype=dtype)])
    assert (told == "") is same


@pytest.mark.parametrize(("alike", "shared"), [(8, False), (9, True)])
def test_a_beginning_is_shared_when_that_saves_more_than_it_costs(alike: int, shared: bool) -> None:
    layout = lay_out(*padded([[5] * alike + [6, 7], [5] * alike + [7, 6]], left=False))
    assert layout.tokens == 2 * alike + 4 - (alike if shared else 0)


rows_of_tokens = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=12), min_size=2, max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows_of_tokens, st.booleans())
def test_every_token_of_a_batch_is_found_in_the_list_at_its_own_position(rows: list[list[int]], left: bool) -> None:
    ids, mask = padded(rows, left)
    layout = lay_out(ids, mask)
    real = mask.bool()
    assert torch.equal(layout.ids[0][layout.source][real], ids[real])
    assert torch.equal(layout.positions[0][layout.source][real], (mask.cumsum(-1) - 1)[real])
    assert layout.tokens <= real.sum()


@settings(max_examples=60, deadline=None)
@given(rows_of_tokens, st.sampled_from([None, 1, 3, 40]))
def test_a_token_sees_what_stands_before_it_in_its_own_row_and_nothing_else(
    rows: list[list[int]], window: int | None
) -> None:
    layout = lay_out(*padded(rows, left=False))
    _, of_rows = layout.masks(window)
    for i, row in enumerate(rows):
        own = int(layout.rows.lengths[i])
        for query in range(own):
            place = len(row) - own + query
            seen = of_rows[min(i, len(of_rows) - 1), 0, query].nonzero()[:, 0].tolist()
            wide = layout.prefixes.width if layout.prefixes else 0
            positions = [key if key < wide else key - wide + len(row) - own for key in seen]
            assert positions == list(range(max(0, place - window + 1) if window else 0, place + 1))


def test_a_row_without_tokens_cannot_be_laid_out() -> None:
    with pytest.raises(ValueError, match="a row without tokens"):
        lay_out(torch.ones(2, 3, dtype=torch.long), torch.tensor([[1, 1, 1], [0, 0, 0]]))


# --- whole trainings

POLICY = "route this ticket: refund, delivery, damaged, billing"
TEXTS = ["the box was broken", "it arrived late", "the bill is wrong", "order seven hello", "please answer", "two four"]
LABELS = ["damaged", "delivery", "billing", "refund"]


def lesson(text: str, answer: str) -> TrainRow:
    return TrainRow([{"role": "system", "content": POLICY}, {"role": "user", "content": text}], answer, text)


ROWS = [lesson(f"{text} {number}", LABELS[number % 4]) for number in range(4) for text in TEXTS]
PAIRS = [PairRow(row.messages, row.target, "hello world") for row in ROWS]
RATED = [RatedRow(row.messages, text, text == row.target) for row in ROWS[:8] for text in (row.target, "hello")]
DATA = TrainingData(ROWS, ROWS[:6], general=[TrainRow([{"role": "user", "content": "hello"}], "world")] * 4,
                    pairs=PAIRS[:12], held_out=PAIRS[:6], rated=RATED)  # fmt: skip
METHODS: list[tuple[str, int, dict[str, Any]]] = [
    ("lora", 50, {"epochs": 9}),
    ("full", 12, {"replay": 0.2, "learning_rate": 1e-3}),
    ("lora", 6, {"ewc": 10.0, "gradient_accumulation": 2}),
    ("ia3", 8, {}),
    ("dpo", 6, {}),
    ("kto", 4, {"epochs": 1}),
    ("reward", 6, {}),
    ("rloo", 4, {"epochs": 1, "completions": 2, "max_new_tokens": 4}),
    ("grpo", 4, {"epochs": 1, "completions": 2, "max_new_tokens": 4}),
]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    base = tiny_models.build("llama", tmp_path_factory.mktemp("base"))
    chat = ChatTokenizer(base)
    return Start(ModelSpec(str(base)), base, chat, stop_ids(base, chat.tokenizer.eos_token_id), 256, 256)


def curve(start: Start, config: TrainingConfig, out: Path, shared: bool) -> list[dict[str, float]]:
    """What TRL's trainer of a method logs step by step."""
    build: Build = pkgutil.resolve_name(config.kind.build)
    torch.manual_seed(0)
    trainer = build(start, DATA, config, out).trainer
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.args.metric_for_best_model, trainer.args.load_best_model_at_end = None, False  # nobody judges the steps
    if shared:
        assert share_if_equal(trainer.model) == ""
    trainer.train()
    return list(trainer.state.log_history)


@pytest.mark.parametrize(("method", "steps", "changes"), METHODS, ids=[f"{m}-{'-'.join(c)}" for m, _, c in METHODS])
def test_a_training_takes_the_way_it_takes_in_trl_alone(
    start: Start, method: str, steps: int, changes: dict[str, Any], tmp_path: Path
) -> None:
    config = TrainingConfig(**{"method": method, "batch_size": 4, "rank": 4, "epochs": 2, **changes})
    alone, shared = (curve(start, config, tmp_path / str(way), shared=way) for way in (False, True))
    assert len(alone) == len(shared) > steps
    for one, other in zip(alone, shared, strict=True):
        for name in ("loss", "eval_loss", "grad_norm", "mean_token_accuracy", "eval_mean_token_accuracy", "reward"):
            assert other.get(name) == pytest.approx(one.get(name), abs=1e-4), (name, one["step"])
