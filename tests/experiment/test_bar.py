"""The bar is told what to do: labels that no prompt names, prompts without an instruction, and what is added."""

import json

import pytest
import tiny_models
import yaml
from workspaces import opened, write_jsonl

from baselines.prompters.labels import with_labels
from harness.experiment.arms import base_arms
from harness.experiment.bar import bar_findings
from suites.errors import UserError
from suites.types import Example

LABELS = ["billing", 'de "luxe"', "Übergabe {{ x }}"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.build("qwen2", tmp_path_factory.mktemp("base"))


@pytest.fixture
def bar(tmp_path, base):
    """The prompts by name, and the findings by check, of an experiment with these settings."""

    def made(targets=LABELS, **settings):
        for name, count in (("train", 72), ("validation", 6), ("test", 9)):
            rows = [
                {"id": f"{name}{i}", "input": f"{i} of {name}", "target": targets[i % len(targets)]}
                for i in range(count)
            ]
            write_jsonl(tmp_path / f"{name}.jsonl", rows)
        data = {name: f"{name}.jsonl" for name in ("train", "validation", "test")}
        (tmp_path / "e.yaml").write_text(
            yaml.safe_dump({"experiment": "x", "model": str(base), "data": data, "regression": [], **settings})
        )
        session = opened(tmp_path / "e.yaml")
        arms = base_arms(session.experiment, session.splits)
        found = bar_findings(session.experiment, arms, session.splits)
        return [arm.name for arm in arms], {finding.check: finding for finding in found}

    return made


MANY = [f"label {i}" for i in range(12)]


def test_a_prompt_that_lists_the_labels_is_added_to_the_default_bar_and_told_with_its_cost(bar):
    names, found = bar(MANY)
    assert names == ["zero-shot", "few-shot 8", "labels"]
    assert found.keys() == {"added_prompt"}
    assert found["added_prompt"].message == (
        "a prompt that lists the 12 labels is added to the bar, one more pass over 15 rows for each side; "
        "`baselines: [zero_shot, few_shot]` leaves it out"
    )


def test_a_bar_that_the_file_names_is_taken_at_its_word_and_what_it_leaves_unsaid_is_told(bar):
    names, found = bar(MANY, baselines=["zero_shot", "few_shot"])
    assert names == ["zero-shot", "few-shot 8"]
    assert "no prompt names all 12 labels, such as 'label " in found["unnamed_labels"].message
    assert "add `- labels` to `baselines`" in found["unnamed_labels"].message
    assert found["no_instruction"].level == "warn"
    assert bar(MANY, baselines=["zero_shot", "labels"]) == (["zero-shot", "labels"], {})


def test_the_default_bar_is_left_alone_where_its_shots_show_every_label(bar):
    names, found = bar(MANY[:8], task={"prompt": "Route."})
    assert names == ["zero-shot", "few-shot 8"]
    assert found == {}


def test_labels_named_in_an_instruction_are_named(bar):
    _, found = bar(["yes", "no"], task={"prompt": "Is it so? Say yes or no."}, baselines=["zero_shot"])
    assert found == {}
    _, found = bar(["yes", "no"], task={"prompt": "Do you know, yes?"}, baselines=["zero_shot"])
    assert "such as 'no'" in found["unnamed_labels"].message


def test_labels_are_listed_before_the_instruction_whatever_stands_in_them():
    example = Example("a", {"input": "Where?", "target": ""}, "", "a")
    listed = "Answer with exactly one of these labels, and nothing else:\n- " + "\n- ".join(LABELS)
    asked = {"role": "user", "content": "Where?"}
    assert with_labels("l", "", LABELS).messages(example) == [{"role": "system", "content": listed}, asked]
    assert with_labels("l", "Route.", LABELS).messages(example)[0]["content"] == f"{listed}\n\nRoute."
    [whole] = with_labels("l", "Message: {{ input }}\nTeam:", LABELS).messages(example)
    assert whole == {"role": "user", "content": f"{listed}\n\nMessage: Where?\nTeam:"}


@pytest.mark.parametrize("target", [json.dumps({"team": "a"}), "a" * 61, "two\nlines"])
def test_targets_that_are_no_labels_are_not_listed(bar, target):
    assert bar([target, "b"])[0] == ["zero-shot", "few-shot 8"]
    with pytest.raises(UserError, match="the training targets are no labels"):
        bar([target, "b"], baselines=["labels", "zero_shot"])
