"""Marks for single answers, read from cases/metrics.json; and what becomes of answers that never arrived."""

import json
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suites.data.examples import digest
from suites.errors import UserError
from suites.metrics import table
from suites.metrics.for_evaluate import as_evaluate, value_of
from suites.metrics.json_values import NO_JSON, parse_json
from suites.metrics.table import METRICS, Metric, build, plain
from suites.metrics.tool_calls import OF_CALLS
from suites.model import Completion
from suites.types import Example, Score, Suite

CASES = json.loads((Path(__file__).parents[1] / "cases" / "metrics.json").read_text())
SCHEMA = {
    "type": "object",
    "required": ["route", "urgent"],
    "properties": {
        "route": {"enum": ["billing", "sales"]},
        "urgent": {"type": "boolean"},
        "tags": {"$ref": "#/$defs/tags"},
    },
    "$defs": {"tags": {"type": "array", "uniqueItems": True}},
}


SHARES = ("length", "distinct_1", "distinct_2", "repetition")  # of what is there: something is never nothing


def mark(metric, target, answer, scores=None):
    example = Example("e", {"input": "", "target": target}, target, "e")
    return build(metric, SCHEMA)(example, Completion(answer, scores=scores))


def named():
    """Every metric that can be built here, by a name that cases have."""
    known = dict.fromkeys(case["metric"] for case in CASES)
    of_folders = ("evaluate:NAME", "embedding_similarity:FOLDER", "bertscore:FOLDER")
    others = (*of_folders, "recorded:NAME", "code_tests", "groundedness", "judge")
    kinds = [name for name, metric in METRICS.items() if name not in others and not metric.of_samples]
    return [
        next(case for case in known if case == name or (":" in name and case.startswith(name.partition(":")[0] + ":")))
        for name in kinds
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['metric']}: {c['answer']!r:.30} for {c['target']!r:.20}")
def test_a_mark_is_what_the_case_says(case):
    score = mark(case["metric"], case["target"], case["answer"], case.get("scores"))
    if "reason" in case:
        assert score == Score(None, case["reason"])
    else:
        assert score.value == pytest.approx(case["score"])


def test_every_metric_has_cases_of_right_and_wrong():
    for name in named():
        scores = {case["score"] for case in CASES if case["metric"] == name and "score" in case}
        assert max(scores) == 1, name
        assert min(scores) == 0 or (name in SHARES and min(scores) <= 0.5), name


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


@pytest.mark.parametrize("name", [name for name in plain() if not METRICS[name].of_scores and name != "regex"])
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
            said = answer[:20_000] if name in ("bleu", "chrf", "chrf++") else answer  # as slow for each sign of it
            wanted = '<tool_call>{"name": "a", "arguments": {}}</tool_call>' if name in OF_CALLS else '{"a": 1}'
            value = mark(name, wanted, said).value or 0
            assert value < 0.001 or METRICS[name].form or name.startswith("chrf"), name
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


def test_an_exam_is_another_when_the_files_of_its_metric_are(tmp_path):
    (tmp_path / "own").mkdir()
    script = tmp_path / "own" / "own.py"
    script.write_text("one = 1")
    named = (f"evaluate:{script.parent}", f"evaluate:{script.parent}/share", f"evaluate:{script}")

    def digests():
        return [digest(Suite("s", "task", [Example("a", {}, "x", "a")], (name,), "")) for name in named]

    before, plain_one = digests(), digest(Suite("s", "task", [], ("exact_match",), ""))
    assert digests() == before
    script.write_text("one = 2")
    assert not set(before) & set(digests())
    assert digest(Suite("s", "task", [], ("exact_match",), "")) == plain_one


