"""harness completion: a script by which a shell completes commands, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from harness.cli.arguments import Commands, Parser, add_command

SHELLS = ("bash", "zsh", "tcsh")


def add_completion(commands: Commands, whole: Parser) -> None:
    """The command that completes all the others of a parser."""
    text = "print a script that completes commands, options and files in a shell"
    command = add_command(commands, "completion", text, completion)
    command.set_defaults(whole=whole)
    command.add_argument(
        "shell", choices=SHELLS, help='of bash it takes a line in ~/.bashrc: eval "$(harness completion bash)"'
    )


def completion(options: argparse.Namespace) -> int:
    """Print the script of a shell; nothing of ours runs when a key is pressed."""
    import shtab

    for action in _arguments(options.whole):
        if action.type is Path or action.dest == "experiment":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(options.whole, options.shell))
    return 0


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments of a parser's commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _arguments(command)
        else:
            yield action
