"""The candidate's win rate by each way to read a judge: all are shown, and one decides (`decision.compare_judge`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.decision.compare_judge import of_own_pairs
from harness.judge.ask import WORTH, Judged, Label
from harness.judge.calibration import error_of
from harness.stats import paired, win_rate
from harness.stats.judge_error import JudgeError, corrected
from harness.stats.preference import Preference
from harness.stats.score_test import Array, Interval, Numbers, numbered
from harness.stats.win_rate import WinRate
from harness.store.judging import Measure
from suites.types import Score


def win_rates(
    judged: Sequence[Judged],
    clusters: Mapping[str, str],
    labelled: tuple[Sequence[Judged], Sequence[Label]],
    own: Mapping[str, float],
    prompt: Mapping[str, Score],
    confidence: float,
) -> list[Measure]:
    """The judge's own win rate, at equal length, corrected by the linear error model, by known error rates, and by
    people's word on a random part of the exam's `own` pairs (1, 0 or -1). `prompt` are the chosen prompt's marks, by
    which questions are hard or easy; the texts of the pairs must be there."""
    read = [item for item in judged if item.choice]
    if not read:
        return []
    word = np.array([WORTH[item.choice] for item in read], dtype=np.float64)
    groups = numbered([clusters[item.pair.id] for item in read])
    half, n, pairs = (1 + word) / 2, len(read), len(labelled[0])
    plain = WinRate(float(half.mean()), paired.mean_interval(half, groups, confidence))
    rows = [
        _measure("win_rate", plain, n, "as judged, ties as half"),
        _measure("win_rate_length", _at_equal_length(read, half, groups, prompt, confidence), n, "at equal length"),
    ]
    if pairs:
        linear = _won(_linear(read, word, groups, error_of(*labelled)), confidence)
        rates = _by_rates(half, groups, *labelled, confidence)
        rows += [
            _measure("win_rate_corrected", linear, pairs, "labelled pairs"),
            _measure("win_rate_rates", rates, pairs, "labelled pairs"),
        ]
    if own:
        said = {item.pair.id: WORTH[item.choice] or 0.0 for item in judged}
        powered = of_own_pairs(said, [(name, clusters[name]) for name in said], own)
        rows.append(_measure("win_rate_labelled", _won(powered, confidence), len(own), "a random part"))
    return rows


def _at_equal_length(
    read: Sequence[Judged], word: Array, groups: Numbers, prompt: Mapping[str, Score], confidence: float
) -> WinRate | None:
    difference = [len(item.pair.first.strip()) - len(item.pair.second.strip()) for item in read]
    marks = [prompt[item.pair.id].value if item.pair.id in prompt else None for item in read]
    known = None if None in marks else np.array(marks, dtype=np.float64)
    return win_rate.length_controlled(word, np.array(difference, dtype=np.float64), confidence, groups, known)


def _linear(read: Sequence[Judged], word: Array, groups: Numbers, error: JudgeError | None) -> Preference | None:
    longer = np.array([WORTH[item.longer] or 0.0 for item in read])
    return corrected(word, longer, error, groups) if error else None


def _by_rates(
    word: Array, groups: Numbers, judged: Sequence[Judged], labels: Sequence[Label], confidence: float
) -> WinRate | None:
    """Of labelled pairs nobody knows whose the first answer is, so that both rates are that of right words."""
    told = [(i, label) for i, label in zip(judged, labels, strict=True) if i.choice and label.choice != "tie"]
    right = np.array([(1 + (WORTH[i.choice] or 0.0) * (WORTH[label.choice] or 0.0)) / 2 for i, label in told])
    exam, each = win_rate.share(word, groups), win_rate.share(right, [label.cluster for _, label in told])
    return win_rate.rogan_gladen(exam, each.half, each.half, confidence) if exam and each else None


def _won(preference: Preference | None, confidence: float) -> WinRate | None:
    """Wins minus losses as a win rate."""
    if preference is None:
        return None
    interval = preference.interval(confidence)
    low, high = ((1 + end) / 2 for end in (interval.low, interval.high))
    return WinRate((1 + preference.theta) / 2, Interval(low, high, confidence))


def _measure(name: str, rate: WinRate | None, n: int, note: str) -> Measure:
    interval = rate.interval if rate else None
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Measure(name, rate.value if rate else None, low, high, n, note)
