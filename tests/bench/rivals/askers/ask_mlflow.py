"""MLflow: `mlflow.evaluate` of both arms' answers and `validate_evaluation_results`; no exception ships.

`min_absolute_change` must be above 0; 0.001 is less than one answer. It cannot be negative, so the second suite has a
`threshold`: the base's score less what may be lost. Its judges grade one answer at a time.
"""

import logging
import os
import tempfile
import warnings
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import MetricThreshold
from recorded import MARGIN, NO_JUDGE, Answer, Recorded, answer_all

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
warnings.simplefilter("ignore", FutureWarning)
logging.getLogger("mlflow").setLevel(logging.ERROR)
METRIC = "exact_match/v1"


def ask(recorded: Recorded, work: Path) -> Answer:
    if recorded.judged:
        return NO_JUDGE
    results = {
        (arm, suite): _evaluate(recorded, arm, suite) for arm in ("prompted", "tuned") for suite in recorded.suites
    }
    floor = results["prompted", "second"].metrics[METRIC] - MARGIN
    rules = {"exam": {"min_absolute_change": 0.001}, "second": {"threshold": floor}}
    said = {
        suite: _validate(rule, results["tuned", suite], results["prompted", suite]) for suite, rule in rules.items()
    }
    return all(said.values()), ", ".join("passes" if passed else "fails" for passed in said.values())


def _evaluate(recorded: Recorded, arm: str, suite: str) -> mlflow.models.EvaluationResult:
    answers = recorded.by_input(arm, suite)
    rows = [
        {"question": r["input"], "answer": answers[r["input"]], "target": r["target"]} for r in recorded.suites[suite]
    ]
    return mlflow.models.evaluate(
        data=pd.DataFrame(rows),
        predictions="answer",
        targets="target",
        extra_metrics=[mlflow.metrics.exact_match()],
        evaluators="default",
    )


def _validate(
    rule: dict[str, float], candidate: mlflow.models.EvaluationResult, baseline: mlflow.models.EvaluationResult
) -> bool:
    try:
        mlflow.validate_evaluation_results(
            {METRIC: MetricThreshold(**rule, greater_is_better=True)}, candidate, baseline
        )
    except MlflowException:
        return False
    return True


with tempfile.TemporaryDirectory() as store:
    mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("rivals", artifact_location=f"{store}/artifacts"))
    answer_all(ask)
