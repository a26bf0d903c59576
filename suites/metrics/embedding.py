"""A mark for answers that mean what the target means: the cosine of their vectors by an encoder of sentences.

Which encoder is said by its folder, and its numbers are its own: what is near for one is far for another, and texts
that say the opposite may be near. It tells more beside another metric than alone (Reimers and Gurevych 2019,
arXiv:1908.10084).
"""

from __future__ import annotations

from pathlib import Path

from suites.model import Completion
from suites.similarity.encoder import Encoder, refuse_missing
from suites.types import Example, Mark, Score


def similarity(folder: str) -> Mark:
    """Cosine of answer and target, 0 where it is below that. Raises UserError for a folder that holds no encoder, and
    where sentence-transformers is not installed."""
    refuse_missing()
    encoder = Encoder(Path(folder).resolve())

    def mark(example: Example, completion: Completion) -> Score:
        if not example.target.strip():
            return Score(None, "the target is empty")
        given, wanted = encoder.vectors([completion.text, example.target])
        return Score(min(1.0, max(0.0, round(float(given @ wanted), 6))))  # equal texts end a little below 1

    return mark
