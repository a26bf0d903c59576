"""Metrics beside the libraries that others count with: scikit-learn, sacrebleu, rouge-score, mpmath's own algebra."""

import json
import warnings

import bench_corpus_peers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF, TER
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    cohen_kappa_score,
    f1_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
    roc_auc_score,
)

from suites.metrics import maths, mt
from suites.metrics.table import CORPUS, build
from suites.model import Completion
from suites.types import Example

# An answer that is no label is `none`, as ours count them.
PAIRS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["a", "b", "c", "d", "none"])), min_size=1, max_size=40
)
WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "."]), max_size=9).map(" ".join)
SENTENCES = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6)
PROBABILITIES = st.lists(st.tuples(st.booleans(), st.integers(0, 199)), min_size=2, max_size=30)


def measure(name, targets, answers):
    metric = CORPUS[name]
    return float(metric.value(metric.statistics(targets, answers).sum(axis=0)))


def averaged(score, average):
    return lambda t, a: score(t, a, labels=sorted(set(t)), average=average, zero_division=0)


PEERS = {
    "macro_precision": averaged(precision_score, "macro"),
    "weighted_precision": averaged(precision_score, "weighted"),
    "weighted_f1": averaged(f1_score, "weighted"),
    "micro_f1": averaged(f1_score, "micro"),
    "micro_precision": averaged(precision_score, "micro"),
    "f1:a": lambda t, a: f1_score(t, a, labels=["a"], average="macro", zero_division=0),
    "precision:a": lambda t, a: precision_score(t, a, labels=["a"], average="macro", zero_division=0),
    "recall:a": lambda t, a: recall_score(t, a, labels=["a"], average="macro", zero_division=0),
    "mcc": lambda t, a: (1 + matthews_corrcoef(t, a)) / 2,
    "cohen_kappa": lambda t, a: 0.5 if len({*t, *a}) == 1 else (1 + cohen_kappa_score(t, a)) / 2,
}  # fmt: skip


@given(PAIRS)
@settings(max_examples=20, deadline=None)
def test_metrics_of_labels_are_scikit_learns(pairs):
    targets, answers = zip(*pairs, strict=True)
    known = [answer if answer in targets else "none" for answer in answers]
    for name, peer in PEERS.items():
        said = answers if ":" in name else known
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of labels never given
            assert measure(name, targets, said) == pytest.approx(peer(targets, said)), name


@pytest.mark.parametrize(
    ("name", "peer"), [("bleu", BLEU()), ("chrf", CHRF()), ("chrf++", CHRF(word_order=2)), ("ter", TER())]
)
@given(SENTENCES)
@settings(max_examples=20, deadline=None)
def test_metrics_of_text_are_sacrebleus(name, peer, pairs):
    targets, answers = zip(*pairs, strict=True)
    theirs = peer.corpus_score(list(answers), [list(targets)]).score / 100
    assert measure(name, targets, answers) == pytest.approx(max(0, 1 - theirs) if name == "ter" else theirs)


@pytest.mark.parametrize("metric", ["bleu", "ter"])
def test_two_systems_differ_as_sacrebleus_paired_randomisation_says(metric):
    found = list(bench_corpus_peers.rows(50, 1, (0.2, 0.4), 400, (metric,)))
    for row in found:
        assert row.ours == pytest.approx(row.theirs)
        ties = 0.2 if metric == "ter" else 0.1  # which count here: its edits are whole numbers
        assert row.p_ar - 0.1 <= row.p_ours <= row.p_ar + ties
    same, spoiled = found
    assert same.p_ours > 0.05 > spoiled.p_ours


def test_the_signature_says_how_sacrebleu_counts():
    assert mt.signature("BLEU").startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert "nc:6|nw:2" in CORPUS["chrf++"].name
    assert CORPUS["ter"].name.startswith("1 - TER (nrefs:1|case:lc|")


@given(st.tuples(WORDS, WORDS))
@settings(max_examples=20, deadline=None)
def test_rouge_of_latin_text_is_rouge_scores_own(pair):
    target, answer = pair
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"]).score(target, answer)
    for name, score in theirs.items():
        mine = build(name)(Example("e", {}, target, "e"), Completion(answer)).value
        assert mine == pytest.approx(score.fmeasure)


@given(PROBABILITIES)
@settings(max_examples=25, deadline=None)
def test_ranking_and_brier_are_scikit_learns(rows):
    wants, scores = np.array([want for want, _ in rows]), np.array([rank / 199 for _, rank in rows])
    targets = ["yes" if want else "no" for want in wants]
    answers = [json.dumps({"yes": p, "no": 1 - p}) for p in scores]
    if 0 < wants.sum() < len(wants):
        assert measure("auc:yes", targets, answers) == pytest.approx(roc_auc_score(wants, scores))
        assert measure("average_precision:yes", targets, answers) == pytest.approx(
            average_precision_score(wants, scores)
        )
    marks = [
        build("brier")(Example("e", {}, target, "e"), Completion("yes", scores=json.loads(answer))).value
        for target, answer in zip(targets, answers, strict=True)
    ]
    assert 1 - np.mean(marks) == pytest.approx(brier_score_loss(wants, scores, pos_label=True))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("(x+1)^3", "x^3 + 3x^2 + 3x + 1", True),
        ("\\frac{x^2-1}{x-1}", "x+1", True),
        ("\\sin^2 x + \\cos^2 x", "1", True),
        ("\\left(\\frac{3}{4}\\right)^{2}", "9/16", True),
        ("ln(x^2)", "2 ln x", True),  # where x is above 0, as it is at the points tried
        ("10^50 + 1", "10^50", False),
        ("0.1 + 0.2", "0.3", True),
        ("2^{10}", "1024", True),
        ("x^2", "x^3", False),
        ("sqrt(2)", "1.41421356237", False),
        ("(" * 200 + "1" + ")" * 200, "1", None),
        ("x" + "+x" * 3000, "3001x", None),
    ],
)
def test_expressions_are_the_same_where_their_values_are(one, other, same):
    score = maths.math_match(Example("e", {}, one, "e"), Completion(other))
    assert (score.value is None) if same is None else score.value == float(same), score


def test_no_answer_is_run_as_code_or_takes_for_ever(tmp_path):
    bad = tmp_path / "ran"
    towers = ("9^9^9^9", "10000!", "(10^9999)^9999", "((((((2^99)^99)^99)^99)^99)^99)^99", "e^e^e^e^e")
    for answer in (f"open('{bad}', 'w')", *towers):
        assert maths.math_match(Example("e", {}, "1", "e"), Completion(answer)).value == 0
    assert not bad.exists()
