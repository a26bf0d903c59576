"""The decision: every branch with its exit code, and what must hold for any numbers."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Question, compare, slices_of
from harness.decision.decide import Verdict, decide
from harness.decision.gates import Gate, Measured, Rule, gate_id
from harness.decision.wording import in_words, lost, measured, measured_sentence, roughly, settle, some
from suites.types import Example, Score

OK = Gate("data", "validity", "pass", Rule("data"), Measured(words="0 findings"))
BAD = replace(OK, status="fail")
RANK = [Verdict.REJECT, Verdict.KEEP_PROMPTING, Verdict.INCONCLUSIVE, Verdict.DEPLOY]


def binary(n: int, both: int, lost: int, gained: int) -> tuple[list[float], list[float]]:
    """Baseline and candidate scores with these counts; the rest both get wrong."""
    neither = n - both - lost - gained
    return [1.0] * both + [1.0] * lost + [0.0] * gained + [0.0] * neither, (
        [1.0] * both + [0.0] * lost + [1.0] * gained + [0.0] * neither
    )


def ask(kind: str, margin: float, part: str = "") -> Question:
    """What is compared, between the arms of these tests."""
    names = {"baseline_arm": "few-shot 8", "candidate_arm": "LoRA", "metric": "exact_match"}
    tier = "supporting" if kind == "slice" else "critical"
    return Question(suite="suite", kind=kind, margin=margin, slice=part, tier=tier, **names)  # type: ignore[arg-type]


def comparison(kind: str, before: list[float], after: list[float], margin: float, part: str = "") -> Comparison:
    """A comparison of two score lists, ids by position."""
    examples = [(f"e{i:05d}", f"e{i:05d}") for i in range(len(before))]
    ids = [i for i, _ in examples]
    question = ask(kind, margin, part)
    scores = [{i: Score(v) for i, v in zip(ids, values, strict=True)} for values in (before, after)]
    return compare(question, examples, scores[0], scores[1])


BETTER = comparison("task", *binary(500, 350, 10, 80), margin=0.02)
SAME = comparison("task", *binary(500, 400, 2, 2), margin=0.02)
UNSURE = comparison("task", *binary(500, 380, 20, 35), margin=0.02)
KEPT = comparison("regression", *binary(1000, 950, 5, 5), margin=0.03)
LOST = comparison("regression", *binary(1000, 800, 150, 5), margin=0.03)
OPEN = comparison("regression", *binary(60, 50, 3, 2), margin=0.03)
SLICE_LOST = comparison("slice", *binary(200, 100, 60, 0), margin=0.05, part="plan=gold")
SLICE_OPEN = comparison("slice", *binary(20, 15, 2, 1), margin=0.05, part="plan=plus")


@pytest.mark.parametrize(
    ("validity", "comparisons", "verdict", "exit_code"),
    [
        ([OK], [BETTER, KEPT], "deploy", 0),
        ([OK], [BETTER, KEPT, SLICE_OPEN], "deploy", 0),
        ([OK], [SAME, KEPT], "keep_prompting", 3),
        ([OK], [BETTER, LOST], "reject", 4),
        ([OK], [SAME, LOST], "reject", 4),
        ([OK], [BETTER, KEPT, SLICE_LOST], "reject", 4),
        ([OK], [UNSURE, KEPT], "inconclusive", 5),
        ([OK], [BETTER, OPEN], "inconclusive", 5),
        ([OK], [KEPT], "inconclusive", 5),
        ([OK], [], "inconclusive", 5),
        ([BAD], [BETTER, KEPT], "invalid", 6),
        ([BAD], [SAME, LOST], "invalid", 6),
        ([replace(OK, status="unknown")], [BETTER, KEPT], "inconclusive", 5),
    ],
)
def test_every_branch_has_its_verdict_and_exit_code(
    validity: list[Gate], comparisons: list[Comparison], verdict: str, exit_code: int
) -> None:
    decision = decide(validity, comparisons, Policy())
    assert (decision.verdict.text, decision.verdict.exit_code) == (verdict, exit_code)
    assert decision.headline
    assert decision.reason


@pytest.mark.parametrize(
    ("tier", "regression", "verdict"),
    [
        ("critical", LOST, "reject"),
        ("critical", OPEN, "inconclusive"),
        ("critical", KEPT, "deploy"),
        ("supporting", LOST, "reject"),
        ("supporting", OPEN, "deploy"),
        ("advisory", LOST, "deploy"),
        ("advisory", OPEN, "deploy"),
    ],
)
def test_a_rules_tier_says_what_hangs_on_it(tier: str, regression: Comparison, verdict: str) -> None:
    decision = decide([OK], [BETTER, replace(regression, tier=tier)], Policy())  # type: ignore[arg-type]
    assert decision.verdict.text == verdict
    assert decision.gates[-1].tier == tier
    rule = "not shown worse than -3.0 points" if tier == "supporting" else "no worse than -3.0 points"
    assert in_words(decision.gates[-1]).rule == rule


def test_a_headline_claims_what_was_asked_and_shown() -> None:
    """A loss that only an advisory suite saw is named, and so is a careful default that was set aside."""
    told = replace(LOST, suite="old tickets", tier="advisory")
    headlines = [
        decide([OK], [BETTER, *suites], Policy(), overridden=overridden).headline
        for suites, overridden in (([KEPT], []), ([], []), ([told], []), ([KEPT, told], ["policy.max_looks: 99"]))
    ]
    lost = " Advisory, and not counted: old tickets lost 14.5 points."
    assert headlines == [
        "Deploy: the fine-tune beats the best prompt and loses nothing beyond what you allow.",
        "Deploy: the fine-tune beats the best prompt; no regression suite was asked, so what else it lost is not "
        "known.",
        f"Deploy: the fine-tune beats the best prompt; regression suites were only advisory (old tickets).{lost}",
        "Deploy: the fine-tune beats the best prompt and loses nothing beyond what you allow."
        f"{lost} Set aside for it: `policy.max_looks: 99`.",
    ]


@pytest.mark.parametrize(("floor", "said"), [(0.89, False), (0.8901, True)])
def test_a_margin_of_more_than_half_of_what_could_be_lost_is_told(floor: float, said: bool) -> None:
    """Of 0.95 before, with 0.89 for knowing nothing, 0.06 can be lost and 0.03 may."""
    gate = decide([OK], [BETTER, replace(KEPT, baseline=0.95, floor=floor)], Policy()).gates[-1]
    assert gate.status == "pass"
    assert ("more than half of what could be lost" in measured_sentence(gate)) == said


def test_a_critical_slice_must_be_shown_to_be_kept() -> None:
    decision = decide([OK], [BETTER, KEPT, replace(SLICE_OPEN, tier="critical")], Policy())
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "plan=plus" in measured_sentence(decision.gates[-1])


def test_an_advisory_loss_takes_nothing_from_the_others() -> None:
    """Holm's correction is shared by claims that decide; being told more must not make harm harder to show."""
    barely = comparison("regression", *binary(1000, 900, 68, 20), margin=0.03)
    told = [replace(OPEN, suite=f"told-{i}", tier="advisory") for i in range(20)]
    alone, among = (decide([OK], [BETTER, barely, *more], Policy()).verdict for more in ([], told))
    assert (alone, among) == (Verdict.REJECT, Verdict.REJECT)


