"""Small experiments on disk for tests: recorded answers need no model, and a file says all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.experiment.load import load_experiment
from harness.experiment.session import Session, open_session
from harness.pipeline import order
from reports import data
from reports.data import ReportData


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Rows as a JSONL file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def recorded_experiment(
    folder: Path,
    baseline: Sequence[str],
    candidate: Sequence[str],
    *,
    targets: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    name: str = "recorded",
    **settings: Any,
) -> Path:
    """An experiment over recorded answers, one per example; the target is "yes" unless given."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = [f"t{i:04d}" for i in range(len(baseline))]
    targets = targets or ["yes"] * len(ids)
    inputs = inputs or [f"question {i}" for i in range(len(ids))]
    exam = [{"id": i, "input": q, "target": t} for i, q, t in zip(ids, inputs, targets, strict=True)]
    write_jsonl(folder / "test.jsonl", exam)
    for arm, answers in (("prompted", baseline), ("tuned", candidate)):
        rows = [{"id": i, "completion": a} for i, a in zip(ids, answers, strict=False)]
        write_jsonl(folder / f"{arm}.jsonl", rows)
    content = {
        "experiment": name,
        "data": {"test": "test.jsonl"},
        "baselines": [{"recorded": "prompted.jsonl"}],
        "candidate": {"recorded": "tuned.jsonl"},
        "regression": [],
        **settings,
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def opened(path: Path) -> Session:
    """An experiment file on record, nothing run."""
    return open_session(load_experiment(path))


def decided(session: Session, name: str | None = None) -> ReportData:
    """What a report of the store shows."""
    with session.store.connect(read_only=True) as con:
        return data.load(con, name)


def run(path: Path) -> Session:
    """Run an experiment in this process; the decision is in the session's store."""
    session = opened(path)
    order.run(session)
    return session


def verdict(session: Session) -> str:
    """The verdict on record."""
    [row] = session.store.rows("select verdict from v_decisions where experiment_id = ?", [session.id])
    return str(row["verdict"])
