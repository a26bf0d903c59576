"""Small random chat models of real architectures, each with its family's kind of tokenizer and chat template."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from harness.models.hf.model import HFModel
from harness.training import TrainRow
from harness.training.data.tokens import IGNORED, tokenize_all
from suites.model import ModelSpec

TEXT = [
    "the parcel for order 17 arrived late and the box was broken",
    "please route this ticket: refund, delivery, damaged, billing",
    'answer with {"intent": "refund"} and nothing else',
    "user assistant system hello world one two three four five six seven eight nine ten",
]

LLAMA_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
CHATML_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Qwen3's last answer and its prompt without thinking both carry an empty thought.
QWEN3_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
GEMMA_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
PHI_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "tie_word_embeddings": False,  # tied, random weights only repeat their last token
    "initializer_range": 0.2,  # large, so that the answers of a random model differ
}


def _byte_level(special: list[str]) -> Tokenizer:
    """Byte-level BPE, as Llama 3 and Qwen use."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def _sentencepiece(special: list[str], *, dummy_prefix: bool) -> Tokenizer:
    """SentencePiece-like BPE with byte fallback; Gemma writes no space before the first word, Phi does."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    space = [normalizers.Prepend("▁")] if dummy_prefix else []
    tokenizer.normalizer = normalizers.Sequence([*space, normalizers.Replace(" ", "▁")])
    strip = [decoders.Strip(" ", 1, 0)] if dummy_prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    # Without a pre-tokenizer whole sentences would become one piece, so train on words.
    trainer = trainers.BpeTrainer(vocab_size=640, special_tokens=pieces)
    tokenizer.train_from_iterator([" " + word for line in TEXT for word in line.split(" ")], trainer)
    # The trainer takes them all for control tokens, which no answer would show.
    made = json.loads(tokenizer.to_str())
    made["added_tokens"] = [token for token in made["added_tokens"] if token["content"] in special]
    return Tokenizer.from_str(json.dumps(made))


def _tokenizer(backend: Tokenizer, template: str | None, bos: str | None, special: list[str], **names: str) -> Any:
    # Byte pieces are ordinary pieces: only the listed tokens are special.
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    if bos:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, backend.token_to_id(bos))]
        )
        names["bos_token"] = bos
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **names)
    tokenizer.chat_template = template
    return tokenizer


def _llama() -> tuple[Any, list[str]]:
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"]
    names = {"eos_token": "<|eot_id|>"}  # no pad token, as Llama 3
    return _tokenizer(_byte_level(special), LLAMA_TEMPLATE, special[0], special, **names), special[1:3]


def _qwen(template: str) -> tuple[Any, list[str]]:
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return _tokenizer(_byte_level(special), template, None, special, **names), ["<|im_end|>", "<|endoftext|>"]


def _gemma() -> tuple[Any, list[str]]:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    backend = _sentencepiece(special, dummy_prefix=False)
    names = {"eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return _tokenizer(backend, GEMMA_TEMPLATE, "<bos>", special, **names), ["<eos>", "<end_of_turn>"]


def _phi() -> tuple[Any, list[str]]:
    special = ["<unk>", "<s>", "</s>", "<|endoftext|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    backend = _sentencepiece(special, dummy_prefix=True)
    names = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": "<unk>"}
    return _tokenizer(backend, PHI_TEMPLATE, "<s>", special, **names), ["<|endoftext|>", "<|end|>"]


ARCHITECTURES: dict[str, tuple[str, Callable[[], tuple[Any, list[str]]]]] = {
    "llama": ("LlamaConfig", _llama),
    "qwen2": ("Qwen2Config", lambda: _qwen(CHATML_TEMPLATE)),
    "qwen3": ("Qwen3Config", lambda: _qwen(QWEN3_TEMPLATE)),
    "gemma2": ("Gemma2Config", _gemma),
    "gemma3": ("Gemma3TextConfig", _gemma),
    "phi3": ("Phi3Config", _phi),
}


def build(name: str, folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Save a tiny model of the architecture as an ordinary folder and return the folder."""
    config_name, make_tokenizer = ARCHITECTURES[name]
    tokenizer, stops = make_tokenizer()
    pad = tokenizer.pad_token_id
    stop_ids = [tokenizer.convert_tokens_to_ids(stop) for stop in stops]
    sizes = {**SIZES, "vocab_size": len(tokenizer), "pad_token_id": pad, "eos_token_id": stop_ids, **changes}
    sizes["bos_token_id"] = tokenizer.bos_token_id
    config = getattr(transformers, config_name)(**sizes)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.generation_config.eos_token_id = stop_ids
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def answer_nats(spec: ModelSpec, rows: Sequence[TrainRow]) -> float:
    """Minus the log probability per token a model loaded as for an exam gives the rows' answers and their end."""
    model = HFModel(spec)
    total, count = 0.0, 0
    with model._at_work(), torch.inference_mode():
        for row in tokenize_all(model.chat, rows, model.stop):
            ids = torch.tensor([row["input_ids"]])
            at = [i for i, label in enumerate(row["labels"]) if label != IGNORED]
            # From the end: virtual tokens stand before the text.
            logprobs = model._model(input_ids=ids).logits[0, -ids.shape[1] :].log_softmax(-1)
            total -= float(logprobs[[i - 1 for i in at], ids[0, at]].sum())
            count += len(at)
    return total / count
