"""Model text is data: makes any string harmless in a Markdown table, a code block or a terminal."""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher

LONGEST_BLOCK, LONGEST_CELL = 2000, 1000  # characters
MOST_OTHERS = 5  # further right answers that are shown beside the first
ALIKE = 0.5  # two texts with less in common have nothing worth marking

# C0 and C1 but newline and tab, invisible and direction-changing characters, and what XML 1.0 has no place for. The
# joiners U+200C and U+200D stay: Persian and Hindi are not written without them.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]"
)
# What starts markup inside a line; underscores only at the edge of a word, brackets only where a link would begin,
# and the places where GitHub would make a link of a bare address.
_MARKUP = re.compile(r"[\\`*|~$@]|(?<!\w)_|_(?!\w)|\](?=\()|:(?=//)|(?<=www)\.", re.IGNORECASE)
# What starts a block at the beginning of a line; the sign of a number does not.
_BLOCK = re.compile(r"^(\d{1,9})?(#|\[|[-+](?=[-+ ]|$)|(?<=\d)[.)](?= |$))")
_WORD = re.compile(r"\d+\.\d+|[^\W_]+|\s+|(?:[^\w\s]|_)+")
_MARKABLE = re.compile(r"[^\W_](?:.*[^\W_])?")
_OPEN, _CLOSE = "\x02", "\x03"  # stand for bold until the rest is escaped; `clean` leaves none in any text


def clean(text: str) -> str:
    """Text without control and direction-changing characters; newlines and tabs stay."""
    return _CONTROL.sub("�", text.encode("utf-8", "replace").decode().replace("\r\n", "\n"))


def shorten(text: str, longest: int) -> str:
    """Text of at most about `longest` characters: the middle of a longer one is left out, and how much is said."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} … ({len(text) - 2 * half:,} characters left out) … {text[-half:]}"


def cell(text: str) -> str:
    """Text as one Markdown table cell, phrase or paragraph: no markup, no HTML, no line break."""
    return _escape(re.sub(r"\s+", " ", clean(shorten(text, LONGEST_CELL))).strip())


def right(target: str, others: str | None, most: int | None = MOST_OTHERS) -> str:
    """All right answers as one text: the target, and at most `most` of the `others`, a JSON list, with their number."""
    further = json.loads(others or "[]")
    shown = ", ".join(further[:most])
    more = len(further) - len(further[:most])
    return f"{target} (or: {shown}{f', and {more} more' if more else ''})" if further else target


def phrase(text: str) -> str:
    """A sentence of ours as `cell` has it, but for what stands between backticks: that is code, to be typed."""
    parts = shorten(text, LONGEST_CELL).split("`")
    if len(parts) % 2 == 0 or not all(part.strip() for part in parts[1::2]):
        return cell(text)
    plain = [_escape(re.sub(r"\s+", " ", clean(part))) for part in parts[::2]]
    typed = [*(cell(f"`{part}`") if "|" in part else code(part) for part in parts[1::2]), ""]
    return "".join(both for pair in zip(plain, typed, strict=True) for both in pair).strip()


def contrast(one: str, other: str) -> tuple[str, str]:
    """Two answers as table cells, the words in which they differ in bold and line breaks as a sign."""
    texts = [one_line(shorten(text, LONGEST_CELL)) for text in (one, other)]
    words = [_WORD.findall(text) for text in texts]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    if matcher.ratio() < ALIKE:
        return _escape(texts[0]), _escape(texts[1])
    marked = ["", ""]
    for operation, *ends in matcher.get_opcodes():
        for side, (start, end) in enumerate((ends[:2], ends[2:])):
            part = "".join(words[side][start:end])
            marked[side] += part if operation == "equal" else _bold(part)
    return _escape(marked[0]), _escape(marked[1])


def one_line(text: str) -> str:
    """Text on one line without control characters, its line breaks as a sign."""
    return re.sub(r"\s+", " ", clean(text).strip().replace("\n", " ⏎ "))


def _bold(part: str) -> str:
    """The part marked from its first letter or digit to its last: asterisks beside anything else may stay asterisks."""
    return _MARKABLE.sub(lambda match: f"{_OPEN}{match.group()}{_CLOSE}", part, count=1)


def _escape(flat: str) -> str:
    safe = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _BLOCK.sub(r"\1\\\2", _MARKUP.sub(lambda match: "\\" + match.group(), safe))
    return escaped.replace(_OPEN, "**").replace(_CLOSE, "**")


def block(text: str, info: str = "text", longest: int = LONGEST_BLOCK) -> str:
    """Text as a fenced code block of kind `info`, the fence longer than any run of backticks inside."""
    shown = clean(shorten(text, longest))
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", shown)), default=0))
    return f"{fence}{info}\n{shown}\n{fence}"


def folded(text: str, info: str, longest: int = LONGEST_BLOCK) -> str:
    """A block of kind `info` that is folded away until asked for, where Markdown is shown as GitHub shows it."""
    opening = f"<details><summary>{info}, {len(text):,} characters</summary>"
    return f"{opening}\n\n{block(text, info, longest)}\n\n</details>"


def code(text: str) -> str:
    """Text as code within a line, to be typed; a phrase where a backtick would end it, or a `|` the cell of a table."""
    flat = re.sub(r"\s+", " ", clean(shorten(text, LONGEST_CELL))).strip()
    return cell(text) if {"`", "|"} & set(text) or not flat else f"`{flat}`"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; cells are already safe."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
