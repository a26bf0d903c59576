"""Small encoders made on the spot: one that knows some words to mean the same, and one that reads eight tokens."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


def of_synonyms(folder: Path, groups: Sequence[str]) -> Path:
    """An encoder by which the words of a group, parted by spaces, mean the same, and any two groups have nothing in
    common."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    words = {word: at for at, group in enumerate(groups, 1) for word in group.split()}
    numbers = {"[UNK]": 0, **{word: place for place, word in enumerate(words, 1)}}
    weights = torch.zeros(len(numbers), len(groups) + 1)
    for word, place in numbers.items():
        weights[place, words.get(word, 0)] = 1.0 if word in words else 0.01
    encoder = StaticEmbedding(_tokenizer(numbers), embedding_weights=weights.numpy())
    SentenceTransformer(modules=[encoder], device="cpu").save(str(folder))
    return folder


def of_eight_tokens(folder: Path) -> Path:
    """A random BERT that reads eight tokens, as `save_pretrained` writes it: nothing says how its tokens become one."""
    return _bert(folder, {"[UNK]": 0, "[PAD]": 1, **{f"w{place}": place for place in range(2, 30)}}, limit=8)


def of_framed_words(folder: Path) -> Path:
    """A random BERT that reads [CLS] before the words w4 to w29 and [SEP] after them."""
    numbers = {"[UNK]": 0, "[PAD]": 1, "[CLS]": 2, "[SEP]": 3, **{f"w{place}": place for place in range(4, 30)}}
    return _bert(folder, numbers, limit=32, cls_token="[CLS]", sep_token="[SEP]")


def _bert(folder: Path, numbers: dict[str, int], limit: int, **marks: str) -> Path:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(numbers), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=limit,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    tokenizer = _tokenizer(numbers)
    if marks:
        pair = [(mark, numbers[mark]) for mark in ("[CLS]", "[SEP]")]
        tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=pair)
    read = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=limit, **marks
    )
    read.save_pretrained(folder)
    return folder


def _tokenizer(numbers: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer
