"""How commands are typed: a parser that says what was probably meant, and the arguments of the commands that read."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from harness.cli import look, read
from harness.store import STORE_FILE
from suites.errors import UserError

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"

DEFAULT_MARGIN = 0.02  # the loss of a metric that an experiment tolerates unless it says otherwise

OTHER_WORDS = {
    "list": "runs", "ls": "runs", "history": "runs", "log": "runs", "diff": "flips", "failures": "flips",
    "errors": "flips", "eval": "exam", "evaluate": "exam", "test": "exam", "finetune": "train", "fine-tune": "train",
    "new": "init", "create": "init", "validate": "check", "lint": "check", "verdict": "gate", "status": "gate",
    "sql": "query", "example": "show", "view": "show", "html": "report",
}  # fmt: skip
"""What other tools call our commands."""


class Parser(argparse.ArgumentParser):
    """A parser that names the nearest command where there is none of a name, and knows commands of two words."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse does. `judge audit` is a command of its own; an experiment file called audit is `./audit`."""
        words = list(sys.argv[1:] if args is None else args)
        commands: Collection[str] = next(
            (action.choices for action in self._actions if isinstance(action, argparse._SubParsersAction)), ()
        )
        if " ".join(words[:2]) in commands:
            words[:2] = [" ".join(words[:2])]
        return super().parse_known_args(words, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            fix = f"{meant(value, action.choices, OTHER_WORDS)}`{self.prog} --help` lists the commands"
            raise UserError(f"there is no command {value!r}", self.prog, fix)
        super()._check_value(action, value)


def meant(word: str, known: Collection[str], others: dict[str, str] | None = None) -> str:
    """The beginning of an advice, `did you mean ...? `; empty where nothing is near."""
    near = [(others or {}).get(word, ""), *difflib.get_close_matches(word, known, n=1)]
    first = next((name for name in near if name), "")
    return f"did you mean `{first}`? " if first else ""


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """What was typed. Raises UserError for a command or an option that is none, and SystemExit as argparse does."""
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        typed: Parser = options.parser
        known = [name for action in typed._actions for name in action.option_strings]
        fix = f"{meant(unknown[0].partition('=')[0], known)}`{typed.prog} --help` has all it takes"
        raise UserError(f"`{typed.prog}` does not take {' '.join(unknown)!r}", "the command line", fix)
    return options


def add_command(commands: Commands, name: str, text: str, function: Callable[..., int]) -> Parser:
    """A command that `function` does."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=function, parser=parser)
    return parser


def add_readers(commands: Commands) -> None:
    """The commands that read a store."""
    report = _reader(commands, "report", "write the report of a decided experiment again", read.report)
    gate = _reader(commands, "gate", "nothing but the verdict, as exit code", read.gate)
    flips = _reader(commands, "flips", "the answers that the candidate changed, for worse or better", look.flips)
    show = _reader(commands, "show", "one example: what each arm was asked and answered, and its marks", look.show)
    for reader in (report, gate, flips, show):
        reader.add_argument("experiment", nargs="?", help="name, file or id; the latest when left out")
    report.add_argument("--out", type=Path, metavar="DIR", help="folder to write to (out/NAME beside the store)")
    flips.add_argument("--worse", action="store_true", help="only those that got worse")
    flips.add_argument("--all", action="store_true", help="all of them, not one screen")
    show.add_argument("example", metavar="ID", help="the example's id")
    show.add_argument("--full", action="store_true", help="long prompts and answers in full")
    runs = _reader(commands, "runs", "the experiments in the store, with verdict, score and gain", look.runs)
    query = _reader(commands, "query", "read-only SQL on the store", look.query)
    query.add_argument("sql", help="a query on the v_* views, e.g. 'from v_runs'")
    query.add_argument("--format", choices=look.FORMATS, help="how rows are written (default: by the name of --out)")
    query.add_argument("--out", type=Path, metavar="FILE", help="write them there instead of on stdout")
    gate.add_argument("--junit", type=Path, metavar="FILE", help="the gates as JUnit XML, too")
    gate.add_argument("--github", action="store_true", help="annotations, step summary and outputs of GitHub Actions")
    compare = _reader(commands, "compare", "two runs on the same exam, example by example", look.compare)
    compare.add_argument("baseline", metavar="RUN", help="EXPERIMENT, EXPERIMENT/ARM[/SUITE], or a run's id")
    compare.add_argument("candidate", metavar="RUN", help="the run compared with it")
    compare.add_argument(
        "--fail-on-regression", type=_margin, nargs="?", const=DEFAULT_MARGIN, metavar="MARGIN",
        help=f"exit 4 when a loss of more than MARGIN ({DEFAULT_MARGIN}) is shown, 5 when it cannot be told",
    )  # fmt: skip
    for reader in (gate, runs, query, compare, flips, show):
        reader.add_argument("--json", action="store_true", help="JSON on stdout")


def _reader(commands: Commands, name: str, text: str, function: Callable[..., int]) -> Parser:
    parser = add_command(commands, name, text, function)
    place = f"the DuckDB file or its folder (default: {STORE_FILE} here, or beside the experiment file that is named)"
    parser.add_argument("--store", type=Path, help=place)
    return parser


def _margin(text: str) -> float:
    """A tolerated loss: more than none of the score, less than all of it."""
    try:
        margin = float(text)
    except ValueError:
        margin = 0.0
    if not 0 < margin < 1:
        raise argparse.ArgumentTypeError(f"a margin is a number between 0 and 1, not {text!r}")
    return margin
