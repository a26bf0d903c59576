"""The arms side by side on the task's test set."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.cells import arm_name, count, percent, seconds, tokens, with_interval
from reports.format.text import cell, table
from reports.sections import costs
from suites.metrics.table import of_judge, scale_of


def section(data: ReportData, pictures: Pictures) -> str:
    """Every arm on the task's test set: score with interval, other metrics, tokens and seconds per answer."""
    arms = data.arms_on("task")
    if not arms:
        return ""
    primary = arms[0].metric
    metrics = [metric for metric in data.frozen.metrics if metric != primary and not of_judge(metric)]
    priced = any(arm.cost is not None for arm in arms)
    header = ["arm", primary, *metrics, "n", "tokens in / out", "95% within", *(["per 1,000 requests"] * priced)]
    rows = []
    for arm in arms:
        others = [percent(data.score(arm.run_id, metric).mean) for metric in metrics]
        cost = [costs.money(arm.cost, arm.cost_low, arm.cost_high) or "—"] * priced
        rows.append([arm_name(arm), with_interval(arm), *others, count(arm), tokens(arm), seconds(arm), *cost])
    legend = (
        "Bold: each side's prompt, chosen on validation. 95% within: what 19 of 20 requests take at most, each its "
        "share of its batch."
    )
    if of_judge(primary):
        legend += (
            " Judge: how often the judge prefers the arm's answers, ties as half: the candidate's to those of the best "
            "prompt, a prompt's to the candidate's; as it spoke, without its errors taken off."
        )
    if any(arm.thinking_share for arm in arms):
        legend += " Thinking: its share of the characters written."
    if any("—" in row for row in rows):
        legend += " —: not on record."
    if scales := [f"{name} as {scale}" for name in (primary, *metrics) if (scale := scale_of(name))]:
        legend += f" Shown so that more is better and within 0 and 1, x being its own value: {', '.join(scales)}."
    told = [data.facts.format, data.facts.own_prompt, data.break_even.told if data.break_even else ""]
    sentences = "".join(f"\n\n{cell(sentence)}" for sentence in told if sentence)
    shown = f"\n\n![Score against what a request takes]({pictures['arms']})" if "arms" in pictures else ""
    return f"{table([cell(name) for name in header], rows)}\n\n{legend}{sentences}{shown}"