def test_a_path_in_a_metric_begins_at_the_folder_of_its_experiment(length, tmp_path, monkeypatch):
    home, name = Path(length.partition(":")[2]).parent, "evaluate:length/share"
    monkeypatch.chdir(tmp_path)
    assert build(name, folder=str(home))(Example("e", {}, "four", "e"), Completion("ab")) == Score(0.5)
    there = Suite("s", "task", (), (name,), folder=str(home))
    assert digest(there) != digest(replace(there, folder=str(tmp_path)))
    monkeypatch.chdir(home)
    assert digest(there) == digest(replace(there, folder="")), "where the folder is that of the program, as ever"
    with pytest.raises(UserError, match="no such folder or script") as raised:
        build(name, folder=str(tmp_path))
    assert str(tmp_path / "length" / "share") in str(raised.value)


def test_a_metric_that_is_not_there_is_refused(length, tmp_path):
    with pytest.raises(UserError, match="cannot load the evaluate metric"):
        build("evaluate:no_such_metric_anywhere")
    with pytest.raises(UserError, match="cannot load the evaluate metric"):
        build(f"evaluate:{tmp_path}")
    with pytest.raises(UserError, match="has no result `shares`; it has ratio, share, words, numpy"):
        mark(f"{length}/shares", "four", "ab")


# --- our metrics for the evaluate library ----------------------------------------------------------------------------


def test_ours_are_metrics_of_the_evaluate_library(monkeypatch):
    monkeypatch.setenv("HF_EVALUATE_OFFLINE", "1")
    texts = {"predictions": ['{"a": 1}', "no"], "references": ['{"a": 1}', "plain text"]}
    assert as_evaluate("field_f1").compute(**texts) == {"field_f1": 1.0, "unscored": 1}
    labels = {"predictions": ["a", "a"], "references": ["a", "b"]}
    assert as_evaluate("macro_f1").compute(**labels) == {"macro_f1": pytest.approx(1 / 3), "unscored": 0}
    assert value_of("regex", ["x"], ["("]) == {"regex": None, "unscored": 1}
    for name in ("brier", "consistency", "code_tests"):
        with pytest.raises(UserError, match="needs more than a prediction"):
            as_evaluate(name)
    with pytest.raises(UserError, match="unknown metric"):
        as_evaluate("no_such")


# --- hostile JSON ----------------------------------------------------------------------------------------------------

HOSTILE = (
    '{"a": 1, "a": 2, "a": 3}', '{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}', '{"a": -0}', "[]", "{}", "null",
    "true", '"a"', "3", '{"a": {"a": {"a": null}}}', "[" * 5_000 + "]" * 5_000, '{"a":' * 900 + "1" + "}" * 900,
    '{"a": ' + "9" * 5_000 + "}", '{"\\ud800": "\\udfff"}', '{"tags": [' + ",".join(map(str, range(300))) + "]}",
    '{"a": [1, [2, [3]]], "tags": "no list"}', '{"tags": {"0": "x"}}', "\ufeff{}", '{"a": 1}\x00',
)  # fmt: skip


MEGABYTES = ('{"a": "' + "x" * 1_000_000 + '"}', "[" + ",".join(['{"n": 1}'] * 100_000) + "]")


@pytest.mark.parametrize("text", MEGABYTES, ids=["one text", "a long list"])
def test_a_megabyte_of_json_is_marked(text):
    field_f1 = build("field_f1", {"uniqueItems": True})
    assert field_f1(Example("e", {}, text, "e"), Completion(text)).value == 1
    assert field_f1(Example("e", {}, '[{"n": 1}]', "e"), Completion(text)).value < 0.001


@pytest.mark.parametrize("schema", [{}, SCHEMA, {"$ref": "#"}, {"properties": 3, "items": [], "$defs": None}])
def test_extraction_from_hostile_json_is_a_score_and_never_raises(schema):
    texts = [*HOSTILE, '{"a": 1, "tags": ["x", "y"]}']
    field_f1 = build("field_f1", schema)
    for target in ('{"a": 1, "tags": ["x", "y"]}', "[1]", '{"tags": [' + ",".join(map(str, range(300))) + "]}"):
        for text in texts:
            score = field_f1(Example("e", {}, target, "e"), Completion(text))
            assert 0 <= score.value <= 1
    for text in texts:
        score = field_f1(Example("e", {}, text, "e"), Completion(text))
        assert score.value == 1 or score.reason == "the target is not JSON"
