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

from pydantic import ConfigDict, JsonValue

from reports.data import ArmRow, ReportData
from reports.rows import TrainingRow
from suites.described import Described
from suites.writing import write_whole


class Part(Described):
    """Rows of a view: what a record does not name is left out, and a number is finite.

    A docstring below a field describes it in the JSON Schema and in the reference.
    """

    model_config = ConfigDict(extra="ignore", from_attributes=True, allow_inf_nan=False, defer_build=True)


class Decided(Part):
    """The verdict and the sentences that say why."""

    verdict: Literal["deploy", "keep_prompting", "reject", "inconclusive", "invalid"]
    """What was decided."""
    exit_code: int
    """What `run`, `decide` and `gate` end with."""
    headline: str
    """The verdict in a sentence."""
    reason: str
    """The numbers that made it, in sentences."""
    next_step: str
    """What to do now."""
    created_at: datetime
    """When it was decided."""
    test_set_looks: int | None
    """Candidates that this test set has judged, this one included."""


class GateRecord(Part):
    """One rule, its number and what was measured in the rule's unit, and whether it holds; and both in words."""

    gate_id: str
    """`gain`, `every_prompt`, `metric/NAME`, `regression/SUITE`, `edge_cases`, `judge`, `slices` or a rule; unique."""
    kind: Literal["validity", "gain", "harm", "budget", "caution"]
    """What it guards: whether the numbers can be compared, the gain, losses, or cost and latency; or what to mind."""
    tier: Literal["critical", "supporting", "advisory"]
    """Critical: must be shown to hold. Supporting: must not be shown to be broken. Advisory: is only told."""
    name: str
    """What it is called in a report."""
    rule: str
    """The rule in words."""
    measured: str
    """What was measured, in words."""
    status: Literal["pass", "fail", "unknown"]
    """Whether the rule holds; `unknown` never counts as `pass`."""
    threshold: float | None
    """The number of the rule."""
    unit: str
    """Of all its numbers: `score`, `relative` (to the baseline's score), `share`, `p`, `count`, `logit`, `s`, or the
    currency's code, of 1,000 requests; may be empty."""
    value: float | None
    """What was measured."""
    low: float | None
    """Lower end of its interval."""
    high: float | None
    """Upper end of its interval."""
    n: int | None
    """Examples it was measured on."""


class ComparisonRecord(Part):
    """Candidate against baseline over the same examples; differences of scores, or shares of the baseline's."""

    suite: str
    """The suite both sides answered."""
    kind: Literal["task", "prompt", "metric", "slice", "regression", "judge"]
    """What is compared: the metric that decides, the same against a prompt that was not chosen, another metric, a
    slice, a regression suite, or the judge's preference."""
    metric: str
    """The metric both sides are marked by."""
    slice: str
    """The slice, as `column=value`; empty for the whole suite."""
    tier: Literal["critical", "supporting", "advisory"]
    """What hangs on it, as for its gate."""
    baseline_arm: str
    """The best prompt."""
    candidate_arm: str
    """The candidate with its own best prompt."""
    baseline: float | None
    """Score of the baseline."""
    candidate: float | None
    """Score of the candidate."""
    difference: float | None
    """Candidate minus baseline; where `relative`, as a share of the baseline's score."""
    low: float | None
    """Lower end of the difference's interval."""
    high: float | None
    """Upper end of the difference's interval."""
    confidence: float
    """Confidence of the policy; for a tolerated loss of each end alone."""
    p_value: float | None
    """Two-sided, against no difference."""
    margin: float
    """The gain asked for on the metric that decides, the loss allowed elsewhere; in the unit of the difference."""
    relative: bool
    """Whether difference, ends, margin and detectable are shares of the baseline's score."""
    n: int
    """Examples both sides have a score for."""
    n_clusters: int
    """Clusters of such examples, the pieces of evidence."""
    n_unscored: int
    """Examples without a score on either side."""
    detectable: float | None
    """The smallest true difference such an exam tells from none in four of five tries."""
    pooled: float | None
    """What a slice's difference is beside the other slices of its column; null for what is no slice."""
    pooled_low: float | None
    """Lower end of that."""
    pooled_high: float | None
    """Upper end of that."""
    floor: float | None
    """What knowing nothing scores there: the most that a loss could leave; null where it is not asked."""
    method: str
    """The interval and the test that were used."""
    as_judged: float | None
    """Of a judge: its own preference, where the difference is one corrected for its errors."""


