"""Is the base that an adapter is put on the one it was trained on? By content where both are here, else by name.

Equal shapes load on a wrong base without a word.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.models import files, headers
from suites.errors import UserError
from suites.model import ModelSpec

# A copy of the same weights in fewer bits, as their makers name it.
QUANTISED = re.compile(
    r"[-_.](unsloth|i?q[1-8](_[a-z0-9]+)*|bnb|(bnb[-_])?[48]-?bit|gptq|awq|exl2|mlx|gguf|nf4|fp8|int[48]|w[48]a16)$"
)
# Meta's models lost this part of their names on the Hub.
FORMER = re.compile(r"^meta-(?=llama)")
BY_NAME = "by name"
CACHED = re.compile(r"models--[^/]+?--([^/]+)/snapshots/")


@dataclass(frozen=True, slots=True)
class Kinship:
    """Whether two bases are the same model, None where nobody here can know, and what speaks for it, in words.

    `quantised` names the recorded base where it is a copy of this one in fewer bits.
    """

    same: bool | None
    because: str
    quantised: bool = False


def kinship(adapter: Path, spec: ModelSpec, base: Path) -> Kinship:
    """What is known of the base of an adapter's folder beside the base in the folder `base`, which is `spec.base`."""
    if spec.same_base:
        return Kinship(True, "as the experiment file says")
    record = adapter / files.TRAINING_RECORD
    noted = files.read_json(record).get("base") if record.is_file() else None
    trained_on = noted.get("weights") if isinstance(noted, dict) else None
    if trained_on is not None:
        return Kinship(trained_on == files.tensors_hash(base), "by the weights' digest")
    recorded = recorded_base(adapter)
    if not recorded:
        return Kinship(None, "the adapter names no base")
    if here := _folder(recorded, files.read_json(adapter / files.ADAPTER_CONFIG).get("revision")):
        with suppress(UserError):  # what is there holds no weights any more
            if _same(here, base):
                return Kinship(True, "by the weights")
            if not _is_quantised(recorded):
                return Kinship(False, "by the weights")
    return _by_name(recorded, spec, base)


def check_base(adapter: Path, spec: ModelSpec, base: Path) -> None:
    """Raises UserError where the adapter was trained for another base."""
    if kinship(adapter, spec, base).same is False:
        raise another_base(adapter, spec)


def another_base(adapter: Path, spec: ModelSpec, detail: str = "") -> UserError:
    """What is said to a wrong base, with what the libraries say to it."""
    return UserError(
        f"the adapter was trained for another base: {recorded_base(adapter) or 'unnamed'}, not {spec.base}{detail}",
        str(adapter / files.ADAPTER_CONFIG),
        "use the base it was trained for, or train it again on this one; where both are one model under two names,"
        " say so: `candidate: {path: ..., base: same}`",
    )


def recorded_base(adapter: Path) -> str:
    """What an adapter's config calls its base; empty where it names none."""
    return str(files.read_json(adapter / files.ADAPTER_CONFIG).get("base_model_name_or_path") or "")


def in_four_bits(name: str) -> bool:
    """Whether a base's name says that it is kept in 4 bits as `load_in` keeps one."""
    return bool(re.search(r"(bnb[-_]?4|4[-_]?bit|nf4)", name.lower()))


def plain_name(name: str) -> str:
    """A model's name without owner, folder and the number of bits it is kept in: what copies of one model share."""
    plain = FORMER.sub("", _own_name(name))
    while cut := QUANTISED.search(plain):
        plain = plain[: cut.start()]
    return plain


def _own_name(name: str) -> str:
    cached = CACHED.search(name)
    return (cached[1] if cached else name.replace("\\", "/").rstrip("/").rpartition("/")[2]).lower()


def _by_name(recorded: str, spec: ModelSpec, base: Path) -> Kinship:
    if plain_name(recorded) in {plain_name(spec.base), plain_name(str(base))}:
        return Kinship(True, BY_NAME, quantised=_is_quantised(recorded) and not _is_quantised(spec.base))
    if _is_hub_id(recorded) and _is_hub_id(spec.base):
        return Kinship(False, BY_NAME)
    return Kinship(None, f"the adapter names {recorded}, which is not on this machine")


def _is_quantised(name: str) -> bool:
    return bool(QUANTISED.search(_own_name(name)))


def _is_hub_id(name: str) -> bool:
    with suppress(OSError, ValueError):
        if Path(name).exists():
            return False
    return not name.startswith((".", "/", "~")) and "\\" not in name and name.count("/") < 2


def _folder(recorded: str, revision: str | None) -> Path | None:
    """Where a recorded base stands on this machine: the folder it names, or the Hub's cache. Nothing is downloaded."""
    with suppress(OSError, ValueError):  # no path at all
        if Path(recorded).is_dir():
            return Path(recorded)
    return files.cached_folder(recorded, revision) if _is_hub_id(recorded) else None


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or headers.same_weights(files.weight_files(one), files.weight_files(other))
