"""Model text is data: makes any string harmless in a Markdown table, a code block or a terminal."""

from __future__ import annotations

import re

LONGEST = 2000

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
# What starts markup inside a line; underscores only at the edge of a word, brackets only where a link would begin.
_MARKUP = re.compile(r"[\\`*|~$@]|(?<!\w)_|_(?!\w)|\](?=\()")


def clean(text: str) -> str:
    """Text without control and direction-changing characters; newlines and tabs stay."""
    return _CONTROL.sub("�", text.encode("utf-8", "replace").decode().replace("\r\n", "\n"))


def cell(text: str) -> str:
    """Text as one Markdown table cell or inline phrase: no markup, no HTML, no line break."""
    flat = re.sub(r"\s+", " ", clean(text)).strip()
    safe = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(lambda found: "\\" + found.group(), safe)


def block(text: str) -> str:
    """Text as a fenced code block, the fence longer than any run of backticks inside, cut at LONGEST characters."""
    shown = clean(text)
    if len(shown) > LONGEST:
        shown = f"{shown[:LONGEST]}\n... ({len(shown) - LONGEST:,} more characters)"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", shown)), default=0))
    return f"{fence}text\n{shown}\n{fence}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; cells are already safe."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
