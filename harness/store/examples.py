"""Single examples of an experiment: those whose answers changed, and what every arm said to one of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.store.database import Store
from harness.store.experiments import Found
from suites.errors import UserError


@dataclass(frozen=True, slots=True)
class Changed:
    """An example that the candidate answered better or worse than the best prompt; values in [0, 1]."""

    suite: str
    kind: str
    metric: str
    example_id: str
    input: str
    target: str
    others: str | None
    baseline_arm: str
    baseline_value: float
    baseline_text: str
    candidate_arm: str
    candidate_value: float
    candidate_text: str

    @property
    def is_worse(self) -> bool:
        """Whether the candidate's answer is the lesser one."""
        return self.candidate_value < self.baseline_value


def changed(store: Store, experiment: Found) -> list[Changed]:
    """The answers of an experiment that changed: the task first, in each suite what got worse first, then the clearest.

    Raises UserError while one of the sides has not taken the exam.
    """
    for side, stage in (("base", "baseline"), ("candidate", "exam")):
        if not store.fetch(_Id, TOOK_THE_EXAM, [experiment.id, side]):
            fix = f"`harness {stage} {experiment.file}`, or `harness run` for everything"
            raise UserError(f"the {side} has not taken the exam of {experiment.name!r} yet", str(store.path), fix)
    return store.fetch(Changed, CHANGED, [experiment.id])


@dataclass(frozen=True, slots=True)
class _Id:
    id: str


TOOK_THE_EXAM = "select run_id as id from v_runs where experiment_id = ? and side = ? and kind = 'task' limit 1"
CHANGED = """
    select suite, kind, metric, example_id, input, target, others, baseline_arm, baseline_value, baseline_text,
        candidate_arm, candidate_value, candidate_text
    from v_flips where experiment_id = ?
    order by kind desc, suite, candidate_value > baseline_value, abs(candidate_value - baseline_value) desc, example_id
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A metric's word on an answer; without a value there is a reason."""

    metric: str
    value: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one arm was asked about an example, to the letter, what it answered, and its marks, the primary first.

    `text` is what was marked, `raw` all that came where thinking was taken off it. `prompt` is None where answers were
    recorded elsewhere, so that how they were asked for is not known.
    """

    run_id: str
    suite: str
    kind: str
    side: str
    arm: str
    chosen: bool
    input: str
    target: str
    others: str | None
    prompt: str | None
    text: str
    raw: str | None
    finish: str
    error: str | None
    marks: Sequence[Mark] = ()


def answers(store: Store, experiment: Found, example_id: str) -> list[Answer]:
    """What every arm of an experiment said to an example, by suite, the bar before the candidate.

    Raises UserError when the experiment has no such example.
    """
    rows = store.fetch(Answer, ANSWERS, [experiment.id, example_id])
    if not rows:
        raise _no_example(store, experiment, example_id)
    return [replace(row, marks=store.fetch(Mark, MARKS, [row.run_id, example_id])) for row in rows]


ANSWERS = """
    with places as (
        select distinct run_id, side, chosen, identity->>'engine' like 'recorded%' as recorded
        from v_runs where experiment_id = ?)
    select a.run_id, suite, kind, p.side, arm, p.chosen, input, target, others, if(p.recorded, null, prompt) as prompt,
        text, raw, finish, error
    from v_completions a join places p using (run_id) where example_id = ?
    order by kind = 'validation', kind desc, suite, p.side, not p.chosen, arm
"""
MARKS = """
    select s.metric, s.value, s.reason
    from v_scores s join (select distinct run_id, metric, is_primary from v_runs) m using (run_id, metric)
    where run_id = ? and example_id = ? order by not m.is_primary, s.metric
"""
IDS = """
    select distinct example_id as id from v_completions
    where run_id in (select run_id from v_runs where experiment_id = ?) order by id
"""


def _no_example(store: Store, experiment: Found, example_id: str) -> UserError:
    ids = [row.id for row in store.fetch(_Id, IDS, [experiment.id])]
    if not ids:
        what = f"no arm of {experiment.name!r} has answered anything yet"
        return UserError(what, str(store.path), f"`harness run {experiment.file}`")
    near = difflib.get_close_matches(example_id, ids, n=3) or ids[:3]
    fix = f"ids look like {', '.join(near)}; `harness flips` lists those whose answers changed"
    return UserError(f"{experiment.name!r} has no example {example_id!r}", str(store.path), fix)
