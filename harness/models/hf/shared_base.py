"""Base weights, loaded once however many models stand on them; an adapter is put on for its own answers only."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.nn import Module

from harness.models import files
from harness.models.hf import loading
from harness.models.hf.adapter import add_adapter, remove_adapter
from suites.model import ModelSpec

_NUMBERS = itertools.count()


class Base:
    """A base model on its device, and the adapters that are attached to it."""

    def __init__(self, folder: Path, spec: ModelSpec, device: str) -> None:
        self.folder, self.device = folder, device
        # The first question may come from inside inference mode; weights made there could not be switched later.
        with torch.inference_mode(False):
            dtype = loading.pick_dtype(spec.dtype, device)
            quantized = loading.quantization(spec, device)
            self.model = loading.load_base(folder, dtype, **quantized).to(device).eval()
        # The folder's own sampling settings and penalties would apply to greedy decoding too.
        self.model.generation_config = transformers.GenerationConfig()
        self._tuned: Any = None

    def attach(self, adapter: Path, spec: ModelSpec, vocabulary: int) -> tuple[Module, str]:
        """The model with the adapter, and the name the adapter has on it. Raises what `add_adapter` does."""
        name = f"adapter_{next(_NUMBERS)}"
        with torch.inference_mode(False):
            tuned = add_adapter(self._tuned or self.model, adapter, name, spec, self.folder, vocabulary)
            self._tuned = tuned.to(self.device).eval()
        return self._tuned, name

    def detach(self, name: str) -> None:
        """Take an adapter off for good; the base is again what it was."""
        if remove_adapter(self._tuned, name):
            self._tuned = None

    @contextmanager
    def wearing(self, name: str | None) -> Iterator[None]:
        """In this block the model answers with this adapter on, or with none."""
        if name:
            self._tuned.set_adapter(name, inference_mode=True)
        with self._tuned.disable_adapter() if self._tuned and not name else nullcontext():
            yield


_LOADED: weakref.WeakValueDictionary[tuple[str, ...], Base] = weakref.WeakValueDictionary()


def base(folder: Path, spec: ModelSpec, device: str) -> Base:
    """The base of these weights in this form: the one in memory while any model stands on it, else loaded now."""
    key = (files.weights_hash(folder), str(folder), loading.precision(spec, device), device)
    loaded = _LOADED.get(key)
    if loaded is None:
        loaded = _LOADED[key] = Base(folder, spec, device)
    return loaded
