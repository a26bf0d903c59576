"""Slices beside each other: which one to look at first, and that it decides nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Question, compare
from harness.decision.decide import decide, harm_gates
from harness.decision.slices import beside_the_others, standing_out, worst
from suites.types import Score


def part(name: str, n: int, gained: int, lost: int, kind: str = "slice") -> Comparison:
    """A slice of n examples of which so many are gained and lost."""
    before = [0.0] * gained + [1.0] * (n - gained)
    after = [1.0] * gained + [0.0] * lost + [1.0] * (n - gained - lost)
    question = Question(suite="test", kind=kind, metric="exact_match", baseline_arm="prompt", candidate_arm="tuned",  # type: ignore[arg-type]
                        margin=0.05, tier="supporting", slice=name)  # fmt: skip
    scores = [{str(i): Score(value) for i, value in enumerate(arm)} for arm in (before, after)]
    return compare(question, [(str(i), str(i)) for i in range(n)], *scores)


SOUND = [part(f"plan={i}", 40, 4 + i % 5, 8 - i % 5) for i in range(20)]
BAD = part("plan=bad", 40, 2, 16)
SMALL = part("plan=small", 8, 0, 3)


def test_a_slice_that_loses_among_sound_ones_stands_out() -> None:
    assert [c.slice for c in standing_out([*SOUND, BAD])] == ["plan=bad"]
    assert standing_out(SOUND) == []


@pytest.mark.parametrize(("z", "out"), [(-2.2415, True), (-2.2413, False)])
def test_standing_out_is_a_claim_of_one_side_adjusted_over_the_column(z: float, out: bool) -> None:
    """Two slices: Holm doubles the p of the lower one, which 2.5 % bound; the normal quantile of 1.25 % is -2.2414."""
    slices = [
        replace(part(f"plan={i}", 100, 5, 5), sd=0.3, difference=d) for i, d in enumerate((z * 0.03 * 2**0.5, 0.0))
    ]
    assert [c.slice for c in standing_out(slices)] == (["plan=0"] if out else [])


def test_a_small_slice_is_not_the_worst_for_its_noise() -> None:
    """-37.5 points of 8 examples against -35 of 40."""
    slices = beside_the_others([*SOUND, BAD, SMALL])
    assert min(slices, key=lambda c: c.difference or 0.0).slice == "plan=small"
    assert worst(slices).slice == "plan=bad"


def test_where_slices_are_alike_beside_each_other_the_worst_is_the_lowest_alone() -> None:
    alike = [part(f"plan={i}", 40, 4, 4) for i in range(4)]
    assert worst(beside_the_others([*alike, part("plan=low", 40, 3, 4)])).slice == "plan=low"


def test_kinds_of_edge_cases_are_a_family_of_claims_of_their_own_beside_the_slices() -> None:
    """One lost kind among three, p about 0.01: beside the 21 slices Holm would let it go."""
    kinds = [replace(part(f"part={name}", 40, 0, lost), of_edges=True) for name, lost in (("long", 9), ("format", 0))]
    gates = {gate.id: gate for gate in harm_gates([*SOUND, *kinds], Policy())}
    assert (gates["edge_cases"].status, gates["slices"].status) == ("fail", "pass")
    assert gates["edge_cases"].measured.words.startswith("long: -22.5 points")
    assert gates["edge_cases"].rule.parts == 2
    advisory = [replace(kind, tier="advisory") for kind in kinds]
    assert {gate.id: gate.tier for gate in harm_gates(advisory, Policy())} == {"edge_cases": "advisory"}
    small = [replace(part("part=long", 4, 0, 4), of_edges=True, baseline=None, difference=None, p_harm=None)]
    assert "1 of 3 kinds are too small to be judged" in harm_gates([*kinds, *small], Policy())[0].measured.words


def test_columns_are_pooled_apart_and_only_slices_are() -> None:
    task = part("", 40, 4, 0, kind="task")
    told = beside_the_others([task, part("lang=de", 40, 8, 0), part("lang=fr", 40, 8, 0), *SOUND])
    assert told[0] == task
    assert [c.pooled for c in told[1:3]] == pytest.approx([0.2, 0.2])
    assert [c.pooled for c in told[3:]] == pytest.approx([0.0] * 20)


def test_a_slice_without_an_interval_is_left_alone() -> None:
    blank = replace(BAD, difference=None, sd=None)
    assert beside_the_others([blank]) == [blank]
    assert worst([blank]).slice == "plan=bad"


def test_what_stands_out_is_named_and_decides_nothing() -> None:
    slices = beside_the_others([*(replace(c, p_harm=1.0) for c in SOUND), replace(BAD, p_harm=0.01)])
    [gate] = harm_gates(slices, Policy())
    assert (gate.status, gate.comparison) == ("pass", slices[-1])
    assert gate.measured.words.endswith("; look first at plan=bad, which stands out from the other slices")
    [alone] = [gate for gate in decide([], slices, Policy()).gates if gate.id == "slices"]
    assert alone == gate
