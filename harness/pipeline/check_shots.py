"""What the prompts of the bar show of the training rows: rows that give an answer away, and how many fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baselines.arm import Arm, KeptBack
from baselines.retrieval.shots import Shots
from harness.experiment.splits import Splits
from suites.checks.labels import shown
from suites.similarity.kin import How
from suites.types import Finding

IS: dict[How, str] = {"same": "the same as", "near": "nearly the same as", "cluster": "of the cluster of"}
NAMED = 5
"""Pairs that a sentence names."""


def shot_findings(bar: Sequence[Arm], splits: Splits) -> list[Finding]:
    """What is told of the shots of the prompts, on validation and test."""
    findings = []
    for split in ("validation", "test"):
        examples = splits.get(split, ())
        back = {arm.name: kept for arm in bar if (kept := arm.prompter.kept_back(examples))}
        findings += [_kept_back(split, len(examples), back)] if back else []
        for arm in bar:
            finder = arm.prompter.finder
            if isinstance(finder, Shots) and finder.room and examples:
                findings.append(_fitting(arm.name, split, finder, finder.counts(examples)))
    return findings


def _kept_back(split: str, total: int, back: Mapping[str, Sequence[KeptBack]]) -> Finding:
    """Rows of the pool that would give an answer away. They are not shown, but a fine-tune learns from them."""
    pairs = {(each.example.id, each.row.id): each for kept in back.values() for each in kept}
    ids = tuple(dict.fromkeys(example for example, _ in pairs))
    named = "; ".join(
        f"{each.example.id} is {IS[each.how]} train row {each.row.id} ({shown(each.row.input)})"
        for each in [*pairs.values()][:NAMED]
    )
    more = f"; and {len(pairs) - NAMED:,} more" if len(pairs) > NAMED else ""
    text = (
        f"training rows that {' and '.join(back)} may show give the answers to {len(ids):,} of the {total:,} {split} "
        f"questions away, and are not shown to them: {named}{more}"
    )
    return Finding("warn", "shots_kept_back", text, ids)


def _fitting(arm: str, split: str, finder: Shots, counts: Sequence[int]) -> Finding:
    """How many shots fit, and how many prompts show fewer than there are."""
    assert finder.room
    short = sum(count < finder.most for count in counts)
    text = (
        f"{arm} shows {min(counts):,} to {max(counts):,} shots on {split}: {short:,} of {len(counts):,} prompts have "
        f"no place for all {finder.most:,} within {finder.room.tokens:,} tokens, and those that say least are left out"
    )
    return Finding("info", "shots_fit", text)
