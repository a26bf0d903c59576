"""What `harness judge audit` prints: each judge's standing, what was measured, the people, and what to label next."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.files import FileAudit
from harness.judge.people import InTheirPlace, Person
from harness.judge.verdict_files import Audit
from harness.observe import tables
from harness.observe.tables import plain, print_table
from harness.store.judging import Measure
from reports.format.numbers import span

LINES = {
    "agreement": "agrees with the majority",
    "kappa": "the same beyond chance (Cohen's kappa)",
    "agreement_verdict": "each verdict by itself with the majority",
    "agreement_person": "agrees with one person",
    "people_agree": "people agree with each other",
    "people_kappa": "the same beyond chance (Fleiss' kappa)",
    "people_alpha": "the same (Krippendorff's alpha)",
    "flip_rate": "says something else when the order is turned",
    "first_slot": "prefers the first slot (50% is fair)",
    "longer": "prefers the longer answer (ties as half)",
    "longer_when_tied": "the same where people see no better one",
    "longer_judge": "the same on labelled pairs, both orders",
    "longer_people": "people prefer the longer answer of these",
    "longer_more": "the judge more often than people, by",
    "ties": "ties",
    "unread": "could not be read",
    "slope": "what is left of people's preference",
    "pull": "what a longer answer adds",
}
SCORES = {
    "agreement": "puts two answers into people's order",
    "spearman": "correlates with people's mean (Spearman)",
    "pearson": "correlates with people's mean (Pearson)",
    "krippendorff": "Krippendorff's alpha with people's mean",
    "krippendorff_all": "Krippendorff's alpha as one of the people",
    "people_alpha": "Krippendorff's alpha of the people",
    "mean_difference": "scores higher than people by",
    "unread": "could not be read",
}
NO_SHARES = (
    "kappa", "people_kappa", "people_alpha", "slope", "pull", "spearman", "pearson", "krippendorff",
    "krippendorff_all", "mean_difference",
)  # fmt: skip
"""Measures that are printed as they are, not in percent."""


def show_audit(found: FileAudit, agreement: float) -> None:
    """Print an audit to stdout; `agreement` is the share of labels that a trusted judge agrees with."""
    lines = SCORES if found.graded else LINES
    console = tables.console()
    several = len(found.judges) > 1
    if several:
        _all_judges(found, lines)
        print()
    for each in found.judges:
        console.print(plain(sentence(each, agreement), "bold"))
        print()
        if not several:
            measured = each.measured()
            rows = [(text, measured[name]) for name, text in lines.items() if name in measured]
            print_table(["measured", "value", "n"], [[text, value(m), f"{m.n:,}"] for text, m in rows if m.n])
            print()
        _people(each.people)
        for line in _place(each.in_their_place, several=bool(each.people)):
            console.print(plain(line))
    for remark in found.remarks:
        console.print(plain(f"mind: {remark}", "yellow"))
    _next(found)


def sentence(each: Audit, agreement: float) -> str:
    """A judge's standing, the rule that says so, and what would make it trusted."""
    stands = each.trust
    if stands.standing == "trusted":
        return (
            f"{each.judge}: trusted; its agreement is shown to be {agreement:.0%} or more, and every other rule holds"
        )
    labels = f"; {each.labels.told}" if each.labels else ""
    return f"{each.judge}: {stands.standing}; {stands.reason}{labels}"


def value(measure: Measure) -> str:
    """A measured value with its interval."""
    if measure.value is None:
        return "not defined"
    shown = "{:.3f}" if measure.name in NO_SHARES else "{:.1%}"
    return f"{shown.format(measure.value)}{span(measure.low, measure.high, shown.format)}"


def _all_judges(found: FileAudit, lines: dict[str, str]) -> None:
    """A line for each judge, with what differs between them."""
    names = ("agreement", "spearman", "mean_difference", "unread") if found.graded else (
        "agreement", "kappa", "flip_rate", "first_slot", "longer", "unread",
    )  # fmt: skip
    heads = {"agreement": "agrees", "flip_rate": "turns", "first_slot": "first slot", "mean_difference": "higher by"}
    rows = []
    for each in found.judges:
        measured = each.measured()
        cells = [value(measured[name]) if measured[name].n else "" for name in names]
        rows.append([each.judge, *cells, each.trust.standing])
    print_table(["judge", *(heads.get(name, name) for name in names), "standing"], rows)


def _people(people: Sequence[Person]) -> None:
    if not people:
        return
    rows = [
        [each.annotator or "(not named)", f"{each.agreement.n:,}", value(each.agreement), value(each.kappa),
         value(each.with_others) if each.with_others.n else ""]
        for each in people
    ]  # fmt: skip
    beyond = "Spearman" if people[0].kappa.name == "spearman" else "kappa"
    print_table(["person", "n", "the judge agrees", beyond, "agrees with the others"], rows)
    print()


def _place(found: InTheirPlace, *, several: bool) -> list[str]:
    """The alternative annotator test in words."""
    if not found.tests:
        return [f"in a person's place: not tested; {found.reason}", ""] if several else []
    few = "; its authors ask for three people" if found.people < 3 else ""
    lines = [f"in a person's place: matches the others as well as a person or better in {value(found.advantage)}{few}"]
    for test in found.tests:
        word = "may stand in" if test.passes else "may not"
        rate = f"{len(test.wins_over)} of {found.people} (winning rate {test.winning_rate:.2f})"
        lines.append(f"  worse by less than {test.epsilon:.2f}, shown beside {rate}: {word}")
    return [*lines, ""]


def _next(found: FileAudit) -> None:
    if not found.next:
        return
    print_table(["label next", "because"], [[each.id, each.because] for each in found.next])
    listed = len(found.next)
    if found.unlabelled > listed:
        print(f"{found.unlabelled:,} have no label: --next {found.unlabelled} lists all")
