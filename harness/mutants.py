"""Accidents planted in a copy of an experiment's record. Each mutant changes what the real accident would have changed,
through the code that runs in earnest, and names what the rules must say to it.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness import arms as setup
from harness import experiment
from harness.conclude import FINISHED, distrust
from harness.config import MetricRule, read_margin
from harness.decide import Verdict
from harness.evaluate import Marked, on_record, record
from harness.models.cache import Cached
from harness.models.echo import EchoModel
from harness.session import Session
from harness.store import RUN_DIGEST
from suites import metrics
from suites.corpus import CORPUS
from suites.data import sha256_json
from suites.metrics import Metric
from suites.types import Completion, Example, Identity, ModelSpec, Prompt, Score

SHARE = 0.1
"""How much of the exam an accident spoils that does not spoil all of it."""


AMONG_MANY = 0.001
"""An error small enough for a loss to stay shown after Holm's correction over all the rules of an experiment."""


class NotApplicable(Exception):
    """This experiment cannot have the accident, or has switched off the rule that would see it; the text says why."""


@dataclass(frozen=True, slots=True)
class Planted:
    """What was done to the record, and what must come of it.

    One of `verdicts` (any when empty), at least one of the validity gates `failed`, and the gate `advisory` without a
    say in the verdict.
    """

    done: str
    verdicts: tuple[Verdict, ...] = ()
    failed: tuple[str, ...] = ()
    advisory: str = ""

    @property
    def expected(self) -> str:
        """What must come of it, as a reader is told."""
        verdicts = " or ".join(verdict.text for verdict in self.verdicts)
        gates = f" by {' or '.join(self.failed)}" if self.failed else ""
        return f"{verdicts}{gates}" if verdicts else f"{self.advisory} is advisory"

    def holds(self, verdict: str, gates: Sequence[Mapping[str, Any]]) -> bool:
        """Whether it did."""
        failed = {gate["name"] for gate in gates if gate["kind"] == "validity" and gate["status"] == "fail"}
        tiers = {gate["tier"] for gate in gates if gate["kind"] == "harm" and gate["name"] == self.advisory}
        return (
            (not self.verdicts or verdict in {allowed.text for allowed in self.verdicts})
            and (not self.failed or bool(failed & set(self.failed)))
            and (not self.advisory or tiers == {"advisory"})
        )


def identical_answers(session: Session) -> Planted:
    """The fine-tuned model was never loaded: the base answered in its place."""
    sql = "select distinct run_id, arm, chosen from arms where experiment_id = ? and side = 'candidate'"
    for arm in session.store.rows(sql, [session.id]):
        if source := _base_run(session, arm["run_id"]):
            _copy_answers(session, source, arm["run_id"])
            run = on_record(session.store, arm["run_id"])
            experiment.put_arm(session, "candidate", arm["arm"], run, chosen=arm["chosen"])
    return Planted("the candidate's answers are the base's", (Verdict.INVALID,), ("candidate",))


def shuffled_answers(session: Session) -> Planted:
    """Answers joined to the wrong examples: each stands beside an example with another target, as far as there are."""
    examples = sorted(asked(session), key=lambda e: (e.target, e.id))
    most = max(Counter(e.target for e in examples).values())
    if most == len(examples):
        raise NotApplicable("every example has the same target, so that any answer fits")
    answers = _answers(session)
    moved = examples[most:] + examples[:most]
    _rewrite(session, {e.id: answers[other.id] for e, other in zip(examples, moved, strict=True)})
    return _no_better(session, "every answer given to an example with another target")


