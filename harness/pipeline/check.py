"""The stage `check` of an experiment: what its data, prompts, exam and bar look like before anything is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from baselines.arm import Arm
from harness.config.exam import NO_TOOLS
from harness.evaluation.proposing import need_package
from harness.experiment import arms, exam_power, lifetimes, specs, training_data
from harness.experiment.bar import bar_findings
from harness.experiment.load import Experiment
from harness.experiment.material import left_out_rows, of_experiment
from harness.experiment.prompts import asked_columns, prompt_is_unknown
from harness.experiment.searching import planned, without_searches
from harness.experiment.splits import loose_rows
from harness.models import NonFiniteWeights, gguf
from harness.models.recorded import RecordedModel
from harness.observe.progress import say
from harness.pipeline import rehearsal
from harness.pipeline.check_corpus import corpus_findings
from harness.pipeline.check_encoders import encoder_findings
from harness.pipeline.check_files import look, told_apart
from harness.pipeline.check_prompts import long_prompts, unheard_thinking
from harness.pipeline.check_shots import shot_findings
from harness.pipeline.edges import edge_findings
from harness.pipeline.examiner import report_trouble
from harness.pipeline.held import hold, show_tools
from harness.store import experiments
from harness.training import types
from suites.checks.labels import unseen_labels
from suites.checks.leaks import overlaps
from suites.checks.material import Material
from suites.checks.table import at_levels
from suites.errors import UserError
from suites.metrics import table
from suites.metrics.tool_calls import OF_CALLS
from suites.model import ModelSpec
from suites.types import Example, Finding

if TYPE_CHECKING:
    from harness.experiment.session import Session


def check(session: Session) -> None:
    """Is the data fit to teach and to examine? Findings go to the store; a blocking one stops the experiment."""
    experiment, splits = session.experiment, session.splits
    levels = experiment.config.data.findings
    training_data.check(experiment, splits)
    answered(session)
    for name in splits.keys() - {"train"}:
        table.refuse_several(experiment.config.task.ordered_metrics, splits[name], f"data: {name}")
        _refuse_without_tools(experiment, splits[name], name)
    findings = look(_material(session), levels)
    findings += at_levels([*of_tokens(session), *of_bar(session), *of_folds(session)], levels)
    findings += training_data.findings(experiment, splits)
    findings += at_levels(loose_rows(experiment, session.files), levels)
    findings += at_levels(exam_power.copied_rows(experiment, splits), levels)
    if prompt_is_unknown(experiment):
        findings += at_levels(told_apart(asked_columns(experiment, splits)), levels)
    findings += left_out_rows(session.left_out, len(session.all_splits.get("train", ())))
    findings += exam_power.exam_power(experiment, splits) + exam_power.label_floors(experiment, splits)
    findings += lifetimes.findings(experiment.config, date.today())
    findings += at_levels(of_gguf(session), levels)
    try:
        findings += at_levels(rehearsal.findings(experiment), levels)
    except UserError:  # what is wrong with the data is said along with it
        for finding in findings:
            say(f"{finding.level}: {finding.message} [{finding.check}]")
        raise
    except NonFiniteWeights as trouble:
        report_trouble(session, "exam", "candidate", trouble)  # which it would not pass
    experiments.put_findings(session.store, session.id, findings)


def _refuse_without_tools(experiment: Experiment, examples: Sequence[Example], split: str) -> None:
    """Raises UserError for a metric of calls where no row has tools: any answer would be right."""
    named = [name for name in experiment.config.task.ordered_metrics if name in OF_CALLS]
    if named and experiment.config.task.tools != NO_TOOLS and not any(example.tools for example in examples):
        what = f"`{named[0]}` marks calls of tools, and no {split} row has any"
        raise UserError(what, f"data: {split}", "give them in a column `tools`, or for all rows in `task.tools`")


def answered(session: Session) -> None:
    """Refuse a file of recorded answers none of which belongs to a question of the exam. Raises UserError."""
    config = session.experiment.config
    files = [entry.recorded for entry in config.baselines if entry.recorded]
    files += [config.candidate.recorded] if config.candidate and config.candidate.recorded else []
    asked = [example.id for example in session.splits.get("test", ())]
    for name in files:
        file = session.experiment.resolve(name)
        model = session.model(ModelSpec(recorded=str(file))).model
        ids = model.answers.keys() if isinstance(model, RecordedModel) else set()
        if asked and ids.isdisjoint(asked):
            what = f"none of the {len(ids):,} answers is to a question of the exam"
            what += f": the first answers {next(iter(ids))!r}, the exam begins with {asked[0]!r}"
            fix = "give both the same ids; the exam's are in its column `id`, or `data: {columns: {id: NAME}}` names it"
            raise UserError(what, str(file), fix)


def _material(session: Session) -> Material:
    # With folds every row is both trained on and tested, though never by one model; see `of_folds`.
    splits = {"train": session.splits["train"]} if session.folds else session.splits
    return replace(of_experiment(session.experiment, session.splits), splits=splits)


def of_bar(session: Session) -> list[Finding]:
    """What is wrong with the prompts of the bar: one cannot be made, one does not fit, what none of them says."""
    if any(entry.search and entry.search.optimize for entry in session.experiment.config.baselines):
        need_package()
    try:
        bar = arms.base_arms(without_searches(session.experiment), session.splits)
        bar += planned(session.experiment, session.splits)
    except UserError as error:
        return [Finding("warn", "unmade_prompt", f"{error.what} ({error.where}); {error.fix}")]
    hold(session, bar, asked=False)
    show_tools(session, [*bar, *_candidate_from_elsewhere(session.experiment)], session.splits.get("test", ()))
    return [
        *long_prompts(session, bar),
        *unheard_thinking(session, bar),
        *(() if session.folds else shot_findings(bar, session.splits)),  # whose rows all train, and never their own
        *corpus_findings(bar, session.splits),
        *encoder_findings(bar),
        *bar_findings(session.experiment, bar, session.splits),
        *_beside_the_bar(session, bar),
        *edge_findings(session, bar),
    ]


def _candidate_from_elsewhere(experiment: Experiment) -> list[Arm]:
    """A candidate in a folder, as it will be asked; it need not have the base's chat template."""
    candidate = experiment.config.candidate
    if candidate is None or candidate.path is None:
        return []
    return [Arm("candidate", specs.candidate_spec(experiment), arms.lesson_prompter(experiment))]


