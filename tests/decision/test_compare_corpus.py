"""Whole experiments decided on a metric of the whole exam: what accuracy would have said, clusters, missing answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import f1_score
from workspaces import decided, recorded_experiment, run, select, verdict, write_jsonl

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Question
from harness.decision.compare_corpus import compare_corpus, planned_sd
from harness.decision.decide import harm_gates
from harness.decision.goals import gain_gate
from harness.experiment.session import Session
from harness.stats import power
from harness.store import experiments
from reports.outputs import markdown
from suites.errors import UserError
from suites.types import Example

# 1,000 transfers, 100 of them fraud. The prompt calls nearly everything fine; the fine-tune finds most of the fraud
# and calls a tenth of the honest ones fraud: fewer answers are right, and it is far more useful.
TARGETS = ["fine"] * 900 + ["fraud"] * 100
BLIND = ["fine"] * 900 + ["fraud"] * 10 + ["fine"] * 90
ALERT = ["fine"] * 810 + ["fraud"] * 90 + ["fraud"] * 90 + ["fine"] * 10


def exam(targets: Sequence[str]) -> list[Example]:
    return [Example(str(i), {"input": str(i)}, target, str(i)) for i, target in enumerate(targets)]


def fraud(folder: Path, metrics: list[str], baseline: Sequence[str] = BLIND, candidate: Sequence[str] = ALERT,
          **settings: Any) -> Path:  # fmt: skip
    task = {"metrics": metrics, **settings.pop("task", {})}
    return recorded_experiment(folder, baseline, candidate, targets=TARGETS, task=task, **settings)


def macro_f1(targets: Sequence[str], answers: Sequence[str]) -> float:
    return float(f1_score(targets, answers, labels=sorted(set(targets)), average="macro", zero_division=0))


def comparisons(session: Session) -> list[dict[str, Any]]:
    sql = "select * from v_comparisons where experiment_id = ? order by position"
    return select(session.store, sql, [session.id])


@pytest.fixture(scope="module")
def on_f1(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The experiment decided on macro-F1."""
    return run(fraud(tmp_path_factory.mktemp("work"), ["macro_f1"]))


def test_where_accuracy_and_macro_f1_disagree_the_first_metric_decides(on_f1: Session, tmp_path: Path) -> None:
    assert verdict(on_f1) == "deploy"
    assert verdict(run(fraud(tmp_path, ["exact_match", "balanced_accuracy"]))) == "keep_prompting"


def test_any_other_corpus_metric_must_not_get_worse(tmp_path: Path) -> None:
    """More answers right by never saying fraud: better on accuracy, and rejected."""
    prompted = ["fine"] * 810 + ["fraud"] * 90 + ["fraud"] * 80 + ["fine"] * 20
    session = run(fraud(tmp_path, ["exact_match", "macro_f1"], prompted, ["fine"] * 1000))
    assert verdict(session) == "reject"
    [task, metric] = comparisons(session)
    assert (task["kind"], task["metric"], metric["kind"], metric["metric"]) == (
        "task", "exact_match", "metric", "macro_f1",
    )  # fmt: skip
    assert task["difference"] == pytest.approx(0.01)
    assert metric["candidate"] == pytest.approx(macro_f1(TARGETS, ["fine"] * 1000))
    assert metric["high"] < -0.02


def test_what_is_on_record_gives_the_value_again(on_f1: Session) -> None:
    session = on_f1
    runs = select(session.store, "select run_id, mean, low, high, n from v_runs where experiment_id = ?", [session.id])
    assert len(runs) == 2
    for found in runs:
        rows = select(session.store, "select target, text from v_completions where run_id = ?", [found["run_id"]])
        peer = macro_f1([row["target"] for row in rows], [row["text"] for row in rows])
        assert found["mean"] == pytest.approx(peer)
        assert found["low"] < found["mean"] < found["high"]
    [task] = comparisons(session)
    assert task["difference"] == pytest.approx(macro_f1(TARGETS, ALERT) - macro_f1(TARGETS, BLIND))
    assert task["method"].startswith("macro-F1: ")
    flips = select(session.store, "select count(*) as n from v_flips where experiment_id = ?", [session.id])
    assert flips == [{"n": 90 + 80}]
    assert "macro_f1" in markdown.render(decided(session), {})


def test_an_answer_that_never_arrived_is_no_wrong_answer(tmp_path: Path) -> None:
    """Ten of the fine-tune's answers are missing: counted as unscored, and left out on both sides."""
    path = fraud(tmp_path, ["macro_f1"])
    lines = (tmp_path / "tuned.jsonl").read_text().splitlines()
    (tmp_path / "tuned.jsonl").write_text("\n".join(lines[:-10]) + "\n")
    session = run(path)
    [task] = comparisons(session)
    assert (task["n"], task["n_unscored"]) == (990, 10)
    assert task["candidate"] == pytest.approx(macro_f1(TARGETS[:-10], ALERT[:-10]))
    assert task["baseline"] == pytest.approx(macro_f1(TARGETS[:-10], BLIND[:-10]))


