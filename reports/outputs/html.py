"""The same report for a browser: the Markdown, rendered into one file that loads nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise, takewhile
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from reports.data import ReportData
from reports.format.text import clean
from suites.writing import write_whole

STYLE = Path(__file__).with_name("report.css").read_text(encoding="utf-8")

# The style is known by its hash and pictures are in the file: nothing else may load, run, or be sent anywhere.
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'"

WIDE = 5  # columns that a phone does not hold
STATES = ("pass", "fail", "open", "block", "warn")
FOLD = re.compile(r"<details><summary>\w+, [\d,]+ characters</summary>|</details>")
"""What `reports.format.text.folded` puts around a block: the only HTML of a report that is let through."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body class="{verdict}">
<main>
{contents}{body}</main>
</body>
</html>
"""


def write(report: Path, data: ReportData) -> Path:
    """Write `report.html` beside the Markdown report, its pictures inside; returns its path."""
    pictures = {path.name: path.read_bytes() for path in report.parent.glob("*.svg")}
    path = report.with_suffix(".html")
    write_whole(path, render(report.read_text(encoding="utf-8"), pictures, data))
    return path


def render(markdown: str, pictures: Mapping[str, bytes], data: ReportData) -> str:
    """A report as one HTML page. Of HTML in the text nothing survives; pictures are those of `pictures`."""
    page = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "autolink", "reference"])
    for rule in (table_open, table_close, fence, image):
        page.add_render_rule(rule.__name__, rule)
    env: EnvType = {"pictures": pictures}
    tokens = page.parse(markdown, env)
    _mark_states(tokens)
    _fold(tokens)
    contents = _contents(_anchored(tokens))
    return PAGE.format(
        policy=html.escape(POLICY),
        title=html.escape(clean(f"{data.decision.name}: {data.decision.verdict}")),
        style=STYLE,
        verdict=data.decision.verdict,
        contents=contents,
        body=page.renderer.render(tokens, page.options, env),
    )


def _anchored(tokens: Sequence[Token]) -> list[tuple[str, str]]:
    """Give every section an anchor, made of its number as headings may hold anything; their anchors and titles."""
    sections: list[tuple[str, str]] = []
    for opened, inline in pairwise(tokens):
        if opened.type == "heading_open" and opened.tag == "h2":
            anchor = f"section-{len(sections) + 1}"
            opened.attrSet("id", anchor)
            sections.append((anchor, "".join(child.content for child in inline.children or [])))
    return sections


def _contents(sections: Sequence[tuple[str, str]]) -> str:
    """The table of contents, folded away; empty for a page of few sections."""
    if len(sections) < 3:
        return ""
    items = "".join(f'<li><a href="#{anchor}">{html.escape(title)}</a></li>\n' for anchor, title in sections)
    return f"<nav><details><summary>Contents</summary>\n<ol>\n{items}</ol></details></nav>\n"


def _mark_states(tokens: Sequence[Token]) -> None:
    """Cells that say whether a rule holds get a class by which the style colours them."""
    for opened, inline in pairwise(tokens):
        if opened.type == "td_open" and (state := inline.content.strip("*")) in STATES:
            opened.attrSet("class", state)


def _fold(tokens: Sequence[Token]) -> None:
    """Paragraphs that are nothing but the beginning or the end of what is folded away become that."""
    for opened, inline, closed in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opened.type == "paragraph_open" and FOLD.fullmatch(inline.content):
            opened.hidden = closed.hidden = True
            inline.children = [Token("html_inline", "", 0, content=f"{inline.content}\n")]


# --- what differs from plain rendering; each is named after its kind of token


def table_open(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """A wide table scrolls by itself, and can be scrolled from the keyboard; on a phone rules stand one by one."""
    header = list(takewhile(lambda token: token.type != "thead_close", tokens[index:]))
    columns = [token.content for token in header if token.type == "inline"]
    kind = "gates" if columns[:1] == ["gate"] else "wide" if len(columns) >= WIDE else "narrow"
    return f'<div class="scroll" tabindex="0"><table class="{kind}">\n'


def table_close(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """The end of `table_open`."""
    return "</table></div>\n"


def fence(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """Text as it is."""
    return f"<pre>{html.escape(tokens[index].content)}</pre>\n"


def image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """One of the report's own pictures, inside the page."""
    alt = html.escape(tokens[index].content)
    source = str(tokens[index].attrs["src"])
    content = env["pictures"].get(source)
    if content is None:
        return alt
    return f'<img alt="{alt}" src="data:image/svg+xml;base64,{base64.b64encode(content).decode()}">'
