"""A candidate with a prompt of its own: trained and examined with it, while the base keeps the prompts of the bar."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from workspaces import decided, opened, run, select, tiny_training, write_jsonl

from harness.experiment import explain, training_data
from harness.experiment.session import Session
from harness.pipeline.check import of_bar
from harness.selftest import run as selftest
from reports.outputs import markdown
from reports.sections.shipping import PROMPT_FILE

LONG = "Answer every ticket with the one word that our policy has for tickets of its kind, and with nothing else."
OWN = "LoRA (own prompt)"


def own_experiment(folder: Path, prompt: str, **settings: object) -> Path:
    """A training of seconds on the embedded model, whose fine-tune has a prompt of its own."""
    path = tiny_training(folder, Path("embedded"), prompt=prompt)
    content = yaml.safe_load(path.read_text())
    price = {"input": 2.0, "output": 8.0}
    content |= {"task": {"prompt": LONG, "max_new_tokens": 4}, "costs": {"baseline": price, "candidate": price}}
    path.write_text(yaml.safe_dump({**content, "baselines": ["zero_shot", {"few_shot": {"shots": 2}}], **settings}))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """An experiment whose fine-tune is asked with the input alone, run to the end."""
    torch.set_num_threads(1)
    return run(own_experiment(tmp_path_factory.mktemp("own"), ""))


def arms(session: Session, side: str) -> dict[str, bool]:
    sql = "select arm, chosen from v_runs where side = $1 and kind = 'task' and is_primary order by arm"
    return {row["arm"]: row["chosen"] for row in select(session.store, sql, [side])}


def test_the_fine_tune_is_trained_and_examined_with_its_own_prompt_and_the_base_with_its_own(finished: Session) -> None:
    rows = training_data.rows(finished.experiment, finished.splits)
    assert {message["role"] for row in (*rows.train, *rows.validation) for message in row.messages} == {"user"}
    assert arms(finished, "candidate") == {OWN: True}
    chosen = arms(finished, "base")
    assert chosen.keys() == {"zero-shot", "few-shot 2", "own prompt"}
    assert not chosen["own prompt"]  # it took the exam, and was not to be chosen
    rehearsed = select(finished.store, "select distinct arm from v_runs where kind = 'validation'")
    assert {row["arm"] for row in rehearsed} == {"zero-shot", "few-shot 2"}


def test_the_rules_know_of_it(finished: Session) -> None:
    gates = {gate.gate_id: gate for gate in decided(finished).gates}
    assert (gates["own_prompt"].status, gates["own_prompt"].measured) == ("pass", "asked with its own prompt")
    assert gates["candidate"].status == "pass"  # both were asked alike once, and answer otherwise
    assert gates["every_prompt"].rule == "above 0 over each other (2)"
    known = explain.known(finished.experiment)
    assert any("above 0 over each other (2)" in rule.says for rule in explain.explain(finished.experiment, known))


def test_the_report_says_what_the_prompt_costs_in_each_request(finished: Session) -> None:
    data = decided(finished)
    kept = data.facts.kept["own_prompt"]
    assert isinstance(kept, dict)
    saved, n = kept["saved"]["value"], kept["saved"]["n"]
    assert n == 40
    assert saved == pytest.approx(kept["baseline"] - kept["candidate"])
    assert saved > 10
    assert kept["worth"]["value"] == pytest.approx(saved * 2.0 / 1000)
    first = markdown.first_screen(data)
    assert f"{OWN} reads {kept['candidate']:.0f} tokens in each request, the best prompt (" in first
    assert "at its price for tokens read that saves" in first


def test_what_ships_is_its_own_prompt(finished: Session, tmp_path: Path) -> None:
    data = decided(finished)
    assert data.decision.verdict == "deploy"
    markdown.write(data, tmp_path)
    messages = json.loads((tmp_path / PROMPT_FILE).read_text())["messages"]
    assert messages == [{"role": "user", "content": "{{ input }}"}]


def test_the_same_command_again_asks_and_trains_nothing(finished: Session) -> None:
    counts = "select (select count(*) from completions) as asked, (select count(*) from training) as trained"
    before = select(finished.store, counts)
    assert select(run(finished.experiment.path).store, counts) == before


def test_an_exam_with_the_prompt_it_never_saw_is_invalid(finished: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "TESTS", {"long prompt": selftest.TESTS["long prompt"]})
    [outcome] = selftest.run(finished)
    assert (outcome.got, outcome.status) == ("invalid by own prompt", "pass")


def test_another_prompt_of_its_own_is_another_training_and_the_base_is_asked_nothing_again(
    finished: Session, tmp_path: Path
) -> None:
    short = opened(own_experiment(tmp_path, "Sort it."))
    assert training_data.rows(short.experiment, short.splits).train[0].messages[0] == {
        "role": "system", "content": "Sort it.",
    }  # fmt: skip
    assert short.id != finished.id


def test_what_the_pass_beside_the_bar_costs_is_told_before_it_is_paid(tmp_path: Path) -> None:
    named = {finding.check: finding.message for finding in of_bar(opened(own_experiment(tmp_path / "a", "Sort it.")))}
    assert "one more pass over 40 test rows" in named["own_prompt"]
    same = of_bar(opened(own_experiment(tmp_path / "b", LONG)))
    assert "own_prompt" not in {finding.check for finding in same}


def test_a_candidate_from_elsewhere_is_asked_with_the_prompt_it_was_trained_on(
    finished: Session, tmp_path: Path
) -> None:
    path = own_experiment(tmp_path, "")
    [trained] = select(finished.store, "select folder from training")
    content = yaml.safe_load(path.read_text())
    del content["training"]
    path.write_text(yaml.safe_dump({**content, "candidate": {"path": trained["folder"], "prompt": ""}}))
    session = run(path)
    assert arms(session, "candidate") == {"candidate (own prompt)": True}
    assert "The candidate (own prompt) reads" in decided(session).facts.own_prompt


@pytest.mark.slow
def test_an_exam_that_stops_early_asks_both_sides_alike_on_the_part_that_was_asked(tmp_path: Path) -> None:
    path = own_experiment(tmp_path, "", policy={"max_truncated": 1.0, "suspicious_gain": 1.0, "stop_early": True})
    write_jsonl(
        tmp_path / "test.jsonl",
        [{"id": f"test{i}", "input": f"ticket test {i}", "target": "order"} for i in range(200)],
    )
    session = run(path)
    sql = "select n from v_runs where side = $1 and arm = $2 and kind = 'task' and is_primary"
    asked = [select(session.store, sql, pair) for pair in (("base", "own prompt"), ("candidate", OWN))]
    assert asked == [[{"n": 40}], [{"n": 40}]]
    assert {gate.gate_id: gate.status for gate in decided(session).gates}["candidate"] == "pass"
