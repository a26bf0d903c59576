"""A prompt whose answers are held to labels stands in the bar beside the same with free answers, for both sides."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models
import torch
import yaml
from workspaces import decided, opened, run, select, write_jsonl

from baselines.arm import Asking, Prompter
from harness.experiment.arms import base_arms
from harness.experiment.session import Session
from harness.models.cache import Cached
from harness.models.hf.model import HFModel
from harness.pipeline.check import check
from harness.selftest import run as selftest
from harness.store.database import Store
from reports.outputs import markdown
from reports.sections import shipping
from suites.errors import UserError
from suites.model import Completion, Constraint, Generation, ModelSpec, Prompt

LABELS = ["card arrival", "refund"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    return tiny_models.build("qwen2", folder / "base"), tiny_models.build("qwen2", folder / "tuned", seed=1)


def experiment(folder: Path, models: tuple[Path, Path], **settings: object) -> Path:
    for split, count in (("train", 24), ("validation", 10), ("test", 40)):
        rows = [{"id": f"{split}{i}", "input": f"{split} ticket {i}", "target": LABELS[i % 2]} for i in range(count)]
        write_jsonl(folder / f"{split}.jsonl", rows)
    content = {
        "experiment": "held",
        "model": str(models[0]),
        "data": {split: f"{split}.jsonl" for split in ("train", "validation", "test")},
        "task": {"prompt": "Route it.", "max_new_tokens": 16},
        "baselines": ["zero_shot", {"zero_shot": {"constrain": True}}],
        "candidate": str(models[1]),
        "regression": [],
        "policy": {"max_truncated": 1.0, "suspicious_gain": 1.0, "constant_answers": "warn"},
        **settings,
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, models: tuple[Path, Path]) -> Session:
    return run(experiment(tmp_path_factory.mktemp("held"), models))


def said(session: Session, arm: str) -> set[str]:
    sql = "select distinct c.text from v_completions c join v_runs r using (run_id) where r.arm = $1"
    return {row["text"] for row in select(session.store, sql, [arm])}


def test_held_answers_are_labels_and_free_ones_are_what_the_model_says(finished: Session) -> None:
    assert said(finished, "zero-shot constrained") <= set(LABELS)
    assert not said(finished, "zero-shot") & set(LABELS)


def test_the_candidate_is_asked_both_ways_too(finished: Session) -> None:
    sql = "select distinct arm from v_runs where side = 'candidate' and kind = 'validation'"
    assert {row["arm"] for row in select(finished.store, sql)} == {
        "candidate (zero-shot)", "candidate (zero-shot constrained)"
    }  # fmt: skip


def test_the_report_says_how_much_of_the_gain_is_format_alone(finished: Session) -> None:
    told = decided(finished).facts.format
    assert told.startswith("Of the gain over zero-shot (+")
    assert "are format alone: the same prompt held to the labels scores" in told
    assert told in markdown.render(decided(finished), {}).replace("\\", "")


def test_that_answers_are_what_they_were_held_to_is_a_rule(finished: Session) -> None:
    gates = {gate.gate_id: gate for gate in decided(finished).gates}
    assert gates["held"].status == "pass"
    assert gates["held"].measured.startswith("all of ")


def test_answers_that_a_server_no_longer_held_make_the_verdict_invalid(
    finished: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "TESTS", {"constraint ignored": selftest.TESTS["constraint ignored"]})
    [outcome] = selftest.run(finished)
    assert (outcome.status, outcome.got) == ("pass", "invalid by held")


def test_what_its_answers_are_held_to_ships_with_the_prompt(finished: Session, tmp_path: Path) -> None:
    data = decided(finished)
    shipping.write(replace(data, decision=replace(data.decision, verdict="deploy")), tmp_path)
    prompt = json.loads((tmp_path / shipping.PROMPT_FILE).read_text())
    assert prompt["messages"][0] == {"role": "system", "content": "Route it."}
    assert prompt["constrain"] == {"choice": LABELS}


def test_the_same_command_again_asks_nothing(finished: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HFModel, "generate", lambda *_, **__: pytest.fail("asked again"))
    assert decided(run(finished.experiment.path)).facts.format == decided(finished).facts.format


def test_what_an_interruption_left_undone_is_done_as_it_would_have_been(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    prompts = [Prompt(str(i), [{"role": "user", "content": f"ticket {i}" * (1 + i)}]) for i in range(6)]
    generation = Generation(16, constraint=Constraint("choice", json.dumps(LABELS)))
    model = HFModel(ModelSpec(base=str(models[0])))
    whole = model.generate(prompts, generation)
    cached = Cached(model, Store(tmp_path / "s.duckdb"))
    assert [done.text for done in cached.generate(prompts[:2], generation)] == [done.text for done in whole[:2]]
    asked: list[int] = []
    inner = model.generate

    def counting(prompts: list[Prompt], *args: object, **settings: object) -> list[Completion]:
        asked.append(len(prompts))
        return inner(prompts, *args, **settings)  # type: ignore[arg-type]

    model.generate = counting  # type: ignore[method-assign,assignment]
    assert [done.text for done in cached.generate(prompts, generation)] == [done.text for done in whole]
    assert asked == [4]


def test_a_limit_that_cuts_a_label_is_told_before_anything_is_asked(models: tuple[Path, Path], tmp_path: Path) -> None:
    session = opened(experiment(tmp_path, models, task={"prompt": "Route it.", "max_new_tokens": 3}))
    with pytest.raises(UserError, match="the longest answer that `constrain` allows has"):
        check(session)


def test_what_answers_are_held_to_is_the_schema_else_the_labels_or_the_pattern(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "s.json").write_text('{"enum": ["b", "a"]}', encoding="utf-8")
    baselines = [
        {"zero_shot": {"constrain": True}},
        {"zero_shot": {"constrain": {"regex": "[a-z]+"}}, "name": "letters"},
    ]
    path = experiment(tmp_path, models, baselines=baselines)
    constraints = [arm.prompter.asking.constraint for arm in _arms(path)]
    assert constraints == [Constraint("choice", json.dumps(LABELS)), Constraint("regex", "[a-z]+")]
    path = experiment(tmp_path, models, baselines=baselines[:1], task={"schema": "s.json", "metrics": ["json_schema"]})
    assert [arm.prompter.asking.constraint for arm in _arms(path)] == [
        Constraint("json_schema", '{"enum": ["b", "a"]}')
    ]


def test_a_rule_that_finds_the_whole_of_a_held_answer_may_stand_beside_it(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    """As a bar needs in which another prompt reasons first."""
    path = experiment(tmp_path, models, task={"answer": "last_line"})
    assert _arms(path)[1].prompter.asking.constraint == Constraint("choice", json.dumps(LABELS))
    with pytest.raises(UserError, match="is not what `task"):
        _arms(experiment(tmp_path, models, task={"answer": "json"}))


def test_free_text_is_nothing_to_hold_answers_to(models: tuple[Path, Path], tmp_path: Path) -> None:
    path = experiment(tmp_path, models)
    write_jsonl(tmp_path / "train.jsonl", [{"input": f"i {i}", "target": f"free text {i}"} for i in range(20)])
    with pytest.raises(UserError, match="there is nothing to hold answers to"):
        _arms(path)


def _arms(path: Path):  # type: ignore[no-untyped-def]
    session = opened(path)
    return base_arms(session.experiment, session.splits)


def test_a_constraint_makes_another_prompt_and_its_absence_none() -> None:
    held = Prompter("p", "Route it.", asking=Asking(constraint=Constraint("regex", "a")))
    assert Prompter("p", "Route it.").digest == Prompter("p", "Route it.", asking=Asking()).digest != held.digest
    assert "constraint" not in Generation().settings()
    assert Generation(constraint=Constraint("regex", "a")).settings() != Generation().settings()
