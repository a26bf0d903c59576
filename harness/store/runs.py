"""Runs: one arm on one suite with one seed, its answers and their scores, by example."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from harness.store.answers import StoredCompletion, stored
from harness.store.database import Store, insert
from harness.store.digests import RUN_DIGEST
from suites.data.examples import items_digest
from suites.metrics.table import of_scores
from suites.model import Completion, Generation, Identity, Thinking
from suites.reasoning import answer_of
from suites.types import Answers, Example, Run, Score


@dataclass(frozen=True, slots=True)
class Marked:
    """An example with its answer and scores, ready to be stored. `came` is all that came, where that may be more than
    what was marked."""

    example: Example
    completion_id: str
    completion: Completion
    scores: Mapping[str, Score]
    came: Completion | None = None

    @property
    def part(self) -> str | None:
        """What was marked, where it is not all that came."""
        said = self.completion
        whole = said.thinking == "none" and (self.came is None or self.came.text == said.text)
        return None if whole else said.text


# --- a run as a whole


@dataclass(frozen=True, slots=True)
class _Known:
    identity: str
    generation: str
    arm: str
    suite: str
    suite_id: str
    primary_metric: str


def on_record(store: Store, run_id: str) -> Run:
    """A finished run as it was made, with its suite's primary metric."""
    sql = """select identity, generation, arm, s.name as suite, suite_id, primary_metric
             from runs join suites s using (suite_id) where run_id = ?"""
    [row] = store.fetch(_Known, sql, [run_id])
    identity, generation = Identity(**json.loads(row.identity)), Generation(**json.loads(row.generation))
    return Run(run_id, row.arm, row.suite, row.suite_id, (row.primary_metric,), identity, generation)


@dataclass(frozen=True, slots=True)
class Made:
    """By which prompter a run was asked, and how long it took."""

    prompter_id: str
    seconds: float


def made(store: Store, run_id: str) -> Made:
    """How a run came about."""
    [row] = store.fetch(Made, "select prompter_id, seconds from runs where run_id = ?", [run_id])
    return row


@dataclass(frozen=True, slots=True)
class _Count:
    n: int


def is_finished(store: Store, run_id: str) -> bool:
    """Whether a run is on record with an answer to every example."""
    [row] = store.fetch(_Count, "select count(*) as n from runs where run_id = ? and n_errors = 0", [run_id])
    return row.n > 0


@dataclass(frozen=True, slots=True)
class _Suite:
    suite_id: str
    name: str
    kind: str
    primary_metric: str
    n: int
    items: str


@dataclass(frozen=True, slots=True)
class _Run:
    run_id: str
    suite_id: str
    arm: str
    prompter_id: str
    model_name: str
    identity: Identity
    generation: Mapping[str, object]
    seed: int
    n: int
    n_errors: int
    digest: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Example:
    suite_id: str
    example_id: str
    cluster_id: str
    input: str
    target: str
    slices: Mapping[str, str]
    others: str


@dataclass(frozen=True, slots=True)
class _Answer:
    run_id: str
    example_id: str
    completion_id: str
    answer: str | None
    thinking: Thinking


@dataclass(frozen=True, slots=True)
class _Score:
    run_id: str
    example_id: str
    metric: str
    value: float | None
    reason: str
    spread: float | None


