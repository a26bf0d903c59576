"""Would these models load, and what of them would be left out? Seen before anything is paid for, from shapes alone.

The libraries load onto the meta device, which has shapes and no numbers, so their own rules hold (tied weights, names
that changed, adapters of every kind); of the weights only an adapter's are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from harness.models import bases, files, headers
from harness.models.hf import loading
from harness.models.hf.adapter import add_adapter, check_task
from harness.models.hf.chat import ChatTokenizer, load_config
from harness.models.hf.inert_adapter import changes_nothing, is_known
from harness.models.hf.loading import many
from harness.models.hf.model import HFModel
from harness.models.hf.shared_base import Base
from suites.errors import UserError
from suites.model import ModelSpec, Prompt
from suites.types import Finding

META = {"device_map": {"": "meta"}}
LAYER = re.compile(r"\.(?:layers|h|blocks)\.(\d+)\.")
OF_AN_ADAPTER = re.compile(r"\.(lora_|lokr_|hada_|oft_|vera_|ia3_|modules_to_save|original_module|base_layer)")
EMBEDDINGS = re.compile(r"(?<!prompt_)embed|\bwte\b")

LINES = ("hello", "What is 17 times 3?", "The parcel is late; write JSON: {", "Übersetze: the house is red.")
ROUNDING = 1e-4
"""A difference of logits that a layer turned twice, there and back, may leave in float32 (HRA before it has learnt)."""
READ_AT_ONCE = 2 * 10**9
"""Bytes of a base that is read to see what an adapter does."""

Vocabulary = Mapping[str, int]
Look = Callable[[], object]
Level = Literal["block", "warn"]


def of_model(spec: ModelSpec, setting: str) -> list[Finding]:
    """What is to be told of a whole model. Raises UserError where it would not load."""
    folder = files.base_folder(spec.base, spec.revision)
    loading.context_length(folder)
    model, unread = loading.read_base(folder, "float32", **META)
    layers = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    found = [_unread(setting, unread, len(headers.tensors(files.weight_files(folder))), layers)] if unread else []
    rows = model.get_input_embeddings().num_embeddings
    rowless = sorted(token for token, i in ChatTokenizer(folder).tokenizer.get_vocab().items() if i >= rows)
    if rowless:
        told = f"`{setting}` has no row for {many(len(rowless), 'token')} of its tokenizer, first {rowless[0]!r}"
        found.append(Finding("warn", "token_rows", f"{told}; a text that holds one cannot be asked", tuple(rowless)))
    return found


def of_adapter(spec: ModelSpec, setting: str) -> list[Finding]:
    """What is to be told of an adapter beside its base. Raises UserError with all that speaks against it, and
    NonFiniteWeights for one of NaN."""
    assert spec.adapter
    adapter, base = files.adapter_folder(spec.adapter), files.base_folder(spec.base, spec.revision)
    all_at_once([lambda: bases.check_base(adapter, spec, base), lambda: check_task(adapter)])
    chat, plain = ChatTokenizer(base, adapter), ChatTokenizer(base)
    model, _ = loading.read_base(base, "float32", **META)
    rows = model.get_input_embeddings().num_embeddings
    try:
        add_adapter(model, adapter, "candidate", spec, base, len(chat.tokenizer))
    except UserError:  # there may be kinds that only the meta device refuses
        Base(base, spec, loading.pick_device()).attach(adapter, spec, len(chat.tokenizer))
    ours, theirs = chat.tokenizer.get_vocab(), plain.tokenizer.get_vocab()
    told = [*_base_told(setting, spec, adapter, base), *_tokens_told(setting, adapter, ours, theirs, rows)]
    if changes_nothing(adapter, base):
        return [*_inert(setting, "its adapter adds nothing to any layer"), *told]
    if _without_effect(spec, adapter, base):
        why = f"of {len(LINES)} texts its adapter changes no logit by more than {ROUNDING:.4f}"
        return [*_inert(setting, why), *told]
    return told


def _without_effect(spec: ModelSpec, adapter: Path, base: Path) -> bool:
    """Whether an adapter of a kind whose tensors say nothing here (LN tuning, HRA, what comes later) leaves the logits
    as they are, where its base is read at once. One that changes tokens may do so for none of these."""
    names = headers.tensors([adapter / files.ADAPTER_WEIGHTS])
    size = sum(file.stat().st_size for file in files.weight_files(base))
    if is_known(adapter) or any(EMBEDDINGS.search(name) or "token" in name for name in names) or size > READ_AT_ONCE:
        return False
    effect = HFModel(replace(spec, dtype="float32")).effect([Prompt(str(i), line) for i, line in enumerate(LINES)])
    return effect is not None and effect <= ROUNDING


def of_kind(base: ModelSpec, candidate: ModelSpec, setting: str) -> list[Finding]:
    """Whether a whole model can be a fine-tune of the base at all, by what kind and size it is."""
    folders = [files.base_folder(spec.base, spec.revision) for spec in (candidate, base)]
    ours, theirs = map(_kind, folders)
    if ours == theirs:
        own, given = map(files.tensors_hash, folders)
        return _inert(setting, "its weights are those of `model`") if own == given else []
    told = f"`{setting}` is no fine-tune of `model`: {ours}, and the base is {theirs}"
    return [Finding("warn", "other_kind", f"{told}; the difference is not that of a training")]


def _inert(setting: str, why: str) -> list[Finding]:
    told = f"`{setting}` cannot answer otherwise than its base: {why}; was it saved before it was trained?"
    return [Finding("block", "inert_candidate", told)]


def all_at_once(looks: Sequence[Look]) -> None:
    """Look at each, and raise one UserError for all that were raised."""
    errors: list[UserError] = []
    for look in looks:
        try:
            look()
        except UserError as error:
            if str(error) not in map(str, errors):  # of the base, that was looked at on its own already
                errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        listed = "\n".join(f"  {error.what} ({error.where}); {error.fix}" for error in errors)
        raise UserError(f"{len(errors)} problems with the models\n{listed}")


def _unread(setting: str, names: Sequence[str], of: int, layers: int | None) -> Finding:
    """Blocks where what is left out is the fine-tune itself, or whole layers; a spare head or a cache is only told."""
    indices = [int(layer[1]) for name in names if (layer := LAYER.search(name))]
    told = f"`{setting}`: no part of the model reads {len(names)} of the {of} tensors in its files, first {names[0]}"
    level: Level = "warn"
    if any(OF_AN_ADAPTER.search(name) for name in names):
        level, why = "block", "they are an adapter's, which was never merged"
    elif layers and max(indices, default=0) >= layers:
        level, why = "block", f"config.json has {layers} layers, the files have {max(indices) + 1}"
    else:
        why = "they play no part in its answers"
    return Finding(level, "unread_tensors", f"{told}; {why}", tuple(names))


def _base_told(setting: str, spec: ModelSpec, adapter: Path, base: Path) -> Iterator[Finding]:
    """How it is known that the base is the adapter's own, where that is not plain."""
    kin, recorded = bases.kinship(adapter, spec, base), bases.recorded_base(adapter)
    if kin.same is None:
        told = f"`{setting}`: whether the adapter was trained on {spec.base} is not known: {kin.because}"
        yield Finding("warn", "adapter_base", told)
    elif kin.quantised and not (spec.load_in and bases.in_four_bits(recorded)):
        told = f"`{setting}` was trained on {recorded}, {spec.base} in fewer bits, and is put on the whole weights"
        as_trained = "; `load_in: 4bit` of `model` asks it as it was trained" if bases.in_four_bits(recorded) else ""
        yield Finding("warn", "adapter_base", f"{told}: it answers a little otherwise than in training{as_trained}")
    elif spec.same_base or (kin.because == bases.BY_NAME and recorded != spec.base):
        told = f"`{setting}`: {recorded or 'a base without a name'} and {spec.base} are taken for the same base"
        yield Finding("info", "adapter_base", f"{told}, {kin.because}")


