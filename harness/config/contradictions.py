"""Settings that are each fine and together make no experiment: `RULES`, small named rules, all of which are asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from baselines.prompters.table import PROMPTERS
from harness.config import bar, marking
from harness.config.problems import Problem, Rule, asked_now, folds, unknown
from harness.config.schema import ExperimentConfig
from harness.config.training import RepeatConfig, SweepRange, TrainingSection
from harness.config.yaml_lines import Location
from suites.checks.content import has_secret
from suites.checks.table import FIXABLE
from suites.metrics import table
from suites.metrics.tool_calls import OF_CALLS


def contradictions(config: ExperimentConfig) -> list[Problem]:
    """Every problem that a rule has with an experiment, by the setting it is about."""
    return list(dict.fromkeys(problem for rule in RULES for problem in rule(config)))


# --- what is compared ------------------------------------------------------------------------------------------------


def one_candidate(config: ExperimentConfig) -> Iterator[Problem]:
    """A candidate is trained here or comes from elsewhere."""
    if (config.training is None) == (config.candidate is None):
        yield ("training",), "an experiment has either `training:` or `candidate:`"


def a_model_to_ask(config: ExperimentConfig) -> Iterator[Problem]:
    """Prompts, trainings and folders of weights need a base model."""
    candidate = config.candidate
    of_base = [entry for entry in asked_now(config) if not entry.model]
    if config.model is None and (of_base or config.training or (candidate and candidate.path)):
        sentence = "`model` is required unless baselines and candidate are all recorded or endpoints"
        if candidate and candidate.recorded and "baselines" not in config.model_fields_set:
            sentence += "; the prompt's own answers are named by `baselines: [{recorded: FILE}]`"
        yield (), sentence


def a_place_for_the_answer(config: ExperimentConfig) -> Iterator[Problem]:
    """Who reasons before the answer is told where to put that, and everybody's answer is looked for there."""
    for position, baseline in enumerate(config.baselines):
        if baseline.prompter and PROMPTERS[baseline.prompter].reasons and config.task.answer_rule is None:
            sentence = (
                f"`{baseline.prompter}` reasons before it answers, and all of that would be marked; say where the "
                "answer stands, such as `task: {answer: last_line}`, for every prompt and the fine-tune alike"
            )
            yield ("baselines", position, baseline.prompter), sentence


def a_template_to_ask(config: ExperimentConfig) -> Iterator[Problem]:
    """Recorded answers are replayed; no template is asked for anything."""
    if config.candidate and config.candidate.recorded and config.candidate.chat_template_kwargs is not None:
        yield ("candidate", "chat_template_kwargs"), "recorded answers are replayed as they are; leave it out"


def a_model_to_train(config: ExperimentConfig) -> Iterator[Problem]:
    """What stands behind an endpoint is trained by an API or not at all."""
    if config.model and config.model.endpoint and config.training and not config.training.openai_job:
        yield ("training",), "a model behind an endpoint cannot be trained here; give a Hub id or a folder"


def weights_to_read(config: ExperimentConfig) -> Iterator[Problem]:
    """How far a fine-tune has moved is read off the weights of both, here."""
    base, candidate = config.model, config.candidate
    elsewhere = base is None or base.endpoint is not None or base.engine == "vllm"
    elsewhere = elsewhere or bool(candidate and (candidate.endpoint or candidate.recorded))
    for position, entry in enumerate(config.regression or []):
        if entry.drift and elsewhere:
            sentence = (
                "`drift` cannot be known here: it is read off the weights of base and candidate, in this process and "
                "not by vLLM, a server or a file of answers; leave it out"
            )
            yield ("regression", position, "drift"), sentence


def no_secrets(config: ExperimentConfig) -> Iterator[Problem]:
    """The settings go into the store and the report, and the file into a repository."""
    for where, text in _texts(config.model_dump(mode="json", by_alias=True)):
        if has_secret(text):
            setting = ".".join(map(str, where))
            yield where, f"`{setting}` holds what looks like a key; put it into an environment variable (`api_key_env`)"


def whole_answers_are_held(config: ExperimentConfig) -> Iterator[Problem]:
    """What is held to a form is all of an answer; a rule may find it there, on its last line or as its JSON, and no
    place within it that the form does not have."""
    for position, entry in enumerate(config.baselines):
        if not entry.prompter or not entry.settings.constrain:
            continue
        where: Location = ("baselines", position, entry.prompter or "", "constrain")
        if config.task.answer not in ("whole", "last_line", "json"):
            yield (
                where,
                "`constrain` holds the whole of an answer, and `task.answer` takes a part; leave one of them out",
            )
        if entry.settings.max_thinking_tokens:
            yield where, "`constrain` holds an answer from its first token on, and this prompt is to think before it"
        if entry.settings.constrain is True and not (config.task.schema_file or config.data.train):
            yield (
                where,
                "`constrain: true` takes labels from `data.train`, or `task.schema`; give one, or `{regex: ...}`",
            )


