"""The same report for a browser: the Markdown, rendered into one file that loads nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from reports.data import ReportData
from reports.format.text import clean

STYLE = Path(__file__).with_name("report.css").read_text(encoding="utf-8")

# The style is known by its hash and pictures are in the file: nothing else may load, run, or be sent anywhere.
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'"

FOLDED = ("prompt", "thinking")
KINDS = {".png": "image/png", ".svg": "image/svg+xml"}

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
{body}</main>
</body>
</html>
"""


def write(report: Path, data: ReportData) -> Path:
    """Write `report.html` beside the Markdown report, its pictures inside; returns its path."""
    pictures = {path.name: path.read_bytes() for kind in KINDS for path in report.parent.glob(f"*{kind}")}
    path = report.with_suffix(".html")
    path.write_text(render(report.read_text(encoding="utf-8"), pictures, data), encoding="utf-8")
    return path


def render(markdown: str, pictures: Mapping[str, bytes], data: ReportData) -> str:
    """A report as one HTML page. Of HTML in the text nothing survives; pictures are those of `pictures`."""
    page = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "autolink", "reference"])
    for rule in (table_open, table_close, fence, image):
        page.add_render_rule(rule.__name__, rule)
    return PAGE.format(
        policy=html.escape(POLICY),
        title=html.escape(clean(f"{data.decision.name}: {data.decision.verdict}")),
        style=STYLE,
        verdict=data.decision.verdict,
        body=page.render(markdown, {"pictures": pictures}),
    )


# --- what differs from plain rendering; each is named after its kind of token


def table_open(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """A wide table scrolls by itself, and can be scrolled from the keyboard."""
    return '<div class="scroll" tabindex="0"><table>\n'


def table_close(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """The end of `table_open`."""
    return "</table></div>\n"


def fence(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """Text as it is; prompts and thinking are folded away until asked for."""
    content = tokens[index].content
    shown = f"<pre>{html.escape(content)}</pre>\n"
    if tokens[index].info not in FOLDED:
        return shown
    return f"<details><summary>{tokens[index].info}, {len(content):,} characters</summary>\n{shown}</details>\n"


def image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """One of the report's own pictures, inside the page."""
    alt = html.escape(tokens[index].content)
    source = str(tokens[index].attrs["src"])
    content = env["pictures"].get(source)
    if content is None:
        return alt
    kind = KINDS[Path(source).suffix]
    return f'<img alt="{alt}" src="data:{kind};base64,{base64.b64encode(content).decode()}">'
