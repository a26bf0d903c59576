"""`harness check`: findings for people and machines, exit codes, bare files, mending, and leaks in the decision."""

import json
import os

import pytest
import tiny_models
import yaml
from workspaces import decided, opened, recorded_experiment, run, select, tiny_training, write_jsonl

from harness.cli.main import main
from harness.view import terminal
from reports.outputs import markdown

ANSWER = {"role": "assistant", "content": "yes"}
TEXT = "please send the blue paper lamp of my order to the other address that I gave you last week"


def rows(count, prefix, text="question number {} of {}"):
    return [{"id": f"{prefix}{i}", "input": text.format(i, prefix), "target": "yes"} for i in range(count)]


@pytest.fixture
def files(tmp_path):
    """Training rows that hold one test row exactly, and a test set."""
    leak = {"id": "leak", "input": TEXT, "target": "yes"}
    train = write_jsonl(tmp_path / "train.jsonl", [*rows(5, "a"), leak])
    test = write_jsonl(tmp_path / "test.jsonl", [*rows(5, "b", "{} is asked of {}"), {**leak, "id": "seen"}])
    return train, test


def checked(capsys, *arguments):
    code = main(["check", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_bare_files_are_checked_without_an_experiment(capsys, files):
    code, out, err = checked(capsys, "--train", files[0], "--test", files[1])
    assert code == 6
    assert "train_test_overlap" in out
    assert "1 of the 6 test inputs stand in the training set" in " ".join(out.replace("│", " ").split())
    assert "blocked: train_test_overlap" in err


def test_machines_get_every_row_and_the_setting_that_changes_the_level(capsys, files):
    code, out, _ = checked(capsys, "--train", files[0], "--test", files[1], "--json")
    found = {finding["check"]: finding for finding in json.loads(out)}
    assert code == 6
    assert found["train_test_overlap"]["rows"] == ["seen"]
    assert found["train_test_overlap"]["setting"] == "data.findings.train_test_overlap"


def test_nothing_that_blocks_is_exit_0_and_what_cannot_be_read_2(capsys, files, tmp_path):
    assert checked(capsys, "--train", files[0])[0] == 0
    (tmp_path / "bad.jsonl").write_bytes(b"\xff\n")
    code, out, err = checked(capsys, "--train", tmp_path / "bad.jsonl")
    assert (code, out) == (2, "")
    assert "bad.jsonl:1: not UTF-8" in err
    assert checked(capsys)[0] == 2
    assert checked(capsys, tmp_path / "e.yaml", "--test", files[1])[0] == 2


def test_columns_of_bare_files_are_mapped(capsys, tmp_path):
    (tmp_path / "train.csv").write_text("question,answer\na,b\n")
    assert checked(capsys, "--train", tmp_path / "train.csv", "--columns", "input=question,target=answer")[0] == 0
    with pytest.raises(SystemExit) as stop:
        main(["check", "--columns", "question"])
    assert stop.value.code == 2


def test_fix_writes_a_training_file_that_passes(capsys, files, tmp_path):
    code, _, err = checked(capsys, "--train", files[0], "--test", files[1], "--fix", tmp_path / "fixed")
    assert code == 6, "the exit code speaks of the data that was given"
    assert "without 1 rows (1 seen in test)" in err
    assert checked(capsys, "--train", tmp_path / "fixed" / "train.jsonl", "--test", files[1])[0] == 0
    assert checked(capsys, "--test", files[1], "--fix", tmp_path / "other")[0] == 2


def leaky(folder, gains, seen, **data):
    """Recorded answers to 200 questions: the candidate gains the first `gains`, and training has nearly seen `seen`."""
    questions = [f"{i * 7919 % 9973} is asked about {i * 104729 % 99991} and {i}?" for i in range(200)]
    path = recorded_experiment(
        folder, ["no"] * 200, ["yes"] * gains + ["no"] * (200 - gains), inputs=questions,
        data={"test": "test.jsonl", "train": "train.jsonl", **data},
        policy={"suspicious_gain": 1.0}, regression=[],
    )  # fmt: skip
    train = [{"input": f"{questions[i]} so", "target": "yes"} for i in seen]
    write_jsonl(folder / "train.jsonl", [*train, *rows(100, "own", "{} {} of my own")])
    return path


def test_the_decision_is_shown_with_and_without_test_rows_that_training_has_seen(tmp_path, capsys):
    session = run(leaky(tmp_path / "x", gains=40, seen=range(40)))
    [row] = select(session.store, "select verdict, facts from v_decisions where experiment_id = ?", [session.id])
    leaks = json.loads(row["facts"])["leaks"]
    assert row["verdict"] == "invalid", "nobody deploys what only seen questions speak for"
    assert leaks["turned"]
    assert leaks["told"].startswith("40 of the 200 test examples stand in the training set in some form. With them")
    assert "n=200, verdict deploy; without them +0.0 points" in leaks["told"]
    report = markdown.render(decided(session), {})
    assert leaks["told"].split(" [")[0] in report.split("## ")[0].replace("\\", ""), "on the first screen"
    terminal.show(decided(session), tmp_path / "report.md", session.store.path)
    shown = capsys.readouterr().out
    assert "unseen exam: 40 of the 200 test examples" in shown
    assert "Mind: 40 of the 200" not in shown, "the reason has said so"


def test_a_decision_that_stands_without_them_is_told_beside_the_data_only(tmp_path):
    session = run(leaky(tmp_path / "x", gains=100, seen=range(4)))
    report = markdown.render(decided(session), {})
    assert "stand in the training set in some form" not in report.split("## ")[0]
    assert "4 of the 200 test examples stand in the training set in some form" in report


def test_without_leaks_nothing_is_said_of_them(tmp_path):
    session = run(leaky(tmp_path / "x", gains=100, seen=()))
    assert "stand in the training set in some form" not in markdown.render(decided(session), {})


def test_an_experiment_is_checked_against_its_regression_suites_and_mended(capsys, tmp_path):
    path = leaky(tmp_path / "x", gains=10, seen=(3,), findings={"small_train": "off"})
    code, out, _ = checked(capsys, path, "--json", "--fix", tmp_path / "fixed")
    names = [finding["check"] for finding in json.loads(out)]
    assert code == 0
    assert "train_test_near" in names
    assert "small_train" not in names
    assert len((tmp_path / "fixed" / "train.jsonl").read_text().splitlines()) == 100


def test_an_experiment_that_trains_is_checked_with_its_own_tokenizer_and_a_row_is_shown(capsys, tmp_path):
    base = tiny_models.build("qwen2", tmp_path / "base")
    write_jsonl(tmp_path / "train.jsonl", rows(120, "train", "{} {} " + "word " * 9))
    write_jsonl(tmp_path / "test.jsonl", rows(30, "test", "{} {} of the exam"))
    data = {"train": "train.jsonl", "test": "test.jsonl"}
    content = {
        "experiment": "x",
        "model": str(base),
        "data": data,
        "baselines": ["zero_shot"],
        "training": {"max_length": 8},
        "regression": [],
    }
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(content))
    code, out, err = checked(capsys, path, "--json")
    assert code == 6
    assert "train.jsonl: inputs and targets, 120 rows" in err
    assert "⟦" in err, "what carries the loss is marked"
    assert {"truncation", "untrained"} <= {finding["check"] for finding in json.loads(out)}


def test_preference_pairs_are_checked_on_their_own(capsys, tmp_path):
    pairs = [{"prompt": f"question {i}", "chosen": "a good and long answer", "rejected": "no"} for i in range(40)]
    pairs[3]["rejected"] = pairs[3]["chosen"]
    path = write_jsonl(tmp_path / "pairs.jsonl", pairs)
    code, out, _ = checked(capsys, "--preferences", path, "--json")
    found = {finding["check"]: finding for finding in json.loads(out)}
    assert code == 6
    assert len(found["equal_preferences"]["rows"]) == 1
    assert "100.0% of 39 pairs" in found["longer_chosen"]["message"]
    assert found["longer_chosen"]["level"] == "warn"


def test_odd_conversations_are_told(capsys, tmp_path):
    odd = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]
    path = write_jsonl(tmp_path / "train.jsonl", [{"messages": odd}])
    _, out, _ = checked(capsys, "--train", path, "--json")
    [found] = [finding for finding in json.loads(out) if finding["check"] == "roles"]
    assert "turns 1 and 2 are both the user's" in found["message"]


