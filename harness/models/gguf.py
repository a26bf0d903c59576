"""A GGUF file as a model: de-quantised once, and kept as an ordinary model folder in the user's cache.

What the file says of itself is read from its beginning alone (https://github.com/ggml-org/ggml, docs/gguf.md): a magic
number, settings by name, then the name, shape, kind and place of each tensor. All numbers are little-endian.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from math import prod
from pathlib import Path

from harness.observe.progress import phase, say
from suites.errors import UserError
from suites.text.files import opened
from suites.writing import draft_of, drop_drafts, sync_folder

SUFFIX, MAGIC, VERSIONS = ".gguf", b"GGUF", (2, 3)
RECORD = "harness_gguf.json"
"""What the folder in the cache says of the file it was made from."""
AGAIN = "copy or download it again"
TEXT, ARRAY = 8, 9
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""The kinds of settings by their number, as `struct` calls them."""
LONGEST = 1_000_000
"""Settings or tensors that a file may have; more are damage."""
Setting = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself: the model's `architecture`, and the `kind` of number most of its weights are."""

    architecture: str
    kind: str

    @property
    def dtype(self) -> str:
        """What its weights are kept as. Every kind in fewer bits has 16-bit floats as scales, so `float16` holds it."""
        return {"F32": "float32", "BF16": "bfloat16"}.get(self.kind, "float16")


def is_gguf(name: str) -> bool:
    """Whether a model's name is that of a GGUF file."""
    return name.lower().endswith(SUFFIX)


def need_package() -> None:
    """Raises UserError without the package that reads GGUF."""
    if find_spec("gguf") is None:
        what = "GGUF files need the package gguf, which is not installed"
        raise UserError(what, "model", "pip install 'finetune-harness[gguf]'")


def cached(digest: str) -> Path:
    """Where the folder made from a file of this content lies, or would."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "finetune-harness" / "gguf" / digest


def check(file: Path, digest: str) -> None:
    """Refuse a file that cannot be read; nothing is loaded. Raises UserError and OSError."""
    if not (cached(digest) / RECORD).is_file():
        header(file)


def model_folder(file: Path, digest: str) -> Path:
    """The ordinary model folder of a file; it is made now where it is not in the cache. Raises UserError and OSError.

    It gets its name when it is whole; of two processes that make it at once the first is believed.
    """
    folder = cached(digest)
    if (folder / RECORD).is_file():
        return folder
    found = header(file)
    from harness.models.hf.dequantise import dequantise  # loads torch

    folder.parent.mkdir(parents=True, exist_ok=True)
    drop_drafts(folder)
    draft = draft_of(folder)
    try:
        with phase(f"reading {file.name}"):
            dequantise(file, draft, found.dtype)
        record = {"architecture": found.architecture, "kind": found.kind}
        (draft / RECORD).write_text(json.dumps(record), encoding="utf-8")
        _name(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    say(f"note: {what_is_decided(file.name, found)}; it is kept in {folder}")
    return folder


def _name(draft: Path, folder: Path) -> None:
    """Give a whole folder its name, unless another process was faster."""
    try:
        draft.rename(folder)
    except OSError:
        if not (folder / RECORD).is_file():
            raise
    sync_folder(folder.parent)


def what_is_decided(name: str, found: Header) -> str:
    """What a decision on a file's model is about, in words."""
    if found.kind in ("F32", "F16", "BF16"):
        return f"{name} holds {found.kind} weights, read as {found.dtype}"
    return f"{name} holds {found.kind} weights, de-quantised to {found.dtype}: the decision is about those"


