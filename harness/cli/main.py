"""The command line. Progress goes to stderr, results to stdout; a UserError is printed without traceback, exit 2."""

from __future__ import annotations

import argparse
import gc
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from harness import __version__
from harness.cli import begin, experiment, suites
from harness.cli.arguments import Commands, Parser, add_command, add_readers, parse
from harness.cli.check import check
from harness.cli.completion import add_completion
from harness.cli.disk import of_disk
from harness.cli.judge import add_audit
from harness.cli.pipes import readers_may_leave
from harness.cli.signals import INTERRUPTED, End, ending_kindly
from harness.cli.store import add_store_commands
from harness.observe.progress import say
from harness.store import STORE_FILE
from suites.errors import Resumable, UserError

USAGE_ERROR = 2

EPILOG = """\
exit codes of run, decide and gate:
  0 deploy   3 keep prompting   4 reject   5 inconclusive   6 invalid
  1 unexpected error   2 bad input or usage, or a server that is given up
  130 interrupted, by Ctrl-C, SIGTERM or SIGHUP (the same command goes on)
exit codes of check:
  0 nothing stands in the way   6 a blocking finding   2 data that cannot be read
exit codes of doctor:
  0 nothing is broken   2 something is
exit codes of selftest:
  0 every accident was stopped as named   1 one was not: the harness does not do what it promises, which is no verdict
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run one command, and turn what happened into an exit code."""
    gc.set_threshold(20_000)  # what is imported stays: looking through it every 700 objects takes a twentieth of a run
    with readers_may_leave(sys.stdout, sys.stderr), ending_kindly() as end:
        return _main(sys.argv[1:] if arguments is None else arguments, end)


def _main(arguments: Sequence[str], end: End) -> int:
    try:
        parser = _parser()
        if not arguments:
            parser.print_help(sys.stderr)
            return USAGE_ERROR
        options = parse(parser, arguments)
        _quieten()
        code = int(options.command(options))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return _interrupted(arguments)
    except UserError as error:
        go_on = f"\n  go on: {_typed(arguments)}" if isinstance(error, Resumable) else ""
        say(f"error: {error}{go_on}")
        return USAGE_ERROR
    except Exception as error:
        if failed := of_disk(error):
            say(f"error: {failed}")
            return USAGE_ERROR
        if not end.came:
            raise
        return _interrupted(arguments)


def _interrupted(arguments: Sequence[str]) -> int:
    say(f"\ninterrupted; nothing finished is lost, and the same command goes on from here:\n{_typed(arguments)}")
    return INTERRUPTED


def _typed(arguments: Sequence[str]) -> str:
    return shlex.join(["harness", *arguments])


def _quieten() -> None:
    """Our own progress is the only one, and what dependencies tell their own developers is not for users."""
    for name, value in {
        "TQDM_DISABLE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", category=FutureWarning)


def _parser() -> Parser:
    parser = Parser(
        prog="harness",
        description="Should this fine-tune replace the prompt? One experiment file in, one decision out.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    init = add_command(
        subparsers, "init", "write a commented experiment with small data that runs as it is", begin.init
    )
    init.add_argument("folder", type=Path, help="a new folder")
    text = "the demo on a model that people know, in real English: fetches SmolLM2-135M-Instruct (93 MB)"
    init.add_argument("--real", action="store_true", help=text)
    for name, text in STAGES.items():
        stage = add_command(subparsers, name, text, experiment.run if name == "run" else experiment.stage)
        stage.add_argument("experiment", type=Path, help="the experiment file")
        stage.add_argument("--store", type=Path, help=f"the DuckDB file (default: {STORE_FILE} beside the experiment)")
        stage.add_argument("--json", action="store_true", help="JSON on stdout")
        stage.set_defaults(stage=name)
    add_audit(subparsers)
    _add_check(subparsers)
    add_readers(subparsers)
    add_store_commands(subparsers)
    _add_importer(subparsers)
    _add_suites(subparsers)
    policy = subparsers.add_parser("policy", help="what must hold to deploy").add_subparsers(
        metavar="WHAT", required=True
    )
    explain = add_command(policy, "explain", "each rule in words, with the examples it needs", experiment.explain)
    explain.add_argument("experiment", type=Path, help="the experiment file")
    explain.add_argument("--store", type=Path, help=f"the DuckDB file (default: {STORE_FILE} beside the experiment)")
    explain.add_argument("--json", action="store_true", help="JSON on stdout")
    text = "plant accidents in copies of an experiment's record: is each of them stopped?"
    selftest = add_command(subparsers, "selftest", text, experiment.selftest)
    selftest.add_argument("experiment", type=Path, help="the file of an experiment that was run")
    selftest.add_argument("--store", type=Path, help=f"the DuckDB file (default: {STORE_FILE} beside the experiment)")
    selftest.add_argument("--json", action="store_true", help="JSON on stdout")
    schema = add_command(
        subparsers, "schema", "print the JSON Schema of the experiment file, for editors", begin.schema
    )
    schema.add_argument("--record", action="store_true", help="that of decision.json instead")
    add_completion(subparsers, parser)
    return parser


def _add_check(subparsers: Commands) -> None:
    """The command that looks at data, of an experiment or without one."""
    text = "can this data teach the task, and can this exam be trusted?"
    command = add_command(subparsers, "check", text, check)
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


def _add_suites(subparsers: Commands) -> None:
    """The commands about regression suites."""
    text = "the suites that `regression` can name: their sizes, what knowing nothing scores, what they ask"
    listing = add_command(subparsers, "suites", text, suites.suites)
    listing.add_argument(
        "folder", type=Path, nargs="?", default=Path(), help="where suites of your own lie (default: here)"
    )
    listing.add_argument("--json", action="store_true", help="JSON on stdout")
    new = add_command(subparsers, "suite", "write a new regression suite, or a built-in one afresh", suites.suite)
    new.add_argument("folder", type=Path, help="a new folder")
    new.add_argument("--like", metavar="NAME", help="the built-in suite of which it has new questions")
    new.add_argument("--seed", type=int, default=1, help="which new questions (default: 1)")


def _add_importer(subparsers: Commands) -> None:
    """The command that reads what other tools wrote."""
    text = "two logs of another tool's evaluation become an experiment that decides"
    converter = add_command(subparsers, "convert", "a config of another trainer becomes an experiment", begin.convert)
    converter.add_argument(
        "config", type=Path, help="a file that another trainer takes; docs/reference/trainers.md lists them"
    )
    converter.add_argument(
        "--out",
        type=Path,
        default=Path("experiment.yaml"),
        help="the experiment to write, beside it the rows written anew",
    )
    importer = add_command(subparsers, "import", text, begin.import_logs)
    importer.add_argument("base", help="the log of the prompted base model (a promptfoo column: FILE::COLUMN)")
    importer.add_argument("tuned", help="the log of the fine-tuned model on the same exam")
    importer.add_argument("--out", type=Path, required=True, help="a new folder for the experiment")
    importer.add_argument(
        "--metric", help="what decides: a mark in the log, or a metric of ours (default: its first mark)"
    )
    importer.add_argument("--task", help="which of several tasks decides; the others become regression suites")
    importer.add_argument("--group", help="a group, or the beginning of its tasks' names, whose tasks decide together")


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
