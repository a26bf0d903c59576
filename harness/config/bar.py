"""Rules of `contradictions` about the bar: other models than the candidate's base, their prices, and the goal."""

from __future__ import annotations

from collections.abc import Iterator

from harness.config.base import read_margin
from harness.config.models import BarModel, ModelConfig
from harness.config.policy import LIST_CURRENCY
from harness.config.problems import Problem, Rule, folds
from harness.config.schema import ExperimentConfig
from harness.config.yaml_lines import Location

SIDES = ("base", "candidate", "judge")
"""What models are called in tables whatever their names."""


def other_models(config: ExperimentConfig) -> list[tuple[Location, BarModel]]:
    """The models of baselines that are others than the candidate's base, where each stands."""
    entries = enumerate(config.baselines)
    return [(("baselines", position, "model"), entry.model) for position, entry in entries if entry.model]


def proposers(config: ExperimentConfig) -> list[tuple[Location, ModelConfig]]:
    """The models that propose instructions to searches of the bar, where each stands."""
    searches = [(position, entry.search) for position, entry in enumerate(config.baselines) if entry.search]
    return [
        (("baselines", position, "search", "optimize", "proposer"), search.optimize.proposer)
        for position, search in searches
        if search.optimize and search.optimize.proposer
    ]


def asks_base(config: ExperimentConfig) -> bool:
    """Whether an arm of the bar is of the candidate's base: a baseline, or the base with the candidate's own prompt."""
    own = config.own_prompt is not None and config.model is not None
    return own or any(entry.model is None for entry in config.baselines)


def another_model(config: ExperimentConfig) -> Iterator[Problem]:
    """A baseline's own model is another than the candidate's base, and goes by another name than a side."""
    own = config.model.model_dump() if config.model else None
    for where, model in other_models(config):
        if model.model_dump(exclude={"price"}) == own:
            yield where, "is `model` of the experiment, the candidate's base; leave it out"
        elif model.label in SIDES:
            sentence = f"goes by the name {model.label!r}, as a side of the comparison does; give its folder another"
            yield where, sentence


def one_price_for_each_model(config: ExperimentConfig) -> Iterator[Problem]:
    """Prices are kept by what a model is called."""
    seen: dict[str, BarModel] = {}
    for where, model in other_models(config):
        if seen.setdefault(model.label, model).price != model.price:
            yield (*where, "price"), f"another price is given for {model.label!r} above; write the same for both"


def a_price_that_is_used(config: ExperimentConfig) -> Iterator[Problem]:
    """`costs.baseline` is the price of the candidate's base; other models have their own."""
    if config.costs.baseline and not asks_base(config):
        sentence = "`costs.baseline` is the price of `model`, and every baseline asks another; write `price` beside it"
        yield ("costs", "baseline"), sentence


def one_currency(config: ExperimentConfig) -> Iterator[Problem]:
    """Prices of the list are in its own currency."""
    currency = config.costs.currency
    for where, model in other_models(config):
        if model.price and model.price.name and currency != LIST_CURRENCY:
            sentence = f"`price` is on the price list in {LIST_CURRENCY}; give the numbers in {currency}"
            yield (*where, "price"), sentence


def one_model_in_folds(config: ExperimentConfig) -> Iterator[Problem]:
    """Folds choose a prompt each, and what they answered becomes one run: of one model."""
    models = {entry.model for entry in config.baselines}
    if folds(config) and len(models) > 1:
        sentence = (
            "`data.split.folds` makes one exam of what each fold's best prompt answered, so that all `baselines` ask "
            "one model; give all the same `model`, or none"
        )
        yield ("data", "split", "folds"), sentence


def searches(config: ExperimentConfig) -> Iterator[Problem]:
    """A search races on one validation set, and holds what can be held."""
    for position, entry in enumerate(config.baselines):
        where: Location = ("baselines", position, "search")
        if entry.search and folds(config):
            sentence = "`search` races on a validation set, and `data.split.folds` has none; give `data.validation`"
            yield where, sentence
        if entry.search and True in entry.search.constrain:
            if config.task.answer not in ("whole", "last_line", "json"):
                sentence = "`constrain` holds the whole of an answer, and `task.answer` takes a part; leave `true` out"
                yield (*where, "constrain"), sentence
            if not (config.task.schema_file or config.data.train):
                sentence = "`constrain: true` takes labels from `data.train`, or `task.schema`; give one"
                yield (*where, "constrain"), sentence
        optimize = entry.search.optimize if entry.search else None
        if entry.search and optimize and (optimize.budget or 0) >= entry.search.budget:
            sentence = "`optimize.budget` is a part of `search.budget`, and leaves nothing of it to race with"
            yield (*where, "optimize", "budget"), sentence
        rows_asked = entry.search and (max(entry.search.shots) or entry.search.optimize)
        if entry.search and rows_asked and not config.data.train:
            yield where, "`search` needs `data.train`: its shots and proposals are of training rows; or say `shots: 0`"


def a_bar_to_ask(config: ExperimentConfig) -> Iterator[Problem]:
    """A suite is asked of the bar's model only where that can be asked, and of the base where there is one."""
    models = [entry for entry in config.baselines if entry.model]
    recorded = next((entry for entry in models if entry.recorded), None)
    base = config.model is not None or len(models) < len(config.baselines)
    for position, entry in enumerate(config.regression or []):
        where: Location = ("regression", position)
        if entry.against == "bar" and not models:
            yield (*where, "against"), "`against: bar` needs a baseline with a `model` of its own"
        elif entry.against == "bar" and recorded:
            sentence = f"`against: bar` asks the bar's model, and answers of it are recorded ({recorded.recorded})"
            yield (*where, "against"), sentence
        elif entry.against == "base" and not base:
            sentence = (
                "a regression suite compares the candidate with its own base, and none is named: write `model`, or "
                "`against: bar`"
            )
            yield where, sentence


def rules_of_the_goal(config: ExperimentConfig) -> Iterator[Problem]:
    """Each goal has limits of its own; the user would think the other's held."""
    policy = config.policy
    others = ("min_gain",) if policy.as_good else ("margin", "min_saving")
    own = "`margin` and `min_saving`" if policy.as_good else "`min_gain`"
    for name in others:
        if name in policy.model_fields_set:
            sentence = f"`policy.{name}` is no rule of the goal `{policy.goal}`, which has {own}; leave it out"
            sentence += "" if policy.as_good else ", or write `goal: as_good_and_cheaper`"
            yield ("policy", name), sentence


def a_margin_to_stop_early_by(config: ExperimentConfig) -> Iterator[Problem]:
    """Early looks are at a difference."""
    if config.policy.stop_early and config.policy.as_good and read_margin(config.policy.asked)[1]:
        yield ("policy", "stop_early"), "`policy.stop_early` needs `margin` as a difference, such as 0.02"


def points_of_value(config: ExperimentConfig) -> Iterator[Problem]:
    """A loss as a share of the prompt's score is none in points."""
    if config.costs.value_per_point is not None and config.policy.as_good and read_margin(config.policy.asked)[1]:
        yield (
            ("costs", "value_per_point"),
            "`costs.value_per_point` needs `policy.margin` as a difference, such as 0.02",
        )


RULES: list[Rule] = [
    another_model,
    one_price_for_each_model,
    a_price_that_is_used,
    one_currency,
    one_model_in_folds,
    searches,
    a_bar_to_ask,
    rules_of_the_goal,
    a_margin_to_stop_early_by,
    points_of_value,
]
