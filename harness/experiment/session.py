"""One experiment at work: its file, its store, the model in memory, and what is on record about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from harness.experiment.load import Experiment
from harness.experiment.splits import Splits, read_files, read_folds, read_splits, split_recipe
from harness.judge.audit import Evidence
from harness.models import load
from harness.models.cache import Cached
from harness.store.database import Store
from suites.data.examples import DataFile
from suites.errors import UserError
from suites.model import ModelSpec
from suites.types import Finding, Score

Side = Literal["base", "candidate"]
Topic = Literal["judge", "candidate", "trouble", "endpoint"]


@dataclass
class Session:
    """An experiment, its store, and the models in memory: those of one base, since one base fits any machine."""

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
        """The examples of each split. Rows of the training file stay where an earlier run has put them."""
        settings = self.experiment.config.data.split
        if not settings or settings.folds:
            return read_splits(self.experiment, self.files)
        recipe = split_recipe(self.experiment)
        splits = read_splits(self.experiment, self.files, self.store.earlier_split(self.id, recipe))
        files = {name for name in splits if getattr(self.experiment.config.data, name) and name != "train"}
        sides = {e.id: name for name, part in splits.items() if name not in files for e in part}
        self.store.put_split(self.id, recipe, sides)
        return splits

    @cached_property
    def folds(self) -> tuple[Session, ...]:
        """The sessions of the folds of a cross-validation, on this store and with its model; else none."""
        if self.experiment.fold:
            return ()
        parts = list(enumerate(read_folds(self.experiment, self.files), 1))
        if parts:
            sides = {example.id: f"fold {number}" for number, splits in parts for example in splits["test"]}
            self.store.put_split(self.id, split_recipe(self.experiment), sides)
        return tuple(self._fold(number, splits) for number, splits in parts)

    def _fold(self, number: int, splits: Splits) -> Session:
        experiment = replace(self.experiment, fold=number)
        _register(experiment, self.store)
        self.store.insert("folds", [{"fold_id": experiment.id, "experiment_id": self.id, "fold": number}])
        fold = Session(experiment, self.store, self._loaded)
        fold.splits = splits
        return fold

    def on(self, store: Store) -> Session:
        """This session on a copy of its store; no data is read again."""
        other = Session(self.experiment, store)
        other.splits, other.folds = self.splits, tuple(fold.on(store) for fold in self.folds)
        return other

    def model(self, spec: ModelSpec) -> Cached:
        """The model behind the store's completions; loading one on another base lets go of the others."""
        if spec not in self._loaded:
            if any(replace(other, adapter=None) != replace(spec, adapter=None) for other in self._loaded):
                self.release()
            self._loaded[spec] = Cached(load(spec), self.store)
        return self._loaded[spec]

    def release(self) -> None:
        """Let go of the loaded model, so that training has the memory."""
        self._loaded.clear()

    def fix(self, stage: str) -> str:
        """What to type when `stage` has not been run."""
        return f"run `harness {stage} {self.experiment.path.name}` first, or `harness run` for everything"

    # --- what is on record

    def runs(self, side: Side, kind: str) -> list[dict[str, Any]]:
        """The chosen arm's runs on suites of a kind, with their primary metric's summary."""
        sql = """select * from v_runs where experiment_id = ? and side = ? and kind = ? and is_primary and chosen
                 order by suite"""
        return self.store.rows(sql, [self.id, side, kind])

    def chosen(self, side: Side) -> dict[str, Any]:
        """The chosen arm's run on the task. Raises UserError when that side has not taken the exam."""
        found = self.runs(side, "task")
        if not found:
            stage = "baseline" if side == "base" else "exam"
            raise UserError(f"the {side} has not taken the exam yet", self.experiment.path.name, self.fix(stage))
        return found[0]

    def scores(self, side: Side) -> dict[str, Score]:
        """The chosen arm's scores on the task's primary metric, by example id."""
        chosen = self.chosen(side)
        return self.store.scores(chosen["run_id"], chosen["metric"])

    def findings(self) -> list[Finding]:
        """What the data check found."""
        rows = self.store.rows("select * from v_findings where experiment_id = ? order by position", [self.id])
        return [Finding(row["level"], row["check_name"], row["message"], tuple(row["rows"])) for row in rows]

    def evidence(self, topic: Topic) -> dict[str, Evidence]:
        """Measured facts about the judge or the candidate, or the trouble that stopped the experiment, by name."""
        sql = "select name, value, low, high, n, note from v_evidence where experiment_id = ? and topic = ?"
        return {row["name"]: Evidence(**row) for row in self.store.rows(sql, [self.id, topic])}

    def put_evidence(self, topic: Topic, item: Evidence) -> None:
        """Put one measured fact on record, in place of an earlier one of its name."""
        row = {"experiment_id": self.id, "topic": topic, **asdict(item)}
        self.store.insert("evidence", [row], replace=True)

    def stopped(self) -> bool:
        """Whether further work is pointless: a blocking finding, or weights that are no numbers."""
        return any(f.level == "block" for f in self.findings()) or bool(self.evidence("trouble"))

    def forget(self, table: str, where: str, value: str) -> None:
        """Drop this experiment's rows of a table before a stage writes them anew."""
        with self.store.connect() as con:
            con.execute(f"delete from {table} where experiment_id = ? and {where} = ?", [self.id, value])

    def forget_chosen(self, side: Side, kind: str) -> None:
        """No arm of a side is the chosen one on suites of a kind any more."""
        sql = """update arms set chosen = false where experiment_id = ? and side = ? and run_id in (
                    select run_id from runs join suites using (suite_id) where kind = ?)"""
        with self.store.connect() as con:
            con.execute(sql, [self.id, side, kind])


Stage = Callable[[Session], None]


def open_session(experiment: Experiment, store_path: Path | None = None) -> Session:
    """Put the experiment on record before anything runs."""
    store = Store(store_path or experiment.folder / "harness.duckdb")
    _register(experiment, store)
    return Session(experiment, store)


def _register(experiment: Experiment, store: Store) -> None:
    row = {"experiment_id": experiment.id, "name": experiment.name, "file": str(experiment.path)}
    store.insert("experiments", [{**row, "frozen": experiment.frozen()}])
