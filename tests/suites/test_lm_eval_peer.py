"""lm-eval's own model and ours take the same tasks: same marks, whatever kind of task it is."""

import json

import pytest
import transformers
import yaml
from table_model import Table
from tiny_models import build
from workspaces import decided, recorded_experiment, select, write_jsonl
from workspaces import run as workspace_run

from harness.experiment.load import load_experiment
from harness.experiment.material import of_experiment
from harness.experiment.splits import read_files, read_splits
from harness.models import cache
from harness.models.hf.model import HFModel
from harness.store.database import Store
from reports.outputs import markdown
from suites.benchmarks.lm_eval import PART, LmEvalTask, questions, run
from suites.benchmarks.lm_eval_files import read_task
from suites.checks.leaks import overlaps
from suites.errors import UserError
from suites.model import ModelSpec

SENTENCE = "the parcel for order 17 arrived late and the box was broken please route this ticket refund"
WORDS = SENTENCE.split(" ")
LONG = " ".join(WORDS[at % len(WORDS)] for at in range(400))
HEAD = """\
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {name}.jsonl{shots}}}}}
test_split: test
output_type: {kind}
doc_to_text: "{text}"
doc_to_target: "{{{{answer}}}}"
metadata: {{version: 1.0}}
"""


def task_file(name, kind, rest, text="{{question}}", shots=""):
    return HEAD.format(name=name, kind=kind, text=text, shots=shots) + rest


CHOICE = "doc_to_choice: choices\nmetric_list: [{metric: acc}, {metric: acc_norm}]\nnum_fewshot: 2\n"
UNTIL = "generation_kwargs: {until: [' '], max_gen_toks: 6, do_sample: false}\n"
PERPLEXITY = "metric_list: [{metric: word_perplexity}, {metric: byte_perplexity}, {metric: bits_per_byte}]\n"
SPLITS = "fewshot_split: train\ntraining_split: train\n"
TASKS = {
    "choice": task_file("choice", "multiple_choice", SPLITS + CHOICE, shots=", train: shots.jsonl"),
    "written": task_file("written", "generate_until", UNTIL + "metric_list: [{metric: exact_match}]\n"),
    "likely": task_file("likely", "loglikelihood", "metric_list: [{metric: perplexity}, {metric: acc}]\n"),
    "rolling": task_file("rolling", "loglikelihood_rolling", PERPLEXITY, text=""),
}


def rows(name):
    if name == "rolling":
        return [{"answer": text} for text in ("hello world one two three", LONG, "refund, delivery, damaged")]
    pairs = [(f"is order {WORDS[i % len(WORDS)]} {i} late?", i) for i in range(12)]
    if name == "choice":
        return [{"question": q, "choices": [f" {WORDS[i]}", " refund", " box"], "answer": i % 3} for q, i in pairs]
    return [{"question": q, "answer": WORDS[i]} for q, i in pairs]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return HFModel(ModelSpec(base=str(build("qwen2", tmp_path_factory.mktemp("tiny")))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("tasks")
    for name, text in TASKS.items():
        (place / f"{name}.yaml").write_text(text)
        (place / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows(name))) + "\n")
    (place / "shots.jsonl").write_text(
        "".join(
            json.dumps({"question": f"shot {i}?", "choices": [" yes", " no", " box"], "answer": i % 3}) + "\n"
            for i in range(5)
        )
    )
    (place / "all.yaml").write_text("group: all\ntask: [choice, {group: texts, task: [likely]}]\n")
    return place


@pytest.fixture(scope="module")
def peer(model):
    """lm-eval's own model on the same weights."""
    from lm_eval.models.huggingface import HFLM

    tokenizer = transformers.AutoTokenizer.from_pretrained(model.base)
    weights = transformers.AutoModelForCausalLM.from_pretrained(model.base)
    return HFLM(pretrained=weights, tokenizer=tokenizer, batch_size=4, device="cpu")


