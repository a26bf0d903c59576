"""What other tools call our metrics, and what we say to names that could mean several."""

from __future__ import annotations

OURS = {
    "accuracy": "exact_match",
    "acc": "exact_match",
    "em": "exact_match",
    "micro_recall": "exact_match",
    "recall_micro": "exact_match",
    "weighted_recall": "exact_match",
    "recall_weighted": "exact_match",
    "f1_macro": "macro_f1",
    "f1_micro": "micro_f1",
    "f1_weighted": "weighted_f1",
    "precision_macro": "macro_precision",
    "precision_micro": "micro_precision",
    "precision_weighted": "weighted_precision",
    "macro_recall": "balanced_accuracy",
    "recall_macro": "balanced_accuracy",
    "matthews_correlation": "mcc",
    "matthews_corrcoef": "mcc",
    "kappa": "cohen_kappa",
    "brier_score": "brier",
    "sacrebleu": "bleu",
    "rouge_l": "rougeL",
    "rougel": "rougeL",
}
"""Names that mean one of ours and nothing else."""

MEANT = {
    "f1": "`macro_f1`, `weighted_f1` and `micro_f1` are over labels, `f1:LABEL` is of one, `token_f1` over words and "
    "`field_f1` over the fields of JSON",
    "precision": "`macro_precision`, `weighted_precision` and `micro_precision` are over labels, `precision:LABEL` is "
    "of one",
    "recall": "`balanced_accuracy` is the mean of the labels' recall, `recall:LABEL` that of one",
    "auc": "`auc:LABEL` ranks by the score of one label",
    "average_precision": "`average_precision:LABEL` ranks by the score of one label",
    "rouge": "`rouge1`, `rouge2` and `rougeL` are its marks",
    "json": "`json_match` asks for the same value, `json_valid` for the same keys, `json_schema` for a schema, "
    "`field_f1` for as many fields as can be",
    "perplexity": "`bits_per_byte` is of the target, whatever a model's tokens are",
    "word_perplexity": "`bits_per_byte` is of the target, whatever a model's tokens are",
    "byte_perplexity": "`bits_per_byte` stands as one over it",
    "latency": "`policy.max_seconds` is the rule for it, and every report shows it",
    "price": "`policy.max_cost` is the rule for it, and every report shows it",
    "judge": "a judge has a section of its own, `judge:`",
}
"""Names that could mean several, or none, and what to write."""


def ours(name: object) -> object:
    """A metric's name as we write it; anything else as it is."""
    return OURS.get(name, name) if isinstance(name, str) else name
