"""What searches of the bar found, and how their arms did."""

from __future__ import annotations

import json
from collections.abc import Sequence

from reports.data import Pictures, ReportData
from reports.format.cells import interval, percent
from reports.format.numbers import amount
from reports.format.text import block, cell, phrase, table
from reports.rows import SearchRow, SearchTrialRow

HEADER = ["prompt", "rounds", "score", "n", "tokens", "seconds", "per 1,000 requests"]


def section(data: ReportData, pictures: Pictures) -> str:
    """What was tried before the bar stood: on validation alone."""
    if not data.searches:
        return ""
    told = (_search(data, search) for search in data.searches)
    return "## How the strongest prompt was searched for\n\n" + "\n\n".join(told)


def _search(data: ReportData, search: SearchRow) -> str:
    trials = [trial for trial in data.search_trials if trial.search == search.search]
    last = _last(trials)
    rounds = max(trial.round for trial in trials)
    asked = f"{search.arms:,} prompts" + (f", in {rounds:,} rounds" if rounds > 1 else "")
    making = f", {search.making:,} of them to make instructions" if search.making else ""
    sentence = (
        f"{phrase(search.search)}: {phrase(search.found)} won a race of {asked}, on validation, with "
        f"{search.spent:,} of {search.budget:,} tokens{making}. After each round the worse half left; a score is on "
        "the rows that the arm was asked."
    )
    if search.same_as:
        sentence += f" It asks what {phrase(search.same_as)} asks, which stands in the bar."
    rows = [_row(trial, won=trial is last[0]) for trial in last]
    entry = "As an entry of `baselines`:\n\n" + block(
        json.dumps(json.loads(search.entry), indent=2, ensure_ascii=False), "json"
    )
    return f"{sentence}\n\n{table(HEADER, rows)}\n\n{entry}"


def _last(trials: Sequence[SearchTrialRow]) -> list[SearchTrialRow]:
    """The last trial of each arm: the longest in the race first, of those the best."""
    by_arm = {trial.arm: trial for trial in trials}
    return sorted(by_arm.values(), key=lambda trial: (-trial.round, trial.place))


def _row(trial: SearchTrialRow, *, won: bool) -> list[str]:
    name = cell(trial.arm)
    ends = interval(trial.low, trial.high, lambda end: f"{end * 100:.1f}")
    missing = f" ({trial.n_unscored:,} without a score)" if trial.n_unscored else ""
    return [
        f"**{name}**" if won else name, str(trial.round), f"{percent(trial.score)}{ends}", f"{trial.n:,}{missing}",
        f"{trial.tokens:,.0f}", f"{trial.seconds:.2f}", "—" if trial.cost is None else amount(trial.cost),
    ]  # fmt: skip
