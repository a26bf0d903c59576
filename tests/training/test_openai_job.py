"""Training at a fine-tuning API, against a real local server: started once, waited for, cancelled, paid, examined."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from fine_tuning_api import Api, serving
from workspaces import run, select, verdict, write_jsonl

from harness.cli.main import main
from harness.cli.signals import ending_kindly
from harness.config.training import TrainingSection
from harness.training import TrainingData, TrainingResult, TrainRow
from harness.training.elsewhere import openai_job
from suites.errors import UserError
from suites.model import ModelSpec

ROWS = [TrainRow([{"role": "user", "content": w}], w) for w in ("a", "b", "c")]


def train(api: Api, out: Path, **changes: Any) -> TrainingResult:
    settings = {"model": "tiny", "poll_seconds": 0.01, **changes}
    job = openai_job.Job(endpoint=api.url, **settings)
    return openai_job.run(ModelSpec("tiny", endpoint=api.url), TrainingData(ROWS, ROWS[:1]), job, 7, out)


def test_a_job_is_started_waited_for_and_paid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FT_KEY", "secret-key")
    with serving(Api(polls=3, down=2)) as api:
        result = train(
            api, tmp_path / "out", api_key_env="FT_KEY", price_per_million=3.0, hyperparameters={"n_epochs": 2}
        )
    assert (result.spec.base, result.spec.endpoint, result.spec.api_key_env) == ("ft:tiny:1", api.url, "FT_KEY")
    assert result.cost == pytest.approx(6.0)
    [job] = api.jobs
    assert job == {
        "model": "tiny", "seed": 7, "training_file": "file-1", "validation_file": "file-2",
        "hyperparameters": {"n_epochs": 2},
    }  # fmt: skip
    assert api.files[0].count(b'"messages"') == 3
    assert b'name="purpose"' in api.files[0]
    assert api.keys == {"Bearer secret-key"}
    record = json.loads((tmp_path / "out" / "job.json").read_text())
    assert record["fine_tuned_model"] == "ft:tiny:1"


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("kind", "cancelled"), [(signal.SIGINT, ["job-1"]), (signal.SIGTERM, [])])
def test_ctrl_c_cancels_the_job_and_the_end_of_the_machine_does_not(
    kind: signal.Signals, cancelled: list[str], tmp_path: Path
) -> None:
    with serving(Api(polls=10_000)) as api, ending_kindly():

        def interrupt() -> None:
            while not api.jobs:
                time.sleep(0.01)
            time.sleep(0.2)
            os.kill(os.getpid(), kind)

        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            train(api, tmp_path / "out")
    assert api.cancelled == cancelled
    assert not (tmp_path / "out").exists()


def test_a_wait_that_broke_off_goes_on_with_the_same_job(tmp_path: Path) -> None:
    with serving(Api(polls=10_000)) as api:
        with pytest.raises(UserError, match="still running"):
            train(api, tmp_path / "out", timeout_hours=1e-6)
        api.polls = 1
        assert train(api, tmp_path / "out").spec.base == "ft:tiny:1"
    assert len(api.jobs) == 1


def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    with serving(Api(polls=1, ends="failed")) as api, pytest.raises(UserError, match="failed: row 3 is too long"):
        train(api, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_refusal_is_told_without_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FT_KEY", "secret-key")
    with serving(Api()) as api, pytest.raises(UserError, match="no such model") as told:
        train(api, tmp_path / "out", model="unknown", api_key_env="FT_KEY")
    assert "secret-key" not in str(told.value)


def test_the_rows_do_not_follow_a_redirect(tmp_path: Path) -> None:
    with serving(Api()) as api, pytest.raises(UserError, match=r"redirects to 'http://elsewhere\.example/"):
        train(api, tmp_path / "out", model="moved")


def test_a_server_that_is_not_there_or_a_key_that_is_not_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="could not be started"):
        train(_nowhere(), tmp_path / "out")
    with pytest.raises(UserError, match="NO_SUCH_KEY is not set"):
        train(_nowhere(), tmp_path / "out", api_key_env="NO_SUCH_KEY")


def _nowhere() -> Api:
    api = Api()
    api.url = "http://127.0.0.1:9/v1"
    return api


def hosted(tmp_path: Path, api: Api, **settings: Any) -> Path:
    """An experiment whose base and fine-tune are both at the API."""
    for split, count in (("train", 6), ("test", 40)):
        rows = [{"id": f"{split}{i}", "input": f"{split} {i}", "target": "order"} for i in range(count)]
        write_jsonl(tmp_path / f"{split}.jsonl", rows)
    job = {"endpoint": api.url, "model": "tiny", "poll_seconds": 0.01, "price_per_million": 3.0}
    content = {
        "experiment": "hosted",
        "model": {"endpoint": api.url, "name": "tiny"},
        "data": {"train": "train.jsonl", "test": "test.jsonl"},
        "baselines": ["zero_shot"],
        "training": {"openai_job": job},
        "regression": [],
        "policy": {"suspicious_gain": 1.0},
        **settings,
    }
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_tuned_endpoint_takes_the_exam(tmp_path: Path) -> None:
    with serving(Api()) as api:
        session = run(hosted(tmp_path, api))
    assert verdict(session) == "deploy"
    assert api.asked == {"tiny", "ft:tiny:1"}


@pytest.mark.parametrize(("costs", "cost"), [({}, 6.0), ({"training": 60}, 60.0)])
def test_what_the_api_charged_is_what_the_training_cost_unless_the_file_says_otherwise(
    costs: dict[str, Any], cost: float, tmp_path: Path
) -> None:
    prices = {"baseline": {"input": 4, "output": 16}, "candidate": {"input": 1, "output": 4}, **costs}
    with serving(Api()) as api:
        session = run(hosted(tmp_path, api, costs=prices))
    [row] = select(session.store, "select training_cost, upkeep from v_break_even")
    assert (row["training_cost"], row["upkeep"]) == pytest.approx((cost, cost / 6))


def test_no_tokenizer_of_ours_is_looked_for_where_the_api_reads_the_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Api()) as api:
        assert main(["check", str(hosted(tmp_path, api))]) == 0
    assert "tiny" not in capsys.readouterr().err


def test_every_share_of_a_learning_curve_would_be_another_bill(tmp_path: Path) -> None:
    job = {"endpoint": "http://localhost:1/v1", "model": "tiny"}
    for setting in ({"learning_curve": [0.5, 1.0]}, {"seeds": 2}, {"sweep": {"space": {"rank": [4, 8]}}}):
        with pytest.raises(ValueError, match=f"{next(iter(setting))}`"):
            TrainingSection.model_validate({"openai_job": job, **setting})
