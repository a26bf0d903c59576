"""Rules of `contradictions` about marks and money: metrics, what the policy says of them, and prices."""

from __future__ import annotations

from collections.abc import Iterator

from harness.config.base import read_margin
from harness.config.policy import FINISHED, LIST_CURRENCY
from harness.config.problems import Problem, Rule, asked_now, folds, unknown
from harness.config.schema import ExperimentConfig
from harness.config.yaml_lines import Location
from suites.metric_names import MEANT
from suites.metrics import table
from suites.metrics.table import CORPUS

# --- how it is marked ------------------------------------------------------------------------------------------------


def a_judge_to_ask(config: ExperimentConfig) -> Iterator[Problem]:
    """The metric `judge` is of the experiment's judge. Where it decides, its rule is that of the gain, and it is asked
    about the answers of two arms: nothing that marks one answer at a time can go by it."""
    named = [name for name in config.task.ordered_metrics if table.of_judge(name)]
    if named and config.judge is None:
        yield ("task", "metrics"), "`judge` is the preference of a judge; say who judges, in `judge:`"
    if not named or named[0] != config.task.ordered_metrics[0]:
        return
    if config.judge and config.judge.cascade:
        sentence = "`judge.cascade`: a judge that is the metric that decides is asked about every pair"
        yield ("judge", "cascade"), f"{sentence}; leave it out, or set `judge.max_pairs`"
    for name in sorted(config.policy.judge.model_fields_set & {"margin", "tier", "better"}):
        sentence = f"`policy.judge.{name}`: the judge is the metric that decides; its rule is `policy.min_gain`"
        yield ("policy", "judge", name), sentence
    candidate = config.candidate
    alone = len(config.baselines) == 1 and candidate is not None and candidate.recorded is not None
    if config.judge and config.judge.recorded and not alone:
        sentence = "recorded verdicts decide between one prompt's answers and a candidate's that are recorded, too"
        yield ("judge", "recorded"), f"{sentence}: of others the judge said nothing; ask a `model`"
    for where in _one_by_one(config):
        sentence = "goes by marks of single answers, and the judge that decides compares two; leave it out"
        yield where, f"`{'.'.join(map(str, where))}` {sentence}"
    for stage in config.training.stages if config.training else ():
        if stage.kind.learns_from == "rewards" and not stage.reward:
            sentence = f"`{stage.method}` is rewarded by the metric that decides, and a judge rewards nothing; name one"
            yield ("training", "reward"), f"{sentence} in `reward`"


def _one_by_one(config: ExperimentConfig) -> Iterator[Location]:
    """The settings that go by marks of single answers."""
    training = config.training
    asked: dict[Location, object] = {
        ("policy", "stop_early"): config.policy.stop_early,
        ("task", "samples"): config.task.samples > 1,
        ("task", "edge_cases"): config.task.edge_cases,
        ("training", "sweep"): training and training.sweep,
        ("training", "seeds"): training and training.seeds.count > 1,
        ("training", "learning_curve"): training and training.learning_curve,
        ("data", "split", "folds"): folds(config),
    }
    return (where for where, is_asked in asked.items() if is_asked)


def known_metrics(config: ExperimentConfig) -> Iterator[Problem]:
    """Every metric is one of the table, and marks of recorded answers are for recorded answers."""
    task, candidate = config.task, config.candidate
    all_recorded = not asked_now(config) and candidate is not None and candidate.recorded is not None
    named: list[tuple[Location, str]] = [(("task", "metrics", i), name) for i, name in enumerate(task.metrics)]
    named += [(("task", "primary"), task.primary)] if task.primary else []
    for location, name in named:
        if table.find(name) is None:
            meant = f"unknown metric; {MEANT[name]}" if name in MEANT else unknown("metric", name, list(table.METRICS))
            yield location, f"`{name}`: {meant}"
        elif table.of_scores(name) and not table.asks(name) and not all_recorded:
            what = "is a mark" if name.startswith("recorded:") else "is of a number"
            yield location, f"`{name}` {what} of recorded answers; a model that is asked now has none"
        elif table.asks(name) and (served := _served(config)):
            yield location, f"`{name}` asks how probable a text is, which a chat endpoint does not tell (`{served}`)"


def _served(config: ExperimentConfig) -> str:
    """A setting whose model is asked now and is behind a server; empty where there is none."""
    if config.model and config.model.endpoint and asked_now(config):
        return "model"
    if config.candidate and config.candidate.endpoint:
        return "candidate"
    return "baselines" if any(entry.model and entry.model.endpoint for entry in asked_now(config)) else ""


