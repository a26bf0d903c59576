"""The store keeps what it acknowledged, notices what it lost, and lets nobody reach beyond it."""

import math
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, make_dataclass, replace
from pathlib import Path

import duckdb
import pyarrow
import pytest
from workspaces import select

from baselines.arm import Arm, Prompter
from harness.evaluation.evaluate import evaluate
from harness.models.cache import Cached, completion_ids, loglikelihood_id
from harness.store import database, opening, runs
from harness.store.answers import completions, stored
from harness.store.database import HELD_SECONDS, Store, insert, query
from harness.store.versions import STEPS, VERSION
from suites.errors import UserError
from suites.model import Completion, Generation, Identity, LogLikelihood, ModelSpec, Prompt
from suites.types import Example, Suite

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    """An empty store; making one takes longer than copying it."""
    return Store(tmp_path_factory.mktemp("blank") / "harness.duckdb").path


@pytest.fixture
def store(blank, tmp_path):
    return Store(Path(shutil.copy(blank, tmp_path)))


def completion(key, text="an answer", **changes):
    return stored(key, "a prompt", Completion(text, **changes))


@dataclass
class Row:
    """A row of a table that holds what is to be refused."""

    a: int


@dataclass
class Registered:
    experiment_id: str
    name: str
    file: str
    frozen: object


@dataclass
class Marked:
    run_id: str
    example_id: str
    metric: str
    value: float
    reason: str


def child(tmp_path, code):
    """A real second process with the store of the test."""
    names = "from pathlib import Path\nfrom harness.store.database import *\nfrom harness.store.answers import *\n"
    script = f"import sys, time\n{names}"
    script += f"store = Store(Path({str(tmp_path / 'harness.duckdb')!r}))\n" + textwrap.dedent(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)


# --- what may enter --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_and_nothing_of_its_batch_lands(store, value):
    with pytest.raises(ValueError, match="not a number that can be stored"):
        store.insert("completions", [completion("a"), completion("b", seconds=value)])
    assert select(store, "from completions") == []


def test_the_tables_refuse_nonsense_even_from_sql(store):
    for sql in (
        "insert into completions values ('k', 'p', 't', 'stop', 1, 1, 'nan'::double, null, null, '')",
        "insert into scores values ('r', 'e', 'm', 1.5, '', null)",
        "insert into scores values ('r', 'e', 'm', null, '', null)",
        "insert into completions values ('k', 'p', 't', 'halted', 1, 1, 0.1, null, null, '')",
    ):
        with store.connect() as con, pytest.raises(duckdb.ConstraintException):
            con.execute(sql)


def test_nan_inside_a_json_column_is_refused(store):
    row = Registered("e", "n", "f", {"value": math.nan})
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.insert("experiments", [row])


def test_hostile_text_comes_back_as_it_went_in(store):
    texts = [
        "'; drop table runs; --",
        "a\0b",
        "\x1b[2J",
        "{{ 7 * 7 }}",
        "=cmd|' /C calc'!A0",
        "é" * 100_000,
        "NULL",
        "",
    ]
    store.insert("completions", [completion(str(i), text) for i, text in enumerate(texts)])
    found = completions(store, [str(i) for i in range(len(texts))])
    assert [found[str(i)].text for i in range(len(texts))] == texts


def test_marks_that_came_with_an_answer_come_back(store):
    given = {"a": {"acc": 0.25, "'; drop table runs; --": 1.0, "é\u2028\x00": -3.0}, "b": {}, "c": None}
    rows = [stored(key, "prompt", Completion("text", scores=scores)) for key, scores in given.items()]
    store.insert("completions", rows)
    assert {key: found.scores for key, found in completions(store, list(given)).items()} == given


def test_half_a_character_is_stored_as_a_question_mark(store):
    store.insert("completions", [completion("a", "x\ud83dy")])
    assert completions(store, ["a"])["a"].text == "x?y"


def test_a_name_that_is_no_identifier_never_becomes_sql(store):
    with pytest.raises(ValueError, match="not an identifier"):
        store.insert("runs; drop table runs", [Row(1)])
    with pytest.raises(ValueError, match="not an identifier"):
        store.insert("runs", [make_dataclass("Row", ["A"])(1)])


def test_rows_on_record_stay_unless_they_are_to_be_replaced(store):
    store.insert("completions", [completion("a", "first")])
    store.insert("completions", [completion("a", "second")])
    assert completions(store, ["a"])["a"].text == "first"
    store.insert("completions", [completion("a", "third")], replace=True)
    assert completions(store, ["a"])["a"].text == "third"


