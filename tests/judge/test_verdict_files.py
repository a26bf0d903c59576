"""What an audit says of judges with planted faults, and what it tells of files that lack something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workspaces import write_jsonl

from harness.config.policy import Policy
from harness.judge import people
from harness.judge.calibration import calibration_measures, read_calibration
from harness.judge.files import FileAudit, audit_files
from harness.judge.people import majority
from harness.judge.verdict_files import shown_to
from suites.errors import UserError
from suites.judges.recorded import RecordedVerdict

Row = dict[str, Any]
N = 80
LONGER = ["ab"[i * 7 % 10 < 5] for i in range(N)]
BETTER = ["ab"[i % 2] for i in range(N)]
Judge = Callable[[int, str], str | None]


def right(i: int, order: str) -> str:
    return BETTER[i]


def first_slot(i: int, order: str) -> str:
    return order[0]


def longer(i: int, order: str) -> str:
    return LONGER[i]


def verdicts(judge: Judge, name: str = "j", n: int = N, **columns: object) -> list[Row]:
    lengths = [{"length_a": 9, "length_b": 5} if side == "a" else {"length_a": 5, "length_b": 9} for side in LONGER]
    return [
        {"id": f"p{i}", "order": order, "verdict": judge(i, order), "judge": name, **lengths[i], **columns}
        for i in range(n)
        for order in ("ab", "ba")
    ]


def labels(n: int = N, people: Sequence[str] = ("anna", "ben", "cem")) -> list[Row]:
    """Each person errs on another ten pairs."""
    return [
        {"id": f"p{i}", "annotator": who, "label": BETTER[i] if i // 10 != number else "tie"}
        for number, who in enumerate(people)
        for i in range(n)
    ]


def audit(tmp_path: Path, said: Sequence[Row], given: Sequence[Row], most: int = 5) -> FileAudit:
    paths = [write_jsonl(tmp_path / f"{name}.jsonl", list(rows)) for name, rows in (("v", said), ("l", given))]
    return audit_files(paths[0], paths[1], Policy(), most)


def test_a_judge_that_is_right_is_trusted_and_may_stand_in_for_people(tmp_path: Path) -> None:
    [found] = audit(tmp_path, verdicts(right), labels()).judges
    measured = found.measured()
    assert found.trust.standing == "trusted"
    assert found.labels is None
    assert measured["agreement"].value == measured["kappa"].value == 1
    assert measured["flip_rate"].value == measured["unread"].value == 0
    assert measured["first_slot"].value == 0.5
    assert measured["people_agree"].value == pytest.approx(0.75)
    assert [test.winning_rate for test in found.in_their_place.tests] == [1, 1, 1]
    assert [person.agreement.value for person in found.people] == [0.875] * 3


def test_a_judge_that_takes_the_first_slot_is_not_used(tmp_path: Path) -> None:
    found = audit(tmp_path, verdicts(first_slot), labels())
    measured = found.judges[0].measured()
    assert found.judges[0].trust.standing == "not used"
    assert measured["first_slot"].value == measured["flip_rate"].value == 1
    assert any("the same answer in both, or the slot?" in remark for remark in found.remarks)


def test_a_judge_that_takes_the_longer_answer_is_seen_to(tmp_path: Path) -> None:
    [found] = audit(tmp_path, verdicts(longer), labels()).judges
    measured = found.measured()
    assert found.trust.standing == "not used"
    assert measured["longer"].value == 1
    assert measured["longer_people"].value == pytest.approx(0.4)
    assert measured["longer_more"].low
    assert measured["longer_more"].low > 0.3


def test_several_judges_stand_beside_each_other_and_where_they_disagree_is_labelled_next(tmp_path: Path) -> None:
    found = audit(tmp_path, [*verdicts(right), *verdicts(longer, "other")], labels(60), most=20)
    assert [(each.judge, each.trust.standing) for each in found.judges] == [("j", "trusted"), ("other", "not used")]
    assert found.unlabelled == 20
    assert {each.because for each in found.next} == {
        "the judges disagree", "the judges prefer the longer",
    }  # fmt: skip


def test_a_tie_of_votes_is_a_tie_and_is_labelled_next(tmp_path: Path) -> None:
    assert [majority(votes) for votes in ("ab", "aab", "abt", ["tie", "a"], ["a", "a", "tie", "tie"])] == [
        "tie", "a", "tie", "tie", "tie",
    ]  # fmt: skip
    split = [{"id": "p0", "annotator": "anna", "label": "a"}, {"id": "p0", "annotator": "ben", "label": "b"}]
    found = audit(tmp_path, verdicts(right, n=1), split)
    assert [(each.id, each.because) for each in found.next] == [("p0", "people are split: one more would tell")]


def test_pairs_in_one_order_tell_of_nothing_that_turns(tmp_path: Path) -> None:
    single = [row for row in verdicts(right) if row["order"] == "ab"]
    found = audit(tmp_path, single, labels())
    assert found.judges[0].trust.reason == "no pair was shown to it in both orders"
    assert found.judges[0].measured()["agreement"].value == 1
    assert found.judges[0].measured()["flip_rate"].value is None
    assert any("with a and b exchanged" in remark for remark in found.remarks)
    some = audit(tmp_path, [*verdicts(right, n=78), *single[-2:]], labels())
    assert some.judges[0].trust.standing == "trusted"
    assert "p78, p79: shown in one order only, so whether the verdict turns with it is not known" in some.remarks


def test_verdicts_without_lengths_make_no_trusted_judge(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if not k.startswith("length")} for row in verdicts(right)]
    found = audit(tmp_path, rows, labels())
    assert "which answers are longer is not known" in found.judges[0].trust.reason
    texts = audit(tmp_path, [{**row, "a": "long answer", "b": "short"} for row in rows], labels())
    assert texts.judges[0].measured()["lengths"].value == 1


def test_what_files_lack_is_remarked(tmp_path: Path) -> None:
    given = [*labels(people=("anna",)), {"id": "other", "annotator": "anna", "label": "a"}]
    twice = [*verdicts(lambda i, order: None), *verdicts(lambda i, order: None)]
    found = audit(tmp_path, twice, given)
    assert found.judges[0].trust.reason == "none of its verdicts could be read"
    told = "\n".join(found.remarks)
    for part in ("other: labelled, but there is no verdict", "all labels are by 'anna'", "160 verdicts repeat a pair",
                 "no verdict could be read"):  # fmt: skip
        assert part in told
    assert "two people" in found.judges[0].in_their_place.reason


@pytest.mark.parametrize(
    ("said", "given", "message"),
    [
        (verdicts(right, n=1), [{"id": "q", "label": "a"}], "no label has the id of a verdict: 'p0' there, 'q' here"),
        (verdicts(right, n=1), [{"id": "p0", "score": 3}], "the verdicts are words and the labels are scores"),
        ([{"id": "p0", "verdict": "a"}], [{"id": "p0", "label": "x"}], r"(?s)no order in the row.*label 'x'"),
        ([], [], r"(?s)v.jsonl.*rows with id and verdict.*l.jsonl.*rows with id and label"),
        (
            [{**row, "input": row["order"]} for row in verdicts(right, n=1)], labels(1),
            "p0: rows of one id have several `input`",
        ),
    ],
)  # fmt: skip
def test_all_that_is_wrong_with_both_files_is_told_at_once(
    said: list[Row], given: list[Row], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        audit(tmp_path, said, given)


def test_asked_again_a_pair_stays_one_piece_of_evidence(tmp_path: Path) -> None:
    rows = verdicts(lambda i, order: right(i, order) if i % 5 else first_slot(i, order))
    once, twice = (audit(tmp_path, rows * times, labels()).judges[0].measured() for times in (1, 2))
    for name in ("agreement", "kappa", "first_slot", "flip_rate"):
        assert twice[name].value == pytest.approx(once[name].value)
        wide = [(each[name].high or 0) - (each[name].low or 0) for each in (once, twice)]
        assert wide[1] > 0.9 * wide[0]


def test_verdicts_in_both_orders_meet(tmp_path: Path) -> None:
    def row(order: Any, verdict: Any) -> RecordedVerdict:
        return RecordedVerdict("", "p", order, verdict, 3, 2, "", None, None, None)

    [kept, flipped] = shown_to([row("ab", "a"), row("ba", "a"), row("ab", "b"), row("ba", "a")])
    assert (kept.word, kept.judged.consistent, flipped.word, flipped.judged.consistent) == ("a", True, "tie", False)
    [alone] = shown_to([row(None, "b")])
    assert (alone.word, alone.both, alone.judged.longer) == ("b", False, "first")


def scores(noise: float, name: str = "j") -> list[Row]:
    rng = np.random.default_rng(1)
    return [{"id": f"x{i}", "score": float(i % 5 + 1 + noise * rng.normal() + 0.5), "judge": name} for i in range(90)]


def test_scores_are_compared_by_order_by_correlation_and_in_height(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    given = [
        {"id": f"x{i}", "annotator": who, "score": int(np.clip(i % 5 + 1 + rng.integers(-1, 2), 1, 5))}
        for who in ("anna", "ben", "cem")
        for i in range(70)
    ]
    good, bad = audit(tmp_path, [*scores(0.1), *scores(50, "other")], given).judges
    assert (good.trust.standing, bad.trust.standing) == ("trusted", "not used")
    measured = good.measured()
    assert measured["spearman"].value
    assert measured["spearman"].value > 0.9
    assert measured["mean_difference"].value == pytest.approx(0.5, abs=0.1)
    assert good.in_their_place.tests[-1].passes
    assert [test.winning_rate for test in bad.in_their_place.tests] == [0, 0, 0]
    assert bad.labels
    assert "no number of labels" in bad.labels.told


def test_labels_of_several_people_calibrate_by_their_majority_and_show_the_ceiling(tmp_path: Path) -> None:
    texts = {"input": "q", "first": "good", "second": "bad"}
    rows = [
        {"id": "c1", **texts, "annotator": "anna", "label": "first"}, {"id": "c1", "annotator": "ben", "label": "a"},
        {"id": "c1", "annotator": "cem", "label": "second"},
        {"id": "c2", "annotator": "anna", "label": "b"},
        {"id": "c2", "input": "q", "a": "x", "b": "y", "annotator": "ben", "label": "a"},
        {"id": "c3", **texts, "label": "tie"},
    ]  # fmt: skip
    labelled = read_calibration(write_jsonl(tmp_path / "l.jsonl", rows))
    assert [(pair.id, pair.first, label.choice, label.cluster) for pair, label in labelled] == [
        ("c1", "good", "first", "c1"), ("c2", "x", "tie", "c1"), ("c3", "good", "tie", "c1"),
    ]  # fmt: skip
    judged = [shown_to([RecordedVerdict("", pair.id, None, "a", 1, 2, "", None, None, None)])[0].judged
              for pair, _ in labelled]  # fmt: skip
    found = {m.name: m for m in calibration_measures(judged, [label for _, label in labelled], 0.95)}
    assert found["people_agree"].value == pytest.approx((1 / 3 + 0) / 2)
    assert found["agreement_person"].value == pytest.approx((2 / 3 + 1 / 2) / 2)
    alone = calibration_measures(judged[2:], [labelled[2][1]], 0.95)
    assert not any(measure.name.startswith("people") for measure in alone)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"annotator": "anna", "label": "a"}, "anna labelled c1 before"),
        (
            {"annotator": "ben", "label": "a", "input": "other", "first": "x", "second": "y"},
            "other texts in another row",
        ),
        ({"annotator": "ben", "label": "A"}, "expected first, second or tie"),
    ],
)
def test_calibration_rows_of_several_people_that_cannot_be_used(second: Row, message: str, tmp_path: Path) -> None:
    first = {"id": "c1", "input": "q", "first": "x", "second": "y", "annotator": "anna", "label": "first"}
    with pytest.raises(UserError, match=message):
        read_calibration(write_jsonl(tmp_path / "l.jsonl", [first, {"id": "c1", **second}]))


def test_agreement_of_people_counts_pairs_that_several_labelled() -> None:
    votes = {"p": {"x": "a", "y": "a", "z": "b"}, "q": {"x": "a"}, "r": {"x": "b", "y": "b"}}
    found = people.among_people(votes, {pair: pair for pair in votes}, 0.95)
    assert (found[0].value, found[0].n) == (pytest.approx((1 / 3 + 1) / 2), 2)
