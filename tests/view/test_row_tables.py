"""Rows on a screen: what gives way where there is little room, and from when on each value has a line."""

from __future__ import annotations

import pytest

from harness.store.examples import Changed
from harness.view.examples import _changes
from harness.view.rows import laid_out, one_line

NAMES = ["id", "text", "also"]
ROW = ["t0001", "a long text " * 5, "another text " * 2]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (200, "t0001 │ a long text a long text a long text a long text a long text  │ another text another text "),
        (60, "t0001 │ a long text a long text… │ another text another te…"),
        (27, "t0001 │ a long … │ another…"),
    ],
)
def test_the_widest_columns_give_way(width: int, line: str) -> None:
    shown = laid_out(NAMES, [ROW], width).splitlines()
    assert shown[2].rstrip() == line.rstrip()
    assert {len(line) for line in shown} == {len(shown[0])}
    assert len(shown[0]) <= width


def test_with_less_room_than_that_each_value_has_a_line() -> None:
    assert laid_out(NAMES, [ROW], 26).splitlines() == ["-- 1 of 1", "id    t0001", f"text  {ROW[1]}", f"also  {ROW[2]}"]


def test_a_firm_column_is_whole_or_there_is_no_table() -> None:
    assert "another text another text " in laid_out(NAMES, [ROW], 50, firm={"also"})
    assert laid_out(NAMES, [ROW], 44, firm={"also"}).startswith("-- 1 of 1")


def test_wide_letters_take_two_cells() -> None:
    shown = laid_out(["id", "text"], [["t1", "日本語" * 10], ["t2", "plain"]], 20).splitlines()
    assert shown[2] == "t1 │ 日本語日本語日…"
    assert shown[3] == "t2 │ plain          "


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""), (0.5, "0.5"), (1 / 3, "0.333333"), (91138.0, "91138"), (1234567.8, "1234568"),
        (float("nan"), "nan"),        ("a\n b\t\x1b[2Jc", "a ⏎ b �[2Jc"), ([1, 2], "[1, 2]"),
    ],
)  # fmt: skip
def test_a_value_is_one_harmless_line(value: object, shown: str) -> None:
    assert one_line(value) == shown


@pytest.mark.parametrize("width", [70, 80, 110, 200])
def test_what_changed_in_a_long_answer_is_on_the_screen(width: int) -> None:
    answers = [f'{{"team": "billing", "priority": "{level}"}}' for level in ("low", "low", "high")]
    what = ("test", "task", "json_match", "t1", "Where is my parcel?" * 9)
    row = Changed(*what, answers[0], None, "few-shot", 1, answers[1], "LoRA", 0, answers[2])
    shown = _changes([row], width)
    assert "low" in shown
    assert "high" in shown
    assert all(len(line) <= width for line in shown.splitlines() if "│" in line)