def test_a_key_can_be_deleted_and_written_again_in_one_transaction(store):
    """DuckDB once called this a duplicate key; recording a run again relies on it."""
    score = Marked("r", "e", "m", 0.0, "")
    store.insert("scores", [score])
    with store.connect() as con:
        con.execute("delete from scores where run_id = 'r'")
        insert(con, "scores", [replace(score, value=1.0)])
    assert runs.scores(store, "r", "m")["e"].value == 1.0


def test_an_error_halfway_through_a_batch_leaves_nothing_of_it(store):
    class Stop(Exception):
        pass

    def write_and_stop():
        with store.connect() as con:
            insert(con, "completions", [completion("a")])
            raise Stop

    with pytest.raises(Stop):
        write_and_stop()
    assert completions(store, ["a"]) == {}


def test_batches_within_a_batch_are_one_and_see_what_it_wrote_so_far(store):
    def write():
        with store.connect():
            store.insert("completions", [completion("a")])
            assert len(completions(store, ["a"])) == 1
            with store.hold():
                store.insert("completions", [completion("b")])
            store.release()
            store.insert("completions", [completion("c")])
            raise RuntimeError("in the middle of it")

    with pytest.raises(RuntimeError):
        write()
    assert completions(store, ["a", "b", "c"]) == {}
    with store.connect():
        store.insert("completions", [completion("a")])
        store.insert("completions", [completion("b")])
    assert len(completions(Store(store.path, create=False), ["a", "b"])) == 2


def test_a_small_store_is_a_small_file(store):
    """Every column of every table takes at least one block, whatever is in it."""
    with store.connect() as con:
        [(size,)] = con.execute("select block_size from pragma_database_size()").fetchall()
        con.execute("insert into suites select 's' || i, 's', 'task', 'm', 1, 'd' from range(400) t(i)")
    assert size == 16384
    assert store.path.stat().st_size < 1_500_000


def test_a_store_that_is_held_takes_batches_as_ever_and_is_free_afterwards(store, tmp_path):
    def write_and_stop():
        with store.connect() as con:
            insert(con, "completions", [completion("lost")])
            raise KeyboardInterrupt

    with store.hold():
        store.insert("completions", [completion("a")])
        assert set(completions(store, ["a"])) == {"a"}
        with pytest.raises(KeyboardInterrupt):
            write_and_stop()
        store.insert("completions", [completion("b")])
        store.release()
        other = child(tmp_path, "print(len(completions(store, ['a', 'b', 'lost'])))")
        assert other.communicate(timeout=60)[0] == "2\n", "let go of in between, others may read"
        assert len(completions(store, ["a", "b", "lost"])) == 2


# --- queries of users ------------------------------------------------------------------------------------------------


def test_a_query_sees_the_views_and_the_names_of_their_columns(store):
    store.insert("experiments", [Registered("e1", "demo", "f", {})])
    assert query(store.path, "select name, verdict from v_experiments") == (["name", "verdict"], [("demo", None)])


def test_nothing_is_loaded_that_is_not_built_in_and_nothing_downloaded(store):
    with opening.connect(store.path, read_only=True, config={"enable_external_access": "true"}) as con:
        con.execute("select isfinite(1), '[1]'::json")
        loaded = con.execute("select distinct install_mode from duckdb_extensions() where loaded").fetchall()
        assert loaded == [("STATICALLY_LINKED",)]
        with pytest.raises(duckdb.Error, match="httpfs"):
            con.execute("from 'https://localhost:1/a.parquet'")


SECRETS = pyarrow.table({"password": ["a variable of the program"]})


