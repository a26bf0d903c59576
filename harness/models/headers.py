"""What safetensors files say of their tensors, read from their beginning alone: no weight is loaded.

Eight bytes with the length of a JSON header, the header with each tensor's place, then the tensors' bytes
(https://huggingface.co/docs/safetensors, format).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suites.errors import UserError
from suites.text.files import opened

LONGEST_HEADER = 100_000_000
"""Bytes; the library refuses longer ones."""

LOOKED_AT = 4_096
"""How many bytes of each tensor are compared."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a file: its kind and shape, and the bytes it takes there."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def tensors(files: Iterable[Path]) -> dict[str, Tensor]:
    """The tensors of files by name. Raises UserError for a file that is cut off, or no safetensors file."""
    return {name: tensor for file in files for name, tensor in _of_file(file).items()}


def same_weights(one: Iterable[Path], other: Iterable[Path]) -> bool:
    """Whether files hold the same tensors, however they are laid out in them: by name, kind, shape and first bytes.

    A training moves every number of what it trains, so the first 4,096 bytes of each tensor tell weights apart.
    """
    ours, theirs = tensors(one), tensors(other)
    if {name: (t.dtype, t.shape) for name, t in ours.items()} != {n: (t.dtype, t.shape) for n, t in theirs.items()}:
        return False
    return all(_first_bytes(ours[name]) == _first_bytes(theirs[name]) for name in ours)


def _of_file(file: Path) -> dict[str, Tensor]:
    with opened(file) as stream:
        length = int.from_bytes(stream.read(8), "little")
        size = file.stat().st_size
        try:
            header = json.loads(stream.read(length) if length <= min(size, LONGEST_HEADER) else b"")
            begin = 8 + length
            entries = {name: each for name, each in header.items() if name != "__metadata__"}
            listed = {name: _tensor(file, each, begin) for name, each in entries.items()}
        except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
            raise _unreadable(file) from error
    whole = max((tensor.end for tensor in listed.values()), default=begin)
    if size != whole:
        what = f"{file.name} is not whole: it holds {size:,} bytes, and its header says {whole:,}"
        raise UserError(what, str(file), "copy or download it again")
    return listed


def _tensor(file: Path, entry: dict[str, Any], begin: int) -> Tensor:
    """What a header says of a tensor. Raises ValueError, TypeError or KeyError where that cannot be."""
    dtype, shape, (first, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    numbers = (*shape, first, end)
    if not isinstance(dtype, str) or not all(type(number) is int and number >= 0 for number in numbers) or end < first:
        raise ValueError("no tensor")
    return Tensor(file, dtype, tuple(shape), begin + first, begin + end)


def _unreadable(file: Path) -> UserError:
    with opened(file) as stream:
        pointer = stream.read(40).startswith(b"version https://git-lfs")
    if pointer:
        return UserError(f"{file.name} is a pointer of Git LFS, not the weights", str(file), "run `git lfs pull` there")
    what = f"{file.name} is no safetensors file, or its beginning is damaged"
    return UserError(what, str(file), "copy or download it again")


def _first_bytes(tensor: Tensor) -> bytes:
    with opened(tensor.file) as stream:
        stream.seek(tensor.begin)
        return stream.read(min(LOOKED_AT, tensor.end - tensor.begin))
