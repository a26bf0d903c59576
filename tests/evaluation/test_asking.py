"""Reasoning before the answer, thinking on request, and several votes: what is asked, marked, counted and paid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_server import Body, ChatServer, Reply, answer, serving
from workspaces import decided, recorded_experiment, run, select, write_jsonl

from harness.experiment.session import Session
from harness.pipeline.how_far import how_far
from reports.outputs import markdown

BASELINES = [
    "zero_shot", {"chain_of_thought": {"max_thinking_tokens": 30}}, {"zero_shot": {"max_thinking_tokens": 50}},
    {"zero_shot": {"self_consistency": 3}},
]  # fmt: skip
NUMBERS = 40


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving() as server:
        server.behave = behave
        yield server


def said(text: str, tokens: int) -> Reply:
    message = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    return 200, {}, json.dumps({**message, "usage": {"prompt_tokens": 10, "completion_tokens": tokens}}).encode()


def behave(number: int, body: Body) -> Reply:
    """A model that can add when it reasons, guesses when it does not, and gets two of three draws right."""
    *_, last = body["messages"]
    a, b = map(int, last["content"].split("+"))
    if body["model"] == "tuned":
        return said(f"{a + b}", 1)
    if "Think step by step" in body["messages"][0]["content"]:
        return said(f"{a} and {b}\nmake {a + b}\n\n**Answer:** {a + b}", 20)
    if body.get("chat_template_kwargs", {}).get("enable_thinking"):
        return said(f"<think>\n{a + b}? No.\n</think>\n\n{a}", 30)
    right = body["temperature"] and body["seed"] % 3 != a % 3
    return said(f"{a + b if right else a}", 1)


def experiment(folder: Path, server: ChatServer, **settings: Any) -> Path:
    for split, count in (("validation", 20), ("test", NUMBERS)):
        first = 0 if split == "test" else 100
        rows = [
            {"id": f"{split}{i}", "input": f"{first + i}+7", "target": f"it is\n{first + i + 7}"} for i in range(count)
        ]
        write_jsonl(folder / f"{split}.jsonl", rows)
    content = {
        "experiment": "sums", "model": {"name": "base", "endpoint": server.url},
        "data": {"validation": "validation.jsonl", "test": "test.jsonl"},
        "task": {"prompt": "Add.", "answer": "last_line", "max_new_tokens": 8}, "baselines": BASELINES,
        "candidate": {"name": "tuned", "endpoint": server.url}, "regression": [], **settings,
    }  # fmt: skip
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, list[Body]]]:
    """An experiment with every way of asking, and what the server was asked."""
    with serving() as server:
        server.behave = behave
        yield run(experiment(tmp_path_factory.mktemp("asked"), server)), server.bodies


def test_every_way_of_asking_is_an_arm_read_by_one_rule_with_its_real_cost(asked: tuple[Session, list[Body]]) -> None:
    session, _ = asked
    arms = {row["arm"]: row for row in select(session.store, "from v_runs where side = 'base' and suite = 'test'")}
    assert {name: row["mean"] for name, row in arms.items()} == {
        "zero-shot": 0.0, "chain of thought": 1.0, "zero-shot thinking": 0.0, "zero-shot x3": 1.0,
    }  # fmt: skip
    costs = "select arm, c.* from v_costs c join v_runs r using (run_id) where side = 'base' and suite = 'test'"
    tokens = {row["arm"]: (row["mean_tokens_in"], row["mean_tokens_out"]) for row in select(session.store, costs)}
    assert tokens == {
        "zero-shot": (10, 1), "chain of thought": (10, 20), "zero-shot thinking": (10, 30), "zero-shot x3": (30, 3),
    }  # fmt: skip
    chosen = [name for name, row in arms.items() if row["chosen"]]
    assert chosen == ["chain of thought"], "of the two that are right, the one that is listed first or reads less"
    [row] = select(
        session.store, "from v_completions where arm = 'chain of thought' and suite = 'test' and example_id = 'test5'"
    )
    assert (row["text"], row["target"], row["raw"]) == ("12", "12", "5 and 7\nmake 12\n\n**Answer:** 12")
    assert "chain of thought" in markdown.render(decided(session), {})


def test_the_bar_says_how_far_prompting_goes_and_what_more_tokens_buy(asked: tuple[Session, list[Body]]) -> None:
    session, _ = asked
    assert how_far(session) == [
        "prompting goes this far: chain of thought scores 100.0% [91.2%, 100.0%], n = 40, for 30 tokens a request",
        "the last 19 of them gained +100.0 points [+82.5, +100.0], n=40, over zero-shot (0.0%)",
        "10 tokens more, for zero-shot thinking, gained -100.0 points [-100.0, -82.5], n=40; at that rate the "
        "next 1,000 tokens would bring -100.0 to -100.0",
        "a fine-tune cannot gain +2.0 points over that: 0.0 are left",
    ]


def test_what_is_asked_says_how_much_room_there_is_and_draws_with_other_seeds(
    asked: tuple[Session, list[Body]],
) -> None:
    _, bodies = asked
    base = [body for body in bodies if body["model"] == "base"]
    reasoned = [body for body in base if "Think step" in body["messages"][0]["content"]]
    thinking = [body for body in base if "chat_template_kwargs" in body]
    drawn = [body for body in base if body["temperature"]]
    assert {body["max_tokens"] for body in reasoned} == {38}
    assert {body["max_tokens"] for body in thinking} == {58}
    assert {(body["temperature"], body["seed"]) for body in drawn} == {(0.7, 0), (0.7, 1), (0.7, 2)}
    assert len(drawn) == 3 * (NUMBERS + 20)
    candidates = [body for body in bodies if body["model"] == "tuned"]
    assert len([b for b in candidates if "chat_template_kwargs" in b]) == 20, "the candidate rehearses every way, too"


def test_votes_that_are_on_record_are_not_asked_for_again(tmp_path: Path, server: ChatServer) -> None:
    path = experiment(tmp_path, server, baselines=[{"zero_shot": {"self_consistency": 3}}])
    answered: list[tuple[str, int]] = []

    def half(number: int, body: Body) -> Reply:
        if body["model"] == "base" and len(answered) >= 50:
            return 400, {}, b"no more today"
        if body["model"] == "base":
            answered.append((body["messages"][-1]["content"], body["seed"]))
        return behave(number, body)

    server.behave = half
    run(path)
    before = len(server.bodies)
    server.behave = behave
    session = run(path)
    again = [(b["messages"][-1]["content"], b["seed"]) for b in server.bodies[before:] if b["model"] == "base"]
    assert (len(again), set(again) & set(answered)) == (3 * NUMBERS - 50, set())
    [row] = select(session.store, "from v_runs where side = 'base' and suite = 'test'")
    assert (row["mean"], row["n_unscored"]) == (1.0, 0)
    assert not select(session.store, "from v_completions where suite = 'test' and error is not null")


def test_how_far_prompting_goes_is_told_without_tokens_that_nobody_counted(tmp_path: Path) -> None:
    answers = ["yes", "no"] * 60
    session = run(recorded_experiment(tmp_path, answers, ["yes"] * 120))
    assert how_far(session) == [
        "prompting goes this far: prompted scores 50.0% [41.2%, 58.8%], n = 120",
        "a fine-tune has 50.0 points of room above that and is asked to gain +2.0; 120 test rows can tell a true "
        "gain of about 13.4 points",
    ]


def test_what_a_cheaper_candidate_may_lose_is_told_where_that_is_the_goal(tmp_path: Path) -> None:
    policy = {"goal": "as_good_and_cheaper", "margin": 0.05}
    session = run(recorded_experiment(tmp_path, ["yes", "no"] * 60, ["yes"] * 120, policy=policy))
    assert how_far(session)[-1].startswith(
        "a candidate may lose 5.0 points of that, and has to be cheaper; one that is"
    )


def test_what_copying_a_row_does_and_answers_that_are_no_label_are_told(tmp_path: Path) -> None:
    """The nearest training row has the right colour for nine of ten questions; every other answer is a sentence."""
    colours = [("red", "blue")[i % 2] for i in range(40)]
    things = [f"thing{i} beside{i * 7 % 41}" for i in range(40)]
    train = [{"id": f"r{i}", "input": f"{things[i]} please", "target": c} for i, c in enumerate(colours)]
    exam = [{"id": f"q{i}", "input": f"what of {things[i]}", "target": c} for i, c in enumerate(colours)]
    exam = [{**row, "target": "blue"} if i % 20 in (0, 2) else row for i, row in enumerate(exam)]

    def reply(number: int, body: Body) -> Reply:
        at = int(re.findall(r"thing(\d+)", body["messages"][-1]["content"])[0])
        return answer(f"It is {exam[at]['target']}." if at % 2 else str(exam[at]["target"]))

    write_jsonl(tmp_path / "train.jsonl", train)
    write_jsonl(tmp_path / "test.jsonl", exam)
    content = {
        "experiment": "colours", "data": {"train": "train.jsonl", "test": "test.jsonl"}, "regression": [],
        "baselines": ["zero_shot"], "task": {"prompt": "Is it red or blue?"},
    }  # fmt: skip
    with serving() as server:
        server.behave = reply
        models = {name: {"name": name, "endpoint": server.url} for name in ("base", "tuned")}
        content |= {"model": models["base"], "candidate": models["tuned"]}
        (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(content))
        told = how_far(run(tmp_path / "experiment.yaml"))
    copied = "copying the answer of the nearest training row (BM25), without a model, scores 90.0%; zero-shot gained "
    assert [line for line in told if line.startswith(copied)]
    assert (
        "20 of 40 answers of zero-shot are none of the 2 labels; no prompt that was tried is held to them, as "
        "`labels: {constrain: true}` below `baselines` is"
    ) in told
