"""The command line as it is typed: verdicts, refusals without tracebacks, interruptions that lose nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chat_server import answer, serving

from harness import __version__
from harness.cli.main import main
from harness.store import opening

ROOT = Path(__file__).parents[2]
N = 300
EXPERIMENT = """\
experiment: {name}
data: {{test: test.jsonl}}
task: {{slices: [lang]}}
baselines: [{{recorded: base.jsonl}}]
candidate: {{recorded: candidate.jsonl}}
regression: []
"""
# Of each question: does the base know it, does the candidate, in German (odd) and English (even) questions?
KNOWS = {
    "deploy": (lambda i: i % 10 < 5, lambda i: i % 10 < 8, 0),
    "keep_prompting": (lambda i: i % 10 < 8, lambda i: i % 10 < 8, 3),
    "reject": (lambda i: i % 2 == 1, lambda i: i % 2 == 0 or i % 4 == 1, 4),
    "inconclusive": (lambda i: i % 10 < 5, lambda i: i % 10 < 5 or i % 30 == 7, 5),
    "invalid": (lambda i: i % 10 < 5, None, 6),
}


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_experiment(folder, name, n=N):
    """An experiment over recorded answers whose outcome is known."""
    folder.mkdir(exist_ok=True)
    base, candidate, _ = KNOWS[name]
    rows = [
        {"id": f"q{i}", "input": f"What is {i}?", "target": str(i), "lang": "de" if i % 2 else "en"} for i in range(n)
    ]
    write_rows(folder / "test.jsonl", rows)
    for file, knows, wrong in (("base", base, "no"), ("candidate", candidate or base, "nope" if candidate else "no")):
        answers = [{"id": f"q{i}", "completion": str(i) if knows(i) else wrong} for i in range(n)]
        write_rows(folder / f"{file}.jsonl", answers)
    (folder / "experiment.yaml").write_text(EXPERIMENT.format(name=name))
    return folder / "experiment.yaml"


def start(*arguments, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def harness(*arguments, folder):
    """A real process: (exit code, stdout, stderr)."""
    process = start(*arguments, folder=folder)
    out, err = process.communicate(timeout=100)
    assert "Traceback" not in err
    return process.returncode, out, err


@pytest.fixture
def typed(tmp_path, monkeypatch, capfd):
    """The same within this process, which spares the start: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        capfd.readouterr()
        try:
            code = main(list(map(str, arguments)))
        except SystemExit as stop:  # argparse's own way out
            code = stop.code
        return code, *capfd.readouterr()

    return call


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """A folder with a decided experiment, run once in a process of its own; copy before changing anything."""
    folder = tmp_path_factory.mktemp("decided")
    outcome = harness("run", write_experiment(folder, "deploy"), folder=folder)
    return folder, outcome


# --- verdicts --------------------------------------------------------------------------------------------------------


def test_a_run_ends_with_the_verdict_on_stdout_and_its_progress_on_stderr(decided):
    folder, (code, out, err) = decided
    assert code == 0
    assert out.startswith("Deploy")
    assert "verdict: deploy (exit 0)" in out
    assert "base on test: 300/300" in err
    assert "base on test: 300/300" not in out
    report = Path(re.search(r"report: +(.*)", out).group(1))
    assert (folder / report).is_file()
    assert {path.name for path in folder.iterdir()} == {
        "experiment.yaml", "test.jsonl", "base.jsonl", "candidate.jsonl", "harness.duckdb", "out",
    }  # fmt: skip


def test_paths_are_told_as_one_would_type_them(tmp_path):
    write_experiment(tmp_path / "below", "deploy", n=60)
    _, out, _ = harness("run", "below/experiment.yaml", folder=tmp_path)
    assert re.search(r"report: +below/out/", out)
    assert re.search(r"answers: +harness flips below/experiment\.yaml\n", out)
    assert harness("flips", "below/experiment.yaml", folder=tmp_path)[0] == 0


@pytest.mark.parametrize("verdict", [name for name in KNOWS if name != "deploy"])
def test_each_verdict_has_its_exit_code(typed, tmp_path, verdict):
    code, out, err = typed("run", write_experiment(tmp_path / "x", verdict))
    assert code == KNOWS[verdict][2]
    assert f"verdict: {verdict} (exit {code})" in out
    assert "Traceback" not in err
    assert typed("gate", "--store", tmp_path / "x" / "harness.duckdb")[0] == code


