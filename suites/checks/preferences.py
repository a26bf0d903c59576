"""What is wrong with preference pairs: nothing to prefer, and length in the place of quality."""

from __future__ import annotations

from collections.abc import Sequence

from suites.normalise import normalise
from suites.types import Finding

# People prefer the longer answer in about two of three pairs (docs/explanation/statistics.md, c4).
LONGER = 0.7


def preference_findings(pairs: Sequence[tuple[str, str, str]], ids: Sequence[str]) -> list[Finding]:
    """Findings about (prompt, chosen, rejected) texts: answers that are the same, and the longer one chosen too often.

    `ids` names the pairs, in the same order.
    """
    findings = []
    same = tuple(i for i, (_, good, bad) in zip(ids, pairs, strict=True) if normalise(good) == normalise(bad))
    if same:
        text = f"{len(same):,} of the {len(pairs):,} preference pairs have the same answer chosen and rejected"
        findings.append(Finding("block", "equal_preferences", text, same))
    lengths = [(len(good), len(bad)) for _, good, bad in pairs if len(good) != len(bad)]
    if lengths:
        findings.append(_longer(sum(good > bad for good, bad in lengths), len(lengths)))
    return findings


def _longer(longer: int, n: int) -> Finding:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(longer, n, method="wilson")
    text = f"the longer answer was chosen in {longer / n:.1%} of {n:,} pairs, 95% interval {low:.1%} to {high:.1%}"
    if low > LONGER:
        return Finding("warn", "longer_chosen", f"{text}; a model trained on them learns length first")
    return Finding("info", "longer_chosen", text)
