"""Settings that are each fine and together make no experiment: `RULES`, small named rules, all of which are asked."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from baselines.prompters.table import PROMPTERS
from harness.config.base import read_margin
from harness.config.exam import Baseline
from harness.config.policy import LIST_CURRENCY
from harness.config.schema import ExperimentConfig
from harness.config.training import RepeatConfig, SweepRange, TrainingSection
from harness.config.yaml_lines import Location
from suites.checks.content import has_secret
from suites.checks.table import FIXABLE
from suites.metric_names import MEANT
from suites.metrics import table
from suites.metrics.table import CORPUS

Problem = tuple[Location, str]
Rule = Callable[[ExperimentConfig], Iterator[Problem]]


def contradictions(config: ExperimentConfig) -> list[Problem]:
    """Every problem that a rule has with an experiment, by the setting it is about."""
    return list(dict.fromkeys(problem for rule in RULES for problem in rule(config)))


def unknown(what: str, name: object, known: Sequence[str]) -> str:
    """What to say of a name that is not among the known ones."""
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"unknown {what}; did you mean `{near[0]}`?" if near else f"unknown {what}; use one of {', '.join(known)}"


# --- what is compared ------------------------------------------------------------------------------------------------


def one_candidate(config: ExperimentConfig) -> Iterator[Problem]:
    """A candidate is trained here or comes from elsewhere."""
    if (config.training is None) == (config.candidate is None):
        yield ("training",), "an experiment has either `training:` or `candidate:`"


def a_model_to_ask(config: ExperimentConfig) -> Iterator[Problem]:
    """Prompts, trainings and folders of weights need a base model."""
    candidate = config.candidate
    if config.model is None and (_live(config) or config.training or (candidate and candidate.path)):
        sentence = "`model` is required unless baselines and candidate are all recorded or endpoints"
        if candidate and candidate.recorded and "baselines" not in config.model_fields_set:
            sentence += "; the prompt's own answers are named by `baselines: [{recorded: FILE}]`"
        yield (), sentence


def a_template_to_ask(config: ExperimentConfig) -> Iterator[Problem]:
    """Recorded answers are replayed; no template is asked for anything."""
    if config.candidate and config.candidate.recorded and config.candidate.chat_template_kwargs is not None:
        yield ("candidate", "chat_template_kwargs"), "recorded answers are replayed as they are; leave it out"


def a_model_to_train(config: ExperimentConfig) -> Iterator[Problem]:
    """What stands behind an endpoint is trained by an API or not at all."""
    if config.model and config.model.endpoint and config.training and not config.training.openai_job:
        yield ("training",), "a model behind an endpoint cannot be trained here; give a Hub id or a folder"


def no_secrets(config: ExperimentConfig) -> Iterator[Problem]:
    """The settings go into the store and the report, and the file into a repository."""
    for where, text in _texts(config.model_dump(mode="json", by_alias=True)):
        if has_secret(text):
            setting = ".".join(map(str, where))
            yield where, f"`{setting}` holds what looks like a key; put it into an environment variable (`api_key_env`)"


# --- the stages of a training ----------------------------------------------------------------------------------------


class Stage(NamedTuple):
    """A stage as the file has it or as a sweep would try it, where it stands, and the stages before it."""

    where: Location
    config: TrainingSection
    before: Sequence[TrainingSection]
    last: bool

    @property
    def starts_from(self) -> TrainingSection | None:
        """The stage whose weights it goes on from; a reward model is no such weights."""
        return next((stage for stage in reversed(self.before) if stage.kind.leaves != "reward model"), None)


def _stages(config: ExperimentConfig) -> Iterator[Stage]:
    stages = config.training.stages if config.training else []
    for position, stage in enumerate(stages):
        last = position == len(stages) - 1
        where: Location = ("training",) if last else ("training", "after", position)
        for tried in _tried(stage):
            yield Stage(where, tried, stages[:position], last)


def _tried(stage: TrainingSection) -> Iterator[TrainingSection]:
    """The stage, and what a sweep makes of it at the ends of its space."""
    yield stage
    for name, space in stage.sweep.space.items() if stage.sweep else ():
        for value in [space.low, space.high] if isinstance(space, SweepRange) else space:
            yield stage.model_copy(update={name: value})


def said_once(config: ExperimentConfig) -> Iterator[Problem]:
    """Where a training runs and how often it is done is said of all its stages together."""
    for stage in _stages(config):
        for name in sorted(stage.config.model_fields_set & RepeatConfig.model_fields.keys()) if not stage.last else ():
            yield (*stage.where, name), f"`{name}` is said of the whole training"


def no_stages_of_stages(config: ExperimentConfig) -> Iterator[Problem]:
    """Stages are one list."""
    for stage in _stages(config):
        if not stage.last and stage.config.after:
            yield (*stage.where, "method"), "a stage has no stages of its own; list them all in one `after`"


def rows_for_each_stage(config: ExperimentConfig) -> Iterator[Problem]:
    """A stage has the data that its method, and its way to remember, learn from."""
    for stage in _stages(config):
        where = (*stage.where, "method")
        if stage.config.kind.learns_from == "preferences" and not config.data.preferences:
            yield where, f"`{stage.config.method}` learns from `data.preferences`"
        if (stage.config.replay or stage.config.ewc) and not config.data.general:
            yield where, "`replay` and `ewc` need `data.general`"


def the_last_stage_answers(config: ExperimentConfig) -> Iterator[Problem]:
    """A training ends with a model that answers."""
    for stage in _stages(config):
        if stage.last and stage.config.kind.leaves == "reward model":
            yield (*stage.where, "method"), "a reward model answers nothing; it is a stage before `rloo` or `grpo`"


def stages_go_on(config: ExperimentConfig) -> Iterator[Problem]:
    """A stage goes on from what the one before it leaves."""
    for stage in _stages(config):
        if not (start := stage.starts_from):
            continue
        method = stage.config.method
        if start.kind.virtual_tokens:
            sentence = f"`{method}` goes on from whole weights, a LoRA or IA3, not from virtual tokens"
            yield (*stage.where, "method"), sentence
        elif stage.config.kind.learns_from == "rows" and start.kind.leaves != "weights":
            sentence = f"`{method}` starts from whole weights, and the stage before it leaves an adapter"
            yield (*stage.where, "method"), sentence


def known_rewards(config: ExperimentConfig) -> Iterator[Problem]:
    """A reward is a metric of the exam, or a reward model that was trained before."""
    for stage in _stages(config):
        reward = stage.config.reward
        if reward == "model" and all(earlier.kind.leaves != "reward model" for earlier in stage.before):
            yield (*stage.where, "reward"), "a reward model needs a stage before it: `after: [lora, reward]`"
        elif reward and reward not in ("model", *table.plain(), "json_schema"):
            yield (*stage.where, "reward"), f"`{reward}`: {unknown('metric', reward, table.plain())}"


def measured_on_validation(config: ExperimentConfig) -> Iterator[Problem]:
    """What is searched for or compared among trainings is measured on rows that are not the exam."""
    split = config.data.split
    if config.data.validation or (split and (split.validation or split.folds)):
        return
    for name in ("learning_curve", "sweep"):
        if config.training and getattr(config.training, name):
            yield ("training", name), f"`training.{name}` is measured on `data.validation`"


# --- the data --------------------------------------------------------------------------------------------------------


def rows_to_train_on(config: ExperimentConfig) -> Iterator[Problem]:
    """Trainings, prompts that show rows, and splits take a training file."""
    shows_rows = any(PROMPTERS[baseline.prompter].shows_rows for baseline in _live(config) if baseline.prompter)
    if not config.data.train and (config.training or config.data.split or shows_rows):
        yield ("data",), "`data.train` is required for training, few-shot prompts and splits"


def an_exam(config: ExperimentConfig) -> Iterator[Problem]:
    """There is a test set, of its own or set aside."""
    split = config.data.split
    if not config.data.test and not (split and (split.test or split.folds)):
        yield ("data",), "`data.test` is required (or `data.split.test`, a share of the training file)"


def an_exam_of_its_own(config: ExperimentConfig) -> Iterator[Problem]:
    """Rows of an exam are none that a prompt or a training has seen."""
    data = config.data
    for name, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        if (file := getattr(data, name)) and file == getattr(data, other):
            sentence = f"`data.{name}` is the file of `data.{other}`; name another, or leave it out and take a share of"
            yield ("data", name), f"{sentence} the training file: `data.split: 80/10/10`"


def one_source_for_each_split(config: ExperimentConfig) -> Iterator[Problem]:
    """Validation and test rows are a file or a share, not both."""
    data, split = config.data, config.data.split
    for name in ("validation", "test"):
        if getattr(data, name) and split and not split.folds and getattr(split, name):
            sentence = (
                f"`data.{name}` names a file and `data.split.{name}` takes a share of the training file; keep one"
            )
            yield ("data", "split", name), sentence


def rows_left_to_train_on(config: ExperimentConfig) -> Iterator[Problem]:
    """A split leaves some rows to learn from."""
    split = config.data.split
    if split and not split.folds and split.validation + split.test >= 1:
        yield ("data", "split"), "`data.split` sets everything aside and leaves nothing to train with"


def prompts_chosen_on_validation(config: ExperimentConfig) -> Iterator[Problem]:
    """The best of several prompts is not chosen on the exam."""
    split = config.data.split
    if len(config.baselines) > 1 and not config.data.validation and not (split and (split.validation or split.folds)):
        sentence = "`data.validation` is required: the best of several baselines is chosen there, not on the test set"
        share = "{validation: 0.1}" if config.data.test else "80/10/10"
        yield ("data",), f"{sentence}; a share of the training file will do: `data.split: {share}`"


def rows_to_leave_out(config: ExperimentConfig) -> Iterator[Problem]:
    """Rows are left out of a training that is done here, and by checks that find training rows."""
    for name, level in config.data.findings.items():
        where: Location = ("data", "findings", name)
        if level == "fix" and name not in FIXABLE:
            yield where, f"`data.findings.{name}` cannot be `fix`, which leaves out training rows: {', '.join(FIXABLE)}"
        elif level == "fix" and (config.training is None or _folds(config)):
            what = "folds train on every row" if _folds(config) else "this candidate has learnt from its rows already"
            yield (
                where,
                f"`data.findings.{name}: fix` leaves out training rows, and {what}; use block, warn, info or off",
            )


# --- folds, which make every row an exam of a fine-tune trained here -------------------------------------------------


def folds_and_splits(config: ExperimentConfig) -> Iterator[Problem]:
    """Folds are the only split."""
    for name in ("validation", "test") if _folds(config) else ():
        if getattr(config.data, name):
            sentence = f"`data.{name}` cannot stand beside `data.split.folds`, by which every fold is one once"
            yield ("data", name), sentence
        if getattr(config.data.split, name):
            sentence = f"`data.split.{name}` cannot stand beside `folds`, by which every fold is one once"
            yield ("data", "split", name), sentence


def folds_and_repeats(config: ExperimentConfig) -> Iterator[Problem]:
    """A training for each fold is not repeated for anything else."""
    for name in ("sweep", "seeds", "learning_curve") if _folds(config) else ():
        if config.training and name in config.training.model_fields_set:
            sentence = f"`training.{name}` cannot stand beside `data.split.folds`, which trains once for each fold"
            yield ("training", name), sentence


def folds_train(config: ExperimentConfig) -> Iterator[Problem]:
    """Folds are examined by fine-tunes that have not seen them, and so are trained here."""
    if _folds(config) and config.candidate:
        sentence = (
            "`data.split.folds` trains a candidate for each fold; examine one that is there on a `data.test` file"
        )
        yield ("data", "split", "folds"), sentence


def folds_and_early_looks(config: ExperimentConfig) -> Iterator[Problem]:
    """An exam of all folds is taken whole."""
    if _folds(config) and config.policy.stop_early:
        sentence = "`policy.stop_early` cannot stand beside `data.split.folds`: an exam of all folds has no early look"
        yield ("policy", "stop_early"), sentence


# --- how it is marked ------------------------------------------------------------------------------------------------


def known_metrics(config: ExperimentConfig) -> Iterator[Problem]:
    """Every metric is one of the table, and marks of recorded answers are for recorded answers."""
    task, candidate = config.task, config.candidate
    all_recorded = not _live(config) and candidate is not None and candidate.recorded is not None
    named: list[tuple[Location, str]] = [(("task", "metrics", i), name) for i, name in enumerate(task.metrics)]
    named += [(("task", "primary"), task.primary)] if task.primary else []
    for location, name in named:
        if table.find(name) is None:
            meant = f"unknown metric; {MEANT[name]}" if name in MEANT else unknown("metric", name, list(table.METRICS))
            yield location, f"`{name}`: {meant}"
        elif name.startswith("recorded:") and not all_recorded:
            yield location, f"`{name}` is a mark of recorded answers; a model that is asked now has none"


def metrics_listed_once(config: ExperimentConfig) -> Iterator[Problem]:
    """A metric has one rule, so it is listed once."""
    metrics = config.task.metrics
    for position, name in enumerate(metrics):
        if name in metrics[:position]:
            yield ("task", "metrics", position), f"`task.metrics` lists `{name}` twice; leave one out"


def a_schema_to_mark_with(config: ExperimentConfig) -> Iterator[Problem]:
    """A metric that takes a JSON Schema is given one."""
    if "json_schema" in config.task.ordered_metrics and not config.task.schema_file:
        yield ("task", "metrics"), "the metric json_schema needs `task.schema`, a JSON Schema file"


def marks_to_stop_early_by(config: ExperimentConfig) -> Iterator[Problem]:
    """Early looks are at a mean of marks, and at a difference."""
    whole = config.task.ordered_metrics[0] in CORPUS
    if config.policy.stop_early and (whole or read_margin(config.policy.min_gain)[1]):
        sentence = "`policy.stop_early` needs a first metric that marks single answers, and `min_gain` as a difference"
        yield ("policy", "stop_early"), sentence


def suites_to_judge_together(config: ExperimentConfig) -> Iterator[Problem]:
    """A mean is of suites that have a say, whose losses are differences of scores."""
    if config.policy.regression.together is None:
        return
    entries = config.regression or []
    if config.regression is not None and all(entry.tier == "advisory" for entry in entries):
        sentence = "`policy.regression.together` needs a regression suite that is not advisory"
        yield ("policy", "regression"), sentence
    for position, entry in enumerate(entries):
        if entry.margin is not None and read_margin(entry.margin)[1] and entry.tier != "advisory":
            sentence = (
                "`policy.regression.together` takes differences of scores; give this `margin` as one, such as 0.03"
            )
            yield ("regression", position), sentence


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


def points_of_value(config: ExperimentConfig) -> Iterator[Problem]:
    """A gain as a share of the prompt's score is none in points."""
    if config.costs.value_per_point is not None and read_margin(config.policy.min_gain)[1]:
        sentence = "`costs.value_per_point` needs `policy.min_gain` as a difference, such as 0.02"
        yield ("costs", "value_per_point"), sentence


