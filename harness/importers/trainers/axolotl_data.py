"""Datasets as Axolotl's YAML names them: a path, a type, a part of a split, and the keys of rows and turns."""

from __future__ import annotations

from collections.abc import Mapping

from harness.importers.trainers.draft import Draft, words
from harness.importers.trainers.ledger import Ledger
from harness.importers.trainers.plain_text import plain_text
from harness.importers.trainers.shapes import Kind, Shape
from harness.importers.trainers.sources import Source, locate
from suites.errors import UserError

CHATS = ("chat_template", "sharegpt", "input_output")
INSTRUCTIONS: Mapping[str, Mapping[str, str]] = {
    "alpaca": {},
    "alpaca_chat": {},
    "alpaca_w_system": {"system": "system"},
    "gpteacher": {"output": "response"},
    "oasst": {"instruction": "INSTRUCTION", "output": "RESPONSE"},
    "summarizetldr": {"instruction": "article", "output": "summary"},
    "jeopardy": {"instruction": "question", "output": "answer"},
    "context_qa": {"instruction": "context", "input": "question", "output": "answer"},
}
"""Columns of their types of instructions, by our words; those of Alpaca where nothing else is said."""
PLAIN = ("completion", "pretrain")


def sources(draft: Draft, name: str) -> list[Source]:
    """The datasets that a list of the config names, each with the part that is taken and the columns that are read."""
    listed = draft.theirs.get(name)
    count = len(listed) if isinstance(listed, list) else 0
    return [_source(draft, draft.theirs.at(name, number), f"data.{name}") for number in range(count)]


def _source(draft: Draft, entry: Ledger, to: str) -> Source:
    """One of `datasets`, with the part that is taken and the columns that are read."""
    shape = _shape(draft, entry, to)
    if not entry.get("path"):
        raise UserError("a dataset has no `path`", str(draft.config), "add the file or the dataset of the Hub")
    files = words(entry.get("data_files")) if entry.get("data_files") else []
    name = str(entry.carry(to, "path"))
    found = locate(name, draft.config, files)
    if not found and files:
        raise UserError(
            f"data_files of a dataset of the Hub: {name}", str(draft.config), "fetch the files and name them"
        )
    for key in ("data_files", "split", "name", "revision", "type", "ds_type"):
        if entry.get(key) is not None:
            entry.carry(to, key)
    return Source(
        name,
        found,
        config=str(entry.get("name") or ""),
        revision=str(entry.get("revision") or ""),
        split=str(entry.get("split") or "train"),
        shape=shape,
    )


TURN_KEYS = (("role", "message_field_role"), ("content", "message_field_content"))


def _shape(draft: Draft, entry: Ledger, to: str) -> Shape:
    kind = entry.get("type")
    if isinstance(kind, Mapping):
        return _own_columns(draft, entry.at("type"), to)
    head = str(kind or "").partition(".")[0].partition(":")[0]
    if head in PLAIN:
        raise plain_text(draft)
    if draft.learns_from == "preferences":
        return _preference_shape(draft, entry, to)
    if head in CHATS:
        columns = _carried(entry, to, {"messages": "field_messages", "system": "field_system"})
        if head == "sharegpt":
            columns.setdefault("messages", "conversations")
        return _turns(entry, to, Shape("chat", columns))
    if head in INSTRUCTIONS:
        draft.text_of_alpaca(f"type: {kind}")
        return Shape("instruction", INSTRUCTIONS[head])
    if kind:
        entry.tell("say under data.columns where input and target are", "type", learnt=True)
    return Shape()


def _preferred(draft: Draft) -> Kind:
    return "rated" if draft.training["method"] == "kto" else "pairs"


def _preference_shape(draft: Draft, entry: Ledger, to: str) -> Shape:
    words = {"messages": "field_messages", "chosen": "field_chosen", "rejected": "field_rejected"}
    return _turns(entry, to, Shape(_preferred(draft), _carried(entry, to, words)))


def _turns(entry: Ledger, to: str, shape: Shape) -> Shape:
    """With the keys of a turn, whose turns the roles are, and which turns are learnt."""
    keys = entry.at("message_property_mappings")
    turn = tuple(str(keys.get(ours) or entry.get(old) or ours) for ours, old in TURN_KEYS)
    named = any(keys.get(ours) or entry.get(old) for ours, old in TURN_KEYS)
    for ours, old in TURN_KEYS:
        keys.carry(to, ours)
        entry.carry(to, old)
    roles = {}
    for ours in ("user", "assistant", "system", "tool"):
        for theirs in words(entry.get("roles", ours)):
            roles[theirs] = ours
        entry.carry(to, "roles", ours)
    if entry.get("roles_to_train") == ["assistant"]:
        entry.carry("only answers are learnt", "roles_to_train")
    if entry.get("chat_template") == "tokenizer_default":
        entry.carry("the tokenizer's own", "chat_template")
    return Shape(
        shape.kind,
        shape.columns,
        turn=(turn[0], turn[1]) if named else None,
        roles=roles,
        trained=str(entry.carry(to, "message_field_training") or ""),
        drop_system=bool(entry.carry(to, "drop_system_message")),
    )


def _own_columns(draft: Draft, kind: Ledger, to: str) -> Shape:
    """A `type` that names its columns; how it lays the prompt out is the chat template's part here."""
    if draft.learns_from == "preferences":
        words = {name: f"field_{name}" for name in ("prompt", "system", "chosen", "rejected", "completion", "label")}
        return Shape(_preferred(draft), _carried(kind, to, words))
    words = {name: f"field_{name}" for name in ("instruction", "input", "output", "system")}
    columns = _carried(kind, to, words)
    for name in ("format", "no_input_format", "system_format"):
        kind.tell("the model's chat template lays the prompt out here", name, learnt=True)
    return Shape("instruction", columns, system=str(kind.carry(to, "system_prompt") or ""))


def _carried(entry: Ledger, to: str, names: Mapping[str, str]) -> dict[str, str]:
    """The columns that an entry names, by our words for them."""
    given = {ours: entry.carry(to, theirs) for ours, theirs in names.items()}
    return {ours: str(column) for ours, column in given.items() if column is not None}
