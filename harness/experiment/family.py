"""A judge of the candidate's own family is told: it may prefer answers of its own kind."""

from __future__ import annotations

import json
import re

from harness.config.models import ModelConfig
from harness.experiment import specs
from harness.experiment.load import Experiment
from suites.text.files import read_text


def kin(experiment: Experiment) -> str:
    """The sentence about judges of the candidate's own family; empty where there are none, as far as names and the
    `model_type` of folders tell."""
    config = experiment.config
    own = [config.model] if config.model else []
    candidate = config.candidate
    families = {family for model in own for family in _families(experiment, model)}
    if candidate and (named := candidate.path or candidate.name):
        families |= _families(experiment, ModelConfig(name=named, endpoint=candidate.endpoint))
    told = {
        model.name: shared
        for _, model in (config.judge.models if config.judge else [])
        if (shared := families & _families(experiment, model))
    }
    if not told:
        return ""
    listed = ", ".join(f"{name} ({', '.join(sorted(shared))})" for name, shared in told.items())
    return f"Of the candidate's own family is {listed}: a judge may prefer answers of its own kind."


def _families(experiment: Experiment, model: ModelConfig) -> set[str]:
    """The first letters of a model's name, or of a folder the kind of model that its config says it holds."""
    spec = specs.model_spec(experiment, model)
    try:
        settings = json.loads(read_text(experiment.resolve(spec.base) / "config.json")) if not model.endpoint else {}
    except (OSError, ValueError):
        settings = {}
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if isinstance(kind, str):
        return {kind}
    name = re.match("(meta-)?([a-z]+)", spec.base.rstrip("/").rpartition("/")[2].lower())
    return {name[2]} if name else set()