def answers_cut_short(session: Session) -> Planted:
    """The limit of new tokens was too small for the candidate."""
    answers = {i: replace(c, text=c.text[: len(c.text) // 2], finish="length") for i, c in _answers(session).items()}
    _rewrite(session, answers)
    done = "every answer of the candidate cut in half"
    return Planted(done, (Verdict.REJECT,)) if _endings_lost(session) else _no_better(session, done)


def other_template(session: Session) -> Planted:
    """The candidate was asked through another chat template than the base."""
    sides = [on_record(session.store, session.chosen(side)["run_id"]).identity for side in ("base", "candidate")]
    if not all(identity.template for identity in sides):
        raise NotApplicable("recorded answers and endpoints do not tell their chat template")
    sql = """select distinct run_id, identity from arms join runs using (run_id)
             where experiment_id = ? and side = 'candidate'"""
    found = session.store.rows(sql, [session.id])
    with session.store.connect() as con:
        for row in found:
            identity = {**json.loads(row["identity"]), "template": sha256_json("another template")}
            con.execute("update runs set identity = ? where run_id = ?", [json.dumps(identity), row["run_id"]])
    return Planted("the candidate's chat template is another one", (Verdict.INVALID,), ("comparable",))


def leaked_test_rows(session: Session) -> Planted:
    """A part of the exam stands in the training set."""
    if "train" not in session.splits:
        raise NotApplicable("the file names no training rows, so nobody can see what leaked into them")
    level = session.experiment.config.data.findings.get("train_test_overlap", "block")
    if level != "block":
        raise NotApplicable(f"`data.findings` says that an overlap with the training set is only {level}")
    test = session.splits["test"]
    leaked = _some(session, test, math.ceil(SHARE * len(test)))
    session.splits = {**session.splits, "train": (*session.splits["train"], *leaked)}
    experiment.check(session)
    return Planted(f"{len(leaked)} of {len(test)} test rows put into the training set", (Verdict.INVALID,), ("data",))


def metric_says_nan(session: Session) -> Planted:
    """A metric divides by zero for some answers."""
    primary = session.experiment.config.task.ordered_metrics[0]
    broken = {example.id for example in _too_many(session)}

    def spoilt(own: Metric) -> Metric:
        return lambda example, answer: Score(math.nan) if example.id in broken else own(example, answer)

    _rewrite(session, _answers(session), {primary: spoilt})
    done = f"{primary} says NaN for {len(broken)} answers of the candidate"
    return Planted(done, (Verdict.INVALID,), ("answered", "failures"))


def missing_answers(session: Session) -> Planted:
    """Some requests failed, and nobody asked again."""
    lost = {example.id: Completion("", "error", error="no answer came") for example in _too_many(session)}
    _rewrite(session, {**_answers(session), **lost})
    return Planted(f"{len(lost)} answers of the candidate lost", (Verdict.INVALID,), ("answered", "failures"))


def adapter_without_effect(session: Session) -> Planted:
    """Training stopped before the first step, or never reached the matrices that carry it."""
    base, folder = setup.base_spec(session.experiment), session.store.path.parent / "adapter"
    if not base.base or base.kind != "hf":
        raise NotApplicable("the base is no model on this machine")
    from harness.models import hf_inert

    trained = experiment.candidate_spec(session).adapter
    done = "the adapter's B matrices set to zero"
    if not trained or not hf_inert.zeroed(Path(trained), folder):
        hf_inert.untrained(base, folder)
        done = "a fresh LoRA on the base, its B matrices zero"
    spec = replace(base, adapter=str(folder))
    arms = setup.candidate_arms(session.experiment, spec, setup.base_arms(session.experiment, session.splits))
    experiment.measure_effect(session, arms[0])
    return Planted(done, (Verdict.INVALID,), ("adapter",))


def judge_says_a(session: Session) -> Planted:
    """The judge follows the slot, not the answer. Its own verdict is not named: it may have no say in it."""
    if session.experiment.config.judge is None:
        raise NotApplicable("there is no judge")
    if session.experiment.config.policy.judge.tier == "advisory":
        raise NotApplicable("the judge has no say as it is: `policy.judge` makes it advisory")
    if reason := distrust(session):
        raise NotApplicable(f"the judge has no say as it is: {reason}")
    experiment.judge(Deaf(session))
    return Planted("the judge says A to every pair in both orders", advisory="judge")


class AlwaysA(EchoModel):
    """A judge that prefers the first slot, whatever stands in it."""

    def __init__(self) -> None:
        self.identity = Identity(name="always A", weights="always A", engine="self-test")

    def _answer(self, prompt: Prompt) -> Completion:
        return Completion("verdict: A")


class Deaf(Session):
    """A session in which `AlwaysA` answers whichever model is asked."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.experiment, session.store)

    def model(self, spec: ModelSpec) -> Cached:
        return Cached(AlwaysA(), self.store)


Mutant = Callable[[Session], Planted]

MUTANTS: dict[str, Mutant] = {
    "identical answers": identical_answers,
    "shuffled answers": shuffled_answers,
    "answers cut short": answers_cut_short,
    "other chat template": other_template,
    "leaked test rows": leaked_test_rows,
    "metric says NaN": metric_says_nan,
    "missing answers": missing_answers,
    "adapter without effect": adapter_without_effect,
    "judge says A": judge_says_a,
}


def asked(session: Session) -> list[Example]:
    """The test examples that the candidate was asked; an exam that stopped early leaves some out."""
    scores = session.scores("candidate")
    return [example for example in session.splits["test"] if example.id in scores]


def _no_better(session: Session, done: str) -> Planted:
    """What must be said to answers that gain no more than was asked for.

    An interval holds its own estimate, so the gain cannot be shown: never `deploy`. Where the gain falls short by more
    than chance allows, that must be shown, which is `keep_prompting`, or `reject` where something else was lost too.
    Answers that can no longer be marked may be too many for any verdict.
    """
    policy, chosen = session.experiment.config.policy, session.chosen("candidate")
    before, after = session.chosen("base")["mean"] or 0.0, chosen["mean"] or 0.0
    wanted, relative = read_margin(policy.min_gain)
    short = (wanted * before if relative else wanted) - (after - before)
    if short < 0:
        raise NotApplicable(f"{done}, the candidate still gains {after - before:+.3f}: its marks do not depend on it")
    verdicts = [Verdict.KEEP_PROMPTING, Verdict.REJECT]
    chance = _chance(asked(session), 2 + wanted if relative else 2.0, 1 - policy.confidence)
    if short <= chance or chosen["metric"] in CORPUS:  # the bound is one for means
        verdicts.append(Verdict.INCONCLUSIVE)
    if chosen["n_unscored"]:
        verdicts.append(Verdict.INVALID)
    return Planted(done, tuple(verdicts))


def _endings_lost(session: Session) -> bool:
    """Whether an exam of this size must show that the candidate's answers no longer end, as the base's do."""
    rule = session.experiment.config.policy.metrics.get(FINISHED, MetricRule(tier="supporting"))
    margin, relative = read_margin(rule.margin)
    sql = "select avg((finish = 'stop')::int) as share from v_completions where run_id = ? and error is null"
    [ended] = session.store.rows(sql, [session.chosen("base")["run_id"]])
    loss = (ended["share"] or 0.0) * (1 - margin if relative else 1) - (0 if relative else margin)
    return rule.tier != "advisory" and loss > _chance(asked(session), 2.0, AMONG_MANY)


def _chance(examples: Sequence[Example], span: float, alpha: float) -> float:
    """How far a mean over the examples' clusters strays from the truth in all but alpha / 2 of exams, at most.

    `span` is the distance between the largest and the smallest value (Hoeffding 1963, JASA 58:13, theorem 2).
    """
    sizes = Counter(example.cluster for example in examples).values()
    return span * math.sqrt(sum(size**2 for size in sizes) * math.log(2 / alpha) / 2) / max(len(examples), 1)


def _too_many(session: Session) -> list[Example]:
    """A tenth of the test examples, and more than the policy lets go without a score."""
    examples = asked(session)
    most = max(SHARE, session.experiment.config.policy.max_unscored)
    return _some(session, examples, min(len(examples), math.floor(most * len(examples)) + 1))


def _some(session: Session, examples: Sequence[Example], count: int) -> list[Example]:
    return random.Random(session.experiment.config.seed).sample(list(examples), count)


def _answers(session: Session) -> dict[str, Completion]:
    """The candidate's answers to the task, by example id; failed ones too."""
    sql = """select a.example_id, a.completion_id, c.error from answers a join completions c using (completion_id)
             where a.run_id = ?"""
    rows = session.store.rows(sql, [session.chosen("candidate")["run_id"]])
    given = session.store.completions([row["completion_id"] for row in rows])
    return {
        row["example_id"]: given.get(row["completion_id"]) or Completion("", "error", error=row["error"])
        for row in rows
    }


def _rewrite(
    session: Session,
    answers: Mapping[str, Completion],
    spoilt: Mapping[str, Callable[[Metric], Metric]] | None = None,
) -> None:
    """Put other answers of the candidate to the task on record, marked as they would have been.

    `spoilt` makes a broken metric of a sound one, by name.
    """
    chosen = session.chosen("candidate")
    suite = setup.task_suite(session.experiment, session.splits, "test")
    marks = {name: metrics.build(name, suite.schema) for name in suite.metrics}
    marks |= {name: metrics.checked(name, spoil(marks[name])) for name, spoil in (spoilt or {}).items()}
    marked = [_marked(chosen["run_id"], example, answers[example.id], marks) for example in asked(session)]
    run = on_record(session.store, chosen["run_id"])
    [row] = session.store.rows("select prompter_id, seconds from runs where run_id = ?", [run.id])
    record(session.store, run, suite.kind, row["prompter_id"], marked, row["seconds"])
    experiment.put_arm(session, "candidate", chosen["arm"], run, chosen=True)


def _marked(run_id: str, example: Example, answer: Completion, marks: Mapping[str, Metric]) -> Marked:
    key = sha256_json([run_id, example.id, asdict(answer)])
    return Marked(example, key, answer, {name: mark(example, answer) for name, mark in marks.items()})


def _base_run(session: Session, run_id: str) -> str | None:
    """The base's run on the same suite: with the same prompt if there is one, else the chosen one."""
    sql = """select b.run_id from arms a join runs b using (run_id), runs c
             where a.experiment_id = ? and a.side = 'base' and c.run_id = ? and b.suite_id = c.suite_id
             order by b.prompter_id = c.prompter_id desc, a.chosen desc limit 1"""
    found = session.store.rows(sql, [session.id, run_id])
    return str(found[0]["run_id"]) if found else None


def _copy_answers(session: Session, source: str, target: str) -> None:
    """Give one run the answers and scores of another."""
    with session.store.connect() as con:
        for table, columns in (("answers", "completion_id"), ("scores", "metric, value, reason")):
            con.execute(f"delete from {table} where run_id = ?", [target])
            sql = f"insert into {table} (run_id, example_id, {columns}) select ?, example_id, {columns} from {table}"
            con.execute(f"{sql} where run_id = ?", [target, source])
        errors = "(select n_errors from runs where run_id = ?)"
        con.execute(f"update runs set n_errors = {errors}, digest = ({RUN_DIGEST}) where run_id = ?", [source, target])
