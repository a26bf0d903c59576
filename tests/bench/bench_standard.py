"""What `regression: standard` says of a model and of two fine-tunes of it; writes standard.md.

    python tests/bench/bench_standard.py --model FOLDER --work FOLDER [--limit ROWS] [--train 64]
        [--base-alone] [--note TEXT]

The task is that of the real demo: messages of a shop to sort. The gentle fine-tune is a LoRA of a few steps at a low
rate, the aggressive one all weights at a high rate. Each suite is asked of the base once and of each fine-tune; what is
in the folder's store already is not asked again. `--limit` asks so many rows of each suite, which shows less.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from suites.catalog import load_suite
from suites.straw_men import straw_man

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "harness" / "demo" / "real" / "files"
RESULT = Path(__file__).with_name("standard.md")
TEST = 48
"""Rows of the task's own exam, which is beside the point here."""
FINE_TUNES: dict[str, dict[str, Any]] = {
    "gentle": {"method": "lora", "epochs": 1, "learning_rate": 1e-4, "probe": 0},
    "aggressive": {"method": "full", "epochs": 3, "learning_rate": 5e-4, "probe": 0},
}
SPENT = """
    select suite, any_value(r.mean) as mean, any_value(r.low) as low, any_value(r.high) as high,
        any_value(r.seconds) as seconds, sum(c.tokens_in) as tokens_in, sum(c.tokens_out) as tokens_out
    from v_runs r join v_completions c using (run_id, suite)
    where r.side = 'base' and r.kind = 'regression' and r.is_primary and experiment_id = (
        select experiment_id from v_runs where kind = 'regression' order by created_at desc limit 1
    )
    group by suite, r.run_id order by min(r.created_at)
"""


def main() -> None:
    """Run both experiments in one store, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--note", default="", help="what else is to be said of this run")
    parser.add_argument("--base-alone", action="store_true", help="no fine-tunes")
    parser.add_argument("--train", type=int, default=64, help="rows to learn from")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", options.train), ("test", TEST)):
        lines = (DATA / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        (options.work / f"{name}.jsonl").write_text("".join(lines[:rows]), encoding="utf-8")
    (options.work / "policy.md").write_text((DATA / "prompts" / "policy.md").read_text(encoding="utf-8"))
    for name, training in FINE_TUNES.items():
        _write(options, name, training)
    _harness("baseline", "gentle.yaml", cwd=options.work)
    for name in FINE_TUNES:
        RESULT.write_text(_page(options), encoding="utf-8")  # of what is there: an exam of this size takes its time
        if not options.base_alone:
            _harness("run", f"{name}.yaml", cwd=options.work)
    RESULT.write_text(_page(options), encoding="utf-8")


def _write(options: argparse.Namespace, name: str, training: Mapping[str, Any]) -> None:
    entry = {"suite": "standard", **({"limit": options.limit} if options.limit else {})}
    experiment = {
        "experiment": name, "model": str(options.model.resolve()),
        "data": {"train": "train.jsonl", "test": "test.jsonl"},
        "task": {"prompt": "policy.md", "max_new_tokens": 4}, "baselines": ["zero_shot"],
        "training": dict(training), "regression": [entry],
        "policy": {"constant_answers": "warn", "suspicious_gain": 1.0, "max_truncated": 1.0},
    }  # fmt: skip
    (options.work / f"{name}.yaml").write_text(yaml.safe_dump(experiment, sort_keys=False), encoding="utf-8")


def _harness(*words: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-m", "harness", *words], cwd=cwd, stdout=subprocess.PIPE, text=True)
    if done.returncode in (1, 2):
        sys.exit(f"harness {words[0]} failed")
    return done.stdout


def _page(options: argparse.Namespace) -> str:
    asked = f"the first {options.limit} rows of each suite" if options.limit else "all rows"
    decided = {name: record for name in FINE_TUNES if (record := _decided(options.work, name))}
    lines = [
        "# The standard suites on a real model", "",
        f"Written by `bench_standard.py`: {options.model.name}, {asked}; fine-tunes on {options.train} rows of",
        "the real demo. Intervals are of 95 %. Above the floor: a base that scores more than the margin above it.",
        "Seconds are of the base, on two cores.", "",
        "| suite | base | floor | above | gentle | aggressive | tokens in | out | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    changes = {name: {c["suite"]: c for c in _comparisons(record)} for name, record in decided.items()}
    for row in json.loads(_harness("query", SPENT, "--json", cwd=options.work)):
        suite = load_suite(row["suite"], options.work, limit=options.limit)
        straw = straw_man(suite)
        floor = straw.score if straw else 0.0
        cells = [
            f"`{suite.name}`", f"{row['mean']:.1%} [{row['low']:.1%}, {row['high']:.1%}]", f"{floor:.1%}",
            "yes" if row["mean"] - floor > suite.margin else "no",
            *(_change(changes[name][suite.name]) if name in changes else "" for name in FINE_TUNES),
            f"{row['tokens_in']:,}", f"{row['tokens_out']:,}", f"{row['seconds']:.0f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", options.note]).strip() + "\n"


def _decided(work: Path, name: str) -> dict[str, Any] | None:
    path = work / "out" / name / "decision.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _comparisons(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [each for each in record["comparisons"] if each["kind"] == "regression"]


def _change(comparison: Mapping[str, Any]) -> str:
    return " ".join(
        [f"{100 * comparison['difference']:+.1f}", f"[{100 * comparison['low']:+.1f}, {100 * comparison['high']:+.1f}]"]
    )


if __name__ == "__main__":
    main()
