"""What libraries raise over a stranger's model, told as that; an error of our own code stays one."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError

import harness
from harness.models.files import first_line
from suites.errors import UserError

REFUSALS = (
    OSError, ValueError, LookupError, RuntimeError, TypeError, AttributeError, AssertionError, ImportError,
    ArithmeticError, re.error, SafetensorError,
)  # fmt: skip
"""What transformers and PEFT raise over files that do not fit together."""

OURS = Path(harness.__file__).parent


@contextmanager
def told(what: str, where: str) -> Iterator[None]:
    """In this block a library's refusal is a UserError that says `what` it means. A device without memory is not one,
    nor is what our own code raises."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except REFUSALS as error:
        if not by_library(error):
            raise
        reason = f"{what}: {type(error).__name__}: {first_line(error)}"
        raise UserError(reason, where, "check its files: its config and its weights must be of one model") from error


def by_library(error: BaseException) -> bool:
    """Whether an error was raised by code that is not ours."""
    raised = traceback.extract_tb(error.__traceback__)[-1]
    return OURS not in Path(raised.filename).parents
