"""The experiment file: what may be left out, what is refused and where, and what the id covers."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness.config.exam import RegressionConfig
from harness.config.schema import json_schema
from harness.experiment import specs
from harness.experiment.load import load_experiment
from suites.catalog import STANDARD
from suites.errors import UserError

MARGIN = "is a difference of scores from 0 to 1, or a share of the baseline's score such as 5%"
SMALLEST = """\
experiment: smallest
model: embedded
data: {train: train.jsonl, validation: validation.jsonl, test: test.jsonl}
training: lora
"""
FULL = """\
experiment: ticket-routing
model: {name: qwen, endpoint: "http://localhost:8000/v1", api_key_env: OPENAI_API_KEY}
data:
  train: train.jsonl
  test: test.jsonl
  split: {validation: 0.1, by: customer_id}
  columns: {input: text, target: label}
  findings: {duplicates: block, small_test: info}
task:
  prompt: route.md
  metrics: [exact_match, json_schema]
  primary: exact_match
  schema: routing.schema.json
  slices: [language, plan]
  max_new_tokens: 32
baselines: [zero_shot, {few_shot: {shots: 4}}, {name: long, zero_shot: "Answer at length."}, {recorded: answers.jsonl}]
candidate: {recorded: answers.jsonl}
regression:
  - own-suite
  - {suite: other-suite, limit: 50, margin: 0.01}
  - {lm_eval: task.yaml, limit: 500, margin: 0.03}
  - lm_eval: arc_easy
judge:
  model: {endpoint: "http://localhost:11434/v1", name: judge}
  rubric: rubric.md
  calibration: labels.jsonl
