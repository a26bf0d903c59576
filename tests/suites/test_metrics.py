"""Marks for single answers, read from cases/metrics.json; and what becomes of answers that never arrived."""

import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suites.errors import UserError
from suites.metrics import table
from suites.metrics.json_values import NO_JSON, parse_json
from suites.metrics.table import METRICS, Metric, build, plain
from suites.metrics.tool_calls import OF_CALLS
from suites.model import Completion
from suites.types import Example, Score

CASES = json.loads((Path(__file__).parents[1] / "cases" / "metrics.json").read_text())
SCHEMA = {
    "type": "object",
    "required": ["route", "urgent"],
    "properties": {"route": {"enum": ["billing", "sales"]}, "urgent": {"type": "boolean"}},
}


def mark(metric, target, answer):
    example = Example("e", {"input": "", "target": target}, target, "e")
    return build(metric, SCHEMA)(example, Completion(answer))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['metric']}: {c['answer']!r:.30} for {c['target']!r:.20}")
def test_a_mark_is_what_the_case_says(case):
    score = mark(case["metric"], case["target"], case["answer"])
    if "reason" in case:
        assert score == Score(None, case["reason"])
    else:
        assert score.value == pytest.approx(case["score"])


def test_every_metric_has_cases_of_right_and_wrong():
    for name in [*plain(), "json_schema"]:
        scores = {case["score"] for case in CASES if case["metric"] == name and "score" in case}
        assert {0, 1} <= scores, name


@pytest.mark.parametrize("name", [*plain(), "json_schema"])
def test_an_answer_that_failed_to_arrive_has_no_mark_and_keeps_its_reason(name):
    failed = Completion("42", "error", error="503 from the server")
    example = Example("e", {"input": "", "target": "42"}, "42", "e")
    assert build(name, SCHEMA)(example, failed) == Score(None, "503 from the server")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.5, 1.5])
def test_what_a_metric_of_ones_own_gives_is_a_score_or_none_with_the_reason(monkeypatch, value):
    monkeypatch.setitem(METRICS, "mine", Metric("mine", lambda example, completion: Score(value)))
    assert mark("mine", "42", "42") == Score(None, f"mine gave {value}, not a number in [0, 1]")


@pytest.mark.parametrize("name", [*plain(), "json_schema"])
@given(target=st.text(max_size=20), answer=st.text(max_size=20))
@settings(max_examples=40, deadline=None)
def test_a_mark_is_in_range_or_says_why_not_whatever_is_marked(name, target, answer):
    score = mark(name, target, answer)
    assert (score.value is None and score.reason) or 0 <= score.value <= 1


@pytest.mark.parametrize("name", plain())
def test_giving_the_target_itself_is_always_right(name):
    for target in ("-3.5 apples and 7", '{"a": [1, 2], "b": "x"}', "Ⅷ ½ ①"):
        score = mark(name, target, target)
        assert score.value == 1 or score.reason or name == "json_valid"


def test_answers_built_to_break_a_parser_are_only_wrong():
    for answer in (
        "[" * 100_000,
        '{"a":' * 50_000,
        "9" * 100_000,
        "```json" * 10_000,
        "-" * 100_000,
        "1" + ",0" * 50_000,
    ):
        for name in [*plain(), "json_schema"]:
            wanted = '<tool_call>{"name": "a", "arguments": {}}</tool_call>' if name in OF_CALLS else '{"a": 1}'
            assert (mark(name, wanted, answer).value or 0) < 0.001
    assert parse_json("[" * 100_000) is NO_JSON


@pytest.mark.parametrize(
    ("metric", "answer", "value"),
    [("exact_match", "Lovelace", 1.0), ("exact_match", "King", 0.0), ("token_f1", "Ada Lovelace", 2 / 3)],
)
def test_of_several_right_answers_the_one_that_fits_best_marks(metric, answer, value):
    example = Example("q", {"input": "Who?"}, "Ada", "q", others=("Lovelace", "<think>who</think>Lovelace"))
    assert table.build(metric)(example, Completion(answer)).value == pytest.approx(value)


