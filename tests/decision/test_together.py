"""Regression suites judged by their mean: what that shows, what it must not hide, and what it buys."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from workspaces import recorded_experiment, run, select, verdict, write_jsonl

from harness.config.policy import Policy, RegressionRule
from harness.decision.compare import Comparison, Question, compare
from harness.decision.decide import Decision, decide
from harness.decision.together import together, together_gate
from harness.decision.wording import in_words
from harness.experiment.explain import Explained, all_pass, explain, known
from harness.experiment.load import load_experiment
from harness.selftest import run as selftest
from harness.stats import suite_mean
from harness.stats.suite_mean import Estimated
from suites.errors import UserError
from suites.types import Score

TOGETHER = Policy(regression=RegressionRule(together=0.02))


def compared(suite: str, n: int, lost: int, gained: int, tier: str = "supporting") -> Comparison:
    """A suite of which the candidate loses and gains so many examples; margin .05."""
    kind, margin = ("task", 0.02) if suite == "exam" else ("regression", 0.05)
    question = Question(
        suite=suite, kind=kind, metric="exact_match", baseline_arm="few-shot 8", candidate_arm="LoRA",
        margin=margin, tier="critical" if kind == "task" else tier,
    )  # fmt: skip
    before = [1.0] * lost + [0.0] * gained + [1.0] * (n - lost - gained)
    after = [0.0] * lost + [1.0] * gained + [1.0] * (n - lost - gained)
    ids = [f"{suite}{i}" for i in range(n)]
    scores = [{i: Score(v) for i, v in zip(ids, arm, strict=True)} for arm in (before, after)]
    return compare(question, [(i, i) for i in ids], *scores)


GAIN = compared("exam", 500, 10, 80)


def decided(*suites: Comparison, policy: Policy = TOGETHER) -> Decision:
    return decide([], [GAIN, *suites], policy)


def gate(decision: Decision) -> Any:
    return in_words(next(gate for gate in decision.gates if gate.id == "together"))


# --- the mean and its interval


def test_the_mean_of_normal_intervals_has_the_root_of_summed_squares() -> None:
    exams = [Estimated(-0.01, -0.03, 0.01), Estimated(0.02, -0.02, 0.06)]
    mean = suite_mean.mean_of(exams)
    assert mean.value == pytest.approx(0.005)
    assert mean.value - mean.low == pytest.approx(math.hypot(0.02, 0.04) / 2)


def test_the_mean_of_one_exam_is_that_exam() -> None:
    mean = suite_mean.mean_of([Estimated(0.01, -0.02, 0.05)])
    assert [mean.value, mean.low, mean.high] == pytest.approx([0.01, -0.02, 0.05])


def test_the_p_value_is_that_of_the_interval_where_it_ends() -> None:
    mean = Estimated(-0.05, -0.08, -0.03)
    assert suite_mean.below_p(mean, -0.03, 0.90) == pytest.approx(0.05)
    assert suite_mean.below_p(mean, -0.05, 0.90) == pytest.approx(0.5)
    assert suite_mean.below_p(mean, -0.08, 0.90) == pytest.approx(0.95)


def test_a_plan_for_the_mean_reaches_the_power_it_states() -> None:
    """Three suites, 10 % of the answers differ; the plan's factor applied to the sizes gives its power back."""
    sizes, sds = [200, 300, 400], [math.sqrt(0.1)] * 3
    error = suite_mean.spread_of_mean(sizes, sds)
    assert error == pytest.approx(math.sqrt(0.1 * (1 / 200 + 1 / 300 + 1 / 400)) / 3)
    times = suite_mean.times_as_many(error, 0.03, 0.05, 0.8)
    assert suite_mean.power_of_mean(error / math.sqrt(times), 0.03, 0.05) == pytest.approx(0.8)


# --- the decision


def test_six_suites_none_of_which_can_show_it_alone_show_it_together() -> None:
    suites = [compared(f"suite {i}", 400, 22, 20) for i in range(6)]
    alone = decide([], [GAIN, *(replace(c, tier="critical") for c in suites)], Policy())
    assert alone.verdict.text == "deploy"  # each margin is .05
    tight = [replace(c, margin=0.02, tier="critical") for c in suites]
    assert decide([], [GAIN, *tight], Policy()).verdict.text == "inconclusive"
    decision = decided(*suites)
    assert decision.verdict.text == "deploy"
    assert (gate(decision).name, gate(decision).rule) == (
        "regression suites together",
        "mean of 6 no worse than -2.0 points, none seen beyond its own margin",
    )
    assert gate(decision).measured == "-0.5 points [-1.8, +0.8], n=2,400 in 6 suites"


def test_a_deploy_claims_no_more_than_the_mean() -> None:
    headline = decided(*[compared(f"suite {i}", 400, 22, 20) for i in range(6)]).headline
    assert "lose no more on average than you allow, and none was seen to lose more than its own margin" in headline
    assert "loses nothing" not in headline


