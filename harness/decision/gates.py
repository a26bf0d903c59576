"""A gate: one rule with its number, what was measured, and whether it holds. Values only; `wording` makes sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.config.base import Tier
from harness.decision.compare import Comparison, Question

Kind = Literal["validity", "gain", "harm", "budget", "caution"]
"""A caution decides nothing and is always advisory: what a reader should mind beside the verdict."""
Status = Literal["pass", "fail", "unknown"]

RuleName = Literal[
    "gain", "as_good", "saving", "every_prompt", "each_prompt", "seeds", "seeds_as_good", "task_missing",
    "loss", "shown_loss", "slices", "shown_slices", "edge_cases", "shown_edge_cases", "together", "regression_missing",
    "latency", "cost",
    "frozen", "data", "weights", "adapter", "candidate", "answered", "failures", "room_to_answer", "comparable",
    "own_prompt", "held", "fresh_exam", "plausible", "unseen_exam", "constant_answers", "aligned",
    "prompts_tried", "shots_tried", "lesson_tried", "prompts_left_out", "floor", "copied", "lenient", "form",
    "thinking", "preferred",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asked: a key of `wording.RULES`, and the number a measured value is held against, if there is one.

    `unit` is that of `limit` and of what is measured: "score" (a difference of scores in [0, 1]), "relative" (a share
    of the baseline's score), "share" (of examples, or of what the best prompt costs), "p", "count", "logit", "s", or a
    currency's code, per 1,000 requests. `parts` is how many parts of the exam, suites or prompts a rule speaks of.
    """

    name: RuleName
    limit: float | None = None
    unit: str = ""
    parts: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its interval over `n` examples, in the rule's unit; `words` hold what numbers do not say."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule of an experiment, held or not.

    `id` is unique among the gates of a decision, whatever suites and metrics are called: "gain" (of either goal),
    "metric/NAME", "regression/SUITE" ("regression/SUITE/MODEL" beside the bar's), "edge_cases", "judge", "slices", or
    the rule's own name. `comparison` is what a rule about a difference rests on. A critical rule must be shown to hold,
    a supporting one not be shown to be broken, an advisory one is only told.
    """

    id: str
    kind: Kind
    status: Status
    rule: Rule
    measured: Measured
    tier: Tier = "critical"
    comparison: Comparison | None = None


def gate_id(question: Question) -> str:
    """The id of the gate that rests on a comparison. Slices share one, and so do edge cases."""
    match question.kind:
        case "task":
            return "gain"
        case "prompt":
            return "every_prompt"
        case "metric":
            return f"metric/{question.metric}"
        case "regression":
            return f"regression/{question.suite}{f'/{question.baseline_arm}' if question.of_bar else ''}"
        case "slice":
            return "edge_cases" if question.of_edges else "slices"
        case "judge":
            return "judge"


def gain_rule(question: Question) -> Rule:
    """The candidate gains more than was asked for, or loses no more than is allowed."""
    return Rule("as_good" if question.may_lose else "gain", question.margin, unit(question))


def every_prompt_rule(others: int) -> Rule:
    """The candidate is better than each prompt that was not chosen, by however little."""
    return Rule("every_prompt", 0.0, "score", others)


def each_prompt_rule(others: int, margin: float, unit: str) -> Rule:
    """The candidate is better than each prompt that was not chosen, or loses no more than `-margin` and is cheaper."""
    return Rule("each_prompt", margin, unit, others)


def saving_rule(limit: float, currency: str) -> Rule:
    """The candidate saves so much of what the best prompt costs, or so much per 1,000 requests in a `currency`."""
    return Rule("saving", limit, currency or "share")


def loss_rule(question: Question) -> Rule:
    """No more is lost than is tolerated: shown to hold, or with a supporting rule not shown to be broken."""
    return Rule("shown_loss" if question.tier == "supporting" else "loss", -question.margin, unit(question))


def preferred_rule() -> Rule:
    """The judge prefers the candidate, by however little."""
    return Rule("preferred", 0.0, "score")


def slices_rule(question: Question, parts: int) -> Rule:
    """The same of every slice, or of every kind of edge cases."""
    names: tuple[RuleName, RuleName] = (
        ("edge_cases", "shown_edge_cases") if question.of_edges else ("slices", "shown_slices")
    )
    return Rule(names[question.tier == "supporting"], -question.margin, unit(question), parts)


def unit(question: Question) -> str:
    """That of a comparison's differences."""
    return "relative" if question.relative else "score"


def numbers(comparison: Comparison) -> Measured:
    """What a comparison measured, as the numbers of a gate."""
    return Measured(comparison.difference, comparison.low, comparison.high, comparison.n)
