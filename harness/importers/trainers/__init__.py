"""Configs of other trainers -> an experiment, with an account of every setting: carried over, or told with the reason.

To add a trainer, write a file with `recognise` and `read`, and a line in `TRAINERS`.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from harness.config.contradictions import contradictions
from harness.config.recipe import Recipe
from harness.config.schema import ExperimentConfig
from harness.importers.trainers import (
    axolotl,
    data,
    llama_factory,
    llama_factory_v1,
    openai_job,
    script,
    torchtune,
    trl,
    unsloth,
)
from harness.importers.trainers.draft import Draft, Settings, reason_of
from harness.importers.trainers.ledger import LEARNT, Ledger, Reason
from suites.errors import UserError
from suites.text.files import read_text
from suites.text.yaml_text import parse_theirs
from suites.types import Json
from suites.writing import write_new

Tree = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Trainer:
    """`recognise` says whether a file is a config of the trainer, `read` fills a draft with what it says, and `reasons`
    say why what is left has no counterpart."""

    about: str
    recognise: Callable[[Tree], bool]
    read: Callable[[Draft], None]
    reasons: Sequence[Reason]


TRAINERS: dict[str, Trainer] = {
    "Axolotl": Trainer(
        "its YAML, with `datasets`, `test_datasets` and `rl`", axolotl.recognise, axolotl.read, axolotl.REASONS
    ),
    "LLaMA-Factory": Trainer(
        "its YAML, with the `dataset_info.json` that it names",
        llama_factory.recognise,
        llama_factory.read,
        llama_factory.REASONS,
    ),
    "LLaMA-Factory v1": Trainer(
        "its YAML of `model`, `train_dataset` and sections for plugins",
        llama_factory_v1.recognise,
        llama_factory_v1.read,
        llama_factory_v1.REASONS,
    ),
    "TRL": Trainer("the YAML of `trl sft`, `trl dpo` and the others", trl.recognise, trl.read, trl.REASONS),
    "torchtune": Trainer("its YAML of components", torchtune.recognise, torchtune.read, torchtune.REASONS),
    "Unsloth": Trainer("the YAML of its studio", unsloth.recognise, unsloth.read, unsloth.REASONS),
    "Python script": Trainer(
        "what a script or notebook of Unsloth or TRL gives to its calls, read and never run",
        script.recognise,
        script.read,
        script.REASONS,
    ),
    "OpenAI job": Trainer(
        "a fine-tuning job in JSON; the training stays at the API",
        openai_job.recognise,
        openai_job.read,
        openai_job.REASONS,
    ),
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """An experiment, the rows to be written beside it by file name, the account of each setting, and what is told."""

    experiment: Json
    files: Mapping[str, Sequence[Json]]
    theirs: Ledger
    remarks: Sequence[str]


def convert(path: Path, out: Path) -> Conversion:
    """Read a config of a known trainer as the experiment to be written to `out`.

    Raises UserError for a file of no known trainer, a method that is not here, and data that cannot be read.
    """
    theirs = Ledger(_tree(path))
    trainer = _recognised(path, theirs.tree)
    draft = Draft(path, out, theirs, {"experiment": _name(path)})
    trainer.read(draft)
    draft.of_each_gpu()
    _reward_model_goes_before(draft)
    draft.experiment["regression"] = []
    draft.remarks.append(
        "regression: [] asks nothing that the base could do before, so that what is forgotten is not known; name "
        "suites there"
    )
    data.finish(draft)
    theirs.close(trainer.reasons)
    experiment = _ordered(draft)
    _check(experiment, path)
    assumed = ", ".join(f"{ours} {value}" for ours, value in draft.assumed.items())
    remarks = [
        *draft.remarks,
        *([f"not in the file, so the trainer's own: {assumed}"] if assumed else []),
        *theirs.remarks(),
    ]
    return Conversion(experiment, draft.files, theirs, sorted(remarks, key=lambda line: not line.startswith(LEARNT)))


def write(conversion: Conversion, out: Path) -> list[Path]:
    """The experiment as YAML, with everything that was remarked at its head, and the rows it needs; what was written.

    Raises UserError where a file would be written over.
    """
    lines = [
        textwrap.wrap(remark, 116, subsequent_indent="  ", break_on_hyphens=False) for remark in conversion.remarks
    ]
    head = "".join(f"# {line}\n" for wrapped in lines for line in wrapped)
    text = yaml.safe_dump(conversion.experiment, sort_keys=False, allow_unicode=True)
    files = {out.parent / name: _lines(rows) for name, rows in conversion.files.items()} | {out: (head + text).encode()}
    write_new(files, "name another one with --out")
    return [out, *(path for path in files if path != out)]


def _lines(rows: Sequence[Json]) -> bytes:
    text = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
    return text.encode("utf-8", "backslashreplace")


def _tree(path: Path) -> Tree:
    """The settings in a file: YAML or JSON, or the constants that a Python script gives to its calls."""
    try:
        text = read_text(path)
        text = script.code_of(text) if path.suffix == ".ipynb" else text
        tree = script.tree_of(text) if path.suffix in (".py", ".ipynb") else parse_theirs(text, path)
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise UserError(what, str(path), "give the file that the other trainer takes") from None
    except (ValueError, SyntaxError, RecursionError) as error:
        raise UserError(f"cannot be read: {error}", str(path), "mend the file there") from None
    return tree if isinstance(tree, dict) else {}


def _recognised(path: Path, tree: Tree) -> Trainer:
    for trainer in TRAINERS.values():
        if trainer.recognise(tree):
            return trainer
    known = ", ".join(TRAINERS)
    raise UserError(
        f"is no config of a known trainer ({known})", str(path), "give the file that the other trainer takes"
    )


def _name(path: Path) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in path.stem)[:64]
    return kept if kept[:1].isalnum() else f"x{kept}"[:64]


def _reward_model_goes_before(draft: Draft) -> None:
    """A reward model answers nothing: it becomes the stage before a training by its rewards, and that is told."""
    if draft.training.get("method") == "reward":
        draft.earlier = [draft.training]
        draft.training = {"method": "rloo", "reward": "model"}
        draft.remarks.append(
            f"{LEARNT}: a reward model answers nothing, so it is the stage before `rloo`, which learns by its rewards "
            "with this harness's own settings"
        )


def _ordered(draft: Draft) -> Json:
    """The experiment in the order that people read it in."""
    [*before, last] = [_by_settings(stage) for stage in (*draft.earlier, draft.training)]
    training = last | ({"after": before} if before else {})
    whole = {**draft.experiment, **({"training": training} if draft.training else {})}
    order = ("experiment", "model", "data", "task", "baselines", "training", "regression", "seed")
    return {name: whole[name] for name in order if name in whole}


def _by_settings(stage: Settings) -> Settings:
    """A stage with its settings in the order that the reference has them in."""
    order = [*Recipe.model_fields, *stage]
    return dict(sorted(stage.items(), key=lambda item: order.index(item[0])))


def _check(experiment: Json, path: Path) -> None:
    try:
        problems = contradictions(ExperimentConfig.model_validate(experiment))
    except ValidationError as error:
        raise UserError(f"makes no experiment: {reason_of(error)}", str(path), "mend the value there") from None
    if problems:
        raise UserError(f"makes no experiment: {problems[0][1]}", str(path), "mend the value there")
