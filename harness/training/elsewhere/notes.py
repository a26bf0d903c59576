"""What a training in several processes leaves in files for each other: plain JSON, so that reading one runs nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from harness.config.recipe import TrainingConfig
from harness.training.types import TrainingData, TrainingDiverged, TrainingResult
from suites.errors import UserError
from suites.model import ModelSpec

T = TypeVar("T")

Job = tuple[ModelSpec, TrainingData, TrainingConfig, Path]
"""What is trained, from what, how, and the folder it goes to."""

JOB, PROGRESS, RESULT, LOG = "job.json", "progress.jsonl", "result.json", "training.log"
TROUBLE = "trouble-*.json"  # of each process that failed


@dataclass(frozen=True)
class _Trouble:
    """How a process failed: an error it knows by the words it is made of, any other by one sentence."""

    kind: Literal["user", "diverged", "other"]
    words: list[str]


_JOB, _RESULT, _TROUBLE = TypeAdapter(Job), TypeAdapter(TrainingResult), TypeAdapter(_Trouble)


def write_job(folder: Path, job: Job) -> None:
    _write(_JOB, folder / JOB, job)


def read_job(folder: Path) -> Job:
    return _JOB.validate_python(_read(folder / JOB))


def write_result(folder: Path, result: TrainingResult) -> None:
    _write(_RESULT, folder / RESULT, result)


def read_result(folder: Path) -> TrainingResult:
    return _RESULT.validate_python(_read(folder / RESULT))


def write_trouble(note: Path, error: BaseException) -> None:
    """Keep what ended a process."""
    if isinstance(error, UserError):
        trouble = _Trouble("user", [error.what, error.where, error.fix])
    elif isinstance(error, TrainingDiverged):
        trouble = _Trouble("diverged", [str(error)])
    else:
        trouble = _Trouble("other", [f"{type(error).__name__}: {error}"])
    _write(_TROUBLE, note, trouble)


def read_trouble(note: Path) -> UserError | TrainingDiverged | str:
    """The error that ended a process, or a sentence on it where it is none of ours."""
    trouble = _TROUBLE.validate_python(_read(note))
    if trouble.kind == "user":
        return UserError(*trouble.words)
    return TrainingDiverged(*trouble.words) if trouble.kind == "diverged" else trouble.words[0]


def _write(kind: TypeAdapter[T], file: Path, value: T) -> None:
    # Through `json`, which keeps the lone surrogates and the NaN that data and losses may hold.
    file.write_text(json.dumps(kind.dump_python(value, mode="json")), encoding="utf-8")


def _read(file: Path) -> object:
    value: object = json.loads(file.read_text(encoding="utf-8"))
    return value
