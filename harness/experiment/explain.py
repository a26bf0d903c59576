"""Says each rule of an experiment in words, with the examples it needs and the examples it has; nothing is run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.config.base import Tier, read_margin
from harness.config.judging import JudgeConfig
from harness.config.policy import MetricRule, Policy
from harness.decision.cautions import FORM_SHARE
from harness.decision.compare_corpus import in_clusters, planned_sd
from harness.decision.gates import Rule, each_prompt_rule, every_prompt_rule, preferred_rule, saving_rule
from harness.decision.straw_men import MUCH_BETTER
from harness.decision.wording import RULES, rule_sentence
from harness.experiment import splits
from harness.experiment.arms import base_arms, beside_the_bar
from harness.experiment.exams import regression_exams, regression_rules
from harness.experiment.load import Experiment
from harness.experiment.names import unpriced
from harness.experiment.searching import without_searches
from harness.judge.calibration import read_calibration
from harness.stats import power, suite_mean
from harness.store import STORE_FILE, decisions
from harness.store.database import Store
from suites.metrics.table import of_judge
from suites.types import Example, Suite

# The share of examples the two sides are taken to answer differently as long as nothing was measured: the task is what
# training changes, everything else should hardly move. Both drive every number here (Connor 1987, Biometrics 43:207).
TASK_DISCORDANCE, OTHER_DISCORDANCE = 0.2, 0.1

# The share of pairs in which a judge prefers one answer, where no labelled pair tells it: no spread can be more.
JUDGE_DISCORDANCE = 1.0


@dataclass(frozen=True, slots=True)
class Explained:
    """One rule in words, by the id of its gate.

    `has` examples are there, `needs` would pass it in four of five tries, and `power` is the chance now: None where it
    is not known yet, or where nothing has to be shown.
    """

    gate_id: str
    name: str
    tier: Tier
    says: str
    has: int | None = None
    needs: int | None = None
    power: float | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known before anything runs, or from an earlier decision.

    `sizes` has the number of examples by gate id, `spreads` the standard deviation of the differences, `taken_from`
    says in words where a spread comes from that is neither measured nor the usual one, and `clusters` how examples are
    clustered, and what of it was assumed in a spread that was not measured. `prompts` counts those of the bar, one that
    is added by default among them.
    """

    sizes: Mapping[str, int]
    spreads: Mapping[str, float]
    taken_from: Mapping[str, str] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)
    prompts: int | None = None


def known(experiment: Experiment, store: Path | None = None) -> Known:
    """The sizes of the exams as files, and what an earlier decision of this experiment's name measured."""
    parts = splits.read_splits(experiment, splits.read_files(experiment))
    bar = base_arms(without_searches(experiment), parts)
    searches = sum(entry.search is not None for entry in experiment.config.baselines)
    test, prompts = parts["test"], len(bar) + len(beside_the_bar(experiment, bar)) + searches
    primary, *others = experiment.config.task.ordered_metrics
    sizes = dict.fromkeys(["gain", "judge", *(f"metric/{metric}" for metric in others)], len(test))
    exams = [exam for exam in regression_exams(experiment) if isinstance(exam, Suite)]
    sizes |= {f"regression/{exam.name}": len(exam.examples) for exam in exams}
    others = [metric for metric in others if not of_judge(metric)]
    spreads = {"gain": _planned(primary, test, TASK_DISCORDANCE)}
    spreads |= {f"metric/{metric}": _planned(metric, test, OTHER_DISCORDANCE) for metric in others}
    spreads |= {f"regression/{exam.name}": _planned(exam.primary, exam.examples, OTHER_DISCORDANCE) for exam in exams}
    taken_from = {}
    if experiment.config.judge:
        sizes["judge"] = min(len(test), experiment.config.judge.max_pairs or len(test))
        share, taken_from["judge"] = _judge_discordance(experiment, experiment.config.judge)
        spreads["judge"] = math.sqrt(share)
        if of_judge(primary):
            spreads["gain"], taken_from["gain"] = _planned(primary, test, share), taken_from["judge"]
    clusters = dict.fromkeys(["gain", *(f"metric/{metric}" for metric in others)], in_clusters(test))
    clusters |= {f"regression/{exam.name}": in_clusters(exam.examples) for exam in exams}
    path = store or experiment.folder / STORE_FILE
    if not path.is_file():
        return Known(sizes, spreads, taken_from, clusters, prompts)
    rows = decisions.spreads(Store(path, create=False), experiment.name)
    measured = {row.gate_id: row.sd for row in rows}
    taken_from = {gate: words for gate, words in taken_from.items() if gate not in measured}
    clusters |= dict.fromkeys(measured, "")
    return Known(sizes | {row.gate_id: row.n for row in rows}, spreads | measured, taken_from, clusters, prompts)


