"""What each tool's log says, and what it does not: failures are no zeros, and other people's files are often broken."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import eval_logs
import pyarrow
import pyarrow.parquet
import pytest
from eval_logs import CASES, DATE
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.importers import IMPORTERS, read
from harness.importers.log import Answer
from suites.errors import UserError


def answers(place: str) -> dict[str, Answer]:
    return {f"{answer.task} {answer.item}".strip(): answer for answer in read(place).answers}


def test_every_format_is_recognised_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text(json.dumps(output_item(0, 1.0)))
    names = ("lm_eval", "inspect.json", "promptfoo.json::0", "nemo", "openai_evals/base.jsonl", "deepeval/base.json")
    places = [*(CASES / name for name in names), tmp_path / "items.jsonl", eval_logs.lighteval(tmp_path / "l", [True])]
    assert {read(str(place)).format for place in places} == IMPORTERS.keys()


def test_lm_eval_samples_of_three_kinds_of_task() -> None:
    found = answers(str(CASES / "lm_eval"))
    choice = found["colour_choice 1"]
    assert (choice.completion, choice.target, choice.input) == ("blue", "blue", "Which is number 1?")
    assert choice.scores == {"acc": 1.0, "acc_norm": 0.0}
    written = found["sums 2"]
    assert written.completion == "2 3 3 2 6 6 5 2", "what the model said, not what a filter made of it"
    assert written.scores == {"exact_match,flexible-extract": 0.0, "exact_match,strict-match": 0.0}
    assert found["last_word 0"].completion == '["-6.412562370300293", "False"]'


def test_lm_eval_says_which_metrics_are_better_when_lower() -> None:
    assert read(str(CASES / "lm_eval")).higher["last_word"] == {"acc": True, "perplexity": False}


def test_an_lm_eval_file_that_was_renamed_is_still_read(tmp_path: Path) -> None:
    file = shutil.copyfile(CASES / "lm_eval" / f"samples_sums_{DATE}.jsonl", tmp_path / "mine.jsonl")
    assert {answer.task for answer in read(str(file)).answers} == {""}


def test_an_option_is_chosen_among_the_requests_in_the_tasks_own_context(tmp_path: Path) -> None:
    """acc_mutual_info asks every option again without a question, where it may well be likelier."""
    row = json.loads((CASES / "lm_eval" / f"samples_colour_choice_{DATE}.jsonl").read_text().split("\n")[0])
    alone = {f"gen_args_{i + 3}": {"arg_0": "", "arg_1": row["arguments"][f"gen_args_{i}"]["arg_1"]} for i in range(3)}
    row["arguments"] |= alone
    row["resps"] += [[["-0.1", "True"]]] * 3
    (tmp_path / "samples.jsonl").write_text(json.dumps(row))
    [answer] = read(str(tmp_path / "samples.jsonl")).answers
    assert answer.completion == "blue"


@pytest.mark.parametrize(
    ("likelihoods", "chosen"), [(["-inf", "-9.5", "-inf"], "blue"), (["-1", "-2", "-inf"], "the red one")]
)
def test_an_option_may_be_impossible(likelihoods: list[str], chosen: str, tmp_path: Path) -> None:
    row = json.loads((CASES / "lm_eval" / f"samples_colour_choice_{DATE}.jsonl").read_text().split("\n")[0])
    row["resps"] = [[[value, "False"]] for value in likelihoods]
    (tmp_path / "samples.jsonl").write_text(json.dumps(row))
    [answer] = read(str(tmp_path / "samples.jsonl")).answers
    assert answer.completion == chosen


def test_beginnings_are_told_apart_where_all_options_end_alike(tmp_path: Path) -> None:
    row = json.loads((CASES / "lm_eval" / f"samples_colour_choice_{DATE}.jsonl").read_text().split("\n")[0])
    row["arguments"] = {
        f"gen_args_{i}": {"arg_0": f"It was {who} who", "arg_1": " fell."} for i, who in enumerate("abc")
    }
    (tmp_path / "samples.jsonl").write_text(json.dumps(row))
    [answer] = read(str(tmp_path / "samples.jsonl")).answers
    assert (answer.completion, answer.target) == ("It was b who", "It was a who")


def test_inspect_samples() -> None:
    found = answers(str(CASES / "inspect.json"))
    first = found["sky 1/1"]
    assert first.scores == {"match": 1.0, "graded/style": 0.5, "graded/tone": 0.5}
    assert (first.tokens_in, first.tokens_out, first.seconds) == (64, 2, 0.546), (
        "the grader's tokens are not the model's"
    )
    assert found["sky 1/2"].scores == {"match": 0.0}, "NaN is how Inspect says unscored"
    picture = found["sky 2/1"]
    assert picture.input == "What is in this picture?\n[image]\na cat\na dog"
    assert (picture.completion, picture.target) == ("ANSWER: B", "B")
    assert picture.question == found["sky 2/2"].question, "message ids and attachments say nothing"


def test_inspect_keeps_thinking_apart_and_so_do_we(tmp_path: Path) -> None:
    log = eval_logs.inspect_log([True])
    thought = [{"type": "reasoning", "reasoning": "so"}, {"type": "reasoning", "reasoning": "x", "redacted": True}]
    log["samples"][0]["output"]["choices"][0]["message"]["content"] = [*thought, {"type": "text", "text": "Yes"}]
    (tmp_path / "log.json").write_text(json.dumps(log))
    [answer] = read(str(tmp_path / "log.json")).answers
    assert (answer.completion, answer.reasoning) == ("Yes", "so")


def test_inspect_samples_that_failed_keep_their_reason_and_have_no_marks() -> None:
    found = answers(str(CASES / "inspect.json"))
    assert (found["sky 2/2"].error, found["sky 2/2"].scores) == ("RateLimitError: 429", {})
    assert found["sky odd/one/1"].error == "invalidated: the target is missing"


def test_text_that_is_no_grade_is_no_mark(tmp_path: Path) -> None:
    log = eval_logs.inspect_log([True] * 6)
    values = ["unclear", "C", "c", "Yes", "0.25", [1, 0]]
    for sample, value in zip(log["samples"], values, strict=True):
        sample["scores"]["match"]["value"] = value
    (tmp_path / "log.json").write_text(json.dumps(log))
    given_ = [answer.scores.get("match") for answer in read(str(tmp_path / "log.json")).answers]
    assert given_ == [None, 1.0, None, 1.0, 0.25, None], "where Inspect itself would say 0"


@pytest.mark.parametrize("status", ["started", "cancelled", "error"])
def test_an_inspect_log_that_did_not_finish_is_refused(status: str, tmp_path: Path) -> None:
    log = eval_logs.inspect_log([True]) | {"status": status, "error": {"message": "out of memory"}}
    (tmp_path / "log.json").write_text(json.dumps(log))
    with pytest.raises(UserError, match=rf"did not finish: status '{status}', out of memory"):
        read(str(tmp_path / "log.json"))


def test_an_inspect_zip_without_a_header_did_not_finish(tmp_path: Path) -> None:
    whole = eval_logs.inspect_eval(tmp_path / "whole", [True, False])
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(tmp_path / "torn.eval", "w") as new:
        for name in old.namelist():
            if name != "header.json":
                new.writestr(name, old.read(name))
    with pytest.raises(UserError, match="did not finish: status 'started'"):
        read(str(tmp_path / "torn.eval"))


def zstandard(path: Path) -> Path:
    """The same zip with its members compressed by Zstandard, as newer versions of Inspect write them.

    Python's zipfile learns that in 3.14, so it stores what is compressed already, and method and checksum are mended.
    """
    packed = path.with_name("zstd.eval")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as new:
        checksums = [old.getinfo(name).CRC for name in old.namelist()]
        for name in old.namelist():
            new.writestr(name, pyarrow.compress(old.read(name), "zstd", asbytes=True))
        local = [info.header_offset for info in new.infolist()]
    content = bytearray(packed.read_bytes())
    central = [found.start() for found in re.finditer(rb"PK\x01\x02", content)]
    for places, method, checksum in ((local, 8, 14), (central, 10, 16)):
        for place, value in zip(places, checksums, strict=True):
            content[place + method : place + method + 2] = (93).to_bytes(2, "little")
            content[place + checksum : place + checksum + 4] = value.to_bytes(4, "little")
    packed.write_bytes(content)
    return packed


def test_a_zip_is_read_like_the_json_log_whichever_way_it_is_compressed(tmp_path: Path) -> None:
    right = [True, False, True]
    plain = read(str(eval_logs.inspect_json(tmp_path / "plain", right)))
    zipped = eval_logs.inspect_eval(tmp_path / "zipped", right)
    for place in (zipped, zstandard(zipped)):
        found = read(str(place))
        assert [(a.item, a.completion, a.scores) for a in found.answers] == [
            (a.item, a.completion, a.scores) for a in plain.answers
        ]


@pytest.mark.parametrize("offset", [20, 40, 60])
def test_a_damaged_zip_is_refused(offset: int, tmp_path: Path) -> None:
    packed = zstandard(eval_logs.inspect_eval(tmp_path / "log", [True] * 5))
    content = bytearray(packed.read_bytes())
    content[content.find(b"samples/3_epoch_1.json") + len("samples/3_epoch_1.json") + offset] ^= 0x55
    packed.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be unpacked"):
        read(str(packed))


def test_promptfoo_answers_of_one_column() -> None:
    found = answers(str(CASES / "promptfoo.json::0"))
    assert found["0"].scores == {"pass": 1.0, "score": 1.0, "politeness": 0.5}
    assert (found["0"].input, found["0"].target, found["0"].completion) == ("hello", "Bonjour", "Bonjour")
    assert (found["0"].tokens_in, found["0"].tokens_out, found["0"].seconds) == (10, 2, 0.54)


def test_promptfoo_tells_a_wrong_answer_from_one_that_never_came_and_from_a_grader_that_failed() -> None:
    base, tuned = (answers(str(CASES / f"promptfoo.json::{column}")) for column in ("0", "tuned"))
    assert (tuned["0"].error, tuned["0"].scores["pass"]) == (None, 0.0)
    assert (base["1"].error, base["1"].scores) == ("API error: 429 Too Many Requests", {})
    assert (tuned["1"].error, tuned["1"].scores, tuned["1"].completion) == (None, {}, '{"fr": "le pain"}')
    assert json.loads(tuned["1"].target) == [{"type": "llm-rubric", "value": "names bread in French"}]


@pytest.mark.parametrize(
    ("column", "message"), [("", "several columns"), ("::gpt-9", "'gpt-9' names 0 of the columns")]
)
def test_a_promptfoo_log_with_several_columns_asks_which(column: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as told:
        read(f"{CASES / 'promptfoo.json'}{column}")
    assert "promptfoo.json::1  tuned" in told.value.what


def test_promptfoos_jsonl_is_read_like_its_json(tmp_path: Path) -> None:
    content = json.loads((CASES / "promptfoo.json").read_text())
    (tmp_path / "results.jsonl").write_text(eval_logs.lines(content["results"]["results"]))
    (tmp_path / "bare.json").write_text(json.dumps(content["results"]))
    wanted = [(a.item, a.completion, a.scores) for a in read(f"{CASES / 'promptfoo.json'}::0").answers]
    for place in ("results.jsonl", "bare.json"):
        assert [(a.item, a.completion, a.scores) for a in read(f"{tmp_path / place}::0").answers] == wanted


def test_nemo_rewards() -> None:
    found = answers(str(CASES / "nemo"))
    assert found["arithmetic 0/0"].scores == {"reward": 1.0, "scorer:terse": 1.0}
    assert found["arithmetic 0/1"].scores == {"reward": 0.0}, "a scorer that failed gave no mark"
    assert found["arithmetic 1/0"].error == "infra_error: 503 Service Unavailable"
    assert (found["arithmetic 1/1"].error, found["arithmetic 1/1"].scores) == (None, {}), "a judge that failed, neither"
    assert found["arithmetic 2/0"].scores == {}, "a missing reward is not 0"
    assert found["arithmetic 2/1"].completion == "nothing", "the extracted answer stands in for the response"


def marked(place: Path | str, mark: str) -> tuple[float, int, int]:
    """The sum of a mark, how many answers have it, and how many there are."""
    log = read(str(place))
    given_ = [answer.scores[mark] for answer in log.answers if mark in answer.scores]
    return sum(given_), len(given_), len(log.answers)


def test_openai_evals_records_in_any_order() -> None:
    """The report of one stands before its events, and items are in no order."""
    base, tuned = (CASES / "openai_evals" / f"{side}.jsonl" for side in ("base", "tuned"))
    assert marked(base, "correct") == (8, 11, 12)
    assert marked(tuned, "correct") == (10, 11, 12)
    found = answers(str(base))
    first = found["desk.dev.v0 desk.dev.0"]
    assert (first.input, first.target) == ("May a signed copy be returned within 30 days?", "No")
    assert (first.completion, first.scores, first.error) == ("No", {"correct": 1.0}, None)
    failed = found["desk.dev.v0 desk.dev.8"]
    assert (failed.completion, failed.scores, failed.error) == ("S", {}, None), "it has an answer, but no mark"
    assert (
        "1 of 12 samples of desk.dev.v0 ended in an error, such as desk.dev.8: APITimeoutError: timeout"
        in read(str(base)).notes
    )


def test_an_openai_evals_sample_that_was_never_answered_failed(tmp_path: Path) -> None:
    lines = (CASES / "openai_evals" / "base.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "log.jsonl").write_text("".join(line for line in lines if '"sampled": ["S"]' not in line))
    failed = answers(str(tmp_path / "log.jsonl"))["desk.dev.v0 desk.dev.8"]
    assert (failed.error, failed.question) == ("APITimeoutError: timeout", "")


def test_an_openai_evals_run_without_its_report_did_not_finish(tmp_path: Path) -> None:
    lines = (CASES / "openai_evals" / "base.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "log.jsonl").write_text("".join(line for line in lines if "final_report" not in line))
    with pytest.raises(UserError, match="did not finish: no final_report"):
        read(str(tmp_path / "log.jsonl"))


def output_item(number: int, score: float, **sample: Any) -> dict[str, Any]:
    """An item as the reference of the Evals API shows it."""
    said = {
        "input": [{"role": "user", "content": "Which topic?"}],
        "output": [{"role": "assistant", "content": "Markets"}],
    }
    said |= {"finish_reason": "stop", "usage": {"prompt_tokens": 325, "completion_tokens": 2}, "error": None}
    said |= {"temperature": 1.0, "top_p": 1.0, "max_completion_tokens": 2048, "seed": 42, "model": "some-model"}
    name = f"String check-a2486074-d803-4445-b431-ad2262e85d4{number}"
    return {
        "object": "eval.run.output_item", "id": f"outputitem_{number}", "run_id": "evalrun_1", "eval_id": "eval_1",
        "status": "pass", "datasource_item_id": number,
        "datasource_item": {"input": f"Stock markets rally {number}", "ground_truth": "Markets"},
        "results": [{"name": name, "sample": None, "passed": score == 1, "score": score}], "sample": said | sample,
    }  # fmt: skip


def test_output_items_of_openais_evals_api(tmp_path: Path) -> None:
    failed = output_item(2, 0.0, output=[], error={"code": "rate_limit", "message": "429"})
    items = [output_item(0, 1.0), output_item(1, 0.0, finish_reason="length"), failed]
    (tmp_path / "page.json").write_text(json.dumps({"object": "list", "data": items, "has_more": False}))
    (tmp_path / "items.jsonl").write_text(eval_logs.lines(items))
    for name in ("page.json", "items.jsonl"):
        log = read(str(tmp_path / name))
        first, second, third = log.answers
        assert (first.input, first.target, first.completion) == ("Stock markets rally 0", "Markets", "Markets")
        assert (first.scores, first.tokens_in, first.tokens_out) == ({"String check": 1.0}, 325, 2)
        assert (second.scores, second.cut) == ({"String check": 0.0}, True)
        assert (third.scores, third.error) == ({}, "429")
        assert log.settings == {"eval_1": {"temperature": 1.0, "top_p": 1.0, "max_completion_tokens": 2048}}


def test_one_page_of_several_is_not_the_whole_run(tmp_path: Path) -> None:
    page = {"object": "list", "data": [output_item(0, 1.0)], "has_more": True}
    (tmp_path / "page.json").write_text(json.dumps(page))
    with pytest.raises(UserError, match="one page of the run, with 1 items; there are more"):
        read(str(tmp_path / "page.json"))


def test_deepeval_cases_are_known_by_name_and_not_by_place() -> None:
    base, tuned = (CASES / "deepeval" / f"{side}.json" for side in ("base", "tuned"))
    assert marked(base, "Exact Match") == (8, 12, 12)
    assert marked(tuned, "Exact Match") == (11, 12, 12)
    assert marked(base, "Correctness [GEval]")[1] == 11, "a metric that failed gave no mark"
    found = answers(str(base))
    assert found["test_desk.py test_case_3"].input == "Can a gift receipt be used to exchange a book?"
    assert read(str(base)).settings["test_desk.py"] == {"temperature": "0.2", "judge of Correctness [GEval]": "gpt-4.1"}


def test_deepeval_says_by_its_thresholds_which_metrics_are_better_when_lower(tmp_path: Path) -> None:
    path = eval_logs.deepeval(tmp_path / "run", [True, False])
    run = json.loads(path.read_text())
    for case, score in zip(run["testCases"], (0.2, 0.9), strict=True):
        case["metricsData"] = [
            {"name": "Off Topic", "threshold": 0.5, "success": score < 0.5, "score": score},
            {"name": "Faithfulness", "threshold": 0.5, "success": score > 0.5, "score": score},
            {"name": "At its limit", "threshold": score, "success": True, "score": score},
        ]
    path.write_text(json.dumps(run))
    assert read(str(path)).higher == {"test_desk.py": {"Off Topic": False, "Faithfulness": True}}


def test_deepevals_latest_run_is_read_like_its_results_and_talks_are_told(tmp_path: Path) -> None:
    path = eval_logs.deepeval(tmp_path / "run", [True])
    run = json.loads(path.read_text()) | {"conversationalTestCases": [{"turns": []}]}
    path.write_text(json.dumps({"testRunData": run, "testRunLink": None}))
    log = read(str(path))
    assert (len(log.answers), log.notes) == (1, ("1 conversational test cases are not read",))


def test_lighteval_answers_are_without_the_reasoning_that_it_took_off(tmp_path: Path) -> None:
    place = eval_logs.lighteval(tmp_path / "model", [True] * 8 + [False] * 4)
    assert marked(place, "extractive_match") == (8, 12, 12)
    first = answers(str(place))["custom|sums|0 1"]
    assert (first.completion, first.target, first.input) == ("2", "2", "What is 1+1?")
    assert (first.tokens_in, first.tokens_out) == (3, 2)
    [details] = place.rglob("details_*.parquet")
    assert read(str(details)).settings == read(str(place)).settings, "the results are found from the details, too"
    with pytest.raises(UserError, match="averages, not the answers"):
        read(str(next(place.rglob("results_*.json"))))


def test_lighteval_choices_are_the_likeliest(tmp_path: Path) -> None:
    doc = {"query": "Which?", "choices": ["a", "b", "c"], "gold_index": 1, "id": "7"}
    row = {"doc": doc, "metric": {"acc": 1}, "model_response": {"text": [], "logprobs": [-3.0, -1.0, -2.0]}}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "mine.parquet")
    [answer] = read(str(tmp_path / "mine.parquet")).answers
    assert (answer.completion, answer.target, answer.item) == ("b", "b", "7")


def test_an_older_lighteval_and_several_models_at_once_are_refused(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"example": ["a"]}), tmp_path / f"details_a_{DATE}.parquet")
    with pytest.raises(UserError, match="no column doc, metric, model_response: an older LightEval"):
        read(str(tmp_path))
    eval_logs.lighteval(tmp_path / "two" / "base", [True])
    eval_logs.lighteval(tmp_path / "two" / "tuned", [True])
    with pytest.raises(UserError, match=r"several logs of custom\|sums\|0"):
        read(str(tmp_path / "two"))


def test_a_promptfoo_log_without_results_says_so(tmp_path: Path) -> None:
    (tmp_path / "output.json").write_text('{"results": [], "prompts": [{"raw": "a", "provider": "p"}]}')
    with pytest.raises(UserError, match=r"^the log holds no results\n"):
        read(str(tmp_path / "output.json"))


def test_promptfoos_provider_says_how_it_generated(tmp_path: Path) -> None:
    content = json.loads((CASES / "promptfoo.json").read_text())
    settings = {"temperature": 0.5, "apiKey": "s3cret", "max_tokens": 20}
    content["config"] = {"providers": [{"id": "ours", "label": "tuned", "config": settings}, {"openai:some-model": {}}]}
    (tmp_path / "log.json").write_text(json.dumps(content))
    assert read(f"{tmp_path / 'log.json'}::tuned").settings == {"": {"temperature": 0.5, "max_tokens": 20}}
    assert read(f"{tmp_path / 'log.json'}::0").settings == {"": {}}


def test_an_inspect_answer_that_ended_at_the_limit_is_cut(tmp_path: Path) -> None:
    log = eval_logs.inspect_log([True, True])
    log["samples"][1]["output"]["choices"][0]["stop_reason"] = "max_tokens"
    (tmp_path / "log.json").write_text(json.dumps(log))
    assert [answer.cut for answer in read(str(tmp_path / "log.json")).answers] == [False, True]


def test_lm_eval_rows_that_do_not_name_their_marks(tmp_path: Path) -> None:
    """Before 0.4.3 there is no `metrics`, and arguments are lists."""
    row = {"doc_id": 0, "doc": {"question": "a?"}, "target": "b", "arguments": [["a?", {"until": ["x"]}]]}
    row |= {"resps": [["b"]], "filtered_resps": ["b"], "doc_hash": "0", "prompt_hash": "0", "target_hash": "0"}
    (tmp_path / f"samples_desks_{DATE}.jsonl").write_text(json.dumps(row | {"exact_match": 1.0}))
    log = read(str(tmp_path))
    [answer] = log.answers
    assert (answer.scores, answer.completion, answer.target) == ({"exact_match": 1.0}, "b", "b")
    assert log.settings == {"desks": {"until": '["x"]'}}


def test_lm_eval_rows_as_one_list_over_many_lines(tmp_path: Path) -> None:
    """0.4.0 wrote a list, and called the file .jsonl all the same."""
    rows = [
        json.loads(line) for line in (CASES / "lm_eval" / f"samples_sums_{DATE}.jsonl").read_text().split("\n")[:-1]
    ]
    (tmp_path / "model_sums.jsonl").write_text(json.dumps(rows, indent=2))
    (tmp_path / "results.json").write_text('{"results": {}, "n-shot": {"sums": 5}, "versions": {"sums": 2}}')
    log = read(str(tmp_path))
    assert len(log.answers) == 3
    assert log.settings["sums"].items() >= {"version": 2, "shots": 5}.items()


@pytest.mark.parametrize(
    "content", ['[{"doc_id": 0, "prompt_0": "a", "truth": "b"}]', '{"results": {}, "versions": {}, "config": {}}']
)
def test_what_lm_eval_wrote_before_0_4_is_refused_in_a_sentence(content: str, tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text(content)
    with pytest.raises(UserError, match=r"is of lm-eval before 0\.4"):
        read(str(tmp_path / "log.json"))


def test_what_is_wrong_with_many_rows_is_said_once(tmp_path: Path) -> None:
    row = '{"doc_id": 1, "doc": 1, "filtered_resps": []}\n'
    (tmp_path / "log.jsonl").write_text("".join(row.replace("1", str(i), 1) for i in range(60)) + "nonsense\n")
    with pytest.raises(UserError, match=r"1 bad row\n  log.jsonl:61: not JSON"):
        read(str(tmp_path / "log.jsonl"))
    (tmp_path / "log.jsonl").write_text("".join(row.replace("1", str(i), 1) for i in range(60)))
    with pytest.raises(UserError) as refused:
        read(str(tmp_path / "log.jsonl"))
    assert "60 rows: `resps` is missing, expected a list (log.jsonl:1, log.jsonl:2, log.jsonl:3, ...)" in str(
        refused.value
    )
    assert str(refused.value).count("resps") == 1


def test_a_nemo_bundle_may_be_named_by_any_of_its_files(tmp_path: Path) -> None:
    eval_logs.nemo(tmp_path / "run" / "one", [True, False], "one")
    eval_logs.nemo(tmp_path / "run" / "two", [True], "two")
    assert {a.task for a in read(str(tmp_path / "run")).answers} == {"one", "two"}
    for name in ("eval-one.json", "results.jsonl"):
        assert len(read(str(tmp_path / "run" / "one" / name)).answers) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.json", "{", "cannot be read: not JSON"),
        ("log.json", b"\xff\xfe", "cannot be read: not UTF-8"),
        ("log.json", "[" * 100_000, "nested too deeply"),
        ("log.json", "[1, 2]", "not a log of lm-eval, Inspect, promptfoo, NeMo Evaluator, OpenAI Evals"),
        ("log.jsonl", '{"id": 1}\n', "not a log of"),
        ("log.jsonl", "", "not a log of"),
        (
            "log.jsonl",
            "nonsense\n[1]\n",
            "2 bad rows\n  log.jsonl:1: not JSON .*\n  log.jsonl:2: found a list, expected",
        ),
        ("results.json", '{"results": {}, "n-shot": {}}', "averages, not the answers they rest on"),
        ("eval-1.json", '{"benchmark": {"name": "b", "scores": {}}}', "no results.jsonl beside it"),
        ("log.json", '{"status": "success", "eval": {"task": "t"}}', "the log has no samples"),
        (
            "log.jsonl",
            '{"problem_idx": "a"}\n{"problem_idx": 1, "reward": "x"}\n',
            "2 bad rows\n  .*:1: `problem_idx` is text",
        ),
        (
            "log.jsonl",
            '{"doc_id": 1, "doc": 1, "filtered_resps": []}\n',
            "log.jsonl:1: `resps` is missing, expected a list",
        ),
    ],
)
def test_a_file_that_is_no_whole_log_is_refused(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError, match=message):
        read(str(tmp_path / name))


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such log"):
        read(str(tmp_path / "nowhere.json::0"))


def test_a_folder_with_one_log_in_it_is_that_log(tmp_path: Path) -> None:
    eval_logs.inspect_eval(tmp_path / "log", [True])
    (tmp_path / "notes.txt").write_text("mine")
    assert read(str(tmp_path)).format == "Inspect"
    eval_logs.inspect_json(tmp_path / "second", [True])
    with pytest.raises(UserError, match=r"the folder holds several logs\n  .*log.eval\n  .*second.json"):
        read(str(tmp_path))


def test_several_lm_eval_logs_of_one_task_are_told_apart_by_nobody(tmp_path: Path) -> None:
    for date in (DATE, DATE.replace("T03", "T04")):
        shutil.copyfile(CASES / "lm_eval" / f"samples_sums_{DATE}.jsonl", tmp_path / f"samples_sums_{date}.jsonl")
    with pytest.raises(UserError, match="several logs of one task\n  sums: samples_sums_"):
        read(str(tmp_path))


def test_an_lm_eval_row_that_comes_twice_is_named(tmp_path: Path) -> None:
    text = (CASES / "lm_eval" / f"samples_sums_{DATE}.jsonl").read_text()
    (tmp_path / "twice.jsonl").write_text(text + text.split("\n")[0])
    with pytest.raises(UserError, match=r"twice.jsonl:7: doc_id 0 \(filter .*\) stands already in twice.jsonl:"):
        read(str(tmp_path / "twice.jsonl"))


def rows_of_every_format() -> dict[str, dict[str, Any]]:
    events = (CASES / "openai_evals" / "base.jsonl").read_text().splitlines()
    return {
        "lm_eval": json.loads((CASES / "lm_eval" / f"samples_colour_choice_{DATE}.jsonl").read_text().split("\n")[0]),
        "lm_eval results": json.loads((CASES / "lm_eval" / f"results_{DATE}.json").read_text()),
        "inspect": json.loads((CASES / "inspect.json").read_text())["samples"][0],
        "promptfoo": json.loads((CASES / "promptfoo.json").read_text())["results"]["results"][0],
        "nemo": json.loads((CASES / "nemo" / "results.jsonl").read_text().split("\n")[0]),
        "openai spec": json.loads(events[0]),
        "openai sampling": json.loads(events[1]),
        "openai match": json.loads(events[2]),
        "openai item": output_item(0, 1.0),
        "deepeval": json.loads((CASES / "deepeval" / "base.json").read_text())["testCases"][6],
    }


def write_log(folder: Path, name: str, row: dict[str, Any]) -> Path:
    """A log with one row of a format, and what it needs around it."""
    if name == "lm_eval results":
        (folder / f"results_{DATE}.json").write_text(json.dumps(row))
        return shutil.copyfile(CASES / "lm_eval" / f"samples_sums_{DATE}.jsonl", folder / f"samples_sums_{DATE}.jsonl")
    if name == "inspect":
        log = {"status": "success", "eval": {"task": "t", "model": "openai/some-model"}, "samples": [row]}
        (folder / "log.json").write_text(json.dumps(log))
        return folder / "log.json"
    if name == "deepeval":
        (folder / "log.json").write_text(json.dumps({"testCases": [row]}))
        return folder / "log.json"
    around = [{"spec": {"completion_fns": []}}, row, {"final_report": {}}] if name.startswith("openai ") else [row]
    (folder / "log.jsonl").write_text(eval_logs.lines([row] if name == "openai item" else around))
    return folder / "log.jsonl"


def paths(value: object, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, inner in items for path in ((*here, key), *paths(inner, (*here, key)))]


PLACES = [(name, path) for name, row in rows_of_every_format().items() for path in paths(row)]
SHAPES = ([], {}, [[]], [None], {"a": None}, [{"b": [1]}], 10**400)
JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(SHAPES)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), junk=JUNK)
@example(place=("lm_eval", ("resps", 0, 0, 0)), junk=10**400)
def test_junk_anywhere_in_a_row_is_an_answer_or_a_user_error(
    place: tuple[str, tuple[Any, ...]], junk: object, tmp_path: Path
) -> None:
    name, path = place
    row = copy.deepcopy(rows_of_every_format()[name])
    inner = row
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = junk
    file = write_log(tmp_path, name, row)
    with contextlib.suppress(UserError):
        assert all(isinstance(answer.completion, str) for answer in read(str(file)).answers)


@pytest.mark.parametrize("name", ["log.json", "log.jsonl", "log.eval", "log.parquet"])
@pytest.mark.parametrize(
    ("make", "what"), [(os.mkfifo, "a pipe"), (lambda path: path.symlink_to("/dev/zero"), "a device")]
)
def test_what_may_never_end_is_no_log(make: Any, what: str, name: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    with pytest.raises(UserError, match=f"this is {what} and no file"):
        read(str(tmp_path / name))


def test_a_zip_that_cannot_be_unpacked_is_told(tmp_path: Path) -> None:
    path = eval_logs.inspect_eval(tmp_path / "log", [True])
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x01\x03"))
    with pytest.raises(UserError, match="the log cannot be unpacked: Bad magic number"):
        read(str(path))
