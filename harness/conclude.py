"""From what is on record to the decision: comparisons, gates, verdict; nothing is asked of any model here."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

from harness import accounts, folds, judging, repeats, validity
from harness import arms as setup
from harness.compare import Comparison, Kind, Question, compare, slices_of
from harness.config import MetricRule, Tier, load_experiment, read_margin
from harness.corpus import compare_corpus
from harness.costs import budget_gates, cheaper
from harness.decide import Decision, Gate, Verdict, decide
from harness.evaluate import Run
from harness.sequential import level_at_look, planned_looks
from harness.session import Session, Side
from harness.trainings import tracked
from harness.wording import measured
from suites.corpus import CORPUS
from suites.errors import UserError
from suites.types import Generation, Identity, Score

FINISHED = "answers that end"
LEAKS = ("train_test_overlap", "train_test_near", "train_test_words")
PACKAGES = ("finetune-harness", "torch", "transformers", "peft", "trl", "lm-eval", "evaluate", "datasets", "duckdb")


def conclude(session: Session) -> None:
    """The last stage. The same record always gives the same decision."""
    config = session.experiment.config
    comparisons = [] if session.stopped() else compare_all(session)
    gates = validity_gates(session, comparisons[0] if comparisons else None)
    declared = config.regression is not None or config.model is not None
    costs = accounts.keep(session)
    others = budget_gates(costs, config.policy) + (repeats.seed_gates(session) if comparisons else [])
    decision = decide(gates, comparisons, config.policy, budgets=others, regression_declared=declared)
    if decision.verdict is Verdict.KEEP_PROMPTING and (price := cheaper(costs)):
        decision = replace(decision, reason=f"{decision.reason} {price}")
    leaks = _without_leaks(session, gates, comparisons, others, decision, declared)
    if decision.verdict is Verdict.DEPLOY and leaks.get("turned"):
        gates.append(validity.unseen_gate(leaks["told"]))
        decision = decide(gates, comparisons, config.policy, budgets=others, regression_declared=declared)
    decision = folds.of_recipe(session, decision)
    _store(session, comparisons, decision, leaks)
    _report(session, comparisons, decision)


def leaked(session: Session) -> set[str]:
    """The test examples that stand in the training set in some form, as the data check found them."""
    return {row for found in session.findings() if found.check in LEAKS for row in found.rows}


def _without_leaks(
    session: Session,
    gates: Sequence[Gate],
    comparisons: Sequence[Comparison],
    others: Sequence[Gate],
    decision: Decision,
    declared: bool,
) -> dict[str, Any]:
    """What the decision would be on the test examples that training has not seen; empty where it has seen none.

    `told` is the sentence, `turned` whether the verdict would be another one.
    """
    seen, examples = leaked(session), session.splits["test"]
    if not seen or not comparisons:
        return {}
    count = f"{len(seen):,} of the {len(examples):,} test examples stand in the training set in some form"
    if len(seen) == len(examples):
        return {"told": f"{count}. No example is left to decide without them.", "turned": True}
    if session.experiment.config.policy.stop_early:
        return {"told": f"{count}. An exam that may stop early is decided with them only.", "turned": False}
    task, base, candidate = comparisons[0], session.chosen("base"), session.chosen("candidate")
    kept = {example.id for example in examples} - seen
    margin = session.experiment.config.policy.min_gain
    clean = _compare(session, "task", base, candidate, task.metric, margin, ids=kept)
    policy = session.experiment.config.policy
    other = decide(gates, [clean, *comparisons[1:]], policy, budgets=others, regression_declared=declared)
    told = (
        f"{count}. With them the gain is {measured(task)}, verdict {decision.verdict.text}; without them "
        f"{measured(clean)}, verdict {other.verdict.text}."
    )
    return {"told": told, "turned": other.verdict is not decision.verdict}


def _report(session: Session, comparisons: Sequence[Comparison], decision: Decision) -> None:
    """The decision's numbers to the experiment's trackers."""
    numbers: dict[str, float | None] = {"decision/exit_code": float(decision.verdict.exit_code)}
    for c in (c for c in comparisons if c.kind in ("task", "regression")):
        name = "decision/gain" if c.kind == "task" else f"decision/{c.suite}"
        numbers |= {name: c.difference, f"{name}_low": c.low, f"{name}_high": c.high}
    with tracked(session) as tracking:
        tracking.log({name: value for name, value in numbers.items() if value is not None})


def distrust(session: Session) -> str:
    """Why the judge may not decide; empty when it may."""
    return judging.distrust(session.evidence("judge"), session.experiment.config.policy)


def compare_all(session: Session) -> list[Comparison]:
    """Task, its other metrics, its slices, every regression suite, and the judge."""
    policy = session.experiment.config.policy
    base, candidate = session.chosen("base"), session.chosen("candidate")
    primary, *others = session.experiment.config.task.ordered_metrics
    found = [_compare(session, "task", base, candidate, primary, policy.min_gain)]
    for metric in others:
        rule = policy.metrics.get(metric, MetricRule())
        found.append(_compare(session, "metric", base, candidate, metric, rule.margin, rule.tier))
    found += _compare_finished(session, base, candidate)
    for name, examples in slices_of(session.splits["test"]).items():
        margin, tier, ids = policy.slices.margin, policy.slices.tier, {example.id for example in examples}
        found.append(_compare(session, "slice", base, candidate, primary, margin, tier, name, ids))
    rules = setup.regression_rules(session.experiment)
    for before, after in _run_pairs(session)[1:]:
        margin, tier = rules[before["suite"]]
        found.append(_compare(session, "regression", before, after, before["metric"], margin, tier))
    if session.experiment.config.judge:
        found.append(_compare_judged(session, base, candidate))
    return found


def _compare(
    session: Session,
    kind: Kind,
    base: Mapping[str, Any],
    candidate: Mapping[str, Any],
    metric: str,
    margin: float | str,
    tier: Tier = "critical",
    part: str = "",
    ids: set[str] | None = None,
) -> Comparison:
    """Two runs on one suite and metric, on all examples or on the `ids` of a slice called `part`."""
    question = _question(kind, base, candidate, metric, margin, tier, part)
    examples = [pair for pair in _clusters(session, base["suite_id"]) if ids is None or pair[0] in ids]
    return answer(session, question, examples, *(marks(session, row["run_id"], metric) for row in (base, candidate)))


def _compare_finished(session: Session, base: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[Comparison]:
    """Whether answers end by themselves. A fine-tune that lost its end-of-sequence token can still score well."""
    finished = [_finished(session, row["run_id"]) for row in (base, candidate)]
    if all(score.value for scores in finished for score in scores.values()):
        return []
    rule = session.experiment.config.policy.metrics.get(FINISHED, MetricRule(tier="supporting"))
    question = _question("metric", base, candidate, FINISHED, rule.margin, rule.tier)
    return [answer(session, question, _clusters(session, base["suite_id"]), finished[0], finished[1])]


def _finished(session: Session, run_id: str) -> dict[str, Score]:
    sql = "select example_id, finish = 'stop' as ended from v_completions where run_id = ? and error is null"
    return {row["example_id"]: Score(float(row["ended"])) for row in session.store.rows(sql, [run_id])}


def _compare_judged(session: Session, base: Mapping[str, Any], candidate: Mapping[str, Any]) -> Comparison:
    """Wins minus losses in the judge's eyes, over the test examples. A judge not to be trusted is advisory."""
    rule = session.experiment.config.policy.judge
    tier: Tier = "advisory" if distrust(session) else rule.tier
    question = _question("judge", base, candidate, "preference", rule.margin, tier)
    before, after = judging.preferences(judging.read_verdicts(session.store, session.id))
    return answer(session, question, _clusters(session, base["suite_id"]), before, after)


