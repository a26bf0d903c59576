"""What to ship, where the verdict is to ship: the folder, the prompt's file, and the command that serves it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from reports.data import ReportData
from suites.writing import write_whole

PROMPT_FILE = "prompt.json"


def what_ships(data: ReportData) -> list[tuple[str, str]]:
    """What to take and what to type, each with its name; empty where nothing ships."""
    return list(_lines(data, side)) if (side := data.ships) and data.facts.ship else []


def _lines(data: ReportData, side: str) -> Iterator[tuple[str, str]]:
    ship, given = data.facts.ship, data.frozen.config.get("candidate") or {}
    assert ship
    if side == "candidate":
        if ship.folder:
            yield "folder", ship.folder
        elif given.get("endpoint"):
            yield "model", f"{given['name']} at {given['endpoint']}"
        elif given.get("recorded"):
            yield "model", f"the one that gave the answers in {given['recorded']}"
    elif ship.bar:
        yield "model", ship.bar
    if side in ship.prompts:
        yield "prompt", PROMPT_FILE
    if side in ship.found:
        yield "shown to each question", ship.found[side]
    if side == "candidate" and ship.command:
        yield "serve", ship.command


def write(data: ReportData, folder: Path) -> None:
    """Write the prompt that ships into `folder`, as the messages of a chat request; none stays where none ships."""
    path, ship = folder / PROMPT_FILE, data.facts.ship
    messages = ship.prompts.get(data.ships or "") if ship else None
    if messages is None:
        path.unlink(missing_ok=True)
    else:
        found = {"found": told} if ship and (told := ship.found.get(data.ships or "")) else {}
        write_whole(path, json.dumps({"messages": messages, **found}, ensure_ascii=False, indent=2) + "\n")