@pytest.mark.parametrize(
    "sql",
    [
        "select content from read_text('/etc/hostname')",
        "from read_csv('/etc/passwd')",
        "from glob('/etc/*')",
        "from '/etc/passwd'",
        "copy v_runs to '{folder}/stolen.csv'",
        "copy (select 1) to '{folder}/stolen.parquet'",
        "attach '{folder}/stolen.duckdb'",
        "export database '{folder}/stolen'",
        "install httpfs",
        "load httpfs",
        "force install httpfs from 'http://localhost:1'",
        "load '{folder}/x.duckdb_extension'",
        "from 'https://localhost:1/a.parquet'",
        "from 's3://bucket/a.parquet'",
        "from sqlite_scan('{folder}/a.sqlite', 'a')",
        "select spatial_ref_system()",
        "set extension_directory = '{folder}'",
        "set autoinstall_known_extensions = true",
        "set enable_external_access = true",
        "set threads = 1",
        "pragma profiling_output = '{folder}/stolen.json'",
        "drop table runs",
        "create table stolen as select 1",
        "insert into stages values ('e', 's', 1, now())",
        "delete from runs",
        "select 1; drop table runs",
        "from SECRETS",
        "select getenv('HOME')",
        "nonsense",
        "",
    ],
)
def test_a_query_can_neither_change_anything_nor_reach_beyond_the_store(blank, tmp_path, sql):
    before = blank.read_bytes()
    with pytest.raises(UserError, match="the query"):
        query(blank, sql.format(folder=tmp_path))
    assert blank.read_bytes() == before
    assert list(tmp_path.iterdir()) == []
    assert [path.name for path in blank.parent.iterdir()] == ["harness.duckdb"]


# --- files that are no store -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"my notes\n" * 1000, "not a usable DuckDB file"),
        (b"SQLite format 3\0" + b"\0" * 5000, "not a usable DuckDB file"),
    ],
)
def test_a_file_that_is_no_store_is_refused_and_left_as_it_is(tmp_path, content, what):
    path = tmp_path / "harness.duckdb"
    path.write_bytes(content)
    for open_it in (lambda: Store(path), lambda: Store(path, create=False), lambda: query(path, "select 1")):
        with pytest.raises(UserError, match=what):
            open_it()
    assert path.read_bytes() == content


def test_a_duckdb_file_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "harness.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("create table runs as select 1 as a")
    before = path.read_bytes()
    with pytest.raises(UserError, match="was not made by the harness"):
        Store(path)
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_refused(store):
    with store.connect() as con:
        con.execute("update schema_version set version = 99")
    with pytest.raises(UserError, match=f"has version 99, this harness reads {VERSION}") as caught:
        Store(store.path)
    assert caught.value.fix == "upgrade the harness"


def test_a_store_of_the_first_version_is_brought_up_to_date(tmp_path):
    path = tmp_path / "harness.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(STEPS[0].read_text(encoding="utf-8"))
        con.execute("create table schema_version as select 1 as version")
        con.execute("insert into gates values ('e', 0, 'gain', 'gain', 'more', '+0.1', 'pass')")
    store = Store(path)
    assert select(store, "select tier, status from v_gates") == [{"tier": "critical", "status": "pass"}]
    assert select(store, "select version from schema_version") == [{"version": VERSION}]


def test_reading_never_makes_a_store(tmp_path):
    with pytest.raises(UserError, match="no store here yet"):
        Store(tmp_path / "nope.duckdb", create=False)
    with pytest.raises(UserError, match="no such folder for the store"):
        Store(tmp_path / "no" / "folder.duckdb")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_stands_for_the_store_in_it(tmp_path):
    assert Store(tmp_path).path == tmp_path / "harness.duckdb"
    assert Store(tmp_path, create=False).path.is_file()


@pytest.fixture
def full(store):
    """A store with enough in it to be damaged."""
    store.insert("completions", [completion(str(i), f"answer {i} " * 50) for i in range(2000)])
    with duckdb.connect(str(store.path)) as con:
        con.execute("checkpoint")
    return store


def test_a_store_cut_short_is_refused(full):
    content = full.path.read_bytes()
    full.path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="not a usable DuckDB file"):
        completions(Store(full.path), [str(i) for i in range(2000)])


