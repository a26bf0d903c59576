"""A search races prompts on validation; what it finds stands in the bar as any prompt, and nothing is asked twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_server import ChatServer, Reply, serving
from workspaces import decided, opened, run, select, write_jsonl

from harness.cli.main import main
from harness.experiment.arms import base_arms
from harness.experiment.session import Session
from harness.pipeline.how_far import how_far
from harness.pipeline.search import search as run_search
from harness.selftest import run as selftest
from harness.store import searches
from reports.outputs import markdown, record
from suites.errors import UserError

LABELS = ["refund", "card"]
SEARCH = {"shots": [0, 2], "choose": "balanced", "budget": 50_000}
ROWS = {"train": 24, "validation": 40, "test": 40}


def target(number: int) -> str:
    return LABELS[number % 2]


def experiment(folder: Path, url: str, search: dict[str, Any] | None = None, **settings: object) -> Path:
    for split, count in ROWS.items():
        rows = [{"id": f"{split}{i}", "input": f"{split} ticket {i}", "target": target(i)} for i in range(count)]
        write_jsonl(folder / f"{split}.jsonl", rows)
    told = [{"id": f"test{i}", "completion": target(i)} for i in range(ROWS["test"])]
    write_jsonl(folder / "tuned.jsonl", told)
    content = {
        "experiment": "searched",
        "model": {"endpoint": url, "name": "small"},
        "data": {split: f"{split}.jsonl" for split in ROWS},
        "task": {"prompt": "Route it.", "max_new_tokens": 16},
        "baselines": [
            "zero_shot",
            {"search": {"shots": [0, 2], "choose": "balanced", "budget": 50_000, **(search or {})}},
        ],
        "candidate": {"recorded": "tuned.jsonl"},
        "regression": [],
        "policy": {"suspicious_gain": 1.0, "constant_answers": "warn"},
        **settings,
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def clerk(number: int, body: dict[str, Any]) -> Reply:
    """Right on three of four questions where it is told the labels, on one of four else; it mistakes the labels."""
    question = int(body["messages"][-1]["content"].rpartition(" ")[2])
    told = "- refund" in body["messages"][0]["content"]
    right = question % 4 != 0 if told else question % 4 == 0
    said = target(question) if right else target(question + 1)
    count = sum(len(message["content"]) for message in body["messages"])
    choice = {"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    usage = {"prompt_tokens": count, "completion_tokens": 1}
    return 200, {}, json.dumps({"choices": [choice], "usage": usage}).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with serving() as server:
        server.behave = clerk
        yield server


@pytest.fixture(scope="module")
def finished(server: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Session:
    return run(experiment(tmp_path_factory.mktemp("searched"), server.url))


def test_what_was_found_takes_the_exam_as_a_prompt_of_the_bar(finished: Session) -> None:
    [row] = searches.found(finished.store, finished.id)
    assert row.found == "labels, zero-shot"
    [chosen] = select(finished.store, "from v_runs where side = 'base' and kind = 'task' and chosen and is_primary")
    assert (chosen["arm"], chosen["mean"]) == ("search", 0.75)


def test_every_trial_is_on_record_with_its_score_and_its_tokens(finished: Session) -> None:
    trials = searches.trials(finished.store, finished.id, "search")
    assert {trial.arm for trial in trials} >= {"task prompt, zero-shot", "labels, few-shot 2 balanced"}
    assert all(trial.low is not None and trial.tokens > 0 and trial.seconds >= 0 for trial in trials)
    [row] = searches.found(finished.store, finished.id)
    assert row.spent <= row.budget


def test_a_hint_names_the_labels_that_training_rows_show_mistaken(finished: Session) -> None:
    trials = searches.trials(finished.store, finished.id, "search")
    [hint] = {json.loads(t.entry)["zero_shot"]["prompt"] for t in trials if t.arm == "confused labels, zero-shot"}
    assert hint.endswith("look twice:\n- card and refund\n\nRoute it.")


def test_the_search_asks_no_question_of_the_exam(finished: Session, server: ChatServer) -> None:
    asked = [body for body in server.bodies if body["messages"][-1]["content"].startswith("test ticket")]
    assert len(asked) == 2 * ROWS["test"]  # zero-shot, and what was found


def test_the_report_shows_all_prompts_and_the_one_to_copy(finished: Session) -> None:
    text = markdown.render(decided(finished), {})
    assert "## How the strongest prompt was searched for" in text
    assert "**labels, zero\\-shot**" in text or "**labels, zero-shot**" in text
    assert '"prompt": "Answer with exactly one of these labels' in text


def test_the_record_of_the_decision_has_the_prompt_that_was_found(finished: Session) -> None:
    [told] = record.record(decided(finished)).facts["searches"]
    assert told["found"] == "labels, zero-shot"
    assert told["entry"]["zero_shot"]["prompt"].endswith("Route it.")


def test_the_baseline_says_what_was_found(finished: Session) -> None:
    [told] = [sentence for sentence in how_far(finished) if sentence.startswith("search:")]
    assert told.startswith("search: labels, zero-shot won among 6 prompts, with ")


def test_the_entry_it_prints_is_the_same_prompt_when_written_by_hand(
    finished: Session, server: ChatServer, tmp_path: Path
) -> None:
    [row] = searches.found(finished.store, finished.id)
    by_hand = opened(experiment(tmp_path, server.url, baselines=[json.loads(row.entry)]))
    [arm] = base_arms(by_hand.experiment, by_hand.splits)
    [_, found] = base_arms(finished.experiment, finished.splits)
    assert arm.prompter.digest == found.prompter.digest


def test_the_same_command_again_asks_nothing_and_the_experiment_keeps_its_id(
    finished: Session, server: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(server.bodies)
    main(["run", str(finished.experiment.path), "--json"])
    assert len(server.bodies) == before
    assert opened(finished.experiment.path).id == finished.id


@pytest.mark.slow  # a process of its own
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGKILL])
def test_a_search_that_was_ended_asks_only_what_it_had_not(kind: signal.Signals, tmp_path: Path) -> None:
    with serving() as server:
        path = experiment(tmp_path, server.url, model={"endpoint": server.url, "name": "small", "concurrency": 1})
        command = [sys.executable, "-m", "harness", "baseline", "experiment.yaml"]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def ends_it(number: int, body: dict[str, Any]) -> Reply:
            if number == 100:
                time.sleep(1)  # what came before is on record by then
                process.send_signal(kind)
            return clerk(number, body)

        server.behave = ends_it
        process.wait(120)
        asked = len(server.bodies)
        assert 100 <= asked < 150  # of some 400
        session = opened(path)
        assert not searches.found(session.store, session.id)
        main(["baseline", str(path)])
        [row] = searches.found(session.store, session.id)
        prompts = [json.dumps(body["messages"]) for body in server.bodies]
        assert len(prompts) - len(set(prompts)) <= 1
        assert row.found == "labels, zero-shot"


def test_a_file_that_was_changed_after_its_search_is_noticed(
    finished: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "TESTS", {"file changed": selftest.TESTS["file changed"]})
    [outcome] = selftest.run(finished)
    assert (outcome.status, outcome.got) == ("pass", "invalid by frozen")


def refused(folder: Path, url: str, search: dict[str, Any], **settings: object) -> str:
    try:
        run_search(opened(experiment(folder, url, search, **settings)))
    except UserError as error:
        return str(error)
    return "nothing"


def test_a_budget_that_is_too_small_is_told_before_anything_is_asked(server: ChatServer, tmp_path: Path) -> None:
    before = len(server.bodies)
    told = refused(tmp_path, server.url, {"budget": 100})
    assert "a budget of 100 tokens is too small: to ask 4 prompts 8 rows takes about " in told
    assert len(server.bodies) == before


@pytest.mark.parametrize(
    ("search", "settings", "told"),
    [
        ({"prompts": "nowhere/"}, {}, "`baselines.1.search.prompts` no prompt file (.md, .txt) matches 'nowhere/'"),
        ({"shot": [1]}, {}, "unknown setting; did you mean `shots`?"),
        ({"shots": [2, 2]}, {}, "names a value twice"),
        ({"shots": [-1]}, {}, "greater than or equal to 0"),
        ({}, {"data": {"train": "train.jsonl", "test": "test.jsonl"}}, "`data.validation` is required"),
        ({"constrain": [True]}, {"task": {"answer": {"tag": "a"}}}, "leave `true` out"),
        ({"shots": [99]}, {}, "99 shots from 24 training rows"),
    ],
)
def test_what_cannot_be_searched_is_told(
    search: dict[str, Any], settings: dict[str, Any], told: str, server: ChatServer, tmp_path: Path
) -> None:
    assert told in refused(tmp_path, server.url, search, **settings)


def test_a_search_that_finds_what_the_bar_has_adds_nothing(server: ChatServer, tmp_path: Path) -> None:
    session = opened(experiment(tmp_path, server.url, {"shots": 0, "hints": False}))
    run_search(session)
    [row] = searches.found(session.store, session.id)
    assert (row.found, row.same_as) == ("task prompt, zero-shot", "zero-shot")
    assert [arm.name for arm in base_arms(session.experiment, session.splits)] == ["zero-shot"]


def test_files_of_instructions_race_under_their_names(server: ChatServer, tmp_path: Path) -> None:
    path = experiment(tmp_path, server.url, {"prompts": "prompts/*.md", "shots": 0, "hints": False})
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "named.md").write_text("Say one:\n- refund\n- card")
    (tmp_path / "prompts" / "plain.md").write_text("Which is it?")
    session = opened(path)
    run_search(session)
    trials = searches.trials(session.store, session.id, "search")
    assert {"named, zero-shot", "plain, zero-shot"} <= {trial.arm for trial in trials}


def test_a_prompt_that_was_not_found_yet_is_told_by_who_needs_it(server: ChatServer, tmp_path: Path) -> None:
    session = opened(experiment(tmp_path, server.url))
    with pytest.raises(UserError, match="the search has not found its prompt yet"):
        base_arms(session.experiment, session.splits)
