"""lm-eval's own tasks taken by our Model: local files, both kinds of task, and every example's own score."""

import json
import shutil
from dataclasses import replace

import pytest
from table_model import Table

from suites.benchmarks.lm_eval import LmEvalTask, run
from suites.errors import UserError
from suites.model import Completion
from suites.reasoning import take_off

QUESTIONS = [
    ("What is red?", ["a tomato", "the sea"], 0),
    ("What is wet?", ["fire", "rain"], 1),
    ("Go?", ["yes", "no"], 0),
]

CHOICE = """\
task: colours
dataset_path: json
dataset_kwargs: {data_files: {test: data/colours.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: label
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
"""
WRITE = """\
task: written
dataset_path: json
dataset_kwargs: {data_files: {test: data/colours.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{choices[label]}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 8, do_sample: false}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
metadata: {version: 1.0}
"""


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Write a task file and its data, and give the task; the current folder is elsewhere."""
    (tmp_path / "tasks" / "data").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    rows = [json.dumps({"question": q, "choices": c, "label": label}) for q, c, label in QUESTIONS]
    (tmp_path / "tasks" / "data" / "colours.jsonl").write_text("\n".join(rows) + "\n")

    def written(text, limit=None):
        (tmp_path / "tasks" / "task.yaml").write_text(text)
        return LmEvalTask("task", str(tmp_path / "tasks" / "task.yaml"), limit)

    return written


def values(rows, metric):
    return {row.example.columns["question"]: row.scores[metric].value for row in rows}


def test_a_task_is_its_content_wherever_it_lies(task, tmp_path):
    before = task(CHOICE).digest
    shutil.copytree(tmp_path / "tasks", tmp_path / "moved")
    moved = LmEvalTask("task", str(tmp_path / "moved" / "task.yaml"))
    assert moved.digest == before
    assert replace(moved, limit=3).digest != before
    (tmp_path / "moved" / "data" / "colours.jsonl").write_text("")
    assert moved.digest != before


def test_a_choice_is_scored_for_every_example_under_lm_evals_own_names(task):
    model = Table({"What is red?": "a tomato", "What is wet?": "fire"})
    rows = run(model, task(CHOICE))
    assert values(rows, "acc") == {"What is red?": 1.0, "What is wet?": 0.0, "Go?": 1.0}
    assert set(rows[0].scores) == {"acc", "acc_norm"}
    assert all(row.completion.error is None for row in rows)
    assert model.read[0] == "<user>What is red?</><assistant>", "the chat template is the model's own"


def test_a_written_answer_ends_where_the_task_says(task):
    model = Table({"What is red?": "a tomato", "What is wet?": "fire"})
    rows = run(model, task(WRITE))
    assert values(rows, "exact_match") == {"What is red?": 1.0, "What is wet?": 0.0, "Go?": 0.0}
    assert json.loads(rows[0].completion.text) == ["a tomato"]


class Thinker(Table):
    """Thinks before it answers, and is cut where it knows nothing."""

    def generate(self, prompts, generation, *, on_progress=None):
        known = [self._knows(self.render(prompt)) for prompt in prompts]
        texts = [f"<think>hm</think>{answer}" if answer else "<think>hm, it" for answer in known]
        cut = [Completion(text, "stop" if answer else "length") for text, answer in zip(texts, known, strict=True)]
        return take_off(cut, [""] * len(cut))


def test_an_answer_that_was_cut_while_thinking_is_not_marked(task):
    rows = run(Thinker({"What is red?": "a tomato", "What is wet?": "fire"}), task(WRITE))
    assert values(rows, "exact_match") == {"What is red?": 1.0, "What is wet?": 0.0, "Go?": None}
    cut = next(row for row in rows if row.example.columns["question"] == "Go?")
    assert (cut.completion.finish, cut.completion.thinking, cut.completion.reasoning) == ("length", "cut", "hm, it")
    assert cut.scores["exact_match"].reason.startswith("cut while it was thinking")


def test_ids_are_stable_over_models_and_repeats_and_a_limit_takes_the_first(task):
    one, other = run(Table({}), task(CHOICE)), run(Table({"Go?": "no"}), task(CHOICE))
    assert [row.example.id for row in one] == [row.example.id for row in other]
    assert len({row.example.id for row in one}) == 3
    assert [row.example.id for row in run(Table({}), task(CHOICE, limit=2))] == [row.example.id for row in one[:2]]


def test_the_digest_follows_the_task_its_data_and_its_limit(task, tmp_path):
    before = task(CHOICE).digest
    assert task(CHOICE).digest == before
    assert len({before, task(WRITE).digest, task(CHOICE, limit=2).digest}) == 3
    with (tmp_path / "tasks" / "data" / "colours.jsonl").open("a") as file:
        file.write(json.dumps({"question": "New?", "choices": ["a", "b"], "label": 0}) + "\n")
    assert task(CHOICE).digest != before
    assert len(run(Table({}), task(CHOICE))) == 4, "changed data is read again, whatever a cache thinks"


def test_shots_out_of_the_exam_itself_are_refused(task):
    with pytest.raises(UserError, match="an example could be shown its own answer"):
        run(Table({}), task(CHOICE + "num_fewshot: 2\n"))


def test_shots_given_by_the_task_are_earlier_turns(task):
    samples = "fewshot_config: {sampler: first_n, samples: [{question: Shot, choices: [a, b], label: 1}]}\n"
    model = Table({"Go?": "yes"})
    rows = run(model, task(CHOICE + "num_fewshot: 1\n" + samples))
    assert values(rows, "acc")["Go?"] == 1.0
    assert model.read[0] == "<user>Shot</><assistant>b</><user>What is red?</><assistant>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CHOICE.replace("colours.jsonl", "gone.jsonl"), "data file is missing"),
        ("- a list", "a mapping with `task:`"),
        ("task: [", "cannot read the lm-eval task"),
        (CHOICE + "process_docs: !function utils.go\n", "cannot read the lm-eval task"),
        (CHOICE.replace("{test: data/colours.jsonl}", "[a, b]"), "not one file for each split"),
        (CHOICE.replace("output_type: multiple_choice", "output_type: telepathy"), "lm-eval cannot load the task"),
        (CHOICE.replace("{{question}}", "{{questoin}}"), "'questoin' is undefined"),
        (CHOICE.replace("multiple_choice", "loglikelihood_rolling"), "whose perplexity is asked has no words"),
    ],
)
def test_a_task_that_cannot_be_run_is_refused(task, text, message):
    with pytest.raises(UserError, match=message):
        run(Table({}), task(text))


def test_a_bad_line_in_the_tasks_data_is_named(task, tmp_path):
    with (tmp_path / "tasks" / "data" / "colours.jsonl").open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(UserError, match=r"colours\.jsonl:4: not JSON"):
        run(Table({}), task(CHOICE))


def test_a_task_that_nobody_knows_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        run(Table({}), LmEvalTask("t", str(tmp_path / "nope.yaml")))


def test_an_answer_that_never_arrives_stops_the_exam_with_its_reason(task):
    with pytest.raises(UserError, match="did not answer an lm-eval request: 503"):
        run(Table({}, error="503"), task(WRITE))
