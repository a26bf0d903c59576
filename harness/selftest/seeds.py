"""Accidents of training seeds, as `faults` has those of everything else."""

from __future__ import annotations

from dataclasses import dataclass

from harness.decision.decide import Verdict
from harness.experiment.load import Experiment
from harness.experiment.session import Session
from harness.pipeline.compare import chosen_runs
from harness.pipeline.seeds import put
from harness.selftest.inject import NotApplicable, Planted
from harness.store import runs
from harness.store.arms import Summary

FEWEST_SEEDS = 3
"""Seeds that are planted where an experiment trains fewer."""


def seeds_without_gain(session: Session) -> Planted:
    """The first seed was lucky; trained again the recipe gains nothing, and it is the recipe that is decided about."""
    settings = session.experiment.config.training
    if settings is None or session.folds:
        raise NotApplicable("no training of one seed is decided about")
    if session.experiment.config.policy.as_good:
        raise NotApplicable("who answers as the best prompt does is as good, and that is the goal")
    plant_recipe(session)
    base, _ = chosen_runs(session)
    summary = Summary(base.n, base.n_unscored, base.mean, base.low, base.high)
    for position in range(1, max(FEWEST_SEEDS, settings.seeds.count)):
        measured = runs.on_record(session.store, base.run_id), summary
        put(session, "seed", position, "", {"seed": position}, "done", measured)
    verdicts = (Verdict.INCONCLUSIVE, Verdict.KEEP_PROMPTING, Verdict.REJECT)
    return Planted("further seeds answer as the best prompt does, and the recipe is decided about", verdicts)


@dataclass(frozen=True, slots=True)
class _Settled(Experiment):
    """An experiment that keeps an id with other settings, so that nothing but the decision changes."""

    kept: str = ""

    @property
    def id(self) -> str:
        return self.kept


def plant_recipe(session: Session) -> None:
    """Make the decision one about the recipe, on the same record."""
    was = session.experiment
    training = was.config.training
    if training is None:
        raise NotApplicable("nothing was trained here")
    seeds = training.seeds.model_copy(update={"decide": "recipe"})
    config = was.config.model_copy(update={"training": training.model_copy(update={"seeds": seeds})})
    session.experiment = _Settled(config, was.path, was.files, was.fold, kept=was.id)
