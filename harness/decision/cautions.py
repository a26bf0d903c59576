"""What a reader should mind beside a verdict: true of the numbers, no reason to refuse one. -> Gates that only tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.decision.compare import Comparison
from harness.decision.gates import Gate, Measured, Rule
from harness.decision.straw_men import STRATEGY, BesideConstant
from harness.decision.validity import CHANCE, exceeds
from harness.stats import paired
from suites.metrics.readings import Reading

FAIR_BAR = ("prompts_tried", "shots_tried", "lesson_tried", "prompts_left_out", "floor", "copied", "lenient", "form")
"""What is told of a bar that may be too low; `policy.fair_bar` may ask that nothing of it is."""

# Of the answers of a side, those that differ from their target in form alone.
FORM_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class ReadSide:
    """How the wrong ones among a side's `n` answers could be read."""

    arm: str
    n: int
    reading: Reading


def prompts_caution(arms: Sequence[str]) -> list[Gate]:
    """One prompt alone is a low bar."""
    words = f"{', '.join(arms)} was the only prompt tried; another could be better, list more under `baselines`"
    return [_caution(Rule("prompts_tried", 2, "count"), Measured(len(arms), words=words))] if len(arms) == 1 else []


def shots_caution(arms: Sequence[str]) -> list[Gate]:
    """Prompts `arms` that all go without examples, though there are rows to show."""
    words = f"no prompt that was tried ({', '.join(arms)}) shows the base examples; `few_shot` below `baselines` does"
    return [_caution(Rule("shots_tried"), Measured(len(arms), words=words))] if arms else []


def lesson_caution(tried: bool) -> list[Gate]:
    """The base was never asked with the prompt on which the fine-tune was trained."""
    words = "the base was never asked with the prompt that the fine-tune was trained on; list `zero_shot`"
    return [] if tried else [_caution(Rule("lesson_tried"), Measured(0, words=words))]


def left_out_caution(arms: Sequence[str], most: float) -> list[Gate]:
    """Prompts that the candidate was not held against, for more than the share `most` of their answers has no mark."""
    words = f"{', '.join(arms)} failed too often to be compared, and the rule about every prompt goes without"
    return [_caution(Rule("prompts_left_out", most, "share"), Measured(len(arms), words=words))] if arms else []


def floor_caution(base: BesideConstant, gain: Comparison) -> list[Gate]:
    """A best prompt that gets nothing right, or is not shown better than one answer given to everything."""
    if gain.baseline is None or (gain.baseline > 0 and (base.against is None or base.shown_better)):
        return []
    words = f"the best prompt ({base.arm}) scores {gain.baseline:.1%}"
    if c := base.against:
        words += f" and is not shown better than always answering {base.constant!r}, {c.baseline or 0.0:.1%}"
    words += ": the gain may be one over a prompt that does not ask for what is marked"
    return [_caution(Rule("floor"), Measured(gain.baseline, n=gain.n, words=words))]


def copied_caution(base: Comparison | None, candidate: Comparison | None) -> list[Gate]:
    """A side that is not shown better than a rule without a model, which copies the answer of the nearest training row;
    each compared with it as its baseline, None where such answers cannot be marked."""
    told = []
    for side, what in (
        (candidate, "so that it could do in place of the fine-tune"),
        (base, "so that the gain is one over a prompt that needs no model"),
    ):
        if side and side.baseline is not None and side.candidate is not None and side.baseline >= STRATEGY:
            shown = side.low is not None and side.low > 0
            words = f"{side.candidate_arm} scores {side.candidate:.1%} and is not shown better, {what}"
            told += [] if shown else [(side, words)]
    if not told:
        return []
    first, _ = told[0]
    words = f"copying the answer of the nearest training row (BM25) scores {first.baseline:.1%} without any model; "
    words += "; ".join(sentence for _, sentence in told)
    return [_caution(Rule("copied"), Measured(first.baseline, n=first.n, words=words))]


def lenient_caution(base: ReadSide, candidate: ReadSide, least: float) -> list[Gate]:
    """A lenient reading of both sides' answers would take back more of the gain than `least`, the gain asked for."""
    ours, theirs = candidate.reading, base.reading
    for metric, before, after in (
        ("normalised_match", theirs.in_form, ours.in_form), ("contains", theirs.inside, ours.inside),
    ):  # fmt: skip
        back = before / max(base.n, 1) - after / max(candidate.n, 1)
        if exceeds(back, least):
            words = (
                f"a lenient reading takes back {back * 100:.1f} points: {before:,} of {base.n:,} answers of {base.arm} "
                f"name the target and are marked wrong ({after:,} of {candidate.arm}); mark with `{metric}`, which "
                "forgives it, or have the prompt ask for the bare answer"
            )
            return [_caution(Rule("lenient", least, "score"), Measured(back, n=base.n, words=words))]
    return []


def form_caution(sides: Sequence[ReadSide]) -> list[Gate]:
    """Answers that are their target but for case, spacing, punctuation, Unicode form or characters that nobody sees."""
    many = [side for side in sides if side.n and exceeds(side.reading.in_form / side.n, FORM_SHARE)]
    words = "; ".join(
        f"{side.reading.in_form:,} of {side.n:,} answers of {side.arm} differ from their target in form alone, mostly "
        f"{side.reading.how}"
        for side in many
    )
    worst = max((side.reading.in_form / side.n for side in many), default=0.0)
    if not many:
        return []
    words += " (marked wrong; `normalised_match` forgives it)"
    return [_caution(Rule("form", FORM_SHARE, "share"), Measured(worst, n=many[0].n, words=words))]


@dataclass(frozen=True, slots=True)
class ThinkingSide:
    """How many of a side's `n` answers came after thinking, and the mean of tokens written; None: not counted."""

    arm: str
    n: int
    thinking: int
    tokens_out: float | None

    @property
    def share(self) -> float:
        return self.thinking / self.n if self.n else 0.0


def thinking_caution(base: ThinkingSide, candidate: ThinkingSide, *, marked_here: bool = True) -> list[Gate]:
    """Thinking was taken off answers, and off those of one side more often than off the other's.

    Marks that came with the answers, not `marked_here`, may be marks of the thinking too.
    """
    most = max((base, candidate), key=lambda side: side.share)
    if not most.thinking:
        return []
    words = "thinking was taken off " if marked_here else "thinking stands in "
    words += " and ".join(f"{side.thinking:,} of {side.n:,} answers of {side.arm}" for side in (base, candidate))
    if paired.same_share(base.thinking, base.n, candidate.thinking, candidate.n) < CHANCE:
        fewer = "does not" if not min(base.thinking, candidate.thinking) else "does less often"
        words += f"; one side thinks and the other {fewer}, which costs tokens and time"
        if base.tokens_out is not None and candidate.tokens_out is not None:
            words += f" ({base.tokens_out:,.0f} tokens an answer against {candidate.tokens_out:,.0f})"
    elif marked_here:
        words += " before they were marked"
    if not marked_here:
        words += "; the marks came with the answers, and another tool may have marked the thinking with them"
    return [_caution(Rule("thinking", 0, "share"), Measured(most.share, n=most.n, words=words))]


def _caution(rule: Rule, measured: Measured) -> Gate:
    return Gate(rule.name, "caution", "fail", rule, measured, "advisory")