def test_plain_text_has_no_input_to_miss(capsys, tmp_path):
    path = write_jsonl(tmp_path / "train.jsonl", [{"text": f"line {i} of plain text"} for i in range(3)])
    _, out, err = checked(capsys, "--train", path, "--json")
    assert "plain text, 3 rows" in err
    assert "empty_input" not in out


def training_here(folder, **findings):
    """An experiment that trains on 20 rows, three of which the exam asks and two of which are copies."""
    path = tiny_training(folder, tiny_models.build("qwen2", folder / "base"))
    exam = [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]
    own = [{"id": f"n{i}", "input": f"{i * 7919 % 997} of my own {i}", "target": "order"} for i in range(15)]
    seen = [{**row, "id": f"seen {row['id']}"} for row in exam[:3]]
    write_jsonl(folder / "train.jsonl", [*own, *seen, *({**row, "id": f"{row['id']} again"} for row in own[:2])])
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**content, "data": {**content["data"], "findings": findings}}))
    return path


def test_a_leak_that_blocks_names_the_setting_and_the_line_that_go_on(capsys, tmp_path):
    path = training_here(tmp_path)
    code, _, err = checked(capsys, path)
    assert code == 6
    assert "`data.findings: {train_test_overlap: fix}`, which is on record" in err
    [line] = [i for i, text in enumerate(path.read_text().splitlines(), 1) if "train.jsonl" in text]
    assert f"--fix {os.path.relpath(tmp_path / 'mended')}` and in line {line} `train: mended/train.jsonl`" in err


