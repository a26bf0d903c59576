"""The picture of all arms, score against what a request takes."""

import xml.etree.ElementTree as ET
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from reports.data import ArmRow
from reports.outputs.frontier import Point, frontier, undominated


def arm(name, score=0.5, tokens=100.0, side="base", cost=None, **settings):
    given = dict.fromkeys(field.name for field in fields(ArmRow))
    shown = {"mean": score, "low": score, "high": score, "mean_tokens_in": tokens, "mean_tokens_out": 0.0, "n": 9}
    return ArmRow(**{**given, **shown, "arm": name, "side": side, "cost": cost, **settings})


def test_every_arm_is_a_numbered_point_with_its_name_below():
    drawn = frontier([arm("plain", 0.2), arm("a < b", 0.6, 900), arm("tuned", 0.9, 40, "candidate")], "USD")
    texts = [text.text for text in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert [texts.count(str(number)) for number in (1, 2, 3)] == [2, 2, 2]
    assert {"plain", "a < b", "tuned", "20.0%, 100", "60.0%, 900", "tokens read and written, a request"} <= {*texts}


def test_money_counts_where_every_arm_has_a_price():
    assert "USD for 1,000 requests" in frontier([arm("a", cost=0.1), arm("b", cost=0.2)], "USD")
    assert "tokens" in frontier([arm("a", cost=0.1), arm("b")], "USD")


def test_what_nobody_counted_has_no_picture():
    assert frontier([arm("a", tokens=0.0), arm("b", tokens=0.0)], "USD") is None
    assert frontier([arm("a"), arm("b", None)], "USD") is None
    assert frontier([], "USD") is None


def test_one_score_of_all_and_arms_without_interval_are_drawn():
    assert frontier([arm("a", 0.0, low=None, high=None), arm("b", 0.0, low=None, high=None)], "USD")


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1))
def test_the_frontier_has_just_the_arms_that_no_cheaper_one_equals(arms):
    points = [Point("", "base", effort, score, score, score) for effort, score in arms]
    kept = {(point.effort, point.score) for point in undominated(points)}
    best = {(e, s) for e, s in arms if not any((f <= e and t >= s) and (f, t) != (e, s) for f, t in arms)}
    assert kept == best
