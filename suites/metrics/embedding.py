"""Marks for answers that mean what the target means, by an encoder: the cosine of two texts, or word by word.

Which encoder is said by its folder, and its numbers are its own: what is near for one is far for another, and texts
that say the opposite may be near. They tell more beside another metric than alone (Reimers and Gurevych 2019,
arXiv:1908.10084; Zhang et al. 2020, arXiv:1904.09675).
"""

from __future__ import annotations

from pathlib import Path

from suites.model import Completion
from suites.similarity.encoder import Encoder, Tokens, refuse_missing
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


def bertscore(folder: str) -> Mark:
    """F1 of BERTScore (arXiv:1904.09675, section 3), at least 0: each word of the answer is worth its cosine with the
    word of the target that is nearest to it (precision), each of the target likewise (recall), by the encoder's last
    layer, without weights by rarity and without a baseline taken off. Raises UserError as `similarity`."""
    refuse_missing()
    encoder = Encoder(Path(folder).resolve())

    def mark(example: Example, completion: Completion) -> Score:
        if not example.target.strip():
            return Score(None, "the target is empty")
        if not completion.text.strip():
            return Score(0.0)
        given, wanted = encoder.tokens([completion.text, example.target])
        precision, recall = _found(given, wanted), _found(wanted, given)
        both = precision + recall
        return Score(min(1.0, max(0.0, round(2 * precision * recall / both, 6))) if both > 0 else 0.0)

    return mark


def _found(tokens: Tokens, among: Tokens) -> float:
    """Mean cosine of a text's words with the nearest token of another; the marks around that one are among these, as in
    the reference code."""
    nearest = (tokens.vectors @ among.vectors.T).max(axis=1)[tokens.words]
    return float(nearest.mean()) if nearest.size else 0.0
