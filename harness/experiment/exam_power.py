"""What an exam can tell at all, said before anything is spent on it. Findings for the data check."""

from __future__ import annotations

from harness.config.base import read_margin
from harness.decision import compare_corpus
from harness.decision.compare import CLUSTERED
from harness.experiment import exams
from harness.experiment.load import Experiment
from harness.experiment.names import unpriced
from harness.experiment.prompts import asked_columns
from harness.experiment.splits import Splits
from harness.stats import power
from suites.metrics import table
from suites.similarity.copies import copied
from suites.types import Finding, Suite

# The share of examples on which base and fine-tune are taken to disagree when an exam's power is told in advance, and
# the power below which that is worth a warning. Discordance drives both (Connor 1987).
DISCORDANCE, ENOUGH_POWER = 0.1, 0.8
JUDGED = 1.0
"""The share of pairs in which a judge prefers one answer, as long as nobody asked it: no spread can be more."""


def exam_power(experiment: Experiment, splits: Splits) -> list[Finding]:
    """What these exams can tell at all, before anything is spent on them."""
    policy, findings = experiment.config.policy, []
    test = splits["test"]
    if n := len(test):
        metric = experiment.config.task.ordered_metrics[0]
        share = JUDGED if table.of_judge(metric) else 2 * DISCORDANCE
        sd = compare_corpus.planned_sd(metric, test, share)
        findings += _of_goal(experiment, n, sd) if policy.as_good else []
        least = power.minimum_detectable(n, sd, confidence=policy.confidence)
        gain = f"a gain of about {least * 100:.1f} points" if least < 1 else "not even the largest gain"
        rows = f"{n:,} test row{'s' * (n != 1)}{compare_corpus.in_clusters(test)}"
        text = f"{rows} tell{'s' * (n == 1)} {gain} from none, {_if(metric, share)}"
        findings.append(Finding("info", "exam_power", text))
        findings += _unchecked(experiment, metric)
    rules = exams.regression_rules(experiment)
    side = (1 + policy.confidence) / 2  # each end of an interval is a bound of the first look
    for exam in _suites(experiment):
        margin, relative = read_margin(rules[exam.name][0])
        if relative or rules[exam.name][1] != "critical":
            continue
        sd = compare_corpus.planned_sd(exam.primary, exam.examples, DISCORDANCE)
        chance = power.passes(len(exam.examples), sd, margin, side)
        if chance < ENOUGH_POWER:
            text = (
                f"{exam.name}: with {len(exam.examples):,} examples{compare_corpus.in_clusters(exam.examples)} an "
                f"equal model passes its margin of {margin} in only {chance:.0%} of experiments, if it answers "
                f"{DISCORDANCE:.0%} differently"
            )
            findings.append(Finding("warn", "regression_power", text))
    return findings


def _unchecked(experiment: Experiment, metric: str) -> list[Finding]:
    """A judge that is to decide, and that nothing checks yet."""
    judge = experiment.config.judge
    if not table.of_judge(metric) or judge is None or judge.calibration:
        return []
    text = (
        "the judge decides, and no labelled pairs check it (`judge.calibration`): the verdict will be inconclusive, "
        "and say which pairs to label"
    )
    return [Finding("warn", "judge_unchecked", text)]


def _if(metric: str, share: float) -> str:
    """What is taken for granted where an exam's power is told."""
    if table.of_judge(metric):
        return f"if the judge prefers one answer in {share:.0%} of the pairs and errs in none; its errors ask for more"
    return f"if the arms disagree on {share:.0%}"


def _of_goal(experiment: Experiment, n: int, sd: float) -> list[Finding]:
    """What the goal to be as good and cheaper cannot show: with too few rows, or without a price."""
    config, findings = experiment.config, []
    margin, relative = read_margin(config.policy.margin)
    chance = 1.0 if relative else power.passes(n, sd, margin, (1 + config.policy.confidence) / 2)
    if chance < ENOUGH_POWER:
        needs = power.passing_n(sd, margin, confidence=(1 + config.policy.confidence) / 2)
        text = (
            f"with {n:,} test rows an equal candidate is shown to lose no more than {margin * 100:g} points in only "
            f"{chance:.0%} of experiments, if it answers {2 * DISCORDANCE:.0%} differently; {needs:,} rows would show "
            "it in four of five"
        )
        findings.append(Finding("warn", "margin_power", text))
    if missing := unpriced(config):
        settings = ", ".join(f"`{name}`" for name in missing)
        text = f"what has no price cannot be cheaper: without {settings} the goal cannot be shown beside every prompt"
        findings.append(Finding("warn", "unpriced", text))
    return findings


def copied_rows(experiment: Experiment, splits: Splits) -> list[Finding]:
    """Rows of an exam that ask what another one asks, and how much evidence is left."""
    exams_ = [(exam, exams.own_columns(exam)) for exam in _suites(experiment)]
    task = exams.task_suite(experiment, splits, "test")
    findings = []
    for exam, columns in [(task, asked_columns(experiment, splits)), *exams_]:
        if rows := copied(exam.examples, columns):
            clusters = len({example.cluster for example in exam.examples})
            text = (
                f"{exam.name}: {len(rows):,} of the {len(exam.examples):,} rows ask what another one asks, in the same "
                f"words or nearly; rows that ask the same count once: {clusters:,} clusters"
            )
            few = clusters < CLUSTERED * len(exam.examples)
            findings.append(Finding("warn" if few else "info", "copies", text, rows))
    return findings


def _suites(experiment: Experiment) -> list[Suite]:
    """The regression suites whose questions are known before they are asked."""
    return [exam for exam in exams.regression_exams(experiment) if isinstance(exam, Suite)]


def label_floors(experiment: Experiment, splits: Splits) -> list[Finding]:
    """Where accuracy would mislead: what a metric of labels gives to one answer for all, and to guessing."""
    suites = [exams.task_suite(experiment, splits, "test"), *_suites(experiment)]
    return [
        Finding("info", "floor", compare_corpus.floor_sentence(metric, suite.name, [e.target for e in suite.examples]))
        for suite in suites
        if suite.examples
        for metric in suite.metrics
        if table.of_labels(metric)
    ]
