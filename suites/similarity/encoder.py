"""Texts as vectors, which lie near one another where they mean the same: the one room for encoders, of shots, passages
and metrics alike. [home of sentence-transformers]

An encoder is a folder of its weights. A text is read once: its vector is kept on disk by what it says.
"""

from __future__ import annotations

import hashlib
import io
import logging
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from suites.errors import UserError
from suites.text import json_text
from suites.text.files import opened, read_bytes
from suites.writing import write_whole

Vectors = NDArray[np.float32]
Role = Literal["query", "document"]
"""Some encoders are told whether a text asks or answers, by words before it that their folder names."""

KEPT_AT_ONCE = 256
"""Texts whose vectors are written together: what an interruption costs at most."""
READ = ("*.json", "*.safetensors", "*.txt", "*.model", "*.bin")
OURS = "sentence_transformers."
INSTALL = "pip install 'finetune-harness[embeddings]'"


class Steps(Protocol):
    """Work that is shown while it goes on."""

    def advance(self, count: int) -> None:
        """So many more are done."""


class _Silent:
    def advance(self, count: int) -> None:
        return


Shown = Callable[[str, int], AbstractContextManager[Steps]]


@dataclass(frozen=True, slots=True)
class _Read:
    """A text's vector, and whether it is that of its beginning alone."""

    vector: Vectors
    cut: bool


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's tokens as vectors of length 1, [tokens, dimensions]; `words` [tokens] says which are the text's own, and
    not the marks that begin and end what an encoder reads."""

    vectors: Vectors
    words: NDArray[np.bool_]


class Encoder:
    """An encoder of sentences in a `folder`, with its own way to make one vector of a text; a model's folder that names
    none is taken by the mean over its tokens. Vectors are kept below `kept`, which may be emptied at any time.

    Nothing is loaded until a text comes whose vector is not kept. Raises UserError for a folder that holds no encoder.
    """

    def __init__(
        self, folder: Path, name: str = "", kept: Path | None = None, shown: Shown = lambda *_: nullcontext(_Silent())
    ) -> None:
        self.folder, self.name, self._shown = folder, name or folder.name, shown
        check(folder)
        self._kept = kept / self.digest[:16] if kept else None

    @cached_property
    def digest(self) -> str:
        """sha256 of the files of the folder, by their places in it."""
        told = hashlib.sha256()
        for file in sorted({file for kind in READ for file in self.folder.rglob(kind) if file.is_file()}):
            with opened(file) as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            told.update(f"{file.relative_to(self.folder).as_posix()} {found}\n".encode())
        return told.hexdigest()

    def vectors(self, texts: Sequence[str], role: Role = "document") -> Vectors:
        """One vector of length 1 for each text, [texts, dimensions]; zeros for a text that says nothing."""
        read = self._read(texts, role)
        size = next((len(each.vector) for each in self._known.values()), 1)
        vectors = np.zeros((len(texts), size), np.float32)
        for at, each in enumerate(read):
            if each:
                vectors[at] = each.vector
        return vectors

    def cut(self, texts: Sequence[str], role: Role = "document") -> list[bool]:
        """Which texts are longer than the encoder reads, so that their vectors are those of their beginnings."""
        return [each is not None and each.cut for each in self._read(texts, role)]

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text by the last layer; not kept on disk. Raises UserError where the encoder has none."""
        with self._shown(f"tokens by {self.name}", len(texts)) as steps:
            read = self._model.encode([*texts], output_value=None, show_progress_bar=False)
            steps.advance(len(texts))
        return [self._tokens(each) for each in read]

    def _tokens(self, read: Mapping[str, Any]) -> Tokens:
        if "token_embeddings" not in read or "input_ids" not in read:
            raise UserError("the encoder has no vectors of tokens", str(self.folder), "give a transformer's folder")
        tokenizer, there = self._model.tokenizer, read["attention_mask"].bool()
        vectors = read["token_embeddings"][there].float().cpu().numpy()
        framing = {tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}
        words = np.array([number not in framing for number in read["input_ids"][there].tolist()], bool)
        return Tokens(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), words)

    def _read(self, texts: Sequence[str], role: Role) -> list[_Read | None]:
        """What is known of each text, once it is read; None of one that says nothing."""
        keys = [_key(text, role) for text in texts]
        both = zip(keys, texts, strict=True)
        missing = {key: text for key, text in both if text.strip() and key not in self._known}
        if missing:
            self._encode(missing, role)
        return [self._known.get(key) for key in keys]

    def _encode(self, missing: dict[bytes, str], role: Role) -> None:
        keys, model = [*missing], self._model
        encode = model.encode_query if role == "query" else model.encode_document
        with self._shown(f"vectors by {self.name}", len(keys)) as steps:
            for start in range(0, len(keys), KEPT_AT_ONCE):
                some = keys[start : start + KEPT_AT_ONCE]
                texts = [missing[key] for key in some]
                vectors = np.asarray(encode(texts, normalize_embeddings=True, show_progress_bar=False), np.float32)
                if not np.isfinite(vectors).all():
                    raise UserError("the encoder gives vectors that are no numbers", str(self.folder), "copy it anew")
                cut = _longer(model, texts)
                self._known.update(zip(some, map(_Read, vectors, cut), strict=True))
                self._keep(some, vectors, cut)
                steps.advance(len(some))

    def _keep(self, keys: Sequence[bytes], vectors: Vectors, cut: Sequence[bool]) -> None:
        if self._kept:
            self._kept.mkdir(parents=True, exist_ok=True)
            file = io.BytesIO()
            written = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1)
            np.savez(file, keys=written, vectors=vectors, cut=np.array(cut))
            write_whole(self._kept / f"{hashlib.sha256(b''.join(keys)).hexdigest()[:16]}.npz", file.getvalue())

    @cached_property
    def _known(self) -> dict[bytes, _Read]:
        """What is known by what was read; a file that is not whole is as if it were not there."""
        known: dict[bytes, _Read] = {}
        for file in sorted(self._kept.glob("*.npz")) if self._kept else ():
            try:
                with np.load(file) as parts:
                    keys, vectors, cut = parts["keys"], parts["vectors"], parts["cut"].tolist()
                known.update(zip(map(bytes, keys), map(_Read, vectors, cut), strict=True))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                continue
        return known

    @cached_property
    def _model(self) -> Any:
        refuse_missing()
        for name in ("sentence_transformers", "transformers", "bitsandbytes"):
            logging.getLogger(name).setLevel(logging.ERROR)
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        try:
            return SentenceTransformer(str(self.folder), model_kwargs={"use_safetensors": True}, local_files_only=True)
        except Exception as error:  # whatever is wrong with a stranger's folder
            what = f"the encoder cannot be loaded: {(str(error).splitlines() or [type(error).__name__])[0]}"
            raise UserError(what, str(self.folder), "give a folder that sentence-transformers reads") from error


