"""Says comparisons, rules and gates in words: the numbers for those who know them, a sentence for everyone else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.config.base import Tier
from harness.decision.compare import CLUSTERED, GAINS, Comparison, Question
from harness.decision.gates import Gate, Kind, Measured, Rule, RuleName, Status
from harness.decision.room import at_floor, is_generous
from harness.stats import power
from harness.stats.spending import level_of_look, spent_at
from reports.format import numbers
from reports.format.numbers import percent, span
from suites.metrics.table import of_judge


class Wording(NamedTuple):
    """What a rule is called in tables (empty: by what it is about), and what it asks, its number at `{limit}`."""

    title: str
    asks: str


RULES: dict[RuleName, Wording] = {
    "gain": Wording("gain over the best prompt", "more than {limit}"),
    "as_good": Wording("as good as the best prompt", "no worse than {limit}"),
    "saving": Wording("saving beside the best prompt", "at least {limit} less per 1,000 requests"),
    "every_prompt": Wording("every prompt", "above 0 over each other ({parts})"),
    "each_prompt": Wording(
        "every prompt", "above 0 over each other ({parts}), or no worse than {limit} and cheaper by what was asked"
    ),
    "seeds": Wording("gain over training seeds", "more than {limit}"),
    "seeds_as_good": Wording("as good over training seeds", "no worse than {limit}"),
    "task_missing": Wording("gain over the best prompt", "a task suite decides"),
    "loss": Wording("", "no worse than {limit}"),
    "shown_loss": Wording("", "not shown worse than {limit}"),
    "slices": Wording("slices", "none of {parts} worse than {limit}"),
    "shown_slices": Wording("slices", "none of {parts} shown worse than {limit}"),
    "edge_cases": Wording("edge cases", "none of {parts} kinds worse than {limit}"),
    "shown_edge_cases": Wording("edge cases", "none of {parts} kinds shown worse than {limit}"),
    "together": Wording(
        "regression suites together", "mean of {parts} no worse than {limit}, none seen beyond its own margin"
    ),
    "regression_missing": Wording("regression", "every regression suite is no worse than its margin"),
    "latency": Wording("latency", "95% of requests within {limit}"),
    "cost": Wording("cost", "at most {limit} per 1,000 requests"),
    "frozen": Wording("frozen", "the experiment file and its data are as they were frozen"),
    "data": Wording("data", "no blocking finding"),
    "weights": Wording("weights", "every weight is finite"),
    "adapter": Wording("adapter", "the adapter changes the model's outputs"),
    "candidate": Wording("candidate", "the candidate is not the base"),
    "answered": Wording("answered", "at most {limit} without a score"),
    "failures": Wording("failures", "both sides fail equally often, within chance"),
    "room_to_answer": Wording(
        "room to answer", "at most {limit} of the best prompt's answers are cut at the limit of new tokens"
    ),
    "comparable": Wording("comparable", "same examples, marking, settings, template, engine and dtype"),
    "own_prompt": Wording("own prompt", "the candidate is asked with the prompt it was trained on"),
    "held": Wording("held", "no answer is other than what it was held to"),
    "fresh_exam": Wording("fresh exam", "questions are looked at at most {limit} times, each at its own level"),
    "plausible": Wording("plausible", "a gain above {limit} asks for a leak audit first"),
    "constant_answers": Wording("constant answers", "both sides do better than one answer given to everything"),
    "aligned": Wording("aligned", "answers fit their own rows better than the rows beside them"),
    "prompts_tried": Wording("prompts tried", "more than one prompt is tried"),
    "shots_tried": Wording("shots tried", "a prompt that shows examples is tried"),
    "lesson_tried": Wording("training prompt tried", "the base is asked with the prompt that the fine-tune learnt"),
    "prompts_left_out": Wording("prompts left out", "at most {limit} of a prompt's answers without a score"),
    "floor": Wording("prompt at the floor", "the best prompt is shown better than one answer given to everything"),
    "copied": Wording("copying a row", "both sides do better than the answer of the nearest training row"),
    "lenient": Wording("lenient reading", "a lenient reading takes back at most {limit}"),
    "form": Wording("form alone", "at most {limit} of the answers differ from their target in form alone"),
    "thinking": Wording(
        "thinking", "at most {limit} of the answers come after thinking, which is taken off and not marked"
    ),
    "preferred": Wording("preferred by the judge", "above {limit}"),
    "unseen_exam": Wording("unseen exam", "a deploy stands without the test examples that training has seen"),
}


@dataclass(frozen=True, slots=True)
class GateInWords:
    """A gate as tables, records and the store have it: its sentences beside its numbers, in the rule's `unit`."""

    gate_id: str
    kind: Kind
    tier: Tier
    status: Status
    name: str
    rule: str
    measured: str
    threshold: float | None
    unit: str
    value: float | None
    low: float | None
    high: float | None
    n: int | None