def _judge_discordance(experiment: Experiment, judge: JudgeConfig) -> tuple[float, str]:
    """The share of pairs with a preference to plan a judge with, and where it comes from."""
    labels = read_calibration(experiment.resolve(judge.calibration)) if judge.calibration else []
    if not labels:
        return JUDGE_DISCORDANCE, "planned as if it preferred one answer in every pair"
    share = sum(label.choice != "tie" for _, label in labels) / len(labels)
    beside = ", and as if no other judge went first" if judge.cascade else ""
    return share, f"planned as if it preferred one answer in {share:.0%} of the pairs, as labelled{beside}"


def _planned(metric: str, examples: Sequence[Example], discordance: float) -> float:
    return planned_sd(metric, examples, discordance)


def explain(experiment: Experiment, known: Known) -> list[Explained]:
    """Every rule, the gain first; where a spread is not known it is assumed."""
    goal = _as_good_and_cheaper if experiment.config.policy.as_good else _better
    return [*goal(experiment, known), *_losses(experiment, known), *_budgets(experiment), *_validity(experiment)]


def all_pass(rules: Sequence[Explained]) -> float:
    """How often a candidate that lost nothing at all passes every rule about losses, as if they were independent."""
    return math.prod(rule.power for rule in rules if rule.power is not None)


def _others(experiment: Experiment, known: Known) -> int:
    """The prompts of the bar beside the best."""
    return (known.prompts or len(experiment.config.baselines)) - 1


def _better(experiment: Experiment, known: Known) -> list[Explained]:
    """The goal `better`: over the best prompt, and over each other one."""
    others = _others(experiment, known)
    return [_gain(experiment, known), *([_explained(every_prompt_rule(others))] if others else [])]


def _as_good_and_cheaper(experiment: Experiment, known: Known) -> list[Explained]:
    """The goal `as_good_and_cheaper`: no worse than the best prompt, cheaper, and so beside each other one."""
    config, others = experiment.config, _others(experiment, known)
    margin, relative = read_margin(config.policy.asked)
    least, is_share = read_margin(config.policy.min_saving)
    cheaper = _explained(saving_rule(least, "" if is_share else config.costs.currency))
    if missing := unpriced(config):
        cheaper = replace(cheaper, says=f"{cheaper.says}; not yet known: {', '.join(missing)}")
    each = each_prompt_rule(others, margin, "relative" if relative else "score")
    return [_as_good(experiment, known), cheaper, *([_explained(each)] if others else [])]


def _as_good(experiment: Experiment, known: Known) -> Explained:
    """What the candidate may lose beside the best prompt, and how often an equal one passes."""
    policy, metric = experiment.config.policy, experiment.config.task.ordered_metrics[0]
    (margin, relative), has = read_margin(policy.margin), known.sizes.get("gain")
    says = (
        f"{metric} must be shown no more than {_amount(policy.margin)} below the best prompt: the lower end of the "
        f"interval, at {(1 + policy.confidence) / 2:.1%}"
    )
    if relative:
        return Explained("gain", "as good", "critical", says, has)
    spread, side = known.spreads.get("gain", math.sqrt(TASK_DISCORDANCE)), (1 + policy.confidence) / 2
    says += f"; the examples{known.clusters.get('gain', '')} needed and the chance are those of an equal candidate"
    chance = power.passes(has, spread, margin, side) if has else None
    return Explained("gain", "as good", "critical", says, has, power.passing_n(spread, margin, confidence=side), chance)


