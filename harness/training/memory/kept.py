"""What a pass keeps for its backward pass, counted on the rows that keep most; no backward pass is run."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow.compute
import torch
from torch.multiprocessing.reductions import StorageWeakRef

from harness.models.hf.prefix_groups import common
from harness.training.memory.plans import Kept, Needs

MEASURED = (1, 2, 4)
"""Rows of the passes that are measured. Rows that share a beginning keep less each than one alone, so the line to
larger passes goes through two and four."""

LOOKED_AT = 256
"""Rows, of every length, among which those that keep most are looked for."""


def at_most(trainer: Any, rows: Sequence[Mapping[str, Any]], there: int) -> Needs:
    """What passes that keep activations need, by one measurement: each of more rows keeps about as much, or less."""
    return _needs(trainer, {len(rows): kept_bytes(trainer, rows)}, {}, there)


def measure(trainer: Any, rows: Sequence[Mapping[str, Any]], there: int, recomputes: bool = True) -> Needs:
    """What passes over the first of `rows` keep, and by that those over more, up to all that are there."""
    model, sizes = trainer.model, [n for n in MEASURED if n <= len(rows)]
    plain = {n: kept_bytes(trainer, rows[:n]) for n in sizes}
    again: dict[int, float] = {}
    if recomputes and getattr(model, "supports_gradient_checkpointing", False):
        with _computed_again(model):
            again = {n: kept_bytes(trainer, rows[:n]) for n in sizes}
    return _needs(trainer, plain, again, there)


def _needs(trainer: Any, plain: dict[int, float], again: dict[int, float], there: int) -> Needs:
    layers: int = trainer.model.config.get_text_config().num_hidden_layers
    looked_at = trainer.args.per_device_eval_batch_size if trainer.eval_dataset else 0
    return Needs(Kept(plain, there), Kept(again, there), layers, looked_at)


def kept_bytes(trainer: Any, rows: Sequence[Mapping[str, Any]]) -> float:
    """Bytes of all that a pass over rows of its dataset would keep beside the weights, each storage counted once.

    Nothing is kept, so this takes no more memory than looking at the rows does.
    """
    weights = {tensor.untyped_storage()._cdata for tensor in (*trainer.model.parameters(), *trainer.model.buffers())}
    known: dict[int, StorageWeakRef] = {}  # which lets go of the numbers, and keeps the place from being taken again
    total = 0

    def count(tensor: torch.Tensor) -> None:
        nonlocal total
        storage = tensor.untyped_storage()
        if storage._cdata not in weights and storage._cdata not in known:
            known[storage._cdata] = StorageWeakRef(storage)
            total += storage.nbytes()

    inputs = trainer._prepare_inputs(trainer.data_collator(list(rows)))
    with trainer.accelerator.autocast(), torch.autograd.graph.saved_tensors_hooks(count, lambda _: None):
        trainer.compute_loss(trainer.model, inputs)
    return total


def costliest(dataset: Any, most: int) -> list[Mapping[str, Any]]:
    """Up to `most` rows of a tokenized dataset that make a pass large: the longest, then always the one with most
    tokens after what it has in common with one of those."""
    columns = [name for name in dataset.column_names if name.endswith("ids")]
    lengths = sum(pyarrow.compute.list_value_length(dataset.data.column(name)).to_numpy() for name in columns)
    order = (-lengths).argsort(kind="stable").tolist()
    rows = [dataset[i] for i in order[:: max(1, len(order) // LOOKED_AT)]]
    ids = [[token for name in columns for token in row[name]] for row in rows]
    own = [len(each) for each in ids]
    taken: list[int] = []
    while len(taken) < min(most, len(rows)):
        taken.append(max(set(range(len(rows))).difference(taken), key=lambda i: (own[i], -i)))
        own = [min(n, len(each) - common(each, ids[taken[-1]])) for n, each in zip(own, ids, strict=True)]
    return [rows[i] for i in taken]


@contextmanager
def untouched(trainer: Any) -> Iterator[None]:
    """Passes within use up nothing of the training's luck, and are not among what it logs."""
    model, logged = trainer.model, copy.deepcopy(trainer._metrics)
    tokens, training = trainer._total_train_tokens, model.training
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    model.train()
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        model.train(training)
        trainer._metrics, trainer._total_train_tokens = logged, tokens


@contextmanager
def _computed_again(model: Any) -> Iterator[None]:
    """Within, activations are computed again."""
    kind = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"  # by version
    hooks = model.get_input_embeddings()._forward_hooks
    before = set(hooks)
    getattr(model, f"{kind}_checkpointing_enable")()
    try:
        yield
    finally:
        getattr(model, f"{kind}_checkpointing_disable")()
        for added in set(hooks) - before:  # by which more is kept; disabling may leave some
            del hooks[added]
