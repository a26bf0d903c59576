"""How an accident is planted in a copy of an experiment's record, and what must come of it."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from harness.config.base import read_margin
from harness.config.policy import FINISHED, MetricRule
from harness.decision.compare import Question
from harness.decision.decide import Verdict
from harness.experiment import exams
from harness.experiment.session import Session
from harness.pipeline.compare import chosen_runs
from harness.pipeline.examiner import examiner
from harness.pipeline.hearing import decides
from harness.store import arms, runs
from harness.store.digests import RUN_DIGEST
from harness.store.runs import Marked
from reports.rows import GateRow, RunRow, Side
from suites.benchmarks.lm_eval import PART
from suites.data.examples import sha256_json
from suites.metrics.table import CORPUS, build, checked
from suites.model import Completion
from suites.types import Example, Mark, Suite

SHARE = 0.1
"""How much of the exam an accident spoils that does not spoil all of it."""


AMONG_MANY = 0.001
"""An error small enough for a loss to stay shown after Holm's correction over all the rules of an experiment."""


class NotApplicable(Exception):
    """This experiment cannot have the accident, or has switched off the rule that would see it; the text says why."""


@dataclass(frozen=True, slots=True)
class Planted:
    """What was done to the record, and what must come of it.

    One of `verdicts` (any when empty), at least one of the validity gates `failed`, the gate `advisory` without a say
    in the verdict or not there, the caution `told` beside it, and a headline that `never_says` what is no longer shown.
    """

    done: str
    verdicts: tuple[Verdict, ...] = ()
    failed: tuple[str, ...] = ()
    advisory: str = ""
    told: str = ""
    never_says: str = ""

    @property
    def expected(self) -> str:
        """What must come of it, as a reader is told."""
        verdicts = " or ".join(verdict.text for verdict in self.verdicts)
        gates = f" by {' or '.join(self.failed)}" if self.failed else ""
        if verdicts:
            return f"{verdicts}{gates}"
        if self.advisory:
            return f"{self.advisory} is advisory or not used"
        return f"{self.told} is told" if self.told else f"never {self.never_says!r}"

    def holds(self, verdict: str, gates: Sequence[GateRow], headline: str = "") -> bool:
        """Whether it did."""
        failed = {gate.name for gate in gates if gate.kind == "validity" and gate.status == "fail"}
        tiers = {gate.tier for gate in gates if gate.kind == "harm" and gate.name == self.advisory}
        return (
            (not self.verdicts or verdict in {allowed.text for allowed in self.verdicts})
            and (not self.failed or bool(failed & set(self.failed)))
            and (not self.advisory or tiers <= {"advisory"})
            and (not self.told or self.told in {gate.name for gate in gates if gate.kind == "caution"})
            and (not self.never_says or self.never_says not in headline)
        )


def task_question(chosen: RunRow, asked: float | str) -> Question:
    """The task's, as the decision asks it."""
    wanted, relative = read_margin(asked)
    return Question(
        suite=chosen.suite,
        kind="task",
        metric=chosen.metric,
        baseline_arm="one",
        candidate_arm="other",
        margin=wanted,
        relative=relative,
    )


def asked_examples(session: Session, side: Side = "candidate") -> list[Example]:
    """The test examples that a side was asked; an exam that stopped early leaves some of them to the base alone."""
    if decides(session):
        raise NotApplicable("a judge decides, and what it would say of other answers is not on record")
    scores = arms.chosen_scores(session.store, session.id, side)
    suite = exams.task_suite(session.experiment, session.splits, "test")
    return [example for example in suite.examples if example.id in scores]


def one_model(session: Session) -> Session:
    """The session with one candidate and one set of prompts: of a cross-validation the first fold's."""
    return session.folds[0] if session.folds else session


