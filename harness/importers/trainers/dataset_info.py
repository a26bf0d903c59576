"""LLaMA-Factory's `dataset_info.json`: where the datasets of a config lie, and how their rows are read.

Keys and defaults are those of `data/README.md` there; the file is looked for as its users type the command.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.importers.trainers.draft import Draft, number, words
from harness.importers.trainers.ledger import Ledger
from harness.importers.trainers.plain_text import plain_text
from harness.importers.trainers.shapes import Shape
from harness.importers.trainers.sources import Source, find, locate
from suites.errors import UserError
from suites.text import json_text
from suites.text.files import read_bytes


def read_data(draft: Draft) -> None:
    """The datasets for training and validation, and what is set aside."""
    theirs = draft.theirs
    folder = str(theirs.get("dataset_dir") or "data")
    limit = number(theirs.carry("data.train", "max_samples"))
    named = theirs.get("dataset") or theirs.get("eval_dataset")
    listed = _listed(draft, folder) if named and folder != "ONLINE" else None
    for name, to in (("dataset", "train"), ("eval_dataset", "validation")):
        found = [_source(draft, each, listed, f"data.{to}") for each in words(theirs.get(name))]
        taken = int(limit) if isinstance(limit, int | float) else None
        found = [replace(source, limit=_least(source.limit, taken)) for source in found]
        theirs.carry(f"data.{to}", name)
        setattr(draft, to, found)
    theirs.carry("data.train", "dataset_dir")
    share = number(theirs.carry("data.split.validation", "val_size"))
    draft.share = float(share) if isinstance(share, int | float) else 0.0


def _least(one: int | None, other: int | None) -> int | None:
    limits = [limit for limit in (one, other) if limit is not None]
    return min(limits) if limits else None


def _listed(draft: Draft, folder: str) -> tuple[Path, Mapping[str, object]]:
    """`dataset_info.json` and its place, looked for where the command is typed, beside the config, and above it."""
    found = find(f"{folder}/dataset_info.json", draft.config)
    if folder.startswith("REMOTE:") or found is None:
        fix = "type the command in the folder that the trainer is started in, or name the folder in dataset_dir"
        raise UserError(f"no dataset_info.json in `dataset_dir: {folder}`", str(draft.config), fix)
    try:
        listed = json_text.parse(read_bytes(found), json_text.LENIENT)
    except ValueError as error:
        raise UserError(f"{error}", str(found)) from None
    return found, listed if isinstance(listed, dict) else {}


def _source(draft: Draft, name: str, listed: tuple[Path, Mapping[str, object]] | None, to: str) -> Source:
    if listed is None:
        return Source(name, shape=Shape("instruction"))
    path, entries = listed
    entry = entries.get(name)
    if not isinstance(entry, dict):
        near = difflib.get_close_matches(name, list(entries), n=1)
        fix = f"did you mean {near[0]}?" if near else f"it has {', '.join(list(entries)[:20])}"
        raise UserError(f"no dataset {name!r} in dataset_info.json", str(path), fix)
    ledger = draft.theirs.add(f"dataset_info.json:{name}", entry)
    files: tuple[Path, ...] = ()
    if url := ledger.get("hf_hub_url"):
        place = str(url)
    elif file := ledger.get("file_name"):
        place, files = str(file), _files(path.parent / str(file), draft)
    else:
        what = f"the dataset {name!r} lies at {', '.join(key for key in entry if key.endswith(('url', 'name')))}"
        raise UserError(what, str(path), "fetch its rows, and name the file as `file_name`")
    for key in ("hf_hub_url", "file_name", "subset", "split", "formatting", "ranking", "num_samples"):
        ledger.carry(to, key)
    if ledger.get("folder"):
        ledger.tell("the whole repository is read here", "folder", learnt=True)
    limit = number(ledger.get("num_samples"))
    if limit:
        draft.remarks.append(f"{name}: num_samples: {limit:g} drawn at random there are the first {limit:g} here")
    return Source(
        place,
        files,
        config=str(ledger.get("subset") or ""),
        split=str(ledger.get("split") or "train"),
        limit=int(limit) if isinstance(limit, int | float) else None,
        shape=_shape(draft, ledger, name, to),
    )


def _files(path: Path, draft: Draft) -> tuple[Path, ...]:
    return locate(str(path), draft.config) or (path,)


INSTRUCTION = {
    "instruction": "prompt",
    "input": "query",
    "output": "response",
    "history": "history",
    "system": "system",
}
ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
ROLES = {
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "assistant",
    "system_tag": "system",
}
MEDIA = ("tools", "images", "videos", "audios")


def _shape(draft: Draft, entry: Ledger, name: str, to: str) -> Shape:
    """How the rows of a dataset are read; a column that a dataset with `columns` does not name is none there."""
    columns = entry.at("columns")
    for column in MEDIA:
        columns.tell("not shown to the model here", column, learnt=True)
    given = {word: str(columns.carry(to, word)) for word in columns.tree if word not in MEDIA and columns.get(word)}
    chat = str(entry.get("formatting") or "alpaca") in ("sharegpt", "openai")
    if draft.learns_from == "preferences":
        return _preferences(draft, entry, given, chat, to)
    if entry.get("ranking") or "kto_tag" in given:
        fix = "use stage: dpo or kto, which learn from them"
        raise UserError(f"{name} holds preferences, and stage: sft learns what to answer", str(draft.config), fix)
    if chat:
        wanted = {"messages": given.get("messages", "conversations")}
        return _turns(entry, to, Shape("chat", wanted | _only(given, "system")))
    if not given:
        return Shape("instruction")
    if "response" not in given:
        raise plain_text(draft)
    named = {ours: given.get(theirs, "") for ours, theirs in INSTRUCTION.items()}
    return Shape("instruction", {ours: column for ours, column in named.items() if column or ours == "input"})


def _only(given: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: given[name] for name in names if name in given}


def _preferences(draft: Draft, entry: Ledger, given: Mapping[str, str], chat: bool, to: str) -> Shape:
    named = given or ({} if chat else ALPACA)
    words = {"prompt": "prompt", "about": "query", "completion": "response", "label": "kto_tag"}
    columns = {ours: named[theirs] for ours, theirs in words.items() if theirs in named}
    columns |= _only(given, "chosen", "rejected", "system", "messages")
    if chat:
        columns.setdefault("messages", "conversations")
        columns = {word: column for word, column in columns.items() if word not in ("prompt", "about", "completion")}
    return _turns(entry, to, Shape("rated" if draft.training["method"] == "kto" else "pairs", columns))


def _turns(entry: Ledger, to: str, shape: Shape) -> Shape:
    tags = entry.at("tags")
    keys = (str(tags.carry(to, "role_tag") or "from"), str(tags.carry(to, "content_tag") or "value"))
    roles = {str(tags.carry(to, tag)): ours for tag, ours in ROLES.items() if tags.get(tag)}
    return Shape(shape.kind, shape.columns, turn=keys if tags.tree else None, roles=roles)
