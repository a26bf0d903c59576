"""What one asks after a run: which answers changed, what became of one example, which experiments there are."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
from workspaces import HOSTILE, opened, recorded_experiment, run

from harness.cli.main import main
from harness.pipeline import order
from harness.store.database import Store

ROOT = Path(__file__).parents[2]
N = 200
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbers: the candidate mends 100 answers and spoils 60, one of them in words of the model's own choice."""
    folder = tmp_path_factory.mktemp("look") / "sums"
    said = [f"the sum of these two numbers is {i}" for i in range(N)]
    before = [text if i % 2 or i > 120 else f"{text}1" for i, text in enumerate(said)]
    after = [f"{text}2" if i > 139 else text for i, text in enumerate(said)]
    after[141] = "\x1b[J\x07none at all \u202e"
    task = {"metrics": ["number_match", "exact_match"]}
    run(recorded_experiment(folder, before, after, targets=said, name="sums", task=task))
    return folder


@pytest.fixture
def typed(folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    """(exit code, stdout, stderr) of a command typed in the folder of the experiment."""
    monkeypatch.chdir(folder)

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        return main(arguments), *capfd.readouterr()

    return call


# --- flips -----------------------------------------------------------------------------------------------------------


def test_the_answers_that_changed_are_one_screen_those_that_got_worse_first(typed: Typed) -> None:
    code, out, _ = typed("flips")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "sums: test by number_match, candidate after prompted: 60 got worse and 61 got better"
    assert len(lines) < 30
    assert max(map(len, lines)) <= 110
    words = [line.split()[0] for line in lines[3:-3]]
    assert words == ["worse"] * 10 + ["better"] * 10
    assert lines[-2:] == ["101 more: --all shows them, --json writes them", "one of them: harness show t0140"]


def test_long_answers_are_shown_from_where_they_differ(typed: Typed) -> None:
    row = next(line for line in typed("flips", "--worse")[1].splitlines() if "t0150" in line)
    assert re.search(r"…\w*.* is 150 +│ ….* is 150 +│ ….* is 1502$", row.rstrip())


def test_all_of_them_and_only_those_that_got_worse(typed: Typed) -> None:
    assert typed("flips", "--all")[1].count("│ t0") == 121
    assert "better" not in typed("flips", "--worse", "--all")[1]
    rows = json.loads(typed("flips", "--worse", "--json")[1])
    assert len(rows) == 60
    assert all(row["candidate_value"] < row["baseline_value"] for row in rows)


def test_an_experiment_is_named_by_its_name_its_file_its_folder_or_its_id(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    [listed] = json.loads(typed("runs", "--json")[1])
    here = [typed("flips", name)[1].splitlines()[0] for name in ("sums", "experiment.yaml", listed["id"])]
    monkeypatch.chdir(folder.parent)
    above = [typed("flips", name)[1].splitlines()[0] for name in ("sums", "sums/experiment.yaml")]
    assert len({*here, *above}) == 1
    assert typed("gate", "sums/experiment.yaml")[1] == typed("gate", "--store", "sums")[1]
    assert typed("flips", "sums/experiment.yaml")[1].endswith("harness show sums/experiment.yaml t0140\n")
    code, out, err = typed("runs")
    assert (code, out) == (2, "")
    assert "add `--store sums`" in err


def test_no_answer_that_changed_is_a_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = run(recorded_experiment(tmp_path, ["no", "yes"] * 20, ["no", "yes "] * 20, name="same")).store
    assert main(["flips", "--store", str(store.path)]) == 0
    assert capfd.readouterr().out == "same: no answer got better or worse\n"


# --- one example -----------------------------------------------------------------------------------------------------


def test_one_example_shows_what_every_arm_answered_how_it_was_read_and_marked(typed: Typed) -> None:
    code, out, _ = typed("show", "t0150")
    assert code == 0
    assert "sums: test, example t0150" in out
    assert "asked: question 150" in out
    assert "wanted: the sum of these two numbers is 150" in out
    assert "prompted (base, chosen): number_match 1, exact_match 1" in out
    assert "candidate (candidate, chosen): number_match 0, exact_match 0" in out
    assert "answer: the sum of these two numbers is 1502" in out
    assert "number_match read: 1502" in out
    assert "prompt: not known: the answers were recorded elsewhere" in out
    arms = json.loads(typed("show", "sums", "t0150", "--json")[1])
    assert [arm["arm"] for arm in arms] == ["prompted", "candidate"]
    assert arms[1]["marks"][0] == {"metric": "number_match", "value": 0.0, "reason": ""}


def test_what_a_model_wrote_cannot_steer_the_terminal(typed: Typed) -> None:
    for command in (["show", "t0141"], ["flips", "--all"], ["query", "from v_flips"], ["gate"], ["runs"]):
        assert not STEERING.search(typed(*command)[1]), command
    assert "number_match read: nothing" in typed("show", "t0141")[1]


def test_lines_of_an_answer_cannot_pass_for_ours(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    answers = [*HOSTILE, "fine\n\ncandidate (candidate, chosen): exact_match 1"]
    store = run(recorded_experiment(tmp_path, ["no"] * len(answers), answers, name="hostile")).store
    for number in range(len(answers)):
        assert main(["show", f"t{number:04d}", "--store", str(store.path)]) == 0
        out = capfd.readouterr().out
        assert not STEERING.search(out)
        assert out.count("\ncandidate (candidate, chosen): exact_match") == 1
        assert len(out) < 5000


def test_an_id_that_is_none_says_what_ids_look_like(typed: Typed) -> None:
    code, out, err = typed("show", "t15")
    assert (code, out) == (2, "")
    assert "'sums' has no example 't15'" in err
    assert re.search(r"ids look like t0\d{3}, ", err)


# --- experiments -----------------------------------------------------------------------------------------------------


def test_experiments_are_listed_with_score_gain_interval_and_date(typed: Typed) -> None:
    head, _, line = typed("runs")[1].splitlines()
    names = [name.strip() for name in head.split("┃")]
    assert names == ["name", "verdict", "model", "bar", "score", "gain, points", "date", "id"]
    cells = [cell.strip() for cell in line.split("│")]
    assert cells[3:5] == ["69.5%", "70.0%"]
    assert re.fullmatch(r"\+0\.5 \[-\d+\.\d, \+\d+\.\d\]", cells[5])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", cells[6])
    [row] = json.loads(typed("runs", "--json")[1])
    assert (row["score"], row["n"]) == (0.7, N)


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of an experiment whose baseline alone was run."""
    session = opened(recorded_experiment(tmp_path_factory.mktemp("half"), ["no"] * 40, ["yes"] * 40, name="half"))
    for stage in ("check", "baseline"):
        order.do(session, stage)
    return session.store.path


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["gate", "half"], "'half' was never decided"),
        (["report", "half"], "'half' was never decided"),
        (["gate"], "no decision in this store"),
        (["flips"], "the candidate has not taken the exam of 'half' yet"),
        (["flips", "hall"], "no experiment is called 'hall'"),
        (["show", "half", "x1"], "'half' has no example 'x1'"),
        (["compare", "half", "half"], "both names are those of one run"),
    ],
)
def test_an_experiment_that_is_not_through_is_told_in_a_sentence(
    half: Path, capfd: pytest.CaptureFixture[str], command: list[str], sentence: str
) -> None:
    assert main([*command, "--store", str(half)]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("error:")) == ("", 1)
    assert sentence in err


def test_an_experiment_that_is_not_decided_is_listed_as_such(half: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--store", str(half)]) == 0
    assert "half │ not decided" in capfd.readouterr().out


@pytest.mark.parametrize("command", [["runs"], ["gate"], ["report"], ["flips"], ["show", "x"], ["compare", "a", "b"]])
def test_a_store_without_experiments_is_told_in_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    store = Store(tmp_path / "harness.duckdb")
    assert main([*command, "--store", str(store.path)]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("error:")) == ("", 1)
    assert "no experiment is in this store yet" in err or "no run is called 'a'" in err


# --- queries ---------------------------------------------------------------------------------------------------------


def test_rows_too_wide_for_a_table_stand_a_value_a_line(typed: Typed) -> None:
    out = typed("query", "from v_flips order by example_id limit 3")[1]
    assert out.count("\n-- ") == 2
    assert re.search(r"^-- 1 of 3$", out, re.M)
    assert re.search(r"^candidate_text +the sum of these two numbers is 0$", out, re.M)


def test_long_cells_are_clipped_and_short_ones_are_not(typed: Typed) -> None:
    out = typed("query", "select repeat('long ', 100) as text, 'short' as word, 7 as n")[1]
    assert max(map(len, out.splitlines())) == 110
    assert out.splitlines()[2].endswith("… │ short │ 7")


def test_rows_are_written_as_the_name_of_the_file_says(typed: Typed, tmp_path: Path) -> None:
    sql = "select example_id, candidate_text, candidate_value from v_flips where example_id >= 't0141' order by all"
    for name in ("rows.csv", "rows.json", "rows.md", "rows.parquet"):
        code, out, err = typed("query", sql, "--out", str(tmp_path / name))
        assert (code, out, err) == (0, "", f"wrote {tmp_path / name}\n")
    asked = json.loads((tmp_path / "rows.json").read_text())
    assert asked[0]["candidate_text"].startswith("\x1b[J")
    with (tmp_path / "rows.csv").open(newline="") as file:
        assert [row["candidate_text"] for row in csv.DictReader(file)] == [row["candidate_text"] for row in asked]
    table = pyarrow.parquet.read_table(tmp_path / "rows.parquet")
    assert table.to_pylist() == asked
    assert str(table.schema.field("candidate_value").type) == "double"
    assert (tmp_path / "rows.md").read_text().startswith("| example_id | candidate_text |")
    assert typed("query", sql, "--format", "csv")[1] == (tmp_path / "rows.csv").read_text()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--out", "rows.xls"], "the name does not say how rows are to be written"),
        (["--format", "parquet"], "a Parquet file is not for the screen"),
        (["--format", "table", "--out", "rows.txt"], "a table is for the screen"),
        (["--json", "--format", "csv"], "--json and --format csv are two formats"),
        (["--out", "nowhere/rows.csv"], "cannot be written (No such file or directory)"),
        (["--json"], "two columns have one name"),
    ],
)
def test_formats_that_do_not_fit_are_refused(typed: Typed, options: list[str], sentence: str) -> None:
    code, out, err = typed("query", "select 1 as a, 2 as a", *options)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_terminal_gets_a_screen_of_rows_and_nothing_that_steers_it(folder: Path) -> None:
    sql = "select candidate_text from v_flips order by example_id = 't0141' desc"
    for options in ([], ["--format", "csv"]):
        ours, theirs = pty.openpty()
        done = subprocess.run(
            [sys.executable, "-m", "harness", "query", sql, *options], cwd=folder, stdout=theirs,
            stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}, text=True,
        )  # fmt: skip
        shown = os.read(ours, 100_000).decode().replace("\r\n", "\n")
        for end in (ours, theirs):
            os.close(end)
        assert not STEERING.search(shown)
        assert options or (shown.count("the sum") < 40 and "81 more rows" in done.stderr)


# --- stores of other times -------------------------------------------------------------------------------------------


def test_a_store_of_the_first_version_can_be_looked_into(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import lzma

    kept = ROOT / "tests" / "cases" / "stores" / "v1.duckdb.xz"
    (tmp_path / "harness.duckdb").write_bytes(lzma.decompress(kept.read_bytes()))
    shutil.copy(tmp_path / "harness.duckdb", tmp_path / "other.duckdb")
    store = ["--store", str(tmp_path)]
    assert main(["runs", *store]) == 0
    name = capfd.readouterr().out.splitlines()[2].split()[0]
    assert main(["flips", name, *store, "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    assert main(["flips", name, *store]) == 0
    assert main(["query", "from v_flips", "--store", str(tmp_path / "other.duckdb")]) == 0
    if rows:
        assert main(["show", name, rows[0]["example_id"], *store]) == 0
    assert "error" not in capfd.readouterr().err