def in_words(gate: Gate) -> GateInWords:
    """What a gate asks and what was measured, said."""
    return GateInWords(
        gate_id=gate.id,
        kind=gate.kind,
        tier=gate.tier,
        status=gate.status,
        name=title(gate),
        rule=rule_sentence(gate.rule),
        measured=measured_sentence(gate),
        threshold=gate.rule.limit,
        unit=gate.rule.unit,
        value=gate.measured.value,
        low=gate.measured.low,
        high=gate.measured.high,
        n=gate.measured.n,
    )


def title(gate: Gate) -> str:
    """What a gate is called in tables and sentences: its rule, or the suite or metric that may not get worse."""
    return RULES[gate.rule.name].title or (subject(gate.comparison) if gate.comparison else gate.id)


def subject(question: Question) -> str:
    """What a comparison is about, in a word."""
    if question.of_bar:
        return f"{question.suite} against {question.baseline_arm}"
    return {"metric": question.metric, "judge": "judge", "slice": question.slice}.get(question.kind, question.suite)


def rule_sentence(rule: Rule) -> str:
    """What a rule asks, with its number."""
    limit = "" if rule.limit is None else _in_units(rule, rule.limit)
    return RULES[rule.name].asks.format(limit=limit, parts=rule.parts)


def _in_units(rule: Rule, value: float) -> str:
    """A rule's number as people write it. A limit on a share is as exact as it needs to be to be seen."""
    match rule.unit:
        case "relative":
            return f"{value:+.1%}"
        case "score":
            return f"{numbers.limit_points(value)} points"
        case "s":
            return f"{value * 1000:g} ms" if value < 1 else f"{value:g} s"
        case "share":
            return f"{value:.0%}" if rule.name == "room_to_answer" else f"{value:.1%}"
        case "count":
            return f"{value:.0f}"
        case "" | "p" | "logit":
            return f"{value:g}"
    return f"{value:g} {rule.unit}"


def measured_sentence(gate: Gate) -> str:
    """What was measured: value, interval and n, then what numbers do not say, or what would settle an open rule."""
    if gate.kind == "budget" and gate.measured.value is not None:
        return _budget(gate)
    if gate.rule.name == "saving" and gate.measured.value is not None:
        return _saving(gate)
    if gate.id == "seeds" and gate.measured.value is not None:
        return _seeds(gate)
    if gate.comparison is None or gate.measured.words:
        return gate.measured.words
    sentence = measured(gate.comparison)
    if (gate.kind == "harm" or gate.rule.name == "as_good") and (room := room_sentence(gate)):
        return f"{sentence}; {room}"
    return f"{sentence}; {settle(gate.comparison)}" if gate.status == "unknown" else sentence


def _seeds(gate: Gate) -> str:
    measured = gate.measured
    words = f"; {measured.words}" if measured.words else ""
    return f"{_over_seeds(gate)}, {measured.n} seeds{words}"


def _over_seeds(gate: Gate) -> str:
    """What the seeds gain together, with its interval, in points or as a share of the baseline's score."""
    measured, relative = gate.measured, gate.rule.unit == "relative"

    def shown(value: float) -> str:
        return _difference(value, relative)

    return f"{shown(measured.value or 0.0)}{_unit(relative)}{span(measured.low, measured.high, shown)}"


def over_seeds(gate: Gate) -> str:
    """What the seeds gain together, as the beginning of a sentence."""
    return f"Over {gate.measured.n} training seeds the gain is {_over_seeds(gate)}"


