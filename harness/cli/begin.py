"""Commands that write an experiment or say how one is written: init, import, convert, schema."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from harness.observe.progress import say
from suites.writing import write_folder


def init(options: argparse.Namespace) -> int:
    """A folder with an experiment that runs as it is."""
    demo = Path(__file__).parents[1] / "demo"
    folder: Path = options.folder
    below = [path for name in ("data", "prompts", "tasks") for path in sorted((demo / name).rglob("*.*"))]
    files = [*below, *(demo / name for name in ("rubric.md", "overtrained.yaml", "experiment.yaml"))]
    write_folder(folder, {str(path.relative_to(demo)): path.read_bytes() for path in files})
    print(f"wrote {folder / 'experiment.yaml'} and its data\nnext: harness run {folder / 'experiment.yaml'}")
    return 0


def import_logs(options: argparse.Namespace) -> int:
    """An experiment folder made of two logs of another tool."""
    from harness.importers import import_logs

    imported = import_logs(options.base, options.tuned, options.out, options.metric, options.task, options.group)
    for remark in imported.remarks:
        say(f"note: {remark}")
    print(f"{imported.summary}\nwrote {imported.experiment}\nnext: harness run {imported.experiment}")
    return 0


def convert(options: argparse.Namespace) -> int:
    """An experiment made of another trainer's config, and what of it could not be carried over."""
    from harness.importers.trainers import convert, write

    conversion = convert(options.config, options.out)
    written = write(conversion, options.out)
    for remark in conversion.remarks:
        say(f"note: {remark}")
    print("\n".join(f"wrote {path}" for path in written))
    print(f"next: harness check {options.out}")
    return 0


def schema(options: argparse.Namespace) -> int:
    """The JSON Schema of the experiment file, or of the decision record."""
    from harness.config import schema
    from reports.outputs import record

    print(json.dumps(record.json_schema() if options.record else schema.json_schema(), indent=2))
    return 0