def _gain(experiment: Experiment, known: Known) -> Explained:
    """What the fine-tune has to gain, and the smallest true gain this exam can show."""
    policy, metric = experiment.config.policy, experiment.config.task.ordered_metrics[0]
    margin, relative = read_margin(policy.min_gain)
    says = (
        f"{metric} must be more than {_amount(policy.min_gain)} above the best prompt, and so must the whole "
        f"{policy.confidence:.0%} interval"
    )
    if of_judge(metric):
        says = (
            f"wins minus losses before the judge must be more than {_amount(policy.min_gain)}, and so must the whole "
            f"{policy.confidence:.0%} interval; a judge that agrees with less than {policy.judge.agreement:.0%} of the "
            "labelled pairs decides nothing"
        )
    has, spread = known.sizes.get("gain"), known.spreads.get("gain", math.sqrt(TASK_DISCORDANCE))
    if relative or not has:
        return Explained("gain", "gain", "critical", says, has)
    least = margin + power.minimum_detectable(has, spread, confidence=policy.confidence, power=power.POWER)
    clusters = known.clusters.get("gain", "")
    if words := known.taken_from.get("gain"):
        says = f"{says}; {words}"
    says += f"; these examples{clusters} show a true gain of {least * 100:.1f} points in four of five tries"
    twice = max(2 * margin, 0.02)
    needs = power.required_n(twice, margin, spread, confidence=policy.confidence, power=power.POWER)
    return Explained("gain", "gain", "critical", f"{says}, the number needed one of {twice * 100:g}", has, needs)


def _losses(experiment: Experiment, known: Known) -> Iterator[Explained]:
    """What must not get worse: other metrics, regression suites, slices, the judge."""
    config, policy = experiment.config, experiment.config.policy
    confidence = policy.confidence
    for metric in (metric for metric in config.task.ordered_metrics[1:] if not of_judge(metric)):
        rule = policy.metrics.get(metric, MetricRule())
        yield _loss(f"metric/{metric}", metric, rule.margin, rule.tier, confidence, known)
    rules = regression_rules(experiment)
    for suite, (margin, tier) in rules.items():
        yield _loss(f"regression/{suite}", f"the regression suite {suite}", margin, tier, confidence, known)
    if policy.regression.together:
        yield _together(rules, policy.regression.together, confidence, known)
    if config.task.slices:
        subject = f"every slice by {', '.join(config.task.slices)}"
        yield _loss("slices", subject, policy.slices.margin, policy.slices.tier, confidence, known)
    if config.task.edge_cases:
        subject = "every kind of edge cases of the task, beside the best prompt,"
        yield _loss("edge_cases", subject, policy.edge_cases.margin, policy.edge_cases.tier, confidence, known)
    if config.judge and not of_judge(config.task.ordered_metrics[0]):
        subject = f"the judge's preference, if it agrees with {policy.judge.agreement:.0%} of the labelled pairs,"
        yield _loss("judge", subject, policy.judge.margin, policy.judge.tier, confidence, known)
        if policy.judge.better:
            yield _explained(preferred_rule())


TIERS: Mapping[Tier, str] = {
    "critical": "must be shown to lose no more than {}",
    "supporting": "must not be shown to lose more than {}",
    "advisory": "is told beside a loss of {} and decides nothing",
}


def _loss(gate_id: str, subject: str, margin: float | str, tier: Tier, confidence: float, known: Known) -> Explained:
    name = gate_id.partition("/")[2] or gate_id
    says = f"{subject} {TIERS[tier].format(_amount(margin))}, each end at {(1 + confidence) / 2:.1%}"
    if clusters := known.clusters.get(gate_id):
        says += f"; its examples come{clusters}"
    (amount, relative), has = read_margin(margin), known.sizes.get(gate_id)
    if relative or tier != "critical":
        return Explained(gate_id, name, tier, says, has)
    if words := known.taken_from.get(gate_id):
        says = f"{says}; {words}"
    spread = known.spreads.get(gate_id, math.sqrt(OTHER_DISCORDANCE))
    side = (1 + confidence) / 2  # each end is a bound of the first look
    needs = power.passing_n(spread, amount, confidence=side)
    chance = power.passes(has, spread, amount, side) if has else None
    return Explained(gate_id, name, tier, says, has, needs, chance)


