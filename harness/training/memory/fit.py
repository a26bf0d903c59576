"""Fits a training's steps into the memory there is.

The rows of a step and their loss are the same however it is split, so what is learnt differs by rounding alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import torch

from harness.config.recipe import TrainingConfig
from harness.observe.progress import say
from harness.training.loop.run import PLAN
from harness.training.memory.kept import MEASURED, at_most, costliest, measure, untouched
from harness.training.memory.plans import Plan, choose
from suites.errors import UserError
from suites.text.files import read_rows
from suites.writing import write_whole

RESERVE = 0.2
"""Share of the free memory that no plan uses where one is without it. It is for what is held for a moment (a tile of
logits, the answers to probes) and for what an allocator cannot give again."""

BESIDE = 5e8
"""Bytes that come to it on a CPU, no more than the weights have: a model of 135 million parameters took about so much
more than is counted (tests/bench/memory.md), one of a million next to nothing."""

LIMITS = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
"""Files of Linux's control groups, version 2 and 1: what a container may take of its machine's memory, what it takes,
and how much of that is for what."""


def plan(trainer: Any, config: TrainingConfig, before: Plan | None = None) -> Plan | None:
    """How a trainer's steps fit into the free memory; the plan that was made `before`, if it still does.

    None where nothing is planned: answers are drawn, or the weights are spread over processes. Raises UserError where
    one row is too much already.
    """
    spread = trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled
    if spread and config.batch_size == "auto":
        what = "`batch_size: auto` measures in one process what is spread over several here"
        raise UserError(what, "training: batch_size", "give a number")
    if spread or config.kind.learns_from == "rewards":
        return None
    room, rows = free(trainer) - _state(trainer), trainer.args.per_device_train_batch_size
    chosen = _agreed(trainer, _chosen(trainer, config, _plans(config, rows), room, before))
    if chosen is None:
        what = f"not one row can be learnt from in the {_gb(max(room, 0))} that weights and optimiser leave free"
        raise UserError(what, "training", "shorten the longest rows, take a smaller model or `qlora`, or free memory")
    return chosen


def _plans(config: TrainingConfig, rows: int) -> list[Plan]:
    """What the settings leave to choose from for so many rows, the ways they name first."""
    sizes = [n for n in range(rows, 0, -1) if rows % n == 0 and (n == rows or config.batch_size == "auto")]
    both = [False, True] if config.kind.recomputes else [False]
    ways = both if config.gradient_checkpointing is None else [config.gradient_checkpointing]
    return [Plan(n, rows // n, way) for n in sizes for way in ways]


def _chosen(
    trainer: Any, config: TrainingConfig, plans: Sequence[Plan], room: float, before: Plan | None
) -> Plan | None:
    """The plan of one process; None where one row does not fit."""
    whole, before = plans[0], before if before in plans else None
    with untouched(trainer):
        rows, there = costliest(trainer.train_dataset, max(MEASURED)), len(trainer.train_dataset)
        if not whole.checkpointing and at_most(trainer, rows, there).of(whole) <= room * (1 - RESERVE):
            return before or whole
        needs = measure(trainer, rows, there, config.kind.recomputes)
    if before and needs.of(before) <= room:
        return before
    if needs.of(Plan(1, whole.rows, plans[-1].checkpointing)) > room:
        return None
    if chosen := choose(needs, plans, room * (1 - RESERVE)):
        return chosen
    smallest = min(plans, key=needs.of)
    if needs.of(smallest) > room:
        help_ = "`batch_size: auto` makes it in smaller ones" if config.kind.splits else "`batch_size` may be smaller"
        say(f"{whole.rows} rows take about {_gb(needs.of(smallest))} of memory, and {_gb(room)} are left; {help_}")
    return smallest


def told(plan: Plan, config: TrainingConfig) -> str:
    """What to say of a plan; empty where it is what the settings say."""
    expected = config.batch_size != "auto" and plan.checkpointing is bool(config.gradient_checkpointing)
    return "" if expected else str(plan)


def apply(trainer: Any, plan: Plan) -> None:
    """Let a trainer that was not started yet work by the plan. Validation rows are read as they would be without."""
    args = trainer.args
    args.per_device_train_batch_size = plan.rows
    args.gradient_accumulation_steps *= plan.passes
    trainer._train_batch_size = args.train_batch_size
    for name in ("activation_checkpointing", "gradient_checkpointing"):  # the name it has in some versions, or both
        if hasattr(args, name):
            setattr(args, name, plan.checkpointing)


def note(folder: Path, plan: Plan) -> None:
    write_whole(folder / PLAN, json.dumps(asdict(plan)))


def noted(folder: Path) -> Plan | None:
    """The plan that an interrupted training in a folder works by; None if it has none."""
    with suppress(OSError, ValueError, TypeError):
        return Plan(**json.loads(read_rows(folder / PLAN)))
    return None


@contextmanager
def told_when_short(config: TrainingConfig) -> Iterator[None]:
    """Raises UserError in place of the errors by which torch says that no memory was left."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        ways = ["`batch_size: auto`"] if config.kind.splits and config.batch_size != "auto" else []
        ways += ["`gradient_checkpointing: true`"] if not config.gradient_checkpointing else []
        fix = f"{', '.join([*ways, 'shorter rows'])} or a smaller model take less; what was complete before is kept"
        raise UserError("there is no memory left for the training", "training", fix) from error


# --- what there is


def free(trainer: Any) -> float:
    """Bytes that this process may still take: of its GPU, or its share of the machine's memory or the container's."""
    trainer.accelerator.wait_for_everyone()  # all have loaded their weights
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        return float(torch.cuda.mem_get_info()[0])
    left = min([int(psutil.virtual_memory().available), *_container(Path("/sys/fs/cgroup"))])
    weights: int = sum(p.numel() * p.element_size() for p in trainer.model.parameters())
    return left / int(os.environ.get("LOCAL_WORLD_SIZE", "1")) - min(BESIDE, weights)


def _container(groups: Path) -> list[int]:
    """What is left of a container's limits in bytes, if it has some."""
    left = []
    for limit, used, parts in LIMITS:
        with suppress(OSError, ValueError, KeyError):
            most, taken = (int((groups / name).read_text()) for name in (limit, used))
            stat = dict(line.split() for line in (groups / parts).read_text().splitlines())
            files = stat.get("total_inactive_file") or stat["inactive_file"]  # pages that are given up when asked for
            left.append(max(0, most - taken + int(files)))
    return left


def _state(trainer: Any) -> int:
    """Bytes of gradients and of AdamW's two means, and of what DDP sends gradients in."""
    trained: int = sum(p.numel() * p.element_size() for p in trainer.model.parameters() if p.requires_grad)
    return trained * (4 if trainer.accelerator.num_processes > 1 else 3)


def _agreed(trainer: Any, mine: Plan | None) -> Plan | None:
    """The plan that all processes can keep to."""
    if trainer.accelerator.num_processes == 1:
        return mine
    numbers = [mine.rows, mine.rows * mine.passes, mine.checkpointing] if mine else [0, 0, True]
    each = trainer.accelerator.gather(torch.tensor([numbers], device=trainer.accelerator.device)).tolist()
    rows = min(row for row, _, _ in each)
    return Plan(rows, max(all_ for _, all_, _ in each) // rows, any(again for _, _, again in each)) if rows else None


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 5e7 else f"{size / 1e6:.1f} MB"
