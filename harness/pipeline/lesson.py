"""One training of an experiment: by a method of ours, by a command, or by an API. Done once, whoever asks again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.config.recipe import TrainingConfig
from harness.config.training import ElsewhereConfig, TrainingSection
from harness.experiment import freeze, specs, training_data
from harness.experiment.load import Experiment
from harness.experiment.session import Session
from harness.observe.progress import Phase, phase, say
from harness.observe.trackers import Tracking
from harness.pipeline.probes import build_probes, judged_by
from harness.store import training
from harness.store.training import Training
from harness.training import Probe, TrainingData, TrainingResult, train, tuned_spec
from harness.training.elsewhere import command, launch
from harness.training.types import OnLog
from suites.data.examples import sha256_json
from suites.errors import UserError
from suites.metrics.table import while_training
from suites.model import ModelSpec
from suites.types import Json

MAIN = "training"  # the one that is decided about
SHOWN = {
    "loss": "loss {:.3g}",
    "eval_loss": "validation {:.3g}",
    "score": "score {:.3f}",
    "tokens_per_second": "{:,.0f} tokens/s",
    "memory_gb": "{:.1f} GB",
}


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one training is made from. `what` names it on the screen."""

    what: str
    settings: TrainingConfig
    data: TrainingData
    probes: Sequence[Probe] = ()


def lesson(session: Session, what: str = MAIN, *, seed: int | None = None, **changes: Any) -> Lesson:
    """The training that the experiment file asks for, with another seed or other settings where given."""
    experiment = session.experiment
    probes, settings = build_probes(session), training_data.settings(experiment)
    if seed is not None:
        settings = settings.changed(seed=seed, after=tuple(stage.changed(seed=seed) for stage in settings.after))
    settings = settings.changed(**{**swept(session), **changes})
    metric = while_training(experiment.config.task.ordered_metrics)
    settings = settings.changed(judged_by=judged_by(metric, probes, settings))
    return Lesson(what, settings, training_data.rows(experiment, session.splits), probes)


def swept(session: Session) -> Json:
    """The settings of the best trial on record; none without a sweep."""
    trials = training.best_trials(session.store, session.id)
    return dict(json.loads(trials[0].settings)) if trials else {}


def keep_best(session: Session) -> None:
    """Of the trials so far only the best keeps its weights; all stay on record. What others go by is left alone."""
    near = session.experiment.folder
    best, *losers = [trial.training_id for trial in training.best_trials(session.store, session.id)] or [""]
    for folder in training.disposable(session.store, [loser for loser in losers if loser != best], near):
        for path in (folder, *folder.parent.glob(f"{folder.name}-*")):  # with the stages before it
            shutil.rmtree(path, ignore_errors=True)


def train_once(session: Session, lesson: Lesson, report: OnLog | None = None) -> str:
    """The id of this training, which is on record afterwards. Raises TrainingDiverged; nothing is on record then.

    One on record whose folder is gone is done again.
    """
    experiment = session.experiment
    config = experiment.config.training
    assert config is not None
    spec = specs.base_spec(experiment)
    weights = session.model(spec).identity.weights
    training_id = sha256_json(
        [weights, lesson.settings.model_dump(), lesson.data.plain(), *_means(experiment, config, spec)]
    )
    known = training.left(session.store, training_id, experiment.folder)
    if known is None or not known.folder.is_dir():
        folder = session.out / f"model-{training_id[:12]}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        session.release()
        session.store.release()
        result = _train(session, config, spec, lesson, folder, report)
        for remark in result.remarks.values():
            say(f"{lesson.what}: {remark}")
        row = _row(training_id, config, spec, lesson.settings, result, folder)
        training.put(session.store, row, result.loss_curve)
    return training_id


def _means(experiment: Experiment, config: TrainingSection, spec: ModelSpec) -> list[dict[str, object]]:
    """What else a training depends on: settings of the template; elsewhere its own, and the files they name."""
    template: list[dict[str, object]] = [{"template": spec.template_settings}] if spec.template_settings else []
    if config.elsewhere:
        files = freeze.command_files(config.command, experiment.folder) if config.command else {}
        settings = config.model_dump(include={"command", "format", "output", "openai_job"})
        return [*template, settings, *([{"files": files}] if files else [])]
    if config.accelerate:
        template.append({"accelerate": experiment.files[config.accelerate]})
    return template


