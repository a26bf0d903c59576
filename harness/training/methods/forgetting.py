"""Against forgetting: general data mixed in (replay), and elastic weight consolidation, for all weights and for LoRA.

EWC (Kirkpatrick et al. 2017, arXiv:1612.00796, equation 3) adds to the loss

    strength / 2 * sum_i F_i (w_i - w0_i)^2

with w0 the base's weights and F the diagonal of its Fisher information on general data: what mattered there is held in
place. Full fine-tuning has w at hand. A LoRA leaves w0 alone and adds W = W0 + s B A with s = alpha / rank (or
alpha / sqrt(rank)), so w - w0 is exactly s B A, and the penalty of a layer is strength / 2 * sum F * (s B A)^2 with the
F of the base's own W0 (as Xiang et al. 2023, arXiv:2305.10626, do): the same penalty on the same merged weights. On A
and B themselves it would mean nothing: many pairs have one product.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import peft
import torch
import trl

from harness.training.data.tokens import IGNORED, Tokens

FISHER_ROWS = 256
"""On how many general rows the Fisher information is measured, each with an answer drawn from the model."""

Weights = dict[str, torch.Tensor]


def mix(rows: Sequence[Tokens], general: Sequence[Tokens], share: float, seed: int) -> list[Tokens]:
    """`rows` and as many of `general`, drawn with `seed`, as make up `share` of all; none twice before all are in."""
    wanted = round(share / (1 - share) * len(rows))
    draw = random.Random(seed)
    passes = (draw.sample(general, len(general)) for _ in range(math.ceil(wanted / len(general))))
    return [*rows, *[row for each in passes for row in each][:wanted]]


def fisher(model: Any, weights: Weights, rows: Sequence[Tokens], seed: int) -> Weights:
    """The diagonal Fisher information of some of `model`'s weights, E[(d log p(answer) / dw)^2], in their shapes.

    The expectation is over the rows' prompts and, token by token, over the model's own answers: with the answers of the
    file it would be the empirical Fisher, which is something else (Kunstner et al. 2019, arXiv:1905.12558).
    """
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    model.requires_grad_(False).eval()
    for weight in weights.values():
        weight.requires_grad_(True)
    information = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    draw = torch.Generator().manual_seed(seed)
    chosen = random.Random(seed).sample(list(rows), min(FISHER_ROWS, len(rows)))
    for row in chosen:
        gradients = torch.autograd.grad(_drawn_loss(model, row, draw), list(weights.values()))
        for total, gradient in zip(information.values(), gradients, strict=True):
            total += gradient**2 / len(chosen)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trained[name])
    return information


def _drawn_loss(model: Any, row: Tokens, draw: torch.Generator) -> torch.Tensor:
    """Minus the log probability of tokens the model draws itself at the row's answer positions."""
    ids = torch.tensor([row["input_ids"]], device=model.device)
    answer = torch.tensor(row["labels"][1:], device=model.device) != IGNORED
    logits = model(input_ids=ids).logits[0, :-1][answer].float()
    drawn = torch.multinomial(logits.detach().softmax(-1).cpu(), 1, generator=draw)[:, 0]
    return torch.nn.functional.cross_entropy(logits, drawn.to(ids.device), reduction="sum")


class Anchor:
    """The pull back to a base: `penalty(model)` is strength / 2 * sum F (w - w0)^2.

    Made before the training touches the base. `full`: over all weights, of which it keeps a copy; else over the weights
    of the linear layers, which may get a LoRA.
    """

    def __init__(self, base: Any, rows: Sequence[Tokens], strength: float, full: bool, seed: int) -> None:
        weights = dict(base.named_parameters()) if full else _linear_weights(base)
        self.strength = strength
        self.fisher = fisher(base, weights, rows, seed)
        self._home = {name: weight.detach().clone() for name, weight in weights.items()} if full else {}

    def penalty(self, model: Any) -> torch.Tensor:
        """In nats, as the loss; differentiable in what is trained."""
        total = torch.zeros((), device=model.device)
        for name, change in self._changes(model):
            total = total + (self.fisher[name].to(change.device) * change.float() ** 2).sum()
        return self.strength / 2 * total

    def _changes(self, model: Any) -> Iterator[tuple[str, torch.Tensor]]:
        """w - w0 by name."""
        if self._home:
            for name, weight in model.named_parameters():
                yield name, weight - self._home[name].to(weight.device)
            return
        for name, module in model.get_base_model().named_modules():
            if isinstance(module, peft.tuners.lora.LoraLayer):
                a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
                yield f"{name}.weight", module.scaling["default"] * (b @ a)


def _linear_weights(model: Any) -> Weights:
    """Those PEFT's `all-linear` gives a LoRA: all but the output layer's."""
    head = model.get_output_embeddings()
    linear = {name: m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m is not head}
    return {f"{name}.weight": module.weight for name, module in linear.items()}


class EwcTrainer(trl.SFTTrainer):  # type: ignore[misc]  # trl publishes no types
    """Supervised fine-tuning whose loss holds the penalty of an anchor."""

    def __init__(self, anchor: Anchor, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._anchor = anchor

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **rest: Any) -> Any:
        loss = super().compute_loss(model, inputs, return_outputs=return_outputs, **rest)
        if not model.training:
            return loss
        # The parts of a step are summed, each with its share of the tokens.
        penalty = self._anchor.penalty(self.accelerator.unwrap_model(model)) / self.current_gradient_accumulation_steps
        return (loss[0] + penalty, loss[1]) if return_outputs else loss + penalty
