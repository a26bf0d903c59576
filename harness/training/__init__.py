"""Makes new weights: `train(spec, data, config, out)` takes every stage of a training and returns the tuned model.

The methods are listed in `harness.config.methods`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.config.recipe import TrainingConfig
from harness.training.types import (
    OnLog,
    PairRow,
    Probe,
    RatedRow,
    TrainingData,
    TrainingDiverged,
    TrainingPruned,
    TrainingResult,
    TrainRow,
    left_by,
)
from suites.model import ModelSpec

__all__ = [
    "PairRow",
    "Probe",
    "RatedRow",
    "TrainRow",
    "TrainingConfig",
    "TrainingData",
    "TrainingDiverged",
    "TrainingPruned",
    "TrainingResult",
    "train",
    "train_stage",
    "tuned_spec",
]


def train_stage(
    spec: ModelSpec,
    data: TrainingData,
    config: TrainingConfig,
    out: Path,
    on_log: OnLog | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingResult:
    """One stage, by the method that `config` names. `out` appears only when the training is finished."""
    from harness.training.methods import sft  # brings torch along

    return sft.train(spec, data, config, out, on_log, probes)


def train(
    spec: ModelSpec,
    data: TrainingData,
    config: TrainingConfig,
    out: Path,
    on_log: OnLog | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingResult:
    """Every stage of `config.after` and then `config` itself, each from what the last one left; one result.

    Stages before the last have folders of their own beside `out`, no probes, and report under their method's name, e.g.
    "lora/loss". Seconds, steps and curves are those of all stages, and so is `best_step`.
    """
    curve: list[tuple[int, str, float]] = []
    preferred: list[tuple[str, float]] = []
    remarks: dict[str, str] = {}
    planned: dict[str, str] = {}
    seconds, steps = 0.0, 0
    for stage, folder in _places(config, out)[:-1]:
        result = train_stage(spec, data, stage, folder, _under(stage.method, on_log))
        if stage.kind.leaves == "reward model":
            data = replace(data, reward_model=folder)
        spec = result.spec
        curve += [(steps + step, name, value) for step, name, value in result.loss_curve]
        preferred += result.preferred
        remarks |= {f"{stage.method}: {name}": f"{stage.method}: {text}" for name, text in result.remarks.items()}
        planned |= result.planned
        seconds, steps = seconds + result.seconds, steps + result.steps
    result = train_stage(spec, data, config.changed(after=()), out, on_log, probes)
    return replace(
        result,
        seconds=seconds + result.seconds,
        steps=steps + result.steps,
        best_step=None if result.best_step is None else steps + result.best_step,
        loss_curve=curve + [(steps + step, name, value) for step, name, value in result.loss_curve],
        remarks=remarks | result.remarks,
        planned=planned | result.planned,
        preferred=preferred + result.preferred,
    )


def _under(name: str, on_log: OnLog | None) -> OnLog | None:
    """`on_log`, with `name` before that of every number."""
    if on_log is None:
        return None

    def report(step: int, total: int, numbers: Mapping[str, float]) -> None:
        on_log(step, total, {f"{name}/{key}": value for key, value in numbers.items()})

    return report


def tuned_spec(spec: ModelSpec, config: TrainingConfig, out: Path) -> ModelSpec:
    """The model that `train` with these arguments leaves."""
    for stage, folder in _places(config, out):
        spec = left_by(spec, stage.method, folder)
    return spec


def _places(config: TrainingConfig, out: Path) -> list[tuple[TrainingConfig, Path]]:
    """The stages in order, each with its folder."""
    before = [
        (stage, out.with_name(f"{out.name}-{number}-{stage.method}")) for number, stage in enumerate(config.after, 1)
    ]
    return [*before, (config.changed(after=()), out)]