def test_a_metric_of_the_whole_exam_refuses_several_right_answers():
    examples = [
        Example("q", {"input": "Who?"}, "Ada", "q", others=("Lovelace",)),
        Example("r", {"input": "?"}, "x", "r"),
    ]
    table.refuse_several(["exact_match"], examples, "data: test")
    with pytest.raises(UserError, match="1 rows have several right answers, and `macro_f1` compares"):
        table.refuse_several(["exact_match", "macro_f1"], examples, "data: test")


def test_a_name_that_is_no_metric_is_told_those_that_are():
    with pytest.raises(UserError, match="unknown metric 'blue'") as caught:
        build("blue")
    assert "exact_match" in caught.value.fix


@pytest.mark.parametrize(
    ("scores", "score"),
    [
        ({"acc": 0.5, "other": 0.0}, Score(0.5)),
        ({"acc": 0.0}, Score(0.0)),
        ({"acc": 1.0}, Score(1.0)),
        ({"acc": 1.5}, Score(None, "the recorded 'acc' is 1.5, not in [0, 1]")),
        ({"other": 1.0}, Score(None, "the answer came without a mark called 'acc'")),
        (None, Score(None, "the answer came without a mark called 'acc'")),
        ({"acc": 4.0}, Score(None, "the recorded 'acc' is 4, not in [0, 1]")),
        ({"acc": -1e-9}, Score(None, "the recorded 'acc' is -1e-09, not in [0, 1]")),
    ],
)
def test_a_recorded_mark_is_taken_as_it_is_or_not_at_all(scores, score):
    example = Example("e", {"input": "", "target": "x"}, "x", "e")
    assert build("recorded:acc")(example, Completion("x", scores=scores)) == score


def test_a_recorded_mark_of_an_answer_that_failed_is_no_mark():
    example = Example("e", {"input": "", "target": "x"}, "x", "e")
    failed = Completion("", "error", error="503", scores={"acc": 0.0})
    assert build("recorded:acc")(example, failed) == Score(None, "503")


def test_a_schema_that_is_none_is_refused_before_anything_is_marked():
    with pytest.raises(UserError, match="not a JSON Schema"):
        build("json_schema", {"type": "objekt"})


# --- metrics of the evaluate library ---------------------------------------------------------------------------------

SCRIPT = """\
import datasets
import evaluate


class Length(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": text})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        if predictions[0] == "break":
            raise ZeroDivisionError("nothing to divide by")
        ratio = len(predictions[0]) / len(references[0])
        return {"ratio": ratio, "share": min(ratio, 1.0), "words": "many", "numpy": __import__("numpy").float32(0.5)}
"""


@pytest.fixture(scope="module")
def length(tmp_path_factory):
    """A metric script in a folder, as a team would keep its own; nothing is asked of the network."""
    home = tmp_path_factory.mktemp("metrics")
    (home / "length").mkdir()
    (home / "length" / "length.py").write_text(textwrap.dedent(SCRIPT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_EVALUATE_OFFLINE", "1")
        patch.setenv("HF_MODULES_CACHE", str(home / "modules"))
        yield f"evaluate:{home / 'length'}"


def test_a_metric_of_the_evaluate_library_marks_each_answer(length):
    assert mark(length, "four", "ab") == Score(0.5)
    assert mark(f"{length}/share", "four", "much longer") == Score(1.0)
    assert mark(f"{length}/numpy", "four", "ab") == Score(0.5)


def test_a_result_that_is_no_share_is_no_mark(length):
    score = mark(length, "four", "much longer")
    assert score.value is None
    assert "gave 2.75, not a number in [0, 1]" in score.reason
    assert "gave 'many', not a number" in mark(f"{length}/words", "four", "ab").reason


def test_a_metric_that_fails_on_one_answer_fails_on_that_answer_only(length):
    assert mark(length, "four", "break") == Score(None, f"{length[9:]} failed: nothing to divide by")
    assert mark(length, "four", "ab") == Score(0.5)


def test_a_metric_that_is_not_there_is_refused(length, tmp_path):
    with pytest.raises(UserError, match="cannot load the evaluate metric"):
        build("evaluate:no_such_metric_anywhere")
    with pytest.raises(UserError, match="cannot load the evaluate metric"):
        build(f"evaluate:{tmp_path}")
    with pytest.raises(UserError, match="has no result `shares`; it has ratio, share, words, numpy"):
        mark(f"{length}/shares", "four", "ab")
