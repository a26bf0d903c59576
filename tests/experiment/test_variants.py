"""A pattern of prompt files stands for an arm of each; what is wrong in one of them is told at its line."""

import pytest
import yaml
from workspaces import write_jsonl

from harness.experiment.load import load_experiment
from harness.experiment.names import arm_name
from suites.errors import UserError


@pytest.fixture
def folder(tmp_path):
    for split in ("validation", "test"):
        write_jsonl(tmp_path / f"{split}.jsonl", [{"id": f"{split}{i}", "input": split + "?" * i, "target": "a"}
                                                  for i in range(4)])  # fmt: skip
    for name in ("b.md", "a.md", "c.txt", "notes.json"):
        (tmp_path / "prompts" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "prompts" / name).write_text(f"Prompt {name}.")
    return tmp_path


def experiment(folder, baselines, **settings):
    content = {
        "experiment": "e", "model": "echo", "data": {"validation": "validation.jsonl", "test": "test.jsonl"},
        "candidate": {"recorded": "c.jsonl"}, "regression": [], "baselines": baselines, **settings,
    }  # fmt: skip
    (folder / "c.jsonl").write_text('{"id": "test0", "completion": "a"}\n')
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.mark.parametrize("pattern", ["prompts/*.md", "./prompts/[ab].*", "prompts/?.md"])
def test_a_pattern_is_an_arm_for_each_file_by_name(folder, pattern):
    loaded = load_experiment(experiment(folder, ["zero_shot", {"prompts": pattern}]))
    assert [arm_name(entry) for entry in loaded.config.baselines] == ["zero-shot", "zero-shot a", "zero-shot b"]


@pytest.mark.parametrize("named", ["prompts", "prompts/"])
def test_a_folder_is_all_prompt_files_in_it(folder, named):
    loaded = load_experiment(experiment(folder, [{"prompts": named}]))
    assert [entry.settings.prompt for entry in loaded.config.baselines] == [
        f"prompts/{x}" for x in ("a.md", "b.md", "c.txt")
    ]


def test_every_way_to_prompt_takes_a_pattern_and_keeps_its_own_settings_and_name(folder):
    entry = {"name": "try", "few_shot": {"shots": 2, "prompt": "prompts/*.md"}}
    loaded = load_experiment(experiment(folder, [entry], data={"train": "validation.jsonl", "test": "test.jsonl",
                                                               "split": {"validation": 0.25}}))  # fmt: skip
    assert [(arm_name(e), e.few_shot.shots, e.few_shot.prompt) for e in loaded.config.baselines] == [
        ("try-a", 2, "prompts/a.md"), ("try-b", 2, "prompts/b.md"),
    ]  # fmt: skip


def test_a_file_that_comes_or_changes_makes_it_another_experiment(folder):
    path = experiment(folder, [{"prompts": "prompts/*.md"}])
    before = load_experiment(path)
    spelled = experiment(folder, [{"zero_shot": "prompts/a.md"}, {"zero_shot": {"prompt": "prompts/b.md"}}])
    assert load_experiment(spelled).id == before.id
    path = experiment(folder, [{"prompts": "prompts/*.md"}])
    (folder / "prompts" / "d.md").write_text("More.")
    assert load_experiment(path).id != before.id


def test_what_matches_nothing_is_told_with_everything_else_at_its_line(folder):
    path = experiment(folder, [{"prompts": "prompts/*.md"}, {"prompts": "promts/*.md"}, {"zero_shot": {"prompf": 1}}])
    with pytest.raises(UserError) as caught:
        load_experiment(path)
    lines = path.read_text().splitlines()
    missing, unknown = (next(n for n, line in enumerate(lines, 1) if word in line) for word in ("promts", "prompf"))
    assert f"line {missing}: `baselines.2` no prompt file (.md, .txt) matches 'promts/*.md'" in str(caught.value)
    assert f"line {unknown}: `baselines.3.zero_shot.prompf` unknown setting; did you mean `prompt`?" in str(
        caught.value
    )


@pytest.mark.parametrize("entry", [{"prompts": "prompts/notes.csv"}, {"prompts": ""}, {"prompts": "/none/*.md"}])
def test_nothing_to_match_is_a_sentence(folder, entry):
    with pytest.raises(UserError, match=r"no prompt file \(.md, .txt\) matches"):
        load_experiment(experiment(folder, [entry]))


def test_a_json_file_that_is_no_program_of_dspy_is_told(folder):
    with pytest.raises(UserError, match=r"`baselines.0.dspy.program` not JSON"):
        load_experiment(experiment(folder, [{"prompts": "prompts/*.json"}]))


def test_reasoning_without_a_place_for_the_answer_is_refused(folder):
    with pytest.raises(UserError, match=r"`chain_of_thought` reasons before it answers.*`task: \{answer: last_line\}`"):
        load_experiment(experiment(folder, ["chain_of_thought"]))
    assert load_experiment(experiment(folder, ["chain_of_thought"], task={"answer": "last_line"}))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"regex": "("}, "is no regular expression: missing ), unterminated subpattern"),
        ({"regex": "a", "tag": "b"}, "is exactly one of regex, tag, json"),
        ({}, "is exactly one of regex, tag, json"),
        ("first_line", "answer"),
        ({"tag": "<answer>"}, "tag"),
    ],
)
def test_a_place_that_is_none_is_refused(folder, answer, said):
    with pytest.raises(UserError) as caught:
        load_experiment(experiment(folder, ["zero_shot"], task={"answer": answer}))
    assert said in str(caught.value)


def test_ways_of_asking_have_names_of_their_own(folder):
    entries = ["zero_shot", {"zero_shot": {"max_thinking_tokens": 9}}, {"zero_shot": {"self_consistency": 5}}]
    loaded = load_experiment(experiment(folder, entries))
    assert [arm_name(entry) for entry in loaded.config.baselines] == ["zero-shot", "zero-shot thinking", "zero-shot x5"]
    votes = loaded.config.baselines[2].settings.asking
    assert (votes.votes, votes.temperature, votes.thinking_tokens) == (5, 0.7, 0)
    assert loaded.config.baselines[1].settings.asking.settings == (("enable_thinking", True),)
