"""The one error a user can cause and mend: what is wrong, where, and how to fix it. And the end that others order."""

from __future__ import annotations

LONGEST_LINE = 1000
"""Characters of a line that are told: what people give may be a megabyte in one."""
MOST_LINES = 60


class UserError(Exception):
    """A mistake in what the user gave us. The command line prints it without a traceback and exits 2.

    `what` is a sentence, `where` a file, line or setting, `fix` the next thing to type or change.
    """

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        super().__init__(what, where, fix)
        self.what, self.where, self.fix = what, where, fix

    def __str__(self) -> str:
        lines = self.what.split("\n")
        if more := lines[MOST_LINES:]:
            lines[MOST_LINES:] = [f"  ... and {len(more):,} line{'s' * (len(more) != 1)} more"]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix:   {self.fix}")
        return cut_lines("\n".join(lines))


def cut_lines(text: str) -> str:
    """Text for people, without the middle of its lines that are longer than `LONGEST_LINE`."""
    half = LONGEST_LINE // 2
    return "\n".join(
        line if len(line) <= LONGEST_LINE else f"{line[:half]} ... {line[-half:]}" for line in text.split("\n")
    )


class Resumable(UserError):
    """Trouble outside, after which the same command goes on where it was; the command line says it again."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. A kind of its own: Python ends a process by the signal, whatever it returns, once a plain one has passed
    through code made from text, as much of what is imported is."""


class Terminated(KeyboardInterrupt):
    """Ended like Ctrl-C, but nobody typed it: a machine goes down, or a terminal was closed."""
