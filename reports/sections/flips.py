"""Answers that changed: baseline and candidate side by side, what differs in bold, and what each model read."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from reports.changes import Tally, by_mistake, by_part
from reports.data import Pictures, ReportData
from reports.format.text import block, cell, code, contrast, folded, right, table
from reports.rows import FlipRow

LONGEST_PROMPT, LONGEST_THINKING, SHORT_PROMPT, OVERLAP = 1200, 1200, 200, 60  # characters
EMPTY = "(empty)"
MOST_KINDS = 10  # of mistakes, or parts of an exam


def section(data: ReportData, pictures: Pictures) -> str:
    """How many answers changed on each exam, and the clearest of them."""
    if not data.flips:
        return ""
    counts = [[cell(count.suite), f"{count.better:,}", f"{count.worse:,}"] for count in data.flips]
    text = (
        f"## Answers that changed\n\n{table(['exam', 'got better', 'got worse'], counts)}\n\n"
        f"{_tallies('what was wrong', by_mistake(data.changed), MISTAKES)}"
        f"{_tallies('part of the exam', by_part(data.changed), PARTS)}"
        "Below, the largest changes, of different kinds. Bold: the words in which two answers differ; ⏎: a line break. "
        f"All of them: {code(f'harness flips {shlex.quote(data.decision.name)}')}."
    )
    above: dict[str, str] = {}
    for count in data.flips:
        for word, total, rows in (("worse", count.worse, data.worse), ("better", count.better, data.better)):
            shown = [row for row in rows if (row.kind, row.suite) == (count.kind, count.suite)]
            if shown:
                title = f"Got {word} on {cell(count.suite)}: {len(shown)} of {total:,}"
                text += f"\n\n### {title}\n\n" + "\n\n".join(_flip(row, above) for row in shown)
    return text


MISTAKES = "As wanted → answered: the candidate's answer where it got worse, the best prompt's where it got better."
PARTS = "An answer counts in every part that it lies in."


def _tallies(what: str, tallies: Sequence[Tally], note: str) -> str:
    """The kinds or parts that lost most, as a table with its note; empty where there is none."""
    if not tallies:
        return ""
    rows = [[cell(t.suite), cell(t.name), f"{t.better:,}", f"{t.worse:,}"] for t in tallies[:MOST_KINDS]]
    more = f" {len(tallies) - MOST_KINDS:,} more are not shown." if len(tallies) > MOST_KINDS else ""
    return f"{table(['exam', what, 'got better', 'got worse'], rows)}\n\n{note}{more}\n\n"


def _flip(row: FlipRow, above: dict[str, str]) -> str:
    """One example: what was asked and wanted, both answers side by side, and what each model read."""
    sides = ((row.baseline_arm, row.baseline_value), (row.candidate_arm, row.candidate_value))
    header = ["wanted", *(f"{cell(arm)}: {value:.2f}" for arm, value in sides)]
    answers = contrast(row.baseline_text, row.candidate_text)
    answered = table(header, [[text or EMPTY for text in (cell(right(row.target, row.others)), *answers)]])
    return f"#### {cell(row.example_id)}\n\n{block(row.input)}\n\n{answered}{_thinking(row)}{_prompts(row, above)}"


def _thinking(row: FlipRow) -> str:
    """All that came, of an answer that was marked without its thinking."""
    sides = ((row.baseline_arm, row.baseline_raw), (row.candidate_arm, row.candidate_raw))
    return "".join(
        f"\n\nwritten by {cell(arm)}, with its thinking:\n\n{folded(raw, 'thinking', LONGEST_THINKING)}"
        for arm, raw in sides
        if raw
    )


def _prompts(row: FlipRow, above: dict[str, str]) -> str:
    """The exact prompts, where they are on record and say more than the input alone.

    `above` holds the last prompt shown by reader; what the next one has in common with it is not repeated.
    """
    read = {row.baseline_arm: row.baseline_prompt, row.candidate_arm: row.candidate_prompt}
    if len(set(read.values())) == 1:
        read = {"both": row.baseline_prompt}
    text = ""
    for name, prompt in read.items():
        if prompt and prompt != row.input:
            shown = _after(above.get(name, ""), prompt)
            text += f"\n\nread by {cell(name)}:\n\n{folded(shown, 'prompt', LONGEST_PROMPT)}"
            above[name] = prompt
    return text


def _after(above: str, prompt: str) -> str:
    """A prompt without most of what it begins with in common with the one above."""
    differs = next((i for i, (one, other) in enumerate(zip(above, prompt, strict=False)) if one != other), len(above))
    start = prompt.rfind(" ", 0, max(0, differs - OVERLAP)) + 1
    return prompt if start < SHORT_PROMPT else f"… ({start:,} characters as above) … {prompt[start:]}"