def test_the_same_command_again_asks_nothing_and_says_the_same(decided, typed, tmp_path):
    folder = shutil.copytree(decided[0], tmp_path / "again")
    code, out, err = typed("run", folder / "experiment.yaml")
    assert code == 0
    assert "verdict: deploy (exit 0)" in out
    assert "300/300" not in err


# --- reading what was decided ----------------------------------------------------------------------------------------


@pytest.fixture
def reader(decided, typed):
    return lambda *arguments: typed(*arguments, "--store", decided[0] / "harness.duckdb")


def test_gate_is_nothing_but_the_verdict(reader):
    code, out, err = reader("gate")
    assert (code, err) == (0, "")
    assert out.startswith("Deploy: ")
    assert out.endswith("(verdict deploy, exit 0)\n")
    found = json.loads(reader("gate", "deploy", "--json")[1])
    assert (found["verdict"], found["exit_code"]) == ("deploy", 0)
    assert {gate["status"] for gate in found["gates"] if gate["kind"] != "caution"} == {"pass"}


def test_runs_lists_the_experiments(reader):
    code, out, _ = reader("runs")
    assert code == 0
    assert "deploy" in out
    [row] = json.loads(reader("runs", "--json")[1])
    assert (row["name"], row["verdict"], row["exit_code"]) == ("deploy", "deploy", 0)


def test_query_answers_in_a_table_or_in_json(reader):
    sql = "select arm, round(mean, 2) as mean from v_runs where side = 'base'"
    assert json.loads(reader("query", "--json", sql)[1]) == [{"arm": "base", "mean": 0.5}]
    assert "base" in reader("query", sql)[1]
    code, out, err = reader("query", "select nothing from nowhere")
    assert (code, out) == (2, "")
    assert "the query failed" in err
    assert reader("query", "copy v_runs to 'stolen.csv'")[0] == 2


def test_json_on_stdout_is_json_even_for_values_it_has_no_word_for(reader):
    [row] = json.loads(
        reader("query", "--json", "select 'nan'::double as a, ['inf'::float] as b, 1.5 as c, null as d, 'ü' as e")[1]
    )
    assert row == {"a": None, "b": [None], "c": 1.5, "d": None, "e": "ü"}


def test_report_is_written_again_from_the_store_alone(decided, typed, tmp_path):
    folder = shutil.copytree(decided[0], tmp_path / "copy")
    code, out, _ = typed("report", "--store", folder / "harness.duckdb")
    assert code == 0
    assert Path(out.strip()).is_file()


def test_an_experiment_that_is_not_there_is_said(reader):
    code, out, err = reader("gate", "nope")
    assert (code, out) == (2, "")
    assert "no experiment is called 'nope'" in err
    assert "there are deploy" in err


def test_schema_and_version_and_help_need_no_store(typed, tmp_path):
    assert json.loads(typed("schema")[1])["$schema"].endswith("2020-12/schema")
    assert typed("--version") == (0, f"harness {__version__}\n", "")
    assert "exit codes" in typed("--help")[1]
    assert typed()[0] == 2
    assert typed("frobnicate")[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_the_verdict_of_a_run_is_json_where_a_machine_reads(typed, tmp_path):
    path = write_experiment(tmp_path / "x", "reject", n=100)
    code, out, _ = typed("run", path, "--json")
    found = json.loads(out)
    assert (found["verdict"], found["exit_code"], code) == ("reject", 4, 4)
    assert (tmp_path / found["report"]).is_file()
    assert {row["arm"] for row in json.loads(typed("baseline", path, "--json")[1])} == {"base"}


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        (["flps"], "did you mean `flips`?"),
        (["ls"], "did you mean `runs`?"),
        (["evaluate", "x.yaml"], "did you mean `exam`?"),
        (["policy", "explan", "x.yaml"], "did you mean `explain`?"),
        (["runs", "--stor", "x", "--jsn"], "did you mean `--json`?"),
        (["frobnicate"], "`harness --help` lists the commands"),
    ],
)
def test_a_word_that_is_none_names_the_nearest(typed, typo, meant):
    code, out, err = typed(*typo)
    assert (code, out) == (2, "")
    assert meant in err


def test_without_a_command_there_is_help(typed):
    code, out, err = typed()
    assert (code, out) == (2, "")
    assert "flips" in err


