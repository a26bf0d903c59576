"""Asks every tool about every seed of every scenario; writes rivals.md beside this folder.

    PYTHONPATH=tests/bench python -m rivals [--seeds 20] [--cache FOLDER] [--tools harness,yobro,...]

The first run builds an environment for each tool under the cache. Answers are kept there too: an interrupted run goes
on, and another one asks only what is new. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import results
from .results import Key, Said
from .scenarios import Scenario
from .table import page
from .tools import HARNESS, RIVALS, NotHad, Setting, Tool, answers

TOOLS = (HARNESS, *RIVALS)
SETTINGS: tuple[Setting, ...] = ("asked", "default")
PAGE = Path(__file__).parents[1] / "rivals.md"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "finetune-harness" / "rivals"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m rivals", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"default: {CACHE}")
    parser.add_argument("--tools", default=",".join(tool.asker for tool in TOOLS), help="asks only these")
    options = parser.parse_args()
    cache = options.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    tools, not_had = options.tools.split(","), dict[str, str]()
    questions = list(_questions(results.folders(cache / "cases", options.seeds)))
    answered = cache / "answers.jsonl"
    digests = {question.key: question.digest for question in questions}
    for setting in SETTINGS:
        for tool in (tool for tool in TOOLS if tool.asker in tools):
            known = results.read(answered, digests)
            missing = [q for q in questions if (q.tool, q.setting) == (tool, setting) and q.key not in known]
            try:
                ask(tool, setting, missing, cache)
            except NotHad as error:
                not_had[tool.name] = str(error)
                say(f"{tool.name}: {error}")
    known = results.read(answered, digests)
    PAGE.write_text(page(list(known.values()), not_had, options.seeds), encoding="utf-8")
    say(f"wrote {PAGE}")


@dataclass(frozen=True, slots=True)
class Question:
    """A tool, which limits it is asked with, one experiment, and what its answer hangs on."""

    tool: Tool
    setting: Setting
    scenario: str
    seed: int
    folder: Path
    digest: str

    @property
    def key(self) -> Key:
        return self.tool.name, self.setting, self.scenario, self.seed


def _questions(folders: Mapping[tuple[Scenario, int], Path]) -> Iterator[Question]:
    """Everything to be asked; the limits that tools come with, where nothing but gains and losses is planted."""
    for (scenario, seed), folder in folders.items():
        for tool in TOOLS:
            digest = results.digest(tool, folder)
            yield Question(tool, "asked", scenario.name, seed, folder, digest)
            if tool.default and scenario.planted == "nothing":
                yield Question(tool, "default", scenario.name, seed, folder, digest)


def ask(tool: Tool, setting: Setting, questions: Sequence[Question], cache: Path) -> None:
    """Ask the tool, and keep what it says. Raises NotHad."""
    if not questions:
        return
    said = answers(tool, setting, [question.folder for question in questions], cache)
    for done, (question, (ships, text)) in enumerate(zip(questions, said, strict=True), 1):
        results.keep(cache / "answers.jsonl", Said(*question.key, ships, text, question.digest))
        say(f"{tool.name} ({setting}): {done} of {len(questions)}", end="\r" if done < len(questions) else "\n")


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