def room_sentence(gate: Gate) -> str:
    """What a rule about a loss could not have shown, and what to do; or that it allows most of what could be lost."""
    c = gate.comparison
    if c is None or c.floor is None or c.baseline is None or gate.status == "fail":
        return ""
    whose = c.baseline_arm if c.of_bar else "the base" if c.kind == "regression" else "the best prompt"
    had = f"{whose} scores {c.baseline:.1%} and knowing nothing {c.floor:.1%}"
    if gate.status == "unknown" and at_floor(c):
        unseen = f"{had}, so that a loss of {points(c, abs(c.margin)).lstrip('+')}{_unit(c.relative)} could not be seen"
        if c.may_lose:
            return f"{unseen}; mend the prompt, or set a smaller margin: to be as good as nothing says nothing"
        unseen += " and nothing is known of forgetting" if c.kind == "regression" else ""
        return f"{unseen}; ask what the base can do, set a smaller margin, or leave it out"
    if not is_generous(c):
        return ""
    return f"{had}: the margin is more than half of what could be lost"


def in_money(value: float, currency: str) -> str:
    """An amount of a currency."""
    return f"{numbers.amount(value)} {currency}"


def _saving(gate: Gate) -> str:
    return f"{_saved(gate)}, n={gate.measured.n:,}{f'; {gate.measured.words}' if gate.measured.words else ''}"


def _saved(gate: Gate) -> str:
    """What is saved, with its interval: a share of what the prompt costs, or an amount."""
    measured = gate.measured

    def shown(value: float) -> str:
        return f"{value:.1%}" if gate.rule.unit == "share" else numbers.amount(value)

    unit = "" if gate.rule.unit == "share" else f" {gate.rule.unit}"
    return f"{shown(measured.value or 0.0)}{unit}{span(measured.low, measured.high, shown)}"


def saved_sentence(gate: Gate) -> str:
    """What a candidate saves beside the best prompt, as a sentence; what is missing, where that is not known."""
    asked = rule_sentence(gate.rule)
    if gate.measured.value is None:
        return f"Whether it is cheaper is not known: {gate.measured.words}; asked for: {asked}."
    costs = f" ({amounts})" if (amounts := gate.measured.words.partition(";")[0]) else ""
    return f"Per 1,000 requests it saves {_saved(gate)}{costs}; asked for: {asked.removesuffix(PER_REQUESTS)}."


PER_REQUESTS = " per 1,000 requests"


def _budget(gate: Gate) -> str:
    measured, value = gate.measured, gate.measured.value or 0.0
    if gate.rule.unit == "s":
        shown = numbers.in_time(value, measured.low, measured.high)
    else:
        shown = f"{numbers.amount(value)} {gate.rule.unit}{span(measured.low, measured.high, numbers.amount)}"
    sentence = f"{shown}, n={measured.n:,}"
    return f"{sentence}; {measured.words}" if measured.words else sentence


def measured(c: Comparison) -> str:
    """A comparison in threes: value, interval, n."""
    if c.n == 0:
        return f"no example has a score on both sides ({c.n_unscored} without)"
    value = "no ratio to a score of 0" if c.difference is None else f"{amount(c, c.difference)}{_unit(c.relative)}"
    ends = ["…" if end is None else amount(c, end) for end in (c.low, c.high)]
    interval = "no interval" if c.low is None and c.high is None else f"[{ends[0]}, {ends[1]}]"
    clusters = f" in {c.n_clusters:,} clusters" if c.n_clusters < CLUSTERED * c.n else ""
    raw = "" if c.as_judged is None else f"{numbers.points(c.as_judged)} points"
    judged = f"; as judged {raw}" if raw and raw != value else ""
    return f"{value} {interval}, n={c.n:,}{clusters}{_missing(c)}{judged}"


def _missing(c: Comparison) -> str:
    """How many marks are missing, and what the interval is whatever they are; empty where none is."""
    if not c.n_unscored:
        return ""
    if c.low_missing is None or c.high_missing is None:
        return f", {c.n_unscored:,} unscored, which could be worth anything"
    low, high = amount(c, c.low_missing), amount(c, c.high_missing)
    return f"; with the {c.n_unscored:,} missing marks at their worst from {low}, at their best to {high}"