class ArmRecord(Part):
    """One arm on one suite and metric, and the hashes of what answered."""

    side: Literal["base", "candidate"]
    """Whose model answered."""
    arm: str
    """Its name, that of its prompt among it."""
    chosen: bool
    """Whether it is the best of its side on validation."""
    suite: str
    """What it answered."""
    kind: Literal["task", "validation", "regression"]
    """What the suite is for: the exam, choosing on validation, or a regression suite."""
    metric: str
    """What it was marked by."""
    is_primary: bool
    """Whether that is the suite's first metric."""
    mean: float | None
    """Mean score, or the score of the whole exam."""
    low: float | None
    """Lower end of its interval."""
    high: float | None
    """Upper end of its interval."""
    n: int
    """Examples with a score."""
    n_unscored: int
    """Examples without one."""
    mean_tokens_in: float | None
    """Mean tokens read for an answer."""
    mean_tokens_out: float | None
    """Mean tokens written for an answer."""
    p95_seconds: float | None
    """Seconds within which 19 of 20 answers came."""
    cost: float | None
    """Of 1,000 requests, in the currency of `costs`."""
    cost_low: float | None
    """Lower end of its interval."""
    cost_high: float | None
    """Upper end of its interval."""
    seed: int
    """Seed of the run."""
    run_id: str
    """The run in the store."""
    suite_id: str
    """sha256 of examples, prompt, metrics and generation settings."""
    identity: dict[str, str]
    """What answered, by content: hashes of weights, adapter and template; engine and number format."""


class FlipRecord(Part):
    """How many answers changed on one suite."""

    kind: Literal["task", "regression"]
    """What the suite is for."""
    suite: str
    """The suite."""
    better: int
    """Examples the candidate answered better than the best prompt."""
    worse: int
    """Examples it answered worse."""


class EvidenceRecord(Part):
    """One measured fact about the judge, the candidate or the training."""

    topic: str
    """What it is about: `candidate`, `endpoint`, `judge` or `trouble`."""
    name: str
    """What was measured."""
    value: float | None
    """The number; null for what is a sentence alone."""
    low: float | None
    """Lower end of its interval."""
    high: float | None
    """Upper end of its interval."""
    n: int
    """What it was measured on: pairs or prompts; 0 for a sentence alone."""
    note: str
    """What to know of it, in words."""


class FindingRecord(Part):
    """Something about the data."""

    level: Literal["block", "warn", "info"]
    """How grave it is; `block` stops an experiment."""
    check_name: str
    """The check that found it."""
    message: str
    """What was found, in words."""
    rows: list[str]
    """Ids of examples, or `file:line`, that show it."""


class TrainingRecord(Part):
    """How the candidate was trained."""

    method: str
    """Its method; of several stages the last one's."""
    config: dict[str, JsonValue]
    """All its settings, earlier stages among them."""
    n_rows: int
    """Rows trained on."""
    steps: int
    """Steps taken."""
    trained_parameters: int
    """Numbers that training could change."""
    seconds: float
    """How long it took."""
    best_step: int | None
    """The step whose weights were kept."""
    remarks: dict[str, str]
    """What was noticed while the model trained, by the name of the alarm."""


class FoldRecord(Part):
    """One fold of a cross-validation: what it was trained on, and its own exam on the task's first metric."""

    fold: int
    """Its number, from 1."""
    n_rows: int | None
    """Rows trained on."""
    training_seconds: float | None
    """How long that took."""
    n: int | None
    """Rows tested on."""
    baseline_arm: str | None
    """The prompt chosen without this fold."""
    candidate_arm: str | None
    """The candidate trained without it."""
    metric: str | None
    """The metric that decides."""
    baseline: float | None
    """Score of the baseline."""
    candidate: float | None
    """Score of the candidate."""


class PriceRecord(Part):
    """What one side's answers are paid by: per million tokens, or per hour of a machine."""

    side: Literal["base", "candidate"]
    """Whose answers it is for."""
    name: str
    """The name on the price list; empty for numbers of the experiment file."""
    input: float | None
    """Of a million tokens read."""
    output: float | None
    """Of a million tokens written."""
    per_hour: float | None
    """Of an hour of the machine."""
    as_of: str
    """The day a listed price was read; empty for numbers of the experiment file."""
    source: str
    """Where the price is from."""
    model: str
    """Whose price it is, where that is another model of the bar than the candidate's base; else empty."""


