"""Money: hand-computed costs, what must hold for any tokens, and a recorded experiment from its rows to its report."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS
from workspaces import decided, recorded_experiment, run, select, verdict, write_jsonl

from harness.config.policy import CostsConfig, Policy
from harness.decision import budgets, costs
from harness.decision.costs import ArmCost, BreakEven, Costs, Estimate, Usage
from harness.decision.prices import Rate, _price_list, listed
from harness.decision.wording import measured_sentence
from harness.experiment.load import load_experiment
from harness.experiment.session import Session
from harness.stats import unbounded
from reports.outputs import markdown
from suites.errors import UserError

CASES = json.loads((Path(__file__).parents[1] / "cases" / "costs.json").read_text())
API = Rate(input=0.4, output=1.6)
quick = settings(max_examples=60, deadline=None)
tokens = st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 500)), min_size=2, max_size=20)


def cases(name: str) -> Any:
    return pytest.mark.parametrize("case", CASES[name], ids=lambda case: case["source"][:40])


def usages(pairs: Any, seconds: Any = None) -> list[Usage]:
    """One request each, every one its own cluster and batch."""
    times = seconds or [0.1] * len(pairs)
    rows = enumerate(zip(pairs, times, strict=True))
    return [Usage(f"e{i}", f"e{i}", f"e{i}", into, out, time) for i, ((into, out), time) in rows]


def arm(found: list[Usage], rate: Rate | None, side: str = "base", confidence: float = 0.95) -> ArmCost:
    name = {"base": "few-shot 8", "candidate": "LoRA"}[side]
    return costs.arm_cost(found, rate, confidence, run_id=side, side=side, arm=name, chosen=True)


def compared(
    before: list[Usage],
    after: list[Usage],
    rates: tuple[Rate | None, Rate | None] = (API, API),
    training: float | None = 60.0,
    **config: Any,
) -> BreakEven:
    arms = arm(before, rates[0]), arm(after, rates[1], "candidate")
    return costs.break_even(arms, (before, after), rates, CostsConfig(**config), training, 0.95)


def numbers(found: Estimate | None) -> list[float | None] | None:
    return found and [found.value, found.low, found.high]


# --- by hand ---------------------------------------------------------------------------------------------------------


@cases("arm")
def test_the_cost_of_an_arm_is_the_one_worked_out_by_hand(case: dict[str, Any]) -> None:
    times = case.get("seconds")
    found = arm(usages(case.get("tokens") or [(0, 0)] * len(times), times), Rate(**case["price"]))
    assert numbers(found.cost) == pytest.approx([case["cost"], case["low"], case["high"]], abs=1e-5)


@cases("volume_needed")
def test_the_break_even_is_the_one_worked_out_by_hand(case: dict[str, Any]) -> None:
    found = costs.volume_needed(case["fixed"], Estimate(*case["saving"], 100))
    assert numbers(found) == (case["requests"] and pytest.approx(case["requests"]))


@cases("difference")
def test_two_intervals_are_combined_as_zou_and_donner_do(case: dict[str, Any]) -> None:
    found = costs.difference(Estimate(*case["one"], 10), Estimate(*case["other"], 10))
    assert numbers(found) == pytest.approx(case["difference"], abs=1e-6)


@pytest.mark.parametrize("missing", ["one.low", "one.high", "other.low", "other.high"])
def test_an_end_that_could_not_be_shown_leaves_the_difference_without_an_interval(missing: str) -> None:
    sides = {"one": Estimate(0.5, 0.4, 0.6, 10), "other": Estimate(0.2, 0.1, 0.3, 7)}
    side, end = missing.split(".")
    sides[side] = replace(sides[side], **{end: None})
    assert costs.difference(**sides) == Estimate(0.3, None, None, 7)


def test_n_is_carried_along() -> None:
    """Of a difference the smaller of both, of the break-even that of the saving."""
    assert costs.difference(Estimate(0.5, 0.4, 0.6, 10), Estimate(0.2, 0.1, 0.3, 7)).n == 7
    assert costs.volume_needed(10, Estimate(0.2, 0.1, 0.4, 7)) == Estimate(50_000, 25_000, 100_000, 7)


@pytest.mark.parametrize(("training", "seconds", "cost"), [
    ({"per_hour": 3.6}, 1000.0, 1.0),
    ({"per_hour": 3.6}, None, None),
    (60, None, 60.0),
    (None, 1000.0, None),
])  # fmt: skip
def test_a_training_costs_its_amount_or_its_hours(training: Any, seconds: float | None, cost: float | None) -> None:
    assert costs.training_cost(CostsConfig(training=training), seconds) == cost


@cases("ranks")
def test_the_ends_of_a_quantile_are_the_published_order_statistics(case: dict[str, Any]) -> None:
    values = np.arange(1, case["n"] + 1)
    assert unbounded.quantile_interval(values, case["share"], None, case["confidence"]) == (case["low"], case["high"])


def test_the_t_interval_is_that_of_a_clustered_regression() -> None:
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 12, 60)
    values = rng.exponential(size=60) + groups
    fit = OLS(values, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    found = unbounded.t_interval(values, list(groups))
    assert found is not None
    assert [found.low, found.high] == pytest.approx(fit.conf_int()[0])


def test_less_confidence_is_a_narrower_interval() -> None:
    less, more = (arm(usages(PAIRS), API, confidence=confidence).cost for confidence in (0.8, 0.95))
    assert less and more  # noqa: PT018
    assert more.low < less.low < less.high < more.high  # type: ignore[operator]


def test_one_request_has_a_cost_and_no_interval() -> None:
    assert numbers(arm(usages([(1000, 100)]), API).cost) == [pytest.approx(0.56), None, None]


def test_one_cluster_has_no_interval() -> None:
    assert unbounded.t_interval([1.0, 2.0], ["a", "a"]) is None
    assert unbounded.quantile_interval([1.0, 2.0], 0.95, ["a", "a"]) is None


def test_rows_alike_in_either_labelling_are_one_cluster() -> None:
    found = unbounded.joined(["a", "a", "b", "c", "d"], [1, 2, 2, 3, 4])
    assert found[0] == found[1] == found[2]
    assert len(set(found)) == 3


@pytest.mark.parametrize(("n", "size"), [(200, 1), (600, 5)])
def test_the_intervals_hold_what_they_promise(n: int, size: int) -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(n // size), size)
    missed = {"mean": 0, "slowest": 0}
    for _ in range(400):
        values = np.exp(0.5 * (0.6 * rng.normal(size=n // size)[groups] + 0.8 * rng.normal(size=n)))
        mean = unbounded.t_interval(values, list(groups))
        low, high = unbounded.quantile_interval(values, 0.95, list(groups)) or (None, None)
        assert mean is not None
        assert low is not None
        assert high is not None
        missed["mean"] += not mean.low <= np.exp(0.125) <= mean.high
        missed["slowest"] += not low <= np.exp(0.5 * 1.6448536) <= high
    assert all(count <= 32 for count in missed.values()), missed  # 20 expected, 32 at the 99.5th percentile


# --- what holds for any tokens ---------------------------------------------------------------------------------------


@quick
@given(tokens, st.integers(0, 1000), st.integers(0, 1000))
def test_more_tokens_are_never_cheaper(pairs: Any, into: int, out: int) -> None:
    more = [(a + into, b + out) for a, b in pairs]
    assert arm(usages(more), API).cost.value >= arm(usages(pairs), API).cost.value  # type: ignore[union-attr]


@quick
@given(tokens, st.floats(0.01, 1000))
def test_the_break_even_grows_in_step_with_what_is_to_be_earned(pairs: Any, factor: float) -> None:
    shorter = usages([(a, b // 2) for a, b in pairs])
    before = usages([(a + 100 + 7 * i, b) for i, (a, b) in enumerate(pairs)])
    once = compared(before, shorter, training=10.0).requests
    again = compared(before, shorter, training=10.0 * factor).requests
    assert once
    assert again
    assert again.value == pytest.approx(factor * once.value)
    assert once.low is not None
    assert once.low <= once.value


@quick
@given(tokens, st.integers(0, 300))
def test_a_candidate_that_saves_nothing_never_pays(pairs: Any, extra: int) -> None:
    found = compared(usages(pairs), usages([(a + extra, b) for a, b in pairs]))
    assert found.requests is None
    assert "never pay" in costs.pays(found, "USD")
    assert costs.cheaper(Costs(currency="USD", break_even=found)).startswith("The prompt is also cheaper at any volume")


@quick
@given(tokens, st.randoms())
def test_the_order_of_requests_changes_nothing(pairs: Any, rng: Any) -> None:
    before, after = usages(pairs), usages([(a, b // 3) for a, b in pairs])
    turned = rng.sample(after, len(after))
    assert numbers(compared(before, turned).saving) == pytest.approx(numbers(compared(before, after).saving))


# --- what is not known -----------------------------------------------------------------------------------------------

PAIRS = [(900 + i, 20) for i in range(100)]
SHORT = [(140 + i % 7, 20) for i in range(100)]


def test_tokens_nobody_counted_are_not_free() -> None:
    found = compared(usages(PAIRS), usages([(0, 0)] * 100))
    assert found.candidate.cost is None
    assert "LoRA: no answer came with its tokens" in costs.pays(found, "USD")


@pytest.mark.parametrize(
    ("rates", "training", "told"),
    [
        ((None, API), 60.0, "few-shot 8 has no price (`costs.baseline`)"),
        ((API, None), 60.0, "LoRA has no price (`costs.candidate`)"),
        ((API, API), None, "the training has no price (`costs.training`)"),
    ],
)
def test_what_has_no_price_is_not_taken_for_free(rates: Any, training: float | None, told: str) -> None:
    found = compared(usages(PAIRS), usages(SHORT), rates, training)
    assert found.requests is None
    assert told in costs.pays(found, "USD")
    assert costs.cheaper(Costs(currency="USD", break_even=found)) == ""


def test_a_batch_is_one_piece_of_evidence_about_time() -> None:
    machine = Rate(per_hour=2.0)
    alone = usages([(10, 1)] * 120, [0.1 + 0.001 * (i // 20) for i in range(120)])
    batched = [replace(usage, batch=f"batch {i // 20}") for i, usage in enumerate(alone)]
    one, six = arm(alone, machine), arm(batched, machine)
    assert one.cost
    assert six.cost
    assert six.cost.value == one.cost.value
    assert six.cost.high > 2 * one.cost.high - one.cost.value  # type: ignore[operator]
    assert (one.latency.high, six.latency.high) == (pytest.approx(0.105), None)  # type: ignore[union-attr]


def test_by_time_the_saving_is_that_of_the_two_arms() -> None:
    machine = Rate(per_hour=3.6)
    before = usages([(0, 0)] * 50, [1.0 + 0.01 * i for i in range(50)])
    after = usages([(0, 0)] * 50, [0.5 + 0.01 * i for i in range(50)])
    found = compared(before, after, (machine, machine), training=60.0)
    assert found.saving
    assert found.saving.value == pytest.approx(0.5)
    assert found.saving.low < 0.5 < found.saving.high  # type: ignore[operator]
    assert found.requests
    assert found.requests.value == pytest.approx(20_000)


# --- in words --------------------------------------------------------------------------------------------------------


def broken_even(saving: tuple[float, float | None, float | None], hosting: float = 0.0) -> BreakEven:
    found = compared(usages(PAIRS), usages(SHORT), training=60.0, hosting_per_month=hosting)
    told = Estimate(*saving, 100)
    return replace(found, saving=told, requests=costs.volume_needed(10.0 + hosting, told))


def test_the_first_screen_says_from_which_volume_on_it_pays() -> None:
    assert costs.pays(broken_even((0.164, 0.1205, 0.2273)), "USD") == (
        "LoRA would pay for its training after 61,000 requests a month [44,000, 83,000]."
    )
    assert "its training and hosting" in costs.pays(broken_even((0.2, 0.1, 0.3), hosting=5.0), "USD")
    assert "[33,300, never shown]" in costs.pays(broken_even((0.2, -0.1, 0.3)), "USD")
    assert "if the saving is what it looks like" in costs.pays(broken_even((-0.1, -0.2, 0.1)), "USD")


@pytest.mark.parametrize(
    ("expected", "told"),
    [(None, "below 33,300 requests a month."), (20_000, "and you expect 20,000."), (40_000, "")],
)
def test_the_prompt_is_called_cheaper_where_that_is_shown(expected: int | None, told: str) -> None:
    found = Costs(currency="USD", break_even=broken_even((0.2, 0.1, 0.3)), requests_per_month=expected)
    assert costs.cheaper(found).endswith(told)
    assert bool(costs.cheaper(found)) is bool(told)


def test_a_price_that_is_not_known_calls_no_side_cheaper() -> None:
    found = replace(broken_even((0.2, 0.1, 0.3)), unknown="no price of training")
    assert costs.cheaper(Costs(currency="USD", break_even=found)) == ""


def test_both_prices_are_told_where_the_prompt_is_cheaper_at_any_volume() -> None:
    found = compared(usages(SHORT), usages(PAIRS))
    told = "The prompt is also cheaper at any volume: 0.0892 against 0.412 USD per 1,000 requests."
    assert costs.cheaper(Costs(currency="USD", break_even=found)) == told


@pytest.mark.parametrize(
    ("saving", "fixed"),
    [((0.2, None, None), 10.0), ((0.2, 0.1, 0.3), 0.0), ((0.2, 0.1, 0.3), None)],
    ids=["no interval", "nothing to earn again", "no price of the training"],
)
def test_the_prompt_is_not_called_cheaper_where_that_is_not_shown(saving: Any, fixed: float | None) -> None:
    assert costs.cheaper(Costs(currency="USD", break_even=replace(broken_even(saving), fixed=fixed))) == ""


def test_as_many_requests_as_the_break_even_are_enough() -> None:
    found = replace(broken_even((0.4, 0.3, 0.5)), fixed=10.0)
    expected = Costs(currency="USD", break_even=found, requests_per_month=20_000)
    assert costs.cheaper(expected) == ""
    assert costs.cheaper(replace(expected, requests_per_month=19_999)).endswith("and you expect 19,999.")


# --- budgets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "low", "high", "status"),
    [
        (0.3, 0.2, 0.4, "pass"),
        (0.3, 0.2, 0.5, "pass"),
        (0.4, 0.3, 0.6, "unknown"),
        (0.4, 0.3, None, "unknown"),
        (0.6, 0.4, 0.8, "unknown"),
        (0.7, 0.51, 0.9, "fail"),
        (0.7, 0.51, None, "fail"),
        (0.3, None, None, "unknown"),
    ],
)
def test_a_budget_holds_when_the_whole_interval_is_within(
    value: float, low: float | None, high: float | None, status: str
) -> None:
    candidate = replace(arm(usages(SHORT), API, "candidate"), latency=Estimate(value, low, high, 200))
    [gate] = budgets.budget_gates(Costs(currency="USD", arms=[candidate]), Policy(max_seconds=0.5))
    assert (gate.kind, gate.status) == ("budget", status)
    assert ("settle" in measured_sentence(gate) or "it takes" in measured_sentence(gate)) is (status == "unknown")


def test_an_open_budget_says_how_many_more_examples_would_settle_it() -> None:
    # z = 1.96 and 0.84 for 80 %: ((1 + 0.4294) * 0.2 / 0.1)^2 = 8.173 times as many as 200
    assert "about 1,500 more examples" in budgets.settle(Estimate(0.4, 0.2, 0.6, 200), 0.5, 0.95)
    assert "about 1,500 more examples" in budgets.settle(Estimate(0.6, 0.4, 0.9, 200), 0.5, 0.95)  # by the lower end
    assert "at least 72 separately timed answers" in budgets.settle(Estimate(0.4, 0.3, None, 40), 0.5, 0.95)
    assert "exactly at the limit" in budgets.settle(Estimate(0.5, 0.3, 0.6, 40), 0.5, 0.95)
    assert "more than one cluster" in budgets.settle(Estimate(0.4, None, None, 40), 0.5, 0.95)


def test_a_budget_without_measurements_is_open() -> None:
    candidate = arm(usages([(0, 0)] * 10, [0.0] * 10), API, "candidate")
    gates = budgets.budget_gates(Costs(currency="USD", arms=[candidate]), Policy(max_seconds=0.5, max_cost=1))
    assert [(gate.id, gate.status, measured_sentence(gate)) for gate in gates] == [
        ("latency", "unknown", "no answer came with its seconds"),
        ("cost", "unknown", "no answer came with its tokens"),
    ]


def test_without_a_candidate_there_is_no_budget_to_keep() -> None:
    prompted = arm(usages(SHORT), API, "base")
    assert budgets.budget_gates(Costs(currency="USD", arms=[prompted]), Policy(max_seconds=0.5, max_cost=1)) == []


def test_a_budget_that_is_kept_says_its_numbers_and_no_more() -> None:
    candidate = replace(arm(usages(SHORT), API, "candidate"), latency=Estimate(0.3, 0.2, 0.4, 200))
    [gate] = budgets.budget_gates(Costs(currency="USD", arms=[candidate]), Policy(max_seconds=0.5))
    assert measured_sentence(gate) == "300 ms [200, 400], n=200"


def test_what_is_free_is_told_as_free() -> None:
    candidate = replace(arm(usages(SHORT), API, "candidate"), cost=Estimate(0.0, 0.0, 0.0, 200))
    [gate] = budgets.budget_gates(Costs(currency="USD", arms=[candidate]), Policy(max_cost=1))
    assert measured_sentence(gate).startswith("0")


# --- the price list --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", _price_list().values(), ids=lambda rate: rate.name)
def test_every_listed_price_says_of_what_day_and_by_whom(rate: Rate) -> None:
    assert rate.as_of >= "2026-01-01"
    assert rate.source.startswith("https://")
    assert (rate.per_hour or 0) > 0 or ((rate.input or 0) > 0 and (rate.output or 0) >= (rate.input or 0))


def test_a_price_that_is_not_listed_is_refused_with_the_one_that_was_meant_or_all() -> None:
    with pytest.raises(UserError, match=r"(?s)no price named 'gpt-4.1-minni'.*did you mean `gpt-4.1-mini`\?"):
        listed("gpt-4.1-minni")
    with pytest.raises(UserError, match=re.escape(f"use one of {', '.join(_price_list())}, or give the numbers")):
        listed("?")


def test_a_fine_tuned_model_has_its_base_beside_it() -> None:
    known = _price_list()
    tuned = {name: rate for name, rate in known.items() if name.startswith("ft:")}
    assert tuned
    assert all((rate.input or 0) > (known[name.removeprefix("ft:")].input or 0) for name, rate in tuned.items())


# --- from the file to the report -------------------------------------------------------------------------------------

OWN = {"input": 0.8, "output": 3.2}  # a listed fine-tune would end with its base
PRICED = {"baseline": "gpt-4.1-mini", "candidate": OWN, "training": 60, "requests_per_month": 200_000}


def experiment(folder: Path, measured: bool = True, **changes: Any) -> Path:
    """Recorded answers with their tokens and seconds: a long prompt against a short one, the candidate better."""
    path = recorded_experiment(folder, ["yes"] * 150 + ["no"] * 50, ["yes"] * 190 + ["no"] * 10, **changes)
    for name, into, time in (("prompted", 900, 0.4), ("tuned", 140, 0.2)):
        rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        for i, row in enumerate(rows if measured else []):
            row |= {"tokens_in": into + i % 11, "tokens_out": 10 + i % 7, "seconds": time * (1 + i / 1000)}
        write_jsonl(folder / f"{name}.jsonl", rows)
    return path


def row(session: Session, view: str, where: str = "true") -> dict[str, Any]:
    [found] = select(session.store, f"select * from {view} where {where}")
    return found


def test_an_experiment_knows_what_it_costs(tmp_path: Path) -> None:
    session = run(experiment(tmp_path, costs=PRICED, policy={"max_seconds": 0.3, "max_cost": 0.3}))
    assert verdict(session) == "deploy"
    found = row(session, "v_break_even")
    cost = {side: row(session, "v_arm_costs", f"side = '{side}'")["cost"] for side in ("base", "candidate")}
    assert cost["base"] == pytest.approx((0.4 * 904.955 + 1.6 * 12.97) / 1000)
    assert cost["candidate"] == pytest.approx((0.8 * 144.955 + 3.2 * 12.97) / 1000)
    assert found["saving"] == pytest.approx(cost["base"] - cost["candidate"])
    assert found["requests"] == pytest.approx(1000 * 10 / found["saving"])
    assert found["baseline_month"] == pytest.approx(200 * cost["base"])
    assert found["candidate_month"] == pytest.approx(200 * cost["candidate"] + 10)
    assert {gate["name"]: gate["status"] for gate in select(session.store, "from v_gates where kind = 'budget'")} == {
        "latency": "pass",
        "cost": "pass",
    }


def test_keeping_a_prompt_that_is_also_cheaper_is_said_so(tmp_path: Path) -> None:
    path = experiment(
        tmp_path, costs={"baseline": {"input": 0.4, "output": 1.6}, "candidate": {"input": 4, "output": 16}}
    )
    rows = [json.loads(line) for line in (tmp_path / "tuned.jsonl").read_text().splitlines()]
    write_jsonl(
        tmp_path / "tuned.jsonl", [{**row, "completion": "yes" if i < 149 else "no "} for i, row in enumerate(rows)]
    )
    session = run(path)
    assert verdict(session) == "keep_prompting"
    assert "The prompt is also cheaper at any volume" in row(session, "v_decisions")["reason"]


def test_the_report_tells_costs_with_their_prices_and_dates(tmp_path: Path) -> None:
    session = run(experiment(tmp_path, costs=PRICED))
    text = markdown.write(decided(session), tmp_path / "report").read_text()
    assert "| per 1,000 requests |" in text
    assert "## What it costs" in text
    assert "| gpt-4.1-mini | 0.4 / 1.6 |  | 2026-08-01 | https\\://" in text
    assert "| as given | 0.8 / 3.2 |  | the experiment file |" in text
    assert "candidate would pay for its training after 44," in text.split("## What changed")[0]
    assert (tmp_path / "report" / "break_even.svg").stat().st_size > 5000


@pytest.mark.parametrize(
    "changes", [{"candidate": {"input": 9, "output": 9}}, {"training": 0}, {"requests_per_month": 10_000_000}]
)
def test_every_kind_of_break_even_can_be_drawn(tmp_path: Path, changes: dict[str, Any]) -> None:
    session = run(experiment(tmp_path, costs={**PRICED, **changes}))
    markdown.write(decided(session), tmp_path / "report")
    assert (tmp_path / "report" / "break_even.svg").stat().st_size > 5000


def test_without_prices_tokens_and_seconds_are_still_shown(tmp_path: Path) -> None:
    session = run(experiment(tmp_path))
    text = markdown.render(decided(session), {})
    assert "| 145 / 13 | 238 ms [237, 239] |" in text
    assert "1,000 requests" not in text
    assert "What it costs" not in text
    assert row(session, "v_arm_costs", "side = 'candidate'")["cost"] is None


def test_answers_without_counts_leave_the_cost_unknown(tmp_path: Path) -> None:
    session = run(experiment(tmp_path, measured=False, costs=PRICED, policy={"max_cost": 1.0}))
    assert verdict(session) == "inconclusive"
    assert "no answer came with its tokens" in row(session, "v_break_even")["told"]
    assert row(session, "v_gates", "name = 'cost'")["status"] == "unknown"


def test_a_candidate_over_budget_is_rejected(tmp_path: Path) -> None:
    session = run(experiment(tmp_path, policy={"max_seconds": 0.1}))
    assert verdict(session) == "reject"
    assert "over budget" in row(session, "v_decisions")["headline"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"policy": {"max_cost": 1}}, "`policy.max_cost` needs the price of the candidate"),
        ({"costs": {"training": {"per_hour": 2}}}, "`costs.training.per_hour` needs a training"),
        ({"costs": {"baseline": "gpt-4.1-mnii"}}, "did you mean `gpt-4.1-mini`?"),
        ({"costs": {"baseline": "hf-l4", "currency": "EUR"}}, "give the numbers in EUR"),
        ({"costs": {"baseline": {"input": 1}}}, "has both `input` and `output`"),
        ({"costs": {"baseline": {"input": 1, "output": 1, "per_hour": 1}}}, "exactly one of"),
        ({"costs": {"candidate": {"input": -1, "output": 1}}}, "greater than or equal to 0"),
        ({"costs": {"training": {}}}, "either an amount or {per_hour}"),
    ],
)
def test_prices_that_cannot_be_meant_are_refused_with_their_line(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    path = experiment(tmp_path, **changes)
    with pytest.raises(UserError) as caught:
        load_experiment(path)
    assert problem in str(caught.value)
    section = next(iter(changes))
    inside = [i for i, line in enumerate(path.read_text().splitlines(), 1) if line.startswith((f"{section}:", " "))]
    assert any(f"line {i}: " in str(caught.value) for i in inside)


def test_a_listed_price_is_part_of_what_is_frozen(tmp_path: Path) -> None:
    files = load_experiment(experiment(tmp_path, costs=PRICED)).files
    assert len(files["price of gpt-4.1-mini"]) == 64
