"""Saves between evaluations, so that an interruption costs minutes and not an epoch."""

from __future__ import annotations

import time
from typing import Any

import transformers
from accelerate.utils import broadcast_object_list

SECONDS = 120.0
"""Work that may be lost to an interruption, where a checkpoint is quickly written."""

SHARE = 50
"""A checkpoint that takes long to write is written less often: after so many times what the last one took, which keeps
the cost at two percent. The interval that loses least, sqrt(2 x cost x time between failures) (Young, A first order
approximation to the optimum checkpoint interval, 1974), is longer for any machine that fails less than once a day."""


class Backup(transformers.TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
    """Asks the trainer for a checkpoint when the last one is old; one more of it changes no step."""

    def __init__(self) -> None:
        self._saved = time.monotonic()
        self._wait = SECONDS
        self._asked: float | None = None

    def on_train_begin(self, *_: object, **__: object) -> None:
        self._saved = time.monotonic()

    def on_step_end(self, args: Any, state: object, control: Any, **_: object) -> None:
        self._asked = time.monotonic()
        due = [self._asked - self._saved >= self._wait]
        if args.world_size > 1:  # every process writes its part of a checkpoint, so one clock counts for all
            broadcast_object_list(due)
        if due[0]:
            control.should_save = True

    def on_evaluate(self, *_: object, **__: object) -> None:
        self._asked = time.monotonic()  # what an evaluation takes before a checkpoint is not the checkpoint's cost

    def on_save(self, *_: object, **__: object) -> None:
        now = time.monotonic()
        if self._asked is not None:
            self._wait = max(SECONDS, SHARE * (now - self._asked))
        self._saved = now
