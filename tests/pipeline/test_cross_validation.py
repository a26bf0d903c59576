"""Cross-validation of small data: every row is examined once, by a prompt and by a fine-tune that never saw it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
import yaml
from workspaces import decided, opened, recorded_experiment, run, select, verdict, write_jsonl

from harness.cli.main import main
from harness.experiment.session import Session
from harness.pipeline import order
from harness.pipeline.decide import conclude
from harness.selftest import run as selftest
from harness.selftest.inject import base_run, copy_answers
from harness.store import arms, experiments, models
from harness.store.database import Store
from reports.outputs import markdown, record
from reports.rows import AdapterEffectRow
from suites.errors import UserError

TRAINING = {"method": "lora", "epochs": 6, "learning_rate": 0.02, "batch_size": 8}
BRIEF = {**TRAINING, "epochs": 1}
ROWS, FOLDS, QUESTIONS = 80, 4, 40


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_models.build("qwen2", tmp_path_factory.mktemp("models") / "base")


def text(number: int) -> str:
    """A question like no other, so that no two are kept together as near-duplicates."""
    return hashlib.sha256(f"{number}".encode()).hexdigest()[:24]


def rows(targets: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"id": f"r{i}", "input": text(i), "target": target, "plan": "ab"[i % 2]} for i, target in enumerate(targets)
    ]


def workspace(folder: Path, base: Path, targets: Sequence[str] = ("order",) * ROWS, **settings: Any) -> Path:
    """One small file of rows, all to be answered "order", which a random model cannot and a few steps teach it."""
    write_jsonl(folder / "small.jsonl", rows(targets))
    old = [{"id": f"o{i}", "input": text(1000 + i), "target": "x"} for i in range(QUESTIONS)]
    write_jsonl(folder / "old" / "examples.jsonl", old)
    (folder / "old" / "suite.yaml").write_text("name: old\nmetrics: [exact_match]\nmax_new_tokens: 4\n")
    content = {
        "experiment": "tiny",
        "model": str(base),
        "data": {"train": "small.jsonl", "split": {"folds": FOLDS}},
        "task": {"prompt": "Answer.", "max_new_tokens": 6, "slices": ["plan"]},
        "training": TRAINING,
        "baselines": ["zero_shot", {"few_shot": {"shots": 2}}],
        "regression": [{"suite": "old", "margin": 0.1, "tier": "advisory"}],  # a random model has nothing to lose there
        # A random model never stops talking, and anything is a great gain over it.
        "policy": {"max_truncated": 1.0, "suspicious_gain": 1.0},
        **settings,
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    return run(workspace(tmp_path_factory.mktemp("work"), base))


@pytest.fixture
def copy(finished: Session, tmp_path: Path) -> Iterator[Session]:
    """The finished experiment on a copy of its record, for accidents."""
    shutil.copyfile(finished.store.path, tmp_path / "copy.duckdb")
    session = finished.on(Store(tmp_path / "copy.duckdb"))
    with session.store.hold():
        yield session


def answered(session: Session, side: str, kind: str = "task") -> dict[str, str]:
    """The chosen arm's answers, by example id."""
    sql = """select example_id, text from v_completions where run_id = (select run_id from v_runs
                where experiment_id = ? and side = ? and kind = ? and chosen and is_primary)"""
    found = select(session.store, sql, [session.id, side, kind])
    return {row["example_id"]: row["text"] for row in found}


# --- one exam of all folds


