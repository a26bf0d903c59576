"""The picture of all differences: what it shows, what it leaves out, and that a name in it is only text."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import fields, replace
from typing import Any

import pytest

from reports.outputs.forest import forest, nice_ticks
from reports.rows import ComparisonRow

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def gain() -> ComparisonRow:
    """A gain on the task of which nothing is known but what a picture shows."""
    known: dict[str, Any] = {
        "kind": "task", "suite": "test", "difference": 0.05, "low": 0.03, "high": 0.07, "margin": 0.02,
        "relative": False,
    }  # fmt: skip
    return ComparisonRow(**{field.name: known.get(field.name) for field in fields(ComparisonRow)})


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 0.137, [0.0, 0.05, 0.1, 0.15]),
        (-0.021, 0.028, [-0.04, -0.02, 0.0, 0.02, 0.04]),
        (-1.0, 1.0, [-1.0, -0.5, 0.0, 0.5, 1.0]),
        (0.0, 0.0, [0.0, 0.0005, 0.001]),
    ],
)
def test_an_axis_has_few_round_values_that_enclose_all(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_colour_and_shape_say_on_which_side_of_its_limit_an_interval_lies(gain: ComparisonRow) -> None:
    rows = [replace(gain, margin=0.02, low=low, high=high) for low, high in ((0.021, 0.1), (-0.1, 0.02), (0.02, 0.1))]
    picture = forest(rows, "points")
    assert picture
    root = ET.fromstring(picture)
    states = [element.get("class") for element in root if element.get("class") in ("good", "bad", "open")]
    assert states == ["good", "good", "bad", "bad", "open", "open"]
    assert [element.tag for element in root if element.tag == f"{SVG}circle"] == [f"{SVG}circle"]


def test_a_name_is_text_and_a_relative_change_is_said_to_be_one(gain: ComparisonRow) -> None:
    hostile = replace(gain, kind="regression", suite='<script>&"\\x00</script>', relative=True)
    picture = forest([hostile], "a < b")
    assert picture
    assert "<script" not in picture
    texts = [element.text for element in ET.fromstring(picture).iter(f"{SVG}text")]
    assert texts[0].endswith("(% of the baseline)")
    assert "a < b" in texts


def test_what_has_no_interval_is_not_drawn(gain: ComparisonRow) -> None:
    assert forest([replace(gain, low=None)], "points") is None
    assert forest([], "points") is None
