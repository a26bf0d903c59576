"""What an exam can tell at all, said before anything is spent on it. Findings for the data check."""

from __future__ import annotations

from harness.config.base import read_margin
from harness.decision import compare_corpus
from harness.experiment import exams
from harness.experiment.load import Experiment
from harness.experiment.splits import Splits
from harness.stats import power
from suites.benchmarks.lm_eval import LmEvalTask
from suites.metrics.table import LABELS
from suites.types import Finding

# The share of examples on which base and fine-tune are taken to disagree when an exam's power is told in advance, and
# the power below which that is worth a warning. Discordance drives both (Connor 1987).
DISCORDANCE, ENOUGH_POWER = 0.1, 0.8


def exam_power(experiment: Experiment, splits: Splits) -> list[Finding]:
    """What these exams can tell at all, before anything is spent on them."""
    policy, findings = experiment.config.policy, []
    targets = [example.target for example in splits["test"]]
    if n := len(targets):
        metric = experiment.config.task.ordered_metrics[0]
        sd = compare_corpus.planned_sd(metric, targets, 2 * DISCORDANCE)
        least = power.minimum_detectable(n, sd, confidence=policy.confidence)
        text = (
            f"{n:,} test rows tell a gain of about {least:.3f} from none, if the arms disagree on {2 * DISCORDANCE:.0%}"
        )
        findings.append(Finding("info", "exam_power", text))
    rules = exams.regression_rules(experiment)
    for exam in exams.regression_exams(experiment):
        margin, relative = read_margin(rules[exam.name][0])
        if isinstance(exam, LmEvalTask) or relative or rules[exam.name][1] != "critical":
            continue
        sd = compare_corpus.planned_sd(exam.primary, [example.target for example in exam.examples], DISCORDANCE)
        chance = power.power_noninferiority(len(exam.examples), min(1.0, sd**2), margin, policy.confidence)
        if chance < ENOUGH_POWER:
            text = (
                f"{exam.name}: with {len(exam.examples):,} examples an equal model passes its margin of {margin} "
                f"in only {chance:.0%} of experiments, if it answers {DISCORDANCE:.0%} differently"
            )
            findings.append(Finding("warn", "regression_power", text))
    return findings


def label_floors(experiment: Experiment, splits: Splits) -> list[Finding]:
    """Where accuracy would mislead: what a metric of labels gives to one answer for all, and to guessing."""
    suites = [exams.task_suite(experiment, splits, "test"), *exams.regression_exams(experiment)]
    return [
        Finding("info", "floor", compare_corpus.floor_sentence(metric, suite.name, [e.target for e in suite.examples]))
        for suite in suites
        if not isinstance(suite, LmEvalTask) and suite.examples
        for metric in suite.metrics
        if metric in LABELS
    ]
