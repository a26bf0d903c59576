"""The page: what was planted, how often each tool was right, what it said, and how it was asked."""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from .results import Said
from .scenarios import LEAKED, MARGIN, OTHER_QUESTIONS, QUESTIONS, SCENARIOS, UNANSWERED, Scenario, draw
from .tools import ASKERS, HARNESS, RIVALS, Setting, Tool

ENOUGH = 0.9
"""Share of the seeds on which a tool must be right for a scenario to count."""

LIMITS: dict[Setting, str] = {"asked": "the question's", "default": "its own"}
WORDS = 9
"""Different answers at most that are listed; more are numbers."""

INTRODUCTION = f"""# The same answers through other gates

Written by `make bench-rivals`. Seven experiments with one thing planted in each, {{seeds}} seeds of each:
{QUESTIONS} pairs of recorded answers on the task and {OTHER_QUESTIONS} on a second suite, drawn from a population
whose truth is known.

The question is the same for all: *ship the candidate if it is better than the prompt on the task, and does not lose
more than {MARGIN:.2f} on the second suite*. Each tool is asked it through the settings its documents describe (below),
in an environment of its own. A tool is right when it ships, or does not, as is right; its reason is not asked. A
scenario counts where the tool was right on at least {{enough}} of the seeds.
"""


NOTES = """`-`: it has no judge that compares two answers.

What is unanswered is an empty answer, and so wrong, for yobro, trainjudge, NeMo Evaluator, evalproof, promptfoo and
MLflow. statgate and holdline have no row for it and compare the rest. Where the user writes a 0 for it, statgate was
right on 19 of 20 seeds (measured once, by hand); holdline was not asked so.
"""


def page(rows: Sequence[Said], not_had: Mapping[str, str], seeds: int) -> str:
    """The whole of rivals.md."""
    enough = math.ceil(ENOUGH * seeds)
    parts = [
        INTRODUCTION.format(seeds=seeds, enough=enough),
        "## What is planted\n\n" + _planted(seeds),
        "## Right on how many seeds\n\n" + _counts(rows, "asked", (HARNESS, *RIVALS), seeds),
        NOTES,
        "## With the limits they come with\n\n" + _defaults(rows, seeds),
        "## Where finetune-harness was not right\n\n" + _misses(rows),
        "## What they said\n\n" + _said(rows),
        "## How each was asked\n\n" + "\n".join(_how(tool, not_had) for tool in (HARNESS, *RIVALS)),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *map(list, rows)]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def _planted(seeds: int) -> str:
    head = ("scenario", "true gain", "differ", "true gain, second suite", "differ", "measured gain, all seeds", "right")
    return _table(head, [_planted_row(scenario, seeds) for scenario in SCENARIOS]) + (
        "\nDiffer: questions on which one arm is right and the other is not; the base is right on about 70 %.\n"
        f"Unanswered: {UNANSWERED} questions that the candidate would get wrong, those it loses to the base first.\n"
        f"What has no answer counts as wrong. Leak: {LEAKED} test rows stand in the training data word for word, and\n"
        "the candidate is right on them; the true gain is that of the others. Judge: it names the second answer it is\n"
        "shown nine times in ten.\n"
    )


def _planted_row(scenario: Scenario, seeds: int) -> list[str]:
    marks = [draw(scenario, seed) for seed in range(seeds)]
    gains = [float((m.candidate - m.base).mean()) for m in marks]
    shares = f"{100 * scenario.differs:.0f} %", f"{100 * scenario.other_differs:.0f} %"
    spread = f"{min(gains):+.3f} to {max(gains):+.3f}"
    gain, other = f"{scenario.gain:+.2f}", f"{scenario.other_gain:+.2f}"
    return [scenario.name, gain, shares[0], other, shares[1], spread, scenario.right]


def _right(rows: Sequence[Said], tool: Tool, setting: Setting, scenario: Scenario) -> list[bool]:
    """Of each seed that was answered."""
    return [
        row.ships == scenario.ships
        for row in rows
        if (row.tool, row.setting, row.scenario) == (tool.name, setting, scenario.name) and row.ships is not None
    ]


def _counts(rows: Sequence[Said], setting: Setting, tools: Sequence[Tool], seeds: int) -> str:
    enough, lines, totals = math.ceil(ENOUGH * seeds), [], [0] * len(tools)
    for scenario in SCENARIOS:
        if any(_right(rows, tool, setting, scenario) for tool in tools):
            lines.append([scenario.name, *(_count(rows, setting, tool, scenario) for tool in tools)])
            totals = [
                n + (sum(_right(rows, tool, setting, scenario)) >= enough)
                for n, tool in zip(totals, tools, strict=True)
            ]
    total = [f"at least {enough} of {seeds}", *(f"**{n} of {len(lines)}**" for n in totals)]
    return _table(["planted", *(tool.name for tool in tools)], [*lines, total])


def _count(rows: Sequence[Said], setting: Setting, tool: Tool, scenario: Scenario) -> str:
    right = _right(rows, tool, setting, scenario)
    if right:
        return str(sum(right))
    return "-" if any((row.tool, row.scenario) == (tool.name, scenario.name) for row in rows) else "not asked"


def _defaults(rows: Sequence[Said], seeds: int) -> str:
    tools = [tool for tool in (HARNESS, *RIVALS) if tool.default]
    limits = "".join(f"- {tool.name}: {tool.default}\n" for tool in tools)
    return (
        "Asked with their own limits, where these are others than the question's. To want 2 points more is no error:\n"
        f"this says what to expect of them as they are, not which is best.\n\n{limits}\n"
        + _counts(rows, "default", tools, seeds)
    )


def _misses(rows: Sequence[Said]) -> str:
    truth = {scenario.name: scenario for scenario in SCENARIOS}
    lines = []
    for row in rows:
        scenario = truth[row.scenario]
        if row.tool == HARNESS.name and row.ships is not scenario.ships:
            marks = draw(scenario, row.seed)
            gain = float((marks.candidate - marks.base).mean())
            lines.append((LIMITS[row.setting], row.scenario, row.seed, row.said, f"{gain:+.3f}"))
    if not lines:
        return "Nowhere.\n"
    return _table(("limits", "planted", "seed", "said", "measured gain"), lines)


def _said(rows: Sequence[Said]) -> str:
    lines = []
    for tool in (HARNESS, *RIVALS):
        for scenario in SCENARIOS:
            key = (tool.name, "asked", scenario.name)
            said = Counter(row.said for row in rows if (row.tool, row.setting, row.scenario) == key and _counted(row))
            if 0 < len(said) <= WORDS:
                lines.append((tool.name, scenario.name, ", ".join(f"{text}: {n}" for text, n in said.most_common())))
    note = (
        "\nOf two words, the first is of the task and the second of the other suite; numbers of a judge are left out.\n"
    )
    return _table(("tool", "planted", "said, on how many seeds"), lines) + note


def _counted(row: Said) -> bool:
    return row.ships is not None


def _how(tool: Tool, not_had: Mapping[str, str]) -> str:
    """From the asker's own docstring, less how the asker itself is called."""
    text = ast.get_docstring(ast.parse((ASKERS / f"ask_{tool.asker}.py").read_text(encoding="utf-8"))) or ""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n") if not part.startswith("    ")]
    packages = f" ({', '.join(tool.packages)})" if tool.packages else ""
    missing = f" **Not asked here: {not_had[tool.name]}.**" if tool.name in not_had else ""
    return f"- {' '.join(paragraphs)}{packages}{missing}"
