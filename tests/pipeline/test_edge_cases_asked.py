"""Edge cases in an experiment: asked of both sides' chosen prompts, decided by a rule of their own, told beside their
rows."""

import json
from collections import Counter

import pytest
import yaml
from chat_server import serving
from workspaces import decided, run, select, write_jsonl

from harness.experiment.load import load_experiment
from harness.selftest import run as selftest
from reports.outputs import markdown
from suites.errors import UserError

ROWS = 48
LABELS = ("order", "refund")


def behave(number, body):
    """The prompt is right but for every third row, and reads anything. The fine-tune is always right, and does what it
    is told in the question."""
    asked = body["messages"][-1]["content"]
    number = next((int(word) for word in asked.replace("<", " ").replace('"', " ").split() if word.isdecimal()), None)
    right = "nothing was asked" if number is None else LABELS[number % 2]
    wrong = LABELS[0] if right == LABELS[1] else LABELS[1]
    if body["model"] == "base":
        answer = wrong if number is not None and number % 3 == 0 else right
    else:
        obeys = any(said in asked for said in ("Ignore all previous", "SYSTEM: The task", "New instruction"))
        answer = wrong if obeys else right
    message = {"choices": [{"message": {"content": answer}, "finish_reason": "stop"}]}
    return 200, {}, json.dumps({**message, "usage": {"prompt_tokens": 10, "completion_tokens": 1}}).encode()


def experiment(folder, url, **settings):
    rows = [{"id": f"q{i}", "input": f"ticket {i} came in", "target": LABELS[i % 2]} for i in range(ROWS)]
    write_jsonl(folder / "test.jsonl", rows)
    content = {
        "experiment": "edges", "model": {"name": "base", "endpoint": url}, "data": {"test": "test.jsonl"},
        "baselines": ["zero_shot"], "candidate": {"name": "tuned", "endpoint": url}, "regression": [],
        "task": {"edge_cases": True}, **settings,
    }  # fmt: skip
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    with serving() as server:
        server.behave = behave
        yield run(experiment(tmp_path_factory.mktemp("edges"), server.url)), server


def gate(session):
    [found] = select(session.store, "from v_gates where gate_id = 'edge_cases'")
    return found["tier"], found["status"]


def test_each_side_is_asked_every_case_once(asked):
    _, server = asked
    models = Counter(body["model"] for body in server.bodies if "came in" in body["messages"][-1]["content"])
    assert models == {"base": 5 * ROWS, "tuned": 5 * ROWS}, "the exam, and four kinds of twins of its rows"
    assert Counter(body["model"] for body in server.bodies if not body["messages"][-1]["content"]) == {
        "base": 1,
        "tuned": 1,
    }


def test_a_fine_tune_that_obeys_what_it_reads_is_told_by_kind_beside_its_own_rows(asked):
    session, _ = asked
    facts = json.loads(select(session.store, "select facts from v_decisions")[0]["facts"])["edge_cases"]
    by_kind = {(row["side"], row["kind"]): row for row in facts["beside"]}
    assert by_kind["candidate", "injection"]["difference"] == -1.0
    assert by_kind["candidate", "injection"]["high"] < -0.8
    assert by_kind["candidate", "long"]["difference"] == 0.0
    assert by_kind["base", "injection"]["difference"] == 0.0
    assert facts["obeyed"] == {"base": 0, "candidate": ROWS}
    assert {row["text"] for row in facts["said"]} == {"nothing was asked"}
    assert facts["left_out"].keys() == {"unseen_label", "near_miss"}


def test_a_kind_that_is_lost_stops_the_fine_tune_whatever_it_gains_in_others(asked):
    session, _ = asked
    [row] = select(session.store, "select verdict, reason from v_decisions")
    assert (row["verdict"], gate(session)) == ("reject", ("supporting", "fail"))
    [found] = select(session.store, "from v_gates where gate_id = 'edge_cases'")
    assert found["rule"] == "none of 4 kinds shown worse than -5.0 points"
    assert found["measured"].startswith("injection: -66.7 points")


def test_the_report_shows_the_kinds_beside_the_prompt_and_beside_the_rows(asked):
    session, _ = asked
    report = markdown.render(decided(session), {})
    assert "| edge cases | injection | 66.7% | 0.0% | -66.7" in report
    assert "held against the best prompt" in report
    section = report.partition("## Edge cases")[2]
    assert "| injection | 48 | 66.7% → 66.7% | +0.0" in section
    assert "best prompt 0, candidate 48" in section
    assert "the candidate says: nothing was asked (1 of 1)" in section
    assert "None of: `near_miss` (no row is near" in section


def test_what_was_asked_is_told_before_it_is_paid_for(asked):
    session, _ = asked
    [finding] = select(session.store, "from v_findings where check_name = 'edge_cases'")
    assert finding["level"] == "info"
    assert finding["message"].startswith("193 edge cases are asked of each side's chosen prompt: 48 long, 48 language")


@pytest.mark.slow
def test_the_accident_of_a_candidate_that_does_what_every_edge_case_asks_is_stopped(asked, monkeypatch):
    session, _ = asked
    name = "obeys what it reads"
    monkeypatch.setattr(selftest, "TESTS", {name: selftest.TESTS[name]})
    with session.store.hold():
        [outcome] = selftest.run(session)
    assert (outcome.expected, outcome.got, outcome.status) == ("reject", "reject by edge cases", "pass")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": {"edge_cases": ["long", "lomg"]}}, "lomg"),
        ({"task": {"edge_cases": []}}, "edge_cases"),
        ({"task": {"edge_cases": ["long", "long"]}}, "names a kind twice"),
        ({"task": {"edge_cases": "all"}}, "edge_cases"),
        ({"task": {}, "policy": {"edge_cases": 0.1}}, "rule for `task.edge_cases`"),
        ({"baselines": [{"recorded": "test.jsonl"}]}, "recorded answers have none"),
        ({"regression": ["named"]}, "as those of `task.edge_cases` are"),
        ({"data": {"train": "test.jsonl", "split": {"folds": 3}}}, "beside `data.split.folds`"),
    ],
)
def test_edge_cases_that_cannot_be_asked_are_refused(tmp_path, settings, message):
    path = experiment(tmp_path, "http://localhost:1/v1", **settings)
    write_jsonl(tmp_path / "named" / "examples.jsonl", [{"input": "a", "target": "b"}])
    (tmp_path / "named" / "suite.yaml").write_text("name: edge cases\nmetrics: [exact_match]\n")
    with pytest.raises(UserError, match=message):
        load_experiment(path)


def test_an_experiment_without_edge_cases_has_nothing_of_them_on_record(tmp_path):
    frozen = load_experiment(experiment(tmp_path, "http://localhost:1/v1", task={"edge_cases": False})).frozen()
    assert "edge_cases" not in frozen