def _longer(model: Any, texts: Sequence[str]) -> list[bool]:
    """Which texts have more tokens than a model reads."""
    limit = model.max_seq_length
    if not isinstance(limit, int):
        return [False] * len(texts)
    return [len(ids) > limit for ids in model.tokenizer([*texts], truncation=False, verbose=False)["input_ids"]]


def refuse_missing() -> None:
    """Raises UserError where the library is not installed."""
    if find_spec("sentence_transformers") is None:
        raise UserError("sentence-transformers is not installed, which `encoder` needs", "encoder", INSTALL)


def check(folder: Path) -> None:
    """Raises UserError for a folder that holds no encoder, pickled weights, or a program of its own."""
    modules = folder / "modules.json"
    if not modules.is_file() and not (folder / "config.json").is_file():
        fix = "give a folder that sentence-transformers or save_pretrained wrote, with safetensors"
        raise UserError("the folder holds no encoder", str(folder), fix)
    pickled = [file for file in folder.rglob("pytorch_model*.bin") if not any(file.parent.glob("*.safetensors"))]
    if pickled:
        what = "the encoder has pickled weights, which can run code and are not loaded"
        raise UserError(what, str(pickled[0]), "save it again as safetensors")
    foreign = [kind for kind in _kinds(modules) if not kind.startswith(OURS)] if modules.is_file() else []
    if foreign:
        what = f"the encoder brings a program of its own, which is not run: {foreign[0]:.60}"
        raise UserError(what, str(modules), "give another one")


def _kinds(modules: Path) -> Iterator[str]:
    """The kinds of the parts of an encoder."""
    try:
        parts = json_text.parse(read_bytes(modules))
        yield from (str(part["type"]) for part in parts)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"the file cannot be read: {error}", str(modules), "copy the encoder anew") from error


def _key(text: str, role: Role) -> bytes:
    return hashlib.sha256(f"{role} {text}".encode("utf-8", "replace")).digest()
