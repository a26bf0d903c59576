"""Does an encoder read what it is to find? What is longer is known by its beginning alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from baselines.arm import Arm
from baselines.retrieval.passages import Passages
from baselines.retrieval.shots import Shots
from suites.types import Finding


def encoder_findings(bar: Sequence[Arm]) -> Iterator[Finding]:
    """What is told of the encoders of the prompts."""
    for arm in bar:
        finder, passages = arm.prompter.finder, arm.prompter.passages
        if isinstance(finder, Shots) and finder.encoder and (cut := finder.cut()):
            yield _cut(arm.name, finder.encoder.name, f"{cut:,} of the {len(finder.kin.pool):,} training rows", "")
        if isinstance(passages, Passages) and passages.encoder and (cut := passages.cut()):
            many = f"{cut:,} of the {len(passages.corpus.passages):,} passages"
            yield _cut(arm.name, passages.encoder.name, many, "; lower `chunk`")


def _cut(arm: str, encoder: str, many: str, fix: str) -> Finding:
    text = f"{many} are longer than {encoder} reads, so that {arm} finds them by their beginnings alone{fix}"
    return Finding("warn", "encoder_reads", text)