def theirs(peer, folder, name, **settings):
    """What lm-eval's own model scores on the same files."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    [part] = read_task(folder / f"{name}.yaml").parts
    return lm_eval.simple_evaluate(
        model=peer, tasks=[part.spec], task_manager=TaskManager(include_defaults=False), bootstrap_iters=0,
        apply_chat_template=True, fewshot_as_multiturn=True, log_samples=True, **settings,
    )  # fmt: skip


def means(marked):
    return {
        name: sum(each.scores[name].value for each in marked) / len(marked)
        for name in marked[0].scores
        if all(each.scores[name].value is not None for each in marked)
    }


@pytest.mark.parametrize("name", ["choice", "written", "likely"])
def test_answers_are_marked_as_by_lm_evals_own_model(model, peer, folder, name):
    expected = theirs(peer, folder, name)
    ours = means(run(model, LmEvalTask(name, str(folder / f"{name}.yaml"))))
    found = expected["results"][name]
    for metric in ("acc", "acc_norm", "exact_match"):
        if f"{metric},none" in found:
            assert ours[metric] == pytest.approx(found[f"{metric},none"])
    if name == "likely":
        wanted = [pytest.approx(2.718281828459045 ** sample["perplexity"]) for sample in expected["samples"][name]]
        marked = run(model, LmEvalTask(name, str(folder / f"{name}.yaml")))
        assert [each.scores["target_probability"].value for each in marked] == wanted


def test_a_text_longer_than_the_context_is_as_probable_as_to_lm_evals_own_model(model, peer, folder):
    expected = theirs(peer, folder, "rolling")["samples"]["rolling"]
    marked = run(model, LmEvalTask("rolling", str(folder / "rolling.yaml")))
    assert list(marked[0].scores) == ["byte_probability", "word_probability"]
    assert len(model.chat.encode(LONG)) > model.context_length
    for each, sample in zip(marked, expected, strict=True):
        assert json.loads(each.completion.text)[0] == pytest.approx(sample["filtered_resps"][0], rel=1e-4)


def test_shots_their_seed_and_the_system_prompt_are_the_experiments(model, peer, folder):
    found = theirs(peer, folder, "choice", num_fewshot=1, fewshot_random_seed=7, system_instruction="refund?")
    task = LmEvalTask("choice", str(folder / "choice.yaml"), shots=1, seed=7, system="refund?")
    asked = run(model, task)
    assert [each.example.input for each in asked] == [s["arguments"][0][0] for s in found["samples"]["choice"]]
    assert "refund?" in asked[0].example.input
    assert asked[0].example.input.count("shot ") == 1
    assert len({task.digest, LmEvalTask("choice", task.task).digest}) == 2


def test_a_group_is_one_suite_with_its_parts(model, folder):
    marked = run(model, LmEvalTask("all", str(folder / "all.yaml"), limit=4))
    parts = [each.example.slices[PART] for each in marked]
    assert [parts.count(name) for name in ("choice", "likely")] == [4, 4]
    assert next(iter(marked[0].scores)) == "acc"
    (folder / "odd.yaml").write_text("group: odd\ntask: [choice, written]\n")
    with pytest.raises(UserError, match=r"no metric of the task marks every question \(acc, acc_norm, exact_match\)"):
        run(model, LmEvalTask("odd", str(folder / "odd.yaml"), limit=4))


def test_an_experiment_asks_a_group_once_and_shows_its_parts(model, folder, tmp_path):
    other = build("qwen2", tmp_path / "tuned", seed=1)
    for split, at in (("train", 50), ("test", 0)):
        questions = [{"id": f"{split}{i}", "input": f"order {i + at}?", "target": WORDS[i]} for i in range(8)]
        write_jsonl(tmp_path / f"{split}.jsonl", questions)
    content = {
        "experiment": "grouped", "model": model.spec.base, "candidate": {"path": str(other)},
        "data": {"train": "train.jsonl", "test": "test.jsonl"}, "baselines": ["zero_shot"],
        "task": {"max_new_tokens": 4}, "regression": [{"lm_eval": str(folder / "all.yaml"), "system": "refund"}],
    }  # fmt: skip
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(content))
    session = workspace_run(path)
    report = markdown.render(decided(session), {})
    assert "## Parts of suites (acc)" in report
    [line] = [line for line in report.splitlines() if line.startswith("| all | likely |")]
    assert "| 12 |" in line
    assert [gate["gate_id"] for gate in select(session.store, "from v_gates where gate_id like 'regression/%'")] == [
        "regression/all"
    ], "the parts decide nothing"


def test_what_an_lm_eval_task_asks_is_known_without_a_model(folder):
    asked = questions(LmEvalTask("all", str(folder / "all.yaml"), limit=3))
    assert [(example.id, example.input, example.target) for example in asked[2:4]] == [
        ("choice/2", "is order for 2 late?", " box"),
        ("likely/0", "is order the 0 late?", "the"),
    ]
    [text, *_] = questions(LmEvalTask("rolling", str(folder / "rolling.yaml")))
    assert text.input == "hello world one two three"


def test_training_rows_that_an_lm_eval_task_asks_stop_the_experiment(folder, tmp_path):
    session = recorded_experiment(tmp_path, ["yes"] * 6, ["yes"] * 6)
    content = yaml.safe_load(session.read_text())
    write_jsonl(tmp_path / "train.jsonl", [{"id": "r", "input": rows("choice")[3]["question"], "target": "x"}])
    content |= {"regression": [{"lm_eval": str(folder / "all.yaml")}], "model": "embedded"}
    content["data"]["train"] = "train.jsonl"
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(content))
    opened = load_experiment(tmp_path / "experiment.yaml")
    found = overlaps(of_experiment(opened, read_splits(opened, read_files(opened))))
    assert [(f.level, f.check) for f in found if "all suite" in f.message] == [("block", "train_exam_overlap")]


class Dying(Table):
    """Answers so many of the questions it is asked together, and dies."""

    def __init__(self, most):
        super().__init__({})
        self.most = most

    def loglikelihood(self, requests):
        if len(self.read) >= self.most:
            raise KeyboardInterrupt
        return super().loglikelihood(requests)


def test_a_task_that_was_interrupted_asks_nothing_twice(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "SCORED_FIRST", 5)
    monkeypatch.setattr(cache, "SCORED_AT_ONCE", 5)
    task, store = LmEvalTask("choice", str(folder / "choice.yaml")), Store(tmp_path / "harness.duckdb")
    dying, going_on = Dying(15), Dying(1000)
    with pytest.raises(KeyboardInterrupt):
        run(cache.Cached(dying, store), task)
    run(cache.Cached(going_on, store), task)
    assert len(dying.read) == 15
    assert not {*dying.read} & {*going_on.read} - {dying.read[-1]}, "a question may be broken off between its choices"
    assert len(dying.read) + len(going_on.read) == 35, "12 questions of 3 choices, of which one stands there twice"
