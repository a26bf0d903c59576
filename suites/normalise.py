"""When two texts are the same text."""

from __future__ import annotations

import re
import unicodedata

# Words and numbers, and the signs without which 3 - 2 would be a copy of 3 + 2, and C# of C.
MEANING = re.compile(
    r"""\d+(?:[.,]\d+)+ | \w+ | -(?=\s*\d) | [+=<>^] | (?<=\w)[#]
        | (?<=[\w)])[*/](?=[\w(]) | (?<=\w[ ])[*/](?=[ ]\w)""",
    re.VERBOSE,
)

# Soft hyphen, joiners and marks of direction of no width, byte order mark: they divide no word.
UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")


def without_unseen(text: str) -> str:
    """Text without the characters that have no width."""
    return UNSEEN.sub("", text)


def normalise(text: str) -> str:
    """Text with case, punctuation, spacing and unseen characters taken out, so that copies look alike."""
    folded = unicodedata.normalize("NFKC", without_unseen(text)).casefold().replace("\N{MINUS SIGN}", "-")
    return " ".join(MEANING.findall(folded)) or folded.strip()