def test_over_budget_is_not_deployed_and_not_called_harm() -> None:
    budget = Gate("latency", "budget", "fail", Rule("latency", 0.5, "s"), Measured(0.9, 0.8, 1.0, 200))
    decision = decide([OK], [BETTER, KEPT], Policy(), budgets=[budget])
    assert decision.verdict is Verdict.REJECT
    assert "over budget" in decision.headline
    assert decision.reason.startswith(
        "latency: 900 ms [800, 1,000], n=200 (rule: 95% of requests within 500 ms). LoRA "
    )


def test_equivalence_is_said_when_it_is_shown() -> None:
    assert "equivalent" in decide([OK], [SAME, KEPT], Policy()).reason
    worse = comparison("task", *binary(500, 300, 80, 10), margin=0.02)
    assert "equivalent" not in decide([OK], [worse, KEPT], Policy()).reason


def test_harm_is_told_in_points() -> None:
    reason = decide([OK], [BETTER, LOST], Policy()).reason
    assert "It loses 14.5 points on suite (80.5% after 95.0%; allowed: 3.0)." in reason


def test_a_loss_says_on_what_and_what_was_allowed() -> None:
    judged = comparison("judge", *binary(400, 250, 100, 20), margin=0.05)
    assert lost(judged) == "20.0 points on the judge's preference (67.5% after 87.5%; allowed: 5.0)"
    assert lost(LOST) == "14.5 points on suite (80.5% after 95.0%; allowed: 3.0)"
    assert lost(replace(LOST, baseline=None)) == lost(replace(LOST, candidate=None)) == "suite"


