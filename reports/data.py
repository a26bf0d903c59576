"""Everything a report shows, read from the `v_*` views of a store; any old experiment renders again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from suites.errors import UserError

Row = dict[str, Any]

FLIPS_SHOWN = 5


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
    evidence: Sequence[Row]
    training: Sequence[Row]
    stages: Sequence[Row]
    prices: Sequence[Row]
    break_even: Row | None
    better: Sequence[Row]
    worse: Sequence[Row]
    flips: Row

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
        line = {"name": "validity", "rule": "the numbers can be compared", "measured": text, "status": "pass"}
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
    flips = "from v_flips where experiment_id = ? and candidate_value {} baseline_value order by example_id"
    return ReportData(
        decision=decision,
        config=frozen["config"],
        files=frozen["files"],
        facts=json.loads(decision["facts"]),
        gates=_rows(con, "from v_gates where experiment_id = ? order by position", key),
        arms=_rows(con, arms, key),
        comparisons=_rows(con, "from v_comparisons where experiment_id = ? order by position", key),
        findings=_rows(con, "from v_findings where experiment_id = ? order by position", key),
        evidence=_rows(con, "from v_evidence where experiment_id = ? order by topic, name", key),
        training=_rows(con, "from v_training where experiment_id = ? order by step, name", key),
        stages=_rows(con, "from v_stages where experiment_id = ? order by finished_at", key),
        prices=_rows(con, "from v_prices where experiment_id = ? order by side", key),
        break_even=next(iter(_rows(con, "from v_break_even where experiment_id = ?", key)), None),
        better=_rows(con, f"{flips.format('>')} limit {FLIPS_SHOWN}", key),
        worse=_rows(con, f"{flips.format('<')} limit {FLIPS_SHOWN}", key),
        flips=_rows(con, FLIP_COUNTS, key)[0],
    )


FLIP_COUNTS = """
    select count(*) filter (candidate_value > baseline_value) as better,
        count(*) filter (candidate_value < baseline_value) as worse
    from v_flips where experiment_id = ?
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