def test_a_suite_at_its_floor_is_open_beside_the_mean() -> None:
    """Where the base knows nothing, nothing lost on it says nothing of the others."""
    floor = replace(compared("floor", 400, 4, 4), baseline=0.02, candidate=0.02, floor=0.0)
    decision = decided(floor, *[compared(f"suite {i}", 400, 22, 20) for i in range(5)])
    assert (gate(decision).status, decision.verdict.text) == ("pass", "inconclusive")


def test_what_is_learnt_on_a_suite_at_its_floor_pays_for_no_other() -> None:
    risen = replace(compared("floor", 400, 4, 200), baseline=0.02, candidate=0.51, floor=0.0)
    others = [compared(f"suite {i}", 400, 12, 10) for i in range(5)]
    together = gate(decided(risen, *others))
    assert together.rule.startswith("mean of 5 ")
    assert together.value == gate(decided(*others)).value


def test_a_suite_shown_to_be_lost_is_not_paid_for_by_the_others() -> None:
    lost = compared("law", 400, 80, 4)
    others = [compared(f"suite {i}", 400, 2, 30) for i in range(5)]
    decision = decided(lost, *others)
    assert gate(decision).low > -0.02
    assert decision.verdict.text == "reject"
    assert "19.0 points on law" in decision.reason


def test_a_loss_of_all_is_told_of_the_mean() -> None:
    decision = decided(*[compared(f"suite {i}", 400, 30, 10) for i in range(6)])
    assert [g.id for g in decision.gates if g.status == "fail"] == ["together"]
    assert decision.verdict.text == "reject"
    assert "It loses 5.0 points on average over 6 regression suites (allowed: 2.0)." in decision.reason


def test_a_mean_that_may_be_either_says_what_would_settle_it() -> None:
    decision = decided(compared("one", 100, 6, 4), compared("two", 100, 5, 5))
    assert (decision.verdict.text, gate(decision).status) == ("inconclusive", "unknown")
    assert "more examples, over all suites alike" in gate(decision).measured
    assert "regression suites together" in decision.reason


@pytest.mark.parametrize(
    ("difference", "low", "high", "more"),
    [
        (-0.01, -0.025, 0.001, "1,500"),  # .01 inside the margin: (1.96 + .8416)^2 (.015 / 1.96)^2 / .01^2 = 4.6 times
        (-0.03, -0.06, -0.015, "1,500"),  # as far outside it, the upper end as near
        (-0.02, -0.03, -0.01, "no number of examples"),
    ],
)
def test_what_settles_a_mean_is_reckoned_from_the_end_that_is_in_the_way(
    difference: float, low: float, high: float, more: str
) -> None:
    suite = replace(compared("one", 400, 4, 4), difference=difference, low=low, high=high)
    assert more in _settling(suite)


def _settling(suite: Comparison) -> str:
    mean = together([suite], 0.02)
    assert mean
    return together_gate(mean, harmed=False).measured.words


@pytest.mark.parametrize(("low", "status"), [(-0.02, "pass"), (-0.0201, "unknown")])
def test_a_mean_exactly_at_its_limit(low: float, status: str) -> None:
    suite = replace(compared("one", 400, 4, 4), difference=0.0, low=low, high=0.01)
    assert gate(decided(suite)).status == status


@pytest.mark.parametrize(("lost", "status"), [(20, "pass"), (21, "unknown")])
def test_no_suite_may_be_seen_beyond_its_own_margin_though_it_is_not_shown(lost: int, status: str) -> None:
    """Of 400 examples a margin of .05 allows 20."""
    decision = decided(compared("law", 400, lost, 0), *[compared(f"suite {i}", 400, 2, 12) for i in range(5)])
    assert (gate(decision).status, gate(decision).low > -0.02) == (status, True)
    assert ("; law: -5.2 points [" in gate(decision).measured) is (status == "unknown")


def test_suites_that_only_tell_are_not_in_the_mean() -> None:
    decision = decided(compared("one", 4000, 40, 40), compared("told", 100, 60, 0, tier="advisory"))
    assert (gate(decision).n, gate(decision).status) == (4000, "pass")


def test_a_suite_without_an_interval_leaves_the_mean_open() -> None:
    one = replace(compared("one", 4000, 40, 40), low=None, high=None)
    assert gate(decided(one, compared("two", 4000, 40, 40))).status == "unknown"


def test_the_mean_is_a_claim_of_harm_among_the_others() -> None:
    """Holm: beside a second claim it takes p at half of alpha to call the mean lost."""
    suites = [compared("one", 400, 24, 8), compared("two", 400, 24, 8)]
    lone = suite_mean.mean_of([Estimated(c.difference or 0.0, c.low or 0.0, c.high or 0.0) for c in suites])
    p = suite_mean.below_p(lone, -0.02, 0.9)
    policy = Policy(confidence=0.95, regression=RegressionRule(together=0.02))
    assert 0.05 / 3 < p < 0.05
    assert gate(decided(*suites, policy=policy)).status == "unknown"