def _train(
    session: Session, config: TrainingSection, spec: ModelSpec, lesson: Lesson, folder: Path, report: OnLog | None
) -> TrainingResult:
    settings, experiment = lesson.settings, session.experiment
    if config.command:
        with phase(f"{lesson.what} (command)") as progress:
            return command.run(
                spec, lesson.data, command=config.command, form=config.format, output=config.output,
                timeout_s=config.timeout_hours * 3600, seed=settings.seed, folder=folder,
                cwd=experiment.folder, on_progress=lambda line: progress.at(0, 1, line),
            )  # fmt: skip
    if config.openai_job:
        from harness.training.elsewhere import openai_job  # brings an HTTP client along

        job = openai_job.Job(**config.openai_job.model_dump())
        with phase(f"{lesson.what} (API)") as progress:
            reporter = _Reporter(progress, report)
            return openai_job.run(spec, lesson.data, job, settings.seed, folder, reporter)
    with phase(f"{lesson.what} ({settings.method})") as progress, tracked(session) as tracking:
        name = "" if lesson.what == MAIN else f"{lesson.what}/"

        def on_log(step: int, total: int, values: Mapping[str, float]) -> None:
            tracking.log({name + key: value for key, value in values.items()}, step)
            if report:
                report(step, total, values)

        reporter = _Reporter(progress, on_log)
        if config.accelerate:
            say("several processes: no questions are asked while they train, validation loss alone judges their steps")
            accelerate = experiment.resolve(config.accelerate)
            result = launch.run(spec, lesson.data, settings, folder, accelerate, reporter)
            for sentence in result.planned.values():
                say(f"each process: {sentence}")
            return result
        return train(spec, lesson.data, settings, folder, reporter, lesson.probes)


@contextmanager
def tracked(session: Session) -> Iterator[Tracking]:
    """The experiment's trackers, open while the block runs."""
    experiment = session.experiment
    names = experiment.config.training.report_to if experiment.config.training else []
    tracking = Tracking(names, experiment.name, session.id, session.out)
    try:
        yield tracking
    finally:
        tracking.close()


class _Reporter:
    """Shows the last of every number worth seeing beside the bar."""

    def __init__(self, progress: Phase, report: OnLog | None) -> None:
        self._progress, self._report = progress, report
        self._last: dict[str, float] = {}

    def __call__(self, step: int, total: int, values: Mapping[str, float]) -> None:
        self._last |= {name.rpartition("/")[2]: value for name, value in values.items()}  # of whichever stage
        note = ", ".join(text.format(self._last[name]) for name, text in SHOWN.items() if name in self._last)
        self._progress.at(step, total, note)
        if self._report:
            self._report(step, total, values)


def _row(
    training_id: str,
    config: TrainingSection,
    spec: ModelSpec,
    settings: TrainingConfig,
    result: TrainingResult,
    folder: Path,
) -> Training:
    """A finished training as it goes on record."""
    before, after = asdict(spec), asdict(result.spec)
    return Training(
        training_id=training_id,
        method="command" if config.command else "openai_job" if config.openai_job else config.method,
        config=_used(config, settings, result),
        folder=str(folder),
        seconds=result.seconds,
        steps=result.steps,
        trained_parameters=result.trained_parameters,
        n_rows=result.train_rows,
        best_step=result.best_step,
        remarks=result.remarks,
        spec={name: value for name, value in after.items() if value != before[name]},
        cost=result.cost,
        preferred=json.dumps(result.preferred),
    )


def _used(config: TrainingSection, settings: TrainingConfig, result: TrainingResult) -> dict[str, object]:
    """The settings that made the training: ours with what was planned, or what others were asked for."""
    if not config.elsewhere:
        return {**settings.model_dump(), **({"planned": result.planned} if result.planned else {})}
    options = config.model_dump(include=set(ElsewhereConfig.model_fields), exclude_none=True)
    return {**options, "seed": settings.seed}


def trained_spec(session: Session, training_id: str) -> ModelSpec:
    """The model that a training on record made."""
    experiment = session.experiment
    spec, left = specs.base_spec(experiment), training.left(session.store, training_id, experiment.folder)
    if left is None:
        raise UserError("this training is not on record", training_id, session.fix("train"))
    if left.spec:
        return replace(spec, **left.spec)
    # Trained before version 9 of the store.
    return tuned_spec(spec, training_data.settings(experiment), left.folder)