def test_a_fine_tune_that_wins_in_every_fold_is_deployed(finished: Session) -> None:
    assert verdict(finished) == "deploy"
    [task] = select(finished.store, "from v_comparisons where kind = 'task'")
    assert (task["n"], task["n_clusters"], task["n_unscored"], task["candidate"]) == (ROWS, ROWS, 0, 1.0)
    slices = select(finished.store, "select slice, n from v_comparisons where kind = 'slice' order by slice")
    assert slices == [{"slice": "plan=a", "n": ROWS // 2}, {"slice": "plan=b", "n": ROWS // 2}]


def test_every_row_is_examined_once_by_a_candidate_that_did_not_train_on_it(finished: Session) -> None:
    examined: list[str] = []
    pooled = answered(finished, "candidate")
    for fold in finished.folds:
        asked = answered(fold, "candidate")
        assert asked == {i: pooled[i] for i in asked}
        taught, rehearsed = ({e.id for e in fold.splits[part]} for part in ("train", "validation"))
        assert not asked.keys() & (taught | rehearsed)
        assert len(taught) + len(rehearsed) + len(asked) == ROWS
        [training] = select(fold.store, "select distinct n_rows from v_training where experiment_id = ?", [fold.id])
        assert training["n_rows"] == len(taught)
        examined += asked
    assert sorted(examined) == sorted(f"r{i}" for i in range(ROWS))
    adapters = """select distinct identity->>'adapter' from v_runs join v_folds on v_runs.experiment_id = fold_id
                  where v_folds.experiment_id = ? and side = 'candidate'"""
    assert len(select(finished.store, adapters, [finished.id])) == FOLDS


def test_the_prompt_never_shows_a_row_it_is_asked_about(finished: Session) -> None:
    for fold in finished.folds:
        sql = """select example_id, prompt, input from v_completions where run_id in (
                    select run_id from v_runs where experiment_id = ? and kind = 'task' and arm = 'few-shot 2')"""
        asked = select(fold.store, sql, [fold.id])
        taught = {e.input for e in fold.splits["train"]}
        assert len(asked) == len(fold.splits["test"])
        shown = [{text(i) for i in range(ROWS) if text(i) in row["prompt"]} - {row["input"]} for row in asked]
        assert all(len(shots) == 2 and shots <= taught for shots in shown)


def test_a_regression_question_asked_of_every_candidate_is_one_piece_of_evidence(finished: Session) -> None:
    [old] = select(finished.store, "from v_comparisons where kind = 'regression'")
    assert (old["n"], old["n_clusters"]) == (FOLDS * QUESTIONS, QUESTIONS)
    pooled = answered(finished, "candidate", "regression")
    for number, fold in enumerate(finished.folds, 1):
        own = answered(fold, "candidate", "regression")
        assert own == {f"o{i}": pooled[f"fold {number}/o{i}"] for i in range(QUESTIONS)}


def test_each_fold_may_choose_its_own_prompt(base: Path, tmp_path: Path) -> None:
    half = {i for i in range(ROWS) if 13 * i % ROWS < ROWS // 2}
    right = {"one": half, "other": set(range(ROWS)) - half}
    for name, known in right.items():
        answers = [{"id": f"r{i}", "completion": "order" if i in known else "no"} for i in range(ROWS)]
        write_jsonl(tmp_path / f"{name}.jsonl", answers)
    both = [{"recorded": f"{name}.jsonl"} for name in right]
    session = opened(workspace(tmp_path, base, baselines=both, training=BRIEF, regression=[]))
    for stage in ("check", "baseline"):
        order.do(session, stage)
    expected: dict[str, float] = {}
    chosen = []
    for fold in session.folds:
        share = {name: sum(int(e.id[1:]) in known for e in fold.splits["validation"]) for name, known in right.items()}
        best = max(share, key=lambda name: share[name])
        assert len(set(share.values())) == 2, "a tie would leave the choice to the tie-break"
        chosen.append(best)
        expected |= {e.id: float(int(e.id[1:]) in right[best]) for e in fold.splits["test"]}
    assert set(chosen) == {"one", "other"}
    scores = arms.chosen_scores(session.store, session.id, "base")
    assert {i: score.value for i, score in scores.items()} == expected
    together = arms.chosen(session.store, session.id, "base").arm
    assert all(f"{name} in {chosen.count(name)} fold" in together for name in right)
    [others] = select(
        session.store,
        "select list(arm order by arm) as names from v_runs where experiment_id = ? and side = 'base' and not chosen",
        [session.id],
    )
    assert others["names"] == ["one", "other"]


# --- done once, and gone on with


def test_the_same_command_again_does_nothing_again(finished: Session) -> None:
    counts = """select (select count(*) from completions), (select count(*) from runs),
                    (select max(created_at) from runs), (select max(created_at) from training)"""
    before = select(finished.store, counts)
    again = run(finished.experiment.path)
    assert select(again.store, counts) == before
    assert verdict(again) == "deploy"


def test_what_was_interrupted_between_two_folds_goes_on_from_there(base: Path, tmp_path: Path) -> None:
    path = workspace(tmp_path, base, training=BRIEF, baselines=["zero_shot"], regression=[])
    session = opened(path)
    for stage in ("check", "baseline"):
        order.do(session, stage)
    order.do(session.folds[0], "train")
    trained = "select training_id, created_at from training order by created_at"
    [first] = select(session.store, trained)
    assert [row["training_id"] for row in select(run(path).store, trained)].count(first["training_id"]) == 1
    assert select(session.store, trained)[0] == first
    assert len(select(session.store, trained)) == FOLDS
    assert verdict(opened(path))


def test_the_stages_keep_their_order(base: Path, tmp_path: Path) -> None:
    session = opened(workspace(tmp_path, base, baselines=["zero_shot"], regression=[]))
    with pytest.raises(UserError, match="training comes after the baseline"):
        order.do(session, "train")
    with pytest.raises(UserError, match=r"nothing is trained yet(.|\n)*harness train experiment.yaml"):
        order.do(session, "exam")


def test_folds_are_the_same_wherever_they_are_made_and_on_record(finished: Session, base: Path, tmp_path: Path) -> None:
    elsewhere = opened(workspace(tmp_path, base))
    for one, other in zip(finished.folds, elsewhere.folds, strict=True):
        assert [e.id for e in one.splits["test"]] == [e.id for e in other.splits["test"]]
        assert [e.id for e in one.splits["train"]] == [e.id for e in other.splits["train"]]
    recorded = select(finished.store, "select side, example_id from v_splits where experiment_id = ?", [finished.id])
    made = {e.id: f"fold {n}" for n, fold in enumerate(finished.folds, 1) for e in fold.splits["test"]}
    assert {row["example_id"]: row["side"] for row in recorded} == made


@pytest.mark.slow
def test_a_second_recipe_asks_the_base_nothing_and_is_the_second_look(finished: Session) -> None:
    content = yaml.safe_load(finished.experiment.path.read_text())
    other = finished.experiment.folder / "other.yaml"
    other.write_text(yaml.safe_dump({**content, "experiment": "other", "training": BRIEF}))
    session = run(other)
    sides = "select run_id from v_runs where experiment_id = ? and side = 'base'"
    assert select(session.store, sides, [session.id]) == select(finished.store, sides, [finished.id])
    looks = "select looks from v_looks where experiment_id = ?"
    assert [select(session.store, looks, [s.id])[0]["looks"] for s in (finished, session)] == [1, 2]


def test_folds_do_not_stand_among_the_experiments(finished: Session, capsys: pytest.CaptureFixture[str]) -> None:
    main(["runs", "--store", str(finished.store.path), "--json"])
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} <= {"tiny", "other"}
    main(["train", str(finished.experiment.path)])
    assert capsys.readouterr().out.count("/fold-") == FOLDS
    assert main(["flips", str(finished.experiment.path)]) == 0
    assert capsys.readouterr().out.startswith("tiny: ")


# --- may the numbers be compared? of every fold


def failed(session: Session) -> dict[str, str]:
    conclude(session)
    gates = select(
        session.store,
        "select name, measured from v_gates where experiment_id = ? and kind = 'validity' and status = 'fail'",
        [session.id],
    )
    assert (verdict(session) == "invalid") == bool(gates)
    return {gate["name"]: gate["measured"] for gate in gates}


def test_nothing_fails_as_it_is(copy: Session) -> None:
    assert failed(copy) == {}


def test_one_candidate_that_is_the_base_is_noticed_among_the_others(copy: Session) -> None:
    second = copy.folds[1]
    sql = "select distinct run_id from arms where experiment_id = ? and side = 'candidate'"
    for row in select(copy.store, sql, [second.id]):
        if source := base_run(second, row["run_id"]):
            copy_answers(copy, source, row["run_id"])
    assert failed(copy)["candidate"].startswith("fold 2: 0 of")


def test_one_adapter_without_effect_is_noticed_among_the_others(copy: Session) -> None:
    models.put_effect(copy.store, AdapterEffectRow(experiment_id=copy.folds[2].id, adapter="", effect=0.0, n=4))
    assert failed(copy)["adapter"].startswith("fold 3: largest change of a logit: 0;")


def test_one_other_template_is_noticed_among_the_others(copy: Session) -> None:
    run_id = arms.chosen(copy.store, copy.folds[0].id, "candidate").run_id
    with copy.store.connect() as con:
        con.execute(
            """update runs set identity = json_merge_patch(identity, '{"template": "another"}') where run_id = ?""",
            [run_id],
        )
    assert "template" in failed(copy)["comparable"]


def test_a_training_that_diverges_in_one_fold_stops_all(base: Path, tmp_path: Path) -> None:
    full = {"method": "full", "learning_rate": 1e30, "epochs": 2}
    session = run(workspace(tmp_path, base, training=full, baselines=["zero_shot"], regression=[]))
    assert verdict(session) == "invalid"
    [gate] = select(session.store, "select measured from v_gates where name = 'weights'")
    assert gate["measured"].startswith("fold 1, training:")
    assert select(session.store, "select 1 from v_stages where experiment_id = ?", [session.folds[1].id]) != []
    assert not experiments.stage_is_finished(session.store, session.folds[1].id, "train")


@pytest.mark.parametrize(
    "name", ["base asked again", "leaked test rows", "adapter without effect", "file changed", "missing answers"]
)
def test_accidents_planted_in_an_experiment_of_folds_are_stopped(name: str, copy: Session) -> None:
    assert asdict(selftest.TESTS[name](copy))["status"] == "pass"


# --- what is said


def test_the_first_screen_speaks_of_the_recipe_and_the_record_names_the_folds(finished: Session) -> None:
    data = decided(finished, "tiny")
    assert "about the recipe, not about one checkpoint" in markdown.first_screen(data)
    assert "one more training on all rows, which was not examined" in markdown.first_screen(data)
    report = markdown.render(data, {})
    assert "Bengio and Grandvalet 2004" in report
    assert [fold.n for fold in record.record(data).folds] == [len(fold.splits["test"]) for fold in finished.folds]
    assert report.count("(LoRA (zero-shot)) | +100.0 |") == FOLDS


def test_a_label_that_stands_in_one_fold_alone_is_told(base: Path, tmp_path: Path) -> None:
    session = opened(workspace(tmp_path, base, ["order"] * 39 + ["rare"] + ["other"] * 40))
    order.do(session, "check")
    [home] = [n for n, fold in enumerate(session.folds, 1) if any(e.target == "rare" for e in fold.splits["test"])]
    told = [
        finding.message
        for finding in experiments.findings(session.store, session.id)
        if finding.check == "unseen_labels"
    ]
    assert any(message.startswith(f"fold {home}: 1 of the") and "test rows" in message for message in told)
    assert not any("overlap" in finding.check for finding in experiments.findings(session.store, session.id))


def test_what_two_rows_share_across_folds_is_told(base: Path, tmp_path: Path) -> None:
    path = workspace(tmp_path, base)
    shared = " ".join(text(2000 + i)[:6] for i in range(13))
    content = rows(["order"] * ROWS)
    for i in range(2):
        content[i]["input"] = " ".join([shared, *(text(3000 + 100 * i + j)[:6] for j in range(40))])
    write_jsonl(tmp_path / "small.jsonl", content)
    session = opened(path)
    order.do(session, "check")
    homes = [fold.experiment.fold for fold in session.folds if {"r0", "r1"} & {e.id for e in fold.splits["test"]}]
    assert len(homes) == 2, "these two rows are near-duplicates for nobody and stand in two folds"
    found = [finding for finding in experiments.findings(session.store, session.id) if finding.check.endswith("_words")]
    assert found
    assert all(finding.message.startswith("fold ") for finding in found)


# --- what is refused


def test_all_that_cannot_stand_beside_folds_is_told_at_once(tmp_path: Path) -> None:
    path = recorded_experiment(
        tmp_path,
        ["yes"],
        ["yes"],
        data={"train": "test.jsonl", "test": "test.jsonl", "split": {"folds": 5, "validation": 0.1}},
        policy={"stop_early": True},
        training={"method": "lora", "seeds": 2, "learning_curve": [0.5, 1], "sweep": {"space": {"rank": [2, 4]}}},
    )
    with pytest.raises(UserError) as caught:
        opened(path)
    for setting in ("`training.seeds`", "`training.learning_curve`", "`training.sweep`"):
        assert f"{setting} cannot stand beside" in str(caught.value)
    for setting in ("`data.test`", "`data.split.validation`", "`data.split.folds` trains", "`policy.stop_early`"):
        assert setting in str(caught.value)


@pytest.mark.parametrize("folds", [2, 21, "all"])
def test_a_number_of_folds_that_cannot_be_is_refused(folds: Any, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"`data.split.folds` input should be"):
        opened(workspace(tmp_path, base, data={"train": "small.jsonl", "split": {"folds": folds}}))


def test_a_fold_without_rows_is_refused(base: Path, tmp_path: Path) -> None:
    path = workspace(tmp_path, base, data={"train": "small.jsonl", "split": {"folds": 4, "by": "plan"}})
    with pytest.raises(UserError, match="has no rows: rows of one group or nearly the same stay together"):
        opened(path).folds  # noqa: B018
