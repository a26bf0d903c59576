"""What a model can be held to: looked at when it is first asked so, and refused with words where it would go wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.models.finite import answers_of
from harness.models.hf.chat import ChatTokenizer
from harness.models.hf.constrained.course import Holder
from harness.models.hf.constrained.trie import Trie
from suites.errors import UserError
from suites.model import Constraint, Generation, Message, Prompt

SHORT: list[Message] = [{"role": "user", "content": "hello"}]
"""Any conversation: where an answer begins is the template's, whatever was asked."""
ANSWER = "answer"


def holder(
    chat: ChatTokenizer, constraint: Constraint, prompt: Prompt | None, stop: Sequence[int], vocabulary: int
) -> Holder[Any]:
    """Holds answers to prompts like `prompt` (None: to any conversation) to a constraint.

    Raises UserError for a model or a constraint with which that cannot be done.
    """
    where = "constrain"
    if not stop:
        raise UserError("the model has no token that ends an answer", where, "leave `constrain` out")
    context, lead, end = _border(chat, prompt, stop)
    known = _known(constraint)
    if known is not None:
        return _trie(chat, known, (context, lead), stop, vocabulary)
    from harness.models.hf.constrained import grammar

    if why := grammar.refusal(constraint):
        what = f"answers cannot be held to this {_called(constraint)}: {why}"
        raise UserError(what, where, "say it in other words, or leave `constrain` out")
    tokens = grammar.tokens_of(chat.tokenizer, end, vocabulary)
    if not isinstance(tokens, str):
        probe = Constraint("json_schema", '{"type": "object"}')
        ids = _ids(chat, context, lead + grammar.PROBE)
        for space in (lead, f"{lead} "):
            if grammar.Grammar(grammar.grammar_of(probe, space), tokens, end).reads(ids):
                return grammar.Grammar(grammar.grammar_of(constraint, space), tokens, end)
        tokens = "its tokenizer writes text in other letters than it reads, and would be made to spell"
    what = f"this model cannot be held to a {_called(constraint)}: {tokens}"
    fix = (
        "leave `constrain` out; labels, and schemas with a fixed set of answers (`enum`, `const`), work with any model"
    )
    raise UserError(what, where, fix)


def check_room(held: Holder[Any], generation: Generation) -> None:
    """Raises UserError where an answer that the constraint allows has more tokens than an answer may have."""
    if held.longest is not None and held.longest > generation.max_new_tokens:
        what = f"the longest answer that `constrain` allows has {held.longest} tokens, its end among them"
        fix = f"set it to {held.longest} or more"
        raise UserError(what, f"task: max_new_tokens: {generation.max_new_tokens}", fix)


def _known(constraint: Constraint) -> list[str] | None:
    """The answers where there are so few that they can be listed."""
    if constraint.kind == "choice":
        return [str(text) for text in json.loads(constraint.rule)]
    return answers_of(json.loads(constraint.rule)) if constraint.kind == "json_schema" else None


def _border(chat: ChatTokenizer, prompt: Prompt | None, stop: Sequence[int]) -> tuple[str, str, int]:
    """A rendered prompt, what the template writes between it and an answer, and the token that ends one."""
    if prompt is not None and isinstance(prompt.messages, str):
        return prompt.messages, "", stop[0]
    settings = prompt.settings if prompt else ()
    context = chat.render(SHORT, settings)
    after = chat.cut_answer(context, chat.render_whole(SHORT, ANSWER), ANSWER)
    lead, _, rest = after.partition(ANSWER)
    ends: list[int] = chat.tokenizer(rest, add_special_tokens=False)["input_ids"]
    return context, lead, next((token for token in ends if token in stop), stop[0])


def _ids(chat: ChatTokenizer, context: str, text: str) -> list[int]:
    """The tokens of a text after a prompt, as training has them."""
    before, whole = chat.encode_all([context, context + text])
    if whole[: len(before)] == before:
        return whole[len(before) :]
    ids: list[int] = chat.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _trie(
    chat: ChatTokenizer, answers: Sequence[str], border: tuple[str, str], stop: Sequence[int], vocabulary: int
) -> Trie:
    context, lead = border
    tokens = {text: _ids(chat, context, lead + text) for text in answers}
    ends = frozenset(stop)
    for text, ids in tokens.items():
        read = chat.decode(ids).strip().removeprefix(lead.strip()).strip()
        if not text.strip() or ends & set(ids) or read != text.strip() or max(ids) >= vocabulary:
            what = f"the model cannot write the answer {text!r:.80}, which it reads as {read!r:.80}"
            raise UserError(what, "constrain", "rename the label, or leave `constrain` out")
    return Trie(tokens.values(), stop)


def _called(constraint: Constraint) -> str:
    return "JSON Schema" if constraint.kind == "json_schema" else "regular expression"
