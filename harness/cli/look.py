"""Commands that look things up in a store: flips, show, compare, runs, query."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.read import experiment_of, store_of
from harness.observe.progress import say
from reports.format.text import clean
from suites.errors import UserError
from suites.writing import write_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FORMATS = ("table", "json", "csv", "parquet", "markdown")
SUFFIXES = {".json": "json", ".csv": "csv", ".parquet": "parquet", ".md": "markdown"}
ON_A_SCREEN = 40  # lines of a query; one could scroll back over more of them, but nobody reads that


def flips(options: argparse.Namespace) -> int:
    """The answers that the candidate changed."""
    from harness.store import examples, experiments
    from harness.store.database import Store

    path, name = experiment_of(options)
    store = Store(path, create=False)
    experiment = experiments.find(store, name)
    changed = [row for row in examples.changed(store, experiment) if row.is_worse or not options.worse]
    if options.json:
        print_records(examples.Changed, changed, as_json=True)
        return 0
    if not changed:
        print(f"{clean(experiment.name)}: no answer got {'worse' if options.worse else 'better or worse'}")
        return 0
    from harness.view.examples import show_changed

    left_out = show_changed(experiment.name, changed, all_of_them=options.all)
    if left_out:
        print(f"{left_out:,} more: --all shows them, --json writes them")
    print(f"one of them: {_show_command(options, changed[0].example_id)}")
    return 0


def _show_command(options: argparse.Namespace, example_id: str) -> str:
    """What to type to see one example, in the words that were typed for all."""
    experiment = [options.experiment] if options.experiment else []
    store = ["--store", str(options.store)] if options.store else []
    return clean(shlex.join(["harness", "show", *experiment, example_id, *store]))


def show(options: argparse.Namespace) -> int:
    """One example with what every arm was asked and answered."""
    from harness.store import examples, experiments
    from harness.store.database import Store

    path, name = experiment_of(options)
    store = Store(path, create=False)
    experiment = experiments.find(store, name)
    answers = examples.answers(store, experiment, options.example)
    if options.json:
        print(json.dumps([asdict(answer) for answer in answers], indent=2, default=str, allow_nan=False))
        return 0
    from harness.view.examples import show_example

    show_example(experiment.name, options.example, answers, full=options.full)
    return 0


def compare(options: argparse.Namespace) -> int:
    """Two runs on one exam, side by side; the exit code speaks of a loss only when asked."""
    from harness.store.database import Store
    from harness.view.run_diff import compare_runs
    from harness.view.terminal import show_two_runs

    store = Store(store_of(options.store), create=False)
    comparison = compare_runs(store, options.baseline, options.candidate, margin=options.fail_on_regression)
    if options.json:
        print(json.dumps(comparison.as_json(), indent=2, allow_nan=False))
    else:
        show_two_runs(comparison)
    return comparison.exit_code


def runs(options: argparse.Namespace) -> int:
    """The experiments of a store."""
    from harness.store import experiments
    from harness.store.database import Store

    store = Store(store_of(options.store), create=False)
    listed = experiments.listed(store)
    if options.json:
        print_records(experiments.Listed, listed, as_json=True)
        return 0
    if not listed:
        raise UserError("no experiment is in this store yet", str(store.path), "`harness run EXPERIMENT` makes one")
    from harness.view.terminal import show_experiments

    show_experiments(listed)
    return 0


def query(options: argparse.Namespace) -> int:
    """A query of the user's own, on a screen or in a file's format."""
    from harness.store import database

    out: Path | None = options.out
    form = _format(options)
    if form == "parquet":
        _write(out, database.query_as_parquet(store_of(options.store), options.sql))
        return 0
    from harness.view import rows

    content = rows.Rows(*database.query(store_of(options.store), options.sql))
    if form == "table":
        if not content.rows:
            say("no rows")
        left_out = len(content.rows) - rows.show(content, ON_A_SCREEN if sys.stdout.isatty() else None)
        if left_out:
            say(f"{left_out:,} more rows: `limit` and `where` choose, `--out rows.csv` has them all")
        return 0
    text = rows.WRITERS[form](content)
    if out:
        _write(out, (text + "\n").encode("utf-8", "replace"))
    else:
        print(
            clean(text) if sys.stdout.isatty() else text
        )  # a file gets them to the letter, a terminal none that steer
    return 0


def _format(options: argparse.Namespace) -> str:
    """How rows are written: as asked for, or as the name of the file says. Raises UserError where these do not fit."""
    out: Path | None = options.out
    by_name = SUFFIXES.get(out.suffix, "") if out else "table"
    form: str = options.format or ("json" if options.json else by_name)
    if options.json and form != "json":
        raise UserError(f"--json and --format {form} are two formats", "harness query", "leave one out")
    if not form:
        raise UserError(
            "the name does not say how rows are to be written", str(out), f"--format {'|'.join(FORMATS[1:])}"
        )
    if form == "table" and out:
        raise UserError("a table is for the screen", str(out), "--format markdown, or no --out")
    if form == "parquet" and not out:
        raise UserError("a Parquet file is not for the screen", "--format parquet", "add --out rows.parquet")
    return form


def _write(path: Path | None, content: bytes) -> None:
    assert path
    try:
        write_whole(path, content)
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", str(path)) from None
    say(f"wrote {path}")


def print_records(
    kind: type[DataclassInstance], records: Sequence[DataclassInstance], *, as_json: bool = False
) -> None:
    """Records of one kind on stdout, a column for each field; nothing of what a stage has to say is clipped."""
    from harness.observe.tables import print_table
    from harness.view import rows

    content = rows.Rows.of(kind, records)
    if as_json:
        print(rows.as_json(content))
    else:
        print_table(content.names, content.rows)
