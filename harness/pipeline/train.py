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
from harness.config.training import ElsewhereConfig
from harness.experiment import freeze, specs, training_data
from harness.experiment.session import Session
from harness.observe.progress import Phase, phase, say
from harness.observe.trackers import Tracking
from harness.pipeline import probes
from harness.training import Probe, TrainingData, TrainingResult, tuned_spec
from harness.training import train as train_stages
from harness.training.elsewhere import command, launch, openai_job
from harness.training.types import OnLog
from suites.data.examples import sha256_json
from suites.model import ModelSpec

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
    asked, settings = probes.build(session), training_data.settings(session.experiment)
    if seed is not None:
        settings = settings.changed(seed=seed, after=tuple(stage.changed(seed=seed) for stage in settings.after))
    settings = settings.changed(**{**swept(session), **changes})
    settings = settings.changed(judged_by=probes.told(session, asked, settings))
    return Lesson(what, settings, training_data.rows(session.experiment, session.splits), asked)


def swept(session: Session) -> dict[str, Any]:
    """The settings of the best trial on record; none without a sweep."""
    trials = _trials(session)
    return dict(json.loads(trials[0]["settings"])) if trials else {}


def _trials(session: Session) -> list[dict[str, Any]]:
    """The finished trials of the sweep, the best first."""
    sql = """select settings, training_id from v_repeats where experiment_id = ? and kind = 'trial' and state = 'done'
             order by value desc, position"""
    return session.store.rows(sql, [session.id])


def keep_best(session: Session) -> None:
    """Of the trials so far only the best keeps its weights; all stay on record. What others go by is left alone."""
    ids = [trial["training_id"] for trial in _trials(session)]
    sql = """select folder from training where training_id = ?
                and training_id not in (select training_id from experiment_training)
                and training_id not in (select training_id from repeats where kind <> 'trial')"""
    for loser in set(ids) - set(ids[:1]):
        for row in session.store.rows(sql, [loser]):
            folder = Path(row["folder"])
            for place in (folder, *folder.parent.glob(f"{folder.name}-*")):  # with the stages before it
                shutil.rmtree(place, ignore_errors=True)


def train_once(session: Session, asked: Lesson, report: OnLog | None = None) -> str:
    """The id of this training, which is on record afterwards. Raises TrainingDiverged; nothing is on record then.

    One on record whose folder is gone is done again.
    """
    spec = specs.base_spec(session.experiment)
    weights = session.model(spec).identity.weights
    training_id = sha256_json([weights, asked.settings.model_dump(), asdict(asked.data), *_means(session)])
    known = session.store.rows("select folder from training where training_id = ?", [training_id])
    if not known or not Path(known[0]["folder"]).is_dir():
        folder = session.out / f"model-{training_id[:12]}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        session.release()
        session.store.release()
        result = _train(session, spec, asked, folder, report)
        for remark in result.remarks.values():
            say(f"{asked.what}: {remark}")
        _put(session, training_id, spec, asked, result, folder)
    return training_id


def _means(session: Session) -> list[dict[str, Any]]:
    """What else a training depends on where it is not done in this process: settings, and the files they name."""
    experiment, config = session.experiment, session.experiment.config.training
    if config and config.elsewhere:
        files = freeze.command_files(config.command, experiment.folder) if config.command else {}
        settings = config.model_dump(include={"command", "format", "output", "openai_job"})
        return [settings, *([{"files": files}] if files else [])]
    return [{"accelerate": experiment.files[config.accelerate]}] if config and config.accelerate else []


