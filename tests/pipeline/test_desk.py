"""Conversations with tools from the file to the decision: what is asked, learnt and marked."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import desk
from workspaces import decided, opened, recorded_experiment, run, select, verdict

from harness.cli.main import main
from harness.experiment import arms, exams, training_data
from harness.experiment.load import load_experiment
from harness.experiment.session import Session
from harness.models.hf.prefix_groups import group
from harness.pipeline.check import check, of_bar
from suites.errors import UserError


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return opened(desk(tmp_path_factory.mktemp("desk")))


def test_every_answer_of_a_conversation_is_asked_in_one_cluster_and_learnt(session: Session) -> None:
    suite = exams.task_suite(session.experiment, session.splits, "test")
    assert len(suite.examples) == 120
    assert len({example.cluster for example in suite.examples}) <= 40
    assert {example.slices["turn"] for example in suite.examples} == {"1", "2", "3"}
    rows = training_data.rows(session.experiment, session.splits).train
    assert len(rows) == 300
    assert sum("tool_calls" in row.answer for row in rows) > 100
    assert all(row.tools for row in rows)


def test_what_the_answers_of_a_conversation_share_is_read_once(session: Session) -> None:
    """The beginnings of its later questions are its earlier ones; the tools stand before all of them."""
    [arm] = arms.base_arms(session.experiment, session.splits)
    model = session.model(arm.model).model
    ids = model.chat.encode_prompts([model.render(each) for each in arm.prompter.prompts(session.splits["test"])])  # type: ignore[attr-defined]
    groups = group(ids, 0)
    read = sum(one.prefix + sum(len(ids[i]) - one.prefix for i in one.members) for one in groups)
    assert read < 0.85 * sum(map(len, ids))


def test_one_setting_for_what_is_asked_and_another_for_what_is_learnt(tmp_path: Path) -> None:
    training = {"method": "full", "turns": "last"}
    session = opened(desk(tmp_path, training=training))
    assert [len(session.splits[name]) for name in ("train", "validation", "test")] == [100, 30, 120]
    split = {"train": "train.jsonl", "split": "80/10/10", "turns": "all"}
    with pytest.raises(UserError, match=r"`training.turns: last` and `data.turns: all` read one file in two ways"):
        load_experiment(desk(tmp_path / "b", training=training, data=split))


def test_a_model_whose_template_shows_no_tools_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    path = desk(tmp_path)
    plain = Path(__file__).parents[2] / "harness" / "demo" / "model" / "chat_template.jinja"
    (tmp_path / "model" / "chat_template.jinja").write_text(plain.read_text())
    with pytest.raises(UserError, match="chat template does not show its tools, `order` among them"):
        of_bar(opened(path))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"name": "order"}', "the tools are no list"),
        ("[{}]", "tool 1 has no function"),
        ("[", "the tools are not JSON"),
    ],
)
def test_a_file_of_tools_that_are_none_is_told_with_its_name(content: str, why: str, tmp_path: Path) -> None:
    path = desk(tmp_path)
    (tmp_path / "tools.json").write_text(content)
    with pytest.raises(UserError, match=why) as caught:
        opened(path)
    assert "tools.json" in str(caught.value)


def test_a_metric_of_calls_where_no_row_has_tools_and_a_part_of_a_call_are_refused(tmp_path: Path) -> None:
    words = ["yes"] * 12
    path = recorded_experiment(tmp_path / "a", words, words, task={"metrics": ["tool_calls"]})
    with pytest.raises(UserError, match="`tool_calls` marks calls of tools, and no test row has any"):
        check(opened(path))
    task = {"metrics": ["tool_calls"], "answer": "last_line"}
    with pytest.raises(UserError, match=r"`tool_calls` marks the calls of an answer, and `task.answer` takes a part"):
        load_experiment(recorded_experiment(tmp_path / "b", words, words, task=task))


@pytest.mark.slow
def test_a_model_learns_calls_and_conversations_and_the_exam_decides(tmp_path: Path) -> None:
    """About 45 s of processor time: from no answer to two in three, calls and words alike."""
    session = run(desk(tmp_path))
    report = decided(session)
    assert verdict(session) == "deploy"
    sql = "select metric, mean from v_runs where side = 'candidate' and kind = 'task'"
    scores = {row["metric"]: row["mean"] for row in select(session.store, sql)}
    assert scores["exact_match"] > 0.6 < scores["tool_calls"]
    assert scores["tool_arguments"] >= scores["tool_calls"] <= scores["tool_name"]
    assert {row.answer for row in report.missed_calls}


def test_a_file_is_not_mended_by_rows_where_what_harms_is_an_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = desk(tmp_path)
    assert main(["check", str(path), "--fix", str(tmp_path / "mended")]) == 2
    assert "with `turns: all` a row holds several answers" in capsys.readouterr().err
