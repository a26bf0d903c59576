"""What the judge's word rests on."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.numbers import span
from reports.format.text import cell, table
from reports.rows import JudgeMeasureRow
from suites.metrics.table import of_judge

MEASURES = {
    "agreement": "agrees with the labelled pairs",
    "kappa": "the same beyond chance (Cohen's kappa)",
    "agreement_person": "agrees with one of the people who labelled a pair",
    "people_agree": "people agree with each other on these, which is the ceiling of the line above",
    "people_kappa": "the same beyond chance (Fleiss' kappa)",
    "people_alpha": "the same (Krippendorff's alpha)",
    "consistency": "says the same in both orders",
    "first_slot": "prefers whatever is shown first (50% is fair)",
    "metric_agreement": "is right where the task's own metric tells the answers apart",
    "readable": "verdicts that could be read",
    "longer_judge": "prefers the longer answer of the labelled pairs (ties count half)",
    "longer_people": "people prefer the longer answer of the same pairs",
    "longer_more": "prefers the longer answer more often than people by",
    "slope": "what is left of people's preference in its own",
    "pull": "what a longer answer adds to its preference",
    "candidate_longer": "pairs of the exam in which the candidate's answer is the longer one",
    "judged": "pairs of the exam that were drawn at random to be judged",
    "first_judged": "pairs of the exam about which the first judge was asked",
    "strong_judged": "of them: about which the judge itself was asked",
    "first_alone": "first judge prefers one answer in both orders",
    "first_right": "its preference is the judge's, of pairs drawn at random to ask both",
    "win_rate": "candidate's win rate, as judged (ties count half)",
    "win_rate_length": "the same at equal length, as judged",
    "win_rate_corrected": "the same in people's eyes, by its errors on labelled pairs (linear error model)",
    "win_rate_rates": "the same by its two error rates alone (Rogan and Gladen)",
    "win_rate_labelled": "the same by people's word on a random part of these pairs (PPI++)",
    "tokens": "tokens of its verdicts, read and written, those on record too",
    "cost": "what they cost",
    "first_tokens": "tokens of the first judge's verdicts, read and written, those on record too",
    "first_cost": "what those cost",
    "canaries": "falls for traps made of the exam's own answers",
    "canary/empty": "of them: an empty answer",
    "canary/identical": "of them: two equal answers, of which it prefers one",
    "canary/instruction": 'of them: an answer that says "choose this one"',
    "canary/longer": "of them: the same answer three times over",
    "canary/shuffled": "of them: the same words in another order",
}

JUROR = "juror/"
"""What stands before the name of a judge of several, whose agreement with the labelled pairs it is."""

COUNTS = ("tokens", "first_tokens", "first_judged", "strong_judged")
"""Measures that are numbers of something."""
COEFFICIENTS = ("kappa", "slope", "pull", "people_kappa", "people_alpha")
"""Measures that are no shares."""


def section(data: ReportData, pictures: Pictures) -> str:
    """What the judge's word rests on."""
    if not data.judge_measures:
        return ""
    distrust = data.facts.judge
    trust = _standing(data)
    order = list(MEASURES)
    measures = sorted(data.judge_measures, key=lambda one: order.index(one.name) if one.name in order else len(order))
    rows = [[_name(measure), _value(measure), f"{measure.n:,}"] for measure in measures]
    note = (
        "Every pair is shown in both orders; a judge that contradicts itself when the order is turned has said "
        "tie. Equal answers are a tie without asking."
    )
    if not distrust and any(measure.name == "slope" for measure in data.judge_measures):
        note += (
            " The preference that is held against the margin is corrected for its errors and its taste for length, as "
            "the labelled pairs show them; what they leave open is in the interval."
        )
        decided = data.compared("judge") or [row for row in data.compared("task") if of_judge(row.metric)]
        note += "".join(f" What decides is {cell(c.method)}." for c in decided if c.method)
    if any(measure.name == "first_alone" for measure in data.judge_measures):
        note += CASCADE
    note += f" {cell(data.facts.judge_family)}" if data.facts.judge_family else ""
    return f"## The judge\n\n{trust} {note}\n\n{table(['measured', 'value', 'n'], rows)}"


CASCADE = (
    " A first judge was asked about every pair; the judge itself where that one contradicts itself, says tie or cannot "
    "be read, and about a random part of the rest. What is told is the judge's own preference over all pairs, and the "
    "interval knows that it was asked about a part. What it is like itself shows on the pairs drawn at random."
)


def _standing(data: ReportData) -> str:
    """What the judge's word counts for here, and what labels would change of it."""
    decides = any(of_judge(row.metric) for row in data.compared("task"))
    if not data.facts.judge:
        role = "to decide: its preference is the metric that decides" if decides else "to veto"
        return f"The judge is **trusted** {role}."
    standing = data.facts.judge_standing
    if decides:
        standing, means = f"{standing}", ", so that nothing is decided"
    else:
        means = MEANS[standing]
    labels = f" As for labels: {cell(data.facts.judge_labels)}." if data.facts.judge_labels else ""
    return f"The judge is **{cell(standing)}**{means}: {cell(data.facts.judge)}.{labels}"


MEANS = {"trusted": " to veto", "advisory": "", "not used": ", and what it says is no evidence"}


def _name(measure: JudgeMeasureRow) -> str:
    if measure.name.startswith(JUROR):
        return f"{cell(measure.name.removeprefix(JUROR))} alone agrees with the labelled pairs; {cell(measure.note)}"
    return cell(MEASURES[measure.name])


def _value(measure: JudgeMeasureRow) -> str:
    if measure.value is None:
        return "nothing to measure"
    if measure.name in COUNTS:
        return f"{measure.value:,.0f}"
    if measure.name in ("cost", "first_cost"):
        return f"{measure.value:,.2f} {measure.note}"
    shown = "{:.3f}" if measure.name in COEFFICIENTS else "{:.1%}"
    return f"{shown.format(measure.value)}{span(measure.low, measure.high, shown.format)}"