def test_training_rows_that_the_exam_asks_are_left_out_on_record_and_the_run_goes_on(capsys, tmp_path):
    path = training_here(tmp_path, train_test_overlap="fix", duplicates="fix", train_test_near="off")
    code, out, _ = checked(capsys, path, "--json")
    found = {finding["check"]: finding for finding in json.loads(out)}
    assert code == 0
    text = "5 of the 20 training rows are left out, as `data.findings` asks: 3 seen in test, 2 same input and target"
    assert found["left_out"]["message"] == text
    assert found["left_out"]["rows"] == ["seen test0", "seen test1", "seen test2", "n0 again", "n1 again"]
    assert "train_test_overlap" not in found
    assert [example.id for example in opened(path).splits["train"]] == [f"n{i}" for i in range(15)]


def test_prompts_that_the_base_cannot_read_whole_are_found_before_anything_runs(capsys, tmp_path):
    path = tiny_training(tmp_path, tiny_models.build("qwen2", tmp_path / "base"))
    content = yaml.safe_load(path.read_text())
    rows_ = [{"id": f"{i}", "input": f"{i} " + "word " * 400 * (i < 2), "target": "order"} for i in range(30)]
    write_jsonl(tmp_path / "test.jsonl", rows_)
    content["baselines"] = ["zero_shot", {"few_shot": {"shots": 32}}]
    path.write_text(yaml.safe_dump(content))
    code, out, _ = checked(capsys, path, "--json")
    own, *few = [finding for finding in json.loads(out) if finding["check"] == "long_prompts"]
    assert (code, own["level"], own["rows"]) == (6, "block", ["0", "1"])
    assert "2 of the 30 test prompts" in own["message"]
    assert "256 tokens with 4 for the answer" in own["message"]
    assert {finding["level"] for finding in few} == {"warn"}
    assert "12 of the 12 validation prompts of few-shot 32" in few[0]["message"]
    assert "ask for fewer `shots`" in few[0]["message"]


def test_a_base_whose_template_knows_no_thinking_is_told_before_it_is_asked_for_it(capsys, tmp_path):
    base = tiny_models.build("qwen2", tmp_path / "base")
    path = tiny_training(tmp_path, base)
    content = yaml.safe_load(path.read_text())
    content["baselines"] = ["zero_shot", {"zero_shot": {"max_thinking_tokens": 9}}]
    path.write_text(yaml.safe_dump(content))
    [told] = [f for f in json.loads(checked(capsys, path, "--json")[1]) if f["check"] == "unheard_thinking"]
    assert "makes nothing of `enable_thinking`: zero-shot thinking is asked as it is without" in told["message"]
    template = base / "chat_template.jinja"
    template.write_text(template.read_text() + "{% if enable_thinking %}<think>{% endif %}")
    assert "unheard_thinking" not in checked(capsys, path, "--json")[1]


def test_most_of_the_training_rows_are_never_left_out(capsys, tmp_path):
    path = training_here(tmp_path, train_test_overlap="fix")
    write_jsonl(tmp_path / "train.jsonl", [*map(json.loads, (tmp_path / "test.jsonl").read_text().splitlines())])
    code, _, err = checked(capsys, path)
    assert (code, "40 of the 40 training rows would be left out, more than 50%" in err) == (2, True)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"secrets": "fix"}, "`data.findings.secrets` cannot be `fix`, which leaves out training rows: duplicates, "),
        ({"duplicates": "fix"}, "this candidate has learnt from its rows already"),
    ],
)
def test_rows_are_left_out_where_they_have_not_been_learnt_from(capsys, tmp_path, settings, sentence):
    path = leaky(tmp_path / "x", gains=10, seen=(3,), findings=settings)
    code, _, err = checked(capsys, path)
    assert (code, sentence in err) == (2, True)


def test_a_folder_is_checked_by_its_experiment_file_or_by_its_data_files(capsys, files, tmp_path, monkeypatch):
    code, out, err = checked(capsys, tmp_path)
    assert (code, "train_test_overlap" in out) == (6, True)
    assert "train.jsonl: inputs and targets, 6 rows" in err
    assert checked(capsys, files[0])[0] == 0, "one file alone is taken for training rows"
    path = leaky(tmp_path / "x", gains=10, seen=(), findings={"small_train": "off"})
    monkeypatch.chdir(path.parent)
    code, out, _ = checked(capsys, ".", "--json")
    assert (code, "exam_power" in out) == (0, True)
    path.rename("other.yaml")
    assert checked(capsys, ".")[0] == 0
    (tmp_path / "x" / "third.yaml").write_text("experiment: x\n")
    code, _, err = checked(capsys, ".")
    assert (code, "2 files that could be the experiment" in err) == (2, True)
    (tmp_path / "empty").mkdir()
    assert "no experiment file in the folder" in checked(capsys, tmp_path / "empty")[2]


def test_a_file_of_rated_answers_is_read_where_preferences_are(capsys, tmp_path):
    rated = [{"messages": [{"role": "user", "content": f"{i}?"}, ANSWER], "label": i > 0} for i in range(3)]
    code, _, err = checked(capsys, "--preferences", write_jsonl(tmp_path / "rated.jsonl", rated))
    assert (code, err) == (0, "rated.jsonl: rated answers, 3, of which 2 are good\n")
