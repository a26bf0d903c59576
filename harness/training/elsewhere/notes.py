"""What a training in several processes leaves in files for each other: plain JSON, so that reading one runs nothing."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from harness.config.recipe import TrainingConfig
from harness.training.types import TrainingData, TrainingDiverged, TrainingResult
from suites.errors import UserError
from suites.model import ModelSpec
from suites.text.files import read_rows

Job = tuple[ModelSpec, TrainingData, TrainingConfig, Path]
"""What is trained, from what, how, and the folder it goes to."""

JOB, PROGRESS, RESULT, LOG = "job.json", "progress.jsonl", "result.json", "training.log"
TROUBLE = "trouble-*.json"  # of each process that failed


@dataclass(frozen=True)
class _Trouble:
    """How a process failed: an error it knows by the words it is made of, any other by one sentence."""

    kind: Literal["user", "diverged", "other"]
    words: list[str]


def write_job(folder: Path, job: Job) -> None:
    _write(Job, folder / JOB, job)


def read_job(folder: Path) -> Job:
    job: Job = _read(Job, folder / JOB)
    return job


def write_result(folder: Path, result: TrainingResult) -> None:
    _write(TrainingResult, folder / RESULT, result)


def read_result(folder: Path) -> TrainingResult:
    result: TrainingResult = _read(TrainingResult, folder / RESULT)
    return result


def write_trouble(note: Path, error: BaseException) -> None:
    """Keep what ended a process."""
    if isinstance(error, UserError):
        trouble = _Trouble("user", [error.what, error.where, error.fix])
    elif isinstance(error, TrainingDiverged):
        trouble = _Trouble("diverged", [str(error)])
    else:
        trouble = _Trouble("other", [f"{type(error).__name__}: {error}"])
    _write(_Trouble, note, trouble)


def read_trouble(note: Path) -> UserError | TrainingDiverged | str:
    """The error that ended a process, or a sentence on it where it is none of ours."""
    trouble: _Trouble = _read(_Trouble, note)
    if trouble.kind == "user":
        return UserError(*trouble.words)
    return TrainingDiverged(*trouble.words) if trouble.kind == "diverged" else trouble.words[0]


def _write(kind: object, file: Path, value: object) -> None:
    # Through `json`, which keeps the lone surrogates and the NaN that data and losses may hold.
    file.write_text(json.dumps(_adapter(kind).dump_python(value, mode="json")), encoding="utf-8")


def _read(kind: object, file: Path) -> Any:
    return _adapter(kind).validate_python(json.loads(read_rows(file)), strict=False)


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made when it is needed: it costs more than all else that starting up does here."""
    return TypeAdapter(kind)
