"""The portable decision record, `decision.json`: what was decided, on which numbers, from which files and models.

For deployment tools and archives: no paths of the machine and no answers, only what the decision rests on. The JSON
Schema is printed by `harness schema --record`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from reports.data import ArmRow, ReportData
from reports.rows import TrainingRow


class Part(BaseModel):
    """Rows of a view: what a record does not name is left out, and a number is finite."""

    model_config = ConfigDict(extra="ignore", from_attributes=True, allow_inf_nan=False)


class Decided(Part):
    """The verdict and the sentences that say why."""

    verdict: Literal["deploy", "keep_prompting", "reject", "inconclusive", "invalid"]
    exit_code: int
    headline: str
    reason: str
    next_step: str
    created_at: datetime
    test_set_looks: int | None = Field(description="candidates this test set has judged, this one included")


class GateRecord(Part):
    """One rule, its number and what was measured in the rule's unit, and whether it holds; and both in words."""

    gate_id: str = Field(description="gain, metric/NAME, regression/SUITE, judge, slices, or the name of a rule")

    kind: Literal["validity", "gain", "harm", "budget"]
    tier: Literal["critical", "supporting", "advisory"]
    name: str
    rule: str
    measured: str
    status: Literal["pass", "fail", "unknown"]
    threshold: float | None
    unit: str = Field(description="score, relative, share, p, count, logit, s, or a currency's code, of 1,000 requests")
    value: float | None
    low: float | None
    high: float | None
    n: int | None


class ComparisonRecord(Part):
    """Candidate against baseline over the same examples; differences of scores, or shares of the baseline's."""

    suite: str
    kind: Literal["task", "metric", "slice", "regression", "judge"]
    metric: str
    slice: str
    tier: Literal["critical", "supporting", "advisory"]
    baseline_arm: str
    candidate_arm: str
    baseline: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    confidence: float
    p_value: float | None
    margin: float
    relative: bool
    n: int
    n_clusters: int
    n_unscored: int
    detectable: float | None = Field(description="the smallest true difference such an exam tells from none")
    method: str


class ArmRecord(Part):
    """One arm on one suite and metric, and the hashes of what answered."""

    side: Literal["base", "candidate"]
    arm: str
    chosen: bool
    suite: str
    kind: Literal["task", "validation", "regression"]
    metric: str
    is_primary: bool
    mean: float | None
    low: float | None
    high: float | None
    n: int
    n_unscored: int
    mean_tokens_in: float | None
    mean_tokens_out: float | None
    p95_seconds: float | None
    cost: float | None = Field(description="per 1,000 requests, in the currency of `costs`")
    cost_low: float | None
    cost_high: float | None
    seed: int
    run_id: str
    suite_id: str
    identity: dict[str, str]


class FlipRecord(Part):
    """How many answers changed on one suite."""

    kind: Literal["task", "regression"]
    suite: str
    better: int
    worse: int


class EvidenceRecord(Part):
    """One measured fact about the judge, the candidate or the training."""

    topic: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    note: str


class FindingRecord(Part):
    """Something about the data."""

    level: Literal["block", "warn", "info"]
    check_name: str
    message: str
    rows: list[str]


class TrainingRecord(Part):
    """How the candidate was trained."""

    method: str
    config: dict[str, JsonValue]
    n_rows: int
    steps: int
    trained_parameters: int
    seconds: float
    best_step: int | None = Field(description="the step whose weights were kept; null where it is not known")
    remarks: dict[str, str] = Field(description="what was noticed while the model trained, by the name of the alarm")


class FoldRecord(Part):
    """One fold of a cross-validation: what it was trained on, and its own exam on the task's first metric."""

    fold: int
    n_rows: int | None = Field(description="rows trained on")
    training_seconds: float | None
    n: int | None = Field(description="rows tested on")
    baseline_arm: str | None
    candidate_arm: str | None
    metric: str | None
    baseline: float | None
    candidate: float | None


class PriceRecord(Part):
    """What one side's answers are paid by: per million tokens, or per hour of a machine."""

    side: Literal["base", "candidate"]
    name: str
    input: float | None
    output: float | None
    per_hour: float | None
    as_of: str
    source: str


