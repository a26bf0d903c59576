"""The files of a built-in suite from a seed: `python -m suites.generators.write [NAME ...]` writes those that ship."""

from __future__ import annotations

import json
import sys
from random import Random
from typing import Any

import yaml

from suites.catalog import BUILTIN, ROWS, SETTINGS
from suites.generators.items import as_rows
from suites.generators.table import GENERATORS, SEED
from suites.writing import write_whole


def files(name: str, seed: int = SEED, title: str | None = None) -> dict[str, str]:
    """By name the files of a suite as its generator makes them; `title` is what it calls itself, its own name if None.

    Raises KeyError for no such suite."""
    made = GENERATORS[name]
    settings: dict[str, Any] = {
        "name": title or name, "description": f"{made.about[0].upper()}{made.about[1:]}.",
        "metrics": list(made.metrics), "margin": made.margin, "max_new_tokens": made.max_new_tokens,
        "prompt": made.prompt, "slices": ["kind"],
    }  # fmt: skip
    rng = Random(f"{name} {seed}")
    rows = as_rows(name, made.items(rng), rng)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    note = f"# Made like the built-in suite {name}, from the seed {seed}.\n"
    return {SETTINGS: note + yaml.safe_dump(settings, sort_keys=False, width=110, allow_unicode=True), ROWS: lines}


def main(names: list[str]) -> None:
    """Write the files that ship."""
    for name in names or GENERATORS:
        for file, content in files(name).items():
            (BUILTIN / name).mkdir(parents=True, exist_ok=True)
            write_whole(BUILTIN / name / file, content)


if __name__ == "__main__":
    main(sys.argv[1:])
