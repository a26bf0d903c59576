"""A reward model: a LoRA and a number for an output, taught by pairs which answer is better, checked on held-out pairs.

Bradley-Terry (Ouyang et al. 2022, arXiv:2203.02155, equation 1), through TRL. It starts from the base of the model it
is to mark; an adapter of an earlier stage is not on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import peft
import torch
import transformers
import trl

from harness.config.recipe import TrainingConfig
from harness.models import files
from harness.models.bases import check_base
from harness.models.hf import loading
from harness.models.hf.chat import ChatTokenizer
from harness.training.methods import adapters
from harness.training.methods.preference import Ids, RowsAlike, pair_ids
from harness.training.methods.sft import Job, Start, arguments
from harness.training.types import PairRow, TrainingData
from suites.model import ModelSpec

BATCH = 32


def build(start: Start, data: TrainingData, config: TrainingConfig, out: Path) -> Job:
    """A reward model from `data.pairs`, checked on `data.held_out`."""
    rows = _whole(pair_ids(start, data.pairs, "preference"))
    held_out = _whole(pair_ids(start, data.held_out, "held-out preference")) if data.held_out else []
    torch.manual_seed(config.seed)  # the new output layer is random
    trainer = _Reward(
        _load_base(start.spec, start.base),
        args=trl.RewardConfig(**arguments(config, out, bool(held_out)), max_length=None),
        train_dataset=datasets.Dataset.from_list(rows),
        eval_dataset=datasets.Dataset.from_list(held_out) if held_out else None,
        processing_class=start.chat.tokenizer,
        peft_config=adapters.peft_config(config, task="SEQ_CLS"),
    )
    return Job(trainer, len(rows), 0, lambda: _preferred(trainer.model, data.held_out, held_out))


class _Reward(RowsAlike, trl.RewardTrainer):  # type: ignore[misc]  # trl publishes no types
    pass


class RewardModel:
    """A trained reward model, loaded from the folder it was left in."""

    def __init__(self, folder: Path, spec: ModelSpec, chat: ChatTokenizer) -> None:
        base = files.base_folder(spec.base, spec.revision)
        check_base(folder, spec, base)
        model = _load_base(spec, base)
        model.config.get_text_config().pad_token_id = _pad(chat)
        self._model = peft.PeftModel.from_pretrained(model, str(folder)).to(loading.pick_device()).eval()

    def score(self, rows: Sequence[list[int]]) -> list[float]:
        """The reward of each prompt with its answer, as token ids; any real number."""
        return score(self._model, rows)


def score(model: Any, rows: Sequence[list[int]]) -> list[float]:
    """The reward model's output at the last token of each row."""
    pad = model.config.get_text_config().pad_token_id
    rewards: list[float] = []
    model.eval()
    for at in range(0, len(rows), BATCH):
        part = [torch.tensor(row) for row in rows[at : at + BATCH]]
        ids = torch.nn.utils.rnn.pad_sequence(part, batch_first=True, padding_value=pad)
        lengths = torch.tensor([len(row) for row in part])
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        with torch.inference_mode():
            logits = model(input_ids=ids.to(model.device), attention_mask=mask.long().to(model.device)).logits
        rewards += logits[:, 0].float().tolist()
    return rewards


def _preferred(model: Any, pairs: Sequence[PairRow], rows: Sequence[Ids]) -> list[tuple[str, float]]:
    """For each pair the number of its prompt, and 1 where the chosen answer gets more, 1/2 for a tie, else 0."""
    better = score(model, [row["chosen_ids"] for row in rows])
    worse = score(model, [row["rejected_ids"] for row in rows])
    prompts = {str(prompt): str(i) for i, prompt in enumerate(dict.fromkeys(str(pair.messages) for pair in pairs))}
    return [
        (prompts[str(pair.messages)], (1.0 if a > b else 0.5 if a == b else 0.0))
        for pair, a, b in zip(pairs, better, worse, strict=True)
    ]


def _whole(rows: Sequence[Ids]) -> list[Ids]:
    return [
        {
            "chosen_ids": row["prompt_ids"] + row["chosen_ids"],
            "rejected_ids": row["prompt_ids"] + row["rejected_ids"],
        }
        for row in rows
    ]


def _load_base(spec: ModelSpec, base: Path) -> Any:
    """The base with one number for an output, which is random until trained."""
    device = loading.pick_device()
    return transformers.AutoModelForSequenceClassification.from_pretrained(
        base,
        num_labels=1,
        dtype=loading.DTYPES[loading.pick_dtype(spec.dtype, device)],
        trust_remote_code=False,
        use_safetensors=True,
        local_files_only=True,
        **loading.quantization(spec, device),
    )


def _pad(chat: ChatTokenizer) -> int:
    """The token TRL pads with."""
    pad = chat.tokenizer.pad_token_id
    return int(chat.tokenizer.eos_token_id if pad is None else pad)
