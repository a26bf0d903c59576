"""Suites from folders and from functions, listed, begun and made afresh; and what is said of those that are none."""

import json
import os
import textwrap
from pathlib import Path

import pytest

from harness.cli.main import main
from suites.catalog import STANDARD, load_suite, suite_name
from suites.errors import UserError

FUNCTION = """\
def ask(number=2):
    rows = [{"input": f"What is {n} plus 1?", "target": {"number": n + 1}} for n in range(number)]
    return {"name": "sums", "metrics": ["follows"], "margin": 0.2, "description": "Sums. Of one.", "examples": rows}

def nothing():
    return []

def fails():
    raise RuntimeError("no rows today")

def wrong():
    return {**ask(), "marign": 0.1}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(FUNCTION)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "suite.yaml").write_text("name: own\nmetrics: [exact_match]\n")
    (tmp_path / "own" / "examples.jsonl").write_text('{"input": "1 + 1", "target": "2"}\n')
    return tmp_path


def said(action):
    with pytest.raises(UserError) as caught:
        action()
    return str(caught.value)


def test_a_function_beside_the_experiment_makes_a_suite(folder):
    suite = load_suite("mine:ask", folder)
    assert (suite.name, suite.margin, suite.metrics) == ("sums", 0.2, ("follows",))
    assert [example.target for example in suite.examples] == ['{"number": 1}', '{"number": 2}']
    assert len(load_suite("mine:ask", folder, limit=1).examples) == 1
    assert suite_name("mine:ask", folder) == "sums"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mine:none", "mine has no function 'none'"),
        ("mine:nothing", "the function returned no suite"),
        ("mine:fails", "the function failed: RuntimeError: no rows today"),
        ("mine:wrong", "did you mean `margin`?"),
        ("absent_module:ask", "cannot import absent_module"),
        ("redaing", "did you mean `reading`?"),
        ("onw", "did you mean `own`?"),
    ],
)
def test_what_makes_no_suite_is_told(folder, name, sentence):
    assert sentence in said(lambda: load_suite(name, folder))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("metrics: [exact_mach]", "did you mean `exact_match`?"),
        ("metrics: [exact_match]\nmax_new_token: 3", "did you mean `max_new_tokens`?"),
        ("metrics: [exact_match]\ncolour: red", "the suite cannot use `colour: red`"),
    ],
)
def test_settings_that_are_none_are_refused_with_what_was_meant(folder, line, sentence):
    (folder / "own" / "suite.yaml").write_text(f"name: own\n{line}\n")
    assert sentence in said(lambda: load_suite("own", folder))


def test_a_suite_is_marked_by_metrics_with_a_detail_too(folder):
    settings = folder / "own" / "suite.yaml"
    settings.write_text("name: own\nmetrics: ['quantity:1%', 'regex:^\\d+$', 'f1:2']\n")
    assert load_suite("own", folder).metrics == ("quantity:1%", r"regex:^\d+$", "f1:2")
    for name in ("quantity:much", "regex:(", "pass_at:2", "auc:2", "json_schema", "code_tests"):
        settings.write_text(f"name: own\nmetrics: ['{name}']\n")
        assert name in said(lambda: load_suite("own", folder)), name


def test_targets_that_are_no_checks_are_all_told(folder):
    (folder / "own" / "suite.yaml").write_text("name: own\nmetrics: [follows]\n")
    rows = [("1", "Lisbon"), ("2", {"sayz": "x"}), ("3", {"words": "two"}), ("4", {"words": 2})]
    lines = [json.dumps({"id": name, "input": name, "target": target}) for name, target in rows]
    (folder / "own" / "examples.jsonl").write_text("\n".join(lines))
    told = said(lambda: load_suite("own", folder))
    assert "3 targets are no checks" in told
    assert "1: the target is no JSON" in told
    assert "2: the target knows no check 'sayz'" in told
    assert "3: the target has a value that `words` cannot use" in told


def test_a_suite_that_is_edited_is_read_again(folder):
    assert len(load_suite("own", folder).examples) == 1
    with (folder / "own" / "examples.jsonl").open("a") as file:
        file.write('{"input": "1 + 2", "target": "3"}\n')
    assert len(load_suite("own", folder).examples) == 2


def test_suites_are_listed_with_their_sizes_floors_and_what_they_ask(folder, capsys):
    assert main(["suites", str(folder), "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(listed) == [*STANDARD, "general", "own"]
    assert listed["reading"]["clusters"] >= 100
    assert 0.15 < listed["reading"]["floor"] < 0.25
    assert listed["reading"]["passes"] >= 0.9
    assert listed["safety"]["about"].startswith("What must be refused")


def test_a_suite_is_begun_and_can_be_asked_as_it_is(tmp_path, capsys):
    assert main(["suite", str(tmp_path / "tickets")]) == 0
    assert "regression: [tickets]" in capsys.readouterr().out
    assert load_suite("tickets", tmp_path).name == "tickets"
    assert main(["suite", str(tmp_path / "tickets"), "--like", "reading"]) == 2


def test_a_built_in_suite_is_made_afresh_from_another_seed(tmp_path, capsys):
    for name, seed in (("one", "1"), ("same", "1"), ("two", "2")):
        assert main(["suite", str(tmp_path / name), "--like", "reasoning", "--seed", seed]) == 0
    one, same, two = (load_suite(name, tmp_path) for name in ("one", "same", "two"))
    assert one.name == "one"
    assert one.examples == same.examples
    asked = [{example.input for example in suite.examples} for suite in (one, two, load_suite("reasoning", tmp_path))]
    assert len(asked[0] & asked[1]) < 0.4 * len(asked[0])
    assert len(asked[0] & asked[2]) < 0.4 * len(asked[0])


def test_a_suite_that_nothing_makes_is_told(tmp_path, capsys):
    assert main(["suite", str(tmp_path / "new"), "--like", "raesoning"]) == 2
    assert "did you mean `reasoning`?" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_what_a_function_makes_is_a_part_of_the_experiments_id(folder):
    from harness.experiment.load import load_experiment

    (folder / "rows.jsonl").write_text('{"input": "a", "target": "b"}\n{"input": "c", "target": "d"}\n')
    (folder / "test.jsonl").write_text('{"input": "e", "target": "f"}\n')
    text = """\
        experiment: mine
        model: embedded
        data: {train: rows.jsonl, test: test.jsonl}
        baselines: [zero_shot]
        regression: [mine:ask]
    """
    (folder / "experiment.yaml").write_text(textwrap.dedent(text))
    before = load_experiment(folder / "experiment.yaml")
    assert "mine:ask" in before.files
    written = (folder / "mine.py").stat()
    (folder / "mine.py").write_text(FUNCTION.replace("number=2", "number=3"))
    os.utime(folder / "mine.py", ns=(written.st_atime_ns, written.st_mtime_ns))  # within one second
    assert load_experiment(folder / "experiment.yaml").id != before.id


def test_no_suite_asks_for_a_folder_that_is_not_there(capsys):
    assert main(["suites", str(Path("/nowhere/at/all"))]) == 2
    assert "no such folder" in capsys.readouterr().err