def hangs_on_missing(c: Comparison) -> bool:
    """Whether the marks that are there settle what those that are missing leave open."""
    limit = c.margin if c.kind in GAINS else -c.margin
    above = c.low is not None and (c.low > limit or (c.kind not in GAINS and c.low == limit))
    below = c.high is not None and c.high <= limit
    return bool(c.n_unscored) and (above or below)


def amount(c: Question, value: float) -> str:
    """A difference as the rule states it: in points, or as a share of the baseline's score; without its unit."""
    return _difference(value, c.relative)


def _difference(value: float, relative: bool) -> str:
    return f"{value:+.1%}" if relative else numbers.points(value)


def _unit(relative: bool) -> str:
    return "" if relative else " points"


def settle(c: Comparison) -> str:
    """What would close an open comparison: how many more clusters or examples, over what the difference may be."""
    if c.n == 0:
        return "no example has a score on both sides"
    if c.untrusted:
        return f"the judge is not trusted, so that nothing is shown{f': {c.untrusted}' if c.kind == 'task' else ''}"
    if c.n_clusters < 2:
        return "it takes examples of more than one cluster"
    if hangs_on_missing(c):
        return f"it hangs on the {c.n_unscored:,} marks that are missing: get those, more examples settle nothing"
    if c.difference is None or c.sd is None:
        return "a score near 0 allows no ratio; state the margin as a difference"
    return _more_examples(c)


def _more_examples(c: Comparison) -> str:
    """How many more, at the level of the next look at these questions; or how many that nobody has looked at."""
    limit, level = c.margin if c.kind in GAINS else -c.margin, level_of_look(c.look + 1, c.confidence)
    more, fresh = (
        power.more_needed(c.difference or 0.0, limit, c.sd or 0.0, c.n, c.n_clusters, confidence=at)
        for at in (level, c.confidence)
    )
    anew = [c.n_clusters + count for count in (fresh.least, fresh.most) if count is not None]
    look = (
        f"as the next look, at {percent(spent_at(c.look + 1, c.confidence))} a side; or {_of(c, anew, 'fresh')} at "
        f"{percent(spent_at(1, c.confidence))}"
    )
    if more.most is not None:
        ends = dict.fromkeys(amount(c, end) for end in (more.nearest, more.furthest))
        lies = f"{'between ' * (len(ends) > 1)}{' and '.join(ends)}{_unit(c.relative)}"
        return f"about {_of(c, (more.least, more.most), 'more')} would settle it if the difference is {lies}, {look}"
    seen = f" ({some(more.as_seen)} if it is what it looks like)" if more.as_seen else ""
    return (
        f"at least about {_of(c, (more.least,), 'more')} would settle it{seen}, {look}; none do if it lies at the limit"
    )


def _of(c: Comparison, counts: Sequence[int], kind: str) -> str:
    """So many examples of a kind; where they come in clusters, so many of those."""
    if c.n_clusters == c.n:
        return f"{_span(counts)} {kind} examples"
    rows = [round(count * c.n / c.n_clusters) for count in counts]
    return f"{_span(counts)} {kind} clusters (some {_span(rows)} examples)"


def _span(counts: Sequence[int]) -> str:
    return " to ".join(some(count) for count in sorted({min(roughly(count), MANY + 1) for count in counts}))


MANY = 1_000_000
"""More examples than any exam will have: no number beyond it says more."""


def some(count: int) -> str:
    """A count that was worked out from an estimate, in words."""
    return f"{roughly(count):,}" if count <= MANY else f"over {MANY:,}"