def no_better(session: Session, done: str) -> Planted:
    """What must be said to answers that gain no more than was asked for.

    An interval holds its own estimate, so the gain cannot be shown: never `deploy`. Where the gain falls short by more
    than chance allows, that must be shown, which is `keep_prompting`, or `reject` where something else was lost too.
    Answers that can no longer be marked may be too many for any verdict.
    """
    policy, (base, candidate) = session.experiment.config.policy, chosen_runs(session)
    before, after = base.mean or 0.0, candidate.mean or 0.0
    wanted, relative = read_margin(policy.asked)
    short = (wanted * before if relative else wanted) - (after - before)
    if short < 0:
        raise NotApplicable(f"{done}, the candidate still gains {after - before:+.3f}: its marks do not depend on it")
    verdicts = [Verdict.KEEP_PROMPTING, Verdict.REJECT]
    chance = _chance(asked_examples(session), 2 + abs(wanted) if relative else 2.0, 1 - policy.confidence)
    if short <= chance or candidate.metric in CORPUS:  # the bound is one for means
        verdicts.append(Verdict.INCONCLUSIVE)
    if candidate.n_unscored:
        verdicts.append(Verdict.INVALID)
    return Planted(done, tuple(verdicts))


def endings_lost(session: Session) -> bool:
    """Whether an exam of this size must show that the candidate's answers no longer end, as the base's do."""
    rule = session.experiment.config.policy.metrics.get(FINISHED, MetricRule(tier="supporting"))
    margin, relative = read_margin(rule.margin)
    base, _ = chosen_runs(session)
    ended = [score.value or 0.0 for score in runs.endings(session.store, base.run_id).values()]
    share = sum(ended) / len(ended) if ended else 0.0
    loss = share * (1 - margin if relative else 1) - (0 if relative else margin)
    return rule.tier != "advisory" and loss > _chance(asked_examples(session), 2.0, AMONG_MANY)


def shows_total_loss(session: Session, suite: Suite, margin: float, part: str = "") -> bool:
    """Whether an exam of this size must show that everything the base could do on a suite is lost, or on a `part`."""
    [row] = [
        row for row in arms.chosen_runs(session.store, session.id, "base", "regression") if row.suite == suite.name
    ]
    if not part:
        return (row.mean or 0.0) - margin > _chance(suite.examples, 2.0, AMONG_MANY)
    examples = [example for example in suite.examples if example.slices.get(PART) == part]
    scores = runs.scores(session.store, row.run_id, row.metric)
    mean = sum(scores[example.id].value or 0.0 for example in examples) / len(examples)
    return mean - margin > _chance(examples, 2.0, AMONG_MANY)


def _chance(examples: Sequence[Example], span: float, alpha: float) -> float:
    """How far a mean over the examples' clusters strays from the truth in all but alpha / 2 of exams, at most.

    `span` is the distance between the largest and the smallest value (Hoeffding 1963, JASA 58:13, theorem 2).
    """
    sizes = Counter(example.cluster for example in examples).values()
    return span * math.sqrt(sum(size**2 for size in sizes) * math.log(2 / alpha) / 2) / max(len(examples), 1)


def too_many(session: Session) -> list[Example]:
    """A tenth of the test examples, and more than the policy lets go without a score."""
    examples, config = asked_examples(session), session.experiment.config
    most = max(SHARE, config.policy.max_unscored)
    return some(examples, min(len(examples), math.floor(most * len(examples)) + 1), config.seed)


