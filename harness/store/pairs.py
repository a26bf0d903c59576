"""Two runs side by side: which runs are meant, whether they took one exam, and which answers changed."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass

from harness.store.database import Store
from suites.errors import UserError
from suites.model import Thinking


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run, and where it stands."""

    run_id: str
    suite_id: str
    experiment: str
    arm: str
    suite: str
    kind: str

    def __str__(self) -> str:
        return f"{self.experiment}/{self.arm}/{self.suite}"


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


def find_run(store: Store, name: str) -> NamedRun:
    """The run called `EXPERIMENT/ARM` (on the task), `EXPERIMENT/ARM/SUITE`, or by the beginning of its id.

    `EXPERIMENT` alone is its candidate on the task, or its chosen prompt while no candidate has taken the exam. Of
    several experiments with one name it is the latest. Raises UserError when no run or more than one is meant.
    """
    runs = store.fetch(NamedRun, FIND, [name])
    if not runs:
        arms = [row.name for row in store.fetch(_Name, KNOWN)]
        near = difflib.get_close_matches(name, [*arms, *(arm.partition("/")[0] for arm in arms)], n=1)
        known = ", ".join(map(shlex.quote, near or arms))
        there = f"; did you mean {known}?" if near else f"; there are {known}" if known else ""
        fix = f"name EXPERIMENT, EXPERIMENT/ARM, EXPERIMENT/ARM/SUITE, or the beginning of a run_id in v_runs{there}"
        raise UserError(f"no run is called {name!r}", str(store.path), fix)
    if len(runs) > 1:
        candidates = ", ".join(f"{run.run_id[:12]} ({run})" for run in runs)
        what = f"{name!r} is the name of {len(runs)} runs"
        raise UserError(what, str(store.path), f"give more of an id: {candidates}")
    return runs[0]


FIND = """
    with named as (
        select r.*, x.created_at as registered_at,
            starts_with(run_id, $1) as by_id,
            (kind = 'task' and concat_ws('/', experiment, arm) = $1)
                or concat_ws('/', experiment, arm, suite) = $1
                or (experiment = $1 and kind = 'task' and chosen and (side = 'candidate' or not exists (
                    from v_runs c where c.experiment_id = r.experiment_id and c.side = 'candidate' and c.kind = 'task'
                        and c.chosen))) as by_name
        from v_runs r join v_experiments x using (experiment_id) where is_primary)
    select run_id, suite_id, experiment, arm, suite, kind from named
    where by_id or (by_name and registered_at = (select max(registered_at) from named where by_name))
    qualify row_number() over (partition by run_id order by registered_at desc) = 1
    order by run_id
"""
KNOWN = """
    select distinct concat_ws('/', experiment, arm) as name from v_runs join v_experiments using (experiment_id)
    where kind = 'task' and part_of is null order by name limit 10
"""


@dataclass(frozen=True, slots=True)
class Different:
    """How many examples are not the same in two runs or suites, and the first of them."""

    n: int
    first: str | None


def answered_by_one(store: Store, one: str, other: str) -> Different:
    """The examples that only one of two runs was asked."""
    [row] = store.fetch(Different, ANSWERED_BY_ONE, [one, other])
    return row


ANSWERED_BY_ONE = """
    select count(*) as n, min(coalesce(a.example_id, b.example_id)) as first
    from (from answers where run_id = ?) a full join (from answers where run_id = ?) b using (example_id)
    where a.run_id is null or b.run_id is null
"""


def different_examples(store: Store, one: str, other: str) -> Different:
    """The examples that are not the same in two suites."""
    [row] = store.fetch(Different, DIFFERENT_EXAMPLES, [one, other])
    return row


DIFFERENT_EXAMPLES = """
    select count(*) as n, min(coalesce(a.example_id, b.example_id)) as first
    from (from examples where suite_id = ?) a full join (from examples where suite_id = ?) b using (example_id)
    where a.suite_id is null or b.suite_id is null or a.input <> b.input or a.target <> b.target
        or a.others::varchar <> b.others::varchar
"""


@dataclass(frozen=True, slots=True)
class _Metric:
    metric: str


def metrics(store: Store, run_id: str) -> list[str]:
    """What a run was marked by."""
    return [row.metric for row in store.fetch(_Metric, "select distinct metric from v_runs where run_id = ?", [run_id])]


def shared_metrics(store: Store, one: str, other: str) -> list[str]:
    """What both runs were marked by, the primary metric first."""
    return [row.metric for row in store.fetch(_Metric, SHARED_METRICS, [one, other])]


SHARED_METRICS = """
    select metric from v_runs where run_id in (?, ?) group by metric having count(distinct run_id) = 2
    order by not bool_or(is_primary), metric
"""


@dataclass(frozen=True, slots=True)
class Flip:
    """An example that one run answered better than the other."""

    example_id: str
    target: str
    others: str | None
    baseline_value: float
    candidate_value: float
    baseline_text: str
    candidate_text: str
    baseline_thinking: Thinking
    candidate_thinking: Thinking


def flips(store: Store, one: str, other: str, metric: str) -> list[Flip]:
    """The examples whose score changed between two runs, the clearest first."""
    return store.fetch(Flip, FLIPS, [one, other, metric])


FLIPS = """
    select before.example_id, was.target, was.others, before.value as baseline_value, after.value as candidate_value,
        was.text as baseline_text, became.text as candidate_text,
        was.thinking as baseline_thinking, became.thinking as candidate_thinking
    from v_scores before join v_scores after using (example_id, metric)
        join v_completions was on was.run_id = before.run_id and was.example_id = before.example_id
        join v_completions became on became.run_id = after.run_id and became.example_id = after.example_id
    where before.run_id = ? and after.run_id = ? and metric = ? and before.value <> after.value
    order by abs(after.value - before.value) desc, before.example_id
"""
