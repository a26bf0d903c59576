"""Recorded answers: replayed by id, and every bad line named at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.models import load
from harness.models.recorded import read_answers
from suites.errors import UserError
from suites.model import Completion, Generation, Message, ModelSpec, Prompt


def write(tmp_path: Path, *lines: str | bytes | dict[str, object]) -> Path:
    file = tmp_path / "answers.jsonl"
    raw = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    file.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in raw) + b"\n")
    return file


def test_replays_by_id_in_the_order_asked(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {"id": "a", "completion": "one", "tokens_in": 5, "tokens_out": 2, "seconds": 0.5, "scores": {"acc": 1}},
        "",
        {"id": "b", "completion": ""},
        {"id": "c", "error": "the server was down"},
    )
    model = load(ModelSpec(recorded=str(file)))
    seen: list[tuple[int, Completion]] = []
    prompts = [Prompt(i, "ignored") for i in ("b", "a", "z", "c")]
    answers = model.generate(prompts, Generation(), on_progress=seen.extend)
    assert answers == [
        Completion(""),
        Completion("one", "stop", 5, 2, 0.5, scores={"acc": 1.0}),
        Completion("", "error", error="no recorded answer for z"),
        Completion("", "error", error="the server was down"),
    ]
    assert seen == list(enumerate(answers))
    assert model.render(prompts[0]) == "recorded:b"


def test_an_answer_may_say_that_it_was_cut(tmp_path: Path) -> None:
    file = write(tmp_path, {"id": "a", "completion": "on", "finish": "length"}, {"id": "b", "completion": "one"})
    answers = load(ModelSpec(recorded=str(file))).generate([Prompt("a", ""), Prompt("b", "")], Generation())
    assert [answer.finish for answer in answers] == ["length", "stop"]


def test_identity_follows_the_file(tmp_path: Path) -> None:
    before = load(ModelSpec(recorded=str(write(tmp_path, {"id": "a", "completion": "x"})))).identity
    after = load(ModelSpec(recorded=str(write(tmp_path, {"id": "a", "completion": "y "})))).identity
    assert before.weights != after.weights
    assert before.name == "answers.jsonl"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON (Expecting property name enclosed in double quotes at character 2)"),
        (b'{"id": "a", "completion": "\xff"}', "not UTF-8 text (byte 28)"),
        ('["a"]', "found a list, expected an object"),
        ('{"completion": "x"}', "no `id`; the row has completion"),
        ('{"id": null, "completion": "x"}', "id is missing or null, expected text"),
        ('{"id": "a", "completion": null}', "completion is missing or null, expected text"),
        ('{"id": "a", "error": null}', "no `completion`; the row has id, error"),
        ('{"id": "a", "input": "q", "output": "x"}', "did you mean `output` for `completion`? rename it"),
        ('{"qid": "a", "prediction": "x"}', "did you mean `qid` for `id` and `prediction` for `completion`? rename it"),
        ('{"custom_id": "a", "response": null}', "the response of the batch holds no chat completion"),
        ('{"custom_id": "a", "result": {"type": "succeeded"}}', "the response of the batch holds no message"),
        ('{"id": true, "completion": "x"}', "id is true or false, expected text"),
        ('{"id": "", "completion": "x"}', "id is empty, expected text"),
        ('{"id": "a"}', "no `completion`; the row has id"),
        ('{"id": "a", "completion": {"x": 1}}', "completion is an object, expected text"),
        ('{"id": "a", "completion": "x", "token_in": 3}', "unknown key 'token_in'; did you mean `tokens_in`?"),
        (
            '{"custom_id": "a", "response": {"body": {"choices": []}}}',
            "the response of the batch holds no chat completion",
        ),
        ('{"id": "a", "completion": "x", "finish": "eof"}', "finish is 'eof', expected 'stop' or 'length'"),
        ('{"id": "a", "completion": "x", "seconds": NaN}', "NaN is not a JSON value"),
        ('{"id": "a", "completion": "x", "seconds": -1}', "seconds is a number -1, expected a number from 0"),
        ('{"id": "a", "completion": "x", "seconds": 1e999}', "1e999 is a number beyond all that can be kept"),
        ('{"id": "a", "completion": "x", "tokens_in": true}', "tokens_in is true or false True, expected a whole"),
        ('{"id": "a", "completion": "x", "error": ""}', "error is empty, expected text or null"),
        ('{"id": "a", "completion": "x", "scores": [1]}', "scores is a list, expected an object of numbers by name"),
        ('{"id": "a", "completion": "x", "scores": {"m": "1"}}', "the score 'm' is text '1', expected a finite number"),
        ('{"id": "a", "completion": "x", "scores": {"m": true}}', "the score 'm' is true or false True, expected"),
        ('{"id": "a", "completion": "x", "scores": {"m": null}}', "the score 'm' is missing or null, expected"),
        ('{"id": "a", "completion": "x", "scores": {"m": 1e999}}', "1e999 is a number beyond all that can be kept"),
        (
            '{"id": "a", "completion": "x", "scores": {"m": 1' + "0" * 400 + "}}",
            "is a number of 401 digits, more than can be kept",
        ),
        ('{"id": "ok", "completion": "x"}', "id 'ok' was answered in answers.jsonl:1 already"),
        ("[" * 100_000, "nested too deeply"),
        ('{"id": "a", "completion": "x", "note": ' + "[" * 101 + "]" * 101 + "}", "nested too deeply (more than 100"),
        ('{"id": "a", "completion": "x", "completion": "y"}', "`completion` is given twice"),
        ('{"id": "a", "completion": "x", "tokens_in": 2147483648}', "expected a whole number from 0 to 2147483647"),
        ('{"id": "a", "completion": "x", "tokens_out": ' + "9" * 5000 + "}", "is a number of 5,000 digits"),
        ('{"id": "a", "completion": "x", "seconds": 1000001}', "expected a number from 0 to 1000000"),
        ('{"id": "a\\ud800", "completion": "x"}', "id is text with half a character (a lone surrogate), expected text"),
        ('{"id": "a", "completion": "x", "scores": {"\\ud800": 1}}', "has half a character (a lone surrogate)"),
        ('{"custom_id": "a", "response": [1]}', "the response of the batch holds no chat completion"),
        ('{"custom_id": "a", "response": {"body": "b"}}', "the response of the batch holds no chat completion"),
    ],
)
def test_bad_line_is_named(line: str | bytes, problem: str, tmp_path: Path) -> None:
    file = write(tmp_path, {"id": "ok", "completion": "fine"}, line)
    with pytest.raises(UserError) as told:
        read_answers(file)
    assert told.value.what.startswith(f"1 bad row\n  {file.name}:2: ")
    assert problem in told.value.what
    assert told.value.where == str(file)


def test_the_largest_numbers_are_read_and_a_byte_order_mark_is_no_part_of_an_answer(tmp_path: Path) -> None:
    most = {"id": "a", "completion": "x", "tokens_in": 2**31 - 1, "tokens_out": 2**31 - 1, "seconds": 1_000_000}
    answer = read_answers(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(most).encode()))["a"]
    assert (answer.tokens_in, answer.tokens_out, answer.seconds) == (2**31 - 1, 2**31 - 1, 1e6)


def test_half_a_character_of_an_answer_is_marked_as_it_is_kept(tmp_path: Path) -> None:
    answer = read_answers(write(tmp_path, {"id": "a", "completion": "x\ud800", "reasoning": "\udfff"}))["a"]
    assert (answer.text, answer.reasoning) == ("x?", "?")


def test_an_openai_batch_output_is_read_by_its_custom_ids(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 41, "completion_tokens": 3, "total_tokens": 44}
    choice = {"index": 0, "message": {"role": "assistant", "content": "No", "refusal": None}, "finish_reason": "stop"}
    body = {"object": "chat.completion", "choices": [choice], "usage": usage}
    cut = {**body, "choices": [{**choice, "finish_reason": "length"}]}
    refused = {"status_code": 429, "body": {"error": {"message": "Rate limit", "code": "rate_limit_exceeded"}}}
    file = write(
        tmp_path,
        {"id": "batch_1", "custom_id": "a", "response": {"status_code": 200, "body": body}, "error": None},
        {"id": "batch_2", "custom_id": "b", "response": refused, "error": None},
        {"id": "batch_4", "custom_id": "d", "response": {"status_code": 200, "body": cut}, "error": None},
        {"id": "batch_3", "custom_id": "c", "response": None, "error": {"code": "batch_expired", "message": "Late."}},
    )
    answers = read_answers(file)
    assert (answers["a"].text, answers["a"].tokens_in, answers["a"].tokens_out) == ("No", 41, 3)
    assert [answers[i].finish for i in "ad"] == ["stop", "length"]
    assert [answers[i].error for i in "bc"] == ["rate_limit_exceeded: Rate limit", "batch_expired: Late."]


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ({"body": {"choices": [{"message": {"content": None}}]}}, "its content is null"),
        ({"body": {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}}, "withheld"),
        ({"body": {"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": 2**31}}}, "2147483648"),
        ({"status_code": 502, "body": None}, "HTTP 502"),
        ({"status_code": 502, "body": "<html>"}, "HTTP 502"),
    ],
)
def test_what_a_batch_did_not_answer_is_an_error_row(tmp_path: Path, response: dict[str, Any], why: str) -> None:
    (answer,) = read_answers(write(tmp_path, {"custom_id": "a", "response": response})).values()
    assert (answer.text, answer.finish) == ("", "error")
    assert why in (answer.error or "")


@pytest.mark.parametrize("response", ["text", [1], {"body": "text"}, {"body": [1]}])
def test_a_batch_of_another_shape_is_refused_with_its_line(tmp_path: Path, response: Any) -> None:
    with pytest.raises(UserError, match="1 bad row") as told:
        read_answers(write(tmp_path, {"custom_id": "a", "response": response}))
    assert ":1: " in told.value.what


def test_an_anthropic_batch_output_is_read_by_its_custom_ids(tmp_path: Path) -> None:
    usage = {"input_tokens": 11, "output_tokens": 36}
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [thought, {"type": "text", "text": "No"}],
    }
    done = {**message, "stop_reason": "end_turn", "usage": usage}
    invalid = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too large"}}
    results = {
        "a": {"type": "succeeded", "message": done},
        "b": {"type": "succeeded", "message": {**done, "stop_reason": "max_tokens"}},
        "c": {"type": "errored", "error": invalid},
        "d": {"type": "expired"},
        "e": {"type": "canceled"},
    }
    answers = read_answers(
        write(tmp_path, *({"custom_id": name, "result": result} for name, result in results.items()))
    )
    assert answers["a"] == Completion("No", "stop", 11, 36, reasoning="Hm.")
    assert [answers[name].finish for name in "abcde"] == ["stop", "length", "error", "error", "error"]
    assert answers["c"].error == "invalid_request_error: max_tokens: too large"
    assert [answers[name].error for name in "de"] == [
        f"{name} before it was answered" for name in ("expired", "canceled")
    ]


def test_other_keys_are_left_unread_and_numbers_are_ids(tmp_path: Path) -> None:
    file = write(
        tmp_path, {"id": 7, "completion": "x", "answer": "y", "uid": "u"}, {"custom_id": "a", "completion": "z"}
    )
    assert {name: answer.text for name, answer in read_answers(file).items()} == {"7": "x", "a": "z"}


def test_a_table_of_answers_is_read_as_its_lines_would_be(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(
        'id;completion;tokens_out;error;scores;note\n1;"yes; no";2;;"{""judge"": 0.5}";x\n2;;;timed out;;\n3;;;;;\n'
    )
    answers = read_answers(file)
    assert (answers["1"].text, answers["1"].tokens_out, answers["1"].scores) == ("yes; no", 2, {"judge": 0.5})
    assert (answers["2"].error, answers["3"].error, answers["3"].text) == ("timed out", None, "")
    file.write_text("id,completion,tokens_out\na,x,two\nb,x,2.5\na,x,1\n")
    with pytest.raises(UserError, match="2 bad rows") as told:
        read_answers(file)
    assert "answers.csv:2: tokens_out is text 'two', expected a whole number" in told.value.what


def test_all_bad_lines_are_counted_and_one_stands_for_those_with_its_mistake(tmp_path: Path) -> None:
    file = write(tmp_path, *["no"] * 50)
    with pytest.raises(UserError) as told:
        read_answers(file)
    [count, line] = told.value.what.splitlines()
    assert count == "50 bad rows"
    assert line.endswith("answers.jsonl:1: not JSON (Expecting value at character 1) (and 49 more rows)")


def test_empty_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no answers"):
        read_answers(write(tmp_path, "", " "))
    with pytest.raises(UserError, match="no such file"):
        read_answers(tmp_path / "nowhere.jsonl")


def test_no_probabilities(tmp_path: Path) -> None:
    model = load(ModelSpec(recorded=str(write(tmp_path, {"id": "a", "completion": "x"}))))
    with pytest.raises(UserError, match="no probabilities"):
        model.loglikelihood([("a", "b")])


def test_echo_answers_with_the_last_user_message() -> None:
    model = load(ModelSpec(base="echo"))
    turns: list[Message] = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    (answer,) = model.generate([Prompt("a", [*turns, {"role": "assistant", "content": "x"}])], Generation())
    assert answer.text == "two"
