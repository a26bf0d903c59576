"""What a model setting means: ModelSpecs of the base, the candidate and the judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.config.bar import other_models
from harness.config.models import Endpoint, ModelConfig
from harness.experiment.load import Experiment
from harness.models.files import ADAPTER_CONFIG, candidate_folder
from harness.models.gguf import is_gguf
from suites.errors import UserError
from suites.model import ModelSpec, TemplateSettings
from suites.types import Json

EMBEDDED = Path(__file__).parents[1] / "demo"


def base_spec(experiment: Experiment) -> ModelSpec:
    """The base model; an empty spec when every arm is recorded."""
    return model_spec(experiment, experiment.config.model) if experiment.config.model else ModelSpec()


def model_spec(experiment: Experiment, config: ModelConfig) -> ModelSpec:
    """A model setting as a ModelSpec: `embedded` and `embedded-judge` ship with the harness, folders are resolved."""
    embedded = {"embedded": EMBEDDED / "model", "embedded-judge": EMBEDDED / "judge"}.get(config.name)
    folder = experiment.resolve(config.name)
    base = str(embedded or (folder if folder.exists() or is_gguf(config.name) else config.name))
    return ModelSpec(
        base=base if not config.endpoint else config.name,
        revision=config.revision,
        dtype=config.dtype,
        load_in=config.load_in,
        engine=config.engine,
        **_endpoint(config),
    )


def _endpoint(config: Endpoint) -> Json:
    names = Endpoint.model_fields.keys() - {"chat_template_kwargs"}
    return {**{name: getattr(config, name) for name in names}, "template_settings": _template_settings(config)}


def _template_settings(config: Endpoint) -> TemplateSettings:
    return tuple(sorted((config.chat_template_kwargs or {}).items()))


def candidate_spec(experiment: Experiment) -> ModelSpec:
    """What `candidate:` names: an adapter on the base, a whole model, an endpoint, or recorded answers."""
    config = experiment.config.candidate
    if config is None:
        raise UserError("no candidate in this experiment", str(experiment.path), "run `harness train` first")
    if config.recorded:
        return ModelSpec(recorded=str(experiment.resolve(config.recorded)))
    base = base_spec(experiment)
    asked = base.template_settings if config.chat_template_kwargs is None else _template_settings(config)
    if config.endpoint:
        return replace(ModelSpec(base=config.name or "", **_endpoint(config)), template_settings=asked)
    base = replace(base, template_settings=asked)
    here = experiment.resolve(config.path or "")
    if is_gguf(config.path or "") and here.is_file():
        return replace(base, base=str(here), revision=None, same_base=config.base == "same")
    folder = candidate_folder(config.path or "", experiment.folder, config.revision)
    named = str(folder) if folder == here else config.path or ""  # on the Hub
    if (folder / ADAPTER_CONFIG).is_file():
        adapter = f"{named}@{config.revision}" if config.revision else named
        return replace(base, adapter=adapter, same_base=config.base == "same")
    return replace(base, base=named, revision=config.revision, same_base=config.base == "same")


def gguf_files(experiment: Experiment) -> Iterator[tuple[str, Path]]:
    """Each setting that names a GGUF file, and the file."""
    config = experiment.config
    named = [("model", config.model.name)] if config.model and not config.model.endpoint else []
    others = [*(config.judge.models if config.judge else []), *other_models(config)]
    named += [(".".join(map(str, at)), model.name) for at, model in others if not model.endpoint]
    if config.candidate and config.candidate.path:
        named.append(("candidate.path", config.candidate.path))
    for setting, name in named:
        if is_gguf(name) and (file := experiment.resolve(name)).is_file():
            yield setting, file
