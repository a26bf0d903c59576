"""Reads a Hugging Face dataset: from the Hub, or a folder that `save_to_disk` wrote. [home of datasets]

The Hub form is `hf:owner/name/split`, with a configuration and a revision where they are needed:
`hf:openai/gsm8k:main@e53f048/train`, or a part of a split as datasets writes it: `hf:owner/name/train[:500]`. A folder
`owner/name` in the working directory is taken for it, which is how datasets looks names up.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from suites.errors import UserError
from suites.types import Json

HUB = re.compile(
    r"hf:(?P<path>[\w.-]+(?:/[\w.-]+)?)(?::(?P<name>[\w.-]+))?(?:@(?P<revision>[\w.-]+))?/(?P<split>\w+(?:\[[\d:%-]+\])?)"
)
FIX = "write hf:owner/name/split, or hf:owner/name:config@revision/split"


def is_hub(source: Path | str) -> bool:
    """Whether a source names a dataset on the Hub, not a file."""
    return isinstance(source, str) and source.startswith("hf:")


def locate(name: str, folder: Path) -> Path | str:
    """Where data lies that a file in `folder` names: on the Hub, or at a path relative to the folder."""
    return name if is_hub(name) else (folder / name).resolve()


def is_dataset(source: Path | str) -> bool:
    """Whether a source is a dataset rather than a file: one on the Hub, or a folder with a saved one.

    Raises UserError for a folder with several.
    """
    if is_hub(source):
        return True
    splits = sorted(part.parent for part in Path(source).glob("*/state.json"))
    if splits:
        raise UserError("the folder holds several splits", str(source), f"name one, e.g. {splits[0]}")
    return (Path(source) / "state.json").is_file()


def rows(source: Path | str, most: int | None = None) -> list[Json]:
    """All rows, or the first so many. Raises UserError for a dataset that cannot be found or read."""
    data = _load(source)
    records: list[Json] = (data if most is None else data.select(range(min(most, len(data))))).to_list()
    return records


def files(source: Path | str) -> list[Path]:
    """The files on this machine that hold the rows, so that they can be hashed."""
    return [Path(part["filename"]) for part in _load(source).cache_files]


def _load(source: Path | str) -> Any:
    named = HUB.fullmatch(source) if isinstance(source, str) else None
    if is_hub(source) and not named:
        raise UserError(f"no name of a dataset: {source}", str(source), FIX)
    import datasets

    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(**named.groupdict()) if named else datasets.load_from_disk(str(source))
    except ConnectionError as error:
        fix = "check the name and the network; or fetch it elsewhere, `save_to_disk`, and give the folder"
        raise UserError(f"the dataset cannot be fetched: {_first_line(error)}", str(source), fix) from None
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"the dataset cannot be read: {_first_line(error)}", str(source), FIX) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