def _beside_the_bar(session: Session, bar: Sequence[Arm]) -> list[Finding]:
    """What the candidate's own prompt costs on the base's side."""
    if not arms.beside_the_bar(session.experiment, bar):
        return []
    text = (
        f"the base is asked with the candidate's own prompt, too, one more pass over {len(session.splits['test']):,} "
        "test rows: whether the prompt alone would do"
    )
    return [Finding("info", "own_prompt", text)]


def of_gguf(session: Session) -> list[Finding]:
    """What of a GGUF file the decision is about; a program that runs the file itself may answer otherwise."""
    return [
        Finding("info", "dequantised", f"`{setting}`: {gguf.what_is_decided(file.name, gguf.header(file))}")
        for setting, file in specs.gguf_files(session.experiment)
    ]


def of_folds(session: Session) -> list[Finding]:
    """What is wrong between the parts of a fold. Inputs that are (nearly) the same never come apart, others may."""
    findings = []
    for fold in session.folds:
        shown = asked_columns(session.experiment, fold.splits)
        material = Material(fold.splits, shown=dict.fromkeys(fold.splits, shown))
        between = [finding for finding in overlaps(material) if finding.check.startswith(BETWEEN)]
        for finding in [*between, *unseen_labels(material)]:
            findings.append(replace(finding, message=f"fold {fold.experiment.fold}: {finding.message}"))
    return findings


BETWEEN = ("train_validation", "train_test", "validation_test")


def of_tokens(session: Session) -> list[Finding]:
    """What the base model's tokenizer finds in the training rows; nothing when nothing is trained here."""
    experiment, train = session.experiment, session.splits.get("train")
    config = experiment.config.training
    if config is None or config.elsewhere or not train:
        return []
    from harness.training.data.checks import reader, tokenizer_findings  # loads torch

    chat, stops, context = reader(specs.base_spec(experiment))
    prompter = arms.lesson_prompter(experiment)
    rows = {example.id: types.training_row(prompter, example) for example in train}
    return tokenizer_findings(rows, chat, min(config.max_length, context), stops)


def show_row(session: Session) -> None:
    """A training row as the model will see it, on stderr; nothing when nothing is trained here."""
    experiment, train = session.experiment, session.splits.get("train")
    config = experiment.config.training
    if config is None or config.elsewhere or not train:
        return
    from rich.console import Console

    from harness.training.data.checks import reader
    from harness.training.data.preview import coloured, plain, preview

    read = reader(specs.base_spec(experiment))
    shown = preview(train[0], read.chat, arms.lesson_prompter(experiment), read.stops)
    say(str(shown))
    console = Console(stderr=True, soft_wrap=True)
    console.print(coloured(shown) if console.is_terminal else plain(shown), markup=False, highlight=False)
