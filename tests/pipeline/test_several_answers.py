"""Several right answers to a question are used by everything that reads an exam, and shown to whoever reads of it."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from workspaces import decided, recorded_experiment, run, select, write_jsonl

from harness.cli.main import main
from harness.experiment.session import Session
from harness.store import runs
from reports.format.text import right
from reports.outputs import markdown

RIGHT = (["joy", "delight"], ["fear", "dread"], ["joy", "delight", "glee"], ["anger"])
N = 80


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The prompt gives a first answer to every second row of all but anger, the fine-tune a second one to each."""
    folder = tmp_path_factory.mktemp("several")
    before = [RIGHT[i % 4][0] if i % 8 < 4 else "hope" for i in range(N)]
    after = [RIGHT[i % 4][-1 if i % 4 == 3 else 1] for i in range(N)]
    path = recorded_experiment(folder, before, after, data={"test": "test.jsonl", "columns": {"target": "answers"}})
    inputs = [f"he said {i * 7919} things in {i} ways" for i in range(N)]
    exam = [{"id": f"t{i:04d}", "input": inputs[i], "answers": RIGHT[i % 4]} for i in range(N)]
    write_jsonl(folder / "test.jsonl", exam)
    return run(path)


def test_the_store_keeps_every_right_answer(session: Session) -> None:
    rows = select(session.store, "from v_completions where arm = 'prompted' and example_id in ('t0002', 't0003')")
    assert {row["example_id"]: (row["target"], json.loads(row["others"])) for row in rows} == {
        "t0002": ("joy", ["delight", "glee"]),
        "t0003": ("anger", []),
    }
    [told] = select(session.store, "select run_id from runs where arm = 'prompted'")
    assert set(runs.wanted(session.store, told["run_id"], "exact_match")) == {tuple(right) for right in RIGHT}


def test_the_report_shows_them_and_counts_labels_by_the_one_that_was_given(session: Session) -> None:
    found = decided(session)
    report = markdown.render(found, {})
    assert "| joy (or: delight) | hope | delight |" in report.replace("**", "")
    assert "Where several labels are right, the row is that which was given, else the first." in report
    given = {(row.side, row.target, row.answer): row.n for row in found.answered}
    assert given["candidate", "delight", "delight"] == 40
    assert given["base", "joy", "joy"] == 20
    assert given["base", "joy", "hope"] == 20


def test_flips_and_show_print_them(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", str(session.store.path)]
    assert main(["flips", *store]) == 0
    assert "fear (or: dread)" in capsys.readouterr().out
    assert main(["show", "t0002", *store]) == 0
    assert "joy (or: delight, glee)" in capsys.readouterr().out


def test_an_edited_right_answer_is_noticed(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "harness.duckdb"
    other.write_bytes(session.store.path.read_bytes())
    with duckdb.connect(str(other)) as con:
        con.execute("""update examples set others = '["delight", "hope"]' where example_id = 't0000'""")
    assert main(["gate", "--store", str(other)]) == 2
    assert "rows" in capsys.readouterr().err


def test_no_more_are_shown_than_fit_and_the_rest_is_counted() -> None:
    assert right("a", None) == right("a", "[]") == "a"
    assert right("a", '["b"]') == "a (or: b)"
    assert right("a", json.dumps(list("bcdef"))) == "a (or: b, c, d, e, f)"
    assert right("a", json.dumps(list("bcdefgh"))) == "a (or: b, c, d, e, f, and 2 more)"
    assert right("a", json.dumps(list("bcdefgh")), None).endswith("g, h)")
