"""Searches of the bar: what each found, and how its arms did."""

from __future__ import annotations

from collections.abc import Sequence

from harness.store.database import Store
from reports.rows import SearchRow, SearchTrialRow


def put(store: Store, search: SearchRow, trials: Sequence[SearchTrialRow]) -> None:
    """A search with its trials, as one, in place of an earlier one."""
    with store.connect():
        sql = "delete from search_trials where experiment_id = ? and search = ?"
        store.execute(sql, [search.experiment_id, search.search])
        store.insert("search_trials", trials)
        store.insert("searches", [search], replace=True)


def found(store: Store, experiment_id: str) -> list[SearchRow]:
    """What the searches of an experiment found."""
    return store.fetch(SearchRow, "from v_searches where experiment_id = ? order by search", [experiment_id])


def trials(store: Store, experiment_id: str, search: str) -> list[SearchTrialRow]:
    """How the arms of a search did, round by round, the best first."""
    sql = "from v_search_trials where experiment_id = ? and search = ? order by round, place"
    return store.fetch(SearchTrialRow, sql, [experiment_id, search])
