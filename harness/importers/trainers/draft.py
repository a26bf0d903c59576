"""An experiment in the making: the settings of a training under our names, and what is to be said of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from harness.config.methods import METHODS
from harness.config.training import TrackerName, TrainingSection
from harness.importers.trainers.ledger import LEARNT, Code, Ledger, Place
from harness.importers.trainers.sources import Source, find
from suites.errors import UserError
from suites.types import Json

Settings = dict[str, Any]
TRACKERS = get_args(TrackerName)
SEVERAL = ("deepspeed", "fsdp", "fsdp_config", "dist_config", "ddp", "dp_shard_size")  # what only several GPUs need
VARIANTS = {"use_rslora": "rslora", "use_dora": "dora"}


class Count(NamedTuple):
    """Optimiser steps, and where their file says so."""

    steps: float
    place: Place


@dataclass(slots=True)
class Draft:
    """What is read of another trainer's config, to be finished by `data.finish`.

    `share` is what is set aside for validation, a share below 1 or a number of rows. `steps` and `warmup` count steps
    of the optimiser, and become epochs and a share once the rows are counted. `earlier` are stages that come before.
    `last_answer` says that of a row's answers only the last is learnt there, too.
    """

    config: Path
    out: Path
    theirs: Ledger
    experiment: Settings = field(default_factory=dict)
    training: Settings = field(default_factory=dict)
    earlier: list[Settings] = field(default_factory=list)
    train: list[Source] = field(default_factory=list)
    validation: list[Source] = field(default_factory=list)
    share: float = 0.0
    steps: Count | None = None
    warmup: Count | None = None
    packed: bool = False
    last_answer: bool = False
    assumed: dict[str, object] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    files: dict[str, list[Json]] = field(default_factory=dict)

    # --- the model and the method -----------------------------------------------------------------------------------

    def model(self, ledger: Ledger, *place: str | int, revision: str = "") -> None:
        """The base, a folder written as seen from the experiment file; `revision` is the key of its commit."""
        name = str(ledger.carry("model", *place))
        found = find(name, self.config)
        name = self.path(found) if found and found.is_dir() else name
        given = ledger.get(revision) if revision else None
        if given not in (None, "main"):
            ledger.carry("model.revision", revision)
            self.experiment["model"] = {"name": name, "revision": str(given)}
        else:
            if given:
                ledger.carry("model", revision)
            self.experiment["model"] = name

    def method(self, name: str, what: str, leaves: object = None) -> None:
        """The method by our name for it. Raises UserError for one that is not here: it never becomes another."""
        if name not in METHODS:
            folder = f"`candidate: {leaves}`" if leaves else "`candidate: FOLDER`"
            fix = f"train it there on rows that are not the exam's, and name what it leaves as {folder}; see "
            fix += "`harness init` for an experiment to start from"
            raise UserError(f"{what} is no method of this harness ({', '.join(METHODS)})", str(self.config), fix)
        self.training = {"method": name, **{k: v for k, v in self.training.items() if k != "method"}}

    @property
    def learns_from(self) -> str:
        """What its method learns from: rows, preferences or rewards; a reward model before it learns from pairs."""
        kinds = [METHODS[stage.get("method", "lora")].learns_from for stage in (*self.earlier, self.training)]
        return "preferences" if "preferences" in kinds else kinds[-1]

    # --- settings ---------------------------------------------------------------------------------------------------

    def setting(self, ours: str, ledger: Ledger, *place: str | int) -> None:
        """A setting of theirs as ours, or told with the reason why it cannot be."""
        if ledger.get(*place) is None:
            return
        value = number(ledger.get(*place))
        if isinstance(value, Code):
            ledger.tell("what this gives is known only where the script runs", *place, learnt=True)
            return
        if ours == "target_modules":
            value = modules(value)
        if reason := self._refused(ours, value):
            ledger.tell(reason, *place, learnt=True)
        else:
            self.training[ours] = value
            ledger.carry(f"training.{ours}", *place)

    def settings(self, names: Mapping[str, str], ledger: Ledger) -> None:
        """Every one of their settings that has a name of ours."""
        for theirs, ours in names.items():
            self.setting(ours, ledger, theirs)

    def default(self, ours: str, value: object) -> None:
        """What holds there where their file says nothing, put into ours so that it holds here."""
        if ours in self.training:
            return
        if reason := self._refused(ours, value):
            here = TrainingSection.model_validate(self.training).model_dump()[ours]
            self.remarks.append(f"{LEARNT}: no {ours} in the file, so {value} there and {here} here: {reason}")
        else:
            self.training[ours] = value
            self.assumed[ours] = value

    def _refused(self, ours: str, value: object) -> str:
        try:
            TrainingSection.model_validate({**self.training, ours: value})
        except ValidationError as error:
            return reason_of(error)
        return ""

    def variant(self, ledger: Ledger, names: Mapping[str, str] = VARIANTS) -> None:
        """Another adapter than plain LoRA, by the key that asks for it."""
        for key, variant in names.items():
            if ledger.carry("training.variant", key):
                self.training["variant"] = variant

    def packing(self, name: str) -> None:
        """Told where rows are packed: a step there is another number of rows."""
        self.packed = bool(self.training.get("packing"))
        if self.packed:
            self.remarks.append(
                f"{LEARNT}: {name}: a step there counts packed sequences, and here rows; see batch_size"
            )

    def whole_batch(self, ledger: Ledger, name: str) -> None:
        """The rows of a whole step, where a pass has `batch_size` of them."""
        whole, each = number(ledger.get(name)), self.training.get("batch_size", 1)
        if isinstance(whole, int | float) and whole >= each:
            self.training["gradient_accumulation"] = int(whole // each)
            ledger.carry("training.gradient_accumulation", name)

    def of_each_gpu(self) -> None:
        """Told where the file is for several GPUs: the rows of a pass are those of each there."""
        if any(self.theirs.get(key) for key in SEVERAL):
            self.remarks.append(
                f"{LEARNT}: a pass is of each GPU there, and of all here: batch_size times their number"
            )

    def text_of_alpaca(self, what: str) -> None:
        """Told where rows are asked in a text of the trainer's own, and not as the model's chats are."""
        told = f"{LEARNT}: {what}: asked in the words of Alpaca's prompt there, and by the model's chat template here"
        if told not in self.remarks:
            self.remarks.append(told)

    def answers(self, ledger: Ledger, *place: str | int) -> None:
        """Tokens that an answer may have, on the exam and where answers are drawn to be rewarded."""
        value = number(ledger.get(*place))
        if isinstance(value, int | float) and value >= 1:
            self.experiment["task"] = {"max_new_tokens": int(value)}
            ledger.carry("task.max_new_tokens", *place)

    def falls_in_a_line(self, ledger: Ledger) -> None:
        """Told where the file leaves the schedule to transformers: it is a straight line there."""
        if not ledger.get("lr_scheduler_type"):
            self.remarks.append(f"{LEARNT}: no lr_scheduler_type: a straight line down there, a cosine here")

    def library_chooses(self, name: str) -> None:
        """Told where the file leaves the adapted layers to the adapter's library."""
        if "target_modules" not in self.training:
            self.remarks.append(
                f"{LEARNT}: no {name}: the adapter's library chooses there, mostly the attention's q_proj and v_proj; "
                "here it is every linear layer, see training.target_modules"
            )

    def same(self, ledger: Ledger, expected: Mapping[str, object]) -> None:
        """Settings whose value there is what the harness does anyway."""
        for name, value in expected.items():
            given = number(ledger.get(name))
            values = value if isinstance(value, tuple) else (value,)
            if given is not None and any(given == each and type(given) is type(each) for each in values):
                ledger.carry("done here anyway", name)

    def counts(self, ledger: Ledger, steps: str = "max_steps", warmup: str = "warmup_steps") -> None:
        """Steps in all and of the warm-up, where their file has them; 0 and -1 stand for none there."""
        for name in (steps, warmup):
            given = number(ledger.get(name))
            if not isinstance(given, int | float) or given <= 0:
                ledger.carry("none there, none here", name)
            elif name == steps:
                self.steps = Count(given, (*ledger.where, name))
            else:
                self.warmup = Count(given, (*ledger.where, name))

    def trackers(self, ledger: Ledger) -> None:
        """Who is told of the training: trackers by name, or by a project at one."""
        named = words(ledger.get("report_to"))
        told = [name for name in TRACKERS if name in named]
        others = [name for name in named if name not in (*TRACKERS, "none")]
        if others:
            ledger.tell(f"the harness tells {', '.join(TRACKERS)}", "report_to")
        elif named:
            ledger.carry("training.report_to", "report_to")
        for name in TRACKERS:
            for key in (f"{name}_project", f"{name}_project_name", f"use_{name}", f"enable_{name}"):
                if ledger.get(key):
                    told = [*told, *([name] if name not in told else [])]
                    if key.startswith(("use_", "enable_")):
                        ledger.carry("training.report_to", key)
        if told:
            self.training["report_to"] = told

    def seed(self, ledger: Ledger, *place: str | int) -> None:
        """The seed of everything drawn at random."""
        if ledger.get(*place) is not None:
            self.experiment["seed"] = ledger.carry("seed", *place)

    def path(self, path: Path) -> str:
        """A path as the experiment file names it: relative to that file's folder."""
        return os.path.relpath(path.absolute(), self.out.absolute().parent)


def reason_of(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors()[0]
    location = ".".join(map(str, first["loc"]))
    return f"{location}: {first['msg']}" if location else first["msg"].removeprefix("Value error, ")


def number(value: object) -> object:
    """YAML 1.1 reads 2e-4 as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def modules(value: object) -> object:
    """Modules to adapt: a list in one string is a list, and `all` is every linear layer."""
    if isinstance(value, str):
        names = [name.strip() for name in value.split(",") if name.strip()]
        value = names if len(names) > 1 else value.strip()
    if value in ("all", "all-linear", "all_linear", ["all"], ["all-linear"], ["all_linear"]):
        return "all-linear"
    return value


def words(value: object) -> list[str]:
    """Names in one string or a list, such as `a, b`."""
    listed = value if isinstance(value, list) else str(value or "").split(",")
    return [str(item).strip() for item in listed if str(item).strip()]


def shown(value: object) -> str:
    """A value of theirs in a sentence."""
    return json.dumps(value, default=str, ensure_ascii=False)
