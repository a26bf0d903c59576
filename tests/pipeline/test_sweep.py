"""A search for settings: every trial on record, poor ones cut short, the best one used; and gone on with later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
import tiny_models
import torch
from workspaces import decided, opened, run, select, tiny_training, verdict

from harness.config.training import TrainingSection
from harness.pipeline import order, sweep
from harness.training import TrainingPruned
from reports.outputs import markdown

SPACE = {"learning_rate": {"low": 1.0e-6, "high": 2.0e-2}, "rank": [4, 8]}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_models.build("qwen2", tmp_path_factory.mktemp("models") / "base")


def test_the_best_trial_is_what_is_trained(base: Path, tmp_path: Path) -> None:
    path = tiny_training(tmp_path, base, epochs=4, sweep={"trials": 3, "space": SPACE})
    session = run(path)
    assert verdict(session)
    rows = select(session.store, "select * from v_repeats where kind = 'trial' order by position")
    assert [row["state"] for row in rows] == ["done"] * 3
    best = max(rows, key=lambda row: (row["value"], -row["position"]))
    [used] = select(session.store, "select distinct training_id, config from v_training")
    assert used["training_id"] == best["training_id"]
    config = json.loads(used["config"])
    assert {name: config[name] for name in SPACE} == json.loads(best["settings"])
    for row in rows:
        assert f"rank {json.loads(row['settings'])['rank']} | {row['value']:.1%} " in markdown.render(
            decided(session), {}
        )
    assert all(1e-6 <= json.loads(row["settings"])["learning_rate"] <= 2e-2 for row in rows)
    order.do(opened(path), "train")
    assert len(select(session.store, "select 1 from training")) == len({row["training_id"] for row in rows})
    [folder] = session.out.glob("model-*")  # of the losers the record is kept, not the weights
    assert folder.name == f"model-{best['training_id'][:12]}"


@pytest.mark.slow
def test_a_trial_that_lost_is_trained_again_when_it_is_what_is_asked_for(base: Path, tmp_path: Path) -> None:
    path = tiny_training(tmp_path, base, epochs=1, sweep={"trials": 3, "space": SPACE})
    session = opened(path)
    for stage in ("check", "baseline", "train"):
        order.do(session, stage)
    sql = "select training_id, settings from v_repeats where kind = 'trial' order by value, position desc limit 1"
    [worst] = select(session.store, sql)
    again = run(tiny_training(tmp_path, base, epochs=1, **json.loads(worst["settings"])))
    [used] = select(
        again.store, "select distinct training_id, folder from v_training where experiment_id = ?", [again.id]
    )
    assert used["training_id"] == worst["training_id"]
    assert (Path(used["folder"]) / "adapter_model.safetensors").is_file()
    assert verdict(again)


def test_an_interrupted_sweep_goes_on_after_its_last_trial(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_training(tmp_path, base, epochs=1, sweep={"trials": 3, "space": SPACE})
    session = opened(path)
    for stage in ("check", "baseline", "train"):
        order.do(session, stage)
    trials = "select settings, value from v_repeats where kind = 'trial' order by position"
    straight = select(session.store, trials)
    with session.store.connect() as con:
        con.execute("delete from repeats where position > 0")
    capsys.readouterr()
    order.do(opened(path), "train")
    told = capsys.readouterr().err
    assert "trial 2: " in told
    assert "trial 1: " not in told
    assert select(session.store, trials) == straight, "it tries what it would have tried"


def test_a_trial_below_the_median_of_others_is_cut_short() -> None:
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner())

    def scores(values: Sequence[float]) -> int:
        """How many evaluations a trial with these scores is given."""
        trial = study.ask()
        look = sweep._pruner(trial)
        for seen, value in enumerate(values, 1):
            try:
                look(10 * seen, 10 * len(values), {"score": value, "eval_loss": 1.0})
            except TrainingPruned:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return seen
        study.tell(trial, values[-1])
        return len(values)

    assert [scores([0.5 + 0.01 * i, 0.6, 0.7]) for i in range(6)] == [3] * 6
    assert scores([0.9, 0.9, 0.9]) == 3
    assert scores([0.1, 0.1, 0.1]) == 1


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({"seeds": [1, 2]}, "cannot vary seeds"),
        ({"rank": {"low": 8, "high": 4}}, "`low` is below `high`"),
        ({"rank": [0, 4]}, "greater than or equal to 1"),
        ({"rank": {"low": 4, "high": 8, "log": True}}, r"rank\.range\.log\n  Extra inputs"),
        ({"rank": 4}, "valid dictionary"),
        ({}, "at least 1 item"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(space: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TrainingSection.model_validate({"sweep": {"space": space}})