def record(store: Store, run: Run, kind: str, prompter_id: str, marked: Sequence[Marked], seconds: float) -> None:
    """Everything about a finished run, in one transaction. Answers of an earlier try with errors are replaced.

    It keeps the time at which it was first on record: that is when its questions were looked at.
    """
    primary = run.metrics[0] if run.metrics else next(iter(marked[0].scores))
    items = items_digest(m.example for m in marked)
    errors = sum(m.completion.error is not None for m in marked)
    with store.connect() as con:
        first = con.execute("select created_at from runs where run_id = ?", [run.id]).fetchone()
        for table in ("answers", "scores"):
            con.execute(f"delete from {table} where run_id = ?", [run.id])
        insert(con, "suites", [_Suite(run.suite_id, run.suite, kind, primary, len(marked), items)])
        insert(con, "examples", [_example(run.suite_id, m.example) for m in marked])
        if kind == "task":
            con.execute(QUESTIONS, [run.suite_id, run.suite_id])
        insert(con, "completions", _new_completions(con, marked), replace=True)
        insert(con, "answers", [_answer(run.id, m) for m in marked])
        insert(con, "scores", [
            _Score(run.id, m.example.id, name, score.value, score.reason, score.spread)
            for m in marked for name, score in m.scores.items()
        ])  # fmt: skip
        insert(con, "runs", [_Run(
            run.id, run.suite_id, run.arm, prompter_id, run.identity.name, run.identity,
            run.generation.settings(), run.generation.seed, len(marked), errors, _digest(con, run), seconds,
        )], replace=True)  # fmt: skip
        if first:  # when it was first looked at; what was decided on its earlier answers rests on others now
            con.execute(UNSTAMP, [run.id])
            con.execute("update runs set created_at = ? where run_id = ?", [first[0], run.id])


def _digest(con: duckdb.DuckDBPyConnection, run: Run) -> str:
    """Of the rows of a run on record; the run itself need not be."""
    sql = RUN_DIGEST.replace("runs.run_id", "$run").replace("runs.suite_id", "$suite")
    [digest] = con.execute(sql, {"run": run.id, "suite": run.suite_id}).fetchone() or ("",)
    return str(digest)


def _new_completions(con: duckdb.DuckDBPyConnection, marked: Sequence[Marked]) -> list[StoredCompletion]:
    """The answers that no model's cache has put on record already, which is most of the time none.

    Those that failed before may have come since.
    """
    sql = "select completion_id from completions where error is null and completion_id in (select unnest(?))"
    known = {key for (key,) in con.execute(sql, [[m.completion_id for m in marked]]).fetchall()}
    return [
        stored(m.completion_id, m.example.input, m.came or m.completion) for m in marked if m.completion_id not in known
    ]


UNSTAMP = """
    delete from decision_digests where experiment_id in (
        select coalesce(f.experiment_id, a.experiment_id) from (
            select experiment_id from arms where run_id = $1
            union select experiment_id from repeats where run_id = $1) a
        left join folds f on f.fold_id = a.experiment_id)
"""
QUESTIONS = """
    insert into questions select distinct suite_id, question_of(input) from examples
    where suite_id = ? and not exists (from questions where suite_id = ?)
"""


def _answer(run_id: str, marked: Marked) -> _Answer:
    """What was marked is kept beside what came, where it is less."""
    return _Answer(run_id, marked.example.id, marked.completion_id, marked.part, marked.completion.thinking)


def _example(suite_id: str, example: Example) -> _Example:
    others = json.dumps(example.others, ensure_ascii=False)
    return _Example(suite_id, example.id, example.cluster, example.input, example.target, example.slices, others)


# --- its answers


@dataclass(frozen=True, slots=True)
class _Text:
    example_id: str
    text: str
    recorded_scores: str | None


def texts(store: Store, run_id: str) -> dict[str, str]:
    """A run's answers as text, by example id; failed ones, and those cut before they came, are left out."""
    sql = """select example_id, text, recorded_scores from v_completions
             where run_id = ? and error is null and thinking not in ('cut', 'unclear')"""
    return {row.example_id: row.text for row in store.fetch(_Text, sql, [run_id])}


def outputs(store: Store, run_id: str) -> dict[str, tuple[str, str | None]]:
    """All that came, thinking too, and the marks that came with a recorded answer, as JSON: logs may have no text."""
    sql = """select example_id, coalesce(raw, text) as text, recorded_scores from v_completions
             where run_id = ? and error is null"""
    return {row.example_id: (row.text, row.recorded_scores) for row in store.fetch(_Text, sql, [run_id])}


@dataclass(frozen=True, slots=True)
class _TargetAndText:
    example_id: str
    target: str
    text: str