class CostsRecord(Part):
    """From which volume on the candidate is cheaper than the best prompt."""

    currency: str
    told: str
    training_seconds: float | None
    training_cost: float | None
    upkeep: float | None = Field(description="a month, for training again")
    hosting: float = Field(description="a month, beyond the prompt's")
    saving: float | None = Field(description="per 1,000 requests")
    saving_low: float | None
    saving_high: float | None
    requests: float | None = Field(description="a month")
    requests_low: float | None
    requests_high: float | None
    confidence: float
    n: int


class Record(Part):
    """One decided experiment."""

    model_config = ConfigDict(title="finetune-harness decision record")

    schema_version: Literal[1] = 1
    experiment: str
    experiment_id: str = Field(description="sha256 of the frozen settings and of every file they point at")
    decision: Decided
    gates: list[GateRecord]
    comparisons: list[ComparisonRecord]
    arms: list[ArmRecord]
    prices: list[PriceRecord]
    costs: CostsRecord | None
    flips: list[FlipRecord]
    evidence: list[EvidenceRecord]
    findings: list[FindingRecord]
    training: TrainingRecord | None
    folds: list[FoldRecord]
    stages: dict[str, float] = Field(description="seconds by stage")
    facts: dict[str, JsonValue] = Field(description="seed, versions, hardware")
    config: dict[str, JsonValue] = Field(description="the frozen settings")
    files: dict[str, str] = Field(description="sha256 of every file and model the settings point at, by name")


def write(data: ReportData, folder: Path) -> Path:
    """Write `decision.json` into `folder`; returns its path."""
    path = folder / "decision.json"
    path.write_text(render(data), encoding="utf-8")
    return path


def render(data: ReportData) -> str:
    """The record as JSON, the same for the same decision. All but ASCII is escaped: no text in it can play tricks."""
    return json.dumps(record(data).model_dump(mode="json"), indent=2, allow_nan=False) + "\n"


def record(data: ReportData) -> Record:
    """What a report shows, as a record."""
    return Record.model_validate(
        {
            "experiment": data.decision.name,
            "experiment_id": data.decision.experiment_id,
            "decision": data.decision,
            "gates": data.gates,
            "comparisons": data.comparisons,
            "arms": [_arm(arm) for arm in data.arms],
            "prices": data.prices,
            "costs": data.break_even,
            "flips": data.flips,
            "evidence": _evidence(data),
            "findings": data.findings,
            "training": _training(data.training),
            "folds": data.folds,
            "stages": {row.stage: row.seconds for row in data.stages},
            "facts": data.facts.kept,
            "config": data.frozen.config,
            "files": data.frozen.files,
        }
    )


def _evidence(data: ReportData) -> list[EvidenceRecord]:
    """What was measured about candidate, servers and judge, and what stopped the experiment, by topic and name."""
    found = []
    if effect := data.effect:
        found.append(_measured("candidate", "effect", effect.adapter, effect.effect, n=effect.n))
    for run in data.training[:1]:
        if run.reward_accuracy is not None:
            ends = (run.reward_low, run.reward_high)
            found.append(
                _measured("candidate", "reward_accuracy", REWARD, run.reward_accuracy, *ends, run.reward_n or 0)
            )
    found += [_measured("endpoint", server.model, server.abilities) for server in data.endpoints]
    found += [_measured("judge", m.name, m.note, m.value, m.low, m.high, m.n) for m in data.judge_measures]
    return found + [_measured("trouble", row.name, row.note) for row in data.trouble]


REWARD = "held-out pairs on which the reward model prefers the chosen answer"


def _measured(
    topic: str,
    name: str,
    note: str,
    value: float | None = None,
    low: float | None = None,
    high: float | None = None,
    n: int = 0,
) -> EvidenceRecord:
    return EvidenceRecord(topic=topic, name=name, value=value, low=low, high=high, n=n, note=note)


def json_schema() -> dict[str, object]:
    """JSON Schema of the record."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Record.model_json_schema(mode="serialization"),
    }


def _arm(arm: ArmRow) -> dict[str, object]:
    """With what answered, by content; its name may be a path of the machine."""
    hashes = {name: value for name, value in json.loads(arm.identity).items() if name != "name"}
    return {**asdict(arm), "identity": hashes}


def _training(rows: Sequence[TrainingRow]) -> dict[str, object] | None:
    if not rows:
        return None
    remarks = json.loads(rows[0].remarks or "{}")
    return {**asdict(rows[0]), "config": json.loads(rows[0].config), "remarks": remarks}
