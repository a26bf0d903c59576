"""Answers that changed, as kinds of mistakes: which are how frequent, and which single ones show different kinds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST_LABEL = 40  # characters; a longer answer is no name of a kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An example that one side answered better, without what was asked."""

    kind: str
    suite: str
    example_id: str
    target: str
    slices: str
    baseline_value: float
    baseline_text: str
    candidate_value: float
    candidate_text: str

    @property
    def is_worse(self) -> bool:
        """Whether the candidate lost here."""
        return self.candidate_value < self.baseline_value

    @property
    def mistake(self) -> str:
        """What is wrong with the answer that is worse: the candidate's or, where it gained, the prompt's."""
        return mistake(self.target, self.candidate_text if self.is_worse else self.baseline_text)

    @property
    def parts(self) -> list[str]:
        """The slices it lies in, as `name=value`."""
        return [f"{name}={value}" for name, value in json.loads(self.slices or "{}").items()]


def mistake(target: str, answer: str) -> str:
    """What a wrong answer gives for what was wanted: `wanted → answered`, the fields that differ, or how it fails."""
    wanted, given = target.strip(), answer.strip()
    if not given:
        return "no answer"
    fields = _object(wanted)
    if fields is not None:
        said = _object(given)
        return "not a JSON object" if said is None else _differing(fields, said)
    if max(len(wanted), len(given)) > LONGEST_LABEL or "\n" in wanted + given:
        return "other words"
    return f"{wanted} → {given}" if wanted != given else "the same words"


def _object(text: str) -> dict[str, object] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _differing(wanted: dict[str, object], given: dict[str, object]) -> str:
    """The fields that differ; of a single one with its values, where those are short."""
    names = [name for name in {**wanted, **given} if wanted.get(name) != given.get(name)]
    if len(names) != 1:
        return ", ".join(names) or "other spelling"
    values = [str(wanted.get(names[0], "nothing")), str(given.get(names[0], "left out"))]
    return names[0] if max(map(len, values)) > LONGEST_LABEL else f"{names[0]}: {values[0]} → {values[1]}"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many answers of one kind, or of one part of an exam, got worse and better."""

    suite: str
    name: str
    worse: int
    better: int


def by_mistake(changed: Sequence[Changed]) -> list[Tally]:
    """Kinds of mistakes that were made more than once, those that became more frequent first."""
    tallies = _tallied((row, row.mistake) for row in changed)
    return [tally for tally in tallies if tally.worse + tally.better > 1]


def by_part(changed: Sequence[Changed]) -> list[Tally]:
    """The parts of the exams, those that lost most first."""
    return _tallied((row, part) for row in changed for part in row.parts)


def _tallied(named: Iterator[tuple[Changed, str]]) -> list[Tally]:
    counts = Counter((row.suite, name, row.is_worse) for row, name in named)
    tallies = [
        Tally(suite, name, counts[suite, name, True], counts[suite, name, False])
        for suite, name in dict.fromkeys((suite, name) for suite, name, _ in counts)
    ]
    return sorted(tallies, key=lambda t: (t.better - t.worse, -t.worse, t.suite, t.name))


def clearest(changed: Sequence[Changed], most: int) -> list[Changed]:
    """The largest changes; among equal ones of as many kinds as there are, the most frequent kind first."""
    sizes, ranked = Counter(row.mistake for row in changed), []
    seen: Counter[tuple[float, str]] = Counter()
    for row in sorted(changed, key=lambda row: row.example_id):
        size, kind = abs(row.candidate_value - row.baseline_value), row.mistake
        ranked.append(((-size, seen[size, kind], -sizes[kind], row.example_id), row))
        seen[size, kind] += 1
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])[:most]]
