"""The order of an experiment, and the only place that knows it: check, baseline, train, exam, judge, decide."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from baselines.arm import Arm, Prompter
from baselines.selection import Trial, choose
from harness import arms as setup
from harness import corpus, data_gate, folds, judging, lessons, power, repeats, stats, trainings
from harness.conclude import conclude
from harness.config import read_margin
from harness.early import shortened
from harness.evaluate import Run, evaluate, evaluate_lm_eval
from harness.models import NonFiniteWeights
from harness.models.cache import Cached
from harness.progress import say
from harness.score_statistic import Interval
from harness.session import Session, Side, Stage
from harness.sweep import sweep
from harness.training import TrainingDiverged
from suites.corpus import CORPUS, LABELS
from suites.errors import UserError
from suites.judge import Pair, load_rubric
from suites.lm_eval_bridge import LmEvalTask
from suites.types import Finding, Generation, ModelSpec, Suite

# How many prompts show whether an adapter changes anything; one would do, a few are as cheap.
EFFECT_PROMPTS = 4

# The share of examples on which base and fine-tune are taken to disagree when an exam's power is told in advance, and
# the power below which that is worth a warning. Discordance drives both (Connor 1987).
DISCORDANCE, ENOUGH_POWER = 0.1, 0.8


def run(session: Session) -> None:
    """Every stage in order; what is on record already is not done again. Trouble goes straight to the decision."""
    for name in STAGES:
        if name == "decide" or not session.stopped():
            do(session, name)
        if name == "check":
            for finding in session.findings():
                say(f"{finding.level}: {finding.message} [{finding.check}]")


def do(session: Session, name: str) -> None:
    """One stage, and how long it took."""
    started = time.monotonic()
    with session.store.hold():
        if name in folds.STAGES and session.folds:
            _cross_validate(session, name)
        else:
            STAGES[name](session)
        session.store.finish_stage(session.id, name, time.monotonic() - started)


def _cross_validate(session: Session, name: str) -> None:
    """A stage in every fold; what they answered is then one exam."""
    folds.in_each(session, name, lambda fold: do(fold, name))
    if side := folds.STAGES[name]:
        session.forget("arms", "side", side)
        for done, chosen in folds.pooled(session, side):
            put_arm(session, side, done.arm, done, chosen=chosen)


def check(session: Session) -> None:
    """Is the data fit to teach and to examine? Findings go to the store; a blocking one stops the experiment."""
    findings = data_gate.look(data_gate.of_experiment(session), session.experiment.config.data.findings)
    findings += data_gate.of_tokens(session) + data_gate.of_folds(session)
    findings += lessons.findings(session.experiment, session.splits)
    session.store.put_findings(session.id, findings + _exam_power(session) + _label_floors(session))


def baseline(session: Session) -> None:
    """The base model with every prompt: the best is chosen on validation, all meet the exam."""
    session.forget("arms", "side", "base")
    session.forget("evidence", "topic", "trouble")
    arms = setup.base_arms(session.experiment, session.splits)
    try:
        suite = setup.task_suite(session.experiment, session.splits, "test")
        _examine(session, "base", arms, _choose(session, "base", arms), suite)
    except NonFiniteWeights as trouble:
        _report_trouble(session, "base", str(trouble))


def train(session: Session) -> None:
    """Fine-tune on the task's own prompt. Refused until the baseline is on record."""
    config = session.experiment.config.training
    if config is None:
        return
    if not session.runs("base", "task"):
        what = "training comes after the baseline: without it nothing says what to beat"
        raise UserError(what, "training", session.fix("baseline"))
    sweep(session)
    try:
        training_id = trainings.train_once(session, trainings.lesson(session))
    except TrainingDiverged as trouble:
        _report_trouble(session, "training", str(trouble))
        return
    link = {"experiment_id": session.id, "training_id": training_id}
    session.store.insert("experiment_training", [link], replace=True)
    trainings.put_reward_accuracy(session, training_id)
    repeats.train_seeds(session)
    repeats.learning_curve(session)


def exam(session: Session) -> None:
    """The candidate takes the same exams, with its own best prompt."""
    session.forget("arms", "side", "candidate")
    session.forget("evidence", "topic", "trouble")
    spec = candidate_spec(session)
    arms = setup.candidate_arms(session.experiment, spec, setup.base_arms(session.experiment, session.splits))
    try:
        measure_effect(session, arms[0])
        chosen = _choose(session, "candidate", arms)
        suite = setup.task_suite(session.experiment, session.splits, "test")
        if session.experiment.config.policy.stop_early:
            suite = _shorten(session, chosen, suite)
        _examine(session, "candidate", [chosen], chosen, suite)
        repeats.examine_seeds(session, chosen.prompter, suite)
    except NonFiniteWeights as trouble:
        _report_trouble(session, "candidate", str(trouble))


