"""Commands about suites: what there is to ask, and a new one to fill or freshly made."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from suites.errors import UserError

if TYPE_CHECKING:
    from suites.types import Suite

DISCORDANCE = 0.1
"""The share of answers in which an equal model is taken to differ, as when an exam's power is told in advance."""
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Listed:
    """A suite as it is listed. `floor` is the best of those who know nothing, `passes` how often an equal model that
    answers one in ten otherwise is shown to lose no more than `margin`."""

    name: str
    rows: int
    clusters: int
    metric: str
    floor: float | None
    margin: float
    passes: float
    about: str


def suites(options: argparse.Namespace) -> int:
    """The suites that can be named under `regression`."""
    from suites.catalog import ALL, STANDARD, builtin_names, own_names

    folder: Path = options.folder
    if not folder.is_dir():
        raise UserError("no such folder", str(folder))
    listed = [_listed(name, folder) for name in [*builtin_names(), *own_names(folder)]]
    if options.json:
        print(json.dumps([asdict(suite) for suite in listed], indent=2, allow_nan=False))
        return 0
    from harness.observe.tables import print_table

    print_table(list(HEADS), [_row(suite) for suite in listed])
    print(f"\n`regression: {ALL}` asks {', '.join(STANDARD)}")
    print("`harness suite FOLDER` writes one to fill, `harness suite FOLDER --like reading --seed 1` a fresh one")
    return 0


HEADS = ("suite", "rows", "clusters", "metric", "floor", "margin", "passes", "what it asks")


def _row(suite: Listed) -> list[str]:
    floor = "" if suite.floor is None else f"{suite.floor:.1%}"
    numbers = [
        f"{suite.rows:,}",
        f"{suite.clusters:,}",
        suite.metric,
        floor,
        f"{suite.margin:g}",
        f"{suite.passes:.0%}",
    ]
    return [suite.name, *numbers, suite.about]


def _listed(name: str, folder: Path) -> Listed:
    from harness.decision.compare_corpus import planned_sd
    from harness.stats import power
    from suites.catalog import about, load_suite
    from suites.straw_men import straw_man

    suite: Suite = load_suite(name, folder)
    straw = straw_man(suite)
    sd = planned_sd(suite.primary, suite.examples, DISCORDANCE)
    return Listed(
        name=name,
        rows=len(suite.examples),
        clusters=len({example.cluster for example in suite.examples}),
        metric=suite.primary,
        floor=straw.score if straw else None,
        margin=suite.margin,
        passes=round(power.passes(len(suite.examples), sd, suite.margin, (1 + CONFIDENCE) / 2), 4),
        about=about(name, folder).partition(". ")[0].rstrip("."),
    )


def suite(options: argparse.Namespace) -> int:
    """A new suite in a folder: a built-in one made anew from another seed, or one to be filled."""
    from suites.writing import write_folder

    folder: Path = options.folder
    files = _fresh(options.like, options.seed, folder.name) if options.like else _scaffold(folder.name)
    write_folder(folder, {name: text.encode() for name, text in files.items()})
    print(f"wrote {folder}\nname it in an experiment beside it as `regression: [{folder.name}]`")
    return 0


def _fresh(like: str, seed: int, title: str) -> dict[str, str]:
    """The files of a built-in suite from another seed. Raises UserError for one that nothing makes."""
    from harness.cli.arguments import meant
    from suites.generators.table import GENERATORS
    from suites.generators.write import files

    if like not in GENERATORS:
        fix = f"{meant(like, GENERATORS)}use one of {', '.join(GENERATORS)}"
        raise UserError(f"there is nothing that makes a suite {like!r}", "--like", fix)
    return files(like, seed, title)


def _scaffold(title: str) -> dict[str, str]:
    """A suite of two questions, with words on what else there is."""
    rows = [
        {"id": "1", "input": "What is the capital of Portugal?", "target": {"says": "Lisbon", "words": [1, 12]}},
        {"id": "2", "input": "Name two colours, separated by a comma.", "target": {"parts": {"by": ",", "count": 2}}},
    ]
    return {"suite.yaml": SCAFFOLD.format(title=title), "examples.jsonl": "".join(json.dumps(r) + "\n" for r in rows)}


SCAFFOLD = """\
# What the base can do and must still be able to do. Fill examples.jsonl, a row for each question: `input` (or
# `messages`), `target`, and if you like `id`, `cluster` (rows of one origin) and columns of your own.
name: {title}
description: What these questions ask.
# `follows` marks by a list of checks as target; exact_match, contains, number_match, token_f1 and others by an answer.
metrics: [follows]
# What may be lost, as a difference of scores. `harness suites` says how often an equal model passes it: ask enough.
margin: 0.1
max_new_tokens: 32
# The instruction that stands before each question.
prompt: Answer briefly.
# Columns whose values are told apart in the report.
# slices: [kind]
"""
