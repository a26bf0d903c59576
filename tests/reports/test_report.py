"""The report: whatever a model wrote is shown and never obeyed, and any decided experiment renders again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from markdown_it import MarkdownIt
from workspaces import HOSTILE, decided, recorded_experiment, run, write_jsonl

from harness.store.database import Store
from harness.store.versions import SCHEMA
from reports import data
from reports.format.text import block, cell, clean, code, phrase, table
from reports.outputs import html, junit, markdown, record


def rendered(folder: Path) -> str:
    """The report of an experiment in which every hostile string is an answer, and most are inputs."""
    count = len(HOSTILE)
    before = HOSTILE + ["no"] * count
    after = ["yes"] * count + HOSTILE
    path = recorded_experiment(
        folder, before, after, inputs=[f"{i} {clean(text)[:10_000]}" for i, text in enumerate(HOSTILE * 2)]
    )
    session = run(path)
    return markdown.write(decided(session), session.out).read_text(encoding="utf-8")


def test_hostile_answers_stay_inside_their_blocks(tmp_path: Path) -> None:
    text = rendered(tmp_path)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert not [t for t in tokens if t.type == "html_block"]
    inline = [child for t in tokens for child in t.children or []]
    assert not [c for c in inline if c.type == "html_inline"]
    images = [c.attrs["src"] for c in inline if c.type == "image"]
    assert all(re.fullmatch(r"\w+\.(png|svg)", str(source)) for source in images)
    assert not [c for c in inline if c.type == "link_open"]
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert len(text) < 100_000


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_is_one_cell(text: str) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(f"| a | b |\n|---|---|\n| {cell(text)} | end |")
    cells = [t for t in tokens if t.type == "td_open"]
    assert len(cells) == 2
    children = [c.type for t in tokens for c in t.children or []]
    assert set(children) <= {"text", "text_special"}


STARTS = [
    "# title",
    "- item",
    "+ item",
    "* item",
    "1. item",
    "23) item",
    "> quote",
    "---",
    "- - -",
    "===",
    "[a]: b",
    "| a |",
]


@pytest.mark.parametrize("text", [*HOSTILE, *STARTS])
def test_a_cell_alone_on_a_line_is_a_paragraph(text: str) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(f"before\n\n{cell(text)}\n\nafter")
    assert [t.type for t in tokens] == ["paragraph_open", "inline", "paragraph_close"] * 3


MARKS = ["say `a|b` and", "x `<b>` |", "`a` $x$ `b\nc|d`", "$`x`$ [a](b) & <i>", "|", "`", "``|``", "a\\|b", "![`](`)"]


@pytest.mark.parametrize("shown", [cell, phrase, code])
@pytest.mark.parametrize("text", [*MARKS, *HOSTILE])
def test_a_text_fills_one_cell_of_a_table_whatever_marks_are_in_it(text: str, shown: Callable[[str], str]) -> None:
    page = MarkdownIt("commonmark").enable("table").parse(table(["text", "then"], [[shown(text), "end"]]))
    cells = [page[i + 1] for i, token in enumerate(page) if token.type == "td_open"]
    assert [token.content for token in cells[1:]] == ["end"]
    children = cells[0].children or []
    assert {child.type for child in children} <= {"text", "text_special", "code_inline"}
    if shown is cell:
        assert "code_inline" not in {child.type for child in children}, "what data holds is no code of ours"
        flat = re.sub(r"\s+", " ", clean(text)).strip()
        assert "".join(child.content for child in children) == flat or len(flat) > 900


@pytest.mark.parametrize("text", HOSTILE)
def test_a_block_ends_where_it_should(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{block(text)}\n\nafter")
    assert [t.type for t in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


def test_ordinary_numbers_and_names_read_as_they_are() -> None:
    assert cell("+0.031 [+0.004, +0.058], n=520") == "+0.031 [+0.004, +0.058], n=520"
    assert cell("exact_match") == "exact_match"
    assert cell("-0.5 to 1.5") == "-0.5 to 1.5"
    assert cell("no worse than -0.03") == "no worse than -0.03"


def test_clean_keeps_newlines_and_letters_of_any_script() -> None:
    assert clean("Grüße\nこんにちは\t!") == "Grüße\nこんにちは\t!"


def test_the_first_screen_says_what_to_do_and_why(tmp_path: Path) -> None:
    session = run(recorded_experiment(tmp_path, ["yes"] * 150 + ["no"] * 150, ["yes"] * 270 + ["no"] * 30))
    text = markdown.render(decided(session), {})
    first = text.split("## ")[0]
    assert "**Deploy:" in first
    assert "90.0% against 50.0%" in first
    assert "exit 0" in first
    assert "| pass |" in first


def test_an_old_decision_renders_the_same_again(tmp_path: Path) -> None:
    session = run(recorded_experiment(tmp_path, ["yes"] * 60 + ["no"] * 40, ["yes"] * 70 + ["no"] * 30))
    first = markdown.write(decided(session), tmp_path / "one").read_text()
    again = markdown.write(decided(session, session.id[:8]), tmp_path / "two").read_text()
    assert first == again
    assert (tmp_path / "one" / "forest.svg").read_bytes() == (tmp_path / "two" / "forest.svg").read_bytes()


# --- what changed, answer by answer ----------------------------------------------------------------------------------


def test_answers_that_changed_stand_side_by_side_with_the_difference_in_bold(tmp_path: Path) -> None:
    before = ['{"team": "billing", "urgent": true}'] * 10 + ["no"] * 90
    after = ['{"team": "sales", "urgent": true}'] * 10 + ["no"] * 90
    session = run(recorded_experiment(tmp_path, before, after, targets=before[:1] * 100))
    text = markdown.render(decided(session), {})
    assert "| test | 0 | 10 |" in text
    assert "### Got worse on test: 5 of 10" in text
    assert "| wanted | prompted: 1.00 | candidate: 0.00 |" in text
    assert '{"team": "**billing**", "urgent": true} | {"team": "**sales**", "urgent": true} |' in text
    assert "Got better" not in text


def test_the_largest_changes_are_shown_first(tmp_path: Path) -> None:
    before, after = ["yes"] * 40, ["yes it is"] * 20 + ["no"] * 2 + ["yes"] * 18
    session = run(recorded_experiment(tmp_path, before, after, task={"metrics": ["token_f1"]}))
    shown = [row.example_id for row in decided(session).worse]
    assert shown == ["t0020", "t0021", "t0000", "t0001", "t0002"]


def test_what_each_model_read_is_shown_to_the_letter_and_not_repeated(tmp_path: Path) -> None:
    rules = " ".join(["Answer the question in one word."] * 20)
    path = recorded_experiment(
        tmp_path, ["no"] * 60, ["yes"] * 60, model="echo", baselines=["zero_shot"], task={"prompt": rules}
    )
    data = decided(run(path))
    text = markdown.render(data, {})
    prompt = f"system: {rules}\nuser: question 0"
    assert data.better[0].baseline_prompt == prompt
    assert data.better[0].candidate_prompt is None  # recorded: how it was asked is not known
    assert f"characters</summary>\n\n```prompt\n{prompt}\n```\n\n</details>" in text
    assert re.search(r"```prompt\n… \(\d+ characters as above\) … .{,60}\nuser: question 1\n```", text)
    assert text.count(rules) == 1
    assert "read by candidate" not in text


def test_long_prompts_and_answers_keep_both_ends_and_say_how_much_is_missing(tmp_path: Path) -> None:
    long = "start " + "x" * 5000 + " end"
    session = run(recorded_experiment(tmp_path, ["yes"] * 60, [long] * 60))
    text = markdown.render(decided(session), {})
    assert re.search(r"\| start x+ … \(4,010 characters left out\) … x+ end \|", text)


def test_losses_on_regression_suites_are_shown_too(tmp_path: Path) -> None:
    session = run(recorded_experiment(tmp_path, ["yes"] * 60, ["no"] * 60))
    with session.store.connect() as con:
        con.execute("update suites set kind = 'regression'")
    data = decided(session)
    assert {row.kind for row in data.worse} == {"regression"}
    assert "### Got worse on test: 3 of 60" in markdown.render(data, {})


def test_slices_have_a_table_of_their_own(tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path, ["no"] * 60, ["yes"] * 60, task={"slices": ["lang"]})
    rows = [{"id": f"t{i:04d}", "input": f"q{i}", "target": "yes", "lang": "de" if i % 2 else "en"} for i in range(60)]
    write_jsonl(tmp_path / "test.jsonl", rows)
    text = markdown.render(decided(run(path)), {"forest": "forest.svg", "slices": "slices.svg"})
    changed, slices = text.split("## What changed")[1].split("## Gain by slice (exact_match)")
    assert "lang=de" not in changed
    assert "| lang=de | 0.0% | 100.0% | +100.0" in slices
    assert "![Gain by slice with intervals](slices.svg)" in slices


# --- earlier decisions -----------------------------------------------------------------------------------------------


def test_a_rule_changed_after_a_result_was_seen_is_told(tmp_path: Path) -> None:
    answers = ["yes"] * 50 + ["no"] * 50, ["yes"] * 60 + ["no"] * 40
    first = run(recorded_experiment(tmp_path, *answers, name="first", policy={"min_gain": 0.2}))
    second = run(recorded_experiment(tmp_path, *answers, name="second", policy={"min_gain": 0.01}, seed=1))
    before, after = markdown.render(decided(first, first.id), {}), markdown.render(decided(second), {})
    assert "decided here for the first time" in before
    assert "**Mind:**" not in before
    assert "a result on this test set was known: policy.min_gain (see" in after.split("## ")[0]
    text = after.split("## Earlier decisions on this test set")[1]
    [row] = [line for line in text.splitlines() if line.startswith("| first |")]
    assert "| `keep_prompting` | **policy.min_gain**: 0.2 → 0.01 | seed |" in row
    assert "while this one ran" not in row


def test_the_same_questions_marked_by_another_metric_are_the_same_test_set(tmp_path: Path) -> None:
    answers = ["yes"] * 50 + ["no"] * 50, ["yes"] * 60 + ["no"] * 40
    run(recorded_experiment(tmp_path, *answers, name="first"))
    second = run(recorded_experiment(tmp_path, *answers, name="second", task={"metrics": ["token_f1"]}))
    assert [row.name for row in decided(second).earlier] == ["first"]
    assert '**task.metrics.0**: "exact_match" → "token_f1"' in markdown.render(decided(second), {})


def test_another_test_set_is_no_earlier_decision_and_deciding_again_is_none_either(tmp_path: Path) -> None:
    answers = ["yes"] * 50 + ["no"] * 50, ["yes"] * 60 + ["no"] * 40
    run(recorded_experiment(tmp_path, *answers, name="first"))
    path = recorded_experiment(tmp_path, *answers, name="second", inputs=[f"another {i}" for i in range(100)])
    assert decided(run(path)).earlier == []
    assert decided(run(path)).earlier == []


# --- old stores ------------------------------------------------------------------------------------------------------


def as_first_version(store: Path, old: Path) -> Path:
    """The rows of a store as its first version would have kept them."""
    with duckdb.connect(str(old)) as con:
        con.execute((SCHEMA / "001_first.sql").read_text(encoding="utf-8"))
        tables = [name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()]
        tables.remove("evidence")  # in tables of their own today
        con.execute(f"attach '{store}' as new (read_only)")
        for table in tables:
            sql = "select column_name from duckdb_columns() where database_name <> 'new' and table_name = ?"
            columns = ", ".join(name for (name,) in con.execute(sql, [table]).fetchall())
            then = {"gates": "kind <> 'caution'", "comparisons": "kind <> 'prompt'"}.get(table, "true")
            con.execute(f"insert into {table} ({columns}) select {columns} from new.{table} where {then}")
        con.execute("create table schema_version as select 1 as version")
    return old


def test_facts_that_an_older_version_did_not_keep_are_empty() -> None:
    facts = data.Facts.parse('{"seed": 7, "judge": "never checked", "leaks": {}}')
    assert (facts.judge, facts.uncertainty, facts.learning_curve, facts.leaks) == ("never checked", "", "", None)
    assert facts.others == {"seed": "7"}


def test_a_store_of_the_first_version_renders_in_every_form(tmp_path: Path) -> None:
    session = run(recorded_experiment(tmp_path, ["yes"] * 60 + ["no"] * 40, ["yes"] * 70 + ["no"] * 30))
    now = decided(session)
    comparisons = [replace(row, detectable=None) for row in now.comparisons]
    gates = [gate for gate in now.gates if gate.kind != "caution"]
    now = replace(now, comparisons=comparisons, gates=gates, stakes=None)  # none of it was kept then
    old = Store(as_first_version(session.store.path, tmp_path / "old.duckdb"))
    with old.connect(read_only=True) as con:
        then = data.load(con)
    assert markdown.render(then, {}) == markdown.render(now, {})
    assert json.loads(record.render(then))["decision"]["verdict"] == now.decision.verdict
    assert html.write(markdown.write(then, tmp_path / "old"), then).is_file()
    # An older store has the numbers of comparisons only, and those of its validity rules in words.
    numbers = re.compile(r"<properties>.*?</properties>", re.DOTALL)
    assert numbers.sub("", junit.render(then)) == numbers.sub("", junit.render(now))
    assert [gate.value for gate in then.gates if gate.kind == "gain"] == [
        gate.value for gate in now.gates if gate.kind == "gain"
    ]
