"""Sides that are no measure of anything, and what a reader should mind: at their limits, and in whole experiments."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspaces import decided, recorded_experiment, run, write_jsonl

from harness.config.schema import ExperimentConfig
from harness.decision import cautions
from harness.decision.cautions import ReadSide
from harness.decision.compare import Comparison
from harness.decision.overrides import overrides
from harness.decision.straw_men import (
    MUCH_BETTER,
    BesideConstant,
    Shifted,
    aligned_gate,
    constant_gate,
    repeats,
    shifted,
)
from reports.data import ReportData
from reports.outputs import markdown
from suites.metrics.constants import best_constant
from suites.metrics.readings import Reading, read_wrong

COLOURS = ("red", "green", "blue", "grey")


def beside(
    side: str, score: float, constant: float, low: float, repeated: int = 100, wanted: int = 100
) -> BesideConstant:
    """A side of 400 answers that scores `score` where one answer for everything scores `constant`."""
    arms = {"baseline_arm": "red", "candidate_arm": side, "suite": "exam", "metric": "exact_match", "margin": 0.0}
    size = {"n": 400, "n_clusters": 400, "n_unscored": 0, "confidence": 0.95, "difference": score - constant}
    against = Comparison(kind="task", baseline=constant, candidate=score, low=low, high=1.0, **arms, **size)  # type: ignore[arg-type]
    return BesideConstant(side, side, 400, "red", repeated, wanted, "red", against)  # type: ignore[arg-type]


GOOD = beside("candidate", 0.9, 0.25, 0.6)
BAR = beside("base", 0.6, 0.25, 0.3)


@pytest.mark.parametrize(
    ("base", "candidate", "status"),
    [
        (BAR, GOOD, "pass"),
        (BAR, beside("candidate", 0.25, 0.25, -0.1), "fail"),  # no better than one answer
        (BAR, beside("candidate", 0.2525, 0.25, 0.0), "unknown"),  # better, and not shown to be
        (BAR, beside("candidate", 0.2525, 0.25, 0.0001), "pass"),
        (beside("base", 0.25, 0.25, -0.1), GOOD, "fail"),  # a bar no better than one answer is no bar
        (beside("base", 0.2525, 0.25, -0.1), GOOD, "pass"),
        (beside("base", 0.0, 0.0199, -0.1), GOOD, "pass"),  # one answer in fifty is a strategy, in more a coincidence
        (beside("base", 0.0, 0.02, -0.1), GOOD, "fail"),
        (beside("base", 0.78, 0.8, -0.1), beside("candidate", 0.9, 0.8, 0.05), "pass"),  # right nearly always
        (beside("base", 0.78, 0.79, -0.1), beside("candidate", 0.9, 0.79, 0.05), "fail"),
        (beside("base", 0.78, 0.8, -0.1), beside("candidate", 0.81, 0.8, 0.0), "fail"),
        (BAR, beside("candidate", 0.3, 0.25, 0.0, repeated=400), "fail"),  # repeats, and is not shown to be better
        (BAR, beside("candidate", 0.5, 0.25, 0.1, repeated=400), "pass"),  # repeats, and is right to
    ],
)
def test_one_answer_for_everything_is_neither_bar_nor_candidate(
    base: BesideConstant, candidate: BesideConstant, status: str
) -> None:
    gate = constant_gate(base, candidate)
    assert gate.status == status
    assert ("constant_answers: warn" in gate.measured.words) == (status != "pass")


def test_answers_repeat_far_more_than_targets_beyond_chance() -> None:
    """0.25 more than the most common target, shown with 99.9 % at one end: 229 of 400 beside 100, not 228."""
    assert [repeats(beside("candidate", 0.3, 0.25, 0.0, repeated=count)) for count in (230, 231)] == [False, True]


@pytest.mark.parametrize(
    ("there", "elsewhere", "low", "status"),
    [
        (0.6, 0.2, 0.2, "fail"),
        (0.5, 0.25, 0.001, "fail"),
        (0.25, 0.1, 0.001, "pass"),  # a little better is chance
        (0.6, 0.2, 0.0, "pass"),
        (0.6, 0.501, 0.2, "pass"),  # so do all rows nearby: the side is worse than chance, and not shifted
    ],
)
def test_answers_that_fit_the_next_row_much_better_are_named(
    there: float, elsewhere: float, low: float, status: str
) -> None:
    gate = aligned_gate(
        [Shifted("prompt", -1, 400, 0.16, 0.1, 0.1, None), Shifted("prompt", 1, 400, 0.16, there, elsewhere, low)]
    )
    assert gate.status == status
    assert ("beside the rows 1 after" in gate.measured.words) == (status == "fail")


def test_a_side_worse_than_chance_is_not_moved_by_the_luck_of_one_place() -> None:
    """Own rows 30 of 100 right, three of the places nearby 50, the fourth 63: surely more than 30, not than 50."""
    clusters = [str(i) for i in range(100)]
    rows = {by: [1.0] * right + [0.0] * (100 - right) for by, right in ((-2, 50), (-1, 50), (1, 63), (2, 50))}
    rows = {by: marks if by == 1 else marks[::-1] for by, marks in rows.items()}
    near = shifted("prompt", 1, [1.0] * 30 + [0.0] * 70, rows, clusters)
    assert (near.own, near.there, near.elsewhere) == (0.3, 0.63, 0.5)
    assert near.there - near.elsewhere > MUCH_BETTER
    assert near.low is not None
    assert near.low < 0
    far = shifted(
        "prompt", 1, [1.0] * 30 + [0.0] * 70, {**rows, -2: [0.0] * 100, -1: [0.0] * 100, 2: [0.0] * 100}, clusters
    )
    assert far.low is not None
    assert far.low > 0


def test_a_lenient_reading_is_told_when_it_takes_back_more_than_was_asked_for() -> None:
    candidate = ReadSide("LoRA", 100, Reading(0, "", 1))
    for inside, told in ((3, False), (4, True)):
        found = cautions.lenient_caution(ReadSide("zero-shot", 100, Reading(0, "", inside)), candidate, 0.02)
        assert bool(found) == told
    assert "4 of 100 answers of zero-shot" in found[0].measured.words
    assert "`contains`" in found[0].measured.words
    [form] = cautions.lenient_caution(ReadSide("zero-shot", 100, Reading(9, "case", 9)), candidate, 0.02)
    assert "`normalised_match`" in form.measured.words


def test_form_alone_is_told_above_its_share() -> None:
    sides = [ReadSide("LoRA", 100, Reading(count, "case", count)) for count in (2, 3)]
    assert cautions.form_caution(sides[:1]) == []
    [caution] = cautions.form_caution(sides)
    assert caution.measured.words.startswith(
        "3 of 100 answers of LoRA differ from their target in form alone, mostly case"
    )


@pytest.mark.parametrize(
    ("answer", "how"),
    [
        (unicodedata.normalize("NFD", "Zürich"), "Unicode form or unseen characters"),
        ("\ufeffZürich", "Unicode form or unseen characters"),
        ("Zü\u200brich", "Unicode form or unseen characters"),
        ("ZÜRICH", "case"),
        ("Zürich.", "punctuation"),
    ],
)
def test_how_an_answer_differs_in_form_is_named(answer: str, how: str) -> None:
    assert read_wrong([(("Zürich",), answer)], [("Zürich",), ("Basel",)]) == Reading(1, how, 1)


@pytest.mark.parametrize(
    ("answer", "named"),
    [("The answer is: yes", 1), ("yes, or no", 0), ("yesterday", 0), ("I cannot say", 0), ("Yes!", 1)],
)
def test_an_answer_names_the_target_alone_and_in_whole_words(answer: str, named: int) -> None:
    assert read_wrong([(("yes",), answer)], [("yes",), ("no",)]).inside == named


@pytest.mark.parametrize(
    ("answer", "reading"),
    [
        ("LOVELACE", Reading(1, "case", 1)),  # the form of a further answer
        ("It was Lovelace.", Reading(0, "", 1)),
        ("Ada, or Lovelace", Reading(0, "", 1)),  # both are right
        ("Lovelace, or Babbage", Reading(0, "", 0)),  # Babbage is right elsewhere
    ],
)
def test_a_wrong_answer_is_read_by_every_right_one(answer: str, reading: Reading) -> None:
    wanted = [("Ada", "Lovelace"), ("Charles", "Babbage")]
    assert read_wrong([(wanted[0], answer)], wanted) == reading


def test_the_best_constant_answer_of_a_metric() -> None:
    targets = [("no",)] * 6 + [("yes",)] * 4
    for metric, score in (("exact_match", 0.6), ("contains", 0.6), ("balanced_accuracy", 0.5), ("token_f1", 0.6)):
        found = best_constant(metric, targets)
        assert found
        assert found.score == pytest.approx(score)
    assert best_constant("exact_match", [("no",)] * 10) is None  # repeating it is the task
    assert best_constant("json_valid", [('{"a": 1}',), ('{"a": 2}',)]) is None  # form, which a constant has for nothing
    both = best_constant("contains", targets, "yes and no")
    assert both
    assert (both.answer, both.score) == ("yes and no", 1.0)


def test_the_best_constant_answer_is_right_as_often_as_any_right_answer_is_given() -> None:
    """Known by its first answers alone, the exam would seem to have no answer for more than 3 of 10 rows."""
    wanted = [("4", "four")] * 3 + [("IV", " four ")] * 3 + [("five",)] * 3 + [("six", "four")]
    found = best_constant("exact_match", wanted)
    assert found
    assert (found.answer, found.score) == ("four", pytest.approx(0.7))
    assert best_constant("exact_match", [("4", "four"), ("IV", "four")]) is None  # repeating it is the task


def test_a_setting_laxer_than_its_careful_default_is_an_override() -> None:
    policy: dict[str, Any] = {"suspicious_gain": 0.5, "confidence": 0.95, "max_looks": 10}
    content = {
        "experiment": "x",
        "data": {"test": "t"},
        "baselines": [{"recorded": "b"}],
        "candidate": {"recorded": "c"},
    }
    assert overrides(ExperimentConfig.model_validate({**content, "policy": policy})) == []
    policy |= {"suspicious_gain": 0.51, "confidence": 0.94, "constant_answers": "warn", "max_unscored": 0.01}
    data = {
        "test": "t",
        "findings": {"train_test_overlap": "warn", "near_duplicates": "off", "broken_targets": "block"},
    }
    assert overrides(ExperimentConfig.model_validate({**content, "data": data, "policy": policy})) == [
        "policy.suspicious_gain: 0.51", "policy.confidence: 0.94", "policy.constant_answers: warn",
        "data.findings.train_test_overlap: warn",
    ]  # fmt: skip


# --- whole experiments


def words(i: int) -> str:
    """A question like no other."""
    return " ".join(f"{name}{i * (j + 3) % 97}" for j, name in enumerate(("alpha", "bravo", "delta", "echo")))


def experiment(
    folder: Path, base: Sequence[str], tuned: Sequence[str], targets: Sequence[str], **more: Any
) -> ReportData:
    """Recorded answers to questions that have nothing in common, decided."""
    inputs = [words(i) for i in range(len(base))]
    return decided(run(recorded_experiment(folder, base, tuned, targets=targets, inputs=inputs, **more)))


def told(data: ReportData) -> dict[str, str]:
    return {gate.gate_id: gate.measured for gate in data.cautions()}


def gate(data: ReportData, gate_id: str) -> tuple[str, str]:
    [found] = [gate for gate in data.gates if gate.gate_id == gate_id]
    return found.status, found.measured


WANTED = [COLOURS[(i * 7 + i // 3) % 4] for i in range(400)]


def right(share: int) -> list[str]:
    """Answers right in `share` of ten, else in another colour."""
    return [c if i * 3 % 10 < share else COLOURS[(COLOURS.index(c) + 1 + i % 3) % 4] for i, c in enumerate(WANTED)]


def test_a_prompt_that_validation_did_not_choose_holds_its_own(tmp_path: Path) -> None:
    """Validation picks the weaker prompt by one of fifty; on the test the other is as good as the candidate."""
    path = recorded_experiment(tmp_path, right(4), right(6), targets=WANTED, inputs=[words(i) for i in range(400)])
    rows = [{"id": f"v{i}", "input": f"rehearsal {words(i + 500)}", "target": WANTED[i]} for i in range(50)]
    write_jsonl(tmp_path / "validation.jsonl", rows)
    other = [c if i % 10 < 6 else "none" for i, c in enumerate(WANTED)]
    write_jsonl(tmp_path / "other.jsonl", [
        *({"id": f"t{i:04d}", "completion": a} for i, a in enumerate(other)),
        *({"id": f"v{i}", "completion": "red"} for i in range(50)),
    ])  # fmt: skip
    for name in ("prompted", "tuned"):
        with (tmp_path / f"{name}.jsonl").open("a") as file:
            file.writelines(f'{{"id": "v{i}", "completion": "{WANTED[i]}"}}\n' for i in range(50))
    content = yaml.safe_load(path.read_text())
    content["baselines"].append({"recorded": "other.jsonl"})
    content["data"]["validation"] = "validation.jsonl"
    path.write_text(yaml.safe_dump(content))
    data = decided(run(path))
    assert data.decision.verdict == "inconclusive"
    assert gate(data, "gain")[0] == "pass"
    assert gate(data, "every_prompt")[0] == "unknown"
    assert "Of the 2 prompts other is the hardest to beat on the test: " in data.decision.reason
    [compared] = data.compared("prompt")
    assert (compared.baseline_arm, compared.margin, compared.n) == ("other", 0.0, 400)


@pytest.mark.parametrize(("missing", "out"), [(8, False), (9, True)])
def test_a_prompt_that_failed_too_often_to_be_compared_is_named(missing: int, out: bool, tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path, right(3), right(9), targets=WANTED, inputs=[words(i) for i in range(400)])
    write_jsonl(tmp_path / "validation.jsonl", [{"id": "t0000", "input": words(0), "target": WANTED[0]}])
    write_jsonl(
        tmp_path / "weak.jsonl", [{"id": f"t{i:04d}", "completion": a} for i, a in enumerate(right(2)[: 400 - missing])]
    )
    content = yaml.safe_load(path.read_text())
    content["baselines"].append({"recorded": "weak.jsonl"})
    content["data"] |= {"validation": "validation.jsonl", "findings": {"validation_test_overlap": "warn"}}
    path.write_text(yaml.safe_dump({**content, "policy": {"suspicious_gain": 1.0}}))
    data = decided(run(path))
    assert ("prompts_left_out" in told(data)) is out
    assert [c.baseline_arm for c in data.compared("prompt")] == ([] if out else ["weak"])
    if out:
        assert told(data)["prompts_left_out"].startswith("weak failed too often to be compared")


def test_a_candidate_that_is_a_prompt_of_the_bar_is_no_candidate(tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path, right(6), right(6), targets=WANTED, inputs=[words(i) for i in range(400)])
    write_jsonl(tmp_path / "validation.jsonl", [{"id": "t0000", "input": words(0), "target": WANTED[0]}])
    write_jsonl(tmp_path / "weak.jsonl", [{"id": f"t{i:04d}", "completion": a} for i, a in enumerate(right(3))])
    content = yaml.safe_load(path.read_text())
    content["baselines"].insert(0, {"recorded": "weak.jsonl"})
    content["data"] |= {"validation": "validation.jsonl", "findings": {"validation_test_overlap": "warn"}}
    path.write_text(yaml.safe_dump(content))
    data = decided(run(path))
    assert data.decision.verdict == "invalid"
    assert gate(data, "candidate") == ("fail", "every answer is that of prompted; was the fine-tuned model asked?")


def test_a_suite_at_its_floor_cannot_say_that_nothing_was_lost(tmp_path: Path) -> None:
    """The base answers 9 of 400 questions of the suite, the candidate none: all that there was is lost."""
    path = recorded_experiment(tmp_path, right(6), right(8), targets=WANTED, inputs=[words(i) for i in range(400)])
    asked = [{"id": f"s{i}", "input": f"skill {words(i + 900)}", "target": f"answer {i}"} for i in range(400)]
    write_jsonl(tmp_path / "skill" / "examples.jsonl", asked)
    (tmp_path / "skill" / "suite.yaml").write_text("name: skill\nmetrics: [exact_match]\nmargin: 0.03\n")
    for name, known in (("prompted", 9), ("tuned", 0)):
        with (tmp_path / f"{name}.jsonl").open("a") as file:
            file.writelines(
                f'{{"id": "s{i}", "completion": "{f"answer {i}" if i < known else "?"}"}}\n' for i in range(400)
            )
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**content, "regression": ["skill"]}))
    data = decided(run(path))
    assert data.decision.verdict == "inconclusive"
    status, measured = gate(data, "regression/skill")
    assert status == "unknown"
    assert "the base scores 2.2% and knowing nothing 0.2%, so that a loss of 3.0 points could not be seen" in measured
    assert "more of the same examples would not settle it" in data.decision.next_step


def test_a_constant_candidate_is_not_deployed_against_a_bad_base(tmp_path: Path) -> None:
    base = [c if i % 10 == 0 else "none" for i, c in enumerate(WANTED)]
    data = experiment(tmp_path, base, ["red"] * 400, WANTED)
    assert data.decision.verdict == "invalid"
    assert gate(data, "constant_answers")[0] == "fail"


def test_a_base_shifted_by_one_row_is_named(tmp_path: Path) -> None:
    base = right(7)
    data = experiment(tmp_path, [base[-1], *base[:-1]], right(6), WANTED, policy={"suspicious_gain": 1.0})
    assert data.decision.verdict == "invalid"
    status, measured = gate(data, "aligned")
    assert status == "fail"
    assert "the answers of prompted score" in measured
    assert "beside the rows 1 before" in measured


def test_a_base_that_cannot_do_the_task_takes_one_setting(tmp_path: Path) -> None:
    """A base at 0 % is no bar until somebody says that it really cannot; then it is told."""
    base = ["I cannot help with that"] * 400
    data = experiment(tmp_path / "one", base, right(5), WANTED)
    assert data.decision.verdict == "invalid"
    assert "write `policy: {constant_answers: warn}`" in data.decision.reason
    data = experiment(tmp_path / "two", base, right(5), WANTED, policy={"constant_answers": "warn"})
    assert data.decision.verdict == "deploy"
    assert set(told(data)) == {"constant_answers", "prompts_tried", "floor"}
    assert "`policy.constant_answers: warn`" in data.decision.headline


def test_a_task_where_one_answer_is_nearly_always_right_is_decided(tmp_path: Path) -> None:
    targets = ["no" if i % 10 else "yes" for i in range(1000)]
    base = [t if i % 20 else "no" if t == "yes" else "yes" for i, t in enumerate(targets)]
    base = ["yes" if i % 8 == 1 else t for i, t in enumerate(base)]
    tuned = [t if i % 50 else "yes" if t == "no" else "no" for i, t in enumerate(targets)]
    data = experiment(tmp_path, base, tuned, targets)
    assert data.decision.verdict == "deploy"
    assert "floor" in told(data)


def test_a_base_that_wraps_its_answers_is_told(tmp_path: Path) -> None:
    wrapped = [f"The answer is: {a}" if i % 2 else a for i, a in enumerate(right(8))]
    data = experiment(tmp_path, wrapped, right(8), WANTED)
    assert data.decision.verdict == "deploy"
    assert "a lenient reading takes back 40.0 points: 160 of 400 answers of prompted" in told(data)["lenient"]
    assert "> **Mind:** lenient reading: a lenient reading takes back 40.0 points" in markdown.first_screen(data)
    assert data.decision.headline.startswith(
        "Deploy: the fine-tune beats the best prompt; no regression suite was asked"
    )


def test_answers_in_another_unicode_form_are_told(tmp_path: Path) -> None:
    towns = ["Zürich", "Genève", "Malmö", "Kraków"]
    targets = [towns[COLOURS.index(c)] for c in WANTED]
    tuned = [unicodedata.normalize("NFD", t) for t in targets]
    data = experiment(tmp_path, [t if i % 2 else "Basel" for i, t in enumerate(targets)], tuned, targets)
    assert data.decision.verdict == "keep_prompting"
    assert told(data)["form"] == (
        "400 of 400 answers of candidate differ from their target in form alone, mostly Unicode form or unseen "
        "characters (marked wrong; `normalised_match` forgives it)"
    )


# --- copying the answer of the nearest training row ------------------------------------------------------------------


def copying(side: str, score: float, rule: float, low: float) -> Comparison:
    """A side that scores `score` where copying scores `rule`."""
    against = beside(side, score, rule, low).against
    assert against
    return against


@pytest.mark.parametrize(
    ("base", "candidate", "named"),
    [
        (copying("few-shot", 0.8, 0.7, 0.0001), copying("tuned", 0.9, 0.7, 0.0001), []),
        (copying("few-shot", 0.8, 0.7, 0.0), copying("tuned", 0.9, 0.7, 0.1), ["few-shot"]),
        (copying("few-shot", 0.8, 0.7, 0.1), copying("tuned", 0.9, 0.7, 0.0), ["tuned"]),
        (copying("few-shot", 0.6, 0.7, -0.2), copying("tuned", 0.7, 0.7, -0.1), ["tuned", "few-shot"]),
        (copying("few-shot", 0.0, 0.0199, -0.1), copying("tuned", 0.9, 0.0199, 0.5), []),
        (copying("few-shot", 0.0, 0.02, -0.1), copying("tuned", 0.9, 0.02, 0.5), ["few-shot"]),
        (None, None, []),
    ],
)
def test_a_side_that_is_not_shown_better_than_copying_the_nearest_row_is_told(
    base: Comparison | None, candidate: Comparison | None, named: list[str]
) -> None:
    words = "".join(gate.measured.words for gate in cautions.copied_caution(base, candidate))
    assert [side for side in ("tuned", "few-shot") if f"{side} scores" in words] == named
    assert not words or "(BM25) scores" in words


def of_places(folder: Path, **policy: Any) -> Path:
    """An exam of 400 questions, each with a training row of the same two things, whose answer is right for 95 of 100:
    as often as the candidate's, and more often than the best prompt's."""
    tuned = [c if i % 20 != 10 else "pink" for i, c in enumerate(WANTED)]
    things = [f"thing{i} beside{i * 7 % 401}" for i in range(400)]
    path = recorded_experiment(
        folder, right(6), tuned, targets=WANTED, inputs=[f"where may one find {two}" for two in things],
        policy={"suspicious_gain": 1.0, **policy},
    )  # fmt: skip
    answers = ["pink" if i % 20 == 0 else c for i, c in enumerate(WANTED)]
    rows = [{"id": f"r{i}", "input": f"{things[i]} colour please", "target": answers[i]} for i in range(400)]
    write_jsonl(folder / "train.jsonl", rows)
    content = yaml.safe_load(path.read_text())
    content["data"]["train"] = "train.jsonl"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_fine_tune_that_copying_equals_is_told_so_on_the_first_screen(tmp_path: Path) -> None:
    data = decided(run(of_places(tmp_path)))
    assert data.decision.verdict == "deploy"
    assert told(data)["copied"] == (
        "copying the answer of the nearest training row (BM25) scores 95.0% without any model; candidate scores 95.0% "
        "and is not shown better, so that it could do in place of the fine-tune; prompted scores 60.0% and is not "
        "shown better, so that the gain is one over a prompt that needs no model"
    )
    assert "> **Mind:** copying a row: copying the answer" in markdown.first_screen(data)
    data = decided(run(of_places(tmp_path / "asked", fair_bar="required")))
    assert data.decision.verdict == "inconclusive"
    assert "copying a row" in data.decision.reason
