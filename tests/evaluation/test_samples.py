"""Several answers to each question: mean marks, pass@k, consistency, what is asked, and how much of it is decoding."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from chat_server import Body, ChatServer, Reply, serving
from workspaces import run, select, write_jsonl

from harness.config.contradictions import contradictions
from harness.config.schema import ExperimentConfig
from harness.evaluation.evaluate import mean_of
from harness.experiment.load import load_experiment
from harness.experiment.session import Session
from harness.stats.draws import decoding_variance
from suites.errors import UserError
from suites.metrics.samples import consistency, pass_at
from suites.model import Completion
from suites.types import Score

QUESTIONS, DRAWS = 12, 4
WORDS = ("yes", "aye", "sure")
RIGHT = {"base": (0, 1, 2), "tuned": (2, 2, 4)}


def behave(number: int, body: Body) -> Reply:
    """Of four draws some are right: of the base's none, one or two, of the fine-tune's two, two or all."""
    *_, last = body["messages"]
    asked = int(last["content"].rpartition(" ")[2])
    turn = (body["seed"] + asked) % DRAWS
    right = turn < RIGHT[body["model"]][asked % 3]
    text = WORDS[asked % 3] if right else f"no {turn}"
    message = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    return 200, {}, json.dumps({**message, "usage": {"prompt_tokens": 10, "completion_tokens": 1 + turn}}).encode()


def experiment(folder: Path, server: ChatServer, **task: Any) -> Path:
    rows = [{"id": f"q{i}", "input": f"question {i}", "target": WORDS[i % 3]} for i in range(QUESTIONS)]
    write_jsonl(folder / "test.jsonl", rows)
    content = {
        "experiment": "drawn", "model": {"name": "base", "endpoint": server.url}, "data": {"test": "test.jsonl"},
        "task": {"metrics": ["exact_match", "pass_at:2", "consistency"], "samples": DRAWS, "temperature": 0.7, **task},
        "baselines": ["zero_shot"], "candidate": {"name": "tuned", "endpoint": server.url}, "regression": [],
    }  # fmt: skip
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, ChatServer, Path]]:
    with serving() as server:
        server.behave = behave
        path = experiment(tmp_path_factory.mktemp("drawn"), server)
        yield run(path), server, path


def asked_of(server: ChatServer) -> list[Body]:
    return [body for body in server.bodies if body["messages"][-1]["content"].startswith("question")]


def test_the_mean_of_the_draws_decides_beside_pass_at_k_and_consistency(
    drawn: tuple[Session, ChatServer, Path],
) -> None:
    session, _, _ = drawn
    means = {
        (row["side"], row["metric"]): row["mean"]
        for row in select(session.store, "from v_runs where kind = 'task' and chosen")
    }
    assert means == pytest.approx({
        ("base", "exact_match"): (0 + 1 / 4 + 2 / 4) / 3, ("candidate", "exact_match"): (2 / 4 + 2 / 4 + 1) / 3,
        ("base", "pass_at:2"): (0 + 1 / 2 + 5 / 6) / 3, ("candidate", "pass_at:2"): (5 / 6 + 5 / 6 + 1) / 3,
        ("base", "consistency"): (0 + 0 + 1 / 6) / 3, ("candidate", "consistency"): (1 / 6 + 1 / 6 + 1) / 3,
    })  # fmt: skip


def test_every_draw_has_a_seed_of_its_own_and_none_is_asked_twice(drawn: tuple[Session, ChatServer, Path]) -> None:
    _, server, path = drawn
    asked = asked_of(server)
    seeds = sorted(body["seed"] for body in asked if body["model"] == "base")
    assert seeds == sorted([*range(DRAWS)] * QUESTIONS)
    assert {body["temperature"] for body in asked} == {0.7}
    content = yaml.safe_load(path.read_text())
    content["task"]["metrics"] = ["token_f1"]  # another run of the same draws
    again = path.with_name("again.yaml")
    again.write_text(yaml.safe_dump({**content, "experiment": "again"}))
    session = run(again)
    assert len(asked_of(server)) == len(asked)
    [row] = select(session.store, "select facts from v_decisions where name = 'again'")
    assert "of the gain's variance is decoding" in json.loads(row["facts"])["uncertainty"], "of graded marks too"


@pytest.mark.slow
def test_draws_that_came_before_a_kill_are_not_asked_again(
    drawn: tuple[Session, ChatServer, Path], tmp_path: Path
) -> None:
    whole, _, _ = drawn
    with serving() as server:
        path = experiment(tmp_path, server)
        process = subprocess.Popen([sys.executable, "-m", "harness", "run", str(path)], stderr=subprocess.DEVNULL)

        def slowly(number: int, body: Body) -> Reply:
            time.sleep(0.2)
            if len(asked_of(server)) >= 70:  # the base's 48, and some of the fine-tune's
                process.kill()
            return behave(number, body)

        server.behave = slowly
        assert process.wait(300) == -9
        before = len(asked_of(server))
        server.behave = behave
        session = run(path)
        asked = Counter((body["model"], body["seed"], body["messages"][-1]["content"]) for body in asked_of(server))
    assert len(asked) == 2 * QUESTIONS * DRAWS
    again = sum(asked.values()) - len(asked)
    assert again < before / 2, f"of {before} draws {again} were asked again: more than the last seconds'"
    assert not any(count > 1 for (model, _, _), count in asked.items() if model == "base"), "a finished exam is kept"
    marks = "select side, metric, mean, low, high from v_runs where kind = 'task' and experiment_id = ? order by all"
    assert select(session.store, marks, [session.id]) == select(whole.store, marks, [whole.id])


def test_a_request_costs_what_one_answer_costs(drawn: tuple[Session, ChatServer, Path]) -> None:
    session, _, _ = drawn
    rows = select(session.store, "select distinct mean_tokens_in, mean_tokens_out from v_costs")
    assert rows == [{"mean_tokens_in": 10.0, "mean_tokens_out": 2.0}]  # of 1 to 4 tokens, 2.5, rounded to even


def test_the_report_says_how_much_of_the_uncertainty_is_decoding(drawn: tuple[Session, ChatServer, Path]) -> None:
    session, _, _ = drawn
    [row] = select(session.store, "select facts from v_decisions where name = 'drawn'")
    told = json.loads(row["facts"])["uncertainty"]
    assert f"Each question was asked {DRAWS} times at temperature 0.7: 100% of the gain's variance is decoding" in told


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ({"samples": 1}, "`pass_at:2` is of several answers to a question; set `task.samples` to how many"),
        ({"temperature": 0.0}, "several answers at temperature 0 are one; set `task.temperature`, such as 0.7"),
        (
            {"metrics": ["macro_f1"]},
            "the mean of several answers is one of their marks, and `macro_f1` is of the whole",
        ),
        (
            {"metrics": ["pass_at:5", "exact_match"]},
            "`pass_at:5` takes 5 answers to a question, and `task.samples` is 4",
        ),
        ({"metrics": ["consistency"]}, "`consistency` is of answers that another metric marks; list one"),
        ({"metrics": ["pass_at:none", "exact_match"]}, "`pass_at:none` names no number of answers"),
    ],
)
def test_what_several_answers_need_is_asked_for(tmp_path: Path, task: dict[str, Any], says: str) -> None:
    with serving() as server, pytest.raises(UserError) as caught:
        load_experiment(experiment(tmp_path, server, **task))
    assert says in caught.value.what


def test_recorded_answers_are_one_to_a_question() -> None:
    task = {"samples": 2, "temperature": 0.5}
    config = ExperimentConfig.model_validate(
        {"experiment": "x", "data": {"test": "t.jsonl"}, "task": task, "baselines": [{"recorded": "a.jsonl"}],
         "candidate": {"recorded": "b.jsonl"}, "regression": []}
    )  # fmt: skip
    assert any("recorded answers are one to a question" in sentence for _, sentence in contradictions(config))


@pytest.mark.parametrize("right", range(6))
def test_pass_at_k_is_the_mean_over_every_choice_of_k(right: int) -> None:
    marks = [Score(float(i < right)) for i in range(5)]
    for k in (1, 2, 5):
        every = [max(mark.value or 0 for mark in chosen) for chosen in itertools.combinations(marks, k)]
        assert pass_at(str(k))([Completion("")] * 5, marks).value == pytest.approx(np.mean(every))


def test_one_draw_without_a_mark_leaves_the_question_without_one() -> None:
    assert pass_at("1")([Completion("")] * 2, [Score(1.0), Score(None, "cut")]) == Score(None, "cut")
    assert pass_at("3")([Completion("")] * 2, [Score(1.0)] * 2).value is None


@pytest.mark.parametrize(
    ("said", "value"), [(["a", "A ", "a."], 1), (["a", "b", "c"], 0), (["a", "a", "b"], 1 / 3), (["", ""], 1)]
)
def test_consistency_is_the_share_of_pairs_that_agree(said: list[str], value: float) -> None:
    assert consistency([Completion(text) for text in said], []).value == pytest.approx(value)


def test_the_variance_of_decoding_is_that_of_the_draws() -> None:
    rng = np.random.default_rng(0)
    marks = rng.random((300, 5)) < rng.random((300, 1))
    share = marks.mean(axis=1)
    spreads = [mean_of([Score(float(mark)) for mark in each]).spread for each in marks]
    found = decoding_variance([spread for spread in spreads if spread is not None], 5)
    assert found == pytest.approx((share * (1 - share)).mean() / 4 / 300), "m (1 - m) draws / (draws - 1) over draws"
    assert decoding_variance([], 2) is None
    assert decoding_variance([0.0], 1) is None
