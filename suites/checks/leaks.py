"""Which inputs stand in more than one place: copies within a split, and exams that were seen in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from suites.checks.labels import shown
from suites.checks.material import CALIBRATION, Material, ids
from suites.data.examples import grouped
from suites.similarity.identity import contradict, telling_columns
from suites.similarity.near_duplicates import near_pairs
from suites.similarity.shared_runs import WORDS, Texts, without_templates
from suites.types import Example, Finding

THRESHOLD = 0.8
How = Literal["same", "near", "words"]
SEEN: Mapping[How, str] = {
    "same": "stand in",
    "near": "are nearly the same as an input of",
    "words": f"share {WORDS} words in a row with",
}

Hits = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Alike:
    """What is alike among the inputs of all sources.

    `hits[how, a, b]` has the positions in `b` of inputs that are like one of `a`, each with a position in `a`. Near and
    word-run hits leave out what is the same already, word-run hits also what is near.
    """

    hits: Mapping[tuple[How, str, str], Hits]
    n_templated: int
    too_short: Mapping[str, int]

    def seen(self, a: str, b: str) -> dict[int, int]:
        """Positions in `b` of inputs that are like one of `a` in any way."""
        return {b_at: a_at for how in SEEN for b_at, a_at in self.hits.get((how, a, b), {}).items()}


def questions(material: Material) -> Iterator[tuple[str, str]]:
    """The (seen before, exam) pairs that must have nothing in common."""
    if "train" in material.splits:
        yield from (("train", name) for name in material.sources if name != "train")
    if "validation" in material.splits and "test" in material.splits:
        yield "validation", "test"


def find_alike(material: Material) -> Alike:
    """Search all sources once. Inputs are compared without the templates that they share, unless wholly the same."""
    searches = list(questions(material))
    pairs = [pair for a, b in searches for pair in ((a, b), (b, a))]
    bare, runs = without_templates(material.plain)
    near = _near(bare, [*pairs, *((name, name) for name in material.splits)])
    hits: dict[tuple[How, str, str], Hits] = {}
    for (a, b), partners in near.items():
        same = hits["same", a, b] = {} if a == b else _same(*_comparable(material, a, b))
        hits["near", a, b] = {at: other for at, other in partners.items() if at not in same}
    for a, b in pairs:
        known = hits["same", a, b].keys() | hits["near", a, b].keys()
        hits["words", a, b] = {at: other for at, other in runs.shared(a, b).items() if at not in known}
    short = {name: sum(text.count(" ") < WORDS - 1 for text in texts) for name, texts in material.plain.items()}
    changed = sum(x != y for name in bare for x, y in zip(bare[name], material.plain[name], strict=True))
    return Alike(hits, changed, short)


def _comparable(material: Material, a: str, b: str) -> tuple[Sequence[str], Sequence[str]]:
    """What two sources are compared by: all that is asked, or the input where one of them shows nothing else."""
    alone = material.asks_input_only(a), material.asks_input_only(b)
    texts = material.inputs if alone in ((True, False), (False, True)) else material.plain
    return texts[a], texts[b]


def _same(before: Sequence[str], exam: Sequence[str]) -> dict[int, int]:
    first: dict[str, int] = {}
    for at, text in enumerate(before):
        first.setdefault(text, at)
    return {at: first[text] for at, text in enumerate(exam) if text in first and text}


def _near(bare: Texts, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[int, int]]:
    """Near-duplicates by (source, source); each distinct text is compared once, for all of them."""
    distinct: dict[str, int] = {}
    text = {name: [distinct.setdefault(plain, len(distinct)) for plain in texts] for name, texts in bare.items()}
    first = {name: np.full(len(distinct), -1) for name in bare}
    for name, numbers in text.items():
        first[name][numbers[::-1]] = np.arange(len(numbers))[::-1]
    partners: dict[tuple[str, str], dict[int, int]] = {}
    for a, b in wanted:  # what is the same once its template is gone
        both = np.flatnonzero((first[a] >= 0) & (first[b] >= 0)).tolist() if a != b else []
        partners[a, b] = {number: int(first[a][number]) for number in both if number != distinct.get("")}
    for one, other in near_pairs(list(distinct), THRESHOLD):
        for a, b in wanted:
            for left, right in ((one, other), (other, one)):
                there = (first[a][left] >= 0) & (first[b][right] >= 0)
                partners[a, b] |= dict(zip(right[there].tolist(), first[a][left[there]].tolist(), strict=True))
    return {(a, b): _by_row(text[b], partner) for (a, b), partner in partners.items()}


def _by_row(numbers: Sequence[int], partner: Mapping[int, int]) -> dict[int, int]:
    """From distinct texts to all the rows that hold them."""
    return {at: partner[which] for at, which in enumerate(numbers) if which in partner}


def overlaps(material: Material) -> list[Finding]:
    """Duplicates within a split, and rows of one exam that training, or the choice of the prompt, has seen."""
    alike = find_alike(material)
    findings = [*_duplicates(material, alike), *_conflicts(material)]
    for before, exam in questions(material):
        for how in SEEN:
            if hits := alike.hits[how, before, exam]:
                name = overlap_name(material, before, exam, how)
                findings.append(_seen(material, before, exam, name, how, hits))
    return [*findings, *_limits(material, alike)]


def overlap_name(material: Material, before: str, exam: str, how: How) -> str:
    """The check that finds what an exam has in common with what was seen before it."""
    kind = exam if exam in material.splits else "calibration" if exam == CALIBRATION else "exam"
    return f"{before}_{kind}_{'overlap' if how == 'same' else how}"


def _seen(material: Material, before: str, exam: str, check: str, how: How, hits: Hits) -> Finding:
    examples = material.sources[exam]
    at, other = min(hits.items())
    pair = f"{_named(examples[at])} and {before} row {_named(material.sources[before][other])}"
    where = "the training set" if before == "train" else f"the {before} set"
    text = f"{len(hits):,} of the {len(examples):,} {exam} inputs {SEEN[how]} {where}, for example {pair}"
    # Labelled pairs only check the judge, which is not trained.
    level: Literal["block", "warn"] = "block" if how == "same" and exam != CALIBRATION else "warn"
    return Finding(level, check, text, ids(examples, list(hits)))


def _duplicates(material: Material, alike: Alike) -> list[Finding]:
    """The same input twice in one split: a training set counts it double, a test set is smaller than it looks."""
    findings = []
    for name, examples in material.splits.items():
        texts = grouped(zip(material.plain[name], (e.id for e in examples), strict=True))
        groups = [rows for text, rows in texts if text and len(rows) > 1]
        if groups:
            extra = sum(len(rows) - 1 for rows in groups)
            text = f"{extra:,} of the {len(examples):,} {name} rows repeat another row's input"
            if differ := telling_columns(examples, material.shown.get(name, ())):
                text += f"; they differ in `{differ[0]}`: a prompt that shows {{{{ {differ[0]} }}}} tells them apart"
            findings.append(Finding("warn", "duplicates", text, tuple(chain(*groups))))
        if near := alike.hits["near", name, name]:
            at, other = min(near.items())
            pair = f"{_named(examples[at])} and {_named(examples[other])}"
            text = f"{len(near):,} of the {len(examples):,} {name} rows are nearly the same as another, such as {pair}"
            findings.append(
                Finding("info" if name == "train" else "warn", "near_duplicates", text, ids(examples, [*near]))
            )
    return findings


def _named(example: Example) -> str:
    return f"{example.id} ({shown(example.input)})"


def _conflicts(material: Material) -> list[Finding]:
    """The same input with different targets: one of them teaches the wrong answer."""
    findings = []
    for name, examples in material.splits.items():
        plain = material.plain[name]
        groups = grouped((text, e) for text, e in zip(plain, examples, strict=True))
        clashing = {text for text, rows in groups if text and contradict(rows)}
        rows = tuple(e.id for text, e in zip(plain, examples, strict=True) if text in clashing)
        if rows:
            inputs = "1 input" if len(clashing) == 1 else f"{len(clashing):,} inputs"
            text = f"{inputs} of the {name} set, {len(rows):,} rows, with different targets"
            findings.append(Finding("warn", "conflicts", text, rows))
    return findings


def _limits(material: Material, alike: Alike) -> list[Finding]:
    """What the search for leaks could not see."""
    searched = [exam for _, exam in questions(material) if material.sources[exam]]
    if not searched:
        return []
    total = sum(len(rows) for rows in material.sources.values())
    findings = []
    if alike.n_templated:
        text = (
            f"{alike.n_templated:,} of {total:,} inputs share a run of {WORDS} words with more than 1% of all; it is "
            "taken for a template and left out of the search for near-duplicates and shared words"
        )
        findings.append(Finding("info", "template", text))
    exam = next((name for name in ("test", "validation") if name in searched), "exam")
    text = f"a paraphrase or a translation of any {exam} input goes unnoticed"
    if short := alike.too_short.get(exam, 0):
        text += (
            f"; so does a copy within a longer training text of the {short:,} of {len(material.splits[exam]):,} that "
            f"have fewer than {WORDS} words"
        )
    return [*findings, Finding("info", "unseen_leaks", text)]