def some(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """A part of the examples, at random."""
    return random.Random(seed).sample(list(examples), count)


def answers_of(session: Session, side: Side = "candidate") -> dict[str, Completion]:
    """A side's answers to the task as they were marked, by example id; failed ones too."""
    run = runs.on_record(session.store, arms.chosen(session.store, session.id, side).run_id)
    return {row.example.id: row.completion for row in runs.marked(session.store, run, "")}


def rewrite(
    session: Session,
    answers: Mapping[str, Completion],
    spoilt: Mapping[str, Callable[[Mark], Mark]] | None = None,
    side: Side = "candidate",
) -> None:
    """Put other answers of a side to the task on record, marked as they would have been.

    `spoilt` makes a broken metric of a sound one, by name.
    """
    store, chosen = session.store, arms.chosen(session.store, session.id, side)
    marked = marked_anew(session, chosen.run_id, asked_examples(session, side), answers, spoilt)
    run, made = runs.on_record(store, chosen.run_id), runs.made(store, chosen.run_id)
    runs.record(store, run, "task", made.prompter_id, marked, made.seconds)
    examiner(session).put(side, chosen.arm, run, chosen=True)


def marked_anew(
    session: Session,
    run_id: str,
    examples: Sequence[Example],
    answers: Mapping[str, Completion],
    spoilt: Mapping[str, Callable[[Mark], Mark]] | None = None,
) -> list[Marked]:
    """Answers to examples of the task for a run, marked by the task's metrics, or by what `spoilt` makes of them."""
    suite = exams.task_suite(session.experiment, session.splits, "test")
    marks = {name: build(name, suite.schema, suite.folder) for name in suite.metrics}
    marks |= {name: checked(name, spoil(marks[name])) for name, spoil in (spoilt or {}).items()}
    return [_marked(run_id, example, answers[example.id], marks) for example in examples]


def rewrite_regression(session: Session, suite: Suite, answers: Sequence[str]) -> None:
    """Put other answers of the candidate to a regression suite on record, one per example, marked as they would be."""
    store = session.store
    [row] = [row for row in arms.chosen_runs(store, session.id, "candidate", "regression") if row.suite == suite.name]
    marks = {name: build(name, suite.schema, suite.folder) for name in suite.metrics}
    marked = [
        _marked(row.run_id, example, Completion(text, tokens_out=1), marks)
        for example, text in zip(suite.examples, answers, strict=True)
    ]
    run, made = runs.on_record(store, row.run_id), runs.made(store, row.run_id)
    runs.record(store, run, suite.kind, made.prompter_id, marked, made.seconds)
    examiner(session).put("candidate", row.arm, run, chosen=True)


def _marked(run_id: str, example: Example, answer: Completion, marks: Mapping[str, Mark]) -> Marked:
    key = sha256_json([run_id, example.id, asdict(answer)])
    return Marked(example, key, answer, {name: mark(example, answer) for name, mark in marks.items()})


@dataclass(frozen=True, slots=True)
class _RunId:
    run_id: str


def base_run(session: Session, run_id: str) -> str | None:
    """The base's run on the same suite: with the same prompt if there is one, else the chosen one."""
    sql = """select b.run_id from arms a join runs b using (run_id), runs c
             where a.experiment_id = ? and a.side = 'base' and c.run_id = ? and b.suite_id = c.suite_id
             order by b.prompter_id = c.prompter_id desc, a.chosen desc limit 1"""
    rows = session.store.fetch(_RunId, sql, [session.id, run_id])
    return rows[0].run_id if rows else None


def copy_answers(session: Session, source: str, target: str) -> None:
    """Give one run the answers and scores of another."""
    with session.store.connect() as con:
        for table, columns in (
            ("answers", "completion_id, answer, thinking"),
            ("scores", "metric, value, reason, spread"),
        ):
            con.execute(f"delete from {table} where run_id = ?", [target])
            sql = f"insert into {table} (run_id, example_id, {columns}) select ?, example_id, {columns} from {table}"
            con.execute(f"{sql} where run_id = ?", [target, source])
        errors = "(select n_errors from runs where run_id = ?)"
        con.execute(f"update runs set n_errors = {errors}, digest = ({RUN_DIGEST}) where run_id = ?", [source, target])


def plant_template(session: Session, template: str) -> None:
    """Give every run of the candidate another chat template."""
    sql = """update runs set identity = json_merge_patch(identity, json_object('template', ?::varchar))
             where run_id in (select run_id from arms where experiment_id = ? and side = 'candidate')"""
    session.store.execute(sql, [template, session.id])


def plant_looks(session: Session, count: int) -> None:
    """Put `count` other candidates on record that these test questions have judged before."""
    run_id = arms.chosen(session.store, session.id, "candidate").run_id
    with session.store.connect() as con:
        con.execute(
            """insert into experiments select e.* replace ('earlier ' || k as experiment_id)
               from experiments e, range(?) t(k) where e.experiment_id = ?""",
            [count, session.id],
        )
        con.execute(
            """insert into runs
               select r.* replace ('earlier ' || k as run_id, json_object('weights', 'model ' || k) as identity)
               from runs r, range(?) t(k) where r.run_id = ?""",
            [count, run_id],
        )
        con.execute(
            """insert into arms select a.* replace ('earlier ' || k as experiment_id, 'earlier ' || k as run_id)
               from arms a, range(?) t(k) where a.experiment_id = ? and a.run_id = ?""",
            [count, session.id, run_id],
        )
        con.execute(
            """insert into decisions (experiment_id, verdict, exit_code, headline, reason, next_step, facts)
               select 'earlier ' || k, ?, ?, '', '', '', '{}' from range(?) t(k)""",
            [Verdict.REJECT.text, Verdict.REJECT.exit_code, count],
        )


def plant_clusters(session: Session, clusters: Mapping[str, str]) -> None:
    """Put the examples of the test set into other clusters, by example id."""
    suite_id = runs.on_record(session.store, arms.chosen(session.store, session.id, "candidate").run_id).suite_id
    with session.store.connect() as con:
        con.executemany(
            "update examples set cluster_id = ? where suite_id = ? and example_id = ?",
            [[cluster, suite_id, example_id] for example_id, cluster in clusters.items()],
        )


def plant_grown(session: Session, count: int) -> None:
    """Put on record that the candidate was examined before on `count` smaller versions of these test questions."""
    run = runs.on_record(session.store, arms.chosen(session.store, session.id, "candidate").run_id)
    with session.store.connect() as con:
        for k in range(1, count + 1):
            earlier = f"version {k}"
            con.execute(
                """insert into questions select ?, question from questions where suite_id = ?
                   qualify row_number() over (order by question) <= count(*) over () * ? / ?""",
                [earlier, run.suite_id, k, count + 1],
            )
            con.execute(
                "insert into suites select * replace (? as suite_id, ? as items) from suites where suite_id = ?",
                [earlier, earlier, run.suite_id],
            )
            con.execute(
                "insert into runs select * replace (? as run_id, ? as suite_id) from runs where run_id = ?",
                [earlier, earlier, run.id],
            )
            con.execute(
                """insert into experiments select * replace (? as experiment_id) from experiments
                   where experiment_id = ?""",
                [earlier, session.id],
            )
            con.execute(
                """insert into arms select * replace (? as experiment_id, ? as run_id) from arms
                   where experiment_id = ? and run_id = ?""",
                [earlier, earlier, session.id, run.id],
            )


@dataclass(frozen=True, slots=True)
class _Table:
    table_name: str


def refreeze(session: Session) -> None:
    """Make the record that of a file with another seed, so that the file in place is no longer the one on record."""
    was, experiment = session.id, session.experiment
    seed = {"seed": experiment.config.seed + 1}
    written = experiment.written.model_copy(update=seed) if experiment.written else None
    session.experiment = replace(experiment, config=experiment.config.model_copy(update=seed), written=written)
    tables = session.store.fetch(
        _Table,
        """select table_name from duckdb_columns() join duckdb_tables() using (table_name)
           where column_name = 'experiment_id'""",
    )
    with session.store.connect() as con:
        for row in tables:
            sql = f"update {row.table_name} set experiment_id = ? where experiment_id = ?"
            con.execute(sql, [session.id, was])