policy: {min_gain: 0.02, confidence: 0.9}
seed: 7
"""
FILES = {
    "own-suite/suite.yaml": "name: own\nmetrics: [exact_match]\n",
    "own-suite/examples.jsonl": '{"input": "1 + 1", "target": "2"}\n',
    "other-suite/suite.yaml": "name: other\nmetrics: [exact_match]\n",
    "other-suite/examples.jsonl": '{"input": "1 + 2", "target": "3"}\n',
    "task.yaml": "task: t\ndataset_path: json\ndataset_kwargs: {data_files: {test: task-data.jsonl}}\n",
    "task-data.jsonl": '{"question": "1 + 1"}\n',
    "rubric.md": "{{ input }} {{ first }} {{ second }}",
    "route.md": "Route the ticket.",
    "routing.schema.json": "{}",
}


COLUMNS = ("input", "target", "text", "label", "customer_id", "plan", "language")


@pytest.fixture
def load(tmp_path):
    """Write an experiment file among the files it may point at, and load it."""

    def write(text):
        for name in ("train", "validation", "test", "answers", "labels"):
            (tmp_path / f"{name}.jsonl").write_text(json.dumps(dict.fromkeys(COLUMNS, "x")) + "\n")
        for name, content in FILES.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content)
        (tmp_path / "experiment.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        return load_experiment(tmp_path / "experiment.yaml")

    return write


@pytest.fixture
def refusal(load):
    """The message for an experiment file that is refused."""

    def refused(text):
        with pytest.raises(UserError) as caught:
            load(text)
        return str(caught.value)

    return refused


def problems(message):
    return [line.strip() for line in message.splitlines() if line.startswith("  line ")]


def test_what_is_missing_hides_nothing_else_that_is_wrong(refusal):
    rest = "model: embedded\ntask: {metric: [rouge], prompt: gone.md}\nbaselines: [{few_shots: {shots: 3}}]\nsed: 1\n"
    said = problems(refusal(rest))
    assert [line.partition(": ")[0] for line in said] == ["line 1", "line 1", "line 2", "line 2", "line 3", "line 4"]
    assert {"line 1: `experiment` is required", "line 1: `data` is required"} <= set(said)
    assert "line 2: `task.prompt` no such file" in "\n".join(said)
    said = problems(refusal(f"experiment: x\n{rest}data:\n"))
    assert (len(said), "line 6: `data` is empty" in said) == (5, True)
    said = problems(refusal(f"{rest}data: {{test: test.jsonl, columns: {{input: question}}}}\n"))
    assert any("no column `question`" in line for line in said)
    assert len(said) == 6


# --- what may be written ---------------------------------------------------------------------------------------------


def test_the_smallest_experiment_has_careful_defaults(load):
    config = load(SMALLEST.replace("training: lora\n", "")).config
    assert (config.training.method, config.training.rank, config.seed) == ("lora", 16, 0)
    assert config.baselines[0].zero_shot
    assert config.baselines[1].few_shot.shots == 8
    assert config.task.ordered_metrics == ("exact_match",)
    assert config.regression is None


def test_the_full_experiment_keeps_every_setting(load):
    config = load(FULL).config
    assert config.model.endpoint == "http://localhost:8000/v1"
    assert config.task.schema_file == "routing.schema.json"
    assert [entry.suite or entry.lm_eval for entry in config.regression] == [
        "own-suite", "other-suite", "task.yaml", "arc_easy",
    ]  # fmt: skip
    assert config.data.findings == {"duplicates": "block", "small_test": "info"}
    assert config.judge.model.name == "judge"


def test_a_bare_word_stands_for_the_main_setting_of_its_section(load):
    text = SMALLEST.replace("training: lora", "training: full") + "baselines: [zero_shot]\nregression: [own-suite]\n"
    config = load(text).config
    assert config.model.name == "embedded"
    assert config.training.method == "full"
    assert config.baselines[0].zero_shot.prompt is None
    assert config.regression[0].suite == "own-suite"


def test_the_primary_metric_comes_first_and_need_not_be_listed_twice(load):
    task = "task: {metrics: [contains, exact_match], primary: token_f1}\n"
    assert load(SMALLEST + task).config.task.ordered_metrics == ("token_f1", "contains", "exact_match")


# --- what is refused, and where --------------------------------------------------------------------------------------


def test_every_problem_is_listed_at_once_with_its_line(refusal):
    message = refusal(
        "experiment: ../evil\n"
        "model: x/y\n"
        "data:\n"
        "  trian: train.jsonl\n"
        "  test: test.jsonl\n"
        "  findings: {duplicate: block}\n"
        "baselines:\n"
        "  - zero_shot\n"
        "  - few_shot: {shot: 4}\n"
        "policy: {min_gain: 2}\n"
        "seed: -1\n"
    )
    assert message.startswith("6 problems in the experiment file")
    lines = problems(message)
    assert lines[0].startswith("line 1: `experiment` string should match pattern")
    assert lines[0].endswith("not '../evil'")
    assert lines[1:] == [
        "line 4: `data.trian` unknown setting; did you mean `train`?",
        "line 6: `data.findings.duplicate` unknown name; did you mean `duplicates`?",
        "line 9: `baselines.1.few_shot.shot` unknown setting; did you mean `shots`?",
        f"line 10: `policy.min_gain` {MARGIN}",
        "line 11: `seed` input should be greater than or equal to 0, not -1",
    ]


def test_files_columns_and_metrics_are_looked_up_beside_settings_that_are_wrong(refusal):
    message = refusal(
        "experiment: x\n"
        "model: x/y\n"
        "data:\n"
        "  train: train.jsonl\n"
        "  test: tset.jsonl\n"
        "  split: {validation: 0.1, by: custmer_id}\n"
        "task:\n"
        "  prompt: 'Route {{ txt }} of {{ nowhere }}'\n"
        "  metrics: [exact_mtch, 'evaluate:none_such']\n"
        "baselines: [{few_shot: {shotz: 3}}, {few_shots: {}}, zero_shot]\n"
    )
    has = "the file has input, target, text, label, customer_id, plan, language"
    lines = problems(message)
    assert lines[0].startswith("line 5: `data.test` no such file: ")
    assert lines[1:5] == [
        f"line 6: `data.split.by: custmer_id`: unknown column; did you mean `customer_id`? {has}",
        f"line 8: the prompt shows `{{{{ nowhere }}}}`: unknown column; {has}",
        f"line 8: the prompt shows `{{{{ txt }}}}`: unknown column; did you mean `text`? {has}",
        "line 9: `exact_mtch`: unknown metric; did you mean `exact_match`?",
    ]
    assert lines[5].startswith("line 9: cannot load the evaluate metric 'none_such'")
    assert lines[6:] == [
        "line 10: `baselines.0.few_shot.shotz` unknown setting; did you mean `shots`?",
        "line 10: `baselines.1.few_shots` unknown setting; did you mean `few_shot`?",
    ]


def test_a_prompt_that_is_not_there_or_no_text_is_told_once(refusal, tmp_path):
    files = "experiment: x\nmodel: embedded\ndata: {train: train.jsonl, test: test.jsonl}\nbaselines: [zero_shot]\n"
    [line] = problems(refusal(f"{files}task: {{prompt: nowhere.md}}\n"))
    assert line.startswith("line 5: `task.prompt` no such file: ")
    (tmp_path / "latin.md").write_bytes("Grüße".encode("latin-1"))
    assert problems(refusal(f"{files}task: {{prompt: latin.md}}\n")) == [
        "line 5: `task.prompt` is not UTF-8 text: latin.md; save it as UTF-8"
    ]


def test_columns_that_are_missing_are_told_with_a_mapping_of_those_that_are_there(refusal, tmp_path):
    files = "experiment: x\nmodel: embedded\ndata:\n  train: own/rows.csv\n  test: own/exam.csv\n"
    files += "  validation: train.jsonl\n"
    (tmp_path / "own").mkdir()
    for name in ("rows", "exam"):
        (tmp_path / "own" / f"{name}.csv").write_text("Question;Team\nWhere is my parcel?;delivery\n")
    train, test = problems(refusal(files))
    assert train.startswith("line 4: `data.train` no column `input`, `target`; the file has Question, Team; map them")
    assert "such as by `data: {columns: {input: Question, target: Team}}`" in test


def test_what_other_tools_call_a_metric_is_ours_and_told(load, capsys):
    content = "task: {metrics: [accuracy, json_valid], primary: json_valid}\npolicy: {metrics: {acc: 0.05}}\n"
    config = load(SMALLEST + content).config
    assert config.task.ordered_metrics == ("json_valid", "exact_match")
    assert set(config.policy.metrics) == {"exact_match"}
    told = capsys.readouterr().err
    assert told == "note: `accuracy` is `exact_match` here: the answer is the target, space around both ignored\n"
    assert load(SMALLEST + content.replace("accuracy", "exact_match")).id == load(SMALLEST + content).id
    jsonschema.validate(yaml.safe_load(SMALLEST + content), json_schema())


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("modle: x", "line 5: `modle` unknown setting; did you mean `model`?"),
        ("baselines: [zero_shoot]", "line 5: `baselines.0.zero_shoot` unknown setting; did you mean `zero_shot`?"),
        ("baselines: []", "line 5: `baselines` list should have at least 1 item"),
        ("baselines: [few_shot: 8]", "line 5: `baselines.0.few_shot` is a mapping of settings, not 8"),
        ("baselines: [{zero_shot: , few_shot: }]", "`baselines.0` a baseline is exactly one of zero_shot, few_shot"),
        ("regression: [{margin: 0.1}]", "`regression.0` a regression entry is exactly one of a suite, an lm_eval"),
        ("regression: [{suite: general, shots: 2}]", "`shots` is for an lm_eval task"),
        ("regression: [{drift: neutral, limit: 2}]", "`drift` is of all its passages"),
        ("judge: {model: m, max_pairs: 0}", "line 5: `judge.max_pairs` "),
        ("costs: {judge: {input: 1, output: 2}}", "line 5: `costs.judge` is the price of a `judge:`, and the exper"),
        (
            "judge: {model: m}\ncosts: {currency: EUR, judge: gpt-5-mini}",
            "`costs.judge` is on the price list in USD; give the numbers in EUR",
        ),
        ("judge: {rubric: helpful}", "line 5: `judge` a judge is exactly one of a `model` and `recorded` verdicts"),
        ("judge: {recorded: v, rubric: helpful}", "`judge` recorded verdicts are read as they are; leave out rubric"),
        ("judge: {model: a, jury: [b, a]}", "`judge` `jury` names a model twice"),
        ("judge: {model: a, votes: weighted}", "`votes: weighted` is of a jury that is measured on `calibration`"),
        ("judge: {model: {endpoint: 'http://x/v1', name: a}, read: probability}", "a text is, which a does not tell"),
        ("judge: {model: embedded}", "line 5: `judge.model` is `model`, and would judge its own answers; name another"),
        ("judge: {model: echo, jury: [./embedded]}", "`judge.jury.0` is `model`, and would judge its own answers"),
        ("policy: high", "line 5: `policy` is a mapping of settings, not 'high'"),
        ("policy: {min_gain: .nan}", f"line 5: `policy.min_gain` {MARGIN}"),
        ("task: {metrics: [exact]}", "line 5: `exact`: unknown metric; did you mean `exact_match`?"),
        ("task: {primary: taste}", "line 5: `taste`: unknown metric; use one of exact_match, "),
        ("task: {primary: rouge}", "line 5: `rouge`: unknown metric; `rouge1`, `rouge2` and `rougeL` are its marks"),
        ("task: {metrics: [f1]}", "line 5: `f1`: unknown metric; `macro_f1`, `weighted_f1` and `micro_f1`"),
        ("task: {metrics: ['pass_at:0', exact_match], samples: 2}", "line 5: `pass_at:0` names no number of answers"),
        ("task: {metrics: ['quantity:x']}", "line 5: `x` is no tolerance; write a share, as in `quantity:1%`"),
        ("task: {metrics: ['regex:(']}", "line 5: `(` is no regular expression"),
        ("task: {metrics: [ece]}", "line 5: `ece` is shown and cannot decide, as small exams bias it"),
        ("task: {metrics: [code_tests]}", "line 5: `code_tests` runs code that models wrote, on this machine"),
        ("task: {slices: ['auto:lenght']}", "line 5: `task.slices` has no rule `auto:lenght`; use one of auto:length"),
        ("task: {metrics: [acc, exact_match]}", "line 5: `task.metrics` lists `exact_match` twice"),
        ("task: {metrics: ['recorded:acc']}", "line 5: `recorded:acc` is a mark of recorded answers; a model that is"),
        ("task: {metrics: [json_schema]}", "line 5: the metric json_schema needs `task.schema`"),
        ("policy: {metrics: {jsn_valid: 0.1}}", "line 5: `policy.metrics.jsn_valid`: unknown metric of this task; use"),
        ("policy: {metrics: {answers that ends: 0.1}}", "of this task; did you mean `answers that end`?"),
        ("policy: {metrics: {json_valid: 0.1}}", "use one of answers that end; or list it in `task.metrics`"),
        ("policy: {metrics: {exact_match: 0.1}}", "`exact_match` is the metric that decides; its rule is `policy.m"),
        ("policy: {metrics: {acc: 0.1, em: 0.2}}", "`policy.metrics` has two rules of one metric: `acc` and `em`"),
        ("policy: {slices: 0.1}", "line 5: `policy.slices` is a rule for `task.slices`, which names no columns"),
        ("policy: {judge: 0.1}", "line 5: `policy.judge` is a rule for a `judge:`, and the experiment has none"),
        ("candidate: {path: own-suite}", "an experiment has either `training:` or `candidate:`"),
        (
            "candidate: {recorded: answers.jsonl, chat_template_kwargs: {enable_thinking: true}}",
            "recorded answers are replayed as they are; leave it out",
        ),
        ("candidate: {path: a, made_with: {shots: 1}}", "`candidate` `made_with` is for recorded answers"),
        ("candidate: {recorded: a, base: same}", "`candidate` `base` is for an adapter's folder"),
        ("candidate: {path: a, base: other}", "`candidate.base` input should be 'same'"),
        ("baselines: [{zero_shot: , made_with: {a: 1}}]", "`baselines.0` `made_with` is for recorded answers"),
        ("candidate: {path: a, recorded: b}", "`candidate` a candidate is exactly one of a folder or Hub id"),
        ("candidate: {endpoint: 'http://x/v1'}", "`candidate` an endpoint needs the `name` it serves"),
        ("1: x", "keys should be strings"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_its_line(refusal, wrong, expected):
    assert expected in refusal(SMALLEST + wrong + "\n")


def test_a_rule_for_a_metric_that_is_not_marked_is_told_with_everything_else(refusal):
    wrong = "modle: x\ntask: {metrics: [exact_match, json_valid]}\npolicy: {metrics: {jsn_valid: 0.1}}\n"
    unknown, rule = problems(refusal(SMALLEST + wrong))
    assert unknown.startswith("line 5: `modle`")
    assert rule == "line 7: `policy.metrics.jsn_valid`: unknown metric of this task; did you mean `json_valid`?"


def test_a_metric_that_is_misspelt_where_it_is_listed_makes_no_rule_for_it_wrong(refusal):
    wrong = "task: {metrics: [exact_match, jsn_valid]}\npolicy: {metrics: {json_valid: 0.1}}\n"
    [problem] = problems(refusal(SMALLEST + wrong))
    assert problem.startswith("line 5: `jsn_valid`")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (", validation: validation.jsonl", "", "line 3: `data.validation` is required: the best of several baselines"),
        (", test: test.jsonl", "", "line 3: `data.test` is required"),
        ("train: train.jsonl, ", "", "line 3: `data.train` is required for training"),
        ("model: embedded\n", "", "line 1: `model` is required unless"),
        (", validation: validation.jsonl", "", "a share of the training file will do: `data.split: {validation: 0.1}`"),
        (", validation: validation.jsonl, test: test.jsonl", "", "will do: `data.split: 80/10/10`"),
        ("test: test.jsonl", "test: train.jsonl", "line 3: `data.test` is the file of `data.train`; name another"),
        ("test: test.jsonl", "test: validation.jsonl", "line 3: `data.test` is the file of `data.validation`"),
        ("embedded", "{name: x, endpoint: 'http://x/v1/chat/completions'}",
         "line 2: `model.endpoint` is the address of one call; give what stands before it: http://x/v1"),
        ("embedded", "{name: x, endpoint: 'localhost:8000/v1'}", "`model.endpoint` is not a web address"),
        ("embedded", "{name: x, endpoint: 'https://me:word@x/v1'}", "`model.endpoint` holds more than"),
        ("embedded", "{name: x, endpoint: 'https://x/v1?key=word'}", "name the variable with its key in"),
        ("embedded", f"hf_{'a' * 34}", "line 2: `model.name` holds what looks like a key"),
        ("model: embedded", "candidate: {recorded: own.jsonl}", "named by `baselines: [{recorded: FILE}]`"),
        ("training: lora", "training: null", "line 4: an experiment has either `training:` or `candidate:`"),
        ("embedded", "{name: x, endpoint: 'http://x/v1'}", "line 4: a model behind an endpoint cannot"),
        ("test: test.jsonl", "test: test.jsonl, split: {test: 0.1}", "`data.test` names a file and `data.split.test`"),
        ("validation: validation.jsonl", "split: {validation: 0.5, test: 0.5}", "leaves nothing to train with"),
        ("training: lora", "training: lora\nbaselines: [{zero_shot: {constrain: {regex: '('}}}]",
         "no regular expression"),
        ("training: lora", "training: lora\nbaselines: [{zero_shot: {constrain: true}}]\ntask: {answer: {tag: a}}",
         "line 5: `constrain` holds the whole of an answer, and `task.answer` takes a part"),
        ("embedded", "./models/base", "line 2: `model` no such folder"),
        ("embedded", "test.jsonl", "line 2: `model` no such folder"),
        ("embedded", "own-suite", "is not a model: it has no config.json"),
        ("embedded", "embeded", "line 2: `model` no such folder, and no such model on this machine"),
        ("embedded", "embeded", "did you mean `embedded`?"),
        ("embedded", "Embedded", "did you mean `embedded`?"),
        ("embedded", "own_suite", "did you mean `own-suite`?"),
        ("embedded", "own-suite/tuned", "line 2: `model` no such folder, and no such model"),
    ],
)  # fmt: skip
def test_settings_that_make_no_experiment_together_are_refused(refusal, old, new, expected):
    assert expected in refusal(SMALLEST.replace(old, new))


def test_a_model_that_is_nowhere_is_told_where_the_hub_is_not_asked(refusal, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    said = refusal(SMALLEST.replace("embedded", "gpt2"))
    assert "no such model on this machine and HF_HUB_OFFLINE says that the Hub is not asked" in said
    assert "with a network run `hf download gpt2`" in said


def test_a_name_that_may_be_one_of_the_hub_is_left_to_it(load, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("gpt2", "owner/embedded", "Qwen/Qwen2.5-0.5B-Instruct"):
        assert load(SMALLEST.replace("model: embedded", f"model: {name}\nregression: []")).config.model.name == name


@pytest.mark.parametrize(
    ("regression", "name"),
    [
        ("[own-suite, own-suite]", "own"),
        ("[own-suite, {suite: own-suite, limit: 5}]", "own"),
        ("[own-suite, twin]", "own"),
        ("[own-suite, {lm_eval: own}]", "own"),
        ("[{lm_eval: arc_easy}, {lm_eval: arc_easy, limit: 10}]", "arc_easy"),
        ("[general, {suite: general, limit: 20}]", "general"),
    ],
)
def test_two_exams_of_one_name_are_refused_before_anything_is_paid_for(refusal, tmp_path, regression, name):
    """Their answers and margins were joined by name, and the run ended as `invalid` after all the work."""
    (tmp_path / "twin").mkdir()
    (tmp_path / "twin" / "suite.yaml").write_text("name: own\nmetrics: [contains]\n")
    (tmp_path / "twin" / "examples.jsonl").write_text('{"input": "2 + 2", "target": "4"}\n')
    message = refusal(SMALLEST + f"regression: {regression}\n")
    assert f"line 5: `regression` lists two exams called {name!r}, entries 1 and 2" in message


@pytest.mark.parametrize(
    ("baselines", "sentence"),
    [
        ("[zero_shot, zero_shot]", "two baselines are called 'zero-shot'"),
        ("[zero_shot, {zero_shot: route.md, name: zero-shot}]", "two baselines are called 'zero-shot'"),
        ("[{few_shot: {shots: 8}}, {few_shot: {shots: 8, prompt: Other.}}]", "two baselines are called 'few-shot 8'"),
        ("[{recorded: answers.jsonl}, {zero_shot: route.md, name: answers}]", "two baselines are called 'answers'"),
        ("[zero_shot, {recorded: LoRA (zero-shot).jsonl}]", "'LoRA (zero-shot)', as the candidate is"),
        ("[zero_shot, {few_shot: {shots: 8}, name: LoRA}]", "'LoRA', as the candidate is"),
        ("[{zero_shot: Answer at length.}]", "what the task's own prompt is called, and this is another"),
    ],
)
def test_a_name_that_two_arms_would_have_is_refused(refusal, tmp_path, baselines, sentence):
    """The candidate takes every prompt of the bar and is called by it; an arm is chosen and compared by its name."""
    (tmp_path / "LoRA (zero-shot).jsonl").write_text("{}\n")
    assert sentence in refusal(SMALLEST + f"baselines: {baselines}\n")


@pytest.mark.parametrize(
    "baselines", ["[{recorded: zero-shot.jsonl}]", "[{zero_shot: Route it.}]", "[zero_shot, {zero_shot: route.md}]"]
)
def test_names_that_stand_for_one_thing_are_fine(load, tmp_path, baselines):
    (tmp_path / "zero-shot.jsonl").write_text("{}\n")
    assert load(SMALLEST + f"task: {{prompt: Route it.}}\nbaselines: {baselines}\n")


@pytest.mark.parametrize("metrics", ["[exact_match, contains, contains]", "[exact_match, exact_match]"])
def test_a_metric_listed_twice_is_refused(refusal, metrics):
    """Its rule would stand twice, and the one could hide behind the other."""
    name = metrics.rstrip("]").split(", ")[-1]
    message = refusal(SMALLEST + f"task: {{metrics: {metrics}}}\n")
    assert f"line 5: `task.metrics` lists `{name}` twice" in message


def test_missing_files_are_listed_with_the_line_that_names_them(refusal, tmp_path):
    message = refusal(
        "experiment: e\n"
        "data:\n"
        "  test: tset.jsonl\n"
        "task: {prompt: promt.md}\n"
        "baselines: [{recorded: base.jsonl}]\n"
        "candidate: own-suite\n"
        "regression:\n"
        "  - genral\n"
        "  - lm_eval: nope.yaml\n"
        "judge: {model: judges/mine/x, rubric: helpfull}\n"
    )
    lines = problems(message)
    assert f"line 3: `data.test` no such file: {tmp_path}/tset.jsonl" in lines
    assert f"line 4: `task.prompt` no such file: {tmp_path}/promt.md" in lines
    assert f"line 5: `baselines.0.recorded` no such file: {tmp_path}/base.jsonl" in lines
    for beginning in (
        "line 6: `candidate.path` is neither an adapter nor a model",
        "line 8: `regression.0.suite` no suite named 'genral'",
        "line 9: `regression.1.lm_eval` no such file",
        "line 10: `judge.rubric` no rubric named 'helpfull'",
        "line 10: `judge.model` no such folder",
    ):
        assert any(line.startswith(beginning) for line in lines), beginning
    assert "line 1: `model` is required" in message, "a candidate folder may be an adapter, which needs its base"


def test_a_folder_in_place_of_a_file_and_a_task_whose_data_is_gone_are_named(refusal, tmp_path):
    (tmp_path / "broken.yaml").write_text(FILES["task.yaml"].replace("task-data", "gone"))
    message = refusal(SMALLEST.replace("test: test.jsonl", "test: own-suite") + "regression: [lm_eval: broken.yaml]\n")
    assert "line 3: `data.test` this is a folder and no file" in message
    assert "line 5: `regression.0.lm_eval` no such file" in message
    assert "gone.jsonl" in message


# --- YAML and its traps ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("", "an experiment file is a mapping of settings", 1),
        ("- a\n- b\n", "an experiment file is a mapping of settings", 1),
        ("just words\n", "an experiment file is a mapping of settings", 1),
        ("a: 1\nb:\n\tc: 2\n", "not valid YAML: a line begins with a tab", 3),
        ("a: [1, 2\nb: 3\n", "expected ',' or ']'", 2),
        ("a: " + "[" * 3000, "nested too deeply (more than 100", 1),
        ("a:\n" + "".join(f"{' ' * i}b:\n" for i in range(1, 200)), "nested too deeply (more than 100", 101),
        ("a: [" + "1," * 200_001 + "]", "more than 100,000 values", 1),
        ("seed: 1:30\n", "`1:30` is 90 to some readers of YAML, and not to others; write 90, or put it in quotes", 1),
        ("seed: 010\n", "`010` is 8 to some readers", 1),
        ("seed: 1_000\n", "`1_000` is 1000 to some readers", 1),
        ("on: 1\n", "`on` is true to some readers of YAML, and not to others; write true, or put it in quotes", 1),
        ("a: [x, NO]\n", "`NO` is false to some readers", 1),
        (f"seed: {'9' * 5000}\n", "is a number of 5,000 digits, more than can be kept", 1),
        ("seed: !!int x\n", "not valid YAML: x is no int", 1),
        ("seed: !!bool x\n", "not valid YAML: x is no bool", 1),
        ('data: {test: "a\\0b"}\n', "has a character that no file and no store can hold", 1),
        ("experiment: a\ndata: {}\nexperiment: b\n", "`experiment` is set twice", 3),
        ("data:\n  test: a\n  test: b\n", "`test` is set twice", 3),
        ("a: !!python/object/apply:os.system ['id']\n", "could not determine a constructor", 1),
        ("? [a]\n: 1\n", "a key is a name, and no list or mapping", 1),
        ("a: *nowhere\n", "found undefined alias", 1),
    ],
)
def test_yaml_that_cannot_be_read_is_refused_with_its_line(refusal, text, what, line):
    message = refusal(text)
    assert what in message
    assert f"experiment.yaml:{line}\n" in message + "\n"


def test_a_file_that_is_no_text_and_a_file_that_is_not_there_are_refused(refusal, tmp_path):
    assert "not UTF-8 text" in refusal(b"\xff\xfe\x00")
    assert "not valid YAML" in refusal("a: \x07\n")
    with pytest.raises(UserError, match=r"no such file: nope\.yaml"):
        load_experiment(tmp_path / "nope.yaml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no experiment file in the folder") as told:
        load_experiment(tmp_path / "empty")
    assert told.value.fix == "`harness init FOLDER` writes one to start from"
    (tmp_path / "empty" / "tickets.csv").write_text("a;b\n")
    with pytest.raises(UserError) as told:
        load_experiment(tmp_path / "empty")
    assert "`harness check " in told.value.fix
    assert "tickets.csv` looks at rows without one" in told.value.fix
    with pytest.raises(UserError, match="this is a file of data, and not an experiment"):
        load_experiment(tmp_path / "empty" / "tickets.csv")


def test_aliases_that_hold_themselves_or_explode_are_refused(refusal):
    assert "an alias stands for what it is in" in refusal("experiment: e\ndata: {test: test.jsonl}\nx: &x [*x]\n")
    bomb = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 40))
    assert "and at most 100,000 are read" in refusal(bomb)
    chain = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 200))
    assert "nested too deeply" in refusal(chain)
    merged = "a0: &a0 {b: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40))
    assert "and at most 100,000 are read" in refusal(merged)


def test_every_value_with_two_readings_is_told_at_once(refusal):
    message = refusal("on: 1\nexperiment: no\ndata: {test: 2026-01-01, train: ~}\nseed: 1:30\n")
    assert [line.split("`")[1] for line in problems(message)] == ["on", "no", "1:30"]


def test_a_date_is_the_text_that_it_is(load):
    assert load(SMALLEST.replace("smallest", "2026-11-28")).config.experiment == "2026-11-28"


def test_a_learning_rate_without_a_point_is_a_number_though_yaml_reads_it_as_text(load):
    assert yaml.safe_load("2e-4") == "2e-4"
    assert load(SMALLEST.replace("lora", "{method: lora, learning_rate: 2e-4}")).config.training.learning_rate == 2e-4


@pytest.mark.parametrize("value", ["true", "3", "1.5", "null", "!!binary aGVsbG8="])
def test_a_name_that_yaml_does_not_read_as_text_is_refused(refusal, value):
    assert "line 1: `experiment` input should be a valid string" in refusal(SMALLEST.replace("smallest", value))


@pytest.mark.parametrize("value", [".inf", ".nan", "0", "fast"])
def test_a_learning_rate_that_is_no_positive_number_is_refused(refusal, value):
    assert "line 4: `training.learning_rate`" in refusal(SMALLEST.replace("lora", f"{{learning_rate: {value}}}"))


# --- the id ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    ["train.jsonl", "test.jsonl", "answers.jsonl", "labels.jsonl", *FILES],
)
def test_the_id_changes_with_the_content_of_every_file_pointed_at(load, tmp_path, changed):
    before = load(FULL)
    with (tmp_path / changed).open("a") as file:
        file.write(" ")
    after = load_experiment(tmp_path / "experiment.yaml")
    assert after.id != before.id
    different = {name for name in after.files if after.files[name] != before.files[name]}
    assert different == {changed}


def test_the_id_changes_with_the_weights_of_a_candidate_folder(load, tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    header = b'{"__metadata__": {"run": "one"}}'  # no tensors in it
    weights = len(header).to_bytes(8, "little") + header
    (folder / "adapter_model.safetensors").write_bytes(weights)
    text = SMALLEST.replace("training: lora", "candidate: adapter")
    before = load(text).id
    (folder / "adapter_model.safetensors").write_bytes(weights.replace(b"one", b"two"))
    assert load(text).id != before


def test_the_id_stays_when_the_folder_moves_and_when_only_comments_change(load, tmp_path):
    before = load(FULL).id
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    shutil.copytree(tmp_path, moved)
    assert load_experiment(moved / "experiment.yaml").id == before
    assert load("# a comment\n" + FULL).id == before
    assert load(FULL.replace("seed: 7", "seed: 8")).id != before


def test_what_is_put_on_record_is_the_whole_experiment_as_json(load):
    experiment = load(FULL)
    frozen = json.loads(experiment.frozen())
    assert frozen["config"]["task"]["schema"] == "routing.schema.json"
    assert frozen["config"]["policy"]["confidence"] == 0.9
    assert set(frozen["files"]) >= {"train.jsonl", "own-suite/suite.yaml", "task-data.jsonl", "rubric.md"}


# --- the schema for editors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SMALLEST, FULL])
def test_the_schema_accepts_what_the_loader_accepts(text):
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(yaml.safe_load(text), json_schema())


@pytest.mark.parametrize(
    "wrong", ["modle: x", "seed: -1", "baselines: [zero_shoot]", "data: {findings: {duplicate: block}, test: a}"]
)
def test_the_schema_refuses_what_the_loader_refuses(refusal, wrong):
    text = "experiment: e\ndata: {test: test.jsonl}\n"
    content = yaml.safe_load(text) | yaml.safe_load(wrong)
    assert refusal(yaml.safe_dump(content))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, json_schema())


def test_every_section_of_the_schema_says_what_it_is():
    undocumented = [name for name, part in json_schema()["$defs"].items() if "description" not in json.dumps(part)]
    assert not undocumented


def test_paths_may_be_given_as_text_or_path(load, tmp_path):
    load(SMALLEST)
    assert load_experiment(str(tmp_path / "experiment.yaml")).folder == Path(tmp_path).resolve()


@pytest.mark.parametrize(
    ("candidate", "asked"),
    [
        ("{endpoint: 'http://localhost:8000/v1', name: tuned}", (("enable_thinking", False),)),  # as the model is
        ("{endpoint: 'http://localhost:8000/v1', name: tuned, chat_template_kwargs: {}}", ()),
        (
            "{endpoint: 'http://localhost:8000/v1', name: tuned, chat_template_kwargs: {thinking_budget: 3}}",
            (("thinking_budget", 3),),
        ),
    ],
)
def test_a_candidate_is_asked_of_its_template_what_the_model_is_unless_it_says_so(load, candidate, asked):
    model = "{endpoint: 'http://localhost:8000/v1', name: base, chat_template_kwargs: {enable_thinking: false}}"
    experiment = load(
        f"experiment: e\nmodel: {model}\ndata: {{test: test.jsonl}}\nbaselines: [zero_shot]\n"
        f"regression: []\ncandidate: {candidate}\n"
    )
    assert specs.base_spec(experiment).template_settings == (("enable_thinking", False),)
    assert specs.candidate_spec(experiment).template_settings == asked


def test_a_setting_of_the_template_that_is_left_out_changes_no_id(load):
    plain, asked = (
        load(SMALLEST.replace("embedded", model) + "regression: []\n")
        for model in ("m/m", "{name: m/m, chat_template_kwargs: {a: 1}}")
    )
    assert "chat_template_kwargs" not in json.dumps(plain.frozen())
    assert plain.id != asked.id


# --- suites by name, and the candidate's own prompt -----------------------------------------------------------------


@pytest.mark.parametrize("model", ["some-org/some-model", "{name: embedded, endpoint: 'http://localhost:8000/v1'}"])
def test_another_model_than_the_embedded_one_is_asked_the_standard_suites(load, model):
    candidate = "candidate: {endpoint: 'http://localhost:8000/v1', name: tuned}"
    text = SMALLEST.replace("embedded", model).replace("training: lora", candidate)
    by_default = load(text)
    assert [entry.suite for entry in by_default.config.asked_before] == list(STANDARD)
    assert {f"{name}/examples.jsonl" for name in STANDARD} <= by_default.files.keys()
    assert [entry.suite for entry in load(SMALLEST).config.asked_before] == ["general"]
    for named in ("[]", "[own-suite]", "[general]"):
        assert load(f"{text}regression: {named}\n").config.regression is not None


def test_standard_stands_for_its_suites_and_what_is_said_beside_it_holds_for_each(load):
    short, listed, limited = (
        load(f"{SMALLEST}regression: {written}\n").config.regression
        for written in ("standard", "[standard]", "[own-suite, {suite: standard, limit: 5, tier: advisory}]")
    )
    assert short == listed == [RegressionConfig(suite=name) for name in STANDARD]
    assert [entry.suite for entry in limited] == ["own-suite", *STANDARD]
    assert {(entry.limit, entry.tier) for entry in limited[1:]} == {(5, "advisory")}


def test_a_suite_with_an_entry_of_its_own_goes_by_that_beside_standard(load):
    entries = load(f"{SMALLEST}regression: [standard, {{suite: reading, tier: advisory}}]\n").config.regression
    assert [entry.suite for entry in entries] == [*(name for name in STANDARD if name != "reading"), "reading"]
    assert [entry.suite for entry in entries if entry.tier == "advisory"] == ["reading"]


def test_recorded_answers_answer_no_standard_suite(load):
    text = SMALLEST.replace("embedded", "some-org/some-model")
    assert load(text.replace("training: lora", "candidate: {recorded: answers.jsonl}")).config.asked_before == []


def test_a_misspelt_standard_is_told(refusal):
    [line] = problems(refusal(f"{SMALLEST}regression: standart\n"))
    assert "no suite named 'standart'" in line
    assert "did you mean `standard`?" in line


def test_a_prompt_of_its_own_may_be_empty_a_text_or_a_file_and_each_is_another_experiment(load, tmp_path):
    written = ["training: lora", *(f"training: {{prompt: {text}}}" for text in ('""', "Route it.", "route.md"))]
    ids = [load(SMALLEST.replace("training: lora", line)).id for line in written]
    assert len(set(ids)) == 4
    own = load(SMALLEST.replace("training: lora", written[3]))
    assert own.files["route.md"]
    (tmp_path / "route.md").write_text("Route.")
    assert load_experiment(tmp_path / "experiment.yaml").id != own.id


def test_answers_that_are_held_are_another_experiment_and_free_ones_none(load):
    plain, free, held, pattern = (
        load(SMALLEST + f"baselines: [{{zero_shot: {settings}, name: one}}]\n").id
        for settings in ("{}", "{constrain: false}", "{constrain: true}", "{constrain: {regex: '[a-z]+'}}")
    )
    assert plain == free
    assert len({plain, held, pattern}) == 3


def test_a_prompt_of_its_own_that_is_left_out_changes_no_id(load):
    frozen = json.loads(load(SMALLEST).frozen())
    assert "prompt" not in frozen["config"]["training"]


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("training: {prompt: nowhere.md}", "line 4: `training.prompt` no such file: "),
        (
            "training: {prompt: 'Route {{ txet }}'}",
            "line 4: the prompt shows `{{ txet }}`: unknown column; did you mean",
        ),
        ("training: {prompt: 'Route {{ text'}", "line 4: `training.prompt` the prompt is not a template"),
        ("training: {prompt: }", 'line 4: `training.prompt` is empty; write `prompt: ""` for the input alone'),
        ("training: {method: dpo, after: [{method: lora, prompt: Go.}]}", "`prompt` is said of the whole training"),
        ("candidate: {recorded: answers.jsonl, prompt: Go.}", "recorded answers are replayed as they are"),
        (
            "candidate: {path: own-suite, prompt: 'Go, {{ nobody }}.'}",
            "the prompt shows `{{ nobody }}`: unknown column",
        ),
    ],
)
def test_a_prompt_of_its_own_that_cannot_be_asked_is_told(refusal, section, told):
    text = SMALLEST.replace("training: lora", section).replace(
        "test: test.jsonl", "test: test.jsonl, preferences: answers.jsonl"
    )
    assert told in refusal(text)
