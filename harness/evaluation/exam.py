"""Arms take an exam: the best is chosen on validation, meets the exam, and every run is on record with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baselines.arm import Arm, Prompter
from baselines.selection import Trial, choose
from harness.decision import compare_corpus
from harness.evaluation.early_stopping import shortened
from harness.evaluation.evaluate import evaluate, evaluate_lm_eval
from harness.experiment import exams
from harness.experiment.arms import base_arms, candidate_label
from harness.experiment.session import Session, Side
from harness.judge import audit
from harness.models.cache import Cached
from harness.stats import paired
from harness.stats.score_test import Interval
from suites.benchmarks.lm_eval import LmEvalTask
from suites.metrics.table import CORPUS
from suites.types import Run, Suite

# How many prompts show whether an adapter changes anything; one would do, a few are as cheap.
EFFECT_PROMPTS = 4


def take(session: Session, arm: Arm, suite: Suite) -> Run:
    """An arm's answers to a suite, marked; what is on record is not asked again."""
    return evaluate(arm, suite, session.model(arm.model), session.store, session.experiment.config.seed)


def choose_arm(session: Session, side: Side, arms: Sequence[Arm]) -> Arm:
    """The arm with the best primary score on validation; an only arm needs no rehearsal."""
    if len(arms) == 1:
        return arms[0]
    suite = exams.task_suite(session.experiment, session.splits, "validation")
    runs = [take(session, arm, suite) for arm in arms]
    best = choose([_trial(session, done) for done in runs], session.experiment.config.policy.max_unscored)
    chosen = arms[[done.arm for done in runs].index(best.arm)]
    for arm, done in zip(arms, runs, strict=True):
        put_arm(session, side, arm.name, done, chosen=arm is chosen)
    return chosen


def _trial(session: Session, done: Run) -> Trial:
    metric = done.metrics[0]
    found = summary(session, done, metric)
    costs = session.store.rows("select mean_tokens_in from v_costs where run_id = ?", [done.id])
    tokens = costs[0]["mean_tokens_in"] if costs else 0.0
    return Trial(done.arm, found["mean"], found["n"] + found["n_unscored"], found["n_unscored"], tokens)


def shorten(session: Session, arm: Arm, suite: Suite) -> Suite:
    """The part of the exam that settles the gain; the best prompt then meets the candidate on that part."""
    name = session.chosen("base")["arm"]
    [prompted] = [arm for arm in base_arms(session.experiment, session.splits) if arm.name == name]
    whole = take(session, prompted, suite)
    part = shortened(session, arm, suite, session.store.scores(whole.id, suite.primary))
    session.forget_chosen("base", "task")
    done = take(session, prompted, part)
    put_arm(session, "base", name, done, chosen=True)
    return part


def examine(session: Session, side: Side, arms: Sequence[Arm], chosen: Arm, suite: Suite) -> None:
    """The task's exam for each arm, and the regression exams for the model behind the chosen one."""
    for arm in arms:
        done = take(session, arm, suite)
        put_arm(session, side, arm.name, done, chosen=arm is chosen)
    name = "base" if side == "base" else candidate_label(session.experiment)
    model = session.model(chosen.model)
    for examination in exams.regression_exams(session.experiment):
        if isinstance(examination, LmEvalTask):
            done = evaluate_lm_eval(name, examination, model, session.store, session.experiment.config.seed)
        else:
            done = take(session, Arm(name, chosen.model, Prompter(name, examination.prompt)), examination)
        put_arm(session, side, name, done, chosen=True)
    put_abilities(session, side, model)


def put_abilities(session: Session, name: str, model: Cached) -> None:
    """What a server was found to accept, if it was asked anything."""
    if abilities := vars(model.model).get("abilities"):
        session.put_evidence("endpoint", audit.Evidence(name, None, None, None, 0, str(abilities)))


def put_arm(session: Session, side: Side, arm: str, done: Run, *, chosen: bool) -> None:
    """A run in its place in the experiment, summarised with an interval for every metric."""
    place = {"experiment_id": session.id, "run_id": done.id, "side": side, "arm": arm, "chosen": chosen}
    summaries = [{**place, "metric": name, **_summary(session, done.id, name, rows)}
                 for name, rows in _marks(session, done.id).items()]  # fmt: skip
    session.store.insert("arms", summaries, replace=True)


def summary(session: Session, done: Run, metric: str) -> dict[str, Any]:
    """A run's score by a metric: `mean`, `low` and `high`, None where nothing has a score; `n` and `n_unscored`."""
    return _summary(session, done.id, metric, _marks(session, done.id)[metric])


def _marks(session: Session, run_id: str) -> dict[str, list[dict[str, Any]]]:
    """A run's marks with example and cluster, by metric."""
    sql = "select example_id, cluster_id, metric, value from v_scores where run_id = ? order by metric, example_id"
    found: dict[str, list[dict[str, Any]]] = {}
    for row in session.store.rows(sql, [run_id]):
        found.setdefault(row["metric"], []).append(row)
    return found


def _summary(session: Session, run_id: str, metric: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    scored = [row for row in rows if row["value"] is not None]
    value, interval = _score(session, run_id, metric, scored) if scored else (None, None)
    return {
        "n": len(scored),
        "n_unscored": len(rows) - len(scored),
        "mean": value,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }


def _score(
    session: Session, run_id: str, metric: str, scored: Sequence[dict[str, Any]]
) -> tuple[float, Interval | None]:
    """A run's score and its interval: the mean of its marks, or what a corpus metric makes of its answers."""
    confidence = session.experiment.config.policy.confidence
    if metric in CORPUS:
        clusters = {row["example_id"]: row["cluster_id"] for row in scored}
        return compare_corpus.value_and_interval(metric, session.store.answers(run_id, metric), clusters, confidence)
    values = [row["value"] for row in scored]
    return sum(values) / len(values), paired.mean_interval(values, [row["cluster_id"] for row in scored], confidence)


def measure_effect(session: Session, arm: Arm) -> None:
    """For an adapter: the largest change of a logit it makes, on a few prompts of the exam."""
    model = session.model(arm.model)
    effect = getattr(model.model, "effect", None)
    known = session.evidence("candidate").get("effect")
    if effect is None or (known and known.note == model.identity.adapter):
        return
    prompts = [arm.prompter.prompt(example) for example in session.splits["test"][:EFFECT_PROMPTS]]
    value = effect(prompts)
    if value is not None:
        note = model.identity.adapter
        session.put_evidence("candidate", audit.Evidence("effect", value, None, None, len(prompts), note))
