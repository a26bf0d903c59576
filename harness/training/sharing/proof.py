"""Whether sharing gives a model what it would get without: seen on a few made-up rows before a training begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import peft
import torch

from harness.training.sharing.share import share

PREFIX, OWN = 24, (8, 3, 8)
"""Tokens that the rows have in common, and that each has of its own."""

LARGEST = {torch.float32: 1e-4}
"""How far states and gradients may differ, relative to their size; rounding alone makes about 1e-6 in float32."""

ROUNDED = 0.05
"""The same for a model that computes in 16 bits, where rounding makes about 0.01 and a token out of place about 1."""

GRADIENTS = 16
"""How many of the trained parameters, those next to the input, have their gradients compared: all that comes after
takes part in them, and the gradients of a large model would need its memory once more."""


def share_if_equal(model: Any) -> str:
    """Let the model read what rows share once, if that changes nothing; else it stays as it was, and the reason comes
    back. Empty where all is well."""
    try:
        undo = share(model)
    except ValueError as error:
        return str(error)
    training = model.training
    model.eval()
    reason = _reason(model, undo)
    model.train(training)
    if not reason:
        share(model)
    return reason


def _reason(model: Any, undo: Callable[[], None]) -> str:
    """Why what a model gives with sharing is not what it gives once that is undone; empty where it is."""
    rows, mask = _rows(model)
    try:
        shared = _states_and_gradients(model, rows, mask)
    except (TypeError, RuntimeError, NotImplementedError) as error:
        return f"its layers do not take it: {str(error).splitlines()[0]}"
    finally:
        undo()
    return _difference(_states_and_gradients(model, rows, mask), shared)


def _rows(model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows with a common beginning, (3, longest), and their mask; nothing of the trainer's luck is used up."""
    chance = torch.Generator().manual_seed(0)
    words = model.get_input_embeddings().num_embeddings
    rows = torch.randint(words, (len(OWN), PREFIX + max(OWN)), generator=chance)
    rows[:, :PREFIX] = rows[0, :PREFIX]
    rows[2, PREFIX + 1] = (rows[0, PREFIX + 1] + 1) % words  # two that are alike but for their ends
    mask = torch.arange(rows.shape[1]) < torch.tensor([PREFIX + own for own in OWN])[:, None]
    return rows.to(model.device), mask.long().to(model.device)


def _states_and_gradients(model: Any, rows: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
    inner = model.get_base_model() if isinstance(model, peft.PeftModel) else model
    body = getattr(inner, inner.base_model_prefix)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad][:GRADIENTS]
    with torch.enable_grad():
        states = body(input_ids=rows, attention_mask=mask).last_hidden_state[mask.bool()]
        pull = torch.randn(states.shape, generator=torch.Generator().manual_seed(1)).to(states)
        gradients = torch.autograd.grad((states * pull).sum(), trained, allow_unused=True)
    return [states.detach(), *(gradient for gradient in gradients if gradient is not None)]


def _difference(before: Sequence[torch.Tensor], after: Sequence[torch.Tensor]) -> str:
    """In what way two passes differ by more than rounding; empty where they do not."""
    limit = LARGEST.get(before[0].dtype, ROUNDED)
    if len(before) != len(after):
        return "other weights have gradients"
    for what, pairs in (("states", (before[:1], after[:1])), ("gradients", (before[1:], after[1:]))):
        one, other = (torch.cat([each.float().flatten() for each in part] or [torch.zeros(1)]) for part in pairs)
        size = float(one.norm())
        apart = float((one - other).norm())
        if not apart <= limit * size:
            return f"its {what} would differ by {apart / size if size else apart:.1g} of their size"
    return ""