def test_a_shell_completes_commands_options_and_files(typed, tmp_path):
    script = typed("completion", "bash")[1]
    (tmp_path / "mine.yaml").touch()
    asked = [
        f"COMP_WORDS=({words}); COMP_CWORD={words.count(' ')}; COMPREPLY=(); _shtab_harness; echo ${{COMPREPLY[@]}}"
        for words in ("harness fli", "harness flips --wo", "harness run mi")
    ]
    done = subprocess.run(["bash", "-c", "\n".join([script, *asked])], cwd=tmp_path, text=True, capture_output=True)
    assert done.stdout.split() == ["flips", "--worse", "mine.yaml"]


@pytest.mark.parametrize("command", ["runs", "gate", "report", "flips"])
def test_reading_without_a_store_says_how_to_make_one_and_makes_none(typed, tmp_path, command):
    code, out, err = typed(command)
    assert (code, out) == (2, "")
    assert "no store here yet" in err
    assert list(tmp_path.iterdir()) == []


# --- what is refused -------------------------------------------------------------------------------------------------


def refused(typed, folder, *arguments):
    """The message of a refusal: exit 2, nothing on stdout, no report half written."""
    code, out, err = typed(*(arguments or ("run", folder / "experiment.yaml")))
    assert (code, out) == (2, "")
    assert "error: " in err
    assert "Traceback" not in err
    assert not (folder / "out").exists()
    return err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("candidate:", "candidate: [", "not valid YAML"),
        ("candidate.jsonl", "nope.jsonl", "line 5: `candidate.recorded` no such file"),
        ("{recorded: candidate.jsonl}", "own-model", "line 5: `candidate.path` is neither an adapter nor a model"),
        ("{recorded: candidate.jsonl}", "runs", "name one of the folders in it: runs/checkpoint-20, runs/checkpoint-9"),
        ("{recorded: candidate.jsonl}", "acme/lora", "`candidate.path` the candidate acme/lora is not on this machine"),
        ("data:", "metrics: [exact]\ndata:", "unknown setting"),
        ("{slices: [lang]}", "{metrics: [exact]}", "line 3: `exact`: unknown metric; did you mean `exact_match`?"),
        ("regression: []", "regression: [genral]", "line 6: `regression.0.suite` no suite named 'genral'"),
        ("experiment: deploy", "experiment: ../up", "`experiment` string should match pattern"),
    ],
)  # fmt: skip
def test_a_bad_experiment_file_leaves_nothing_behind(typed, tmp_path, old, new, message):
    path = write_experiment(tmp_path / "x", "deploy", n=3)
    (tmp_path / "x" / "own-model").mkdir()
    for name in ("checkpoint-9", "checkpoint-20"):
        (tmp_path / "x" / "runs" / name).mkdir(parents=True)
        (tmp_path / "x" / "runs" / name / "adapter_config.json").write_text("{}")
    path.write_text(path.read_text().replace(old, new))
    before = sorted(tmp_path.rglob("*"))
    assert message in refused(typed, tmp_path / "x")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_experiment_file_is_told_how_to_get_one(tmp_path):
    code, out, err = harness("run", "nope.yaml", folder=tmp_path)
    assert (code, out) == (2, "")
    assert err == (
        "error: no such file: nope.yaml\n  where: nope.yaml\n  fix:   `harness init FOLDER` writes one to start from\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("test.jsonl", '{"id": "q0", "input": "a", "target": "b", "lang": "x"}\nnonsense\n', "test.jsonl:2: not JSON"),
        ("test.jsonl", '{"text": "a", "label": "b"}\n', "no column `input`, `target`, `lang`; the file has"),
        ("test.jsonl", '{"id": 1, "input": "a", "target": "b", "lang": "x"}\n' * 2, "test.jsonl:2: id '1' stands"),
        ("candidate.jsonl", '{"id": "q0"}\n', "candidate.jsonl:1: no `completion`; the row has id"),
        ("candidate.jsonl", "", "the file holds no answers"),
    ],
)  # fmt: skip
def test_bad_data_is_refused_with_its_line(typed, tmp_path, file, content, message):
    write_experiment(tmp_path / "x", "deploy", n=3)
    (tmp_path / "x" / file).write_text(content)
    assert message in refused(typed, tmp_path / "x")


def test_what_a_file_holds_cannot_steer_the_terminal(typed, tmp_path):
    write_experiment(tmp_path / "x", "deploy", n=3)
    (tmp_path / "x" / "test.jsonl").write_text('{"\\u001b[2Jtext": "a"}\n')
    err = refused(typed, tmp_path / "x")
    assert "[2Jtext" in err
    assert "\x1b" not in err


