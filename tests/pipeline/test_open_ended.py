"""A task without right answers, decided by a judge alone: requests to be rewritten politely, and who is preferred."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspaces import decided, run, select, write_jsonl

from harness.experiment.session import Session
from harness.selftest import run as selftest
from reports.outputs import markdown

POLITE = ("hello", "please", "kindly", "thanks", "regards")
RUBRIC = """\
{% macro polite(text) %}{{ POLITE }}{% endmacro %}
Which rewriting of {{ input }} is politer: {{ first }} or {{ second }}?
{% set one, two = polite(first)|int, polite(second)|int %}
verdict: {{ "A" if one > two else "B" if two > one else "tie" }}
""".replace("POLITE", " + ".join(f"('{word}' in text)|int" for word in POLITE))
ARMS = {"plain": 1, "warm": 2, "tuned": 3}


def write(rng: random.Random, words: int, about: str) -> str:
    """A rewriting with about so many polite words, and now and then some of no use."""
    said = rng.sample(POLITE, max(0, min(5, words + rng.choice((-1, 0, 0, 1)))))
    return " ".join([*said, f"send {about}", *["at your earliest convenience"] * rng.randrange(3)])


def label(first: str, second: str) -> str:
    one, two = (sum(word in text for word in POLITE) for text in (first, second))
    return "first" if one > two else "second" if two > one else "tie"


def rewriting(folder: Path, *, labelled: int = 60, arms: Sequence[str] = ("plain", "warm"), **settings: Any) -> Path:
    """Recorded rewritings of 80 requests that nobody wrote an answer to, and pairs that people labelled."""
    rng = random.Random(7)
    test = [{"id": f"t{i}", "input": f"send me file {i} now", "plan": "gold" if i % 2 else "free"} for i in range(80)]
    rehearsal = [{"id": f"v{i}", "input": f"bring document {i} at once"} for i in range(30)]
    for name, rows in (("test", test), ("validation", rehearsal)):
        write_jsonl(folder / f"{name}.jsonl", rows)
    for arm, words in ARMS.items():
        answers = [{"id": row["id"], "completion": write(rng, words, row["id"])} for row in (*rehearsal, *test)]
        write_jsonl(folder / f"{arm}.jsonl", answers)
    pairs = [(write(rng, 2, f"thing {i}"), write(rng, 2, f"thing {i}")) for i in range(labelled)]
    rows = [{"id": f"l{i}", "input": f"thing {i}!", "first": a, "second": b, "label": label(a, b)}
            for i, (a, b) in enumerate(pairs)]  # fmt: skip
    write_jsonl(folder / "labels.jsonl", rows)
    (folder / "rubric.md").write_text(RUBRIC)
    judge = {"model": "echo", "rubric": "rubric.md", **({"calibration": "labels.jsonl"} if labelled else {})}
    content = {
        "experiment": "rewriting",
        "data": {"test": "test.jsonl", "validation": "validation.jsonl"},
        "task": {"metrics": ["judge"], "slices": ["plan"]},
        "baselines": [{"recorded": f"{arm}.jsonl"} for arm in arms],
        "candidate": {"recorded": "tuned.jsonl"},
        "regression": [],
        "judge": judge,
        "policy": {"suspicious_gain": 1.0},
        **settings,
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return run(rewriting(tmp_path_factory.mktemp("rewriting")))


def test_a_trusted_judge_alone_decides_what_nobody_wrote_an_answer_to(judged: Session) -> None:
    report = decided(judged)
    assert report.decision.verdict == "deploy"
    gates = {gate.gate_id: gate.status for gate in report.gates}
    assert [gates[name] for name in ("gain", "every_prompt", "slices")] == ["pass"] * 3
    [task] = report.compared("task")
    assert task.baseline_arm == "warm"  # chosen on validation, beside the first
    assert task.metric == "judge"
    assert task.as_judged is not None
    assert task.difference == pytest.approx((task.candidate or 0) - (task.baseline or 0))
    shown = markdown.render(report, {})
    assert "trusted** to decide" in shown
    assert "In people's eyes, as far as the judge tells" in shown


def test_every_prompt_stands_before_the_judge_with_the_candidate_and_on_validation_with_the_first(
    judged: Session,
) -> None:
    arms = {(row["kind"], row["arm"]): row for row in select(judged.store, "from v_runs where is_primary")}
    assert arms["validation", "plain"]["mean"] == 0.5
    assert arms["validation", "warm"]["mean"] > 0.5
    ours, warm, plain = (arms["task", arm]["mean"] for arm in ("candidate", "warm", "plain"))
    assert ours == pytest.approx(1 - warm)
    assert plain < warm
    assert {row["n"] for row in arms.values()} == {80, 30}
    flips = select(judged.store, "select candidate_value > baseline_value as better from v_flips")
    assert sum(flip["better"] for flip in flips) > len(flips) / 2 > 0


def test_the_same_again_asks_the_judge_nothing(judged: Session) -> None:
    count = "select count(*) as n from completions"
    before = select(judged.store, count)
    run(judged.experiment.path)
    assert select(judged.store, count) == before


ACCIDENTS = ("wordy candidate", "judge likes length", "judge says A", "few labelled pairs")


@pytest.mark.slow
def test_a_judge_that_decides_and_is_not_trusted_decides_nothing(
    judged: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does one that takes the longer answer deploy a candidate whose answers were padded."""
    monkeypatch.setattr(selftest, "TESTS", {name: selftest.TESTS[name] for name in ACCIDENTS})
    outcomes = {outcome.name: (outcome.status, outcome.got) for outcome in selftest.run(judged)}
    assert outcomes == dict.fromkeys(ACCIDENTS, ("pass", "inconclusive"))


@pytest.mark.slow
def test_from_no_labels_to_a_verdict(tmp_path: Path) -> None:
    """Without labels nothing is decided, and the report says how many to give; with them on the named pairs it is."""
    session = run(rewriting(tmp_path, labelled=0))
    report = decided(session)
    assert report.decision.verdict == "inconclusive"
    assert "not checked against labelled pairs" in report.decision.reason
    assert "about 108 labelled pairs would check it" in report.decision.reason
    assert "pairs-to-label.jsonl" in report.decision.next_step
    assert all(row.low is None for row in report.compared("task", "prompt", "slice"))
    file = session.out / "pairs-to-label.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for row in rows[:60]:
        row["label"] = label(row["first"], row["second"])
    write_jsonl(tmp_path / "labels.jsonl", rows)
    settings = yaml.safe_load(session.experiment.path.read_text())
    settings["judge"]["calibration"] = "labels.jsonl"
    session.experiment.path.write_text(yaml.safe_dump(settings))
    report = decided(run(session.experiment.path))
    assert report.decision.verdict == "deploy"
    assert "PPI++" in report.compared("task")[0].method


@pytest.mark.slow
def test_one_answer_to_everything_is_no_candidate_however_it_pleases(tmp_path: Path) -> None:
    path = rewriting(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "tuned.jsonl").read_text().splitlines()]
    write_jsonl(tmp_path / "tuned.jsonl", [{**row, "completion": " ".join(POLITE)} for row in rows])
    report = decided(run(path))
    assert report.decision.verdict == "invalid"
    assert [gate.gate_id for gate in report.validity_gates() if gate.status == "fail"] == ["constant_answers"]
