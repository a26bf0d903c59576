"""The metrics by name, a line each: what it is, what marks, and how to read its numbers."""

from __future__ import annotations

from suites import normalise
from suites.metrics import (
    bleu,
    code_tests,
    embedding,
    evaluate_bridge,
    fields,
    follows,
    groundedness,
    json_values,
    labels,
    last_number,
    maths,
    mt,
    pairs,
    patterns,
    quantity,
    recorded,
    rouge,
    samples,
    scores,
    style,
    text,
    tool_calls,
)  # fmt: skip
from suites.metrics.metric import Metric
from suites.types import Score

SKLEARN = "scikit-learn over the labels that are targets"
SACREBLEU = "sacrebleu, one reference"
ROUGE = "W04-1013; rouge-score, words of every script"
DISTINCT = "arXiv:1510.03055, one answer"
NOT_ALONE = Score(None, "a judge compares two answers, and marks none alone")

METRICS: dict[str, Metric] = {
    # --- the right answer
    "exact_match": Metric("the answer is the target, space around both ignored", text.exact_match),
    "normalised_match": Metric(
        "the answer is the target once case, punctuation and spacing are taken out",
        text.normalised_match,
        reads=normalise.normalise,
    ),
    "contains": Metric("the target stands somewhere in the answer, case ignored", text.contains),
    "regex": Metric(
        "the target is a regular expression that the answer has a match of",
        patterns.regex,
        of_target=False,
    ),
    "regex:PATTERN": Metric(
        "the answer has a match of this regular expression, whatever the target",
        make=lambda detail, schema: patterns.pattern_of(detail),
        form=True,
        needs_target=False,
    ),
    "number_match": Metric(
        "the last number of the answer is the last number of the target",
        last_number.number_match,
        reads=last_number.read,
        source="GSM8K, arXiv:2110.14168",
    ),
    "quantity": Metric(
        "the last number of the answer is that of the target, in its unit or one that converts to it",
        quantity.quantity,
        reads=quantity.read,
        source="factors of the SI and of NIST SP 811",
    ),
    "quantity:TOLERANCE": Metric(
        "the same within a tolerance, a share such as `1%` or an amount in the unit of the target",
        make=lambda detail, schema: quantity.within(detail),
        reads=quantity.read,
        source="factors of the SI and of NIST SP 811",
    ),
    "math_match": Metric(
        "the answer's expression equals the target's, for every value of their variables",
        maths.math_match,
        reads=maths.read,
        source="Schwartz 1980, doi:10.1145/322217.322225",
    ),
    # --- JSON
    "json_match": Metric(
        "answer and target are the same JSON value, in any order of keys",
        json_values.json_match,
        reads=json_values.read,
    ),
    "json_valid": Metric(
        "the answer is a JSON object or array with the keys of the target",
        json_values.json_valid,
        reads=json_values.read,
        form=True,
    ),
    "json_schema": Metric(
        "the answer is JSON that `task.schema` accepts",
        make=lambda detail, schema: json_values.json_schema(schema),
        reads=json_values.read,
        source="JSON Schema 2020-12, jsonschema",
        form=True,
    ),
    "field_f1": Metric(
        "F1 of the fields of answer and target in JSON, nested ones too; a list that `task.schema` calls `uniqueItems` "
        "in any order",
        fields.field_f1({}),
        make=lambda detail, schema: fields.field_f1(schema),
        reads=json_values.read,
        source="F1 over (path, value), van Rijsbergen 1979",
    ),
    # --- labels
    "macro_f1": Metric(
        "mean over labels of their F1, of the whole exam",
        text.exact_match,
        whole=labels.MACRO_F1,
        source=f"{SKLEARN}; arXiv:1911.03347",
    ),
    "macro_precision": Metric(
        "mean over labels of their precision", text.exact_match, whole=labels.MACRO_PRECISION, source=SKLEARN
    ),
    "balanced_accuracy": Metric(
        "mean over labels of their recall, of the whole exam",
        text.exact_match,
        whole=labels.BALANCED_ACCURACY,
        source="scikit-learn",
    ),
    "weighted_f1": Metric(
        "mean over labels of their F1, each as often as it is wanted",
        text.exact_match,
        whole=labels.WEIGHTED_F1,
        source=SKLEARN,
    ),
    "weighted_precision": Metric(
        "mean over labels of their precision, each as often as it is wanted",
        text.exact_match,
        whole=labels.WEIGHTED_PRECISION,
        source=SKLEARN,
    ),
    "micro_f1": Metric(
        "F1 of all labels together: accuracy, but that an answer that is no label costs half",
        text.exact_match,
        whole=labels.MICRO_F1,
        source=SKLEARN,
    ),
    "micro_precision": Metric(
        "the share right of the answers that are a label",
        text.exact_match,
        whole=labels.MICRO_PRECISION,
        source=SKLEARN,
    ),
    "f1:LABEL": Metric(
        "F1 of one label against all others",
        make=lambda detail, schema: text.exact_match,
        make_whole=labels.f1_of,
        source="scikit-learn",
    ),
    "precision:LABEL": Metric(
        "of the answers that are this label, the share right",
        make=lambda detail, schema: text.exact_match,
        make_whole=labels.precision_of,
        source="scikit-learn",
    ),
    "recall:LABEL": Metric(
        "of the examples that want this label, the share that get it",
        make=lambda detail, schema: text.exact_match,
        make_whole=labels.recall_of,
        source="scikit-learn",
    ),
    "mcc": Metric(
        "Matthews correlation of answers and targets; 0.5 is chance",
        text.exact_match,
        whole=labels.MCC,
        range="-1 to 1",
        scale="(1 + x) / 2",
        source="doi:10.1016/j.compbiolchem.2004.09.006; scikit-learn",
    ),
    "cohen_kappa": Metric(
        "agreement of answers and targets beyond chance; 0.5 is chance",
        text.exact_match,
        whole=labels.COHEN_KAPPA,
        range="-1 to 1",
        scale="(1 + x) / 2",
        source="doi:10.1177/001316446002000104; scikit-learn",
    ),
    # --- probabilities, asked of a model here or recorded with its answers
    "brier": Metric(
        "squared error of the probabilities of the labels, halved",
        scores.brier,
        better="less",
        scale="1 - x",
        source="Brier 1950; scikit-learn's brier_score_loss, scale_by_half",
        of_scores=True,
        asks="labels",
    ),
    "brier:NAME": Metric(
        "squared error of the number of this name as the probability of being right",
        make=lambda detail, schema: scores.brier_of(detail),
        better="less",
        scale="1 - x",
        source="Brier 1950",
        of_scores=True,
    ),
    "ece": Metric(
        "expected calibration error of the most probable label, in 15 bins; small exams bias it: shown, and no gate",
        scores.given,
        whole=scores.ECE,
        better="less",
        scale="1 - x",
        source="arXiv:1706.04599",
        of_scores=True,
        asks="labels",
        decides=False,
    ),
    "auc:LABEL": Metric(
        "how often one that wants the label has a higher score under its name than one that does not; 0.5 is chance",
        make=lambda detail, schema: scores.label_mark(detail),
        make_whole=scores.auc_of,
        source="doi:10.1148/radiology.143.1.7063747; scores that round to the same 1/199 are a tie",
        of_scores=True,
        asks="labels",
    ),
    "average_precision:LABEL": Metric(
        "mean precision where each example that wants the label is ranked by the score of its name",
        make=lambda detail, schema: scores.label_mark(detail),
        make_whole=scores.average_precision_of,
        source="scikit-learn; scores that round to the same 1/199 are a tie",
        of_scores=True,
        asks="labels",
    ),
    "bits_per_byte": Metric(
        "bits that the model needs for each byte of the target, after the prompt; one over the perplexity of bytes",
        scores.per_byte,
        whole=scores.BITS_PER_BYTE,
        range="0 and more",
        better="less",
        scale="2^-x",
        source="arXiv:2101.00027, section 3.1",
        of_scores=True,
        asks="target",
    ),
    # --- words
    "token_f1": Metric(
        "harmonic mean of the precision and recall of words, normalised",
        text.token_f1,
        reads=normalise.normalise,
        source="SQuAD, arXiv:1606.05250",
    ),
    "groundedness": Metric(
        "share of the answer's sentences that the passages shown support, by their words; what it cites is checked",
        make=lambda detail, schema: groundedness.groundedness,
        of_target=False,
        source="K-Precision, Adlakha et al. 2024; citations, arXiv:2305.14627",
        needs_target=False,
    ),
    "bleu": Metric(
        "BLEU as sacrebleu computes it, of the whole exam; for languages with spaces",
        bleu.mark,
        whole=bleu.BLEU,
        source=f"P02-1040; {SACREBLEU}",
    ),
    "chrf": Metric(
        "chrF, F2 of character n-grams up to 6, of the whole exam",
        mt.chrf,
        whole=mt.CHRF,
        source=f"W15-3049; {SACREBLEU}",
    ),
    "chrf++": Metric(
        "chrF with words and pairs of words",
        mt.chrf_plus_plus,
        whole=mt.CHRF_PLUS_PLUS,
        source=f"W17-4770; {SACREBLEU}",
    ),
    "ter": Metric(
        "edits that make the answer the target for each of its words, of the whole exam",
        mt.ter,
        whole=mt.TER,
        range="0 and more",
        better="less",
        scale="1 - x, at least 0",
        source=f"Snover et al. 2006; {SACREBLEU}",
    ),
    "rouge1": Metric("F1 of words shared", rouge.rouge1, source=ROUGE),
    "rouge2": Metric("F1 of pairs of words shared", rouge.rouge2, source=ROUGE),
    "rougeL": Metric(
        "F1 of the longest common sequence of words",
        rouge.rouge_l,
        source=ROUGE,
    ),
    # --- how it is written
    "length": Metric("words of the shorter of answer and target for each of the longer", style.length, form=True),
    "distinct_1": Metric(
        "different words for each word of the answer",
        style.distinct_1,
        form=True,
        source=DISTINCT,
        of_target=False,
        needs_target=False,
    ),
    "distinct_2": Metric(
        "different pairs of words for each pair of the answer",
        style.distinct_2,
        form=True,
        source=DISTINCT,
        of_target=False,
        needs_target=False,
    ),
    "repetition": Metric(
        "share of sequences of 4 words that were in the answer before",
        style.repetition,
        better="less",
        scale="1 - x",
        form=True,
        source="seq-rep-4, arXiv:1908.04319",
        of_target=False,
        needs_target=False,
    ),
    "refusal": Metric(
        "the answer refuses where the target does, and only there, told by set phrases in its first 200 characters",
        style.refusal,
        form=True,
    ),
    "embedding_similarity:FOLDER": Metric(
        "cosine of answer and target by an encoder of sentences in a folder; needs the extra `embeddings`",
        make=lambda detail, schema: embedding.similarity(detail),
        range="-1 to 1",
        scale="x, at least 0",
        source="arXiv:1908.10084",
    ),
    "bertscore:FOLDER": Metric(
        "how near each word is to one of the target, and back, by an encoder in a folder; needs the extra `embeddings`",
        make=lambda detail, schema: embedding.bertscore(detail),
        range="-1 to 1",
        scale="F1, at least 0",
        source="arXiv:1904.09675",
    ),
    # --- calls of tools
    "tool_calls": Metric(
        "exactly the calls of tools that are wanted, in any order; none where none is", tool_calls.tool_calls
    ),
    "tool_name": Metric(
        "exactly the functions that are wanted are called, whatever they are given", tool_calls.tool_name
    ),
    "tool_arguments": Metric("F1 of the names and arguments of the calls", tool_calls.tool_arguments),
    # --- checks that stand in the target
    "follows": Metric(
        "the answer follows every check that the target lists",
        follows.follows,
        of_target=False,
        straws=follows.STRAWS,
        source="the verifiable instructions of arXiv:2311.07911, in rules of our own",
    ),
    "pairs": Metric(
        "both questions of a pair are answered as `follows` asks, of the whole exam",
        follows.follows,
        whole=pairs.PAIRS,
        of_target=False,
        straws=follows.STRAWS,
    ),
    # --- code
    "code_tests": Metric(
        "the target's tests in Python pass after the answer's code; only with `task.run_code: true`",
        make=lambda detail, schema: code_tests.code_tests(),
        of_target=False,
        source="HumanEval, arXiv:2107.03374",
    ),
    # --- several answers to one question
    "consistency": Metric(
        "how probable it is that two answers to a question are the same, normalised; needs `task.samples`",
        make=lambda detail, schema: samples.alone,
        of_samples=lambda detail: samples.consistency,
        source="Simpson 1949, doi:10.1038/163688a0",
        of_target=False,
        needs_target=False,
    ),
    "pass_at:K": Metric(
        "how probable it is that one of K answers is right by the task's first other metric; needs `task.samples`",
        make=lambda detail, schema: samples.alone,
        of_samples=samples.pass_at,
        source="arXiv:2107.03374, unbiased",
        of_target=False,
    ),
    # --- of others
    "judge": Metric(
        "how often the judge of `judge:` prefers the answer to that of the other side, in both orders, a tie as half",
        make=lambda detail, schema: lambda example, answer: NOT_ALONE,
        source="arXiv:2306.05685, section 3.4; corrected for its errors where it is trusted",
        of_target=False,
        of_judge=True,
        needs_target=False,
    ),
    "evaluate:NAME": Metric(
        "a metric of the evaluate library, by folder or Hub name; NAME/KEY takes one of several results",
        make=lambda detail, schema: evaluate_bridge.metric(detail),
        of_target=False,
    ),
    "recorded:NAME": Metric(
        "the mark that came with a recorded answer under this name",
        make=lambda detail, schema: recorded.recorded(detail),
        of_scores=True,
        of_target=False,
    ),
}
