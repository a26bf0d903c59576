"""The report: whatever a model wrote is shown and never obeyed, and any decided experiment renders again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from workspaces import decided, recorded_experiment, run

from reports import markdown
from reports.text import block, cell, clean

HOSTILE = [
    "a | b | c",
    "```\nfence\n```",
    "`````` six",
    "<script>alert(1)</script><img src=x onerror=y>",
    "![beacon](http://example.org/x.png) [link](javascript:alert(1))",
    "\x1b[2J\x1b]0;title\x07 escape",
    "[/foo] [bold]rich[/bold]",
    "nul \x00 and \u202eright to left",
    "# heading\n\n* list\n| t |\n|---|",
    "$x^2$ ~~gone~~ **bold** &amp; &lt;b&gt;",
    "{{ 7 * 7 }} {% raw %}",
    "'; drop table runs; --",
    "=cmd|'/C calc'!A0",
    "x" * 1_000_000,
    "lone \ud800 surrogate",
]


def rendered(folder: Path) -> str:
    """The report of an experiment in which every hostile string is an answer, and most are inputs."""
    count = len(HOSTILE)
    before = HOSTILE + ["no"] * count
    after = ["yes"] * count + HOSTILE
    path = recorded_experiment(
        folder, before, after, inputs=[f"{i} {clean(text)}" for i, text in enumerate(HOSTILE * 2)]
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
    assert all(re.fullmatch(r"\w+\.png", str(source)) for source in images)
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


@pytest.mark.parametrize("text", HOSTILE)
def test_a_block_ends_where_it_should(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{block(text)}\n\nafter")
    assert [t.type for t in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


def test_ordinary_numbers_and_names_read_as_they_are() -> None:
    assert cell("+0.031 [+0.004, +0.058], n=520") == "+0.031 [+0.004, +0.058], n=520"
    assert cell("exact_match") == "exact_match"
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
    assert "✅\u00a0pass" in first


def test_an_old_decision_renders_the_same_again(tmp_path: Path) -> None:
    session = run(recorded_experiment(tmp_path, ["yes"] * 60 + ["no"] * 40, ["yes"] * 70 + ["no"] * 30))
    first = markdown.write(decided(session), tmp_path / "one").read_text()
    again = markdown.write(decided(session, session.id[:8]), tmp_path / "two").read_text()
    assert first == again
    assert (tmp_path / "one" / "forest.png").read_bytes() == (tmp_path / "two" / "forest.png").read_bytes()
