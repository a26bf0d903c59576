"""A bar of other models than the candidate's base: who is asked what, at which price, what is compared with whom."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_server import Body, ChatServer, Reply, serving
from workspaces import decided, run, select, verdict, write_jsonl

from harness.cli.main import main
from harness.experiment.load import load_experiment
from harness.experiment.session import Session
from reports.outputs import markdown

N = 80
WRONG: dict[str, Callable[[int], bool]] = {
    "small": lambda question: question % 10 < 4, "tuned": lambda question: question == 0, "large": lambda _: False,
}  # fmt: skip
"""What each model gets wrong on the task; on the old suite `tuned` and `large` know all, `small` the half."""
TOKENS = {"small": (40, 2), "tuned": (40, 2), "large": (400, 20)}


def behave(number: int, body: Body) -> Reply:
    """Each model by its name: wrong where it is, and paid by its own tokens."""
    model, text = body["model"], body["messages"][-1]["content"]
    old, index = text.startswith("old"), int(text.split()[-1])
    wrong = model == "small" and index % 2 == 0 if old else WRONG[model](index)
    said = "no idea" if wrong else f"number {index}"
    read, written = TOKENS[model]
    usage = {"prompt_tokens": read + index % 7, "completion_tokens": written}
    message = {"choices": [{"message": {"content": said}, "finish_reason": "stop"}], "usage": usage}
    return 200, {}, json.dumps(message).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with serving() as server:
        server.behave = behave
        yield server


def experiment(folder: Path, server: ChatServer, **settings: Any) -> Path:
    """A tuned small model against a large one, and the small one as it was."""

    def served(name: str, **more: Any) -> dict[str, Any]:
        return {"endpoint": server.url, "name": name, "concurrency": 16, **more}

    for split, count in (("validation", 20), ("test", N)):
        rows = [{"id": f"{split}{i}", "input": f"{split} {i}", "target": f"number {i}"} for i in range(count)]
        write_jsonl(folder / f"{split}.jsonl", rows)
    old = [{"id": f"o{i}", "input": f"old {i}", "target": f"number {i}"} for i in range(40)]
    write_jsonl(folder / "old" / "examples.jsonl", old)
    (folder / "old" / "suite.yaml").write_text("name: old\nmetrics: [exact_match]\nmax_new_tokens: 8\n")
    price = {"input": 2.5, "output": 10.0}
    content = {
        "experiment": "small-for-large",
        "model": served("small"),
        "data": {"validation": "validation.jsonl", "test": "test.jsonl"},
        "task": {"prompt": "Say the number."},
        "baselines": [
            "zero_shot",
            {"zero_shot": {}, "model": served("large", price=price)},
            {"zero_shot": "Be brief.", "name": "brief", "model": served("large", price=price)},
        ],
        "candidate": served("tuned"),
        "regression": [{"suite": "old", "against": "bar", "margin": 0.2}],
        "policy": {"goal": "as_good_and_cheaper", "margin": 0.1, "min_saving": "50%"},
        "costs": {
            "baseline": {"input": 0.1, "output": 0.4},
            "candidate": {"input": 0.1, "output": 0.4},
            "training": 20,
        },
        **settings,
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def session(server: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Session:
    return run(experiment(tmp_path_factory.mktemp("other"), server))


def test_a_small_tuned_model_takes_the_place_of_a_large_one(session: Session) -> None:
    assert verdict(session) == "deploy"
    gates = {gate.gate_id: gate for gate in decided(session).gates}
    assert {name: gates[name].status for name in ("gain", "saving", "every_prompt", "regression/old")} == dict.fromkeys(
        ("gain", "saving", "every_prompt", "regression/old"), "pass"
    )
    assert gates["gain"].name == "as good as the best prompt"
    assert gates["saving"].value == pytest.approx(0.996, abs=0.001)


def test_the_best_prompt_is_chosen_among_all_models_and_each_is_paid_by_its_own_price(session: Session) -> None:
    arms = {arm.arm: arm for arm in decided(session).arms_on("task") if arm.side == "base"}
    assert set(arms) == {"zero-shot", "large, zero-shot", "brief"}
    assert [name for name, arm in arms.items() if arm.chosen] == ["large, zero-shot"]
    per_thousand = {name: arm.cost for name, arm in arms.items()}
    assert per_thousand["zero-shot"] == pytest.approx((43 * 0.1 + 2 * 0.4) / 1000, rel=0.01)
    assert per_thousand["brief"] == pytest.approx((403 * 2.5 + 20 * 10) / 1000, rel=0.01)
    prices = {(price.side, price.model): price.input for price in decided(session).prices}
    assert prices == {("base", ""): 0.1, ("base", "large"): 2.5, ("candidate", ""): 0.1}


def test_a_regression_suite_is_held_against_the_own_base_and_against_the_bar_where_asked(session: Session) -> None:
    rows = select(session.store, "from comparisons where kind = 'regression' order by position")
    assert [(row["suite"], row["baseline_arm"], row["baseline"]) for row in rows] == [
        ("old", "base", 0.5),
        ("old", "large", 1.0),
    ]
    told = {gate.gate_id: gate.name for gate in decided(session).gates}
    assert (told["regression/old"], told["regression/old/large"]) == ("old", "old against large")


def test_the_candidate_gets_the_prompts_of_the_bar_and_not_its_models_names(session: Session) -> None:
    tried = {arm.arm for arm in decided(session).arms_on("validation") if arm.side == "candidate"}
    assert tried == {"candidate (zero-shot)", "candidate (brief)"}


def test_another_model_is_told_and_makes_nothing_incomparable(session: Session) -> None:
    [gate] = [gate for gate in decided(session).gates if gate.gate_id == "comparable"]
    assert gate.status == "pass"
    assert gate.measured.endswith("large is another model than the candidate's base")


def test_the_report_names_the_bar_its_price_and_its_server(session: Session) -> None:
    text = markdown.render(decided(session), {})
    assert "bar: large at " in text
    assert "| large | as given | 2.5 / 10 |" in text
    assert "server (large)" in text


def test_it_is_decided_again_from_the_record_alone(session: Session, server: ChatServer) -> None:
    asked = len(server.bodies)
    assert main(["decide", str(session.experiment.path)]) == 0
    assert len(server.bodies) == asked


@pytest.mark.slow
def test_a_candidate_that_is_its_own_base_is_found_out_beside_other_models(server: ChatServer, tmp_path: Path) -> None:
    path = experiment(tmp_path, server, candidate={"endpoint": server.url, "name": "small"})
    gates = {gate.gate_id: gate for gate in decided(run(path)).gates}
    assert gates["candidate"].status == "fail"


@pytest.mark.slow
def test_a_candidate_that_answers_as_a_large_model_does_is_no_accident(server: ChatServer, tmp_path: Path) -> None:
    WRONG["tuned"], was = WRONG["large"], WRONG["tuned"]
    try:
        session = run(experiment(tmp_path, server))
    finally:
        WRONG["tuned"] = was
    assert verdict(session) == "deploy"


@pytest.mark.slow
def test_a_price_that_is_missing_is_named_and_nothing_is_won_on_it(server: ChatServer, tmp_path: Path) -> None:
    path = experiment(tmp_path, server)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for entry in content["baselines"][1:]:
        del entry["model"]["price"]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    session = run(path)
    assert verdict(session) == "inconclusive"
    [gate] = [gate for gate in decided(session).gates if gate.gate_id == "saving"]
    assert gate.measured == "large, zero-shot has no price (`baselines.1.model.price`)"
    findings = [finding.message for finding in decided(session).findings if finding.check_name == "unpriced"]
    assert "`baselines.1.model.price`, `baselines.2.model.price`" in findings[0]


def test_new_settings_that_are_not_used_give_no_experiment_another_id(server: ChatServer, tmp_path: Path) -> None:
    path = experiment(tmp_path, server, policy={}, baselines=["zero_shot"], regression=["old"])
    frozen = json.loads(load_experiment(path).frozen())
    assert not {"goal", "margin", "min_saving"} & set(frozen["config"]["policy"])
    assert "model" not in frozen["config"]["baselines"][0]
    assert "against" not in frozen["config"]["regression"][0]
