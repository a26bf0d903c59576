"""Answers that changed are told by kinds of mistakes first, and the single ones shown are of different kinds."""

from __future__ import annotations

import pytest

from reports.changes import Changed, by_mistake, by_part, clearest, mistake


def changed(example_id: str, target: str, answer: str, *, worse: bool = True, slices: str = "{}") -> Changed:
    """A right answer that became wrong, or a wrong one that became right."""
    values, texts = ((1.0, 0.0), (target, answer)) if worse else ((0.0, 1.0), (answer, target))
    return Changed(
        kind="task", suite="test", example_id=example_id, target=target, slices=slices,
        baseline_value=values[0], candidate_value=values[1], baseline_text=texts[0], candidate_text=texts[1],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "answer", "kind"),
    [
        ("yes", " ", "no answer"),
        ("billing", "sales", "billing → sales"),
        ("billing", " sales\n", "billing → sales"),
        ("yes", "yes", "the same words"),
        ("yes", "y" * 40, f"yes → {'y' * 40}"),
        ("yes", "y" * 41, "other words"),
        ("yes", "it is\nyes", "other words"),
        ('{"team": "a", "late": true}', '{"team": "b", "late": true}', "team: a → b"),
        ('{"team": "a", "late": true}', '{"team": "b", "late": false}', "team, late"),
        ('{"team": "a"}', "{}", "team: a → left out"),
        ('{"team": "a"}', '{"team": "a", "late": true}', "late: nothing → True"),
        ('{"team": "a"}', '{ "team":"a" }', "other spelling"),
        ('{"team": "a"}', "the team is a", "not a JSON object"),
        ('{"team": "a"}', '{"team": "a"', "not a JSON object"),
        ('{"text": "short"}', '{"text": "' + "long " * 20 + '"}', "text"),
    ],
)
def test_a_mistake_is_what_was_answered_for_what_was_wanted(target: str, answer: str, kind: str) -> None:
    assert mistake(target, answer) == kind


def test_kinds_that_became_more_frequent_come_first_and_single_ones_are_left_out() -> None:
    rows = [changed(f"w{i}", "a", "b") for i in range(3)] + [changed("one", "a", "c")]
    rows += [changed(f"g{i}", "b", "a", worse=False) for i in range(5)]
    assert [(t.name, t.better, t.worse) for t in by_mistake(rows)] == [("a → b", 0, 3), ("b → a", 5, 0)]


def test_an_answer_counts_in_every_part_it_lies_in() -> None:
    rows = [
        changed("1", "a", "b", slices='{"plan": "gold", "lang": "de"}'),
        changed("2", "a", "b", slices='{"plan": "gold", "lang": "en"}', worse=False),
    ]
    told = [(t.name, t.better, t.worse) for t in by_part(rows)]
    assert told == [("lang=de", 0, 1), ("plan=gold", 1, 1), ("lang=en", 1, 0)]


def test_what_is_shown_is_of_as_many_kinds_as_there_are_the_most_frequent_first() -> None:
    rows = [changed(f"b{i}", "a", "b") for i in range(5)] + [changed(f"c{i}", "a", "c") for i in range(2)]
    assert [row.example_id for row in clearest([*rows, changed("d", "a", "d")], 5)] == ["b0", "c0", "d", "b1", "c1"]
