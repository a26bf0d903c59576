"""The encoders that an experiment file names: where one lies, and where the vectors that it makes are kept."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from baselines.prompters.few_shot import FewShot, ShotSettings
from baselines.prompters.rag import Rag
from baselines.prompters.types import PromptSettings
from harness.config.schema import ExperimentConfig
from harness.config.yaml_lines import Location
from harness.models.files import encoder_folder
from harness.observe.progress import phase
from suites.similarity.encoder import Encoder

KEPT = Path("out") / "vectors"
"""Where vectors lie, beside the experiment file; what is taken away is computed again."""


def named_encoders(config: ExperimentConfig) -> Iterator[tuple[Location, str]]:
    """Each setting that names an encoder, and the name."""
    for position, baseline in enumerate(config.baselines):
        if baseline.prompter:
            for below, name in _of(baseline.settings):
                yield ("baselines", position, baseline.prompter, *below), name


def _of(settings: PromptSettings) -> Iterator[tuple[Location, str]]:
    both: list[tuple[Location, Rag | ShotSettings | None]] = []
    if isinstance(settings, Rag):
        both = [(("encoder",), settings), (("few_shot", "encoder"), settings.few_shot)]
    elif isinstance(settings, FewShot):
        both = [(("encoder",), settings)]
    yield from ((below, part.encoder) for below, part in both if part and part.encoder)


def encoder_of(folder: Path, name: str) -> Encoder:
    """The encoder that an experiment file in `folder` names. Raises UserError where there is none."""
    return _encoder(encoder_folder(name, folder), Path(name).name, folder / KEPT)


@lru_cache(maxsize=4)
def _encoder(folder: Path, name: str, kept: Path) -> Encoder:
    return Encoder(folder, name, kept, phase)
