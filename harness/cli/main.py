"""The command line. Progress goes to stderr, results to stdout; a UserError is printed without traceback, exit 2."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from harness import __version__
from harness.cli import begin, experiment, read
from harness.cli.check import check
from harness.observe.progress import say
from harness.store import STORE_FILE
from suites.errors import UserError

USAGE_ERROR, INTERRUPTED = 2, 130
DEFAULT_MARGIN = 0.02  # the loss of a metric that an experiment tolerates unless it says otherwise

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

EPILOG = """\
exit codes of run, decide and gate:
  0 deploy   3 keep prompting   4 reject   5 inconclusive   6 invalid
  1 unexpected error   2 bad input or usage   130 interrupted (the same command goes on)
exit codes of check:
  0 nothing stands in the way   6 a blocking finding   2 data that cannot be read
exit codes of selftest:
  0 every accident was stopped as named   1 one was not: the harness does not do what it promises, which is no verdict
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
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    init = _command(subparsers, "init", "write a commented experiment with small data that runs as it is", begin.init)
    init.add_argument("folder", type=Path, help="a new folder")
    for name, text in STAGES.items():
        stage = _command(subparsers, name, text, experiment.run if name == "run" else experiment.stage)
        stage.add_argument("experiment", type=Path, help="the experiment file")
        stage.add_argument("--store", type=Path, help=f"the DuckDB file (default: {STORE_FILE} beside the experiment)")
        stage.set_defaults(stage=name)
    _add_check(subparsers)
    _add_readers(subparsers)
    _add_importer(subparsers)
    policy = subparsers.add_parser("policy", help="what must hold to deploy").add_subparsers(
        metavar="WHAT", required=True
    )
    explain = _command(policy, "explain", "each rule in words, with the examples it needs", experiment.explain)
    explain.add_argument("experiment", type=Path, help="the experiment file")
    explain.add_argument("--store", type=Path, help=f"the DuckDB file (default: {STORE_FILE} beside the experiment)")
    explain.add_argument("--json", action="store_true", help="JSON on stdout")
    text = "plant accidents in copies of an experiment's record: is each of them stopped?"
    selftest = _command(subparsers, "selftest", text, experiment.selftest)
    selftest.add_argument("experiment", type=Path, help="the file of an experiment that was run")
    selftest.add_argument("--store", type=Path, help=f"the DuckDB file (default: {STORE_FILE} beside the experiment)")
    selftest.add_argument("--json", action="store_true", help="JSON on stdout")
    schema = _command(subparsers, "schema", "print the JSON Schema of the experiment file, for editors", begin.schema)
    schema.add_argument("--record", action="store_true", help="that of decision.json instead")
    return parser


def _add_check(subparsers: Commands) -> None:
    """The command that looks at data, of an experiment or without one."""
    text = "can this data teach the task, and can this exam be trusted?"
    command = _command(subparsers, "check", text, check)
    text = "the experiment file, or the folder with it or with bare files called train, validation and test"
    command.add_argument("experiment", type=Path, nargs="?", help=text)
    for name in ("train", "validation", "test"):
        command.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"a bare {name} file, without an experiment")
    command.add_argument("--preferences", type=Path, metavar="FILE", help="a bare file of preference pairs")
    command.add_argument(
        "--columns", type=_columns, default={}, metavar="OURS=THEIRS,...",
        help="columns of bare files: input=question,target=answer",
    )  # fmt: skip
    text = "write the training file there again, without copies, contradictions and rows of an exam"
    command.add_argument("--fix", type=Path, metavar="FOLDER", help=text)
    command.add_argument("--store", type=Path, help=f"the DuckDB file (default: {STORE_FILE} beside the experiment)")
    command.add_argument("--json", action="store_true", help="JSON on stdout, with all rows")


