"""Commands that look after a store: doctor, and store backup, export, import, prune."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.arguments import Commands, Parser, add_command
from harness.cli.read import from_here, store_of
from harness.store import STORE_FILE
from reports.format.text import clean

if TYPE_CHECKING:
    from harness.store.copies import Copied
    from harness.store.prune import Pruned

SICK = 2
PLACE = f"the DuckDB file or its folder (default: {STORE_FILE} here)"


def doctor(options: argparse.Namespace) -> int:
    """Whether file, cache, checkpoints, packages, hardware and disk are well, and what to do where they are not."""
    from harness.view.doctor import examine, show

    store: Path = options.store or Path(STORE_FILE)
    checks = examine(store / STORE_FILE if store.is_dir() else store, must_exist=options.store is not None)
    if options.json:
        print(json.dumps([asdict(check) for check in checks], indent=2, allow_nan=False))
    else:
        show(checks)
    return SICK if any(check.status == "fail" for check in checks) else 0


def backup(options: argparse.Namespace) -> int:
    """A copy of the file."""
    from harness.store import copies

    return _tell(copies.backup(store_of(options.store), options.to), options)


def export(options: argparse.Namespace) -> int:
    """A folder of Parquet files."""
    from harness.store import copies

    return _tell(copies.export(store_of(options.store), options.to), options)


def import_(options: argparse.Namespace) -> int:
    """A store from such a folder."""
    from harness.store import copies

    return _tell(copies.import_(options.folder, options.store or Path(STORE_FILE)), options)


def _tell(copied: Copied, options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps({"path": str(copied.path), "rows": copied.rows, "bytes": copied.bytes}, indent=2))
    else:
        print(clean(f"wrote {from_here(copied.path)}: {copied.rows:,} rows, {copied.bytes / 1e6:,.1f} MB"))
    return 0


def prune(options: argparse.Namespace) -> int:
    """What no decision rests on: told, or taken out."""
    from harness.store.database import Store
    from harness.store.prune import prune

    store = Store(store_of(options.store), create=False)
    pruned = prune(store, older_than=options.older_than, remove=options.yes)
    if options.json:
        print(json.dumps({"removed": options.yes, **asdict(pruned)}, indent=2))
    else:
        _show(pruned, removed=options.yes)
    return 0


def _show(pruned: Pruned, *, removed: bool) -> None:
    from harness.observe.tables import print_table

    if pruned.tables:
        print_table(
            ("table", "rows that went" if removed else "rows to remove"), [(t.table, t.n) for t in pruned.tables]
        )
    for experiment in pruned.experiments:
        print(clean(f"given up: {experiment.name}, on record since {experiment.created} and never decided"))
    if pruned.unfinished:
        names = ", ".join(f"{experiment.name} ({experiment.created})" for experiment in pruned.unfinished)
        print(clean(f"not decided yet, and kept with every run that may be theirs: {names}"))
    if not pruned.tables:
        print("there is nothing to remove: decisions rest on all of it")
    elif removed:
        print(f"removed {pruned.n:,} rows; the file uses their room again before it grows")
    else:
        print(f"nothing is removed yet: --yes removes {pruned.n:,} rows, `harness store backup` keeps them")


def _days(text: str) -> int:
    """How many days: a whole number, none among them."""
    if not text.isdecimal() or len(text) > 5:
        raise argparse.ArgumentTypeError(f"days are a whole number, not {text!r}")
    return int(text)


def add_store_commands(commands: Commands) -> None:
    """`doctor`, and the commands below `store`."""
    text = "is everything well: the store, the cache, checkpoints, packages, hardware, free space"
    examined = add_command(commands, "doctor", text, doctor)
    examined.add_argument("store", type=Path, nargs="?", help=PLACE)
    below = commands.add_parser("store", help="copies of a store, and what can go").add_subparsers(
        metavar="WHAT", required=True
    )
    copied = _on_store(below, "backup", "a copy of the file as it is now, a run going on or not", backup)
    copied.add_argument("to", type=Path, metavar="FILE", help="a new file, or a folder for it")
    exported = _on_store(below, "export", "every table as a Parquet file, and what they hold", export)
    exported.add_argument("to", type=Path, metavar="FOLDER", help="a new folder")
    imported = add_command(below, "import", "a new store from a folder that `store export` wrote", import_)
    imported.add_argument("folder", type=Path, help="the folder")
    imported.add_argument("--store", type=Path, help=f"the new file, or its folder (default: {STORE_FILE} here)")
    pruned = _on_store(below, "prune", "remove what no decision rests on; without --yes it is only told", prune)
    pruned.add_argument("--yes", action="store_true", help="remove it")
    pruned.add_argument(
        "--older-than", type=_days, default=30, metavar="DAYS",
        help="from when on an experiment without a decision is given up (default: 30)",
    )  # fmt: skip
    for command in (examined, copied, exported, imported, pruned):
        command.add_argument("--json", action="store_true", help="JSON on stdout")


def _on_store(commands: Commands, name: str, text: str, function: Callable[..., int]) -> Parser:
    command = add_command(commands, name, text, function)
    command.add_argument("--store", type=Path, help=PLACE)
    return command