def _question(
    kind: Kind,
    base: Mapping[str, Any],
    candidate: Mapping[str, Any],
    metric: str,
    margin: float | str,
    tier: Tier,
    part: str = "",
) -> Question:
    amount, relative = read_margin(margin)
    return Question(
        suite=base["suite"],
        kind=kind,
        metric=metric,
        baseline_arm=base["arm"],
        candidate_arm=candidate["arm"],
        margin=amount,
        relative=relative,
        tier=tier,
        slice=part,
    )


def marks(session: Session, run_id: str, metric: str) -> Mapping[str, Any]:
    """By example id what `answer` takes: scores, or for a metric of the whole exam (target, answer)."""
    return session.store.answers(run_id, metric) if metric in CORPUS else session.store.scores(run_id, metric)


def answer(
    session: Session,
    question: Question,
    examples: Sequence[tuple[str, str]],
    base: Mapping[str, Any],
    candidate: Mapping[str, Any],
) -> Comparison:
    """The answer to a question about two sides' `marks`, at the policy's confidence."""
    config = session.experiment.config
    confidence = config.policy.confidence
    if question.metric in CORPUS:
        return compare_corpus(question, examples, base, candidate, confidence=confidence, seed=config.seed)
    level = _early_level(session, examples) if question.kind == "task" and config.policy.stop_early else None
    return compare(question, examples, base, candidate, confidence=confidence, level=level, seed=config.seed)