def test_an_empty_test_set_is_a_blocking_finding_and_the_verdict_invalid(typed, tmp_path):
    """Not an error of usage: the file is fine, and the experiment is on record as one that cannot decide."""
    write_experiment(tmp_path / "x", "deploy", n=3)
    (tmp_path / "x" / "test.jsonl").write_text("")
    code, out, err = typed("run", tmp_path / "x" / "experiment.yaml")
    assert code == 6
    assert "the test set has no examples" in out
    assert typed("check", tmp_path / "x" / "experiment.yaml")[0] == 6
    code, out, err = typed("exam", tmp_path / "x" / "experiment.yaml")
    assert (code, out) == (2, "")
    assert "a blocking finding stands in the way" in err


def test_a_store_that_is_something_else_is_refused_and_left_alone(typed, tmp_path):
    write_experiment(tmp_path / "x", "deploy", n=3)
    (tmp_path / "x" / "harness.duckdb").write_text("my notes")
    assert "not a usable DuckDB file" in refused(typed, tmp_path / "x")
    assert (tmp_path / "x" / "harness.duckdb").read_text() == "my notes"


def test_a_store_that_another_process_holds_is_refused_naming_it(typed, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "LOCK_SECONDS", 0.2)
    write_experiment(tmp_path / "x", "deploy", n=3)
    code = "import duckdb, sys, time; con = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "x" / "harness.duckdb")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        assert f"the store is locked by process {holder.pid}" in refused(typed, tmp_path / "x")
    finally:
        holder.kill()
        holder.wait()


def test_stages_out_of_order_say_what_comes_first(typed, tmp_path):
    path = write_experiment(tmp_path / "x", "deploy", n=3)
    assert "the base has not taken the exam yet" in refused(typed, tmp_path / "x", "decide", path)
    for stage in ("check", "baseline", "exam"):
        assert typed(stage, path)[0] == 0
    assert typed("decide", path)[0] in (3, 4, 5, 6)


# --- interruptions ---------------------------------------------------------------------------------------------------


@pytest.fixture
def slow():
    """A server that takes its time; the tuned model knows everything, the base every second answer."""

    def behave(_, body):
        number = int(re.search(r"\d+", body["messages"][-1]["content"]).group())
        time.sleep(0.02 if body["model"] == "tuned" else 0.1)
        return answer(str(number) if body["model"] == "tuned" or number % 2 else "no")

    with serving() as server:
        server.behave = behave
        yield server


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_exits_130_and_the_same_command_goes_on_from_there(tmp_path, slow):
    url = slow.url
    path = write_experiment(tmp_path / "x", "deploy", n=120)
    (tmp_path / "x" / "experiment.yaml").write_text(
        "experiment: slow\n"
        f"model: {{name: base, endpoint: '{url}'}}\n"
        "data: {test: test.jsonl}\n"
        "baselines: [zero_shot]\n"
        f"candidate: {{endpoint: '{url}', name: tuned}}\n"
        "regression: []\n"
    )
    process = start("run", path, folder=tmp_path)
    until = time.monotonic() + 60
    while len(slow.asked) < 80 and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    assert "interrupted; nothing finished is lost" in err
    assert "Traceback" not in err
    before = len(slow.asked)
    assert before < 120
    code, out, _ = harness("run", path, folder=tmp_path)
    assert code == 0
    assert "verdict: deploy (exit 0)" in out
    assert len(set(slow.asked)) == 240
    assert len(slow.asked) - 240 <= 8, "only what was under way when the interruption came may be asked again"


def test_a_reader_that_stops_listening_is_no_error(decided):
    process = start("query", "select * from range(200000)", "--json", folder=decided[0])
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_reader_that_stops_listening_turns_no_rejection_into_a_deploy(typed, tmp_path):
    typed("run", write_experiment(tmp_path, "reject"))
    for command in (["run", "experiment.yaml"], ["gate", "--json"]):
        process = start(*command, folder=tmp_path)
        process.stdout.close()
        process.stderr.close()
        assert process.wait(60) == 4


def test_output_that_cannot_be_written_is_told(decided):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "harness", "gate"]
        done = subprocess.run(command, cwd=decided[0], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=full,
                              stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert done.returncode == 2
    assert "the output cannot be written (No space left on device)" in done.stderr
    assert "Traceback" not in done.stderr
