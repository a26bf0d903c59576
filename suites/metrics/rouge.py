"""ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004, W04-1013) by rouge-score: F1 of shared words, pairs, longest common sequence.

The library reads Latin letters and digits alone, and gives Cyrillic or Chinese 0 against itself; it is given words of
every script here, which for Latin text are the same.
"""

from __future__ import annotations

import re
from functools import cache, partial
from typing import Any

from suites.model import Completion
from suites.types import Example, Score

WORD = re.compile(r"[^\W_]+")


class Words:
    """Words of any script in lower case; a script without spaces between words has one for a phrase."""

    def tokenize(self, text: str) -> list[str]:
        """The words of a text."""
        return WORD.findall(text.lower())


@cache
def _scorer(name: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([name], tokenizer=Words())


def _mark(name: str, example: Example, completion: Completion) -> Score:
    return Score(float(_scorer(name).score(example.target, completion.text)[name].fmeasure))


rouge1, rouge2, rouge_l = (partial(_mark, name) for name in ("rouge1", "rouge2", "rougeL"))