def test_the_prompt_is_chosen_by_the_metric_that_decides(tmp_path: Path) -> None:
    """On validation the blind prompt gets more right, the alert one is better for the labels."""
    path = fraud(tmp_path, ["macro_f1", "exact_match"], candidate=BLIND,
                 data={"test": "test.jsonl", "validation": "validation.jsonl"},
                 baselines=[{"recorded": "blind.jsonl"}, {"recorded": "alert.jsonl"}])  # fmt: skip
    rehearsal = [{"id": f"v{i:04d}", "input": f"transfer {i}", "target": t} for i, t in enumerate(TARGETS)]
    write_jsonl(tmp_path / "validation.jsonl", rehearsal)
    for arm, answers in (("blind", BLIND), ("alert", ALERT)):
        rows = [{"id": f"{split}{i:04d}", "completion": a} for split in "vt" for i, a in enumerate(answers)]
        write_jsonl(tmp_path / f"{arm}.jsonl", rows)
    sql = "select arm, chosen, mean from v_runs where kind = 'validation' and metric = 'exact_match' order by mean"
    rows = select(run(path).store, sql)
    assert [(row["arm"], row["chosen"], row["mean"]) for row in rows] == [("alert", True, 0.9), ("blind", False, 0.91)]


def test_a_regression_suite_and_a_slice_can_be_held_to_it_too(tmp_path: Path) -> None:
    """The suite's macro-F1 collapses though nearly all its answers stay right; so it does for one country."""
    path = fraud(tmp_path, ["macro_f1"], BLIND, ALERT, regression=["old"], task={"slices": ["country"]})
    rows = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    write_jsonl(tmp_path / "test.jsonl", [{**row, "country": "de" if i % 2 else "fr"} for i, row in enumerate(rows)])
    old = ["no"] * 380 + ["yes"] * 20
    write_jsonl(tmp_path / "old" / "examples.jsonl", [{"id": f"o{i}", "input": f"{i}", "target": t}
                                                      for i, t in enumerate(old)])  # fmt: skip
    (tmp_path / "old" / "suite.yaml").write_text("name: old\nmetrics: [macro_f1]\nmargin: 0.1\n")
    for arm, answers in (("prompted", old), ("tuned", ["no"] * 400)):
        with (tmp_path / f"{arm}.jsonl").open("a") as file:
            file.writelines(json.dumps({"id": f"o{i}", "completion": a}) + "\n" for i, a in enumerate(answers))
    session = run(path)
    assert verdict(session) == "reject"
    found = {row["slice"] or row["suite"]: row for row in comparisons(session)}
    assert found["old"]["candidate"] == pytest.approx(macro_f1(old, ["no"] * 400))
    assert found["old"]["high"] < -0.1
    french = found["country=fr"]
    assert french["n"] == 500
    assert french["candidate"] == pytest.approx(macro_f1(TARGETS[::2], ALERT[::2]))


def test_a_model_that_answers_is_marked_like_a_file_of_answers(tmp_path: Path) -> None:
    inputs = [target if i % 3 else "what is this?" for i, target in enumerate(TARGETS)]
    path = fraud(tmp_path, ["macro_f1"], candidate=TARGETS, model="echo", baselines=["zero_shot"],
                 inputs=inputs, task={"prompt": ""})  # fmt: skip
    [task] = comparisons(run(path))
    assert task["baseline"] == pytest.approx(macro_f1(TARGETS, inputs))
    assert task["n_clusters"] == 3  # what is asked is one of three texts


def test_what_no_skill_scores_is_said_before_anything_is_asked(on_f1: Session) -> None:
    [floor] = [f.message for f in experiments.findings(on_f1.store, on_f1.id) if f.check == "floor"]
    assert "2 labels, the rarest with 100 of 1,000 examples" in floor
    assert f"scores {macro_f1(TARGETS, ['fine'] * 1000):.1%} at best" in floor


def test_an_exam_of_rare_labels_is_planned_to_tell_less(on_f1: Session) -> None:
    """Half of macro-F1 rests on a tenth of the exam, and its variance is 2.8 times that of accuracy."""
    [told] = [f.message for f in experiments.findings(on_f1.store, on_f1.id) if f.check == "exam_power"]
    least = power.minimum_detectable(1000, (0.2 * 500 * (1 / 900 + 1 / 100) / 2) ** 0.5)
    assert f"tell a gain of about {least * 100:.1f} points from none" in told
    assert planned_sd("exact_match", exam(TARGETS), 0.2) == planned_sd("macro_f1", exam(["a", "b"]), 0.2) == 0.2**0.5


def test_labels_are_needed_where_labels_are_counted(tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path, ["yes"] * 600, ["no"] * 600, targets=[f"text {i}" for i in range(600)],
                               task={"metrics": ["macro_f1"]})  # fmt: skip
    with pytest.raises(UserError, match="macro_f1 needs labels, and the targets are 600 different texts"):
        run(path)