OTHER = replace(comparison("prompt", *binary(500, 380, 20, 25), margin=0.0), baseline_arm="zero-shot")
BEATEN = replace(comparison("prompt", *binary(500, 300, 10, 90), margin=0.0), baseline_arm="chain of thought")


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        ([BEATEN], "It is shown better than each of the 2 prompts on the test."),
        (
            [BEATEN, OTHER],
            "Of the 3 prompts zero-shot is the hardest to beat on the test: LoRA scores 1.0 points more than it, 81.0% "
            "against 80.0%, 95% interval -1.7 to +3.7.",
        ),
        (
            [replace(OTHER, low=None, high=None)],
            "Of the 2 prompts zero-shot is the hardest to beat on the test: LoRA scores 1.0 points more than it, 81.0% "
            "against 80.0%.",
        ),
    ],
)
def test_the_reason_says_how_the_candidate_stands_to_the_prompts_that_were_not_chosen(
    others: list[Comparison], sentence: str
) -> None:
    decision = decide([OK], [BETTER, KEPT, *others], Policy())
    assert decision.verdict is (Verdict.DEPLOY if "shown better" in sentence else Verdict.INCONCLUSIVE)
    assert f"n = 500. {sentence}" in decision.reason


@pytest.mark.parametrize("missing", ["baseline", "candidate"])
def test_of_a_prompt_without_scores_nothing_is_said(missing: str) -> None:
    reason = decide([OK], [BETTER, KEPT, replace(OTHER, **{missing: None})], Policy()).reason
    assert "hardest to beat" not in reason
    assert "n = 500. Still open" in reason.replace("  ", " ")


def test_one_value_holds_text_and_exit_code() -> None:
    assert {v.text: v.exit_code for v in Verdict} == {
        "deploy": 0,
        "keep_prompting": 3,
        "reject": 4,
        "inconclusive": 5,
        "invalid": 6,
    }


def test_without_named_regression_suites_nothing_is_deployed() -> None:
    decision = decide([OK], [BETTER], Policy(), regression_declared=False)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "regression: []" in measured_sentence(decision.gates[-1])


def test_the_reason_carries_the_numbers() -> None:
    reason = decide([OK], [BETTER, KEPT], Policy()).reason
    assert "14.0 points more than the best prompt (few-shot 8)" in reason
    assert "86.0% against 72.0%" in reason
    assert "n = 500" in reason


def test_two_arms_that_can_do_nothing_are_told_so() -> None:
    reason = decide([OK], [comparison("task", *binary(500, 0, 0, 0), margin=0.02), KEPT], Policy()).reason
    assert "scores the same as the best prompt" in reason
    assert "Neither gets a single example right" in reason


def test_inconclusive_says_how_much_data_would_settle_it() -> None:
    decision = decide([OK], [UNSURE, KEPT], Policy())
    assert "more examples would settle it" in decision.reason


def test_where_examples_come_in_clusters_more_clusters_are_asked_for() -> None:
    says = settle(replace(UNSURE, n_clusters=25))
    assert says == (
        "at least about 47 more clusters (some 940 examples) would settle it (560 if it is what it looks like), as the "
        "next look, at 0.833% a side; or 54 fresh clusters (some 1,100 examples) at 2.5%; none do if it lies at the "
        "limit"
    )


@pytest.mark.parametrize(("clusters", "told"), [(475, "n=500"), (474, "n=500 in 474 clusters")])
def test_clusters_are_told_where_a_twentieth_of_the_examples_or_more_is_no_evidence_of_its_own(
    clusters: int, told: str
) -> None:
    assert measured(replace(UNSURE, n_clusters=clusters)).endswith(f"], {told}")


def test_a_difference_clear_of_its_limit_is_settled_by_a_number_between_two() -> None:
    says = settle(replace(UNSURE, difference=0.05))
    assert says == (
        "about 1 to 8,900 more examples would settle it if the difference is between +3.1 and +6.9 points, as the next "
        "look, at 0.833% a side; or 510 to 7,100 fresh examples at 2.5%"
    )


def test_inconclusive_names_what_is_open_and_says_what_is_not() -> None:
    """An advisory rule that is open holds nothing up; a kept suite is reassuring only where all are kept."""
    asked = (
        "You asked for more than +2.0; at least about 870 more examples would settle it (11,000 if it is what it looks "
        "like), as the next look, at 0.833% a side; or 1,100 fresh examples at 2.5%; none do if it lies at the limit."
    )
    kept = "Nothing it could do before got worse beyond what you allow."
    advisory = replace(OPEN, suite="told", tier="advisory")
    for comparisons, sentences in (
        ([UNSURE], f"Still open: gain over the best prompt. {asked}"),
        ([UNSURE, KEPT], f"Still open: gain over the best prompt. {asked} {kept}"),
        ([UNSURE, OPEN], f"Still open: gain over the best prompt, suite. {asked}"),
        ([BETTER, OPEN, advisory], "Still open: suite."),
    ):
        reason = decide([OK], comparisons, Policy()).reason
        assert reason.endswith(f", n = 500. {sentences}")


