"""What a row is told apart by: everything that is asked with it, not its `input` column alone.

Extraction, or answers from a passage, put one fixed question to many passages. What a prompt shows of a row is its
identity: its turns, the columns that the prompt names, and images or sound that stand beside the text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from suites.tools.schemas import parameters
from suites.types import Example

# Columns of images, sound and video, as data sets call them.
MEDIA = re.compile(
    r"(?:input_|prompt_)?(?:image|img|picture|photo|audio|sound|speech|video|frame)s?(?:_(?:path|file|url|id|bytes)s?)?"
    r"|pixel_values|input_features",
    re.IGNORECASE,
)
OURS = {"input", "target", "id", "cluster", "source", "reviewer", "annotations"}


def media_columns(example: Example, columns: Sequence[str] = ()) -> list[str]:
    """The columns that hold something beside text; `columns` are shown by a prompt, and so are text."""
    named = [name for name in example.columns if _is_media(name) and name not in columns]
    return [name for name in named if example.columns[name] not in (None, "", [], {})]


@lru_cache(maxsize=1024)
def _is_media(column: str) -> bool:
    return MEDIA.fullmatch(column) is not None


def asked(examples: Sequence[Example], columns: Sequence[str] = (), *, systems: bool | None = None) -> list[str]:
    """For each row the text that tells it apart; that of plain text is the text itself.

    `columns` are those that the prompt shows beside the input. System messages count where they differ from row to row,
    which `systems` says of a larger set of rows that these are a part of. A row with media is like no other but itself,
    and stands for them by a hash.
    """
    if systems is None:
        systems = systems_differ(examples)
    return [_asked(example, columns, systems) for example in examples]


def systems_differ(examples: Sequence[Example]) -> bool:
    """Whether the rows' own system messages, or their tools, tell rows apart: whether there is more than one."""
    return len({text for example in examples if (text := system_text(example))}) > 1


def system_text(example: Example) -> str:
    """The row's own system messages, and what its tools are called."""
    texts = [message["content"] for message in example.turns or () if message["role"] == "system"]
    return "\n".join([*texts, *parameters(example.tools)])


def _asked(example: Example, columns: Sequence[str], systems: bool) -> str:
    if example.turns == ():
        return example.target
    parts = [example.input, *(str(example.columns.get(name, "")) for name in columns)]
    parts += [system_text(example)] if systems else []
    text = "\n".join(part for part in parts if part)
    if media := media_columns(example, columns):
        shown = json.dumps([text, *(example.columns[name] for name in media)], default=repr)
        return hashlib.sha256(shown.encode("utf-8", "replace")).hexdigest()
    return text


def contradict(examples: Sequence[Example]) -> bool:
    """Whether no answer is right to all of some rows that ask the same; space around answers aside."""
    first, *rest = ({answer.strip() for answer in example.answers} for example in examples)
    return not first.intersection(*rest)


def telling_columns(examples: Sequence[Example], columns: Sequence[str] = ()) -> list[str]:
    """Columns of prose that rows with the same text differ in, which a prompt that shows them would tell apart."""
    groups: dict[str, list[Example]] = {}
    for text, example in zip(asked(examples, columns), examples, strict=True):
        groups.setdefault(text, []).append(example)
    repeated = [group for group in groups.values() if len(group) > 1]
    names = dict.fromkeys(name for group in repeated for example in group[:2] for name in example.columns)
    return [name for name in names if name not in {*OURS, *columns} and _tells(name, repeated)]


def telling_where_most_repeat(splits: Mapping[str, Sequence[Example]]) -> list[str]:
    """Where it is not known what a prompt shows: the columns that tell rows apart in splits whose inputs mostly repeat.

    Only where rows of one input mostly have other targets: an input that decides its answer is asked again, whatever
    stands beside it.
    """
    names: set[str] = set()
    for examples in splits.values():
        if _mostly_undecided(examples):
            names |= {*telling_columns(examples)}
    return sorted(names)


def _mostly_undecided(examples: Sequence[Example]) -> bool:
    """Whether more than half of the rows share their input with a row that has another target."""
    groups: dict[str, list[Example]] = {}
    for text, example in zip(asked(examples), examples, strict=True):
        groups.setdefault(text, []).append(example)
    return sum(len(group) for group in groups.values() if contradict(group)) > len(examples) / 2


def _tells(name: str, groups: Sequence[Sequence[Example]]) -> bool:
    values = [[example.columns.get(name) for example in group] for group in groups]
    texts = [value for group in values for value in group]
    return sum(map(_is_prose, texts)) > len(texts) / 2 and any(len({*map(str, group)}) > 1 for group in values)


def _is_prose(value: object) -> bool:
    """Text of more than one word, or a list or an object that holds some, as several passages are."""
    if isinstance(value, list | tuple | dict):
        return any(map(_is_prose, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and " " in value.strip()
