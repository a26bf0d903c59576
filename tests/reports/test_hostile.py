"""Whatever a model, a file or a name holds, no form of the report obeys it: each is read back by a real parser."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from markdown_it import MarkdownIt
from workspaces import HOSTILE, decided, recorded_experiment, run, write_jsonl

from harness.view.terminal import show
from reports.data import ReportData
from reports.format.text import contrast
from reports.outputs import github, html, junit, markdown, plots, record

# Words of our own that renderers choose by, and JSON inside a field.
OURS = {
    "verdict", "status", "kind", "tier", "level", "side", "topic", "headline", "frozen", "identity", "experiment_id",
    "run_id", "suite_id", "config", "slices",
}  # fmt: skip
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
LARGEST = 400_000  # characters of any form, where one answer alone has a million


def poisoned(value: Any, text: str, key: str = "") -> Any:
    """Records with `text` before every string, as the store would have kept them."""
    if isinstance(value, str):
        return value if key in OURS else text + value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **poisoned(parts, text))
    if isinstance(value, dict):
        return {name: poisoned(item, text, name) for name, item in value.items()}
    return [poisoned(item, text, key) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """A decision with slices, a second metric, findings, and answers that got better and worse."""
    folder = tmp_path_factory.mktemp("plain")
    before, after = ["yes"] * 60 + ["no"] * 60, ["yes"] * 50 + ["nope"] * 10 + ["yes"] * 60
    task = {"metrics": ["exact_match", "token_f1"], "slices": ["lang"]}
    costs = {"baseline": {"per_hour": 2.0}, "candidate": {"per_hour": 1.0}, "training": 5, "requests_per_month": 1000}
    path = recorded_experiment(folder, before, after, task=task, costs=costs, name="plain")
    for file in ("prompted.jsonl", "tuned.jsonl"):
        answers = [json.loads(line) for line in (folder / file).read_text().splitlines()]
        write_jsonl(folder / file, [{**row, "seconds": 0.5} for row in answers])
    rows = [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]
    write_jsonl(folder / "test.jsonl", [{**row, "lang": "en" if i % 2 else "de"} for i, row in enumerate(rows)])
    return decided(run(path))


@pytest.fixture(params=HOSTILE, ids=lambda text: repr(text[:20]))
def hostile(request: pytest.FixtureRequest, plain: ReportData) -> ReportData:
    """The same decision with a hostile string in every place where a string can be: answers, names, slices, rules."""
    text = request.param.encode("utf-8", "replace").decode()
    prompts = {"baseline_prompt": f"{text} asked", "candidate_prompt": text, "others": json.dumps([text])}
    better, worse = (  # the whole of it where models and data files write
        [dataclasses.replace(poisoned(row, text), **prompts) for row in rows] for rows in (plain.better, plain.worse)
    )
    return dataclasses.replace(poisoned(plain, text[:5000]), better=better, worse=worse)


def assert_harmless(text: str) -> None:
    assert not INVISIBLE.search(text)
    assert len(text) < LARGEST


def assert_plain_markdown(text: str, pictures: set[str]) -> None:
    """GitHub's Markdown with no HTML but what folds a block away, no link, and no picture but our own."""
    assert_harmless(text)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    kinds = "".join("<" if t.content.startswith("<details>") else ">" for t in tokens if t.type == "html_block")
    assert all(html.FOLD.fullmatch(t.content.strip()) for t in tokens if t.type == "html_block")
    assert kinds == "<>" * (len(kinds) // 2)
    inline = [child for t in tokens for child in t.children or []]
    assert not [c for c in inline if c.type in ("html_inline", "link_open")]
    assert {str(c.attrs["src"]) for c in inline if c.type == "image"} <= pictures
    assert len([t for t in tokens if t.type == "heading_open" and t.tag == "h1"]) == 1


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "h4", "p", "blockquote", "strong",
    "code", "pre", "div", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "img", "em",
    "nav", "ol", "li", "a",
}  # fmt: skip
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "tabindex", "alt", "src", "id", "href"}