def judge(session: Session) -> None:
    """Both sides' answers to the task, shown to the judge in both orders; first the labelled pairs it is checked on."""
    config = session.experiment.config.judge
    if config is None:
        return
    rubric = load_rubric(config.rubric, session.experiment.folder)
    generation = Generation(max_new_tokens=config.max_new_tokens)
    model = session.model(setup.model_spec(session.experiment, config.model))
    confidence = session.experiment.config.policy.confidence
    rows: list[dict[str, Any]] = []
    evidence: list[judging.Evidence] = []
    if config.calibration:
        labelled = judging.read_calibration(session.experiment.resolve(config.calibration))
        labels = [label for _, label in labelled]
        judged = judging.judge_all(model, rubric, [pair for pair, _ in labelled], generation, "labelled pairs")
        rows += judging.verdict_rows(judged, "calibration", model, labels)
        evidence += judging.calibration_evidence(judged, labels, confidence)
    judged = judging.judge_all(model, rubric, _pairs(session), generation, "the exam")
    rows += judging.verdict_rows(judged, "exam", model)
    evidence += judging.exam_evidence(judged, session.scores("base"), session.scores("candidate"), confidence)
    session.store.replace_all("verdicts", session.id, rows)
    for item in evidence:
        session.put_evidence("judge", item)
    _put_abilities(session, "judge", model)


def _exam_power(session: Session) -> list[Finding]:
    """What these exams can tell at all, before anything is spent on them."""
    policy, found = session.experiment.config.policy, []
    targets = [example.target for example in session.splits["test"]]
    if n := len(targets):
        metric = session.experiment.config.task.ordered_metrics[0]
        sd = corpus.planned_sd(metric, targets, 2 * DISCORDANCE)
        least = power.minimum_detectable(n, sd, confidence=policy.confidence)
        text = (
            f"{n:,} test rows tell a gain of about {least:.3f} from none, if the arms disagree on {2 * DISCORDANCE:.0%}"
        )
        found.append(Finding("info", "exam_power", text))
    rules = setup.regression_rules(session.experiment)
    for exam in setup.regression_exams(session.experiment):
        margin, relative = read_margin(rules[exam.name][0])
        if isinstance(exam, LmEvalTask) or relative:
            continue
        sd = corpus.planned_sd(exam.primary, [example.target for example in exam.examples], DISCORDANCE)
        chance = power.power_noninferiority(len(exam.examples), min(1.0, sd**2), margin, policy.confidence)
        if chance < ENOUGH_POWER:
            text = (
                f"{exam.name}: with {len(exam.examples):,} examples an equal model passes its margin of {margin} "
                f"in only {chance:.0%} of experiments, if it answers {DISCORDANCE:.0%} differently"
            )
            found.append(Finding("warn", "regression_power", text))
    return found


def _label_floors(session: Session) -> list[Finding]:
    """Where accuracy would mislead: what a metric of labels gives to one answer for all, and to guessing."""
    suites = [setup.task_suite(session.experiment, session.splits, "test"), *setup.regression_exams(session.experiment)]
    return [
        Finding("info", "floor", corpus.floor_sentence(metric, suite.name, [e.target for e in suite.examples]))
        for suite in suites
        if not isinstance(suite, LmEvalTask) and suite.examples
        for metric in suite.metrics
        if metric in LABELS
    ]


STAGES: dict[str, Stage] = {
    "check": check,
    "baseline": baseline,
    "train": train,
    "exam": exam,
    "judge": judge,
    "decide": conclude,
}


def candidate_spec(session: Session) -> ModelSpec:
    """The model under examination: the one this experiment trained, or the one it was given."""
    if session.experiment.config.training is None:
        return setup.candidate_spec(session.experiment)
    sql = "select training_id from experiment_training where experiment_id = ?"
    trained = session.store.rows(sql, [session.id])
    if not trained:
        raise UserError("nothing is trained yet", "training", session.fix("train"))
    return trainings.trained_spec(session, trained[0]["training_id"])


def _choose(session: Session, side: Side, arms: Sequence[Arm]) -> Arm:
    """The arm with the best primary score on validation; an only arm needs no rehearsal."""
    if len(arms) == 1:
        return arms[0]
    suite = setup.task_suite(session.experiment, session.splits, "validation")
    runs = [evaluate(arm, suite, session.model(arm.model), session.store, _seed(session)) for arm in arms]
    best = choose([_trial(session, done) for done in runs], session.experiment.config.policy.max_unscored)
    chosen = arms[[done.arm for done in runs].index(best.arm)]
    for arm, done in zip(arms, runs, strict=True):
        put_arm(session, side, arm.name, done, chosen=arm is chosen)
    return chosen


