"""The template of a prompt: its system part and its user part, the columns they show, and how they are filled in.

Columns are data: what looks like a template in them is not filled in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache

from jinja2 import Template, meta

from suites.errors import UserError
from suites.templates import FAILURES, SANDBOX, bounded
from suites.types import Json

MARKER = re.compile(r"^(system|user):[ \t]*\r?$", re.MULTILINE)


@lru_cache(maxsize=64)
def parts(text: str, name: str) -> tuple[str, str]:
    """A template's system part and user part, either of which may be empty.

    Raises UserError for one that is no template, and for parts that are said twice or leave the example out.
    """
    if not MARKER.match(text.lstrip()):
        return ("", text) if "input" in shown_columns(text, name) else (text.strip() and text, "")
    _, *pieces = MARKER.split(text)
    said = dict(zip(pieces[::2], pieces[1::2], strict=True))
    where, fix = f"prompt of {name}", "write a part `system:` and a part `user:`, each once"
    if len(pieces) > 2 * len(said):
        raise UserError("the prompt has a part twice", where, fix)
    system, user = said.get("system", "").strip(), said.get("user", "").strip()
    if "user" in said and not shown_columns(user, name):
        raise UserError("the part `user:` of the prompt does not show the example", where, "write `{{ input }}` in it")
    shown_columns(system, name)
    return system, user


def with_instruction(
    template: str, name: str, *, before: str = "", after: str = "", say: Callable[[str], str] | None = None
) -> str:
    """A template with more text around its instruction; the text is data, never a template.

    `say` makes it into one that says the text as it is; left out, by an expression.
    """
    around = [(say or _literal)(text) for text in (before, after)]
    if not MARKER.match(template.lstrip()):
        return _around(template, *around)
    system, user = parts(template, name)
    return f"system:\n{_around(system, *around)}\nuser:\n{user}"


def with_system(template: str, name: str, text: str) -> str:
    """A template with another one in place of its instruction: of its system part, or of its one block of text."""
    if not MARKER.match(template.lstrip()):
        return text
    system, user = parts(template, name)
    return f"system:\n{text}\nuser:\n{user}" if system and user else f"{'system' if system else 'user'}:\n{text}"


def written(text: str) -> str:
    """A template that says a text as it is, for people to read: an expression only where it looks like more."""
    plain = not any(mark in text for mark in ("{{", "{%", "{#")) and not MARKER.search(text)
    return text if plain else _literal(text)


def _around(text: str, before: str, after: str) -> str:
    return "\n\n".join(part for part in (before, text, after) if part.strip()).strip()


def _literal(text: str) -> str:
    """An expression that gives a text as it is."""
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if text else ""


def shown_columns(text: str, name: str) -> set[str]:
    """The columns of an example that a template shows. Raises UserError when it is none."""
    try:
        return meta.find_undeclared_variables(SANDBOX.parse(text))
    except FAILURES as error:
        raise UserError(f"the prompt is not a template: {error}", f"prompt of {name}") from None


@lru_cache(maxsize=64)
def compiled(text: str, name: str) -> Template:
    """A template to fill in. Raises UserError when it is none."""
    try:
        return SANDBOX.from_string(text)
    except FAILURES as error:  # what only compiling finds, such as a filter that does not exist
        raise UserError(f"the prompt is not a template: {error}", f"prompt of {name}") from None


def fill(text: str, name: str, columns: Json) -> str:
    """A template with an example's columns in it. Raises UserError when it needs one that is not there."""
    template = compiled(text, name)
    try:
        with bounded():
            return template.render(dict(columns)).strip()
    except FAILURES as error:
        fix = f"the columns are {', '.join(map(str, columns))}"
        raise UserError(f"the prompt cannot be filled in: {error}", f"prompt of {name}", fix) from None
