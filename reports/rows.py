"""One record for each `v_*` view of the store, with a field for each of its columns; and how they are read.

`FROM` says which view a record is of; a test compares fields and columns. JSON columns are text here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

import duckdb

Side = Literal["base", "candidate"]
Status = Literal["pass", "fail", "unknown"]
Tier = Literal["critical", "supporting", "advisory"]
Level = Literal["block", "warn", "info"]
Grade = Literal["first", "second", "tie"]

Record = TypeVar("Record")


def fetch(
    con: duckdb.DuckDBPyConnection, record: type[Record], sql: str, parameters: Sequence[object] = ()
) -> list[Record]:
    """The rows of a query as records of a dataclass, its columns by their names.

    Raises TypeError when a column has no field, or a field without default has no column.
    """
    cursor = con.execute(sql, list(parameters))
    names = [column[0] for column in cursor.description or []]
    return [record(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCostRow:
    """What 1,000 requests to an arm cost, in the currency of the experiment, and how long the slowest 5 % take."""

    experiment_id: str
    experiment: str
    side: Side
    arm: str
    chosen: bool
    cost: float | None
    cost_low: float | None
    cost_high: float | None
    cost_n: int
    p95_seconds: float | None
    p95_low: float | None
    p95_high: float | None
    p95_n: int
    unpriced: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBreakEven:
    """From which volume on the candidate is cheaper than the best prompt; `training_seconds` as measured."""

    experiment_id: str
    currency: str
    confidence: float
    baseline_run: str
    candidate_run: str
    training_seconds: float | None
    training_cost: float | None
    retrain_months: float
    upkeep: float | None
    hosting: float
    saving: float | None
    saving_low: float | None
    saving_high: float | None
    n: int
    requests: float | None
    requests_low: float | None
    requests_high: float | None
    requests_per_month: int | None
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEvenRow(StoredBreakEven):
    """From which volume on the candidate is cheaper than the best prompt, and what each side costs a month."""

    experiment: str
    baseline_arm: str
    candidate_arm: str
    fixed: float | None
    baseline_cost: float | None
    baseline_low: float | None
    baseline_high: float | None
    candidate_cost: float | None
    candidate_low: float | None
    candidate_high: float | None
    baseline_month: float | None
    baseline_month_low: float | None
    baseline_month_high: float | None
    candidate_month: float | None
    candidate_month_low: float | None
    candidate_month_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStakes:
    """What is at stake beside the verdict; money is a month's, and of `examples` further ones over the `months`."""

    experiment_id: str
    min_gain: float
    above_min_gain: float
    above_zero: float
    currency: str
    value_per_point: float | None
    running: float | None
    deploying: float | None
    wrong: float | None
    waiting: float | None
    months: float | None
    examples: int | None
    information: float | None
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StakesRow(StoredStakes):
    """The same, with the name of its experiment."""

    experiment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """Candidate against bar on one suite, metric and slice; `relative` numbers are shares of the baseline's score."""

    experiment_id: str
    position: int
    suite: str
    kind: str
    metric: str
    slice: str
    baseline_arm: str
    candidate_arm: str
    n: int
    n_clusters: int
    n_unscored: int
    baseline: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    confidence: float
    level: float
    look: int
    low_missing: float | None
    high_missing: float | None
    p_value: float | None
    margin: float
    method: str
    tier: Tier
    relative: bool
    sd: float | None
    detectable: float | None
    pooled: float | None
    pooled_low: float | None
    pooled_high: float | None
    as_judged: float | None
    floor: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRow:
    """One answer of a run."""

    run_id: str
    arm: str
    suite: str
    kind: str
    example_id: str
    input: str
    target: str
    others: str | None
    prompt: str
    text: str
    finish: str
    tokens_in: int
    tokens_out: int
    seconds: float
    error: str | None
    recorded_scores: str | None
    thinking: str
    raw: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """Tokens and seconds of a run's answers."""

    run_id: str
    n: int
    tokens_in: int
    tokens_out: int
    seconds: float
    mean_tokens_in: float | None
    mean_tokens_out: float | None
    p95_seconds: float | None
    length_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """The verdict of an experiment; `facts` and `frozen` are JSON."""

    experiment_id: str
    verdict: str
    exit_code: int
    headline: str
    reason: str
    next_step: str
    facts: str
    created_at: datetime
    name: str
    file: str
    frozen: str
    test_set_looks: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRow:
    """A decision on the same test questions before this one."""

    experiment_id: str
    earlier_id: str
    name: str
    decided_at: datetime
    verdict: str
    exit_code: int
    frozen: str
    known_before: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRow:
    """An experiment; `part_of` is that of a fold."""

    experiment_id: str
    name: str
    file: str
    created_at: datetime
    verdict: str | None
    exit_code: int | None
    headline: str | None
    part_of: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """Something about the data."""

    experiment_id: str
    position: int
    level: Level
    check_name: str
    message: str
    rows: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipRow:
    """An example that one side answered better than the other."""

    experiment_id: str
    kind: str
    suite: str
    metric: str
    example_id: str
    input: str
    target: str
    others: str | None
    slices: str
    baseline_arm: str
    baseline_value: float
    baseline_text: str
    candidate_arm: str
    candidate_value: float
    candidate_text: str
    baseline_prompt: str | None
    candidate_prompt: str | None
    baseline_raw: str | None
    candidate_raw: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRow:
    """A fold of a cross-validation: what it was trained on, and its own exam."""

    experiment_id: str
    experiment: str
    fold: int
    fold_id: str
    metric: str | None
    baseline_arm: str | None
    baseline: float | None
    candidate_arm: str | None
    candidate: float | None
    n: int | None
    n_rows: int | None
    training_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """A rule, what was measured, and whether it holds."""

    experiment_id: str
    position: int
    kind: str
    tier: Tier
    name: str
    rule: str
    measured: str
    status: Status
    gate_id: str
    threshold: float | None
    unit: str
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    comparison: int | None

    @property
    def title(self) -> str:
        """What a table calls it. Advisory rules are told and decide nothing; that has to be said beside them."""
        return f"{self.name} (advisory)" if self.tier == "advisory" and self.kind != "caution" else self.name

    @property
    def state(self) -> str:
        """Whether it holds, in a word."""
        return "open" if self.status == "unknown" else self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksRow:
    """How often the test questions were looked at."""

    experiment_id: str
    looks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedRow:
    """A candidate with marks on test questions; `look` is the same for the same candidate on the same questions."""

    experiment_id: str
    suite_id: str
    seen_at: datetime
    look: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SameExamsRow:
    """Two test sets that share more than a tenth of the smaller one's questions, and how many."""

    suite_id: str
    other_id: str
    shared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """A price as it was used; `model` is whose where that is another than the base, else empty."""

    experiment_id: str
    side: Side
    name: str
    input: float | None
    output: float | None
    per_hour: float | None
    as_of: str
    source: str
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatRow:
    """A further training: another seed, a share of the rows, a trial of a sweep."""

    experiment_id: str
    kind: str
    position: int
    training_id: str
    settings: str
    run_id: str
    metric: str
    n: int
    value: float | None
    low: float | None
    high: float | None
    state: str
    method: str | None
    seconds: float | None
    best_step: int | None
    n_rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """An arm on a suite by one metric."""

    experiment_id: str
    experiment: str
    side: Side
    arm: str
    chosen: bool
    suite: str
    kind: str
    metric: str
    is_primary: bool
    n: int
    n_unscored: int
    mean: float | None
    low: float | None
    high: float | None
    n_errors: int
    model_name: str
    seed: int
    seconds: float
    created_at: datetime
    run_id: str
    suite_id: str
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """A mark."""

    run_id: str
    arm: str
    suite: str
    kind: str
    example_id: str
    cluster_id: str
    slices: str
    metric: str
    value: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTested:
    """An accident planted in a copy of the record, and what the rules said to it."""

    experiment_id: str
    position: int
    name: str
    done: str
    expected: str
    got: str
    status: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SelftestRow(SelfTested):
    """An accident planted in a copy of the record, and what the rules said to it."""

    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRow:
    """The side of the split a row of the training file is on."""

    experiment_id: str
    experiment: str
    side: str
    example_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """A finished stage."""

    experiment_id: str
    stage: str
    seconds: float
    finished_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """A training, with a line of its log."""

    experiment_id: str
    training_id: str
    method: str
    config: str
    folder: str
    seconds: float
    steps: int
    trained_parameters: int
    n_rows: int
    created_at: datetime
    best_step: int | None
    remarks: str | None
    spec: str | None
    cost: float | None
    reward_accuracy: float | None
    reward_low: float | None
    reward_high: float | None
    reward_n: int | None
    step: int | None
    name: str | None
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeVerdictRow:
    """A judge's word on one pair in one order.

    `judge` is whose word it is, as JSON; in a cascade with the `first` judge, the `grade` it gave in this order, and
    whether the pair was `drawn` to ask both.
    """

    experiment_id: str
    purpose: str
    example_id: str
    candidate_first: bool
    grade: Grade | None
    raw: str
    rubric: str
    judge: str
    label: Grade | None
    longer: Grade | None
    cluster: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestRow:
    """A judge's word on the answers of two runs to one question, in one order."""

    experiment_id: str
    run_id: str
    against: str
    example_id: str
    own_first: bool
    grade: Grade | None
    raw: str
    rubric: str
    judge: str
    longer: Grade


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeMeasureRow:
    """One measure of how far the judge can be trusted: a share with its interval."""

    experiment_id: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleRow:
    """What stopped an experiment in a stage; `fold` is the number of the fold it came up in."""

    experiment_id: str
    stage: str
    side: Side
    fold: int | None
    note: str

    @property
    def name(self) -> str:
        """Where it came up, in words."""
        where = {"baseline": "base", "train": "training"}.get(self.stage, "candidate")
        return where if self.fold is None else f"fold {self.fold}, {where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """What the server of a model (base, candidate, judge, or another one of the bar) was found to accept."""

    experiment_id: str
    model: str
    temperature: bool
    seed: bool
    logprobs: bool
    json_mode: bool

    @property
    def abilities(self) -> str:
        """The same in words."""
        accepts = {
            "temperature": self.temperature, "seed": self.seed, "logprobs": self.logprobs, "json mode": self.json_mode,
        }  # fmt: skip
        return ", ".join(f"{name} {'yes' if accepted else 'no'}" for name, accepted in accepts.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterEffectRow:
    """The largest change of a logit that the candidate's adapter makes, over `n` prompts of the exam."""

    experiment_id: str
    adapter: str
    effect: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRow:
    """What a search of the bar found: the arm it stands for, what the winner is called among its arms, and that as an
    entry of `baselines` (JSON). `same_as` is an arm of the bar that asks the same; empty where none does.

    `spent` tokens of the `budget` were read and written, `making` of them to make instructions.
    """

    experiment_id: str
    search: str
    found: str
    entry: str
    same_as: str
    arms: int
    budget: int
    spent: int
    making: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTrialRow:
    """How an arm of a search did by the end of a round; `tokens` and `seconds` are of a request, `cost` of 1,000."""

    experiment_id: str
    search: str
    round: int
    place: int
    arm: str
    entry: str
    stays: bool
    n: int
    n_unscored: int
    score: float | None
    low: float | None
    high: float | None
    tokens: float
    seconds: float
    cost: float | None