def rules_of_what_is_there(config: ExperimentConfig) -> Iterator[Problem]:
    """A rule of the policy is about something the experiment has; the user would think it held."""
    primary, *others = config.task.ordered_metrics
    misspelt = any(table.find(name) is None for name in (primary, *others))  # there, and not here
    for name in () if misspelt else config.policy.metrics:
        where: Location = ("policy", "metrics", name)
        if table.of_judge(name) and name != primary:
            yield where, f"`policy.metrics.{name}`: the rule of the judge is `policy.judge`"
        elif name == primary:
            yield where, f"`policy.metrics.{name}`: `{name}` is the metric that decides; its rule is `policy.min_gain`"
        elif name not in (*others, FINISHED):
            sentence = unknown("metric of this task", name, [*others, FINISHED])
            sentence += "" if table.find(name) is None else "; or list it in `task.metrics`"
            yield where, f"`policy.metrics.{name}`: {sentence}"
    given = config.policy.model_fields_set
    if "slices" in given and not config.task.slices:
        yield ("policy", "slices"), "`policy.slices` is a rule for `task.slices`, which names no columns"
    if "edge_cases" in given and not config.task.edge_cases:
        yield ("policy", "edge_cases"), "`policy.edge_cases` is a rule for `task.edge_cases`, which asks for none"
    if "judge" in given and config.judge is None:
        yield ("policy", "judge"), "`policy.judge` is a rule for a `judge:`, and the experiment has none"


def metrics_listed_once(config: ExperimentConfig) -> Iterator[Problem]:
    """A metric has one rule, so it is listed once."""
    metrics = config.task.metrics
    for position, name in enumerate(metrics):
        if name in metrics[:position]:
            yield ("task", "metrics", position), f"`task.metrics` lists `{name}` twice; leave one out"


def what_decides(config: ExperimentConfig) -> Iterator[Problem]:
    """A metric that is only shown decides nothing, first or further on."""
    primary = config.task.ordered_metrics[0]
    if not table.decides(primary):
        sentence = f"`{primary}` is shown and cannot decide, as small exams bias it; put another metric first"
        yield ("task", "metrics"), sentence
    for name, rule in config.policy.metrics.items():
        if not table.decides(name) and rule.tier != "advisory":
            where: Location = ("policy", "metrics", name)
            yield where, f"`policy.metrics.{name}`: `{name}` is shown and cannot decide; give it `tier: advisory`"


def answers_to_compare(config: ExperimentConfig) -> Iterator[Problem]:
    """Several answers to a question are drawn, marked one by one, and told apart from one another."""
    task, metrics = config.task, config.task.ordered_metrics
    of_samples = [name for name in metrics if table.of_samples(name)]
    if task.samples == 1:
        for name in of_samples:
            yield ("task", "metrics"), f"`{name}` is of several answers to a question; set `task.samples` to how many"
        return
    where: Location = ("task", "samples")
    if not task.temperature:
        yield where, "several answers at temperature 0 are one; set `task.temperature`, such as 0.7"
    for name in (name for name in metrics if name in CORPUS):
        yield where, f"the mean of several answers is one of their marks, and `{name}` is of the whole exam"
    for name in of_samples:
        _, _, k = name.partition(":")
        if k.isdecimal() and int(k) > task.samples:
            yield ("task", "metrics"), f"`{name}` takes {k} answers to a question, and `task.samples` is {task.samples}"
    if of_samples and table.says_right(metrics) is None:
        sentence = f"`{of_samples[0]}` is of answers that another metric marks; list one, such as exact_match"
        yield ("task", "metrics"), sentence
    if config.policy.stop_early:
        yield where, "`policy.stop_early` looks at one answer to a question; leave out one of the two"
    if len(asked_now(config)) < len(config.baselines) or (config.candidate and config.candidate.recorded):
        yield where, "recorded answers are one to a question; leave `task.samples` out, or ask both sides now"


def edge_cases_to_ask(config: ExperimentConfig) -> Iterator[Problem]:
    """Edge cases are new questions: whoever answers them is asked now, with rows of an exam of its own."""
    if not config.task.edge_cases:
        return
    where: Location = ("task", "edge_cases")
    if len(asked_now(config)) < len(config.baselines) or (config.candidate and config.candidate.recorded):
        yield where, "`task.edge_cases` asks new questions, and recorded answers have none; leave it out"
    if folds(config):
        yield where, "`task.edge_cases` cannot stand beside `data.split.folds`; give `data.test` a file of its own"


def marks_to_search_by(config: ExperimentConfig) -> Iterator[Problem]:
    """A search marks bare answers, one to a question."""
    primary = config.task.ordered_metrics[0]
    of_one = not (table.of_samples(primary) or table.asks(primary) or table.of_judge(primary))
    if any(entry.search for entry in config.baselines) and not of_one:
        yield ("task", "metrics"), f"`search` tells prompts apart by single answers, and `{primary}` marks none of them"


