"""Answers that changed: baseline and candidate side by side, what differs in bold, and what each model read."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.text import block, cell, contrast, table
from reports.rows import FlipRow

LONGEST_PROMPT, LONGEST_THINKING, SHORT_PROMPT, OVERLAP = 1200, 1200, 200, 60  # characters
EMPTY = "(empty)"


def section(data: ReportData, pictures: Pictures) -> str:
    """How many answers changed on each exam, and the clearest of them."""
    if not data.flips:
        return ""
    counts = [[cell(count.suite), f"{count.better:,}", f"{count.worse:,}"] for count in data.flips]
    text = (
        f"## Answers that changed\n\n{table(['exam', 'got better', 'got worse'], counts)}\n\n"
        "Below, the largest changes. Bold: the words in which two answers differ; ⏎: a line break. All of them: "
        "`harness query 'from v_flips'`."
    )
    above: dict[str, str] = {}
    for count in data.flips:
        for word, total, rows in (("worse", count.worse, data.worse), ("better", count.better, data.better)):
            shown = [row for row in rows if (row.kind, row.suite) == (count.kind, count.suite)]
            if shown:
                title = f"Got {word} on {cell(count.suite)}: {len(shown)} of {total:,}"
                text += f"\n\n### {title}\n\n" + "\n\n".join(_flip(row, above) for row in shown)
    return text


def _flip(row: FlipRow, above: dict[str, str]) -> str:
    """One example: what was asked and wanted, both answers side by side, and what each model read."""
    sides = ((row.baseline_arm, row.baseline_value), (row.candidate_arm, row.candidate_value))
    header = ["wanted", *(f"{cell(arm)}: {value:.2f}" for arm, value in sides)]
    answers = contrast(row.baseline_text, row.candidate_text)
    answered = table(header, [[text or EMPTY for text in (cell(row.target), *answers)]])
    return f"#### {cell(row.example_id)}\n\n{block(row.input)}\n\n{answered}{_thinking(row)}{_prompts(row, above)}"


def _thinking(row: FlipRow) -> str:
    """All that came, of an answer that was marked without its thinking."""
    sides = ((row.baseline_arm, row.baseline_raw), (row.candidate_arm, row.candidate_raw))
    return "".join(
        f"\n\nwritten by {cell(arm)}, with its thinking:\n\n{block(raw, 'thinking', LONGEST_THINKING)}"
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
            text += f"\n\nread by {cell(name)}:\n\n{block(shown, 'prompt', LONGEST_PROMPT)}"
            above[name] = prompt
    return text


def _after(above: str, prompt: str) -> str:
    """A prompt without most of what it begins with in common with the one above."""
    differs = next((i for i, (one, other) in enumerate(zip(above, prompt, strict=False)) if one != other), len(above))
    start = prompt.rfind(" ", 0, max(0, differs - OVERLAP)) + 1
    return prompt if start < SHORT_PROMPT else f"… ({start:,} characters as above) … {prompt[start:]}"
