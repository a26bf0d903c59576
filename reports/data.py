"""Everything a report shows, read from the `v_*` views of a store; any old experiment renders again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb

from reports.changes import LONGEST_LABEL, Changed, clearest
from reports.edge_cases import EdgeFacts
from reports.rows import (
    AdapterEffectRow,
    BreakEvenRow,
    ComparisonRow,
    DecisionRow,
    EarlierRow,
    EndpointRow,
    FindingRow,
    FlipRow,
    FoldRow,
    GateRow,
    JudgeMeasureRow,
    PriceRow,
    RepeatRow,
    RunRow,
    SearchRow,
    SearchTrialRow,
    Side,
    StageRow,
    StakesRow,
    TrainingRow,
    TroubleRow,
    fetch,
)
from suites.errors import UserError
from suites.model import Message

Pictures = dict[str, str]
"""Files beside the report, by the name of the plot."""

FLIPS_SHOWN = {"task": 5, "regression": 3}
MOST_LABELS = 300  # a task with more different targets is none of labels


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow(RunRow):
    """A run with its effort; tokens are means over its answers, the cost is of 1,000 requests."""

    mean_tokens_in: float | None
    mean_tokens_out: float | None
    p95_seconds: float | None
    length_share: float | None
    thinking_share: float | None  # of the characters written, where any were thinking
    p95_low: float | None
    p95_high: float | None
    cost: float | None
    cost_low: float | None
    cost_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipCount:
    """How many answers on one suite got better and worse."""

    kind: str
    suite: str
    better: int
    worse: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How often one side's chosen arm gave an answer where a label was wanted.

    Of `several` right labels the one that was given, else the first.
    """

    side: Side
    target: str
    answer: str
    n: int
    several: bool


@dataclass(frozen=True, slots=True)
class MissedCall:
    """An answer of one side's chosen arm whose calls of tools are not those that were wanted."""

    side: Side
    target: str
    answer: str


@dataclass(frozen=True, slots=True)
class Frozen:
    """An experiment as it was decided: its settings, and the sha256 of every file they point at, by name."""

    config: Mapping[str, Any]
    files: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Frozen:
        """From the JSON on record."""
        frozen = json.loads(text)
        return cls(frozen["config"], frozen["files"])

    @property
    def metrics(self) -> list[str]:
        """Metrics of the task, by name."""
        return list(self.config["task"]["metrics"])

    @property
    def currency(self) -> str:
        """Of all prices."""
        return str(self.config["costs"]["currency"])

    @property
    def confidence(self) -> float:
        """Of the intervals, between 0 and 1."""
        return float(self.config["policy"]["confidence"])


@dataclass(frozen=True, slots=True)
class Leaks:
    """What the decision would be without the test examples that training has seen, and whether it would be another."""

    sentence: str
    turned: bool


@dataclass(frozen=True, slots=True)
class Ship:
    """What whoever ships needs: the candidate's folder, the command that serves it, and each side's chosen prompt.

    Paths begin at the experiment's folder. Prompts are chat messages by side, `{{ input }}` where the question goes.
    `bar` is the model of the best prompt where that is another than the candidate's base, else empty; `found` says by
    side what each question is shown beside, where that is found for it; `held_to` has by side what answers are held to,
    by its kind, where they are.
    """

    folder: str
    command: str
    prompts: Mapping[str, Sequence[Message]]
    bar: str = ""
    found: Mapping[str, str] = field(default_factory=dict)
    held_to: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def on_record(self) -> dict[str, object]:
        """As JSON; what came later only where it is used."""
        return {name: value for name, value in asdict(self).items() if name not in ("found", "held_to") or value}


