"""The note beside trained weights: what they were made from. Written last, so weights without it are not finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.config.recipe import TrainingConfig
from harness.models.files import TRAINING_RECORD, adapter_folder, adapter_hash, read_json, tensors_hash
from harness.training.types import TrainingData, TrainingResult, left_by
from suites.errors import UserError
from suites.model import ModelSpec
from suites.writing import write_whole

NUMBERS = ("seconds", "steps", "trained_parameters", "train_rows", "loss_tokens", "best_step")


def origin(spec: ModelSpec, base: Path, data: TrainingData, config: TrainingConfig) -> dict[str, Any]:
    """What the trained weights depend on. Equal origins, equal weights (on the same machine and versions)."""
    lessons = replace(data, reward_model=None).plain()
    if data.reward_model:
        lessons["reward_model"] = adapter_hash(data.reward_model)
    if spec.adapter:
        lessons["starts_from"] = adapter_hash(adapter_folder(spec.adapter))
    if spec.template_settings:
        lessons["template_settings"] = spec.template_settings
    rows = json.dumps(lessons, sort_keys=True)
    made_from = {
        "base": {"name": spec.base, "revision": spec.revision, "weights": tensors_hash(base)},
        "config": config.model_dump(),
        "data": hashlib.sha256(rows.encode()).hexdigest(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(made_from))  # as it will be read back: tuples are lists
    return plain


def write(out: Path, made_from: Mapping[str, Any], result: TrainingResult, versions: Mapping[str, str]) -> None:
    numbers = {name: getattr(result, name) for name in NUMBERS}
    measured = {"loss_curve": result.loss_curve, "preferred": result.preferred, "remarks": result.remarks}
    measured |= {"planned": result.planned}
    record = {**made_from, "result": numbers, "versions": dict(versions), **measured}
    write_whole(out / TRAINING_RECORD, json.dumps(record, indent=1, allow_nan=False) + "\n")


def read(out: Path, made_from: Mapping[str, Any], spec: ModelSpec) -> TrainingResult | None:
    """The finished training in `out` if it was made from the same; None if there is none."""
    if not out.exists():
        return None
    record = read_json(out / TRAINING_RECORD) if (out / TRAINING_RECORD).is_file() else {}
    # The name may change (a folder moves, a Hub id becomes a folder); the weights say what the base was.
    if not record or any(_weights_only(record).get(key) != value for key, value in _weights_only(made_from).items()):
        raise UserError(
            f"the folder {out.name} holds something else than this training",
            str(out),
            "remove it, or choose another place for this training",
        )
    curve = [(int(step), str(name), float(value)) for step, name, value in record["loss_curve"]]
    tuned = left_by(spec, str(record["config"]["method"]), out)
    preferred = [(str(prompt), float(value)) for prompt, value in record["preferred"]]
    measured = {"loss_curve": curve, "preferred": preferred, "remarks": record["remarks"]}
    measured |= {"planned": record.get("planned", {})}  # not there before steps were planned
    return TrainingResult(spec=tuned, **measured, **record["result"])


def _weights_only(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"base": record["base"]["weights"], "config": record["config"], "data": record["data"]}