class CostsRecord(Part):
    """From which volume on the candidate is cheaper than the best prompt."""

    currency: str
    """Of every amount of money here."""
    told: str
    """The same in a sentence."""
    training_seconds: float | None
    """How long the training took."""
    training_cost: float | None
    """What one training costs."""
    upkeep: float | None
    """A month, for training again."""
    hosting: float
    """A month, beyond the prompt's."""
    saving: float | None
    """What 1,000 requests to the candidate cost less."""
    saving_low: float | None
    """Lower end of its interval."""
    saving_high: float | None
    """Upper end of its interval."""
    requests: float | None
    """Requests a month from which on the candidate is cheaper; null beside a saving: at no volume."""
    requests_low: float | None
    """Lower end of its interval."""
    requests_high: float | None
    """Upper end of its interval."""
    confidence: float
    """Confidence of the intervals."""
    n: int
    """Examples the saving was measured on."""


class StakesRecord(Part):
    """Chances of the gain, read with a flat prior, and what a month is worth under them; no rule hangs on it."""

    above_min_gain: float
    """Chance that the gain exceeds `policy.min_gain`."""
    above_zero: float
    """Chance that there is any gain."""
    currency: str
    """Of every amount of money here."""
    value_per_point: float | None
    """What a point (0.01) more is worth a month; null: not valued, and neither is anything below."""
    running: float | None
    """What the candidate costs a month more than the prompt, as far as it is priced."""
    deploying: float | None
    """What deploying is worth a month, on average."""
    wrong: float | None
    """What it loses where it is wrong, on average."""
    waiting: float | None
    """What keeping the prompt forgoes where that is wrong, on average."""
    months: float | None
    """Months until the next training."""
    examples: int | None
    """Further test examples."""
    information: float | None
    """What they are worth over the months, before what they cost."""
    told: str
    """The same in sentences."""


class Record(Part):
    """One decided experiment."""

    model_config = ConfigDict(
        title="finetune-harness decision record", json_schema_serialization_defaults_required=True
    )

    schema_version: Literal[1] = 1
    """Of this record; it changes when a field does."""
    experiment: str
    """Name of the experiment."""
    experiment_id: str
    """sha256 of the frozen settings and of every file they point at."""
    decision: Decided
    """The verdict."""
    gates: list[GateRecord]
    """Every rule, with what was measured."""
    comparisons: list[ComparisonRecord]
    """Candidate against best prompt on everything both were asked."""
    arms: list[ArmRecord]
    """Every prompt and the candidate, on every suite and metric."""
    prices: list[PriceRecord]
    """What answers are paid by, side by side; empty where nothing is priced."""
    costs: CostsRecord | None
    """From which volume on the candidate pays."""
    stakes: StakesRecord | None
    """What is at stake beside the verdict."""
    flips: list[FlipRecord]
    """Answers that got better or worse, by suite."""
    evidence: list[EvidenceRecord]
    """What the gates rest on beside scores."""
    findings: list[FindingRecord]
    """What the data checks found."""
    training: TrainingRecord | None
    """How the candidate was trained, where it was trained here."""
    folds: list[FoldRecord]
    """The folds of a cross-validation."""
    stages: dict[str, float]
    """Seconds by stage."""
    facts: dict[str, JsonValue]
    """Seed, versions, hardware."""
    config: dict[str, JsonValue]
    """The frozen settings."""
    files: dict[str, str]
    """sha256 of every file and model that the settings point at, by name."""


def write(data: ReportData, folder: Path) -> Path:
    """Write `decision.json` into `folder`; returns its path."""
    path = folder / "decision.json"
    write_whole(path, render(data))
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
            "stakes": data.stakes,
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
    evidence = []
    if effect := data.effect:
        evidence.append(_measured("candidate", "effect", effect.adapter, effect.effect, n=effect.n))
    for run in data.training[:1]:
        if run.reward_accuracy is not None:
            ends = (run.reward_low, run.reward_high)
            evidence.append(
                _measured("candidate", "reward_accuracy", REWARD, run.reward_accuracy, *ends, run.reward_n or 0)
            )
    evidence += [_measured("endpoint", server.model, server.abilities) for server in data.endpoints]
    evidence += [_measured("judge", m.name, m.note, m.value, m.low, m.high, m.n) for m in data.judge_measures]
    return evidence + [_measured("trouble", row.name, row.note) for row in data.trouble]


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
