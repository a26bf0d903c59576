"""Data that another trainer's file names: where it lies, which part of it is taken, and its rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.importers.trainers.shapes import WRITERS, Shape
from suites.data.hub import is_dataset
from suites.data.readers import read_rows, refuse_rows
from suites.errors import UserError
from suites.types import Json

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
FILE = re.compile(r".+\.(jsonl?|csv|tsv|parquet)")
SPLIT = re.compile(r"(?P<name>\w+)(?P<part>\[(?P<from>-?\d+%?)?:(?P<to>-?\d+%?)?\])?")
REMOTE = re.compile(r"\w+://.*")


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of local `files`, or of a dataset of the Hub by its name, which part of them, and how they are read.

    `split` is a name with or without a part, such as `train[:20%]`; `limit` the rows taken at most, the first of them.
    """

    name: str
    files: tuple[Path, ...] = ()
    config: str = ""
    revision: str = ""
    split: str = "train"
    limit: int | None = None
    shape: Shape = field(default_factory=Shape)

    @property
    def here(self) -> bool:
        """Whether the rows are in files, not on the Hub."""
        return bool(self.files)

    @property
    def hub(self) -> str:
        """Its name on the Hub as `data.train` has it; a limit is a part of the split where no other is taken."""
        config, revision = f":{self.config}" * bool(self.config), f"@{self.revision}" * bool(self.revision)
        part = "" if self.limit is None or self.part else f"[:{self.limit}]"
        return f"hf:{self.name}{config}{revision}/{self.split}{part}"

    @property
    def part(self) -> str:
        """The part of the split that is taken; empty for all of it."""
        return self.split[self.split.index("[") :] if "[" in self.split else ""

    @property
    def as_it_is(self) -> bool:
        """Whether the experiment can name it, with no row of it written anew."""
        if not self.here:
            return self.shape.read_as_it_is and not (self.part and self.limit is not None)
        return self.shape.read_as_it_is and len(self.files) == 1 and not self.part and self._within_limit()

    def _within_limit(self) -> bool:
        return self.limit is None or (self.files[0].exists() and len(read_rows(self.files[0])) <= self.limit)

    def rows(self) -> list[Json]:
        """Its rows as they are, the part that is taken. Raises UserError for what cannot be read."""
        if not self.here:
            try:
                found = [row for _, row in read_rows(self.hub)]
            except UserError as error:
                fix = "run it again with a network, or name a file with these rows in its place"
                raise UserError(f"rows have to be read to be carried over: {error.what}", self.hub, fix) from None
        elif missing := [file for file in self.files if not file.exists()]:
            fix = "type the command where the other trainer is started, or mend the path"
            raise UserError("no such file", str(missing[0]), fix)
        else:
            found = part_of([row for file in self.files for _, row in read_rows(file)], self.split, self.name)
        return found[: self.limit] if self.limit is not None else found

    def written(self) -> list[Json]:
        """Its rows in the shape the harness reads. Raises UserError that lists the rows that are none."""
        write = WRITERS[self.shape.kind]
        good: list[Json] = []
        bad: list[str] = []
        for number, row in enumerate(self.rows(), 1):
            try:
                good.append(write(self.shape, row))
            except (ValueError, TypeError, KeyError) as error:
                bad.append(f"row {number}: {error}")
        refuse_rows(bad, self.name)
        return good

    def shaped(self, shape: Shape) -> Source:
        """The same rows, read otherwise."""
        return replace(self, shape=shape)


def part_of(rows: Sequence[Json], split: str, name: str) -> list[Json]:
    """The part of all rows that a split such as `train[10%:20%]` takes, percentages rounded as `datasets` does.

    Raises UserError for what is no such split.
    """
    match = SPLIT.fullmatch(split)
    if match is None:
        raise UserError(f"the split {split!r} is not one part of one split", name, "write it as train[:20%]")
    ends = [_end(match[end], len(rows)) for end in ("from", "to")]
    return list(rows[ends[0] : ends[1]])


def _end(text: str | None, n: int) -> int | None:
    if text is None:
        return None
    return round(int(text[:-1]) * n / 100) if text.endswith("%") else int(text)


def places(config: Path) -> Iterator[Path]:
    """Where a path of a config may start: where the command is typed, beside the config, or in a folder above it."""
    yield Path.cwd()
    yield from list(config.resolve().parents)[:4]


def find(name: str, config: Path) -> Path | None:
    """The file or folder that a config names, if it is there."""
    return next((place / name for place in places(config) if (place / name).exists()), None)


def locate(name: str, config: Path, data_files: Sequence[str] = ()) -> tuple[Path, ...]:
    """The local files of a dataset; none for one of the Hub.

    A file that is not there stays as named, from where the command is typed. Raises UserError for an address, a folder
    of several files of which none is named, and what cannot be a dataset.
    """
    for each in (name, *data_files):
        if REMOTE.fullmatch(each):
            raise UserError(f"data at an address: {each}", str(config), "fetch the file and name it there")
    found = find(name, config)
    if found and found.is_dir() and not is_dataset(found):
        return tuple(found / file for file in data_files) if data_files else (_only_file(found),)
    if found:
        return (found,)
    if data_files and not HUB_NAME.fullmatch(name):  # `path: json` with the files beside it
        return tuple(find(file, config) or Path(file) for file in data_files)
    if FILE.fullmatch(name) or not HUB_NAME.fullmatch(name):
        return (Path(name),)
    return ()


def _only_file(folder: Path) -> Path:
    files = sorted(path for path in folder.iterdir() if FILE.fullmatch(path.name))
    if len(files) != 1:
        what = f"the folder has {len(files)} data files" if files else "the folder has no data file"
        raise UserError(what, str(folder), "name the one with the training rows")
    return files[0]
