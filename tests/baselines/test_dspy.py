"""Programs that DSPy has saved, as its versions write them, become an instruction with demonstrations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspaces import write_jsonl

from baselines.prompters.dspy import read_program
from harness.experiment.arms import base_arms
from harness.experiment.load import load_experiment
from harness.experiment.session import open_session
from harness.pipeline.check_shots import shot_findings
from suites.errors import UserError
from suites.types import Example

FIELDS = [
    {"prefix": "Message:", "description": "${message}"},
    {"prefix": "Reasoning: Let's think step by step in order to", "description": "${reasoning}"},
    {"prefix": "Team:", "description": "billing or shipping"},
]
DEMOS = [
    {"augmented": True, "message": "Where is my parcel?", "reasoning": "It is late.", "team": "shipping"},
    {"message": "Why was I charged twice?", "team": "billing"},
]
STATE = {
    "traces": [], "train": [], "demos": DEMOS, "signature": {"instructions": "Route the message.", "fields": FIELDS},
    "lm": None,
}  # fmt: skip
METADATA = {"dependency_versions": {"python": "3.11", "dspy": "3.4.1", "cloudpickle": "3.1"}}
SHAPES = {
    "3: a module": {"predict": STATE, "metadata": METADATA},
    "3: a predictor": {**STATE, "metadata": METADATA},
    "2.6: a module": {"predict": STATE, "metadata": {"dependency_versions": {"dspy": "2.6.13"}}},
    "2.5: an extended signature": {"prog": {**STATE, "extended_signature": STATE["signature"], "signature": {}}},
}
OLD = {
    "prog": {
        "lm": None, "traces": [], "train": [], "demos": [{"message": "Where?", "team": "shipping"}],
        "signature_instructions": "Route the message.", "signature_prefix": "Team:",
    }
}  # fmt: skip


def saved(folder: Path, program: Mapping[str, Any]) -> Path:
    path = folder / "program.json"
    path.write_text(json.dumps(program), encoding="utf-8")
    return path


@pytest.mark.parametrize("shape", SHAPES)
def test_every_version_says_the_same(shape: str, tmp_path: Path) -> None:
    found = read_program(saved(tmp_path, SHAPES[shape]))
    assert found.instruction == "Route the message.\n\nTeam: billing or shipping"
    assert [(shot.input, shot.target) for shot in found.demos] == [
        ("Where is my parcel?", "shipping"),
        ("Why was I charged twice?", "billing"),
    ]


def test_programs_before_2_5_show_their_fields_by_their_demonstrations_alone(tmp_path: Path) -> None:
    found = read_program(saved(tmp_path, OLD))
    assert (found.instruction, found.demos[0].input, found.demos[0].target) == (
        "Route the message.", "Where?", "shipping"
    )  # fmt: skip


def test_one_of_several_predictors_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, {"first": STATE, "second.predict": {**STATE, "demos": []}, "metadata": METADATA})
    with pytest.raises(UserError, match=r"the program has 2 predictors, and a prompt is one: first, second\.predict"):
        read_program(path)
    assert read_program(path, "second.predict").demos == ()
    with pytest.raises(UserError, match="no predictor 'third'"):
        read_program(path, "third")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[1", "JSON"),
        ("[]", "holds no program"),
        ('{"prompt": "Route it."}', "holds no program"),
        (json.dumps({**STATE, "demos": [{"message": "Where?"}]}), "demonstration 1 has no 'team'; it has message"),
    ],
)
def test_what_is_no_such_program_is_told(content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "program.json").write_text(content)
    with pytest.raises(UserError, match=told):
        read_program(tmp_path / "program.json")


def test_a_program_that_reads_two_fields_is_no_prompt_for_one_input(tmp_path: Path) -> None:
    fields = [{"prefix": "Context:", "description": "${context}"}, *FIELDS]
    with pytest.raises(UserError, match=r"reads 2 fields \(context, message\)"):
        read_program(saved(tmp_path, {**STATE, "signature": {"instructions": "", "fields": fields}, "demos": []}))


def experiment(folder: Path) -> Path:
    saved(folder, {"predict": {**STATE, "signature": {"instructions": "{{ 7 * 7 }} Route it.", "fields": FIELDS}}})
    rows = [{"id": f"t{i}", "input": f"question {i}", "target": "billing"} for i in range(8)]
    rows[3]["input"] = "WHERE is my parcel?"
    write_jsonl(folder / "test.jsonl", rows)
    content = {
        "experiment": "programs", "model": "echo", "data": {"test": "test.jsonl"},
        "baselines": [{"prompts": "program.json"}], "candidate": {"endpoint": "http://localhost:1/v1", "name": "x"},
        "regression": [],
    }  # fmt: skip
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_json_file_among_prompts_is_a_program(tmp_path: Path) -> None:
    session = open_session(load_experiment(experiment(tmp_path)))
    [arm] = base_arms(session.experiment, session.splits)
    assert arm.name == "dspy program"
    told = arm.prompter.messages(Example("a", {"input": "Hello?"}, "billing", "a"))
    assert told[0]["content"].startswith("{{ 7 * 7 }} Route it.")  # a text, and no template
    assert [message["content"] for message in told[1:]] == [
        "Where is my parcel?", "shipping", "Why was I charged twice?", "billing", "Hello?"
    ]  # fmt: skip


def test_a_demonstration_that_gives_an_answer_away_is_found_and_not_shown(tmp_path: Path) -> None:
    session = open_session(load_experiment(experiment(tmp_path)))
    bar = base_arms(session.experiment, session.splits)
    [finding] = shot_findings(bar, session.splits)
    assert finding.rows == ("t3",)
    assert "demonstration 1" in finding.message
    [prompt] = bar[0].prompter.prompts([session.splits["test"][3]])
    assert len(prompt.messages) == 4
