"""Model folders on disk: where they are, whether they are whole, and the hashes that say what is in them."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from harness.models import gguf
from harness.models.headers import tensors
from suites.errors import UserError
from suites.text import json_text
from suites.text.files import opened, read_bytes, reason, size_of
from suites.types import Json

CONFIGS = ("config.json", "generation_config.json")
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"
BASE = "base_model_name_or_path"
TRAINING_RECORD = "harness_training.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "tokenizer.model",
    "spiece.model",
    "tekken.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)
READ = (*CONFIGS, *TOKENIZER_FILES, ADAPTER_CONFIG, ADAPTER_WEIGHTS, TRAINING_RECORD, WEIGHTS, WEIGHTS_INDEX)
# Everything a text model needs, nothing else a repository may hold (other formats, images, training states).
DOWNLOADS = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
INNER = ["onnx/*", "openvino/*", "*.onnx*", "consolidated*"]
"""What of an encoder is left, which keeps parts of itself in folders of their own."""


def base_folder(base: str, revision: str | None) -> Path:
    """The folder of a base model, made from it where it is a GGUF file; checked to hold a config and safetensors."""
    if gguf.is_gguf(base) and (file := Path(base).expanduser()).is_file():
        return gguf.model_folder(file.resolve(), content_hash(file))
    folder = _locate(base, revision, "model")
    refuse_what_is_no_file(folder)
    if not (folder / "config.json").is_file():
        raise UserError(f"{base} is not a model: it has no config.json", str(folder), _adapter_hint(folder))
    weight_files(folder)
    return folder


def refuse_what_is_no_file(folder: Path) -> None:
    """Raises UserError for a pipe, a device or a folder that has the name of a file that would be read: a library would
    wait for it, read it for ever, or do as if it were not there."""
    for name in READ:
        try:
            size_of(folder / name)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise UserError(f"the file cannot be read: {reason(error)}", str(folder / name), "restore it") from None


def context_length(folder: Path) -> int | None:
    """How many tokens a model in a folder reads, by its config; None where there is no such folder, or nothing said."""
    if not (folder / "config.json").is_file():
        return None
    config = read_json(folder / "config.json")
    limit = config.get("max_position_embeddings") or (config.get("text_config") or {}).get("max_position_embeddings")
    return int(limit) if isinstance(limit, int) else None


def adapter_folder(adapter: str) -> Path:
    """The folder of a PEFT adapter, named as `ModelSpec` does; checked to hold its config and its whole weights."""
    folder = adapter_place(adapter)
    refuse_what_is_no_file(folder)
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (folder / name).is_file():
            what = f"{adapter} is not a usable adapter: it has no {name}"
            raise UserError(what, str(folder), _instead(folder))
    tensors([folder / ADAPTER_WEIGHTS])
    return folder


def adapter_place(adapter: str) -> Path:
    """Where an adapter lies that is named as `ModelSpec` does: a folder, or `owner/name@revision` on the Hub."""
    if Path(adapter).expanduser().is_dir():
        return _locate(adapter, None, "adapter")
    name, _, revision = adapter.partition("@")
    return _locate(name, revision or None, "adapter")


def candidate_folder(name: str, near: Path, revision: str | None = None) -> Path:
    """Where a candidate lies that a file in the folder `near` names: a folder, or its copy of a Hub repository, fetched
    where it is not here, at a `revision` of it. Raises UserError."""
    folder = near / Path(name).expanduser()
    if folder.is_dir():
        if revision:
            raise UserError("a folder has no `revision`; a Hub repository has", str(folder), "leave it out")
        return folder.resolve()
    if name.startswith((".", "/", "~")) or name.count("/") != 1 or folder.parent.is_dir():
        raise UserError("no such folder", str(folder), "give a folder, or a Hub id such as `owner/name`")
    return _from_hub(name, revision, "candidate")


def encoder_folder(name: str, near: Path) -> Path:
    """Where an encoder of sentences lies that a file in the folder `near` names: a folder, or its copy of a Hub
    repository, fetched with the folders of its parts where it is not here. Raises UserError."""
    folder = near / Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") != 1 or folder.parent.is_dir():
        raise UserError("no such folder", str(folder), "give an encoder's folder, or a Hub id such as `owner/name`")
    return _from_hub(name, None, "encoder", inner=True)


def _instead(folder: Path) -> str:
    """What to do about an adapter's folder without its files, by what it holds in their place."""
    if list(folder.glob("adapter_model*.safetensors*")):
        return f"its weights are in several files, which PEFT does not read: save it again, as one {ADAPTER_WEIGHTS}"
    if (folder / "adapter_model.bin").is_file():
        return "save it again as safetensors; pickled .bin weights can run code and are not loaded"
    if inner := within(folder):
        return f"name one of the folders in it: {', '.join(inner)}"
    both = f"{ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}"
    return f"point to the folder that PEFT's save_pretrained wrote, with both {both}"