def _early_level(session: Session, examples: Sequence[tuple[str, str]]) -> float:
    """The stricter level of an interval that was looked at before; see `sequential`."""
    looks = planned_looks(len({example.cluster for example in session.splits["test"]}))
    return level_at_look(len({cluster for _, cluster in examples}), looks, session.experiment.config.policy.confidence)


def _clusters(session: Session, suite_id: str) -> list[tuple[str, str]]:
    rows = session.store.rows("select example_id, cluster_id from examples where suite_id = ?", [suite_id])
    return [(row["example_id"], row["cluster_id"]) for row in rows]


def validity_gates(session: Session, gain: Comparison | None = None) -> list[Gate]:
    """Everything that must hold before any number is believed; `gain` is the task's comparison once there is one."""
    gates = [validity.frozen_gate(session.id, _current_id(session)), validity.findings_gate(session.findings())]
    trouble = "; ".join(f"{name}: {item.note}" for name, item in session.evidence("trouble").items())
    if trouble:
        return [*gates, validity.weights_gate(trouble)]
    if session.stopped():
        return gates
    gates.append(validity.weights_gate(None))
    gates += folds.everywhere(session, _effect)
    policy = session.experiment.config.policy
    runs = _run_pairs(session)
    health = [(_health(session, base, "base"), _health(session, candidate, "candidate")) for base, candidate in runs]
    gates += [
        *folds.everywhere(session, _different),
        validity.answered_gate([arm for pair in health for arm in pair], policy.max_unscored),
        validity.same_share_gate(_failures(session)),
        validity.cut_gate(health[0][0], policy.max_truncated),
        *folds.everywhere(session, _comparable),
        validity.looks_gate(_looks(session), policy.max_looks),
    ]
    return [*gates, validity.plausible_gate(gain, policy.suspicious_gain)] if gain else gates


def _failures(session: Session) -> list[tuple[validity.ArmHealth, validity.ArmHealth]]:
    """(base, candidate) on every exam. With folds a regression suite is taken once by each fold's candidate: pooled, a
    question that failed once would count as often as there are folds."""
    pairs = _run_pairs(session)[:1]
    for fold in session.folds or (session,):
        pairs += _run_pairs(fold)[1:]
    return [(_health(session, base, "base"), _health(session, candidate, "candidate")) for base, candidate in pairs]


def _effect(session: Session) -> Gate | None:
    effect = session.evidence("candidate").get("effect")
    return validity.effect_gate(effect.value) if effect else None


def _different(session: Session) -> Gate:
    return validity.difference_gate(_same_questions(session))


def _comparable(session: Session) -> Gate:
    pairs = _run_pairs(session)
    return validity.comparable_gate([(_run(session, base), _run(session, candidate)) for base, candidate in pairs])


def _current_id(session: Session) -> str | None:
    """The id the experiment file would get now."""
    try:
        return load_experiment(session.experiment.path).id
    except UserError:
        return None