def _tokens_told(setting: str, adapter: Path, ours: Vocabulary, theirs: Vocabulary, rows: int) -> Iterator[Finding]:
    """Tokens that are new to a base with `rows` rows and that the adapter brings nothing for; tokens that moved."""
    new, brought = sorted(token for token, i in ours.items() if token not in theirs or i >= rows), _brought(adapter)
    if untaught := [token for token in new if brought is not None and ours[token] not in brought]:
        made_up = sum(ours[token] >= rows for token in untaught)
        told = f"`{setting}` brings nothing for {many(len(untaught), 'token')} new to the base, first {untaught[0]!r}"
        why = f"{many(made_up, 'row')} of the model made up, {len(untaught) - made_up} that nobody trained"
        yield Finding("warn", "token_rows", f"{told}: {why}", tuple(untaught))
    if moved := sorted(token for token, i in ours.items() if theirs.get(token, i) != i):
        told = f"`{setting}`: {many(len(moved), 'token')} of its tokenizer with another number in the base's"
        yield Finding("warn", "token_rows", f"{told}, first {moved[0]!r}: the base reads other words", tuple(moved))


def _brought(adapter: Path) -> set[int] | None:
    """The tokens for which an adapter has numbers of its own; None for all: it holds embeddings, or changes them."""
    names = headers.tensors([adapter / files.ADAPTER_WEIGHTS])
    if any(EMBEDDINGS.search(name) and "trainable_tokens" not in name for name in names):
        return None
    rows = files.read_json(adapter / files.ADAPTER_CONFIG).get("trainable_token_indices") or []
    return set(rows if isinstance(rows, list) else [i for each in rows.values() for i in each])


def _kind(folder: Path) -> str:
    config = load_config(folder)
    text = config.get_text_config()
    sizes = [getattr(text, name, None) for name in ("num_hidden_layers", "hidden_size")]
    return f"{config.model_type} of {sizes[0]} layers, {sizes[1]} wide"