def answers(store: Store, run_id: str, metric: str) -> dict[str, tuple[str, str]]:
    """(target, answer) of the examples of a run that have a score on `metric`, by example id, both without thinking."""
    return _answers(store, run_id, metric, "c.text")


def measured_by(store: Store, run_id: str, metric: str) -> dict[str, tuple[str, str]]:
    """What a metric of the whole exam is made of: `answers`, or in place of their text the numbers that came with
    them, as JSON, where it is of these."""
    return _answers(store, run_id, metric, "c.recorded_scores::varchar" if of_scores(metric) else "c.text")


def _answers(store: Store, run_id: str, metric: str, said: str) -> dict[str, tuple[str, str]]:
    sql = f"""select c.example_id, c.target, {said} as text
             from v_completions c join scores s using (run_id, example_id)
             where c.run_id = ? and s.metric = ? and s.value is not null order by c.example_id"""
    rows = store.fetch(_TargetAndText, sql, [run_id, metric])
    return {row.example_id: (answer_of(row.target), row.text) for row in rows}


@dataclass(frozen=True, slots=True)
class _Right:
    target: str
    others: str | None


def wanted(store: Store, run_id: str, metric: str) -> list[Answers]:
    """What is right to each example of a run that has a score on `metric`, without thinking."""
    sql = """select c.target, c.others from v_completions c join scores s using (run_id, example_id)
             where c.run_id = ? and s.metric = ? and s.value is not null order by c.example_id"""
    rows = store.fetch(_Right, sql, [run_id, metric])
    return [tuple(map(answer_of, (row.target, *json.loads(row.others or "[]")))) for row in rows]


@dataclass(frozen=True, slots=True)
class _Ended:
    example_id: str
    ended: bool


def endings(store: Store, run_id: str) -> dict[str, Score]:
    """By example id 1 for an answer that ended by itself, else 0; failed ones are left out."""
    sql = "select example_id, finish = 'stop' as ended from v_completions where run_id = ? and error is null"
    return {row.example_id: Score(float(row.ended)) for row in store.fetch(_Ended, sql, [run_id])}


@dataclass(frozen=True, slots=True)
class Thought:
    """How many of a run's `n` answers came after thinking, and the mean of tokens written; None: not counted."""

    n: int
    thinking: int
    tokens_out: float | None


def thought(store: Store, run_id: str) -> Thought:
    """How far a run's answers had thinking that was taken off; markers around nothing are none."""
    sql = """select count(*) as n, count(*) filter (thinking in ('closed', 'cut')) as thinking,
                nullif(avg(tokens_out), 0) as tokens_out from v_completions where run_id = ? and error is null"""
    [row] = store.fetch(Thought, sql, [run_id])
    return row


def cut(store: Store, run_id: str) -> int:
    """How many answers ended at the limit of new tokens."""
    sql = "select count(*) as n from v_completions where run_id = ? and finish = 'length'"
    [row] = store.fetch(_Count, sql, [run_id])
    return row.n


@dataclass(frozen=True, slots=True)
class Used:
    """Mean tokens of a run's answers, read and written; 0 where nobody counted."""

    tokens_in: float
    tokens_out: float


def used(store: Store, run_id: str) -> Used:
    """What a request of a run takes; 0 where nothing was answered."""
    sql = """select coalesce(mean_tokens_in, 0) as tokens_in, coalesce(mean_tokens_out, 0) as tokens_out
             from v_costs where run_id = ?"""
    return next(iter(store.fetch(Used, sql, [run_id])), Used(0.0, 0.0))


# --- its scores


def scores(store: Store, run_id: str, metric: str) -> dict[str, Score]:
    """A run's scores on one metric, by example id."""
    sql = "select run_id, example_id, metric, value, reason, spread from scores where run_id = ? and metric = ?"
    return {row.example_id: _score(row) for row in store.fetch(_Score, sql, [run_id, metric])}


def _score(row: _Score) -> Score:
    return Score(row.value, row.reason, row.spread)


