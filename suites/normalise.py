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


def normalise(text: str) -> str:
    """Text with case, punctuation and spacing taken out, so that copies look alike."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\N{MINUS SIGN}", "-")
    return " ".join(MEANING.findall(folded)) or folded.strip()
