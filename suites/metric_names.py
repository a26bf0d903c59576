"""What other tools call our metrics, and what we say to names that could mean several."""

from __future__ import annotations

OURS = {
    "accuracy": "exact_match",
    "acc": "exact_match",
    "em": "exact_match",
    "f1_macro": "macro_f1",
    "sacrebleu": "bleu",
}
"""Names that mean one of ours and nothing else."""

MEANT = {
    "f1": "`macro_f1` is over labels, `token_f1` over words",
    "rouge": "`evaluate:rouge/rougeL` is one of its marks",
    "json": "`json_match` asks for the same value, `json_valid` for the same keys, `json_schema` for a schema",
    "perplexity": "answers are marked here, and a perplexity marks none",
    "judge": "a judge has a section of its own, `judge:`",
}
"""Names that could mean several, or none, and what to write."""


def ours(name: object) -> object:
    """A metric's name as we write it; anything else as it is."""
    return OURS.get(name, name) if isinstance(name, str) else name