@dataclass(frozen=True, slots=True)
class Mark:
    """A score beside its example and cluster; `value` is None where there is none."""

    example_id: str
    cluster_id: str
    metric: str
    value: float | None


def marks(store: Store, run_id: str) -> dict[str, list[Mark]]:
    """A run's marks by metric, in the order of the examples' ids."""
    sql = "select example_id, cluster_id, metric, value from v_scores where run_id = ? order by metric, example_id"
    by_metric: dict[str, list[Mark]] = {}
    for mark in store.fetch(Mark, sql, [run_id]):
        by_metric.setdefault(mark.metric, []).append(mark)
    return by_metric


@dataclass(frozen=True, slots=True)
class _Reason:
    reason: str


def usual_reason(store: Store, run_id: str, metric: str) -> str:
    """Why examples of a run have no score, most often; empty where all have one."""
    sql = """select reason from v_scores where run_id = ? and metric = ? and value is null
             group by reason order by count(*) desc, reason limit 1"""
    rows = store.fetch(_Reason, sql, [run_id, metric])
    return rows[0].reason if rows else ""


# --- its examples


@dataclass(frozen=True, slots=True)
class _Cluster:
    example_id: str
    cluster_id: str


def clusters(store: Store, suite_id: str) -> list[tuple[str, str]]:
    """(id, cluster) of a suite's examples."""
    rows = store.fetch(_Cluster, "select example_id, cluster_id from examples where suite_id = ?", [suite_id])
    return [(row.example_id, row.cluster_id) for row in rows]


@dataclass(frozen=True, slots=True)
class _Part:
    example_id: str
    part: str


def parts(store: Store, suite_id: str) -> dict[str, set[str]]:
    """The ids of a suite's examples by the part of it that they are of; empty where it has no parts."""
    sql = "select example_id, slices->>'part' as part from examples where suite_id = ? and slices->>'part' is not null"
    found: dict[str, set[str]] = {}
    for row in store.fetch(_Part, sql + " order by part, example_id", [suite_id]):
        found.setdefault(row.part, set()).add(row.example_id)
    return found


@dataclass(frozen=True, slots=True)
class _Asked:
    example_id: str
    cluster_id: str
    input: str
    target: str
    others: str | None
    slices: str
    completion_id: str
    text: str
    finish: Literal["stop", "length", "error"]
    tokens_in: int
    tokens_out: int
    seconds: float
    error: str | None
    scores: str | None
    thinking: Thinking


ASKED = """
    select example_id, cluster_id, input, target, others, slices, completion_id, coalesce(a.answer, text) as text,
        if(thinking = 'cut', 'length', finish) as finish, tokens_in, tokens_out, c.seconds, error, c.scores, thinking
    from answers a join runs r using (run_id) join completions c using (completion_id)
        join examples x using (suite_id, example_id)
    where a.run_id = ? order by a.example_id
"""


def marked(store: Store, run: Run, prefix: str) -> Iterator[Marked]:
    """A run's examples with answers and scores, as they are on record; `prefix` goes before their ids."""
    by_example: dict[str, dict[str, Score]] = {}
    sql = "select run_id, example_id, metric, value, reason, spread from scores where run_id = ? order by metric"
    for score in store.fetch(_Score, sql, [run.id]):
        by_example.setdefault(score.example_id, {})[score.metric] = _score(score)
    primary = run.metrics[0]
    for row in store.fetch(_Asked, ASKED, [run.id]):
        own = by_example.get(row.example_id, {})
        columns, slices, others = {"input": row.input}, json.loads(row.slices), tuple(json.loads(row.others or "[]"))
        example = Example(prefix + row.example_id, columns, row.target, row.cluster_id, slices, others=others)
        answer = Completion(
            row.text, row.finish, row.tokens_in, row.tokens_out, row.seconds, row.error,
            json.loads(row.scores or "null"), thinking=row.thinking,
        )  # fmt: skip
        first = {primary: own[primary]} if primary in own else {}  # a judge is asked later, about two sides
        yield Marked(example, row.completion_id, answer, {**first, **own})