def code_that_may_run(config: ExperimentConfig) -> Iterator[Problem]:
    """What models wrote runs only where the file says so."""
    if "code_tests" in config.task.ordered_metrics and not config.task.run_code:
        sentence = "`code_tests` runs code that models wrote, on this machine; allow it by `task.run_code: true`"
        yield ("task", "metrics"), sentence


def a_schema_to_mark_with(config: ExperimentConfig) -> Iterator[Problem]:
    """A metric that takes a JSON Schema is given one."""
    if "json_schema" in config.task.ordered_metrics and not config.task.schema_file:
        yield ("task", "metrics"), "the metric json_schema needs `task.schema`, a JSON Schema file"


def marks_to_stop_early_by(config: ExperimentConfig) -> Iterator[Problem]:
    """Early looks are at a mean of marks of bare answers, and at a difference."""
    primary = config.task.ordered_metrics[0]
    whole = primary in CORPUS or bool(table.asks(primary))
    if config.policy.stop_early and (whole or read_margin(config.policy.min_gain)[1]):
        sentence = "`policy.stop_early` needs a first metric that marks single answers, and `min_gain` as a difference"
        yield ("policy", "stop_early"), sentence


def suites_to_judge_together(config: ExperimentConfig) -> Iterator[Problem]:
    """A mean is of suites that have a say, whose losses are differences of scores."""
    if config.policy.regression.together is None:
        return
    entries = config.asked_before
    if all(entry.tier == "advisory" for entry in entries):
        sentence = "`policy.regression.together` needs a regression suite that is not advisory"
        yield ("policy", "regression"), sentence
    for position, entry in enumerate(entries):
        if entry.margin is not None and read_margin(entry.margin)[1] and entry.tier != "advisory":
            sentence = (
                "`policy.regression.together` takes differences of scores; give this `margin` as one, such as 0.03"
            )
            yield ("regression", position), sentence


def a_nearest_row_of_training(config: ExperimentConfig) -> Iterator[Problem]:
    """With folds every row trains, so that it would be nearest to itself."""
    name = "auto:nearest"
    if folds(config) and name in config.task.slices:
        position = config.task.slices.index(name)
        yield ("task", "slices", position), f"`{name}`: with folds every row trains, and is nearest to itself"


def a_part_to_sharpen(config: ExperimentConfig) -> Iterator[Problem]:
    """A whole exam is told no more of by the marks of one side."""
    if config.policy.control_variate and not config.policy.stop_early:
        yield ("policy", "control_variate"), "`policy.control_variate` needs `policy.stop_early`"


# --- what it costs ---------------------------------------------------------------------------------------------------


def a_price_for_max_cost(config: ExperimentConfig) -> Iterator[Problem]:
    """A budget needs a price."""
    if config.policy.max_cost is not None and config.costs.candidate is None:
        yield ("policy", "max_cost"), "`policy.max_cost` needs the price of the candidate, `costs.candidate`"


def a_training_to_pay_for(config: ExperimentConfig) -> Iterator[Problem]:
    """A price per hour is of a training whose hours are measured."""
    price = config.costs.training
    if price and price.per_hour is not None and config.training is None:
        sentence = "`costs.training.per_hour` needs a training whose seconds are measured here; give the amount"
        yield ("costs", "training"), sentence


def a_judge_to_pay_for(config: ExperimentConfig) -> Iterator[Problem]:
    """The price of verdicts is of some."""
    if config.costs.judge and config.judge is None:
        yield ("costs", "judge"), "`costs.judge` is the price of a `judge:`, and the experiment has none"


def points_of_value(config: ExperimentConfig) -> Iterator[Problem]:
    """A gain as a share of the prompt's score is none in points."""
    if config.costs.value_per_point is not None and read_margin(config.policy.min_gain)[1]:
        sentence = "`costs.value_per_point` needs `policy.min_gain` as a difference, such as 0.02"
        yield ("costs", "value_per_point"), sentence


def one_currency(config: ExperimentConfig) -> Iterator[Problem]:
    """Prices of the list are in its own currency."""
    for side in ("baseline", "candidate", "judge"):
        price, currency = getattr(config.costs, side), config.costs.currency
        if price and price.name and currency != LIST_CURRENCY:
            sentence = f"`costs.{side}` is on the price list in {LIST_CURRENCY}; give the numbers in {currency}"
            yield ("costs", side), sentence


RULES: list[Rule] = [
    known_metrics,
    a_judge_to_ask,
    rules_of_what_is_there,
    metrics_listed_once,
    what_decides,
    answers_to_compare,
    edge_cases_to_ask,
    marks_to_search_by,
    code_that_may_run,
    a_schema_to_mark_with,
    marks_to_stop_early_by,
    a_nearest_row_of_training,
    a_part_to_sharpen,
    suites_to_judge_together,
    a_price_for_max_cost,
    a_training_to_pay_for,
    a_judge_to_pay_for,
    points_of_value,
    one_currency,
]
