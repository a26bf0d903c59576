"""May these numbers be compared at all? -> Gates. One that fails makes the verdict `invalid`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.decision.compare import Comparison
from harness.decision.decide import Gate, Status
from harness.stats import paired
from suites.types import Finding, Run

# Arms may differ in how often they fail by chance; beyond this p-value it is the arm.
CHANCE = 0.01


@dataclass(frozen=True, slots=True)
class ArmHealth:
    """How completely one arm was answered and marked.

    Of `n` examples `unscored` have no primary score, most often for `reason`, and `cut` answers ended at the limit of
    new tokens.
    """

    arm: str
    suite: str
    n: int
    unscored: int
    reason: str = ""
    cut: int = 0


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


def difference_gate(pairs: Sequence[tuple[Mapping[str, object], Mapping[str, object]]]) -> Gate:
    """The candidate answers something differently from the base, asked the same things.

    `pairs` are (base outputs, candidate outputs) by example id, one per exam both took with the same prompts.
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


def same_share_gate(pairs: Sequence[tuple[ArmHealth, ArmHealth]]) -> Gate:
    """On every suite both sides fail equally often, or the difference is within chance (exact test, Holm over suites).

    `pairs` are (base, candidate) on one suite each, the task first.
    """
    p_values = [paired.same_share(b.unscored, b.n, c.unscored, c.n) if b.n and c.n else 0.0 for b, c in pairs]
    adjusted = paired.holm(p_values)
    place = min(range(len(pairs)), key=lambda i: adjusted[i])
    (base, candidate), p = pairs[place], adjusted[place]
    shown = f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
    measured = f"{base.suite}: {base.unscored} of {base.n} against {candidate.unscored} of {candidate.n}, {shown}"
    rule = "both sides fail equally often, within chance"
    return Gate("validity", "failures", rule, measured, "pass" if p >= CHANCE else "fail")


def cut_gate(base: ArmHealth, max_truncated: float) -> Gate:
    """The exam leaves room for the best prompt's answers; beating one that was cut short shows nothing."""
    measured = f"{base.cut} of {base.n} answers of {base.arm} were cut"
    if too_many := base.cut > max_truncated * base.n:
        measured += "; raise `task.max_new_tokens` or ask for shorter answers"
    rule = f"at most {max_truncated:.0%} of the best prompt's answers are cut at the limit of new tokens"
    return Gate("validity", "room to answer", rule, measured, "fail" if too_many else "pass")


def comparable_gate(pairs: Sequence[tuple[Run, Run]]) -> Gate:
    """Same examples, marking and generation settings; and, for live models, the same template, engine and dtype.

    `pairs` are (base, candidate) on one suite each.
    """
    different = [
        f"{base.suite}: {', '.join(found)}" for base, candidate in pairs if (found := _differs(base, candidate))
    ]
    recorded = any(_is_recorded(run) for pair in pairs for run in pair)
    same = "same examples and settings; how recorded answers were made is not known" if recorded else "same"
    measured = f"different {'; '.join(different)}" if different else same
    rule = "same examples, marking, settings, template, engine and dtype"
    return Gate("validity", "comparable", rule, measured, "fail" if different else "pass")


def _differs(base: Run, candidate: Run) -> list[str]:
    """What is not the same on both sides; of recorded answers only the exam is known."""
    different = []
    if base.suite_id != candidate.suite_id:
        different.append("examples or metrics")
    if base.generation != candidate.generation:
        different.append("generation settings")
    for part in () if _is_recorded(base) or _is_recorded(candidate) else ("template", "engine", "dtype"):
        one, other = getattr(base.identity, part), getattr(candidate.identity, part)
        # A QLoRA is deployed on its four-bit base; what the rounding costs is part of what is measured.
        if one and other and other not in (one, f"nf4 {one}" if part == "dtype" else one):
            different.append(f"{part} ({one[:24]} against {other[:24]})")
    return different


def _is_recorded(run: Run) -> bool:
    return run.identity.engine.startswith("recorded")


def frozen_gate(frozen_id: str, current_id: str | None) -> Gate:
    """What was put on record before anything ran still stands in the files. `current_id`: None when unreadable."""
    same = frozen_id == current_id
    changed = "the file or what it points at has changed since; the same command starts anew from what it says now"
    rule = "the experiment file and its data are as they were frozen"
    return Gate("validity", "frozen", rule, "unchanged" if same else changed, "pass" if same else "fail")


def unseen_gate(told: str) -> Gate:
    """Fails: the candidate would be deployed only because of test examples that training has seen."""
    rule = "a deploy stands without the test examples that training has seen"
    return Gate("validity", "unseen exam", rule, told, "fail")


def looks_gate(looks: int, max_looks: int) -> Gate:
    """How many candidates these questions have judged, this one included: the best of many tries wins by chance.

    Choosing the best of 8 on the test set makes an error rate of .025 one of .165 (docs/explanation/statistics.md, a7).
    """
    measured = f"candidate number {looks:,} on these questions"
    if looks > max_looks:
        measured += "; test on fresh rows, or allow more knowing it with `policy.max_looks`"
    status: Status = "pass" if looks <= max_looks else "fail"
    return Gate("validity", "fresh exam", f"a test set judges at most {max_looks} candidates", measured, status)


def plausible_gate(gain: Comparison, limit: float) -> Gate:
    """A gain too good to be true is taken for a leak or a straw man until someone has looked."""
    rule = f"a gain above {limit:+.3f} asks for a leak audit first"
    if gain.baseline is None or gain.candidate is None:
        return Gate("validity", "plausible", rule, "no scored pairs", "pass")
    measured, suspicious = f"{gain.candidate - gain.baseline:+.3f}", gain.candidate - gain.baseline > limit
    if suspicious:
        measured += (
            f" over a best prompt that scores {gain.baseline:.1%}: look for test rows in what it was trained on, and "
            "for a prompt that no one would use; when it is real, say so with `policy.suspicious_gain`"
        )
    return Gate("validity", "plausible", rule, measured, "fail" if suspicious else "pass")
