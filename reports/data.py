"""Everything a report shows, read from the `v_*` views of a store; any old experiment renders again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from reports.rows import AdapterEffectRow, EndpointRow, JudgeMeasureRow, TroubleRow, fetch
from suites.errors import UserError

Row = dict[str, Any]
Pictures = dict[str, str]
"""Files beside the report, by the name of the plot."""

FLIPS_SHOWN = {"task": 5, "regression": 3}


@dataclass(frozen=True, slots=True)
class ReportData:
    """One decided experiment. Every field holds rows of the view it is named after, in the order they are shown."""

    decision: Row
    config: Row
    files: Row
    facts: Row
    gates: Sequence[Row]
    arms: Sequence[Row]
    comparisons: Sequence[Row]
    findings: Sequence[Row]
    judge_measures: Sequence[JudgeMeasureRow]
    trouble: Sequence[TroubleRow]
    endpoints: Sequence[EndpointRow]
    effect: AdapterEffectRow | None
    training: Sequence[Row]
    repeats: Sequence[Row]
    stages: Sequence[Row]
    folds: Sequence[Row]
    prices: Sequence[Row]
    break_even: Row | None
    flips: Sequence[Row]  # by suite, how many answers got better and worse
    better: Sequence[Row]  # the clearest of them, on the task
    worse: Sequence[Row]  # and on every suite
    earlier: Sequence[Row]  # decisions on the same test set before this one

    def compared(self, *kinds: str) -> list[Row]:
        """Comparisons of these kinds."""
        return [row for row in self.comparisons if row["kind"] in kinds]

    def arms_on(self, kind: str) -> list[Row]:
        """Arms on suites of a kind, primary metric only."""
        return [row for row in self.arms if row["kind"] == kind and row["is_primary"]]

    def first_gates(self) -> list[Row]:
        """What the first screen shows: every rule about gain and harm, and validity rules that do not hold.

        The rest of them are one line; `validity_gates` has them all.
        """
        held = [gate for gate in self.validity_gates() if gate["status"] == "pass"]
        others = [gate for gate in self.gates if gate["kind"] != "validity"]
        broken = [gate for gate in self.validity_gates() if gate["status"] != "pass"]
        text = f"{len(held)} of {len(held) + len(broken)} checks hold: {', '.join(gate['name'] for gate in held)}"
        line = {"kind": "validity", "tier": "critical", "name": "validity", "status": "pass", "measured": text}
        line["rule"] = "the numbers can be compared"
        return [*broken, *others, line] if held else [*broken, *others]

    def validity_gates(self) -> list[Row]:
        """The rules about whether the numbers can be compared at all."""
        return [gate for gate in self.gates if gate["kind"] == "validity"]

    def score(self, run_id: str, metric: str) -> Row:
        """An arm's summary on any metric."""
        return next(row for row in self.arms if row["run_id"] == run_id and row["metric"] == metric)


def load(con: duckdb.DuckDBPyConnection, experiment: str | None = None) -> ReportData:
    """The latest decision in an open store, or that of `experiment`, a name or the beginning of an id.

    Raises UserError when there is none.
    """
    decision = _decision(con, experiment)
    key = [decision["experiment_id"]]
    frozen = json.loads(decision["frozen"])
    arms = """select r.*, c.mean_tokens_in, c.mean_tokens_out, c.p95_seconds, c.length_share, m.p95_low, m.p95_high,
                m.cost, m.cost_low, m.cost_high
              from v_runs r left join v_costs c using (run_id)
                left join v_arm_costs m using (experiment_id, run_id, side) where experiment_id = ?
              order by side, kind desc, suite, r.arm, not is_primary, metric"""
    return ReportData(
        decision=decision,
        config=frozen["config"],
        files=frozen["files"],
        facts=json.loads(decision["facts"]),
        gates=_rows(con, "from v_gates where experiment_id = ? order by position", key),
        arms=_rows(con, arms, key),
        comparisons=_rows(con, "from v_comparisons where experiment_id = ? order by position", key),
        findings=_rows(con, "from v_findings where experiment_id = ? order by position", key),
        judge_measures=fetch(con, JudgeMeasureRow, "from v_judge_measures where experiment_id = ? order by name", key),
        trouble=fetch(con, TroubleRow, "from v_trouble where experiment_id = ? order by fold, stage", key),
        endpoints=fetch(con, EndpointRow, "from v_endpoints where experiment_id = ? order by model", key),
        effect=next(iter(fetch(con, AdapterEffectRow, "from v_adapter_effects where experiment_id = ?", key)), None),
        training=_rows(con, "from v_training where experiment_id = ? order by step, name", key),
        repeats=_rows(con, "from v_repeats where experiment_id = ? order by kind, position", key),
        stages=_rows(con, "from v_stages where experiment_id = ? order by finished_at", key),
        folds=_rows(con, "from v_folds where experiment_id = ? order by fold", key),
        prices=_rows(con, "from v_prices where experiment_id = ? order by side", key),
        break_even=next(iter(_rows(con, "from v_break_even where experiment_id = ?", key)), None),
        flips=_rows(con, FLIP_COUNTS, key),
        better=_rows(con, FLIPS.format("kind = 'task' and candidate_value > baseline_value"), key),
        worse=_rows(con, FLIPS.format("candidate_value < baseline_value"), key),
        earlier=_rows(con, "from v_earlier where experiment_id = ? order by decided_at", key),
    )


FLIP_COUNTS = """
    select kind, suite, count(*) filter (candidate_value > baseline_value) as better,
        count(*) filter (candidate_value < baseline_value) as worse
    from v_flips where experiment_id = ? group by all order by kind desc, suite
"""
FLIPS = f"""
    from v_flips where experiment_id = ? and {{}}
    qualify row_number() over (
        partition by kind, suite order by abs(candidate_value - baseline_value) desc, example_id
    ) <= case kind when 'task' then {FLIPS_SHOWN["task"]} else {FLIPS_SHOWN["regression"]} end
    order by kind desc, suite, abs(candidate_value - baseline_value) desc, example_id
"""


def _decision(con: duckdb.DuckDBPyConnection, experiment: str | None) -> Row:
    sql = (
        "from v_decisions where ? is null or name = ? or starts_with(experiment_id, ?) order by created_at desc limit 1"
    )
    found = _rows(con, sql, [experiment] * 3)
    if not found:
        what = f"no decision for {experiment!r}" if experiment else "no decision"
        raise UserError(
            f"{what} in this store", "the store", "`harness run EXPERIMENT` makes one; `harness runs` lists them"
        )
    return found[0]


def _rows(con: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any]) -> list[Row]:
    cursor = con.execute(sql, list(parameters))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
