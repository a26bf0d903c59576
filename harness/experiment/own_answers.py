"""No model judges its own answers unless the file says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os.path import normpath

from harness.config.bar import other_models
from harness.config.models import ModelConfig
from harness.config.problems import Problem
from harness.config.schema import ExperimentConfig

FIX = "name another judge, or say `judge.own_answers: true`"


def own_answers(config: ExperimentConfig, files: Mapping[str, str]) -> list[Problem]:
    """Judges that are the model of one side, by what they are called or by the hash of their weights in `files`."""
    if config.judge is None or config.judge.own_answers:
        return []
    sides = list(_sides(config))
    found = []
    for at, judge in config.judge.models:
        whose = next((setting for setting, side in sides if _same(judge, side, files)), None)
        if whose:
            found.append((at, f"`{'.'.join(map(str, at))}` is `{whose}`, and would judge its own answers; {FIX}"))
    return found


Side = tuple[str | None, str]
"""An endpoint, None for weights that are read here and ANYWHERE for answers that are recorded, and a name there or of a
folder, a file or on the Hub."""
ANYWHERE = "*"


def _sides(config: ExperimentConfig) -> Iterator[tuple[str, Side]]:
    """The models whose answers are compared, by the setting that names each."""
    if config.model:
        yield "model", (config.model.endpoint, config.model.name)
    recorded = {("baselines", place, "model") for place, entry in enumerate(config.baselines) if entry.recorded}
    for where, model in other_models(config):
        yield ".".join(map(str, where)), (ANYWHERE if where in recorded else model.endpoint, model.name)
    candidate = config.candidate
    if candidate and (candidate.path or candidate.name):
        yield "candidate", (candidate.endpoint, candidate.path or candidate.name or "")


def _same(judge: ModelConfig, side: Side, files: Mapping[str, str]) -> bool:
    endpoint, name = side
    if endpoint != ANYWHERE and (judge.endpoint or "").rstrip("/") != (endpoint or "").rstrip("/"):
        return False
    digests = [None if endpoint else files.get(each) for each in (judge.name, name)]
    return normpath(judge.name) == normpath(name) or (digests[0] is not None and digests[0] == digests[1])