def test_a_mean_at_its_margin_passes_no_more_often_than_it_may() -> None:
    rng, passed, tries = np.random.default_rng(0), 0, 400
    for _ in range(tries):
        counts = rng.multinomial(200, [0.06, 0.04, 0.9], size=4)  # each suite loses .02
        passed += gate(decided(*[compared(f"s{i}", 200, k, g) for i, (k, g, _) in enumerate(counts)])).status == "pass"
    assert passed / tries <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / tries)


# --- from the file


def experiment(folder: Path, lost: dict[str, int], n: int = 400, **settings: Any) -> Path:
    """A task the candidate is better at, and suites of which it loses so many examples; elsewhere 5 right for 5."""
    path = recorded_experiment(folder, ["yes"] * 350 + ["no"] * 150, ["yes"] * 450 + ["no"] * 50)
    rows = {arm: [json.loads(line) for line in (folder / f"{arm}.jsonl").open()] for arm in ("prompted", "tuned")}
    for name, count in lost.items():
        (folder / name).mkdir()
        (folder / name / "suite.yaml").write_text(yaml.safe_dump({"name": name, "metrics": ["exact_match"]}))
        ids = [f"{name}-{i}" for i in range(n)]
        exam = [{"id": i, "input": f"{name} question {k}", "target": "yes"} for k, i in enumerate(ids)]
        write_jsonl(folder / name / "examples.jsonl", exam)
        sides = {
            "prompted": ["no"] * 20 + ["yes"] * (n - 20),
            "tuned": ["yes"] * (n - 20 - count) + ["no"] * (20 + count),
        }
        for arm, answers in sides.items():
            rows[arm] += [{"id": i, "completion": text} for i, text in zip(ids, answers, strict=True)]
    for arm, answers in rows.items():
        write_jsonl(folder / f"{arm}.jsonl", answers)
    content = yaml.safe_load(path.read_text())
    regression = [{"suite": name, "margin": 0.05} for name in lost]
    path.write_text(yaml.safe_dump({**content, "regression": regression, **settings}))
    return path


def rules(path: Path) -> dict[str, Explained]:
    loaded = load_experiment(path)
    return {rule.gate_id: rule for rule in explain(loaded, known(loaded))}


def test_the_plan_says_what_the_mean_buys(tmp_path: Path) -> None:
    """The example of the documents: six suites of 400 at a margin of .05, 10 % of the answers differ."""
    suites = dict.fromkeys(["a", "b", "c", "d", "e", "f"], 0)
    alone = rules(experiment(tmp_path / "alone", suites))
    assert all_pass(list(alone.values())) == pytest.approx(0.38, abs=0.01)
    found = rules(experiment(tmp_path / "together", suites, policy={"regression": {"together": 0.02}}))
    assert "one by one an equal model passes in 38%" in found["together"].says
    assert found["together"].power == all_pass(list(found.values())) > 0.8
    assert (found["together"].has, found["regression/a"].tier) == (2400, "supporting")


def test_suites_are_judged_together_from_the_file_to_the_record(tmp_path: Path) -> None:
    lost = {"a": 12, "b": 12, "c": 12, "law": 0}
    path = experiment(tmp_path, lost, policy={"regression": {"together": 0.05}})
    session = run(path)
    assert verdict(session) == "deploy"
    [row] = select(session.store, "from v_gates where gate_id = 'together'")
    assert (row["kind"], row["tier"], row["threshold"], row["unit"]) == ("harm", "critical", -0.05, "score")
    assert row["value"] == pytest.approx(-9 / 400)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"regression": []}, "needs a regression suite that is not advisory"),
        ({"regression": [{"suite": "a", "margin": "5%"}]}, "takes differences of scores"),
        ({"regression": [{"suite": "a", "tier": "advisory"}]}, "needs a regression suite that is not advisory"),
    ],
)
def test_what_has_no_mean_is_refused(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    path = experiment(tmp_path, {"a": 0}, policy={"regression": {"together": 0.02}}, **settings)
    with pytest.raises(UserError, match=says):
        load_experiment(path)


@pytest.mark.slow
def test_the_self_test_plants_a_loss_behind_the_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is lost on one suite and the others are all right: the mean holds, and the suite's own test must reject."""
    lost = dict.fromkeys("abcdefghijklmnopqrstuvwxyz"[:25], 0)
    path = experiment(tmp_path, lost, n=100, policy={"regression": {"together": 0.03}})
    name = "lost behind the mean"
    monkeypatch.setattr(selftest, "TESTS", {name: selftest.TESTS[name]})
    [outcome] = selftest.run(run(path))
    assert (outcome.done, outcome.got, outcome.status) == (
        "every answer on a lost, all others right", "reject by a", "pass",
    )  # fmt: skip