def _together(
    rules: Mapping[str, tuple[float | str, Tier]], margin: float, confidence: float, known: Known
) -> Explained:
    """What all regression suites may lose on average, and how often an equal model would pass them one by one."""
    asked = {f"regression/{suite}": own for suite, (own, tier) in rules.items() if tier != "advisory"}
    name = RULES["together"].title
    says = (
        f"the {len(asked)} regression suites must be shown to lose no more than {_amount(margin)} on average, "
        f"each end at {(1 + confidence) / 2:.1%}, none of them seen beyond its own margin"
    )
    has = [known.sizes.get(gate_id, 0) for gate_id in asked]
    if not all(has):
        return Explained("together", name, "critical", says)
    alone = [_loss(gate_id, "", own, "critical", confidence, known).power for gate_id, own in asked.items()]
    says += f"; one by one an equal model passes in {math.prod(chance for chance in alone if chance is not None):.0%}"
    sds = [known.spreads.get(gate_id, math.sqrt(OTHER_DISCORDANCE)) for gate_id in asked]
    own = [read_margin(margin)[0] for margin in asked.values()]
    error, tail = suite_mean.spread_of_mean(has, sds), (1 - confidence) / 2
    needs = math.ceil(sum(has) * suite_mean.times_as_many(error, margin, tail, power.POWER))
    seen = math.prod(suite_mean.power_of_sight(sd / math.sqrt(n), m) for sd, n, m in zip(sds, has, own, strict=True))
    return Explained(
        "together", name, "critical", says, sum(has), needs, seen * suite_mean.power_of_mean(error, margin, tail)
    )


def _budgets(experiment: Experiment) -> Iterator[Explained]:
    policy, currency = experiment.config.policy, experiment.config.costs.currency
    if policy.max_seconds:
        yield _explained(Rule("latency", policy.max_seconds, "s"))
    if policy.max_cost:
        yield _explained(Rule("cost", policy.max_cost, currency))


def _validity(experiment: Experiment) -> Iterator[Explained]:
    """What makes the numbers comparable; any of these broken, and there is no verdict."""
    policy = experiment.config.policy
    for rule in (
        Rule("answered", policy.max_unscored, "share"),
        Rule("failures"),
        Rule("room_to_answer", policy.max_truncated, "share"),
        Rule("fresh_exam", policy.max_looks, "count"),
        Rule("plausible", policy.suspicious_gain, "score"),
        *([Rule("constant_answers")] if policy.constant_answers == "block" else []),
        *(_fair_bar(policy) if policy.fair_bar == "required" else []),
        Rule("aligned", MUCH_BETTER, "score"),
        Rule("comparable"),
        Rule("frozen"),
    ):
        yield _explained(rule)


def _fair_bar(policy: Policy) -> list[Rule]:
    """What a fair bar asks, beyond what is asked of every bar."""
    least, relative = read_margin(policy.min_gain)
    return [
        Rule("lenient", least, "relative" if relative else "score"),
        Rule("prompts_tried"), Rule("shots_tried"), Rule("lesson_tried"), Rule("floor"), Rule("copied"),
        Rule("prompts_left_out", policy.max_unscored, "share"), Rule("form", FORM_SHARE, "share"),
    ]  # fmt: skip


def _explained(rule: Rule) -> Explained:
    """A rule in the words of its gate."""
    return Explained(rule.name, RULES[rule.name].title, "critical", rule_sentence(rule))


def _amount(margin: float | str) -> str:
    amount, relative = read_margin(margin)
    return f"{margin} of the base's score" if relative else f"{amount * 100:g} points"
