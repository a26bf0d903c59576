"""Muon for a small model on a CPU: momentum, made orthogonal by Newton-Schulz, matrices of one shape in one batch.

On this data AdamW alone stays for a long time on a plateau that copies some word of the context; Muon leaves it soon.
Embeddings and norms are better served by AdamW, so `build_optimizers` returns one of each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from suites.types import Json

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of the quintic iteration, from the Muon reference code


class Muon(torch.optim.Optimizer):  # type: ignore[misc]
    """Muon over matrices only."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.02) -> None:
        super().__init__(list(params), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Callable[[], object] | None = None) -> None:
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
            for param in group["params"]:
                by_shape[tuple(sorted(param.shape))].append(param)
            for params in by_shape.values():
                self._update(params, group)

    def _update(self, params: list[Tensor], group: Json) -> None:
        directions = orthogonalised(torch.stack([self._momentum(param, group["momentum"]) for param in params]))
        for param, direction in zip(params, directions, strict=True):
            rows, columns = param.shape
            param.mul_(1 - group["lr"] * group["weight_decay"])
            direction = direction if rows <= columns else direction.T
            param.add_(direction, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)

    def _momentum(self, param: Tensor, momentum: float) -> Tensor:
        """Nesterov momentum, turned so that it is never taller than wide."""
        state = self.state[param]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(param)
        state["momentum"].lerp_(param.grad, 1 - momentum)
        update = param.grad.lerp(state["momentum"], momentum)
        return update if update.shape[0] <= update.shape[1] else update.T


def orthogonalised(batch: Tensor, steps: int = 4) -> Tensor:
    """Bring all singular values of each matrix near one."""
    a, b, c = NEWTON_SCHULZ
    batch = batch / (batch.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = torch.bmm(batch, batch.transpose(1, 2))
        batch = torch.baddbmm(batch, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), batch, beta=a)
    return batch


def build_optimizers(model: nn.Module, matrix_lr: float, other_lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings and norms."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, param in model.named_parameters():
        (matrices if param.ndim == 2 and "embed" not in name else others).append(param)
    adamw = torch.optim.AdamW(others, lr=other_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return [Muon(matrices, lr=matrix_lr), adamw]