@pytest.mark.parametrize(("count", "told"), [(-3, 1), (0, 1), (7, 7), (99, 99), (101, 110), (317_564, 320_000)])
def test_a_count_worked_out_from_an_estimate_is_no_more_exact_than_it(count: int, told: int) -> None:
    assert roughly(count) == told


def test_more_examples_than_any_exam_has_are_not_counted() -> None:
    assert [some(count) for count in (8, 1_234, 1_000_000, 1_000_001)] == ["8", "1,300", "1,000,000", "over 1,000,000"]


def test_an_open_regression_suite_says_how_much_data_would_settle_it() -> None:
    [gate] = [gate for gate in decide([OK], [BETTER, OPEN], Policy()).gates if gate.id == "regression/suite"]
    assert gate.status == "unknown"
    assert "more examples would settle it" in measured_sentence(gate)


def test_unscored_pairs_are_counted_and_not_taken_for_wrong() -> None:
    examples = [(f"e{i}", f"e{i}") for i in range(10)]
    before = {i: Score(1.0) for i, _ in examples}
    after = {**before, "e3": Score(None, "timed out")}
    del after["e4"]
    found = compare(ask("task", 0.02), examples, before, after)
    assert (found.n, found.n_unscored, found.difference) == (8, 2, 0.0)


def test_one_cluster_gives_no_interval_and_an_open_gate() -> None:
    examples = [(f"e{i}", "thread-1") for i in range(50)]
    before, after = ({i: Score(v) for i, _ in examples} for v in (0.0, 1.0))
    found = compare(ask("task", 0.02), examples, before, after)
    assert (found.n_clusters, found.low) == (1, None)
    decision = decide([OK], [found], Policy())
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "more than one cluster" in decision.reason


counts = st.tuples(st.integers(0, 300), st.integers(0, 100), st.integers(0, 100)).filter(lambda c: sum(c) > 0)


@settings(max_examples=60, deadline=None)
@given(counts, st.integers(1, 40), counts)
def test_a_better_candidate_never_gets_a_worse_verdict(
    task: tuple[int, int, int], moved: int, regression: tuple[int, int, int]
) -> None:
    both, lost, gained = task
    moved = min(moved, lost)
    n = sum(task)
    kept = comparison("regression", *binary(sum(regression), *regression), margin=0.03)
    worse = comparison("task", *binary(n, both, lost, gained), margin=0.02)
    better = comparison("task", *binary(n, both + moved, lost - moved, gained), margin=0.02)
    ranks = [RANK.index(decide([OK], [c, kept], Policy()).verdict) for c in (worse, better)]
    assert ranks[0] <= ranks[1]


@settings(max_examples=40, deadline=None)
@given(counts, counts, st.randoms())
def test_the_order_of_rows_and_suites_changes_nothing(
    one: tuple[int, int, int], other: tuple[int, int, int], rng: random.Random
) -> None:
    suites = [
        replace(comparison("regression", *binary(sum(c), *c), margin=0.03), suite=name)
        for name, c in (("one", one), ("other", other))
    ]
    before, after = binary(sum(one), *one)
    order = rng.sample(range(len(before)), len(before))
    shuffled = comparison("task", [before[i] for i in order], [after[i] for i in order], margin=0.02)
    straight = comparison("task", before, after, margin=0.02)
    first = decide([OK], [straight, *suites], Policy())
    second = decide([OK], [*reversed(suites), shuffled], Policy())
    assert first.verdict is second.verdict
    assert shuffled.low == straight.low


@settings(max_examples=60, deadline=None)
@given(st.lists(counts, max_size=4))
def test_no_task_suite_never_deploys(suites: list[tuple[int, int, int]]) -> None:
    comparisons = [
        replace(comparison("regression", *binary(sum(c), *c), margin=0.03), suite=f"suite {i}")
        for i, c in enumerate(suites)
    ]
    assert decide([OK], comparisons, Policy()).verdict is not Verdict.DEPLOY


