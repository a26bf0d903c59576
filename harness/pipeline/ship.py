"""What whoever ships needs: where the candidate is, what serves it, the chosen prompts, and the commit they are of."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from baselines.arm import Arm, Prompter
from harness.experiment.arms import base_arms, candidate_arms
from harness.experiment.names import bar_model
from harness.experiment.session import Session
from harness.models import gguf
from harness.models.files import ADAPTER_CONFIG, adapter_place, content_hash, read_json
from harness.pipeline.exam import candidate_spec
from harness.store import arms
from reports.data import Ship
from suites.model import Constraint, ModelSpec

SERVED_RANKS = (16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` of vLLM may be; 16 is its default (vllm.config.lora.MaxLoRARanks)."""


def ship(session: Session) -> Ship:
    """Of both sides the chosen prompt; of the candidate the folder and the command. Paths are from the experiment's."""
    experiment = session.experiment
    if session.folds:  # what ships is trained anew, on all rows
        return Ship("", "", {})
    spec = candidate_spec(session)
    prompted = base_arms(experiment, session.splits)
    sides = {"base": prompted, "candidate": candidate_arms(experiment, spec, prompted)}
    chosen = {side: prompter for side, tried in sides.items() if (prompter := _chosen(session, side, tried))}
    prompts = {side: prompter.outline() for side, prompter in chosen.items()}
    found = {side: prompter.found for side, prompter in chosen.items() if prompter.found}
    held = {side: constraint for side, prompter in chosen.items() if (constraint := prompter.asking.constraint)}
    base = _from(experiment.folder, as_decided(spec.base))
    folder = _from(experiment.folder, spec.adapter or (as_decided(spec.base) if _has_weights(spec) else ""))
    is_demo = experiment.config.model is not None and experiment.config.model.name == "embedded"
    another = bar_model(experiment.config, arms.chosen(session.store, session.id, "base").arm)
    served = "" if is_demo else serving(experiment.name, spec, base, folder)
    return Ship(folder, served, prompts, another.name if another else "", found, _held_to(held))


def _held_to(constraints: Mapping[str, Constraint]) -> dict[str, dict[str, object]]:
    return {
        side: {held.kind: held.rule if held.kind == "regex" else json.loads(held.rule)}
        for side, held in constraints.items()
    }


def _chosen(session: Session, side: str, tried: Sequence[Arm]) -> Prompter | None:
    """The chosen arm's prompt; None where its answers are recorded, as how they were asked for is not known."""
    name = arms.chosen(session.store, session.id, "candidate" if side == "candidate" else "base").arm
    return next((arm.prompter for arm in tried if arm.name == name and not arm.model.recorded), None)


def _has_weights(spec: ModelSpec) -> bool:
    return not spec.endpoint and not spec.recorded


def as_decided(base: str) -> str:
    """Where the weights lie that were examined: of a GGUF file those in full numbers that were made from it."""
    if gguf.is_gguf(base) and (file := Path(base).expanduser()).is_file():
        return str(gguf.cached(content_hash(file.resolve())))
    return base


def _from(folder: Path, path: str) -> str:
    """A path from the experiment's folder on, where it lies in it."""
    return str(Path(path).relative_to(folder)) if path and Path(path).is_relative_to(folder) else path


def serving(name: str, spec: ModelSpec, base: str, folder: str) -> str:
    """The command that serves a candidate as `name`, its `base` and `folder` as one would type them.

    Empty where a server has it already, or where none that is known takes it: any adapter but a plain LoRA.
    """
    if spec.endpoint or spec.recorded or not folder:
        return ""
    if spec.adapter is None:
        return shlex.join(["vllm", "serve", folder, "--served-model-name", name])
    rank = _lora_rank(adapter_place(spec.adapter))
    if rank is None:
        return ""
    revision = ["--revision", spec.revision] if spec.revision else []
    served = next(most for most in SERVED_RANKS if most >= rank)
    ranks = ["--max-lora-rank", str(served)] if served > SERVED_RANKS[0] else []
    return shlex.join(["vllm", "serve", base, *revision, "--enable-lora", "--lora-modules", f"{name}={folder}", *ranks])


def _lora_rank(adapter: Path) -> int | None:
    """The rank of a LoRA adapter that a server takes; None for any other kind."""
    settings = read_json(adapter / ADAPTER_CONFIG)
    rank = settings.get("r")
    is_plain = settings.get("peft_type") == "LORA" and not settings.get("use_dora")
    return rank if is_plain and isinstance(rank, int) and rank <= SERVED_RANKS[-1] else None


def commit(folder: Path) -> str:
    """The commit the experiment's folder stands at, and whether files in it differ from that; empty without git."""
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".") if head else ""
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{head} with changes" if changed else head


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()