def one_currency(config: ExperimentConfig) -> Iterator[Problem]:
    """Prices of the list are in its own currency."""
    for side in ("baseline", "candidate"):
        price, currency = getattr(config.costs, side), config.costs.currency
        if price and price.name and currency != LIST_CURRENCY:
            sentence = f"`costs.{side}` is on the price list in {LIST_CURRENCY}; give the numbers in {currency}"
            yield ("costs", side), sentence


RULES: list[Rule] = [
    one_candidate,
    a_model_to_ask,
    no_secrets,
    a_model_to_train,
    a_template_to_ask,
    said_once,
    no_stages_of_stages,
    rows_for_each_stage,
    the_last_stage_answers,
    stages_go_on,
    known_rewards,
    measured_on_validation,
    rows_to_train_on,
    an_exam,
    an_exam_of_its_own,
    one_source_for_each_split,
    rows_left_to_train_on,
    prompts_chosen_on_validation,
    rows_to_leave_out,
    folds_and_splits,
    folds_and_repeats,
    folds_train,
    folds_and_early_looks,
    known_metrics,
    metrics_listed_once,
    a_schema_to_mark_with,
    marks_to_stop_early_by,
    a_part_to_sharpen,
    suites_to_judge_together,
    a_price_for_max_cost,
    a_training_to_pay_for,
    points_of_value,
    one_currency,
]


def _texts(value: object, where: Location = ()) -> Iterator[tuple[Location, str]]:
    """Every text among settings, and where it stands."""
    if isinstance(value, str):
        yield where, value
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _texts(part, (*where, key))


def _live(config: ExperimentConfig) -> list[Baseline]:
    """The baselines that are asked now."""
    return [baseline for baseline in config.baselines if not baseline.recorded]


def _folds(config: ExperimentConfig) -> bool:
    return bool(config.data.split and config.data.split.folds)