def test_a_graded_metric_is_decided_too() -> None:
    rng = random.Random(0)
    before = [rng.uniform(0.3, 0.7) for _ in range(400)]
    after = [min(1.0, b + rng.uniform(0.05, 0.2)) for b in before]
    assert decide([OK], [comparison("task", before, after, 0.02)], Policy()).verdict is Verdict.DEPLOY


def relative(kind: str, before: list[float], after: list[float], margin: float) -> Comparison:
    """A comparison whose margin is a share of the baseline's score."""
    examples = [(f"e{i:05d}", f"e{i:05d}") for i in range(len(before))]
    scores = [{i: Score(v) for (i, _), v in zip(examples, values, strict=True)} for values in (before, after)]
    return compare(replace(ask(kind, margin), relative=True), examples, scores[0], scores[1])


def test_a_metric_and_a_suite_of_one_name_are_told_apart() -> None:
    """The reason quotes the rule that is broken, not one that is called the same."""
    metric = replace(LOST, kind="metric", metric="general", suite="test")
    suite = replace(KEPT, suite="general")
    for order in ([metric, suite], [suite, metric]):
        decision = decide([OK], [BETTER, *order], Policy())
        assert {gate.id: gate.status for gate in decision.gates[2:]} == {
            "metric/general": "fail",
            "regression/general": "pass",
        }
        assert "It loses 14.5 points on general" in decision.reason


def test_a_suite_may_be_called_like_a_rule() -> None:
    names = ("judge", "slices", "gain over the best prompt", "gain", "data", "latency")
    decision = decide([OK], [BETTER, *(replace(KEPT, suite=name) for name in names), SLICE_OPEN], Policy())
    assert decision.verdict is Verdict.DEPLOY
    decision = decide([OK], [UNSURE, *(replace(LOST, suite=name) for name in names), SLICE_LOST], Policy())
    assert decision.reason.count("14.5 points on") == len(names)


def test_two_rules_of_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="several rules are called regression/suite"):
        decide([OK], [BETTER, KEPT, LOST], Policy())


def test_a_gate_carries_its_numbers_and_its_comparison() -> None:
    gain = decide([OK], [BETTER, KEPT], Policy()).gates[1]
    assert gain.comparison == BETTER
    told = in_words(gain)
    assert (told.threshold, told.value, told.low, told.high, told.n) == (
        0.02, BETTER.difference, BETTER.low, BETTER.high, 500,
    )  # fmt: skip


def test_a_margin_may_be_a_share_of_the_baselines_score() -> None:
    """From 20 % to 17 % is three points and fifteen percent: too much where five percent may be lost."""
    counts = binary(2000, 330, 70, 10)
    assert decide([OK], [BETTER, comparison("regression", *counts, margin=0.05)], Policy()).verdict is Verdict.DEPLOY
    decision = decide([OK], [BETTER, relative("regression", *counts, margin=0.05)], Policy())
    assert decision.verdict is Verdict.REJECT
    gate = in_words(decision.gates[-1])
    assert (gate.rule, gate.measured[:6]) == ("no worse than -5.0%", "-15.0%")
    assert (gate.unit, gate.threshold, gate.value) == ("relative", -0.05, pytest.approx(-0.15))


def test_a_baseline_of_zero_has_no_ratio_and_no_number_that_is_none() -> None:
    gain = relative("task", *binary(500, 0, 0, 200), margin=0.1)
    assert (gain.difference, gain.high) == (None, None)
    decision = decide([OK], [gain, KEPT], Policy())
    assert decision.verdict is Verdict.DEPLOY
    assert "no ratio to a score of 0" in measured_sentence(decision.gates[1])
    nothing = decide([OK], [relative("task", *binary(500, 0, 0, 0), margin=0.1), KEPT], Policy())
    assert nothing.verdict is Verdict.INCONCLUSIVE


def test_an_example_is_in_one_slice_of_every_column_it_has() -> None:
    gold, plus, none = (
        Example(str(i), {}, "yes", str(i), slices=columns)
        for i, columns in enumerate([{"plan": "gold", "lang": "en"}, {"plan": "plus", "lang": "en"}, {}])
    )
    parts = slices_of([plus, gold, none])
    assert list(parts.items()) == [("lang=en", [plus, gold]), ("plan=gold", [gold]), ("plan=plus", [plus])]


def test_the_id_of_a_gate_is_told_by_what_is_compared() -> None:
    kinds = ("task", "metric", "regression", "slice", "judge")
    ids = [gate_id(ask(kind, 0.03)) for kind in kinds]
    assert ids == ["gain", "metric/exact_match", "regression/suite", "slices", "judge"]