def header(file: Path) -> Header:
    """What a file says of itself, and that all of it is there. Raises UserError and OSError."""
    status = file.stat()
    return _header(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _header(file: Path, size: int, mtime_ns: int) -> Header:
    with opened(file) as stream:
        if stream.read(4) != MAGIC:
            raise UserError(f"{file.name} is no GGUF file", str(file), "give one, or a folder with safetensors")
        need_package()
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _parse(file, _Reader(content))


def _parse(file: Path, reader: _Reader) -> Header:
    try:
        version, n_tensors, n_settings = reader.number("I"), reader.number("Q"), reader.number("Q")
        if version not in VERSIONS:
            what = f"{file.name} is GGUF of version {version:,}, and versions {VERSIONS} are read"
            raise UserError(what, str(file), "convert it again with a newer llama.cpp")
        if max(n_tensors, n_settings) > LONGEST:
            raise ValueError("more than any model has")
        settings = dict(reader.setting() for _ in range(n_settings))
        tensors = [reader.tensor() for _ in range(n_tensors)]
    except (struct.error, ValueError, KeyError) as error:
        what = f"the beginning of {file.name} is damaged, or the file is cut short"
        raise UserError(what, str(file), AGAIN) from error
    _check_settings(file, settings)
    kind = _check_whole(file, tensors, reader, int(settings.get("general.alignment") or 32))
    return Header(str(settings["general.architecture"]), kind)


def _check_settings(file: Path, settings: dict[str, Setting]) -> None:
    if int(settings.get("split.count") or 1) > 1:
        what = f"{file.name} is one of {settings['split.count']} parts of a model"
        raise UserError(what, str(file), "join them with `llama-gguf-split --merge`")
    if "general.architecture" not in settings:
        raise UserError(f"{file.name} does not say which architecture its model has", str(file), AGAIN)
    if "tokenizer.ggml.tokens" not in settings:
        fix = "give a file of a whole model; parts such as adapters and projectors have none"
        raise UserError(f"{file.name} holds no tokenizer", str(file), fix)


def _check_whole(file: Path, tensors: list[Tensor], reader: _Reader, alignment: int) -> str:
    """The kind of number that most weights are, of a file that ends where its last tensor ends."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    begin = -(-reader.at // alignment) * alignment
    numbers: Counter[str] = Counter()
    whole = begin
    for tensor in tensors:
        try:
            kind = GGMLQuantizationType(tensor.kind)
        except ValueError as error:
            what = f"{file.name} holds a kind of number that is not known here, number {tensor.kind}"
            raise UserError(what, str(file), "pip install --upgrade gguf") from error
        block, taken = GGML_QUANT_SIZES[kind]
        count = prod(tensor.shape)
        numbers[kind.name] += count
        whole = max(whole, begin + tensor.offset + count // block * taken)
    if not numbers:
        raise UserError(f"{file.name} holds no weights", str(file), "give a file of a whole model")
    if len(reader.content) < whole:
        what = f"{file.name} is cut short: it holds {len(reader.content):,} bytes of {whole:,}"
        raise UserError(what, str(file), AGAIN)
    return numbers.most_common(1)[0][0]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's shape, the number of its kind, and where it begins behind the header."""

    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(slots=True)
class _Reader:
    """Reads numbers and texts one after the other."""

    content: mmap.mmap
    at: int = 4

    def number(self, kind: str) -> int:
        """A number as `struct` calls its kind, as an integer. Raises struct.error at the end of the file."""
        return int(self._value(kind))

    def _value(self, kind: str) -> int | float | bool:
        value: int | float | bool
        (value,) = struct.unpack_from(f"<{kind}", self.content, self.at)
        self.at += struct.calcsize(f"<{kind}")
        return value

    def text(self) -> str:
        """A text; its length comes before it. Raises ValueError where it would go beyond the file."""
        begin, self.at = self._skip(self.number("Q"))
        return self.content[begin : self.at].decode("utf-8", errors="replace")

    def _skip(self, length: int) -> tuple[int, int]:
        if length > len(self.content) - self.at:
            raise ValueError("longer than the file")
        return self.at, self.at + length

    def setting(self) -> tuple[str, Setting]:
        """A setting by name; a list is passed over, and stands for itself as None. Raises as `number` and `text` do."""
        name, kind = self.text(), self.number("I")
        if kind == ARRAY:
            self._pass_list()
            return name, None
        return name, self.text() if kind == TEXT else self._value(NUMBERS[kind])

    def _pass_list(self) -> None:
        kind, count = self.number("I"), self.number("Q")
        if kind != TEXT:
            self.at = self._skip(count * struct.calcsize(f"<{NUMBERS[kind]}"))[1]
            return
        for _ in range(count):
            self.at = self._skip(self.number("Q"))[1]

    def tensor(self) -> Tensor:
        """The next tensor. Raises as `number` and `text` do."""
        self.text()
        shape = tuple(self._shape())
        return Tensor(shape, self.number("I"), self.number("Q"))

    def _shape(self) -> Iterator[int]:
        dimensions = self.number("I")
        if dimensions > 8:
            raise ValueError("more dimensions than any tensor has")
        for _ in range(dimensions):
            yield self.number("Q")
