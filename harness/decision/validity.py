"""May these numbers be compared at all? -> Gates. One that fails makes the verdict `invalid`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.decision.compare import Comparison
from harness.decision.gates import Gate, Measured, Rule, Status
from harness.stats import paired
from harness.stats.spending import left_after, spent_at
from reports.format.numbers import percent, points
from suites.types import Finding, Run

MadeWith = Mapping[str, str | int | float | bool]
"""How recorded answers were made, by setting."""
SETTINGS_SHOWN = 6

# Arms may differ in how often they fail by chance; beyond this p-value it is the arm.
CHANCE = 0.01


@dataclass(frozen=True, slots=True)
class ArmHealth:
    """How completely one arm was answered and marked.

    Of `n` examples `unscored` have no score by `metric` (empty: the suite's primary one), most often for `reason`, and
    `cut` answers ended at the limit of new tokens.
    """

    arm: str
    suite: str
    n: int
    unscored: int
    reason: str = ""
    cut: int = 0
    metric: str = ""

    @property
    def exam(self) -> str:
        """What was marked, in words."""
        return f"{self.suite}, {self.metric}" if self.metric else self.suite


def findings_gate(findings: Sequence[Finding]) -> Gate:
    """No blocking finding about the data."""
    blocking = [f for f in findings if f.level == "block"]
    count = f"{len(findings)} finding{'s' * (len(findings) != 1)}, none blocking"
    words = "; ".join(f"{f.message} [{f.check}]" for f in blocking)
    if blocking:
        levels = ", ".join(sorted({f"{f.check}: warn" for f in blocking}))
        words += f". Mend that, or go on knowing it with `data: {{findings: {{{levels}}}}}`"
    return _gate(Rule("data", 0, "count"), not blocking, Measured(len(blocking), words=words or count))


def weights_gate(trouble: str | None) -> Gate:
    """Every weight of base and candidate is a finite number."""
    return _gate(Rule("weights"), not trouble, Measured(words=trouble or "all finite"))


def effect_gate(difference: float | None) -> Gate | None:
    """An adapter changes what the model computes. `difference`: largest change of a logit; None: no adapter."""
    if difference is None:
        return None
    if not math.isfinite(difference):
        return _gate(Rule("adapter", 0, "logit"), False, Measured(words="the change of a logit is no number"))
    words = f"largest change of a logit: {difference:.3g}"
    if difference == 0:
        words += "; the adapter has no effect, it was probably not loaded or never trained"
    return _gate(Rule("adapter", 0, "logit"), difference > 0, Measured(difference, words=words))


Outputs = Mapping[str, object]
"""Answers by example id."""


def difference_gate(
    pairs: Sequence[tuple[Outputs, Outputs]], same: Sequence[str] = (), *, another: bool = False
) -> Gate:
    """The candidate answers something differently from the base, asked the same things, and from every prompt.

    `pairs` are (base outputs, candidate outputs), one per exam both took with the same prompts; `same` are prompts that
    answered all of the task as the candidate did. `another` says that the pairs are of another model than the
    candidate's base, which may be answered alike.
    """
    shared = [(base[i], candidate[i]) for base, candidate in pairs for i in base.keys() & candidate.keys()]
    changed = sum(base != candidate for base, candidate in shared)
    if not shared:
        words = "no answers to compare"
        return Gate("candidate", "validity", "unknown", Rule("candidate", 0, "count"), Measured(words=words))
    words = f"{changed:,} of {len(shared):,} answers differ"
    if not changed and not another:
        words += "; the candidate is identical to the base, was the fine-tuned model loaded?"
    elif same:
        changed, words = 0, f"every answer is that of {', '.join(same)}; was the fine-tuned model asked?"
    holds = changed > 0 or (another and not same)
    return _gate(Rule("candidate", 0, "count"), holds, Measured(changed, n=len(shared), words=words))


def answered_gate(health: Sequence[ArmHealth], max_unscored: float) -> Gate:
    """Missing and failed answers stay in the denominator of their own share, and that share has a limit."""
    bad = [h for h in health if not h.n or h.unscored / h.n > max_unscored]
    worst = max(health, key=lambda h: h.unscored / h.n if h.n else 1.0)
    shown = bad or [worst]
    words = "; ".join(
        f"{h.arm} on {h.exam}: {h.unscored} of {h.n} without a score{f' ({h.reason})' if h.reason else ''}"
        for h in shown
    )
    share = worst.unscored / worst.n if worst.n else 1.0
    return _gate(Rule("answered", max_unscored, "share"), not bad, Measured(share, n=worst.n, words=words))


def same_share_gate(pairs: Sequence[tuple[ArmHealth, ArmHealth]]) -> Gate:
    """On every exam both sides fail equally often, or the difference is within chance (exact test, Holm over exams).

    `pairs` are (base, candidate) on one suite by one metric each, the task first.
    """
    p_values = [paired.same_share(b.unscored, b.n, c.unscored, c.n) if b.n and c.n else 0.0 for b, c in pairs]
    adjusted = paired.holm(p_values)
    lowest = min(range(len(pairs)), key=lambda i: adjusted[i])
    (base, candidate), p = pairs[lowest], adjusted[lowest]
    shown = f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
    words = f"{base.exam}: {base.unscored} of {base.n} against {candidate.unscored} of {candidate.n}, {shown}"
    return _gate(Rule("failures", CHANCE, "p"), p >= CHANCE, Measured(p, n=base.n, words=words))


def cut_gate(base: ArmHealth, max_truncated: float) -> Gate:
    """The exam leaves room for the best prompt's answers; beating one that was cut short shows nothing."""
    rule = Rule("room_to_answer", max_truncated, "share")
    if not base.n:
        return Gate(rule.name, "validity", "unknown", rule, Measured(n=0, words=f"{base.arm} has no answers"))
    words = f"{base.cut} of {base.n} answers of {base.arm} were cut"
    share = base.cut / base.n
    if too_many := share > max_truncated:
        words += "; raise `task.max_new_tokens` or ask for shorter answers"
    return _gate(rule, not too_many, Measured(share, n=base.n, words=words))


def comparable_gate(
    pairs: Sequence[tuple[Run, Run]],
    made_with: tuple[MadeWith, MadeWith] = ({}, {}),
    *,
    same_settings: bool = True,
    others: Sequence[tuple[Run, Run]] = (),
) -> Gate:
    """Same examples, marking and generation settings; and, for live models, the same template, engine and dtype.

    `pairs` are (base, candidate) on one suite each; `made_with` is what is known of how either side's recorded answers
    were made: where both sides say a setting, it must be the same. With `same_settings` the template must be asked for
    the same, too. `others` are pairs of which the first is another model than the candidate's base: what belongs to a
    model may differ there, and is told.
    """
    whole = _comparable(pairs, made_with, same_settings)
    if not others:
        return whole
    apart = [f"{one.suite}: {', '.join(reasons)}" for one, other in others if (reasons := _differs_at_all(one, other))]
    named = ", ".join(dict.fromkeys(Path(one.identity.name).name for one, _ in others))
    told = f"{named} is another model than the candidate's base{_of_models(others)}"
    known = [whole.measured.words] if pairs or whole.status == "fail" else []
    words = "; ".join([*([f"different {'; '.join(apart)}"] if apart else []), *known, told])
    status: Status = "fail" if apart else whole.status
    measured = Measured((whole.measured.value or 0) + len(apart), n=len(pairs) + len(others), words=words)
    return replace(whole, status=status, measured=measured)


def _of_models(others: Sequence[tuple[Run, Run]]) -> str:
    """What of the models differs beside their weights, as it may."""
    parts = [part for pair in others for part in [*_of_model(*pair), _asked_differently(*pair)] if part]
    return f", with a different {', '.join(dict.fromkeys(parts))}" if parts else ""


def _comparable(pairs: Sequence[tuple[Run, Run]], made_with: tuple[MadeWith, MadeWith], same_settings: bool) -> Gate:
    """The gate over pairs of one base."""
    asked = [_asked_differently(*pair) for pair in pairs]
    must = asked if same_settings else [""] * len(asked)
    different = [
        f"{base.suite}: {', '.join(reasons)}"
        for (base, candidate), settings in zip(pairs, must, strict=True)
        if (reasons := [*_differs(base, candidate), *filter(None, [settings])])
    ]
    base_made, candidate_made = made_with
    shared = [name for name in base_made if name in candidate_made]
    made = [
        f"{name} ({base_made[name]} against {candidate_made[name]})"
        for name in shared
        if base_made[name] != candidate_made[name]
    ]
    if made:
        different.append(f"settings of the recorded answers: {', '.join(made)}")
    same = _same(pairs, shared)
    if not same_settings and (allowed := next(filter(None, asked), "")):
        same += f", but for {allowed}, which may differ"
    words = f"different {'; '.join(different)}" if different else same
    if any(must):
        words += "; ask both sides alike, or allow it with `policy.chat_template_kwargs: may_differ`"
    if made:
        words += ". Where a difference is meant, as a prompt's own shots are, take it out of `made_with`"
    return _gate(Rule("comparable"), not different, Measured(len(different), n=len(pairs), words=words))


def _asked_differently(base: Run, candidate: Run) -> str:
    """What both sides' templates were asked for, where that is not the same; of recorded answers it is not known."""
    asked = [run.identity.template_settings or "none" for run in (base, candidate)]
    if asked[0] == asked[1] or _is_recorded(base) or _is_recorded(candidate):
        return ""
    return f"chat_template_kwargs ({asked[0]} against {asked[1]})"


def _same(pairs: Sequence[tuple[Run, Run]], shared: Sequence[str]) -> str:
    """What is the same on both sides, and what is not known to be."""
    if not any(_is_recorded(run) for pair in pairs for run in pair):
        return "same"
    if not shared:
        return "same examples and settings; how recorded answers were made is not known"
    more = f" and {len(shared) - SETTINGS_SHOWN} more" if len(shared) > SETTINGS_SHOWN else ""
    told = f"{', '.join(shared[:SETTINGS_SHOWN])}{more}"
    return f"same examples; recorded answers made with the same {told}; nothing else is known of how they were made"


def _differs(base: Run, candidate: Run) -> list[str]:
    """What is not the same on both sides; of recorded answers only the exam is known."""
    return [*_differs_at_all(base, candidate), *_of_model(base, candidate)]


def _differs_at_all(base: Run, candidate: Run) -> list[str]:
    """What has to be the same whatever models are compared."""
    different = []
    if base.suite_id != candidate.suite_id:
        different.append("examples or metrics")
    if base.generation != candidate.generation:
        different.append("generation settings")
    return different


def _of_model(base: Run, candidate: Run) -> list[str]:
    """What belongs to a model and is not the same."""
    different = []
    for part in () if _is_recorded(base) or _is_recorded(candidate) else ("template", "engine", "dtype"):
        # What a template was asked for stands behind its hash.
        one, other = (getattr(run.identity, part).partition(" {")[0] for run in (base, candidate))
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
    return _gate(Rule("frozen"), same, Measured(words="unchanged" if same else changed))


def unseen_gate(sentence: str) -> Gate:
    """Fails: the candidate would be deployed only because of test examples that training has seen."""
    return _gate(Rule("unseen_exam"), False, Measured(words=sentence))


def looks_gate(looks: int, max_looks: int, confidence: float, elsewhere: Sequence[str] = ()) -> Gate:
    """How often these questions were looked at, this time included: the best of many tries wins by chance.

    Choosing the best of 8 on the test set makes an error rate of .025 one of .165 (docs/explanation/statistics.md, a7),
    so each look is decided at a level of its own (`spending`). `elsewhere` are stores whose looks nobody counted.
    """
    here, left = (percent(f(looks, confidence)) for f in (spent_at, left_after))
    words = f"look {looks:,} on these questions: decided at {here} a side; {left} is left for all further ones"
    if looks > max_looks:
        words += "; test on fresh rows, or allow more knowing it with `policy.max_looks`"
    if elsewhere:
        words += f"; not known: what {', '.join(elsewhere)} beside this store has seen"
    return _gate(Rule("fresh_exam", max_looks, "count"), looks <= max_looks, Measured(looks, words=words))


def plausible_gate(gain: Comparison, limit: float) -> Gate:
    """A gain too good to be true is taken for a leak or a straw man until someone has looked."""
    rule = Rule("plausible", limit, "score")
    if gain.baseline is None or gain.candidate is None:
        return Gate(rule.name, "validity", "unknown", rule, Measured(words="no scored pairs"))
    difference = gain.candidate - gain.baseline
    words = f"{points(difference)} points"
    if suspicious := exceeds(difference, limit):
        words += (
            f" over a best prompt that scores {gain.baseline:.1%}: look for test rows in what it was trained on, and "
            "for a prompt that no one would use; when it is real, say so with `policy.suspicious_gain`"
        )
    return _gate(rule, not suspicious, Measured(difference, n=gain.n, words=words))


def exceeds(difference: float, limit: float) -> bool:
    """Whether a difference of two shares is above its limit, and not by the rounding of its subtraction alone."""
    return difference > limit and not math.isclose(difference, limit)


def _gate(rule: Rule, holds: bool, measured: Measured) -> Gate:
    status: Status = "pass" if holds else "fail"
    return Gate(rule.name, "validity", status, rule, measured)