def _run_pairs(session: Session) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(base, candidate) runs of the chosen arms on every suite, the task first."""
    after = {row["suite"]: row for row in session.runs("candidate", "regression")}
    pairs = [(before, after.get(before["suite"])) for before in session.runs("base", "regression")]
    missing = [before["suite"] for before, found in pairs if not found]
    if missing:
        what = f"the candidate has not been examined on {', '.join(missing)}"
        raise UserError(what, session.experiment.path.name, session.fix("exam"))
    return [(session.chosen("base"), session.chosen("candidate")), *((b, c) for b, c in pairs if c)]


def _health(session: Session, row: Mapping[str, Any], side: Side) -> validity.ArmHealth:
    """How completely a run of the chosen arm was answered and marked."""
    sql = """select reason from v_scores where run_id = ? and metric = ? and value is null
             group by reason order by count(*) desc, reason limit 1"""
    reasons = session.store.rows(sql, [row["run_id"], row["metric"]])
    [count] = session.store.rows(
        "select count(*) as cut from v_completions where run_id = ? and finish = 'length'", [row["run_id"]]
    )
    return validity.ArmHealth(
        arm=f"{row['arm']} ({side})",
        suite=row["suite"],
        n=row["n"] + row["n_unscored"],
        unscored=row["n_unscored"],
        reason=reasons[0]["reason"] if reasons else "",
        cut=count["cut"],
    )


def _looks(session: Session) -> int:
    """How many candidates these test questions have judged, up to and with this one."""
    [row] = session.store.rows("select looks from v_looks where experiment_id = ?", [session.id])
    return int(row["looks"])


def _same_questions(session: Session) -> list[tuple[Mapping[str, object], Mapping[str, object]]]:
    """(base answers, candidate answers) wherever both were asked with the same prompts on the same examples.

    Recorded answers carry no prompts; where nothing was asked alike, the chosen arms are set side by side.
    """
    sql = """select distinct b.run_id as base, c.run_id as candidate
             from arms pb join runs b using (run_id), arms pc join runs c using (run_id)
             where pb.experiment_id = ? and pc.experiment_id = pb.experiment_id
                and pb.side = 'base' and pc.side = 'candidate'
                and b.suite_id = c.suite_id and b.prompter_id = c.prompter_id"""
    chosen = {"base": session.chosen("base")["run_id"], "candidate": session.chosen("candidate")["run_id"]}
    rows = session.store.rows(sql, [session.id]) or [chosen]
    return [(session.store.outputs(row["base"]), session.store.outputs(row["candidate"])) for row in rows]


def _run(session: Session, row: Mapping[str, Any]) -> Run:
    [found] = session.store.rows("select identity, generation from runs where run_id = ?", [row["run_id"]])
    identity, generation = Identity(**json.loads(found["identity"])), Generation(**json.loads(found["generation"]))
    return Run(row["run_id"], row["arm"], row["suite"], row["suite_id"], (row["metric"],), identity, generation)


def _store(session: Session, comparisons: Sequence[Comparison], decision: Decision, leaks: Mapping[str, Any]) -> None:
    rows = [{"position": i, **_without(asdict(c), "p_harm", "p_equal")} for i, c in enumerate(comparisons)]
    session.store.replace_all("comparisons", session.id, rows)
    gates = [{"position": i, **asdict(gate)} for i, gate in enumerate(decision.gates)]
    session.store.replace_all("gates", session.id, gates)
    row = {
        "verdict": decision.verdict.text,
        "exit_code": decision.verdict.exit_code,
        "headline": decision.headline,
        "reason": decision.reason,
        "next_step": decision.next_step,
        "facts": {**_facts(session), "leaks": leaks},
    }
    session.store.replace_all("decisions", session.id, [row])


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in names}


SEEN_ONCE = "One training and one decoding were seen; another may differ by more."


def _uncertainty(session: Session) -> str:
    """What the intervals cover, and what they cannot."""
    if session.folds:
        told = folds.uncertainty(session)
    else:
        seeds = "" if session.stopped() else repeats.seed_sentence(session)
        seen = f"One decoding was seen; another may differ. {seeds}" if seeds else SEEN_ONCE
        told = f"Intervals cover the choice of examples. {seen}"
    split = judging.contradiction(judging.read_verdicts(session.store, session.id))
    own = next((part.share for part in split.components if part.source == "judging"), None) if split else None
    return (
        told if own is None else f"{told} Of the judge's uncertainty {own:.0%} is its own contradiction between orders."
    )


def _facts(session: Session) -> dict[str, Any]:
    """What it takes to do it again."""
    return {
        "seed": session.experiment.config.seed,
        "experiment_id": session.id,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "judge": distrust(session) if session.experiment.config.judge else "",
        "uncertainty": _uncertainty(session),
        "learning_curve": repeats.curve_sentence(session),
        **{name: version(name) for name in PACKAGES},
    }
