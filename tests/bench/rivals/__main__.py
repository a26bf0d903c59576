"""Asks every tool about every seed of every scenario; writes rivals.md beside this folder.

    PYTHONPATH=tests/bench python -m rivals [--seeds 20] [--cache FOLDER] [--tools harness,yobro,...]

The first run builds an environment for each tool under the cache. Answers are kept there too: an interrupted run goes
on, and another one asks only what is new. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import results
from .results import Key, Said
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
    wanted, not_had = options.tools.split(","), dict[str, str]()
    for setting in SETTINGS:
        for tool in TOOLS:
            if tool.asker in wanted and (setting == "asked" or tool.default):
                try:
                    ask(tool, setting, cache, options.seeds)
                except NotHad as error:
                    not_had[tool.name] = str(error)
                    say(f"{tool.name}: {error}")
    known = results.read(cache / "answers.jsonl", TOOLS)
    PAGE.write_text(page(list(known.values()), not_had, options.seeds), encoding="utf-8")
    say(f"wrote {PAGE}")


def ask(tool: Tool, setting: Setting, cache: Path, seeds: int) -> None:
    """Ask the tool what it has not been asked yet. Raises NotHad."""
    known = results.read(cache / "answers.jsonl", [tool])
    places = results.folders(cache, seeds)
    missing = {
        key: folder
        for (scenario, seed), folder in places.items()
        if (key := (tool.name, setting, scenario.name, seed)) not in known and _asks(setting, scenario.planted)
    }
    if not missing:
        return
    said, digest = answers(tool, setting, list(missing.values()), cache), results.digest(tool)
    for done, (key, (ships, text)) in enumerate(zip(missing, said, strict=True), 1):
        results.keep(cache / "answers.jsonl", _row(key, ships, text, digest))
        say(f"{tool.name} ({setting}): {done} of {len(missing)}", end="\r" if done < len(missing) else "\n")


def _asks(setting: Setting, planted: str) -> bool:
    """A judge's limits are those it comes with, so that scenario is asked once."""
    return setting == "asked" or planted != "judge"


def _row(key: Key, ships: bool | None, said: str, digest: str) -> Said:
    tool, setting, scenario, seed = key
    return Said(tool, setting, scenario, seed, ships, said, digest)


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