def within(folder: Path) -> list[str]:
    """The folders in a folder that hold an adapter or a model: checkpoints, the last first, and named adapters."""
    configs = [file for name in (ADAPTER_CONFIG, "config.json") for file in folder.glob(f"*/{name}")]
    names = {file.parent.name for file in configs}
    steps = {name: int(step) for name in names if (step := name.rpartition("-")[2]).isdecimal()}
    return [*sorted(steps, key=lambda name: -steps[name]), *sorted(names - steps.keys())]


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files the model is loaded from; every one exists and is whole."""
    weights = _named_weights(folder)
    tensors(weights)
    return weights


def _listed(index: Path) -> list[str]:
    """The files that an index names. Raises UserError for what are no names of files beside it."""
    listed = read_json(index).get("weight_map")
    names: set[str] = set()
    for name in listed.values() if isinstance(listed, dict) else [listed]:
        if not isinstance(name, str) or Path(name).name != name or "\0" in name:
            what = f"`weight_map` is to name a file of the folder for each tensor, not {name!r:.60}"
            raise UserError(what, str(index), "download or copy the model again")
        names.add(name)
    return sorted(names)


def _named_weights(folder: Path) -> list[Path]:
    index = folder / WEIGHTS_INDEX
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not index.is_file():
        pickled = "save the weights as safetensors; pickled .bin weights can run code and are not loaded"
        raise UserError("the model folder has no model.safetensors", str(folder), _gguf_hint(folder) or pickled)
    names = _listed(index)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing or not names:
        what = f"the model is incomplete: {len(missing)} of {len(names)} weight files are missing, first {missing[:1]}"
        raise UserError(what, str(index), "download or copy the model again")
    return [folder / name for name in names]


def weights_hash(folder: Path) -> str:
    """Hash of the weights and of the configs that say how they are used."""
    configs = [folder / name for name in CONFIGS if (folder / name).is_file()]
    return files_hash([*configs, *weight_files(folder)])


def tensors_hash(folder: Path) -> str:
    """Hash of the weights alone: what an adapter was trained on, whatever the generation settings around it."""
    return files_hash(weight_files(folder))


def adapter_hash(folder: Path) -> str:
    """Hash of an adapter's weights and of what its settings mean.

    PEFT writes sets such as `target_modules` in an order that changes with Python's hash seed, and the path of the base
    as it was where it was trained: neither makes it another adapter.
    """
    settings = {name: _unordered(value) for name, value in read_json(folder / ADAPTER_CONFIG).items()}
    meant = json.dumps({name: value for name, value in settings.items() if name != BASE}, sort_keys=True)
    return hashlib.sha256(f"{meant} {files_hash([folder / ADAPTER_WEIGHTS])}".encode()).hexdigest()


def _unordered(value: object) -> object:
    """A setting with its names in one order, where it is a list of names."""
    return sorted(value) if isinstance(value, list) and all(isinstance(name, str) for name in value) else value


def files_hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name} {content_hash(file)}\n".encode())
    return digest.hexdigest()


def content_hash(file: Path) -> str:
    """The sha256 of a file."""
    status = file.stat()
    return _sha256(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(file: Path, size: int, mtime_ns: int) -> str:
    """Several arms share one base, so a file that did not change is read once per process."""
    with opened(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_json(file: Path) -> Json:
    try:
        content = json_text.parse(read_bytes(file))
    except ValueError as error:
        raise UserError(f"the file cannot be read: {error}", str(file), "restore the file") from error
    if not isinstance(content, dict):
        raise UserError("the file must hold a JSON object", str(file), "restore the file")
    return content


def first_line(error: Exception) -> str:
    """The first line of another library's error that says something; some begin with a title that ends in a colon."""
    if isinstance(error, KeyError):  # which is nothing but the name
        return f"KeyError: {error}"[:300]
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.rstrip().endswith(":")]
    return lines[0][:300] if lines else type(error).__name__


def _locate(name: str, revision: str | None, what: str) -> Path:
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UserError(f"there is no {what} folder {name}", str(folder), "give an existing folder or a Hub id")
    return _from_hub(name, revision, what)


def _from_hub(name: str, revision: str | None, what: str, *, inner: bool = False) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    reference = f"{name}@{revision}" if revision else name
    try:
        path = huggingface_hub.snapshot_download(
            name,
            revision=revision,
            allow_patterns=DOWNLOADS,
            ignore_patterns=INNER if inner else ["*/*", "consolidated*"],
        )
    except HFValidationError as error:
        raise UserError(f"{name!r} is neither a folder nor a Hub id", f"{what}: {name}", "check the name") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise UserError(
            f"the {what} {reference} is not on this machine and could not be downloaded: {first_line(error)}",
            f"{what}: {reference}",
            f"with a network run `hf download {name}`"
            " (HF_HUB_OFFLINE must not be 1; private models need `hf auth login`), or give a folder",
        ) from error
    return Path(path)


def cached_folder(name: str, revision: str | None) -> Path | None:
    """Where a Hub repository's copy on this machine is; None without one. Nothing is downloaded."""
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    try:
        config = huggingface_hub.try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return None
    return Path(config).parent if isinstance(config, str) else None


def _adapter_hint(folder: Path) -> str:
    if (folder / ADAPTER_CONFIG).is_file():
        return "the folder holds an adapter: give its base as the model and this folder as the adapter"
    if inner := within(folder):
        return f"name one of the folders in it: {', '.join(inner)}"
    return _gguf_hint(folder) or "give a folder that save_pretrained wrote, or a Hub id"


def _gguf_hint(folder: Path) -> str:
    """What to do about a folder of GGUF files; empty for another."""
    names = sorted(file.name for file in folder.glob(f"*{gguf.SUFFIX}"))
    return f"name one of its files: {', '.join(names[:5])}" if names else ""
