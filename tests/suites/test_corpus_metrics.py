"""Metrics of a whole exam: cases/corpus_metrics.json, scikit-learn and sacrebleu as peers, and what a sum may hide."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU
from sklearn.metrics import balanced_accuracy_score, f1_score

from suites.errors import UserError
from suites.metrics.floors import floors
from suites.metrics.table import CORPUS, METRICS, build

CASES = json.loads((Path(__file__).parents[1] / "cases" / "corpus_metrics.json").read_text())

# Labels "a" to "e" may be wanted; answers may be none of them, and some labels are never given or never wanted.
PAIRS = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcdefgh")), min_size=1, max_size=40)
WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "."]), max_size=9).map(" ".join)
SENTENCES = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6)


LABELS = {name: metric for name, metric in CORPUS.items() if metric.of_labels}


def measure(metric, targets, answers):
    return float(metric.value(metric.statistics(targets, answers).sum(axis=0)))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['metric']}: {c['why']}")
def test_the_value_of_an_exam_is_what_the_case_says(case):
    assert measure(CORPUS[case["metric"]], case["targets"], case["answers"]) == pytest.approx(case["value"])


def test_every_corpus_metric_has_cases_and_a_mark_for_one_answer():
    kinds = {name.partition(":")[0] for name, metric in METRICS.items() if metric.level == "whole exam"}
    assert {case["metric"].partition(":")[0] for case in CASES} == kinds
    assert all(metric.mark or metric.make for metric in METRICS.values())


@given(PAIRS)
@settings(max_examples=200, deadline=None)
def test_macro_f1_is_scikit_learns_over_the_labels_that_are_wanted(pairs):
    targets, answers = zip(*pairs, strict=True)
    peer = f1_score(targets, answers, labels=sorted(set(targets)), average="macro", zero_division=0)
    assert measure(CORPUS["macro_f1"], targets, answers) == pytest.approx(peer)


@given(PAIRS)
@settings(max_examples=100, deadline=None)
def test_balanced_accuracy_is_scikit_learns(pairs):
    targets, answers = zip(*pairs, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some answers are no label
        peer = balanced_accuracy_score(targets, answers)
    assert measure(CORPUS["balanced_accuracy"], targets, answers) == pytest.approx(peer)


@given(SENTENCES)
@settings(max_examples=100, deadline=None)
def test_bleu_is_sacrebleus(pairs):
    targets, answers = zip(*pairs, strict=True)
    peer = BLEU().corpus_score(list(answers), [list(targets)]).score / 100
    assert measure(CORPUS["bleu"], targets, answers) == pytest.approx(peer)


def test_an_exam_too_short_for_bleu_takes_nothing_from_one_beside_it():
    bleu = CORPUS["bleu"]
    short, long = (bleu.statistics([text], [text]).sum(axis=0) for text in ("two words", "five words of some length"))
    assert bleu.value(np.array([short, long], dtype=np.float64)).tolist() == [0.0, pytest.approx(1.0)]


@given(PAIRS, st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_the_same_exam_several_times_over_has_the_same_value(pairs, times):
    targets, answers = zip(*pairs, strict=True)
    for metric in LABELS.values():
        assert measure(metric, targets * times, answers * times) == pytest.approx(measure(metric, targets, answers))


@given(PAIRS, st.data())
@settings(max_examples=50, deadline=None)
def test_a_part_of_an_exam_is_valued_as_if_it_were_the_whole(pairs, data):
    """A label that no example of the part wants is left out, where each has a value of its own."""
    chosen = data.draw(st.lists(st.sampled_from(range(len(pairs))), min_size=1, unique=True))
    targets, answers = zip(*pairs, strict=True)
    part = [pairs[i] for i in chosen]
    for metric in (LABELS[name] for name in LABELS if name.startswith(("macro", "weighted", "balanced"))):
        sums = metric.statistics(targets, answers)[chosen].sum(axis=0)
        wanted = {target for target, _ in part}
        alone = [answer if answer in wanted else "none" for _, answer in part]
        assert metric.value(sums) == pytest.approx(measure(metric, [target for target, _ in part], alone))


@pytest.mark.parametrize("name", CORPUS)
def test_many_sums_are_valued_at_once(name):
    metric = CORPUS[name]
    answers = ["a b c d f", "b", "a"]
    given = (
        [json.dumps({"nats of the target": 2.0, "a": a, "b": 1 - a}) for a in (0.2, 0.0, 0.6)]
        if metric.of_scores
        else answers
    )
    statistics = metric.statistics(["a b c d e", "b", "b"], given)
    sums = np.array([[statistics[:2].sum(axis=0)], [statistics.sum(axis=0)]])
    values = metric.value(sums)
    assert values.shape == (2, 1)
    assert values.tolist() == [[metric.value(sums[0, 0])], [metric.value(sums[1, 0])]]


def test_a_metric_of_a_label_that_nothing_wants_is_refused():
    assert floors("f1:b", "exam", ["a", "b", "b"]).constant == pytest.approx(0.8)
    with pytest.raises(UserError, match="no target of the 3 is the label of `f1:spam`") as caught:
        floors("f1:spam", "exam", ["a", "b", "b"])
    assert "such as 'b', 'a'" in caught.value.fix
    for name in ("f1:", "auc: "):
        with pytest.raises(UserError, match="names no label"):
            build(name)
