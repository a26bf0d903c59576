"""Whole experiments whose exams ask the same thing more than once: copies are no evidence, and it is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from workspaces import decided, recorded_experiment, run, verdict, write_jsonl

from harness.experiment.explain import explain, known
from harness.experiment.load import load_experiment
from harness.store import experiments
from suites.types import Finding

NOUNS = ("card", "transfer", "refund", "account", "passcode", "cheque", "statement", "currency", "loan", "mortgage")
VERBS = ("cancel", "find", "explain", "repeat")
QUESTIONS = [f"How would I go about it to {verb} the {noun} of last month?" for noun in NOUNS for verb in VERBS]
FORMS = (str, str.upper, str.lower, lambda text: text + " ", lambda text: text.replace("?", " !"))
ASKED = [form(question) for question in QUESTIONS for form in FORMS for _ in range(2)]
# Of forty questions the base gets five wrong and the candidate one: ten answers each.
BASE, TUNED = (["no"] * 10 * wrong + ["yes"] * 10 * (40 - wrong) for wrong in (5, 1))


def findings(path: Path) -> list[Finding]:
    session = run(path)
    return [f for f in experiments.findings(session.store, session.id) if f.check == "copies"]


def test_four_hundred_rows_that_are_forty_questions_are_forty_pieces_of_evidence(tmp_path: Path) -> None:
    session = run(recorded_experiment(tmp_path, BASE, TUNED, inputs=ASKED))
    [task] = decided(session).compared("task")
    assert (task.n, task.n_clusters) == (400, 40)
    assert verdict(session) == "inconclusive"
    assert "in 40 clusters" in next(gate.measured for gate in decided(session).gates if gate.gate_id == "gain")


def test_four_hundred_questions_would_have_been_enough(tmp_path: Path) -> None:
    session = run(recorded_experiment(tmp_path, BASE, TUNED))
    assert verdict(session) == "deploy"


def test_copies_are_told_with_their_rows(tmp_path: Path) -> None:
    [told] = findings(recorded_experiment(tmp_path, BASE, TUNED, inputs=ASKED))
    assert told.level == "warn"
    assert told.message.startswith("test: 400 of the 400 rows ask what another one asks")
    assert told.message.endswith("40 clusters")
    assert len(told.rows) == 400


@pytest.mark.parametrize(("extra", "level"), [(5, "info"), (6, "warn")])
def test_copies_are_a_warning_where_they_leave_less_than_nineteen_in_twenty(
    extra: int, level: str, tmp_path: Path
) -> None:
    asked = [f"What is meant by word number {max(i, extra)}?" for i in range(100)]
    answers = ["yes"] * 100
    [found] = findings(recorded_experiment(tmp_path, answers, ["no"] * 100, inputs=asked, targets=answers))
    assert (found.level, len(found.rows)) == (level, extra + 1)


def test_no_copies_no_word(tmp_path: Path) -> None:
    assert findings(recorded_experiment(tmp_path, BASE, TUNED)) == []


def test_the_finding_can_be_told_more_quietly_and_copies_stay_what_they_are(tmp_path: Path) -> None:
    data = {"test": "test.jsonl", "findings": {"copies": "off"}}
    path = recorded_experiment(tmp_path, BASE, TUNED, inputs=ASKED, data=data)
    assert findings(path) == []
    [task] = decided(run(path)).compared("task")
    assert task.n_clusters == 40


def test_copies_in_a_regression_suite_share_a_cluster_too(tmp_path: Path) -> None:
    suite = tmp_path / "skill"
    suite.mkdir()
    (suite / "suite.yaml").write_text(yaml.safe_dump({"name": "skill", "metrics": ["exact_match"]}), encoding="utf-8")
    rows = [{"id": f"s{i}", "input": text, "target": "yes"} for i, text in enumerate(ASKED)]
    write_jsonl(suite / "examples.jsonl", rows)
    path = recorded_experiment(tmp_path, ["no"] * 50 + ["yes"] * 50, ["yes"] * 100, regression=[{"suite": "skill"}])
    for arm in ("prompted", "tuned"):
        with (tmp_path / f"{arm}.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(f'{{"id": "{row["id"]}", "completion": "yes"}}\n' for row in rows)
    session = run(path)
    [kept] = decided(session).compared("regression")
    assert (kept.n, kept.n_clusters) == (400, 40)
    told = [f.message for f in experiments.findings(session.store, session.id) if f.check == "copies"]
    assert told == [
        "skill: 400 of the 400 rows ask what another one asks, in the same words or nearly; rows that ask the same "
        "count once: 40 clusters"
    ]


def test_a_plan_counts_clusters_and_says_what_it_assumes(tmp_path: Path) -> None:
    experiments_ = [
        load_experiment(recorded_experiment(tmp_path / name, BASE, TUNED, inputs=inputs))
        for name, inputs in (("copies", ASKED), ("questions", None))
    ]
    copies, questions = (explain(experiment, known(experiment))[0] for experiment in experiments_)
    assert copies.needs is not None
    assert questions.needs is not None
    assert copies.needs > 5 * questions.needs  # ten rows a cluster: 1 + 9 * 0.5
    assert "in 40 clusters (taken to be alike by 0.5, ICC)" in copies.says
    assert "clusters" not in questions.says


def test_recorded_answers_to_one_question_about_many_passages_are_many_questions(tmp_path):
    answers = ["no"] * 40 + ["yes"] * 20
    path = recorded_experiment(tmp_path, answers, ["yes"] * 60, regression=[], inputs=["Is it a complaint?"] * 60)
    rows = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    told = [
        {**row, "letter": f"letter {i * 7919 % 997} about {i}", "target": ["yes", "no"][i % 2]}
        for i, row in enumerate(rows)
    ]
    write_jsonl(tmp_path / "test.jsonl", told)
    session = run(path)
    assert len({example.cluster for example in session.splits["test"]}) == 60
    [found] = [f for f in experiments.findings(session.store, session.id) if f.check == "told_apart"]
    assert "rows are told apart by `letter` as well" in found.message
