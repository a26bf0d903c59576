"""The ids of experiments and trainings on record stay as they are, read from cases/ids.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config.schema import ExperimentConfig
from harness.experiment.load import Experiment
from harness.experiment.training_data import settings
from suites.data.examples import sha256_json

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "ids.yaml").read_text(encoding="utf-8"))


def experiment(text: str) -> Experiment:
    return Experiment(ExperimentConfig.model_validate(yaml.safe_load(text)), Path("experiment.yaml"), {})


@pytest.mark.parametrize("case", CASES, ids=lambda case: yaml.safe_load(case["text"])["experiment"])
def test_an_experiment_and_its_training_keep_their_ids(case: dict[str, Any]) -> None:
    asked = experiment(case["text"])
    assert asked.id == case["id"]
    if "training" in case:
        assert sha256_json(settings(asked).model_dump()) == case["training"]
