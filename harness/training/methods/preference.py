"""Learning from preferences without drawing answers: DPO from pairs, KTO from single answers rated good or bad.

DPO (Rafailov et al. 2023, arXiv:2305.18290) and KTO (Ethayarajh et al. 2024, arXiv:2402.01306) pull a LoRA away from
where it starts, no further than `beta` lets them: from the base, or from the adapter an earlier stage made.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import trl

from harness.config.recipe import TrainingConfig
from harness.training.data.tokens import IGNORED
from harness.training.methods import adapters
from harness.training.methods.sft import Job, Start, arguments, beta, tokens
from harness.training.types import PairRow, RatedRow, TrainingData, TrainRow
from suites.errors import UserError

Ids = dict[str, Any]


class RowsAlike:
    """A trainer's step in which each row counts alike, however it is split into passes: the mean of the passes' means
    would give more to the rows of a last one that is shorter."""

    _rows = 0.0

    def get_batch_samples(self, *args: Any) -> tuple[list[Any], Any]:
        samples, items = super().get_batch_samples(*args)  # type: ignore[misc]  # of the trainer beside it
        self._rows = sum(_rows_of(sample) for sample in samples) / max(1, len(samples))
        return samples, items

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **rest: Any) -> Any:
        share = _rows_of(inputs) / self._rows if model.training and self._rows else 1.0
        loss = super().compute_loss(model, inputs, *args, **rest)  # type: ignore[misc]
        return loss * share if model.training else loss


def _rows_of(batch: Any) -> int:
    return len(batch["input_ids"])


class _DPO(RowsAlike, trl.DPOTrainer):  # type: ignore[misc]  # trl publishes no types
    """Takes rows that are token ids already, made as the model reads them at test time."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset


class _KTO(trl.KTOTrainer):  # type: ignore[misc]
    """Takes rows that are token ids already, made as the model reads them at test time."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset


def dpo(start: Start, data: TrainingData, config: TrainingConfig, out: Path) -> Job:
    """Direct preference optimisation on `data.pairs`, watched on `data.held_out`."""
    rows = pair_ids(start, data.pairs, "preference")
    held_out = pair_ids(start, data.held_out, "held-out preference") if data.held_out else []
    trainer = _DPO(
        adapters.load(start.spec, start.base, config),
        args=trl.DPOConfig(**arguments(config, out, bool(held_out)), beta=beta(config), max_length=None),
        train_dataset=datasets.Dataset.from_list(rows),
        eval_dataset=datasets.Dataset.from_list(held_out) if held_out else None,
        processing_class=start.chat.tokenizer,
        peft_config=None if start.spec.adapter else adapters.peft_config(config),
    )
    return Job(trainer, len(rows), sum(len(row["chosen_ids"]) + len(row["rejected_ids"]) for row in rows))


def kto(start: Start, data: TrainingData, config: TrainingConfig, out: Path) -> Job:
    """Kahneman-Tversky optimisation on `data.rated`, and on both answers of each of `data.pairs`."""
    rated = [*data.rated, *(row for pair in data.pairs for row in _unpaired(pair))]
    random.Random(config.seed).shuffle(rated)  # KTO reads in order, so that each batch has its own mismatched answers
    rows = _rated_ids(start, rated)
    good = sum(row["label"] for row in rows)
    bad = len(rows) - good
    if not good or not bad:
        what = f"KTO learns from good and bad answers, and there are {good} good and {bad} bad ones"
        raise UserError(what, "data: preferences", "give both, or train on the good ones with method lora")
    trainer = _KTO(
        adapters.load(start.spec, start.base, config),
        args=trl.KTOConfig(
            **arguments(config, out, False),
            beta=beta(config),
            max_length=None,
            train_sampling_strategy="sequential",
            # Equal weight to both kinds (https://huggingface.co/docs/trl/v1.12.0/en/kto_trainer, imbalanced data).
            desirable_weight=max(1.0, bad / good),
            undesirable_weight=max(1.0, good / bad),
        ),
        train_dataset=datasets.Dataset.from_list(_mismatched(rows, config.rows)),
        processing_class=start.chat.tokenizer,
        peft_config=None if start.spec.adapter else adapters.peft_config(config),
    )
    return Job(trainer, len(rows), sum(len(row["completion_ids"]) for row in rows))


def pair_ids(start: Start, pairs: Sequence[PairRow], what: str) -> list[Ids]:
    """Pairs as `prompt_ids`, `chosen_ids` and `rejected_ids`, each answer up to its stop token."""
    chosen = _split(start, [TrainRow(pair.messages, pair.chosen) for pair in pairs], what)
    rejected = _split(start, [TrainRow(pair.messages, pair.rejected) for pair in pairs], what)
    return [
        {"prompt_ids": prompt, "chosen_ids": better, "rejected_ids": worse}
        for (prompt, better), (_, worse) in zip(chosen, rejected, strict=True)
    ]


def _split(start: Start, rows: Sequence[TrainRow], what: str) -> list[tuple[list[int], list[int]]]:
    """Prompt and answer as token ids."""
    halves = []
    for row in tokens(start, rows, what):
        at = sum(label == IGNORED for label in row["labels"])
        halves.append((row["input_ids"][:at], row["input_ids"][at:]))
    return halves


def _unpaired(pair: PairRow) -> tuple[RatedRow, RatedRow]:
    return RatedRow(pair.messages, pair.chosen, True), RatedRow(pair.messages, pair.rejected, False)


def _rated_ids(start: Start, rated: Sequence[RatedRow]) -> list[Ids]:
    ids = _split(start, [TrainRow(row.messages, row.completion) for row in rated], "preference")
    return [
        {"prompt_ids": prompt, "completion_ids": answer, "label": row.good}
        for (prompt, answer), row in zip(ids, rated, strict=True)
    ]


def _mismatched(rows: Sequence[Ids], batch_size: int) -> list[Ids]:
    """Each row with the answer of the row before it in its batch, on which KTO measures how far the model has gone."""
    batches = [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    pairs = [(row, batch[i - 1]) for batch in batches for i, row in enumerate(batch)]
    return [{**row, "KL_completion_ids": other["completion_ids"]} for row, other in pairs]
