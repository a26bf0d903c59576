"""The rates that tests/bench/more.md prints, in a short version."""

import bench_more
import pytest


@pytest.mark.parametrize("table", [pytest.param(table, id=table[0]) for table in bench_more.TABLES[1:]])
def test_every_rate_keeps_its_limit(table, monkeypatch):
    few = list(bench_more.ARMS)[:2]
    monkeypatch.setattr(bench_more, "ARMS", {name: bench_more.ARMS[name] for name in few})
    *_, rows = table
    assert not [row for row in rows(60, 1) if row[-1] == "misses"]


def test_the_mean_passes_more_often_and_not_beyond_its_margin(monkeypatch):
    scenarios = ("nothing lost, 6 suites", "each loses .02, 6 suites")
    monkeypatch.setattr(bench_more, "LOSSES", {name: bench_more.LOSSES[name] for name in scenarios})
    equal, lost = bench_more.judged_together(60, 1, sizes=(400,))
    assert float(equal[3].rstrip("%")) > float(equal[2].rstrip("%"))
    assert lost[-1] == ""
