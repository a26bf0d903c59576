"""Configs of other trainers as an experiment: Axolotl's and LLaMA-Factory's YAML, and what does not carry over.

Names are those of https://docs.axolotl.ai/docs/config-reference.html and of LLaMA-Factory's `examples/`. What has no
counterpart is listed and never guessed: the experiment compares, it does not repeat the other trainer to the letter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from harness.config.methods import METHODS
from harness.config.schema import ExperimentConfig
from harness.config.training import TrackerName, TrainingSection
from suites.errors import UserError

TRACKERS = get_args(TrackerName)
EXAM_SHARE = 0.1  # of the training rows, where the other tool knows no exam

TRAINING = {
    "axolotl": {
        "lora_r": "rank",
        "lora_alpha": "alpha",
        "lora_dropout": "dropout",
        "lora_target_modules": "target_modules",
        "sequence_len": "max_length",
        "sample_packing": "packing",
        "micro_batch_size": "batch_size",
        "gradient_accumulation_steps": "gradient_accumulation",
        "num_epochs": "epochs",
        "learning_rate": "learning_rate",
        "warmup_ratio": "warmup_share",
        "weight_decay": "weight_decay",
    },
    "llama-factory": {
        "lora_rank": "rank",
        "lora_alpha": "alpha",
        "lora_dropout": "dropout",
        "lora_target": "target_modules",
        "cutoff_len": "max_length",
        "packing": "packing",
        "per_device_train_batch_size": "batch_size",
        "gradient_accumulation_steps": "gradient_accumulation",
        "num_train_epochs": "epochs",
        "learning_rate": "learning_rate",
        "warmup_ratio": "warmup_share",
        "weight_decay": "weight_decay",
    },
}
"""Their names for our training settings. One that this harness has no setting for is listed as left out."""

RECOGNISED = ("alpaca", "sharegpt", "chat_template", "openai")
"""Their names for forms of rows that the harness recognises by itself."""

SAME = {"lora_target_linear": True, "lr_scheduler": "cosine", "lr_scheduler_type": "cosine", "lora_target": "all"}
"""What they have to say, and what the harness does anyway."""


@dataclass(slots=True)
class Conversion:
    """An experiment in the making, the settings not yet looked at, and what is to be said about the rest."""

    experiment: dict[str, Any]
    left: dict[str, Any]
    remarks: list[str] = field(default_factory=list)

    def take(self, name: str, default: Any = None) -> Any:
        """A setting of theirs, which is dealt with now."""
        return self.left.pop(name, default)


def convert(path: Path) -> Conversion:
    """Read a config of Axolotl or LLaMA-Factory. Raises UserError for a file that is neither."""
    try:
        theirs = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"cannot be read: {error}", str(path)) from None
    if not isinstance(theirs, dict) or not {"base_model", "model_name_or_path"} & set(theirs):
        what = "is neither an Axolotl nor a LLaMA-Factory config: no base_model, no model_name_or_path"
        raise UserError(what, str(path), "give the YAML file that the other trainer takes")
    tool = "axolotl" if "base_model" in theirs else "llama-factory"
    conversion = Conversion({"experiment": _name(path)}, dict(theirs))
    READERS[tool](conversion, path.parent)
    for name in [name for name, value in SAME.items() if conversion.left.get(name) == value]:
        conversion.take(name)
    _training(conversion, TRAINING[tool])
    _trackers(conversion)
    if (seed := conversion.take("seed")) is not None:
        conversion.experiment["seed"] = seed
    conversion.take("output_dir")  # the harness has places of its own
    conversion.remarks += [
        f"left out: {name}: {json.dumps(value, default=str)}" for name, value in conversion.left.items()
    ]
    try:
        ExperimentConfig.model_validate(conversion.experiment)
    except ValidationError as error:
        raise UserError(f"makes no experiment: {_reason(error)}", str(path), "mend the value there") from None
    return conversion


def write(conversion: Conversion, out: Path) -> None:
    """The experiment as YAML, with everything that was remarked at its head."""
    if out.exists():
        raise UserError("the file exists", str(out), "name another one with --out")
    head = "".join(f"# {line}\n" for remark in conversion.remarks for line in remark.splitlines())
    out.write_text(head + yaml.safe_dump(conversion.experiment, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _name(path: Path) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in path.stem)[:64]
    return kept if kept[:1].isalnum() else f"x{kept}"[:64]


def _axolotl(conversion: Conversion, folder: Path) -> None:
    conversion.experiment["model"] = conversion.take("base_model")
    adapter = conversion.take("adapter")
    _method(conversion, {None: "full", "": "full", "lora": "lora", "qlora": "qlora"}.get(adapter, str(adapter)))
    conversion.take("load_in_4bit")
    if conversion.take("train_on_inputs"):
        conversion.remarks.append("train_on_inputs: the loss here is on the answers only")
    datasets = conversion.take("datasets") or []
    first = datasets[0] if datasets else {}
    if len(datasets) > 1:
        conversion.remarks.append(f"only the first of {len(datasets)} datasets is taken: {first.get('path')}")
    tests = conversion.take("test_datasets") or []
    _data(conversion, _place(first.get("path"), folder), str(first.get("type") or ""), conversion.take("val_set_size"))
    if tests:
        conversion.experiment["data"]["validation"] = tests[0].get("path")
        conversion.experiment["data"]["split"].pop("validation", None)


def _llama_factory(conversion: Conversion, folder: Path) -> None:
    conversion.experiment["model"] = conversion.take("model_name_or_path")
    stage = conversion.take("stage", "sft")
    kind = str(conversion.take("finetuning_type", "lora"))
    _method(conversion, ("qlora" if conversion.take("quantization_bit") else kind) if stage == "sft" else stage)
    conversion.take("do_train")
    names = [name.strip() for name in str(conversion.take("dataset") or "").split(",") if name.strip()]
    if len(names) > 1:
        conversion.remarks.append(f"only the first of {len(names)} datasets is taken: {names[0]}")
    directory = folder / str(conversion.take("dataset_dir", "data"))
    listed = directory / "dataset_info.json"
    known = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else {}
    entry = known.get(names[0], {}) if names else {}
    file = str(directory / entry["file_name"]) if "file_name" in entry else (names[0] if names else None)
    if file and "file_name" not in entry:
        conversion.remarks.append(f"{file} is not in {listed}; put its file under data.train")
    _data(conversion, file, str(entry.get("formatting") or "alpaca"), conversion.take("val_size"))


READERS: dict[str, Callable[[Conversion, Path], None]] = {"axolotl": _axolotl, "llama-factory": _llama_factory}


def _method(conversion: Conversion, method: str) -> None:
    """Their method where ours has it, else LoRA, and said."""
    conversion.experiment["training"] = {"method": method if method in METHODS else "lora"}
    if method not in METHODS:
        conversion.remarks.append(f"the method {method} is not one of {', '.join(METHODS)}; lora is taken instead")


def _data(conversion: Conversion, file: Any, form: str, validation: Any) -> None:
    if not file:
        raise UserError("names no data", "datasets", "add the training data to the file")
    share = _number(validation) if validation is not None else 0.0
    split = {"test": EXAM_SHARE}
    if isinstance(share, float | int) and 0 < share < 1:
        split["validation"] = float(share)
    elif share:
        conversion.remarks.append(f"a validation set of {share} rows: here it is a share, a tenth is taken")
        split["validation"] = 0.1
    conversion.experiment["data"] = {"train": str(file), "split": split}
    if len(split) == 1:
        conversion.experiment["baselines"] = ["zero_shot"]
        conversion.remarks.append("no validation rows, so there is one baseline: the best of several is chosen there")
    conversion.remarks.append(
        f"there is no exam in the file: {EXAM_SHARE:.0%} of the training rows are set aside for it"
    )
    if form and form.split(".")[0] not in RECOGNISED:
        conversion.remarks.append(f"rows of the form {form}: say under data.columns where input and target are")


def _place(name: Any, folder: Path) -> Any:
    """A file or folder as it is; another `owner/name` without an ending is a dataset of the Hub."""
    of_hub = isinstance(name, str) and re.fullmatch(r"[\w.-]+/[\w-]+", name) and not (folder / name).exists()
    return f"hf:{name}/train" if of_hub else name


def _training(conversion: Conversion, names: Mapping[str, str]) -> None:
    """Their settings under our names; one that cannot be here is left out, with the reason."""
    settings = conversion.experiment["training"]
    for theirs, ours in names.items():
        if theirs not in conversion.left:
            continue
        value = _number(conversion.take(theirs))
        try:
            TrainingSection.model_validate({**settings, ours: value})
        except ValidationError as error:
            conversion.remarks.append(f"left out: {theirs}: {json.dumps(value, default=str)}: {_reason(error)}")
        else:
            settings[ours] = value


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    location = ".".join(map(str, first["loc"]))
    return f"{location}: {first['msg']}" if location else first["msg"].removeprefix("Value error, ")


def _trackers(conversion: Conversion) -> None:
    """Who is told of the training: trackers by name, or by a project at one."""
    named = conversion.take("report_to") or []
    named = [named] if isinstance(named, str) else named
    named += [name for name in TRACKERS if conversion.take(f"{name}_project") or conversion.take(f"use_{name}")]
    if known := [name for name in TRACKERS if name in named]:
        conversion.experiment["training"]["report_to"] = known


def _number(value: Any) -> Any:
    """YAML 1.1 reads 2e-4 as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
