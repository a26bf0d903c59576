"""Runs a trainer to its end: watched, from the newest complete checkpoint on, and never beyond the end."""

from __future__ import annotations

import errno
import json
import random
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import transformers
from safetensors import SafetensorError

from harness.config.recipe import TrainingConfig
from harness.observe.progress import say
from harness.training.loop import checkpoints
from harness.training.loop.backup import Backup
from harness.training.loop.watch import JUDGED, Watch
from harness.training.types import TrainingDiverged
from suites.errors import UserError
from suites.text.files import read_rows
from suites.writing import write_whole

ORIGIN, PLAN = "harness_origin.json", "harness_plan.json"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What torch and safetensors make of these errors, in their own words.
FULL_WORDS = re.compile(
    r"No space left|File too large|quota exceeded|file write failed|inline_container.*unexpected pos", re.IGNORECASE
)


EVALUATIONS = 5
"""How often a run of more epochs than this is evaluated, unless the settings say otherwise."""

LOSS_SHARE, LEAST_ROWS = 1 / 32, 32
"""Validation loss is measured on so many rows for each that is learnt from between two evaluations, and on so many at
least. A row costs a third of what learning from it does, so this is about one percent of the training."""

T = TypeVar("T")


def arguments(config: TrainingConfig, validated: bool, judged: bool) -> dict[str, Any]:
    """Settings of a trainer that is watched, and saved where it is evaluated (and between, by `Backup`).

    Two checkpoints stay, the best and the last: while one is written there is always a complete one. Where steps are
    not `judged` the last one counts: where rewards are learnt the loss does not say which was the best.
    """
    every = config.evaluate_every or (1 / EVALUATIONS if config.epochs > EVALUATIONS else None)  # below 1 a share
    strategy, best = "steps" if every else "epoch", validated and judged
    return {
        "eval_strategy": strategy if validated else "no",
        "save_strategy": strategy,
        **({"eval_steps": every, "save_steps": every} if every else {}),
        "save_total_limit": 2,
        "load_best_model_at_end": best,
        "metric_for_best_model": JUDGED if best else None,
        "greater_is_better": True if best else None,
    }


def sample(validation: list[T], learnt: int, config: TrainingConfig) -> list[T]:
    """The validation rows whose loss is looked at in a training on `learnt` rows, in the order they had."""
    between = learnt * max(1.0, config.epochs / EVALUATIONS)
    if config.evaluate_every:
        between = config.evaluate_every * config.rows * config.gradient_accumulation
    most = max(LEAST_ROWS, round(between * LOSS_SHARE))
    if len(validation) <= most:
        return validation
    return [validation[i] for i in sorted(random.Random(config.seed).sample(range(len(validation)), most))]


@contextmanager
def on_main(trainer: Any) -> Iterator[bool]:
    """Whether this process is the main one; in the end all wait for each other."""
    yield trainer.accelerator.is_main_process
    trainer.accelerator.wait_for_everyone()


def prepare(partial: Path, made_from: Mapping[str, Any]) -> None:
    """The folder a training works in, with what an interrupted one left there if it was made from the same."""
    if partial.exists() and not is_begun(partial, made_from):
        shutil.rmtree(partial)
    partial.mkdir(parents=True, exist_ok=True)
    with told_when_full(partial):
        write_whole(partial / ORIGIN, json.dumps(made_from))


def is_begun(partial: Path, made_from: Mapping[str, Any]) -> bool:
    """Whether a training from the same was interrupted there."""
    note = partial / ORIGIN
    return note.is_file() and bool(_read(note) == json.loads(json.dumps(made_from)))


def _read(note: Path) -> Any:
    try:
        return json.loads(read_rows(note))
    except ValueError:
        return None


def run(trainer: Any, watch: Watch, partial: Path) -> int:
    """Train what is left of the training; the model then has the best weights. Returns the step they are from.

    Raises TrainingDiverged, and UserError when the disk is full; neither leaves anything half written.
    """
    start, passed = checkpoints.newest(partial)
    for sentence in passed:
        say(sentence)
    trainer.add_callback(watch)
    trainer.add_callback(Backup())
    if start is None:
        trainer.train()
    else:
        _go_on(trainer, watch, start)
    state = trainer.state
    best: int = state.best_global_step if state.best_model_checkpoint else state.global_step
    return best


def _go_on(trainer: Any, watch: Watch, start: Path) -> None:
    watch.resume(start)
    state = transformers.TrainerState.load_from_json(str(start / checkpoints.STATE))
    best = checkpoints.best_of(start)
    if state.global_step >= state.max_steps or watch.stopped:
        # Asked to go on from its last step, the trainer would train one step too many.
        state.best_model_checkpoint = str(best or start)
        trainer.state = state
        trainer._load_best_model()
        state.best_model_checkpoint = str(best) if best else None
        return
    say(f"going on from step {state.global_step} of {state.max_steps}")
    trainer.add_callback(_Moved(best))
    trainer.train(resume_from_checkpoint=str(start))


class _Moved(transformers.TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
    """The trainer notes its best checkpoint by full path, which is another one after the folder has moved."""

    def __init__(self, best: Path | None) -> None:
        self._best = best

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        state.best_model_checkpoint = str(self._best) if self._best else None


def clear(partial: Path) -> None:
    """Take away what is of no use once the training is finished."""
    for checkpoint in partial.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    for name in (ORIGIN, PLAN, "README.md"):  # the trainer's form of a model card, with nothing filled in
        (partial / name).unlink(missing_ok=True)


@contextmanager
def told_when_full(folder: Path) -> Iterator[None]:
    """Raises UserError in place of the many errors by which libraries say that a file could not be written."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, TrainingDiverged) or not _is_full(error):
            raise
        what = "there is no room left for the training's files; what was complete before is kept"
        raise UserError(what, str(folder), "make room and run the same command again") from error


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    cause = error.__cause__ or error.__context__
    return bool(FULL_WORDS.search(str(error))) or (cause is not None and _is_full(cause))