def test_examples_of_one_origin_are_one_piece_of_evidence(on_f1: Session, tmp_path: Path) -> None:
    """Every transfer twice over, told to be one origin: the same interval as once."""
    path = recorded_experiment(tmp_path, BLIND * 2, ALERT * 2, targets=TARGETS * 2,
                               task={"metrics": ["macro_f1"]})  # fmt: skip
    rows = [json.loads(line) for line in (path.parent / "test.jsonl").read_text().splitlines()]
    write_jsonl(path.parent / "test.jsonl", [{**row, "cluster": f"c{i % 1000}"} for i, row in enumerate(rows)])
    [alone], [doubled] = comparisons(on_f1), comparisons(run(path))
    assert (doubled["n"], doubled["n_clusters"]) == (2000, 1000)
    for column in ("difference", "low", "high"):
        assert doubled[column] == pytest.approx(alone[column], abs=0.002)  # unclustered it would be 0.02 narrower


# --- one comparison --------------------------------------------------------------------------------------------------


def compared(
    kind: str, targets: Sequence[str], before: Sequence[str], after: Sequence[str], margin: float = 0.02,
    *, clusters: Sequence[str] | None = None, relative: bool = False,
) -> Comparison:  # fmt: skip
    """Two arms' answers compared on macro-F1, ids by position."""
    names = {"baseline_arm": "few-shot 8", "candidate_arm": "LoRA", "metric": "macro_f1"}
    question = Question(suite="s", kind=kind, margin=margin, relative=relative, **names)  # type: ignore[arg-type]
    ids = [f"e{i:05d}" for i in range(len(targets))]
    arms = [dict(zip(ids, zip(targets, answers, strict=True), strict=True)) for answers in (before, after)]
    return compare_corpus(question, list(zip(ids, clusters or ids, strict=True)), *arms)


@pytest.mark.parametrize("wrong", [0, 4, 8, 12, 40])
def test_harm_is_claimed_exactly_where_the_interval_leaves_the_margin(wrong: int) -> None:
    after = ["fine"] * 900 + ["fine"] * wrong + ["fraud"] * (100 - wrong)
    found = compared("metric", TARGETS, TARGETS, after)
    assert found.low is not None
    assert found.high is not None
    assert found.p_harm is not None
    assert (found.high < -0.02) == (found.p_harm < 0.025)
    expected = "fail" if found.p_harm < 0.05 else "pass" if found.low >= -0.02 else "unknown"
    assert harm_gates([found], Policy())[0].status == expected
    assert expected == {0: "pass", 40: "fail"}.get(wrong, expected)


@pytest.mark.parametrize("wrong", [0, 4, 8, 12, 40])
def test_a_relative_margin_is_a_share_of_the_baselines_value(wrong: int) -> None:
    """The blind prompt's macro-F1 of 0.47 may fall by a tenth: to 0.43."""
    before = ["fine"] * 900 + ["fraud"] * 10 + ["fine"] * 90
    after = ["fraud"] * 2 * wrong + ["fine"] * (900 - 2 * wrong) + ["fine"] * 100
    found = compared("metric", TARGETS, before, after, margin=0.1, relative=True)
    assert found.low is not None
    assert found.high is not None
    assert found.p_harm is not None
    assert found.sd is not None
    assert found.difference == pytest.approx(macro_f1(TARGETS, after) / macro_f1(TARGETS, before) - 1)
    assert found.low < found.difference < found.high
    assert (found.high < -0.1) == (found.p_harm < 0.025)
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.sd / found.n**0.5, rel=0.15)


def test_no_relative_change_is_no_difference() -> None:
    share, points = (compared("metric", TARGETS, BLIND, ALERT, margin=1e-9, relative=r) for r in (True, False))
    assert share.p_harm == pytest.approx(points.p_harm, abs=1e-6)
    assert share.p_value == points.p_value


def test_identical_answers_are_no_proof_in_a_small_exam() -> None:
    few = compared("regression", ["a", "b"] * 5, ["a", "b"] * 5, ["a", "b"] * 5)
    assert (few.difference, harm_gates([few], Policy())[0].status) == (0, "unknown")


def test_one_origin_or_no_answers_give_no_interval() -> None:
    one = compared("task", ["a", "b"], ["a", "a"], ["a", "b"], clusters=["c", "c"])
    assert (one.n_clusters, one.low, one.p_value, one.sd) == (1, None, None, None)
    assert gain_gate(one).status == "unknown"
    question = Question(suite="s", kind="task", metric="macro_f1", baseline_arm="b", candidate_arm="c", margin=0.02)
    none = compare_corpus(question, [("e1", "e1")], {}, {"e1": ("a", "a")})
    assert (none.n, none.n_unscored, none.difference) == (0, 1, None)


def test_the_sd_plans_the_exam_that_would_settle_it() -> None:
    """Four times the exam, the same answers: the same sd, so a quarter of the variance."""
    small = compared("task", TARGETS, BLIND, ALERT)
    large = compared("task", TARGETS * 4, BLIND * 4, ALERT * 4)
    assert small.sd == pytest.approx(large.sd, rel=0.01)
