"""Searches for training settings on the validation rows, with Optuna; poor trials are cut short. [home of optuna]

Every trial goes on record, those cut short and those that diverged too, and an interrupted sweep goes on after the last
of them. The winner's score on validation is the best of many and so flatters it; the exam, which no trial has seen,
decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.config.training import SweepConfig, SweepRange
from harness.experiment import arms, exams
from harness.experiment.session import Session
from harness.observe.progress import say
from harness.pipeline import seeds
from harness.pipeline.lesson import keep_best, lesson, swept, train_once
from harness.store import training
from harness.store.training import State
from harness.training import TrainingDiverged, TrainingPruned
from harness.training.types import OnLog
from reports.rows import RepeatRow
from suites.errors import UserError
from suites.types import Json

if TYPE_CHECKING:
    import optuna

LOG_FROM = 10.0  # a range whose ends differ by this factor is searched on a logarithmic scale


def sweep(session: Session) -> None:
    """Every trial that is not on record yet."""
    config = session.experiment.config
    plan = config.training.sweep if config.training else None
    done = training.repeats(session.store, session.id, "trial")
    if plan is None or len(done) >= plan.trials:
        return
    for position in range(len(done), plan.trials):
        trial = _next(session, plan, config.seed + position)
        settings = {name: _suggest(trial, name, space) for name, space in plan.space.items()}
        if _try(session, trial, position, settings):
            keep_best(session)
    best = swept(session)
    if not best:
        raise UserError("every trial of the sweep diverged or was cut short", "training: sweep", "narrow its space")
    say(f"best of {plan.trials} trials: {_in_words(best)}")


def _next(session: Session, plan: SweepConfig, seed: int) -> optuna.Trial:
    """What to try next, by what is on record alone: a sweep that was interrupted tries what it would have tried."""
    done = training.repeats(session.store, session.id, "trial")
    curves = [training.curve(session.store, row.training_id) for row in done]
    return _study(plan, done, [_scores(curve) for curve in curves], seed).ask()


def _scores(curve: Sequence[tuple[int, str, float]]) -> dict[int, float]:
    """What a trial is judged by while it trains, by step: its score, or minus its loss where it has none."""
    by_name: dict[str, dict[int, float]] = {"score": {}, "eval_loss": {}}
    for step, name, value in curve:
        if step and name in by_name:
            by_name[name][step] = value
    return by_name["score"] or {step: -loss for step, loss in by_name["eval_loss"].items()}


def _try(session: Session, trial: optuna.Trial, position: int, settings: Json) -> bool:
    """Train one trial and put its score on the validation rows on record; False if it was cut short or diverged."""
    say(f"trial {position + 1}: {_in_words(settings)}")
    attempt = lesson(session, f"trial {position + 1}", **settings)
    try:
        training_id = train_once(session, attempt, _pruner(trial))
    except (TrainingPruned, TrainingDiverged) as stopped:
        state: State = "pruned" if isinstance(stopped, TrainingPruned) else "failed"
        say(f"trial {position + 1} {state}: {stopped}")
        seeds.put(session, "trial", position, "", settings, state)
        return False
    rehearsal = exams.task_suite(session.experiment, session.splits, "validation")
    prompter = arms.lesson_prompter(session.experiment)
    measured = seeds.measure(session, f"trial {position + 1}", training_id, prompter, rehearsal)
    seeds.put(session, "trial", position, training_id, settings, "done", measured)
    return True


def _pruner(trial: optuna.Trial) -> OnLog:
    """Stops a training whose score (or loss, without a probe) is below the median of earlier trials at that step."""
    scored = False

    def look(step: int, total: int, values: Mapping[str, float]) -> None:
        nonlocal scored
        scored = scored or "score" in values
        value = values.get("score") if scored else -values["eval_loss"] if "eval_loss" in values else None
        if value is None or step == 0:
            return
        trial.report(value, step)
        if step < total and trial.should_prune():
            raise TrainingPruned(f"below the median of the trials before it at step {step} of {total}")

    return look


def _suggest(trial: optuna.Trial, name: str, space: SweepRange | list[Any]) -> Any:
    if not isinstance(space, SweepRange):
        return trial.suggest_categorical(name, space)
    log = space.low > 0 and space.high / space.low >= LOG_FROM
    if isinstance(space.low, int) and isinstance(space.high, int):
        return trial.suggest_int(name, space.low, space.high, log=log)
    return trial.suggest_float(name, space.low, space.high, log=log)


def _study(
    config: SweepConfig, done: Sequence[RepeatRow], scores: Sequence[Mapping[int, float]], seed: int
) -> optuna.Study:
    """A study that knows the trials on record, and how those that were finished scored at which step."""
    library = _optuna()
    library.logging.set_verbosity(library.logging.WARNING)
    sampler, pruner = library.samplers.TPESampler(seed=seed), library.pruners.MedianPruner()
    study: optuna.Study = library.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    states = library.trial.TrialState
    for row, by_step in zip(done, scores, strict=True):
        study.enqueue_trial(json.loads(row.settings))
        known = study.ask()
        for name, space in config.space.items():
            _suggest(known, name, space)
        for step, score in by_step.items():
            known.report(score, step)
        study.tell(known, row.value, state=states.PRUNED if row.value is None else states.COMPLETE)
    return study


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        fix = "pip install 'finetune-harness[sweep]'"
        raise UserError("a sweep needs Optuna, which is not installed", "training: sweep", fix) from None
    return optuna


def _in_words(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in settings.items())  # fmt: skip