FROM: dict[str, type[object]] = {
    "v_arm_costs": ArmCostRow,
    "v_break_even": BreakEvenRow,
    "v_comparisons": ComparisonRow,
    "v_completions": CompletionRow,
    "v_contests": ContestRow,
    "v_costs": UsageRow,
    "v_decisions": DecisionRow,
    "v_earlier": EarlierRow,
    "v_experiments": ExperimentRow,
    "v_findings": FindingRow,
    "v_flips": FlipRow,
    "v_folds": FoldRow,
    "v_gates": GateRow,
    "v_looks": LooksRow,
    "v_prices": PriceRow,
    "v_repeats": RepeatRow,
    "v_runs": RunRow,
    "v_same_exams": SameExamsRow,
    "v_scores": ScoreRow,
    "v_search_trials": SearchTrialRow,
    "v_searches": SearchRow,
    "v_selftest": SelftestRow,
    "v_splits": SplitRow,
    "v_stages": StageRow,
    "v_stakes": StakesRow,
    "v_training": TrainingRow,
    "v_tried": TriedRow,
    "v_verdicts": JudgeVerdictRow,
    "v_adapter_effects": AdapterEffectRow,
    "v_endpoints": EndpointRow,
    "v_judge_measures": JudgeMeasureRow,
    "v_trouble": TroubleRow,
}
"""The record of each view."""