def test_markdown(hostile: ReportData) -> None:
    pictures = {name: f"{name}.svg" for name in ("forest", "slices", "break_even", "training")}
    assert_plain_markdown(markdown.render(hostile, pictures), set(pictures.values()))


def test_html(hostile: ReportData) -> None:
    names = {"forest": "forest.svg", "slices": "slices.svg", "break_even": "break_even.svg"}
    text = html.render(markdown.render(hostile, names), dict.fromkeys(names.values(), b"<svg/>"), hostile)
    elements = Elements(text).found
    assert {tag for tag, _ in elements} <= ELEMENTS
    assert {name for _, attributes in elements for name in attributes} <= ATTRIBUTES
    assert all(re.fullmatch(r"#section-\d+", str(attributes["href"])) for tag, attributes in elements if tag == "a")
    pictures = [attributes["src"] for tag, attributes in elements if tag == "img"]
    assert len(pictures) == 3
    assert {str(source).split(";")[0] for source in pictures} == {"data:image/svg+xml"}
    assert len([tag for tag, _ in elements if tag in ("style", "title", "body")]) == 3
    assert_harmless(re.sub(r'src="data:[^"]*"', "", text))


def test_junit(hostile: ReportData) -> None:
    text = junit.render(hostile)
    assert_harmless(text)
    assert len(ET.fromstring(text).findall(".//testcase")) == len(hostile.gates)


def test_record(hostile: ReportData) -> None:
    text = record.render(hostile)
    assert text.isascii()
    assert not INVISIBLE.search(text)
    jsonschema.validate(json.loads(text, parse_constant=pytest.fail), record.json_schema())


def test_github(hostile: ReportData) -> None:
    assert_plain_markdown(github.summary(hostile), set())
    for line in github.commands(hostile):
        assert_harmless(line)
        assert re.fullmatch(r"::(error|warning|notice) title=[^:,\n\r]*::[^\n\r]*", line)
    assert re.fullmatch(r"decision=[a-z_]+\nexit_code=\d\n", github.outputs(hostile))


def test_terminal(hostile: ReportData, capsys: pytest.CaptureFixture[str]) -> None:
    show(hostile, Path("report.md"), Path("harness.duckdb"))
    assert_harmless(capsys.readouterr().out)


def test_plots(plain: ReportData, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    [row, *_] = plain.compared("slice")
    slices = [dataclasses.replace(row, slice=text) for text in [*HOSTILE, "言語=日本語", r"cost \\$5 and $6"]]
    assert plain.break_even
    names = {"baseline_arm": HOSTILE[9], "candidate_arm": HOSTILE[7], "currency": "$x^2$"}
    costs = dataclasses.replace(plain.break_even, **names)
    compared = [*plain.compared("task"), *slices]
    pictures = plots.draw(dataclasses.replace(plain, comparisons=compared, break_even=costs), tmp_path)
    assert {"slices": "slices.svg", "arms": "arms.svg", "break_even": "break_even.svg"}.items() <= pictures.items()
    assert_harmless("".join(ET.parse(tmp_path / "break_even.svg").getroot().itertext()))
    drawn = ET.parse(tmp_path / "slices.svg").getroot()
    assert {element.tag.split("}")[1] for element in drawn.iter()} == {
        "svg",
        "title",
        "style",
        "path",
        "circle",
        "text",
    }
    assert_harmless("".join(drawn.itertext()))
    assert not [each.message for each in recwarn if each.category is UserWarning]  # a glyph no font has


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
@pytest.mark.parametrize("change", [str.upper, lambda text: f"{text}!", lambda text: f"a {text}", lambda text: ""])
def test_answers_side_by_side_stay_two_cells_with_nothing_but_bold(text: str, change: Callable[[str], str]) -> None:
    one, other = contrast(text, change(text))
    tokens = MarkdownIt("commonmark").enable("table").parse(f"| a | b |\n|---|---|\n| {one} | {other} |")
    assert len([t for t in tokens if t.type == "td_open"]) == 2
    children = {child.type for t in tokens for child in t.children or []}
    assert children <= {"text", "text_special", "strong_open", "strong_close"}
