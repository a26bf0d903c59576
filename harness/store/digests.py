"""What is noticed of rows that were lost or changed: finished runs say what they held."""

from __future__ import annotations

from pathlib import Path

import duckdb

from harness.store.opening import RESTORE
from suites.errors import UserError

# The digest of a run as its rows stand now: what was asked and answered, and every score. For one run alone, of which
# both ids are given, it takes half as long.
RUN_DIGEST = """
    select sha256(concat(
        (select string_agg(concat_ws(chr(31), a.example_id, x.cluster_id, x.input, x.target,
                    coalesce(a.answer, c.text)), chr(30)
                order by a.example_id)
            from answers a join completions c using (completion_id)
                join examples x on x.suite_id = runs.suite_id and x.example_id = a.example_id
            where a.run_id = runs.run_id),
        (select string_agg(concat_ws(chr(31), s.example_id, s.metric, coalesce(s.value::varchar, s.reason)), chr(30)
                order by s.example_id, s.metric)
            from scores s where s.run_id = runs.run_id)))
"""


def check(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raises UserError where rows of a finished run are not as they were recorded.

    A failed answer may be given later, by another run too: only runs without any have answers that never change.
    """
    lost = con.execute(f"select run_id from runs where n_errors = 0 and digest <> ({RUN_DIGEST})").fetchall()
    if lost:
        names = ", ".join(run_id[:12] for (run_id,) in lost[:5])
        what = f"{len(lost)} finished run{'s' * (len(lost) > 1)} lost or changed rows: {names}"
        raise UserError(what, str(path), RESTORE)
