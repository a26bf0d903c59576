"""How the answers were made counts on both sides, as it does where models are asked; what is not known is told once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import eval_logs
import pytest
from eval_logs import half
from workspaces import opened, run, select, verdict

from harness.importers import import_logs, read
from harness.importers.log import Answer, Log
from harness.importers.settings import compared, digest, short, sides, told

SOME, MANY = half(60, 0.3), half(60, 0.8, seed=1)
CONFIG = {
    "model": "hf",
    "model_args": "pretrained=org/base,dtype=bfloat16",
    "limit": None,
    "gen_kwargs": {},
    "fewshot_seed": 1234,
}


def logs(folder: Path, tuned: Mapping[str, Any], base: Mapping[str, Any] | None = None) -> list[str]:
    """Two lm-eval logs whose results differ in `tuned`."""
    common = {"versions": {"sums": 2}, "n-shot": {"sums": 0}, "config": CONFIG, "chat_template": None}
    eval_logs.results(eval_logs.lm_eval(folder / "base", SOME), **common | dict(base or {}))
    eval_logs.results(eval_logs.lm_eval(folder / "tuned", MANY), **common | dict(tuned))
    return [str(folder / "base"), str(folder / "tuned")]


def test_logs_made_alike_give_a_verdict_that_says_so(tmp_path: Path) -> None:
    other = CONFIG | {"model_args": {"pretrained": "org/tuned", "dtype": "bfloat16", "peft": "adapter"}}
    found = import_logs(*logs(tmp_path, {"config": other}), tmp_path / "out")
    assert not [remark for remark in found.remarks if "settings" in remark], "which model answered is no setting"
    assert verdict(run(found.experiment)) == "deploy"
    [gate] = select(opened(found.experiment).store, "select measured from v_gates where gate_id = 'comparable'")
    assert gate["measured"].startswith(
        "same examples; recorded answers made with the same version, shots, limit, engine"
    )


@pytest.mark.parametrize(
    ("tuned", "told_"),
    [
        ({"versions": {"sums": 3}}, "version (2 against 3)"),
        ({"n-shot": {"sums": 5}}, "shots (0 against 5)"),
        ({"chat_template": "{{ messages }}"}, "chat_template (none against {{ messages }})"),
        ({"config": CONFIG | {"limit": 100}}, "limit (none against 100)"),
        ({"config": CONFIG | {"model": "vllm"}}, "engine (hf against vllm)"),
        (
            {"config": CONFIG | {"model_args": "pretrained=t,dtype=bfloat16,load_in_4bit=True"}},
            "load_in_4bit (not set against True)",
        ),
        (
            {"config": CONFIG | {"model_args": {"pretrained": "t", "dtype": "float16"}}},
            "dtype (bfloat16 against float16)",
        ),
    ],
)
def test_a_setting_that_differs_is_told_when_the_logs_are_read(
    tuned: dict[str, Any], told_: str, tmp_path: Path
) -> None:
    found = import_logs(*logs(tmp_path, tuned), tmp_path / "out")
    assert [remark for remark in found.remarks if told_ in remark]


def test_a_task_of_another_version_gives_no_verdict_until_it_is_meant(tmp_path: Path) -> None:
    found = import_logs(*logs(tmp_path, {"versions": {"sums": 3}}), tmp_path / "out")
    assert verdict(run(found.experiment)) == "invalid"
    [gate] = select(opened(found.experiment).store, "select status, measured from v_gates where gate_id = 'comparable'")
    assert gate["status"] == "fail"
    assert "different settings of the recorded answers: version (2 against 3)" in gate["measured"]
    text = found.experiment.read_text()
    found.experiment.write_text(text.replace("    version: 3\n", ""))
    assert verdict(run(found.experiment)) == "deploy"


def test_generation_limits_stand_in_the_samples_themselves(tmp_path: Path) -> None:
    place = eval_logs.lm_eval(tmp_path / "log", SOME)
    assert read(str(place)).settings["sums"] == {"until": '["\\n"]', "max_gen_toks": 8, "do_sample": False}


def test_other_tools_say_how_they_generated(tmp_path: Path) -> None:
    log = eval_logs.inspect_log(SOME[:2])
    log["plan"] = {"steps": [{"solver": "system_message", "params": {"template": "Be brief."}}]}
    log["plan"]["config"] = {"temperature": 0.7, "max_tokens": 64, "seed": 3, "max_connections": 2}
    path = tmp_path / "log.json"
    path.write_text(eval_logs.lines([log]))
    [settings] = read(str(path)).settings.values()
    assert settings.items() >= {"temperature": 0.7, "max_tokens": 64}.items()
    assert settings["solver system_message"] == '{"template": "Be brief."}'
    assert not {"seed", "max_connections"} & settings.keys()
    [settings] = read(str(eval_logs.deepeval(tmp_path / "run", SOME))).settings.values()
    assert settings == {"temperature": "0.2"}
    [settings] = read(str(eval_logs.nemo(tmp_path / "bundle", SOME))).settings.values()
    assert settings == {"benchmark": "arithmetic", "repeats": 2}
    [settings] = read(str(eval_logs.openai_evals(tmp_path / "events", SOME))).settings.values()
    assert settings["samples_jsonl"] == "desk/samples.jsonl"
    [settings] = read(str(eval_logs.lighteval(tmp_path / "out", SOME, max_new_tokens=64))).settings.values()
    assert settings.items() >= {"version": 1, "shots": 0, "generation_parameters.max_new_tokens": 64}.items()


def test_keys_and_names_of_models_are_no_settings() -> None:
    given = {"api_key": "s3cret", "hf_token": "s3cret", "headers": {"a": "b"}, "pretrained": "x", "max_tokens": 5}
    assert told(given | {"nested": {"password": "s3cret", "top_p": 0.9}}) == {"max_tokens": 5, "nested.top_p": 0.9}


def test_a_long_setting_is_told_by_its_digest() -> None:
    assert short("x" * 60) == "x" * 60
    assert str(short("x" * 61)).startswith("sha256 ")
    assert digest("<function f at 0x7f01>") == digest("<function f at 0x8f02>"), "where it lay in memory says nothing"


def log(**settings: dict[str, Any]) -> Log:
    return Log("lm-eval", "log", (), (), settings)


def test_a_setting_that_all_tasks_share_is_said_once() -> None:
    base = log(a={"shots": 5, "version": 1}, b={"shots": 5, "version": 2})
    assert sides(base, base, ["a", "b"])[0] == {"shots": 5, "version of a": 1, "version of b": 2}
    tuned = log(a={"shots": 5}, b={"shots": 0})
    assert sides(base, tuned, ["a", "b"])[0]["shots of a"] == 5, "named by task where one side has two values"


def test_what_a_complete_log_does_not_say_was_not_set() -> None:
    base, tuned = log(a={"shots": 0}), log(a={"shots": 0, "load_in_4bit": True})
    assert sides(base, tuned, ["a"]) == ({"shots": 0}, {"shots": 0, "load_in_4bit": True}), "not known"
    whole = [replace(one, complete=True) for one in (base, tuned)]
    assert sides(*whole, ["a"])[0] == {"shots": 0, "load_in_4bit": "not set"}
    assert sides(whole[0], tuned, ["a"])[0] == {"shots": 0}, "the other log may have left it out"


def test_what_is_not_known_is_told_in_a_sentence() -> None:
    whole = {"version": 1, "shots": 0, "max_gen_toks": 8, "temperature": 0.0, "chat_template": "none"}
    assert compared(whole, whole) == []
    assert compared({}, {}) == [
        "the logs do not say, so that it was not compared: version of the task, shots, limit of new tokens, "
        "temperature, template and system prompt"
    ]
    assert compared(whole, {name: value for name, value in whole.items() if name != "version"}) == [
        "whether these settings were alike is not known, for only one log says them: version (base)"
    ]
    by_task = {**whole, "version of a": 1, "version of b": 2}
    assert compared({name: value for name, value in by_task.items() if name != "version"}, by_task)[-1].endswith(
        "version (tuned)"
    )


def test_an_answer_whose_question_is_not_known_is_paired_by_its_id() -> None:
    from harness.importers.pairing import pair

    known = {"where": "log:1", "task": "t", "item": "1", "scores": {"correct": 1.0}}
    one = Answer(**known, question="", input="1", target="")
    other = Answer(**known, question="digest", input="what is 1?", target="one")
    [exam] = pair(Log("e", "base", (one,)), Log("e", "tuned", (other,)))
    assert exam.any_answer("1").target == "one"
