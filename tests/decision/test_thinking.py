"""A side that thinks aloud is marked by its answers alone, is told, and gains nothing by it; settings must be alike."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from workspaces import decided, recorded_experiment, run, select, verdict

from harness.config.schema import ExperimentConfig
from harness.decision.cautions import ThinkingSide, thinking_caution
from harness.decision.overrides import overrides
from harness.decision.validity import comparable_gate
from reports.outputs import html, markdown
from suites.model import Generation, Identity, with_settings
from suites.types import Run

ANSWERS = ["red", "green", "blue", "grey"] * 15
WRONG = ["green", *ANSWERS[1:30], "red", *ANSWERS[31:]]  # two of sixty


def thinking(answers: list[str], thought: str = "I weigh it.") -> list[str]:
    return [f"<think>\n{thought}\n</think>\n\n{answer}" for answer in answers]


def experiment(folder: Path, base: list[str], candidate: list[str], **settings: object) -> Path:
    return recorded_experiment(folder, base, candidate, targets=ANSWERS, policy={"min_gain": 0.0}, **settings)


def test_the_same_answers_gain_nothing_by_the_others_thinking(tmp_path: Path) -> None:
    session = run(experiment(tmp_path, thinking(WRONG), [*ANSWERS[:59], "red"]))
    data = decided(session)
    assert verdict(session) == "inconclusive"
    [gain] = data.compared("task")
    assert (gain.baseline, gain.candidate) == (58 / 60, 59 / 60)
    [caution] = [gate for gate in data.cautions() if gate.name == "thinking"]
    assert caution.measured == (
        "thinking was taken off 60 of 60 answers of prompted (base) and 0 of 60 answers of candidate (candidate); "
        "one side thinks and the other does not, which costs tokens and time"
    )


def test_all_that_came_stays_on_record_and_is_folded_in_the_report(tmp_path: Path) -> None:
    session = run(experiment(tmp_path, thinking(WRONG, "a > b"), ANSWERS))
    [row] = select(session.store, "from v_completions where arm = 'prompted' and example_id = 't0000'")
    assert (row["text"], row["thinking"], row["raw"]) == ("green", "closed", "<think>\na > b\n</think>\n\ngreen")
    [row] = select(session.store, "from v_completions where arm = 'candidate' and example_id = 't0000'")
    assert (row["text"], row["thinking"], row["raw"]) == ("red", "none", None)
    report = markdown.render(decided(session), {})
    written = r"written by prompted, with its thinking:\n\n(<details><summary>thinking, [\d,]+ characters</summary>)"
    opening, *_ = re.findall(written + r"\n\n```thinking\n<think>[^`]*```\n\n</details>\n", report)
    page = html.render(report, {}, decided(session))
    assert f"{opening}\n<pre>&lt;think&gt;" in page
    assert page.count("<details>") == page.count("</details>") == 1 + report.count("<details>"), "and the contents"


def test_a_trace_that_was_cut_is_an_answer_cut_and_not_a_wrong_one(tmp_path: Path) -> None:
    base = [*thinking(ANSWERS[:50]), *["<think>\nso"] * 10]
    session = run(experiment(tmp_path, base, ANSWERS))
    assert verdict(session) == "invalid"
    gates = {gate.name: gate for gate in decided(session).validity_gates()}
    assert gates["answered"].status == gates["room to answer"].status == "fail"
    assert "10 of 60 without a score (cut while it was thinking, before any answer; raise" in gates["answered"].measured
    assert gates["room to answer"].measured.startswith("10 of 60 answers of prompted (base) were cut")
    [score] = select(session.store, "from v_runs where side = 'base' and is_primary")
    assert (score["mean"], score["n_unscored"]) == (1.0, 10)


def test_two_sides_that_think_alike_are_told_so(tmp_path: Path) -> None:
    session = run(experiment(tmp_path, thinking(WRONG), thinking(ANSWERS)))
    [caution] = [gate for gate in decided(session).cautions() if gate.name == "thinking"]
    assert caution.measured.endswith("60 of 60 answers of candidate (candidate) before they were marked")


def side(thinking: int, n: int = 400, tokens: float | None = None) -> ThinkingSide:
    return ThinkingSide("a", n, thinking, tokens)


@pytest.mark.parametrize(
    ("base", "candidate", "said"),
    [
        (side(0), side(0), None),
        (side(400, tokens=212.4), side(0, tokens=3), "(212 tokens an answer against 3)"),
        (side(400), side(300), "the other does less often"),
        (side(400), side(393), "before they were marked"),  # p = 0.015
        (side(400), side(392), "the other does less often"),  # p = 0.008
    ],
)
def test_a_difference_beyond_chance_is_told(base: ThinkingSide, candidate: ThinkingSide, said: str | None) -> None:
    gates = thinking_caution(base, candidate)
    assert [said in gate.measured.words for gate in gates if said] == [True] * (said is not None)


def test_marks_that_came_with_the_answers_may_be_marks_of_the_thinking() -> None:
    [gate] = thinking_caution(side(400), side(0), marked_here=False)
    assert gate.measured.words.startswith("thinking stands in 400 of 400 answers of a and 0 of 400")
    assert gate.measured.words.endswith("another tool may have marked the thinking with them")


def asked(template: str, engine: str = "openai chat", **settings: bool) -> Run:
    identity = Identity("m", "w", template=with_settings(template, settings.items()), engine=engine)
    return Run("1", "arm", "exam", "s", ("exact_match",), identity, Generation())


@pytest.mark.parametrize("template", ["", "a1b2"])  # a server's is not known
def test_a_template_asked_for_other_things_is_not_comparable_unless_allowed(template: str) -> None:
    pair = (asked(template), asked(template, enable_thinking=True))
    gate = comparable_gate([pair])
    assert gate.status == "fail"
    different = 'different exam: chat_template_kwargs (none against {"enable_thinking": true}); ask both sides alike'
    assert gate.measured.words.startswith(different)
    allowed = comparable_gate([pair], same_settings=False)
    words = 'same, but for chat_template_kwargs (none against {"enable_thinking": true}), which may differ'
    assert (allowed.status, allowed.measured.words) == ("pass", words)
    assert comparable_gate([(pair[1], pair[1])]).status == "pass"
    assert comparable_gate([(asked("a", enable_thinking=True), asked("b", enable_thinking=True))]).status == "fail"


def test_a_difference_that_was_allowed_is_named_in_the_headline() -> None:
    policy = {"chat_template_kwargs": "may_differ"}
    config = {"experiment": "e", "data": {"test": "t"}, "candidate": {"recorded": "c"}, "policy": policy}
    assert overrides(ExperimentConfig.model_validate(config)) == ["policy.chat_template_kwargs: may_differ"]


def test_what_recorded_answers_were_asked_for_is_not_known() -> None:
    recorded = replace(asked("").identity, engine="recorded 1")
    pair = (replace(asked(""), identity=recorded), asked("", enable_thinking=True))
    assert comparable_gate([pair]).status == "pass"
