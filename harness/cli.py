"""The commands. Progress goes to stderr, results to stdout; a UserError is printed without a traceback and exits 2."""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.progress import say
from suites.errors import UserError

if TYPE_CHECKING:
    from harness.session import Session
    from reports.data import ReportData

USAGE_ERROR, INTERRUPTED, BLOCKED = 2, 130, 6
STORE = "harness.duckdb"

EPILOG = """\
exit codes of run, decide and gate:
  0 deploy   3 keep prompting   4 reject   5 inconclusive   6 invalid
  1 unexpected error   2 bad input or usage   130 interrupted (the same command goes on)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run one command, and turn what happened into an exit code."""
    options = _parser().parse_args(arguments)
    _quieten()
    try:
        return int(options.command(options))
    except UserError as error:
        say(f"error: {error}")
        return USAGE_ERROR
    except KeyboardInterrupt:
        say("\ninterrupted; nothing finished is lost, the same command goes on from here")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _quieten() -> None:
    """Our own progress is the only one, and what dependencies tell their own developers is not for users."""
    for name, value in {
        "TQDM_DISABLE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", category=FutureWarning)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Should this fine-tune replace the prompt? One experiment file in, one decision out.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    init = _command(commands, "init", "write a commented experiment with small data that runs as it is", _init)
    init.add_argument("folder", type=Path)
    for name, text in STAGES.items():
        stage = _command(commands, name, text, _run if name == "run" else _stage)
        stage.add_argument("experiment", type=Path, help="the experiment file")
        stage.add_argument("--store", type=Path, help=f"the DuckDB file (default: {STORE} beside the experiment)")
        stage.set_defaults(stage=name)
    for name, text, command in READERS:
        reader = _command(commands, name, text, command)
        if name == "query":
            reader.add_argument("sql", help="a query on the v_* views, e.g. 'from v_runs'")
        elif name != "runs":
            reader.add_argument("experiment", nargs="?", help="name or id; the latest when left out")
        if name != "report":
            reader.add_argument("--json", action="store_true", help="JSON on stdout")
        reader.add_argument("--store", type=Path, default=Path(STORE), help=f"the DuckDB file (default: {STORE})")
    importer = _command(
        commands, "import", "two logs of another tool's evaluation -> an experiment that decides", _import
    )
    importer.add_argument("base", help="the log of the prompted base model (a promptfoo column: FILE::COLUMN)")
    importer.add_argument("tuned", help="the log of the fine-tuned model on the same exam")
    importer.add_argument("--out", type=Path, required=True, help="a new folder for the experiment")
    importer.add_argument(
        "--metric", help="what decides: a mark in the log, or a metric of ours (default: its first mark)"
    )
    importer.add_argument("--task", help="which of several tasks decides; the others become regression suites")
    _command(commands, "schema", "print the JSON Schema of the experiment file, for editors", _schema)
    return parser