SENTENCES = (
    "ship", "own_prompt", "format", "searches", "edge_cases", "judge", "judge_labels", "judge_standing", "judge_family",
    "uncertainty", "leaks", "learning_curve",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What it takes to do it again, and the sentences that have a place of their own in the report."""

    kept: Mapping[str, object]  # all of it, as it is on record
    judge: str  # why the judge is not trusted; empty where it is
    judge_labels: str  # what labels would change of that
    judge_standing: str  # trusted, advisory or not used
    judge_family: str  # who of them is of the candidate's family; empty where none is
    uncertainty: str
    learning_curve: str
    leaks: Leaks | None
    commit: str
    ship: Ship | None
    own_prompt: str  # what the candidate's own prompt saves; empty where it has none
    format: str  # how much of the gain is format alone; empty where no prompt was asked both ways
    edge_cases: EdgeFacts | None

    @classmethod
    def parse(cls, text: str) -> Facts:
        """From the JSON on record; what an older version did not keep is empty."""
        kept = json.loads(text)
        leaks = kept.get("leaks")
        return cls(
            kept,
            judge=kept.get("judge", ""),
            judge_labels=kept.get("judge_labels", ""),
            judge_standing=kept.get("judge_standing") or ("advisory" if kept.get("judge") else "trusted"),
            judge_family=kept.get("judge_family", ""),
            uncertainty=kept.get("uncertainty", ""),
            learning_curve=kept.get("learning_curve", ""),
            leaks=Leaks(leaks["told"], leaks["turned"]) if leaks else None,
            commit=kept.get("commit", ""),
            ship=Ship(**kept["ship"]) if "ship" in kept else None,
            own_prompt=kept.get("own_prompt", {}).get("told", ""),
            format=kept.get("format", {}).get("told", ""),
            edge_cases=EdgeFacts.parse(kept["edge_cases"]) if "edge_cases" in kept else None,
        )

    @property
    def others(self) -> dict[str, str]:
        """Seed, versions, hardware."""
        return {name: str(value) for name, value in self.kept.items() if name not in SENTENCES and value != ""}


@dataclass(frozen=True, slots=True)
class ReportData:
    """One decided experiment. Fields hold rows of the view they are named after, in the order they are shown."""

    decision: DecisionRow
    frozen: Frozen
    facts: Facts
    gates: Sequence[GateRow]
    arms: Sequence[ArmRow]
    comparisons: Sequence[ComparisonRow]
    findings: Sequence[FindingRow]
    judge_measures: Sequence[JudgeMeasureRow]
    trouble: Sequence[TroubleRow]
    endpoints: Sequence[EndpointRow]
    effect: AdapterEffectRow | None
    training: Sequence[TrainingRow]
    repeats: Sequence[RepeatRow]
    stages: Sequence[StageRow]
    folds: Sequence[FoldRow]
    prices: Sequence[PriceRow]
    break_even: BreakEvenRow | None
    stakes: StakesRow | None
    answered: Sequence[Answered]  # on the task, if it is one of labels
    missed_calls: Sequence[MissedCall]  # on the task, if it marks calls of tools
    changed: Sequence[Changed]
    flips: Sequence[FlipCount]
    better: Sequence[FlipRow]  # the clearest of them, on the task
    worse: Sequence[FlipRow]  # and on every suite
    earlier: Sequence[EarlierRow]  # decisions on the same test set before this one
    searches: Sequence[SearchRow] = ()
    search_trials: Sequence[SearchTrialRow] = ()

    def compared(self, *kinds: str) -> list[ComparisonRow]:
        """Comparisons of these kinds."""
        return [row for row in self.comparisons if row.kind in kinds]

    def slices_compared(self) -> list[ComparisonRow]:
        """Comparisons of slices of the task."""
        tasks = {row.suite for row in self.compared("task")}
        return [row for row in self.compared("slice") if row.suite in tasks]

    def parts_compared(self) -> list[ComparisonRow]:
        """Comparisons of the parts of regression suites."""
        tasks = {row.suite for row in self.compared("task")}
        return [row for row in self.compared("slice") if row.suite not in tasks]

    def arms_on(self, kind: str) -> list[ArmRow]:
        """Arms on suites of a kind, primary metric only."""
        return [row for row in self.arms if row.kind == kind and row.is_primary]

    def first_gates(self) -> list[GateRow]:
        """What the first screen shows as a table: every rule about gain and harm, and validity rules that do not hold.

        Cautions stand above it. The rest of validity are one line; `validity_gates` has them all.
        """
        others = [gate for gate in self.gates if gate.kind not in ("validity", "caution")]
        held = [gate for gate in self.validity_gates() if gate.status == "pass"]
        broken = [gate for gate in self.validity_gates() if gate.status != "pass"]
        return [*broken, *others, *([_one_line(held, len(broken))] if held else [])]

    @property
    def ships(self) -> Side | None:
        """Whose model and prompt the verdict is to ship."""
        if self.decision.verdict == "deploy":
            return "candidate"
        another = any(gate.gate_id == "every_prompt" and gate.status == "fail" for gate in self.gates)
        return "base" if self.decision.verdict == "keep_prompting" and not another else None

    def cautions(self) -> list[GateRow]:
        """What the reader should mind beside the verdict."""
        return [gate for gate in self.gates if gate.kind == "caution"]

    def leak_caution(self) -> str:
        """How the verdict hangs on test examples that training has seen; empty where not, or where the reason says."""
        leaks = self.facts.leaks
        return leaks.sentence if leaks and leaks.turned and leaks.sentence not in self.decision.reason else ""

    def validity_gates(self) -> list[GateRow]:
        """The rules about whether the numbers can be compared at all."""
        return [gate for gate in self.gates if gate.kind == "validity"]

    def score(self, run_id: str, metric: str) -> ArmRow:
        """An arm's summary on any metric."""
        return next(row for row in self.arms if row.run_id == run_id and row.metric == metric)


def _one_line(held: Sequence[GateRow], broken: int) -> GateRow:
    """Validity rules that hold, as one; beside some that are `broken` they do not make the numbers valid."""
    rest = " other" if broken else ""
    measured = f"{len(held)} of {len(held)}{rest} checks hold: {', '.join(gate.name for gate in held)}"
    return GateRow(
        experiment_id=held[0].experiment_id,
        position=held[0].position,
        gate_id="validity",
        kind="validity",
        tier="critical",
        name="other checks" if broken else "validity",
        status="pass",
        rule="each of them holds" if broken else "the numbers can be compared",
        measured=measured,
        unit="",
        threshold=None,
        value=None,
        low=None,
        high=None,
        n=None,
        comparison=None,
    )


def load(con: duckdb.DuckDBPyConnection, experiment: str | None = None) -> ReportData:
    """The latest decision in an open store, or that of `experiment`, a name or the beginning of an id.

    Raises UserError when there is none.
    """
    decision = _decision(con, experiment)
    key = [decision.experiment_id]
    changed = fetch(con, Changed, CHANGED, key)
    better = _clearest([row for row in changed if row.kind == "task" and not row.is_worse])
    worse = _clearest([row for row in changed if row.is_worse])
    shown = _in_full(con, key, [*better, *worse])
    return ReportData(
        decision=decision,
        frozen=Frozen.parse(decision.frozen),
        facts=Facts.parse(decision.facts),
        gates=fetch(con, GateRow, "from v_gates where experiment_id = ? order by position", key),
        arms=fetch(con, ArmRow, ARMS, key),
        comparisons=fetch(con, ComparisonRow, "from v_comparisons where experiment_id = ? order by position", key),
        findings=fetch(con, FindingRow, "from v_findings where experiment_id = ? order by position", key),
        judge_measures=fetch(con, JudgeMeasureRow, "from v_judge_measures where experiment_id = ? order by name", key),
        trouble=fetch(con, TroubleRow, "from v_trouble where experiment_id = ? order by fold, stage", key),
        endpoints=fetch(con, EndpointRow, "from v_endpoints where experiment_id = ? order by model", key),
        effect=next(iter(fetch(con, AdapterEffectRow, "from v_adapter_effects where experiment_id = ?", key)), None),
        training=fetch(con, TrainingRow, "from v_training where experiment_id = ? order by step, name", key),
        repeats=fetch(con, RepeatRow, "from v_repeats where experiment_id = ? order by kind, position", key),
        stages=fetch(con, StageRow, "from v_stages where experiment_id = ? order by finished_at", key),
        folds=fetch(con, FoldRow, "from v_folds where experiment_id = ? order by fold", key),
        prices=fetch(con, PriceRow, "from v_prices where experiment_id = ? order by side, model", key),
        break_even=next(iter(fetch(con, BreakEvenRow, "from v_break_even where experiment_id = ?", key)), None),
        stakes=next(iter(fetch(con, StakesRow, "from v_stakes where experiment_id = ?", key)), None),
        answered=fetch(con, Answered, ANSWERED, [*key, *key]),
        missed_calls=fetch(con, MissedCall, MISSED_CALLS, key),
        changed=changed,
        flips=_counts(changed),
        better=[shown[row] for row in better],
        worse=[shown[row] for row in worse],
        earlier=fetch(con, EarlierRow, "from v_earlier where experiment_id = ? order by decided_at", key),
        searches=fetch(con, SearchRow, "from v_searches where experiment_id = ? order by search", key),
        search_trials=fetch(con, SearchTrialRow, TRIALS, key),
    )


ARMS = """
    with thought as (
        select run_id, sum(length(raw) - length(text)) filter (thinking in ('closed', 'cut')) as thinking,
            sum(length(coalesce(raw, text))) as written
        from v_completions where run_id in (select run_id from v_runs where experiment_id = $1) and error is null
        group by run_id)
    select r.*, c.mean_tokens_in, c.mean_tokens_out, c.p95_seconds, c.length_share, t.thinking / t.written as
        thinking_share, m.p95_low, m.p95_high, m.cost, m.cost_low, m.cost_high
    from v_runs r left join v_costs c using (run_id) left join v_arm_costs m using (experiment_id, run_id, side)
        left join thought t using (run_id)
    where experiment_id = $1 order by side, kind desc, suite, r.arm, not is_primary, metric
"""
TRIALS = "from v_search_trials where experiment_id = ? order by search, round, place"
CHANGED = """
    select kind, suite, example_id, target, slices, baseline_value, baseline_text, candidate_value, candidate_text
    from v_flips where experiment_id = ? order by kind desc, suite, example_id
"""
ANSWERED = f"""
    with exam as (
        select r.side, trim(c.text) as answer,
            if(trim(c.text) in (select trim(unnest(c.others::varchar[]))), trim(c.text), c.target) as target,
            coalesce(c.others::varchar <> '[]', false) as several
        from v_runs r join v_completions c using (run_id)
        where r.experiment_id = ? and r.kind = 'task' and r.chosen and r.is_primary and c.error is null)
    select side, target, answer, count(*) as n, bool_or(several) as several from exam
    where (select count(distinct target) between 2 and {MOST_LABELS} and max(length(target)) <= {LONGEST_LABEL}
            and count(*) >= 4 * count(distinct target)
            and not bool_or(starts_with(target, '{{') or contains(target, chr(10))) from exam)
        and (select count(distinct run_id) from v_runs where experiment_id = ? and kind = 'task' and chosen) = 2
    group by all order by all
"""


MISSED_CALLS = """
    select r.side, c.target, c.text as answer
    from v_runs r join v_completions c using (run_id) join scores s on s.run_id = r.run_id
        and s.example_id = c.example_id and s.metric = r.metric
    where r.experiment_id = ? and r.kind = 'task' and r.chosen and r.metric = 'tool_calls' and s.value < 1
    order by all
"""


Place = tuple[str, str, str]
"""Kind and name of a suite, and the id of an example."""


def _counts(changed: Sequence[Changed]) -> list[FlipCount]:
    """How many answers changed for better and worse on each suite, in the order of the rows."""
    worse = Counter((row.kind, row.suite) for row in changed if row.is_worse)
    every = Counter((row.kind, row.suite) for row in changed)
    return [
        FlipCount(kind=kind, suite=suite, better=n - worse[kind, suite], worse=worse[kind, suite])
        for (kind, suite), n in every.items()
    ]


def _clearest(changed: Sequence[Changed]) -> list[Place]:
    """The clearest changes of each exam."""
    places = []
    for kind, suite in dict.fromkeys((row.kind, row.suite) for row in changed):
        rows = [row for row in changed if (row.kind, row.suite) == (kind, suite)]
        places += [(kind, suite, row.example_id) for row in clearest(rows, FLIPS_SHOWN.get(kind, 0))]
    return places


def _in_full(con: duckdb.DuckDBPyConnection, key: Sequence[str], places: Sequence[Place]) -> dict[Place, FlipRow]:
    """Changes in full, with what the models read."""
    sql = "from v_flips where experiment_id = ? and example_id in (select unnest(?))"
    rows = fetch(con, FlipRow, sql, [*key, [example_id for _, _, example_id in places]]) if places else []
    return {(row.kind, row.suite, row.example_id): row for row in rows}


def _decision(con: duckdb.DuckDBPyConnection, experiment: str | None) -> DecisionRow:
    sql = (
        "from v_decisions where ? is null or name = ? or starts_with(experiment_id, ?) order by created_at desc limit 1"
    )
    rows = fetch(con, DecisionRow, sql, [experiment] * 3)
    if not rows:
        what = f"no decision for {experiment!r}" if experiment else "no decision"
        raise UserError(
            f"{what} in this store", "the store", "`harness run EXPERIMENT` makes one; `harness runs` lists them"
        )
    return rows[0]
