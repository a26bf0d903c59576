"""What is told of a mistake stays readable, however much somebody gave."""

from __future__ import annotations

import pytest

from suites.errors import LONGEST_LINE, MOST_LINES, UserError, cut_lines


@pytest.mark.parametrize(("length", "whole"), [(LONGEST_LINE, True), (LONGEST_LINE + 1, False)])
def test_a_line_is_told_whole_up_to_its_limit(length: int, whole: bool) -> None:
    line = "ab" * (length // 2) + "c" * (length % 2)
    told = cut_lines(f"first\n{line}\nlast").split("\n")
    assert (told[0], told[2]) == ("first", "last")
    assert (told[1] == line) is whole
    assert len(told[1]) <= LONGEST_LINE + len(" ... ")


@pytest.mark.parametrize(("count", "told"), [(MOST_LINES, MOST_LINES), (MOST_LINES + 1, MOST_LINES + 1)])
def test_so_many_lines_are_told_and_the_others_counted(count: int, told: int) -> None:
    error = UserError("\n".join(f"row {i}" for i in range(count)), "a.csv", "mend them")
    lines = str(error).split("\n")
    assert lines[-2:] == ["  where: a.csv", "  fix:   mend them"]
    assert len(lines) - 2 == told
    assert lines[MOST_LINES] == ("  where: a.csv" if count == MOST_LINES else "  ... and 1 line more")