def roughly(count: int) -> int:
    """A count that was worked out from an estimate, rounded up to two digits; at least 1."""
    unit = int("1" + "0" * (len(str(max(count, 1))) - 2))
    return max(-(-count // unit) * unit, 1)


def result(task: Comparison) -> str:
    """The task's result as one sentence anyone can read."""
    if task.baseline is None or task.candidate is None:
        return "No test example has a score on both sides."
    interval = ""
    if task.low is not None or task.high is not None:
        interval = f"{percent(task.level)} interval {ends(task)}, "
    if of_judge(task.metric):
        return _preferred(task, interval)
    metric = task.metric.removeprefix("recorded:").replace("_", " ")
    who = f"{'The ' * task.candidate_arm.startswith('candidate')}{task.candidate_arm}"
    sentence = (
        f"{who} {_more(task.candidate - task.baseline)} the best prompt ({task.baseline_arm}) on "
        f"{metric}: {task.candidate:.1%} against {task.baseline:.1%}, {interval}n = {task.n:,}."
    )
    if task.candidate == task.baseline == 0:
        sentence += " Neither gets a single example right: read their answers before anything else."
    return sentence


def _preferred(task: Comparison, interval: str) -> str:
    """The result of a task that a judge decides: in people's eyes, or in its own where it is not trusted."""
    whose = "In the judge's eyes" if task.untrusted else "In people's eyes, as far as the judge tells,"
    return (
        f"{whose} {task.candidate_arm} wins {task.candidate or 0.0:.1%} of the pairs with the best prompt "
        f"({task.baseline_arm}), ties as half: {amount(task, task.difference or 0.0)}{_unit(task.relative)} "
        f"of wins minus losses, {interval}n = {task.n:,}."
    )


def beside_every_prompt(gate: Gate) -> str:
    """How the candidate stands to the prompts that were not chosen, as a sentence; empty where nothing is measured."""
    c, others = gate.comparison, gate.rule.parts or 0
    if gate.status == "pass" and gate.rule.name == "each_prompt":
        each = "The other prompt" if others == 1 else f"Each of the {others} other prompts"
        return f"{each} is shown to be worse on the test, or no better beyond your margin and dearer by what you asked."
    if gate.status == "pass":
        return f"It is shown better than each of the {others + 1} prompts on the test."
    if c is None or c.baseline is None or c.candidate is None:
        return ""
    interval = "" if c.low is None and c.high is None else f", {percent(c.level)} interval {ends(c)}"
    return (
        f"Of the {others + 1} prompts {c.baseline_arm} is the hardest to beat on the test: {c.candidate_arm} "
        f"{_beside(c)}{interval}."
    )


def _beside(c: Comparison) -> str:
    """How the candidate does beside one prompt."""
    if c.baseline is None or c.candidate is None:
        return ""
    if of_judge(c.metric):
        return f"wins {c.candidate:.1%} of the pairs with it, ties as half"
    return f"{_more(c.candidate - c.baseline)} it, {c.candidate:.1%} against {c.baseline:.1%}"


def lost_points(c: Comparison) -> str:
    """A loss in points, without its sign."""
    if c.baseline is None or c.candidate is None:
        return "some"
    return f"{(c.baseline - c.candidate) * 100:.1f} points"


def lost(c: Comparison) -> str:
    """A shown loss as one phrase anyone can read."""
    name = "the judge's preference" if c.kind == "judge" else subject(c)
    if c.baseline is None or c.candidate is None:
        return name
    return (
        f"{lost_points(c)} on {name} ({c.candidate:.1%} after {c.baseline:.1%}; "
        f"allowed: {points(c, c.margin).lstrip('+')})"
    )


def mean_sentence(rule: Rule, mean: Measured) -> str:
    """The mean difference of several suites in threes."""
    value, low, high = (numbers.points(number or 0.0) for number in (mean.value, mean.low, mean.high))
    return f"{value} points [{low}, {high}], n={mean.n:,} in {rule.parts} suites"


def lost_together(gate: Gate) -> str:
    """A shown loss of the mean of several suites as one phrase anyone can read."""
    loss, allowed = -(gate.measured.value or 0.0), -(gate.rule.limit or 0.0)
    return f"{loss * 100:.1f} points on average over {gate.rule.parts} regression suites (allowed: {allowed * 100:.1f})"


def ends(c: Comparison) -> str:
    """Both ends of the interval in points, or as shares of the baseline's score."""
    low, high = ("no limit" if end is None else points(c, end) for end in (c.low, c.high))
    return f"{low} to {high}"


def points(c: Question, value: float) -> str:
    """A difference in percentage points, or as a share of the baseline's score, with its sign."""
    return f"{value:+.1%} of the prompt's score" if c.relative else f"{value * 100:+.1f}"


def _more(difference: float) -> str:
    if difference == 0:
        return "scores the same as"
    return f"scores {abs(difference) * 100:.1f} points {'more' if difference > 0 else 'fewer'} than"
