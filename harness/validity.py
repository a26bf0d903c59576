"""May these numbers be compared at all? -> Gates. One that fails makes the verdict `invalid`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness import stats
from harness.decide import Gate, Status
from harness.evaluate import Run
from suites.types import Finding

# Arms may differ in how often they fail by chance; beyond this p-value it is the arm.
CHANCE = 0.01


@dataclass(frozen=True, slots=True)
class ArmHealth:
    """How completely one arm was answered and marked: `unscored` of `n` examples have no primary score."""

    arm: str
    suite: str
    n: int
    unscored: int
    reason: str = ""


def findings_gate(findings: Sequence[Finding]) -> Gate:
    """No blocking finding about the data."""
    blocking = [f for f in findings if f.level == "block"]
    count = f"{len(findings)} finding{'s' * (len(findings) != 1)}, none blocking"
    measured = "; ".join(f"{f.message} [{f.check}]" for f in blocking)
    if blocking:
        levels = ", ".join(sorted({f"{f.check}: warn" for f in blocking}))
        measured += f". Mend the rows, or go on knowing it with `data: {{findings: {{{levels}}}}}`"
    return Gate("validity", "data", "no blocking finding", measured or count, "fail" if blocking else "pass")


def weights_gate(trouble: str | None) -> Gate:
    """Every weight of base and candidate is a finite number."""
    return Gate("validity", "weights", "every weight is finite", trouble or "all finite", "fail" if trouble else "pass")


def effect_gate(difference: float | None) -> Gate | None:
    """An adapter changes what the model computes. `difference`: largest change of a logit; None: no adapter."""
    if difference is None:
        return None
    measured = f"largest change of a logit: {difference:.3g}"
    status: Status = "pass" if difference > 0 else "fail"
    if difference == 0:
        measured += "; the adapter has no effect, it was probably not loaded or never trained"
    return Gate("validity", "adapter", "the adapter changes the model's outputs", measured, status)


def difference_gate(pairs: Sequence[tuple[Mapping[str, str], Mapping[str, str]]]) -> Gate:
    """The candidate answers something differently from the base, asked the same things.

    `pairs` are (base texts, candidate texts) by example id, one per exam both took with the same prompts.
    """
    shared = [(base[i], candidate[i]) for base, candidate in pairs for i in base.keys() & candidate.keys()]
    changed = sum(base != candidate for base, candidate in shared)
    measured = f"{changed:,} of {len(shared):,} answers differ"
    if not shared:
        return Gate("validity", "candidate", "the candidate is not the base", "no answers to compare", "unknown")
    if not changed:
        measured += "; the candidate is identical to the base, was the fine-tuned model loaded?"
    return Gate("validity", "candidate", "the candidate is not the base", measured, "pass" if changed else "fail")


def answered_gate(health: Sequence[ArmHealth], max_unscored: float) -> Gate:
    """Missing and failed answers stay in the denominator of their own share, and that share has a limit."""
    bad = [h for h in health if h.unscored > max_unscored * h.n or not h.n]
    worst = max(health, key=lambda h: h.unscored / h.n if h.n else 1.0)
    shown = bad or [worst]
    measured = "; ".join(
        f"{h.arm} on {h.suite}: {h.unscored} of {h.n} without a score{f' ({h.reason})' if h.reason else ''}"
        for h in shown
    )
    return Gate(
        "validity", "answered", f"at most {max_unscored:.1%} without a score", measured, "fail" if bad else "pass"
    )


def same_share_gate(base: ArmHealth, candidate: ArmHealth) -> Gate:
    """Both arms fail equally often, or the difference is within chance (two-sided exact test)."""
    p = stats.same_share(base.unscored, base.n, candidate.unscored, candidate.n) if base.n and candidate.n else 0.0
    shown = f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
    measured = f"{base.unscored} of {base.n} against {candidate.unscored} of {candidate.n}, {shown}"
    rule = "both sides fail equally often, within chance"
    return Gate("validity", "failures", rule, measured, "pass" if p >= CHANCE else "fail")


def comparable_gate(base: Run, candidate: Run) -> Gate:
    """Same examples, marking and generation settings; and, for live models, the same template, engine and dtype."""
    different = []
    if base.suite_id != candidate.suite_id:
        different.append("examples or metrics")
    if base.generation != candidate.generation:
        different.append("generation settings")
    recorded = base.identity.engine.startswith("recorded") or candidate.identity.engine.startswith("recorded")
    for part in () if recorded else ("template", "engine", "dtype"):
        one, other = getattr(base.identity, part), getattr(candidate.identity, part)
        if one and other and one != other:
            different.append(f"{part} ({one[:24]} against {other[:24]})")
    same = "same examples and settings; how recorded answers were made is not known" if recorded else "same"
    measured = f"different {', '.join(different)}" if different else same
    rule = "same examples, settings, template, engine and dtype"
    return Gate("validity", "comparable", rule, measured, "fail" if different else "pass")