def _command(commands: Any, name: str, text: str, function: Callable[..., int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=function)
    return parser


STAGES = {
    "run": "everything: check, baseline, train, exam, judge, decide; does only what is missing",
    "check": "can this data teach the task, and can this exam be trusted?",
    "baseline": "evaluate every prompt on the base model and choose the best on validation",
    "train": "fine-tune; refused until the baseline is on record",
    "exam": "give the candidate the same exam",
    "judge": "let the judge compare both sides' answers in both orders",
    "decide": "compare, check every gate, and write the report",
}


def _init(options: argparse.Namespace) -> int:
    demo = Path(__file__).parent / "demo"
    folder: Path = options.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError("the folder is not empty", str(folder), "name a new one")
    for name in ("experiment.yaml", "overtrained.yaml", "rubric.md"):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(demo / name, folder / name)
    for name in ("data", "prompts", "tasks"):
        shutil.copytree(demo / name, folder / name)
    print(f"wrote {folder / 'experiment.yaml'} and its data\nnext: harness run {folder / 'experiment.yaml'}")
    return 0


def _open(options: argparse.Namespace) -> Session:
    """The experiment, read before the slow imports so that a mistake in the file is told at once."""
    from harness.config import load_experiment

    experiment = load_experiment(options.experiment)
    from harness.session import open_session

    return open_session(experiment, options.store)


def _run(options: argparse.Namespace) -> int:
    opened = _open(options)
    from harness import experiment

    experiment.run(opened)
    return _conclude(opened.store.path, opened.id, opened.out)


def _stage(options: argparse.Namespace) -> int:
    opened = _open(options)
    from harness import experiment
    from harness.conclude import validity_gates

    if options.stage != "check" and not opened.store.stage_is_finished(opened.id, "check"):
        experiment.do(opened, "check")
    if options.stage not in ("check", "decide") and opened.stopped():
        raise UserError("a blocking finding stands in the way", str(options.experiment), "see `harness check`")
    experiment.do(opened, options.stage)
    if options.stage == "decide":
        return _conclude(opened.store.path, opened.id, opened.out)
    _print_rows(opened.store.path, RESULTS[options.stage].format(opened.id))
    if opened.stopped():
        failed = [gate.measured for gate in validity_gates(opened) if gate.status == "fail"]
        print(f"blocked: {'; '.join(failed)}", file=sys.stderr)
        return BLOCKED
    return 0


_ARMS = """select arm, suite, metric, round(mean, 3) as mean, round(low, 3) as low, round(high, 3) as high, n, chosen
           from v_runs where experiment_id = '{{}}' and side = '{}' and is_primary order by kind desc, suite, arm"""

# What a single stage prints when it is done; the placeholder is the experiment's id, a hash.
RESULTS = {
    "check": "select level, check_name, message from v_findings where experiment_id = '{}' order by position",
    "baseline": _ARMS.format("base"),
    "train": """select distinct method, n_rows, steps, trained_parameters, round(seconds, 1) as seconds, folder
                from v_training where experiment_id = '{}'""",
    "exam": _ARMS.format("candidate"),
    "judge": """select name, round(value, 3) as value, round(low, 3) as low, round(high, 3) as high, n, note
                from v_evidence where experiment_id = '{}' and topic = 'judge' order by name""",
}


def _conclude(store: Path, experiment_id: str, out: Path) -> int:
    """Write the report and say the verdict, with the exit code that belongs to it."""
    from harness.summary import show
    from reports import markdown

    found = _decided(store, experiment_id)
    show(found, markdown.write(found, out), store)
    return int(found.decision["exit_code"])


def _report(options: argparse.Namespace) -> int:
    from reports import markdown

    found = _decided(options.store, options.experiment)
    out = Path(found.decision["file"]).parent / "out" / found.decision["name"]
    print(markdown.write(found, out))
    return 0


def _gate(options: argparse.Namespace) -> int:
    found = _decided(options.store, options.experiment)
    decision = {key: found.decision[key] for key in ("name", "verdict", "exit_code", "headline", "reason", "next_step")}
    if options.json:
        print(json.dumps({**decision, "gates": found.gates}, indent=2, default=str, allow_nan=False))
    else:
        print(f"{decision['headline']} (verdict {decision['verdict']}, exit {decision['exit_code']})")
    return int(decision["exit_code"])


def _runs(options: argparse.Namespace) -> int:
    sql = """select name, verdict, exit_code, created_at, experiment_id[:12] as id from v_experiments
             order by created_at desc"""
    return _print_rows(options.store, sql, as_json=options.json)


def _query(options: argparse.Namespace) -> int:
    return _print_rows(options.store, options.sql, as_json=options.json)


def _print_rows(store: Path, sql: str, *, as_json: bool = False) -> int:
    from harness.store import query
    from harness.summary import print_table

    names, rows = query(store, sql)
    if as_json:
        found = [dict(zip(names, map(_json_value, row), strict=True)) for row in rows]
        print(json.dumps(found, indent=2, default=str, allow_nan=False))
    else:
        print_table(names, rows)
    return 0


def _json_value(value: Any) -> Any:
    """A DuckDB value as JSON can say it: decimals are numbers, and what is no number is null."""
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    return value


def _import(options: argparse.Namespace) -> int:
    from harness.importers import import_logs

    found = import_logs(options.base, options.tuned, options.out, options.metric, options.task)
    for remark in found.remarks:
        say(f"note: {remark}")
    print(f"{found.summary}\nwrote {found.experiment}\nnext: harness run {found.experiment}")
    return 0


def _schema(options: argparse.Namespace) -> int:
    from harness.config import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def _decided(store: Path, experiment: str | None) -> ReportData:
    from harness.store import Store
    from reports import data

    with Store(store, create=False).connect(read_only=True) as con:
        return data.load(con, experiment)


READERS: tuple[tuple[str, str, Callable[[argparse.Namespace], int]], ...] = (
    ("report", "write the report of a decided experiment again", _report),
    ("gate", "nothing but the verdict, as exit code", _gate),
    ("runs", "the experiments in the store", _runs),
    ("query", "read-only SQL on the store", _query),
)


if __name__ == "__main__":
    sys.exit(main())
