"""The models of an experiment before anything is paid for: whether they would load, and what is to be told of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from harness.experiment import specs
from harness.experiment.load import Experiment
from harness.models import files
from suites.errors import UserError
from suites.model import ModelSpec
from suites.types import Finding

HERE = ("hf", "vllm")

Look = Callable[[], list[Finding]]


def findings(experiment: Experiment) -> list[Finding]:
    """What is to be told of the candidate's files, the base below it, other models of the bar and a local judge, with
    no model's weight read.

    Of the base alone where a candidate is trained on it here; nothing where no folder is named as the candidate. Raises
    one UserError for all that would not load, and NonFiniteWeights for an adapter of NaN.
    """
    looks = [*_of_sides(experiment), *_of_bar(experiment), *_of_judge(experiment)]
    if not looks:
        return []
    from harness.models.hf import rehearsal  # loads torch

    found: list[Finding] = []
    rehearsal.all_at_once([partial(_keep, found, look) for look in looks])
    return found


def _of_sides(experiment: Experiment) -> list[Look]:
    config, base = experiment.config, specs.base_spec(experiment)
    trained = config.training is not None and not config.training.elsewhere
    given = config.candidate is not None and config.candidate.path is not None
    if base.kind not in HERE or not (trained or given):
        return []
    if not is_here(base):
        return [partial(_not_here, base)]
    from harness.models.hf import rehearsal

    looks: list[Look] = [partial(rehearsal.of_model, base, "model")]
    return [*looks, *_of_candidate(base, specs.candidate_spec(experiment))] if given else looks


def _not_here(base: ModelSpec) -> list[Finding]:
    told = f"`model`: {base.base} is not on this machine; whether the candidate fits it is not known"
    return [Finding("info", "adapter_base", told)]


def _of_bar(experiment: Experiment) -> list[Look]:
    """Models of the bar that run here and are others than the base: they answer before anything is trained."""
    named = enumerate(experiment.config.baselines)
    models = [
        (place, specs.model_spec(experiment, entry.model))
        for place, entry in named
        if entry.model and not entry.recorded
    ]
    local = {spec: place for place, spec in models if spec.kind in HERE and is_here(spec)}
    if not local:
        return []
    from harness.models.hf import rehearsal

    return [partial(rehearsal.of_model, spec, f"baselines.{place}.model") for spec, place in local.items()]


def _of_judge(experiment: Experiment) -> list[Look]:
    """Judges that run here: they are asked last of all, when everything else is paid for."""
    judges = experiment.config.judge.models if experiment.config.judge else []
    named = [(".".join(map(str, at)), specs.model_spec(experiment, model)) for at, model in judges]
    local = [(setting, spec) for setting, spec in named if spec.kind in HERE]
    if not local:
        return []
    from harness.models.hf import rehearsal

    return [partial(rehearsal.of_model, spec, setting) for setting, spec in local]


def _of_candidate(base: ModelSpec, candidate: ModelSpec) -> list[Look]:
    from harness.models.hf import rehearsal

    if candidate.adapter:
        adapter = files.adapter_folder(candidate.adapter)
        served = [partial(_served, adapter)] if base.kind == "vllm" else []
        return [partial(_beside, adapter), partial(rehearsal.of_adapter, candidate, "candidate"), *served]
    if candidate.same_base:
        what = "`base: same` is for an adapter, and the candidate's folder holds a whole model"
        raise UserError(what, candidate.base, "leave it out")
    return [
        partial(rehearsal.of_model, candidate, "candidate"),
        partial(rehearsal.of_kind, base, candidate, "candidate"),
    ]


def _beside(adapter: Path) -> list[Finding]:
    """What else an adapter's folder holds, and is not asked."""
    found = []
    if (adapter / "config.json").is_file() and list(adapter.glob("model*.safetensors")):
        told = "`candidate`: the folder holds an adapter and a whole model; the adapter is asked, on `model`"
        found.append(Finding("warn", "unread_tensors", told))
    if others := [name for name in files.within(adapter) if not name.startswith("checkpoint-")]:
        told = f"`candidate`: the folder holds further models, in {', '.join(others)}; the one beside them is asked"
        found.append(Finding("info", "unread_tensors", told))
    return found


def _served(adapter: Path) -> list[Finding]:
    from harness.models.vllm import check_served

    check_served(adapter)
    return []


def _keep(found: list[Finding], look: Look) -> None:
    found += look()


def is_here(base: ModelSpec) -> bool:
    """Whether the base's files are to be had; a Hub id without a network says so when it is first asked."""
    try:
        files.base_folder(base.base, base.revision)
    except UserError:
        return Path(base.base).is_dir()
    return True