def calls_are_whole(config: ExperimentConfig) -> Iterator[Problem]:
    """A call is marked as it is made; a rule that takes a part of an answer would take a part of it."""
    if config.task.answer_rule and (named := [name for name in config.task.ordered_metrics if name in OF_CALLS]):
        yield (
            ("task", "answer"),
            f"`{named[0]}` marks the calls of an answer, and `task.answer` takes a part; leave it out",
        )


def one_file_one_reading(config: ExperimentConfig) -> Iterator[Problem]:
    """Rows that are divided are read once."""
    own = config.training.turns if config.training else None
    if own not in (None, config.data.turns) and config.data.split:
        sentence = (
            f"`training.turns: {own}` and `data.turns: {config.data.turns}` read one file in two ways, and "
            "`data.split` divides it; give `data.test` a file of its own"
        )
        yield ("training", "turns"), sentence


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
    shows_rows = any(
        PROMPTERS[baseline.prompter].shows_rows or getattr(baseline.settings, "few_shot", None)
        for baseline in asked_now(config)
        if baseline.prompter
    )
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
    several = len(config.baselines) > 1 or any(entry.search for entry in config.baselines)
    if several and not config.data.validation and not (split and (split.validation or split.folds)):
        what = "the best of several baselines" if len(config.baselines) > 1 else "the prompt of a search"
        sentence = f"`data.validation` is required: {what} is chosen there, not on the test set"
        share = "{validation: 0.1}" if config.data.test else "80/10/10"
        yield ("data",), f"{sentence}; a share of the training file will do: `data.split: {share}`"


def rows_to_leave_out(config: ExperimentConfig) -> Iterator[Problem]:
    """Rows are left out of a training that is done here, and by checks that find training rows."""
    for name, level in config.data.findings.items():
        where: Location = ("data", "findings", name)
        if level == "fix" and name not in FIXABLE:
            yield where, f"`data.findings.{name}` cannot be `fix`, which leaves out training rows: {', '.join(FIXABLE)}"
        elif level == "fix" and (config.training is None or folds(config)):
            what = "folds train on every row" if folds(config) else "this candidate has learnt from its rows already"
            yield (
                where,
                f"`data.findings.{name}: fix` leaves out training rows, and {what}; use block, warn, info or off",
            )


def shots_that_fit(config: ExperimentConfig) -> Iterator[Problem]:
    """How many shots fit is known of a model that is read here."""
    for position, baseline in enumerate(config.baselines):
        as_fit = baseline.prompter == "few_shot" and getattr(baseline.settings, "shots", None) == "max"
        model = baseline.model or config.model
        if as_fit and model and model.endpoint:
            sentence = (
                "`shots: max` takes a model that is read here: how many tokens one behind an endpoint reads is not "
                "known; say how many shots, as in `shots: 8`"
            )
            yield ("baselines", position, "few_shot", "shots"), sentence


# --- folds, which make every row an exam of a fine-tune trained here -------------------------------------------------


def folds_and_splits(config: ExperimentConfig) -> Iterator[Problem]:
    """Folds are the only split."""
    for name in ("validation", "test") if folds(config) else ():
        if getattr(config.data, name):
            sentence = f"`data.{name}` cannot stand beside `data.split.folds`, by which every fold is one once"
            yield ("data", name), sentence
        if getattr(config.data.split, name):
            sentence = f"`data.split.{name}` cannot stand beside `folds`, by which every fold is one once"
            yield ("data", "split", name), sentence


def folds_and_repeats(config: ExperimentConfig) -> Iterator[Problem]:
    """A training for each fold is not repeated for anything else."""
    for name in ("sweep", "seeds", "learning_curve") if folds(config) else ():
        if config.training and name in config.training.model_fields_set:
            sentence = f"`training.{name}` cannot stand beside `data.split.folds`, which trains once for each fold"
            yield ("training", name), sentence


def folds_train(config: ExperimentConfig) -> Iterator[Problem]:
    """Folds are examined by fine-tunes that have not seen them, and so are trained here."""
    if folds(config) and config.candidate:
        sentence = (
            "`data.split.folds` trains a candidate for each fold; examine one that is there on a `data.test` file"
        )
        yield ("data", "split", "folds"), sentence


def folds_and_early_looks(config: ExperimentConfig) -> Iterator[Problem]:
    """An exam of all folds is taken whole."""
    if folds(config) and config.policy.stop_early:
        sentence = "`policy.stop_early` cannot stand beside `data.split.folds`: an exam of all folds has no early look"
        yield ("policy", "stop_early"), sentence


RULES: list[Rule] = [
    one_candidate,
    a_model_to_ask,
    weights_to_read,
    no_secrets,
    a_model_to_train,
    a_template_to_ask,
    whole_answers_are_held,
    calls_are_whole,
    one_file_one_reading,
    a_place_for_the_answer,
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
    shots_that_fit,
    folds_and_splits,
    folds_and_repeats,
    folds_train,
    folds_and_early_looks,
    *marking.RULES,
    *bar.RULES,
]


def _texts(value: object, where: Location = ()) -> Iterator[tuple[Location, str]]:
    """Every text among settings, and where it stands."""
    if isinstance(value, str):
        yield where, value
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _texts(part, (*where, key))


def _folds(config: ExperimentConfig) -> bool:
    return bool(config.data.split and config.data.split.folds)
