"""The decision where GitHub Actions shows it: a step summary, annotations, and outputs for later steps.

Formats: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from reports.data import ReportData
from reports.format.text import clean, shorten
from reports.outputs import markdown
from reports.sections import earlier

LARGEST_SUMMARY = 900_000  # bytes; GitHub drops a summary above 1 MiB altogether
MOST_ANNOTATIONS = 9  # of gates; GitHub shows ten of a kind
LONGEST_ANNOTATION = 2000  # characters

LEVELS = {"deploy": "notice", "keep_prompting": "warning", "inconclusive": "warning", "reject": "error"}


def summary(data: ReportData, largest: int = LARGEST_SUMMARY) -> str:
    """The report's first screen in GitHub's Markdown, of at most `largest` bytes, cut between lines."""
    text = markdown.first_screen(data) + "\n"
    if len(text.encode()) <= largest:
        return text
    note = "\n\n(cut here; the report has the rest)\n"
    kept = text.encode()[: largest - len(note.encode())].decode(errors="ignore")
    return kept.rpartition("\n")[0] + note


def outputs(data: ReportData) -> str:
    """`decision` and `exit_code` as lines of `$GITHUB_OUTPUT`; both are our own words, so none is smuggled in."""
    return f"decision={data.decision.verdict}\nexit_code={data.decision.exit_code}\n"


def commands(data: ReportData) -> list[str]:
    """Workflow commands that make annotations: one for the verdict, and one for each rule that is broken or open."""
    decision = data.decision
    level = LEVELS.get(decision.verdict, "error")
    lines = [_command(level, decision.headline, decision.reason)]
    others = [sentence for sentence in (earlier.caution(data), data.leak_caution()) if sentence]
    lines += [_command("warning", "mind", sentence) for sentence in others]
    broken = [gate for gate in data.gates if gate.status != "pass"]
    for gate in sorted(broken, key=lambda gate: gate.status != "fail")[:MOST_ANNOTATIONS]:
        decides = gate.status == "fail" and gate.tier != "advisory"
        text = f"{gate.measured} (rule: {gate.rule})"
        lines.append(_command("error" if decides else "warning", gate.title, text))
    return lines


def _command(level: str, title: str, message: str) -> str:
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    """A message as one line; GitHub reads %25, %0D and %0A back."""
    short = clean(shorten(text, LONGEST_ANNOTATION))
    return short.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
