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
from harness.store import decisions
from harness.store.database import Store
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
    with session.store.hold():  # nobody else wants in between two stages, and opening is a third of a small run
        order.run(session)
    return session


def select(store: Store, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The rows of any query, by the names of its columns."""
    with store.connect(read_only=True) as con:
        cursor = con.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def verdict(session: Session) -> str:
    """The verdict on record."""
    found = decisions.verdict(session.store, session.id)
    assert found
    return found


TRAINING = {"method": "lora", "epochs": 6, "learning_rate": 0.02, "batch_size": 8}
SHORT_TRAINING = {"method": "lora", "epochs": 8, "learning_rate": 0.02, "batch_size": 8, "probe": 8}


def tiny_experiment(folder: Path, base: Path, **settings: Any) -> Path:
    """A task a random model cannot do and a few steps of training can: always answer "order"."""
    for split, count in (("train", 48), ("validation", 20), ("test", 120)):
        rows = [{"id": f"{split}{i}", "input": f"ticket {split} {i}", "target": "order"} for i in range(count)]
        write_jsonl(folder / f"{split}.jsonl", rows)
    write_jsonl(
        folder / "old" / "examples.jsonl", [{"id": f"o{i}", "input": f"{i}", "target": "x"} for i in range(150)]
    )
    (folder / "old" / "suite.yaml").write_text("name: old\nmetrics: [exact_match]\nmax_new_tokens: 4\n")
    content = {
        "experiment": "tiny",
        "model": str(base),
        "data": {split: f"{split}.jsonl" for split in ("train", "validation", "test")},
        "task": {"prompt": "Answer.", "max_new_tokens": 6},
        "baselines": ["zero_shot", {"few_shot": {"shots": 2}}],
        "regression": [{"suite": "old", "tier": "advisory"}],  # a random model has nothing to lose there
        # A random model never stops talking, and anything is a great gain over it.
        "policy": {"max_truncated": 1.0, "suspicious_gain": 1.0},
        **settings,
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def tiny_training(folder: Path, base: Path, **training: Any) -> Path:
    """A training of seconds on a task that any model learns: always answer "order"."""
    for split, count in (("train", 32), ("validation", 12), ("test", 40)):
        rows = [{"id": f"{split}{i}", "input": f"ticket {split} {i}", "target": "order"} for i in range(count)]
        write_jsonl(folder / f"{split}.jsonl", rows)
    content = {
        "experiment": "tiny",
        "model": str(base),
        "data": {split: f"{split}.jsonl" for split in ("train", "validation", "test")},
        "task": {"prompt": "Answer.", "max_new_tokens": 4},
        "baselines": ["zero_shot"],
        "regression": [],
        "policy": {"max_truncated": 1.0, "suspicious_gain": 1.0},
        "training": {**SHORT_TRAINING, **training},
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


# What a model may write to be obeyed instead of shown.
HOSTILE = [
    "a | b | c",
    "```\nfence\n```",
    "`````` six",
    "<script>alert(1)</script><img src=x onerror=y>",
    "![beacon](http://example.org/x.png) [link](javascript:alert(1))",
    "\x1b[2J\x1b]0;title\x07 escape",
    "[/foo] [bold]rich[/bold]",
    "nul \x00 and \u202eright to left",
    "# heading\n\n* list\n| t |\n|---|",
    "$x^2$ ~~gone~~ **bold** &amp; &lt;b&gt;",
    "{{ 7 * 7 }} {% raw %}",
    "'; drop table runs; --",
    "=cmd|'/C calc'!A0",
    "x" * 1_000_000,
    "lone \ud800 surrogate",
]