def test_a_flipped_byte_is_noticed_when_it_is_read(full):
    content = bytearray(full.path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    full.path.write_bytes(content)
    with pytest.raises(UserError, match="not a usable DuckDB file"):
        completions(Store(full.path), [str(i) for i in range(2000)])


# --- several processes -----------------------------------------------------------------------------------------------


def test_a_store_that_another_process_holds_is_waited_for(store, tmp_path):
    other = child(tmp_path, "with store.connect() as con:\n    print('held', flush=True)\n    time.sleep(0.7)\n")
    assert other.stdout.readline() == "held\n"
    store.insert("completions", [completion("a")])
    assert "a" in completions(store, ["a"])
    assert other.wait(10) == 0


def test_a_store_that_stays_locked_is_refused_naming_the_process_that_holds_it(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(opening, "LOCK_SECONDS", 0.3)
    other = child(tmp_path, "with store.connect() as con:\n    print('held', flush=True)\n    time.sleep(60)\n")
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"the store is locked by process {other.pid} ") as caught:
            Store(store.path)
        assert "--store" in caught.value.fix
        assert capsys.readouterr().err == ""
        store._patience = 0.6  # of one at work
        with pytest.raises(UserError, match="the store is locked"):
            select(store, "select 1")
        assert f"waiting for the store, which is locked by process {other.pid} " in capsys.readouterr().err
    finally:
        other.kill()
        other.wait()
    assert select(store, "select 1 as one") == [{"one": 1}], "the lock goes with the process"


def test_two_processes_that_write_in_turn_lose_nothing(store, tmp_path):
    code = """
    for i in range(8):
        store.insert("completions", [stored(f"{NAME}{i}", "p", Completion("t"))])
    """
    writers = [child(tmp_path, code.replace("NAME", repr(name))) for name in "xy"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert select(store, "select count(*) as n from completions") == [{"n": 16}]


def test_a_killed_writer_loses_nothing_it_acknowledged(store, tmp_path):
    code = """
    for i in range(10_000):
        store.insert("completions", [stored(f"{i}-{j}", "p", Completion("t" * 1000)) for j in range(20)])
        print(i, flush=True)
    """
    writer = child(tmp_path, code)
    time.sleep(0.2)
    for _ in range(8):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read().split()
    acknowledged = int(rest[-1]) if rest else 7
    reopened = Store(store.path)
    found = {row["batch"]: row["n"] for row in select(
        reopened, "select completion_id.split('-')[1]::int as batch, count(*) as n from completions group by 1"
    )}  # fmt: skip
    assert set(range(acknowledged + 1)) <= set(found)
    assert set(found.values()) == {20}, "a batch is there as a whole or not at all"


# --- runs: recorded, resumed, and missed when rows are gone ----------------------------------------------------------


class Oracle:
    """Answers every question with its own words, counts what it is asked, and fails where it is told to."""

    def __init__(self, weights="w1", fail=(), stop_after=None):
        self.identity = Identity("oracle", weights)
        self.fail, self.stop_after, self.asked = set(fail), stop_after, []

    def render(self, prompt: Prompt) -> str:
        return prompt.messages if isinstance(prompt.messages, str) else prompt.messages[-1]["content"]

    def generate(self, prompts, generation, *, on_progress=None):
        answers = []
        for position, prompt in enumerate(prompts):
            if len(self.asked) == self.stop_after:
                raise KeyboardInterrupt
            self.asked.append(prompt.example_id)
            failed = prompt.example_id in self.fail
            error = "no answer today" if failed else None
            answer = Completion(
                f"{self.identity.weights}: {self.render(prompt)}", "error" if failed else "stop", error=error
            )
            answers.append(answer)
            if (on_progress and position % 3 == 2) or position == len(prompts) - 1:
                done = range(position // 3 * 3, position + 1)
                on_progress([(i, answers[i]) for i in done])
        return answers

    def loglikelihood(self, requests):
        self.asked += requests
        return [LogLikelihood(-float(len(answer)), answer == "yes") for _, answer in requests]


EXAMPLES = tuple(Example(f"e{i}", {"input": f"question {i}"}, f"w1: question {i}", f"e{i}") for i in range(6))
SUITE = Suite("quiz", "task", EXAMPLES, ("exact_match", "contains"))
ARM = Arm("zero-shot", ModelSpec("oracle"), Prompter("zero-shot"))


def take(store, oracle):
    return evaluate(ARM, SUITE, Cached(oracle, store), store, seed=0)


def test_a_second_evaluation_asks_the_model_nothing(store):
    first, second = Oracle(), Oracle()
    assert take(store, first).id == take(store, second).id
    assert len(first.asked) == 6
    assert second.asked == []
    assert select(store, "select sum(n) as n from v_runs") == [{"n": None}], "a run belongs to no experiment by itself"


def test_what_came_is_kept_and_read_without_its_thinking_the_next_time_too(store):
    first, second = Oracle("<think>so</think>w1"), Oracle("<think>so</think>w1")
    run = take(store, first)
    assert runs.texts(store, run.id)["e3"] == "w1: question 3"
    assert runs.thought(store, run.id).thinking == 6
    prompts = ARM.prompter.prompts(EXAMPLES)
    answers = Cached(second, store).generate(prompts, run.generation)
    assert (answers[3].text, answers[3].reasoning, second.asked) == ("w1: question 3", "so", [])
    assert select(store, "select count(*) as n from completions where text like '<think>so</think>w1%'") == [{"n": 6}]
    Store(store.path)


def test_the_same_question_asked_twice_in_a_suite_is_put_to_the_model_once(store):
    twice = (*EXAMPLES, Example("again", {"input": "question 0"}, "x", "again"))
    oracle = Oracle()
    run = evaluate(ARM, Suite("quiz", "task", twice, ("exact_match",)), Cached(oracle, store), store, seed=0)
    assert len(oracle.asked) == 6
    assert len(runs.texts(store, run.id)) == 7


def test_other_weights_are_never_served_an_old_answer(store):
    before, after = take(store, Oracle("w1")), take(store, Oracle("w2"))
    assert before.id != after.id
    assert runs.texts(store, before.id)["e3"] == "w1: question 3"
    assert runs.texts(store, after.id)["e3"] == "w2: question 3"


def test_a_failed_answer_given_later_in_another_exam_leaves_the_first_run_readable(store):
    take(store, Oracle(fail={"e1"}))
    longer = Suite("longer quiz", "task", (*EXAMPLES, Example("new", {"input": "new"}, "x", "new")), ("exact_match",))
    evaluate(ARM, longer, Cached(Oracle(), store), store, seed=0)
    Store(store.path)


@pytest.mark.parametrize("part", ["weights", "adapter", "template", "engine", "dtype"])
def test_everything_that_produces_an_answer_is_in_its_key(part):
    one = Identity("name", "w", "a", "t", "e", "d")
    other = Identity(**{**{f: getattr(one, f) for f in one.__slots__}, part: "changed"})
    renamed = Identity("another name", "w", "a", "t", "e", "d")
    assert completion_ids(one, ["prompt"], Generation()) == completion_ids(renamed, ["prompt"], Generation())
    assert completion_ids(one, ["prompt"], Generation()) != completion_ids(other, ["prompt"], Generation())
    assert completion_ids(one, ["prompt"], Generation()) != completion_ids(one, ["prompt "], Generation())
    assert completion_ids(one, ["prompt"], Generation()) != completion_ids(one, ["prompt"], Generation(65))
    assert completion_ids(one, ["prompt"], Generation()) != completion_ids(one, ["prompt"], Generation(seed=1))


def test_keys_stay_as_they_are_or_everything_on_record_would_be_asked_again():
    identity = Identity("any name", "w", "a", "t", "e", "d")
    text = "half \ud800"  # a lone surrogate
    assert completion_ids(identity, [text], Generation())[0].startswith("32473484fa78dc40")
    assert loglikelihood_id(identity, text, " yes").startswith("b612063d4dbe5e34")


def test_log_likelihoods_are_asked_once_for_each_model_and_request(store):
    requests = [("Go?", "yes"), ("Go?", "no"), ("Go?", "yes"), ("Stop?", "yes")]
    first, second, tuned = Oracle(), Oracle(), Oracle("w2")
    found = Cached(first, store).loglikelihood(requests)
    assert found == [(-3.0, True), (-2.0, False), (-3.0, True), (-3.0, True)]
    assert len(first.asked) == 3
    assert Cached(second, Store(store.path)).loglikelihood(requests[1:] + requests[:1]) == found[1:] + found[:1]
    assert second.asked == []
    Cached(tuned, store).loglikelihood(requests)
    assert len(tuned.asked) == 3, "other weights are never served an old score"


def test_a_log_likelihood_that_is_no_number_is_not_kept(store):
    class Broken(Oracle):
        def loglikelihood(self, requests):
            self.asked += requests
            return [LogLikelihood(float("nan"), False) for _ in requests]

    oracle = Broken()
    for _ in range(2):
        assert math.isnan(Cached(oracle, store).loglikelihood([("Go?", "yes")])[0].logprob)
    assert len(oracle.asked) == 2


def test_a_metric_that_cannot_work_is_known_before_the_model_is_asked(store):
    oracle = Oracle()
    broken = Suite("quiz", "task", EXAMPLES, ("json_schema",), schema={"type": "objekt"})
    with pytest.raises(UserError, match="not a JSON Schema"):
        evaluate(ARM, broken, Cached(oracle, store), store, seed=0)
    assert oracle.asked == []


def test_an_interrupted_evaluation_goes_on_where_it_stopped(store):
    with pytest.raises(KeyboardInterrupt):
        take(store, Oracle(stop_after=4))
    assert select(store, "from runs") == [], "a run is on record when it is finished"
    oracle = Oracle()
    take(store, oracle)
    assert oracle.asked == ["e3", "e4", "e5"], "what a batch had finished is not asked again"


def test_a_run_with_errors_is_recorded_and_the_next_try_replaces_only_its_failures(store):
    run = take(store, Oracle(fail={"e1", "e4"}))
    scores = runs.scores(store, run.id, "exact_match")
    assert (scores["e1"].value, scores["e1"].reason) == (None, "no answer today")
    assert set(runs.texts(store, run.id)) == {"e0", "e2", "e3", "e5"}
    again = Oracle(fail={"e4"})
    take(store, again)
    assert again.asked == ["e1", "e4"]
    last = Oracle()
    take(store, last)
    assert last.asked == ["e4"]
    assert select(store, "select n, n_errors from runs") == [{"n": 6, "n_errors": 0}]
    assert all(score.value == 1.0 for score in runs.scores(store, run.id, "exact_match").values())
    assert select(store, "select count(*) as n from scores") == [{"n": 12}]
    Store(store.path)


def test_seconds_add_up_to_the_same_in_whatever_order_they_are_met(store):
    """Added one after another as floats the first order gives 100000000.49999997."""
    take(store, Oracle())
    for order in ("", "desc"):
        sql = f"""create or replace table completions as select * replace (if(text like '%0', 1e8, 0.1) as seconds)
                  from completions order by text {order}"""
        store.execute(sql)
        assert select(store, "select seconds from v_costs") == [{"seconds": 100000000.5}]


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A store with one finished run."""
    finished = Store(tmp_path_factory.mktemp("taken") / "harness.duckdb")
    return finished.path, take(finished, Oracle())


@pytest.mark.parametrize(
    "theft",
    [
        "delete from answers where example_id = 'e3'",
        "delete from answers",
        "delete from scores where example_id = 'e3'",
        "delete from scores where metric = 'contains'",
        "delete from completions where text like '%3'",
        "update completions set text = 'better' where text like '%3'",
        "update scores set value = 0 where example_id = 'e3'",
        "update scores set value = null, reason = 'x' where example_id = 'e3'",
        "delete from examples where example_id = 'e3'",
    ],
)
def test_rows_lost_or_changed_behind_its_back_are_noticed_on_opening(taken, tmp_path, theft):
    path, run = shutil.copy(taken[0], tmp_path), taken[1]
    with duckdb.connect(path) as con:
        con.execute(theft)
    with pytest.raises(UserError, match=f"1 finished run lost or changed rows: {run.id[:12]}"):
        Store(Path(path))


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_in_the_middle_of_a_query_is_an_interruption_and_no_error(store, tmp_path):
    code = """
        print("asking", flush=True)
        try:
            query(store.path, "select count(*) from range(20000000000) numbers where hash(numbers.range) % 7 = 1")
        except KeyboardInterrupt:
            print("interrupted")
    """
    process = child(tmp_path, code)
    assert process.stdout.readline() == "asking\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "interrupted\n"
    assert process.returncode == 0


@pytest.mark.parametrize("said", [duckdb.InterruptException("INTERRUPT Error"), RuntimeError("Query interrupted")])
def test_ctrl_c_while_a_store_is_being_opened_is_an_interruption_and_no_damage(store, monkeypatch, said):
    def interrupted(*_, **__):
        raise said

    monkeypatch.setattr(duckdb, "connect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.execute("select 1")


def test_what_duckdb_says_of_an_interruption_is_one_and_another_error_stays_one(store):
    with pytest.raises(KeyboardInterrupt), store.connect():
        raise duckdb.InterruptException("INTERRUPT Error: Interrupted!")
    with pytest.raises(KeyboardInterrupt), store.connect():
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="of its own"), store.connect():
        raise RuntimeError("of its own")


def test_a_view_of_a_store_that_was_sent_reads_no_file(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    path = tmp_path / "harness.duckdb"
    Store(path)
    with duckdb.connect(str(path)) as con:
        con.execute(f"create or replace view v_experiments as select content from read_text('{secret}')")
    with pytest.raises(UserError, match="file system operations are disabled"):
        Store(path, create=False).fetch(make_dataclass("Text", ["content"]), "select content from v_experiments")


def test_a_connection_is_not_held_for_longer_than_a_second(tmp_path, monkeypatch):
    path = tmp_path / "harness.duckdb"
    store = Store(path)
    for seconds, holds in ((HELD_SECONDS, True), (0.0, False)):
        monkeypatch.setattr(database, "HELD_SECONDS", seconds)
        with store.hold():
            store.execute("select 1")
            assert (store._held is not None) == holds