def _train(session: Session, spec: ModelSpec, asked: Lesson, folder: Path, report: OnLog | None) -> TrainingResult:
    settings, config = asked.settings, session.experiment.config.training
    if config and config.command:
        with phase(f"{asked.what} (command)") as progress:
            return command.run(
                spec, asked.data, command=config.command, form=config.format, output=config.output,
                timeout_s=config.timeout_hours * 3600, seed=settings.seed, folder=folder,
                cwd=session.experiment.folder, tell=lambda line: progress.at(0, 1, line),
            )  # fmt: skip
    if config and config.openai_job:
        job = openai_job.Job(**config.openai_job.model_dump())
        with phase(f"{asked.what} (API)") as progress:
            told = _Teller(progress, report)
            return openai_job.run(spec, asked.data, job, settings.seed, folder, told)
    with phase(f"{asked.what} ({settings.method})") as progress, tracked(session) as tracking:
        name = "" if asked.what == MAIN else f"{asked.what}/"

        def all_told(step: int, total: int, found: Mapping[str, float]) -> None:
            tracking.log({name + key: value for key, value in found.items()}, step)
            if report:
                report(step, total, found)

        told = _Teller(progress, all_told)
        if config and config.accelerate:
            say("several processes: no questions are asked while they train, validation loss alone judges their steps")
            accelerate = session.experiment.resolve(config.accelerate)
            return launch.run(spec, asked.data, settings, folder, accelerate, told)
        return train_stages(spec, asked.data, settings, folder, told, asked.probes)


@contextmanager
def tracked(session: Session) -> Iterator[Tracking]:
    """The experiment's trackers, open while the block runs."""
    config = session.experiment.config.training
    names = config.report_to if config else []
    tracking = Tracking(names, session.experiment.name, session.id, session.out)
    try:
        yield tracking
    finally:
        tracking.close()


class _Teller:
    """Shows the last of every number worth seeing beside the bar."""

    def __init__(self, progress: Phase, report: OnLog | None) -> None:
        self._progress, self._report = progress, report
        self._last: dict[str, float] = {}

    def __call__(self, step: int, total: int, found: Mapping[str, float]) -> None:
        self._last |= {name.rpartition("/")[2]: value for name, value in found.items()}  # of whichever stage
        note = ", ".join(text.format(self._last[name]) for name, text in SHOWN.items() if name in self._last)
        self._progress.at(step, total, note)
        if self._report:
            self._report(step, total, found)


def _put(
    session: Session, training_id: str, spec: ModelSpec, asked: Lesson, result: TrainingResult, folder: Path
) -> None:
    before, after = asdict(spec), asdict(result.spec)
    row = {
        "training_id": training_id, "method": _method(session), "config": _used(session, asked.settings),
        "folder": str(folder), "seconds": result.seconds, "steps": result.steps,
        "trained_parameters": result.trained_parameters, "n_rows": result.train_rows, "best_step": result.best_step,
        "remarks": result.remarks, "cost": result.cost, "preferred": json.dumps(result.preferred),
        "spec": {name: value for name, value in after.items() if value != before[name]},
    }  # fmt: skip
    curve = [{"training_id": training_id, "step": s, "name": n, "value": v} for s, n, v in result.loss_curve]
    with session.store.connect() as con:
        for table in ("training_log", "training"):
            con.execute(f"delete from {table} where training_id = ?", [training_id])
    session.store.insert("training_log", curve)
    session.store.insert("training", [row])


def _used(session: Session, settings: TrainingConfig) -> dict[str, Any]:
    """The settings that made the training: ours, or what another program or an API was asked for."""
    config = session.experiment.config.training
    if config is None or not config.elsewhere:
        return settings.model_dump()
    asked = config.model_dump(include=set(ElsewhereConfig.model_fields), exclude_none=True)
    return {**asked, "seed": settings.seed}


def _method(session: Session) -> str:
    config = session.experiment.config.training
    assert config is not None
    return "command" if config.command else "openai_job" if config.openai_job else config.method


def put_reward_accuracy(session: Session, training_id: str) -> None:
    """Put on record how often the reward model of a training is right, if it has one; no other training's stays."""
    session.forget("evidence", "name", "reward_accuracy")
    [row] = session.store.rows("select preferred from training where training_id = ?", [training_id])
    preferred = json.loads(row["preferred"] or "[]")  # null: trained before version 10 of the store
    if accuracy := training_data.reward_accuracy(preferred, session.experiment.config.policy.confidence):
        session.put_evidence("candidate", accuracy)


def trained_spec(session: Session, training_id: str) -> ModelSpec:
    """The model that a training on record made."""
    [row] = session.store.rows("select folder, spec from training where training_id = ?", [training_id])
    spec = specs.base_spec(session.experiment)
    if row["spec"]:
        return replace(spec, **json.loads(row["spec"]))
    # Trained before version 9 of the store.
    return tuned_spec(spec, training_data.settings(session.experiment), Path(row["folder"]))