def _trial(session: Session, done: Run) -> Trial:
    metric = done.metrics[0]
    found = _summary(session, done.id, metric, _marks(session, done.id)[metric])
    costs = session.store.rows("select mean_tokens_in from v_costs where run_id = ?", [done.id])
    tokens = costs[0]["mean_tokens_in"] if costs else 0.0
    return Trial(done.arm, found["mean"], found["n"] + found["n_unscored"], found["n_unscored"], tokens)


def _shorten(session: Session, arm: Arm, suite: Suite) -> Suite:
    """The part of the exam that settles the gain; the best prompt then meets the candidate on that part."""
    name = session.chosen("base")["arm"]
    [prompted] = [arm for arm in setup.base_arms(session.experiment, session.splits) if arm.name == name]
    model = session.model(prompted.model)
    whole = evaluate(prompted, suite, model, session.store, _seed(session))
    part = shortened(session, arm, suite, session.store.scores(whole.id, suite.primary))
    session.forget_chosen("base", "task")
    done = evaluate(prompted, part, session.model(prompted.model), session.store, _seed(session))
    put_arm(session, "base", name, done, chosen=True)
    return part


def _examine(session: Session, side: Side, arms: Sequence[Arm], chosen: Arm, suite: Suite) -> None:
    """The task's exam for each arm, and the regression exams for the model behind the chosen one."""
    for arm in arms:
        done = evaluate(arm, suite, session.model(arm.model), session.store, _seed(session))
        put_arm(session, side, arm.name, done, chosen=arm is chosen)
    name = "base" if side == "base" else setup.candidate_label(session.experiment)
    model = session.model(chosen.model)
    for examination in setup.regression_exams(session.experiment):
        if isinstance(examination, LmEvalTask):
            done = evaluate_lm_eval(name, examination, model, session.store, _seed(session))
        else:
            asked = Arm(name, chosen.model, Prompter(name, examination.prompt))
            done = evaluate(asked, examination, model, session.store, _seed(session))
        put_arm(session, side, name, done, chosen=True)
    _put_abilities(session, side, model)


def _put_abilities(session: Session, name: str, model: Cached) -> None:
    """What a server was found to accept, if it was asked anything."""
    if abilities := vars(model.model).get("abilities"):
        session.put_evidence("endpoint", judging.Evidence(name, None, None, None, 0, str(abilities)))


def put_arm(session: Session, side: Side, arm: str, done: Run, *, chosen: bool) -> None:
    """A run in its place in the experiment, summarised with an interval for every metric."""
    place = {"experiment_id": session.id, "run_id": done.id, "side": side, "arm": arm, "chosen": chosen}
    marks = _marks(session, done.id)
    summaries = [{**place, "metric": name, **_summary(session, done.id, name, rows)} for name, rows in marks.items()]
    session.store.insert("arms", summaries, replace=True)


def _marks(session: Session, run_id: str) -> dict[str, list[dict[str, Any]]]:
    """A run's marks with example and cluster, by metric."""
    sql = "select example_id, cluster_id, metric, value from v_scores where run_id = ? order by metric, example_id"
    marks: dict[str, list[dict[str, Any]]] = {}
    for row in session.store.rows(sql, [run_id]):
        marks.setdefault(row["metric"], []).append(row)
    return marks


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
        return corpus.value_and_interval(metric, session.store.answers(run_id, metric), clusters, confidence)
    values = [row["value"] for row in scored]
    return sum(values) / len(values), stats.mean_interval(values, [row["cluster_id"] for row in scored], confidence)


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
        session.put_evidence("candidate", judging.Evidence("effect", value, None, None, len(prompts), note))


def _pairs(session: Session) -> list[Pair]:
    """Candidate (first) and best prompt (second) on every test example both answered."""
    ours, theirs = (session.store.texts(session.chosen(side)["run_id"]) for side in SIDES)
    examples = session.splits["test"]
    return [Pair(e.id, e.input, ours[e.id], theirs[e.id]) for e in examples if e.id in ours and e.id in theirs]


SIDES: tuple[Side, Side] = ("candidate", "base")


def _report_trouble(session: Session, name: str, note: str) -> None:
    say(f"stopped: {note}")
    session.put_evidence("trouble", judging.Evidence(name, None, None, None, 0, note))


def _seed(session: Session) -> int:
    return session.experiment.config.seed
