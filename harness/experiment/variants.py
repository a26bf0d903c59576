"""A baseline whose prompt is a pattern or a folder stands for one baseline of each of its files."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from baselines.prompters.table import PROMPTERS
from harness.config.problems import Problem
from harness.config.yaml_lines import Location

SUFFIXES = (".md", ".txt")
PROGRAM = ".json"
"""`prompts: X.json` is short for `dspy: X.json`."""
SHORT = "prompts"
"""`prompts: X` is short for `zero_shot: {prompt: X}`."""


def spell_out(
    content: Mapping[str, Any], lines: Mapping[Location, int], folder: Path
) -> tuple[dict[str, Any], dict[Location, int], list[Problem]]:
    """An experiment file with its patterns replaced by what they match, in order of their names, and the lines of
    that; a pattern that matches nothing is a problem."""
    baselines = content.get("baselines")
    if not isinstance(baselines, list):
        return dict(content), dict(lines), []
    spelled: list[Any] = []
    origin: list[int] = []
    problems: list[Problem] = []
    for position, entry in enumerate(baselines):
        entry, unmatched = _searched(entry, folder)
        problems += [
            (("baselines", len(spelled), "search"), f"`baselines.{len(spelled)}.search.prompts` {_nothing(pattern)}")
            for pattern in unmatched
        ]
        variants = list(_variants(entry, folder))
        if not variants:
            pattern = _pattern(entry)
            sentence = _nothing(pattern[1] if pattern else "")
            problems.append((("baselines", len(spelled)), f"`baselines.{len(spelled)}` {sentence}"))
            variants = ["zero_shot"]  # so that the rest can be looked at
        spelled += variants
        origin += [position] * len(variants)
    moved = {
        ("baselines", new, *place[2:]): line
        for new, old in enumerate(origin)
        for place, line in lines.items()
        if place[:2] == ("baselines", old)
    }
    kept = {place: line for place, line in lines.items() if place[:1] != ("baselines",) or len(place) < 2}
    return {**content, "baselines": spelled}, kept | moved, problems


def _nothing(pattern: str) -> str:
    return f"no prompt file (.md, .txt) matches {pattern!r}"


def _searched(entry: Any, folder: Path) -> tuple[Any, list[str]]:
    """An entry with the files that its search names, and the patterns that match none."""
    search = entry.get("search") if isinstance(entry, dict) else None
    if not isinstance(search, dict):
        return entry, []
    named = search.get("prompts")
    patterns = [named] if isinstance(named, str) else named
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        return entry, []
    found = {pattern: _matching(folder, pattern) for pattern in patterns}
    files = list(dict.fromkeys(file for matched in found.values() for file in matched))
    return {**entry, "search": {**search, "prompts": files}}, [each for each, matched in found.items() if not matched]


def _variants(entry: Any, folder: Path) -> Iterator[Any]:
    """One entry for each file of a pattern; an entry without one as it is."""
    found = _pattern(entry)
    if found is None:
        yield entry
        return
    kind, pattern = found
    rest = {key: value for key, value in entry.items() if key not in (kind, "name")}
    settings = entry[kind] if isinstance(entry[kind], dict) else {}
    program = kind == SHORT and pattern.endswith(PROGRAM)
    way, setting = ("dspy", "program") if program else ("zero_shot" if kind == SHORT else kind, "prompt")
    files = sorted(glob.glob(pattern, root_dir=folder)) if program else _matching(folder, pattern)
    for file in files or ([pattern] if program else []):
        named = {"name": f"{entry['name']}-{Path(file).stem}"} if "name" in entry else {}
        yield {**rest, **named, way: {**settings, setting: file}}


def _pattern(entry: Any) -> tuple[str, str] | None:
    """The key of an entry under which a pattern or a folder stands, and that; None for any other entry."""
    if not isinstance(entry, dict):
        return None
    for kind, settings in entry.items():
        prompt = settings.get("prompt") if isinstance(settings, dict) else settings
        if kind not in (SHORT, *PROMPTERS) or not isinstance(prompt, str) or "\n" in prompt:
            continue
        if kind == SHORT or prompt.endswith("/") or (prompt.endswith(SUFFIXES) and glob.has_magic(prompt)):
            return str(kind), prompt
    return None


def _matching(folder: Path, pattern: str) -> list[str]:
    """The prompt files of a pattern, of a folder, or the one file that is named, by name, as the pattern has them."""
    files = glob.glob(f"{pattern.rstrip('/')}/*" if (folder / pattern).is_dir() else pattern, root_dir=folder)
    return sorted(file for file in files if file.endswith(SUFFIXES) and (folder / file).is_file())
