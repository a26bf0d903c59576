"""One experiment at work: its file, its store, its data, and the model in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from harness.experiment.load import Experiment
from harness.experiment.material import left_out, without
from harness.experiment.searching import with_found
from harness.experiment.splits import Splits, earlier_split, read_files, read_folds, read_splits, split_recipe
from harness.models import load
from harness.models.cache import Cached
from harness.store import STORE_FILE, experiments, searches, splits
from harness.store.arms import what_to_run
from harness.store.database import Store
from suites.checks.fix import Removal
from suites.data.examples import DataFile
from suites.model import ModelSpec

HEAVY = ("hf", "vllm")
"""Kinds of models whose weights are in memory here."""


@dataclass
class Session:
    """An experiment, its store, and the models in memory: those of one base, since one base fits any machine.

    Recorded answers and servers take little room and stay.
    """

    experiment: Experiment
    store: Store
    _loaded: dict[ModelSpec, Cached] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.experiment.id

    @property
    def out(self) -> Path:
        """Where adapters and reports of this experiment go."""
        return self.experiment.folder / "out" / self.experiment.name

    @cached_property
    def files(self) -> dict[str, DataFile]:
        """The data files, read."""
        return read_files(self.experiment)

    @cached_property
    def splits(self) -> Splits:
        """The examples of each split, without the training rows that the data checks leave out."""
        return without(self.all_splits, self.left_out)

    @cached_property
    def left_out(self) -> tuple[Removal, ...]:
        """The training rows that data checks with the level `fix` leave out."""
        return left_out(self.experiment, self.all_splits)

    @cached_property
    def all_splits(self) -> Splits:
        """The examples of each split. Rows of the training file stay where an earlier run has put them."""
        settings = self.experiment.config.data
        if not settings.split or settings.split.folds:
            return read_splits(self.experiment, self.files)
        earlier = earlier_split(self.experiment, splits.made(self.store))
        parts = read_splits(self.experiment, self.files, splits.sides(self.store, earlier) if earlier else None)
        files = {name for name in parts if getattr(settings, name) and name != "train"}
        sides = {e.id: name for name, part in parts.items() if name not in files for e in part}
        splits.put(self.store, self.id, split_recipe(self.experiment), sides)
        return parts

    @cached_property
    def folds(self) -> tuple[Session, ...]:
        """The sessions of the folds of a cross-validation, on this store and with its model; else none."""
        if self.experiment.fold:
            return ()
        parts = list(enumerate(read_folds(self.experiment, self.files), 1))
        if parts:
            sides = {example.id: f"fold {number}" for number, part in parts for example in part["test"]}
            splits.put(self.store, self.id, split_recipe(self.experiment), sides)
        return tuple(self._fold(number, part) for number, part in parts)

    def _fold(self, number: int, part: Splits) -> Session:
        experiment = replace(self.experiment, fold=number)
        _register(experiment, self.store)
        experiments.put_fold(self.store, experiment.id, self.id, number)
        fold = Session(experiment, self.store, self._loaded)
        fold.all_splits = part
        return fold

    def on(self, store: Store) -> Session:
        """This session on a copy of its store; no data is read again."""
        other = Session(self.experiment, store)
        other.all_splits, other.splits = self.all_splits, self.splits
        other.folds = tuple(fold.on(store) for fold in self.folds)
        return other

    def model(self, spec: ModelSpec) -> Cached:
        """The model behind the store's completions; loading one on another base lets go of the others."""
        if spec not in self._loaded:
            heavy = [other for other in (*self._loaded, spec) if other.kind in HEAVY]
            if len({_without_adapter(other) for other in heavy}) > 1:
                self.release()
            self._loaded[spec] = Cached(load(spec), self.store, takes_long=not spec.recorded)
        return self._loaded[spec]

    def release(self) -> None:
        """Let go of the loaded model, so that training has the memory."""
        for spec in [spec for spec in self._loaded if spec.kind in HEAVY]:
            del self._loaded[spec]

    def fix(self, stage: str) -> str:
        """What to type when `stage` has not been run."""
        return what_to_run(stage, self.experiment.path.name)


def _without_adapter(spec: ModelSpec) -> ModelSpec:
    return replace(spec, adapter=None, same_base=False)


Stage = Callable[[Session], None]


def open_session(experiment: Experiment, store_path: Path | None = None) -> Session:
    """Put the experiment on record before anything runs. What its searches have found stands in their place."""
    store = Store(store_path or experiment.folder / STORE_FILE, stay_open=True)
    _register(experiment, store)
    found = searches.found(store, experiment.id) if any(entry.search for entry in experiment.config.baselines) else []
    return Session(with_found(experiment, found), store)


def _register(experiment: Experiment, store: Store) -> None:
    experiments.register(store, experiment.id, experiment.name, experiment.path, experiment.frozen())