def _columns(text: str) -> dict[str, str]:
    """Our names of columns, and those of a file."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    known = ("id", "input", "target", "cluster", "messages", "text")
    if not all(ours in known and theirs for ours, _, theirs in pairs):
        raise argparse.ArgumentTypeError(f"say OURS=THEIRS, ours one of {', '.join(known)}, not {text!r}")
    return {ours: theirs for ours, _, theirs in pairs}


def _add_importer(subparsers: Commands) -> None:
    """The command that reads what other tools wrote."""
    text = "two logs of another tool's evaluation become an experiment that decides"
    converter = _command(subparsers, "convert", "a config of another trainer becomes an experiment", begin.convert)
    converter.add_argument(
        "config", type=Path, help="a file that another trainer takes; docs/reference/trainers.md lists them"
    )
    converter.add_argument(
        "--out",
        type=Path,
        default=Path("experiment.yaml"),
        help="the experiment to write, beside it the rows written anew",
    )
    importer = _command(subparsers, "import", text, begin.import_logs)
    importer.add_argument("base", help="the log of the prompted base model (a promptfoo column: FILE::COLUMN)")
    importer.add_argument("tuned", help="the log of the fine-tuned model on the same exam")
    importer.add_argument("--out", type=Path, required=True, help="a new folder for the experiment")
    importer.add_argument(
        "--metric", help="what decides: a mark in the log, or a metric of ours (default: its first mark)"
    )
    importer.add_argument("--task", help="which of several tasks decides; the others become regression suites")
    importer.add_argument("--group", help="a group, or the beginning of its tasks' names, whose tasks decide together")


def _add_readers(subparsers: Commands) -> None:
    """The commands that read a store."""
    report = _reader(subparsers, "report", "write the report of a decided experiment again", read.report)
    gate = _reader(subparsers, "gate", "nothing but the verdict, as exit code", read.gate)
    for reader in (report, gate):
        reader.add_argument("experiment", nargs="?", help="name or id; the latest when left out")
    report.add_argument("--out", type=Path, metavar="DIR", help="folder to write to (out/NAME beside the store)")
    runs = _reader(subparsers, "runs", "the experiments in the store", read.runs)
    query = _reader(subparsers, "query", "read-only SQL on the store", read.query)
    query.add_argument("sql", help="a query on the v_* views, e.g. 'from v_runs'")
    gate.add_argument("--junit", type=Path, metavar="FILE", help="the gates as JUnit XML, too")
    gate.add_argument("--github", action="store_true", help="annotations, step summary and outputs of GitHub Actions")
    compare = _reader(subparsers, "compare", "two runs on the same exam, example by example", read.compare)
    compare.add_argument("baseline", metavar="RUN", help="EXPERIMENT/ARM, EXPERIMENT/ARM/SUITE, or a run's id")
    compare.add_argument("candidate", metavar="RUN", help="the run compared with it")
    compare.add_argument(
        "--fail-on-regression", type=_margin, nargs="?", const=DEFAULT_MARGIN, metavar="MARGIN",
        help=f"exit 4 when a loss of more than MARGIN ({DEFAULT_MARGIN}) is shown, 5 when it cannot be told",
    )  # fmt: skip
    for reader in (gate, runs, query, compare):
        reader.add_argument("--json", action="store_true", help="JSON on stdout")


def _margin(text: str) -> float:
    """A tolerated loss: more than none of the score, less than all of it."""
    try:
        margin = float(text)
    except ValueError:
        margin = 0.0
    if not 0 < margin < 1:
        raise argparse.ArgumentTypeError(f"a margin is a number between 0 and 1, not {text!r}")
    return margin


def _reader(subparsers: Commands, name: str, text: str, function: Callable[..., int]) -> argparse.ArgumentParser:
    parser = _command(subparsers, name, text, function)
    parser.add_argument("--store", type=Path, default=Path(STORE_FILE), help=f"the DuckDB file (default: {STORE_FILE})")
    return parser


def _command(subparsers: Commands, name: str, text: str, function: Callable[..., int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=text, description=text)
    parser.set_defaults(command=function)
    return parser


STAGES = {
    "run": "everything: check, baseline, train, exam, judge, decide; does only what is missing",
    "baseline": "evaluate every prompt on the base model and choose the best on validation",
    "train": "fine-tune; refused until the baseline is on record",
    "exam": "give the candidate the same exam",
    "judge": "let the judge compare both sides' answers in both orders",
    "decide": "compare, check every gate, and write the report",
}


if __name__ == "__main__":
    sys.exit(main())
