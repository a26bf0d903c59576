"""What was said, kept as JSONL so that an interrupted run goes on, and thrown away when what was asked has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from .scenarios import SCENARIOS, Scenario, write
from .tools import ASKERS, ROOT, Setting, Tool

Key = tuple[str, Setting, str, int]


@dataclass(frozen=True, slots=True)
class Said:
    """A tool's answer to one seed of one scenario; `ships` is none where it has no place for the question."""

    tool: str
    setting: Setting
    scenario: str
    seed: int
    ships: bool | None
    said: str
    digest: str

    @property
    def key(self) -> Key:
        return self.tool, self.setting, self.scenario, self.seed


def read(path: Path, digests: Mapping[Key, str]) -> dict[Key, Said]:
    """The answers to what is asked today, by what they hang on."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [Said(**json.loads(line)) for line in lines if line.endswith("}")]  # the last may be cut
    return {row.key: row for row in rows if digests.get(row.key) == row.digest}


def keep(path: Path, row: Said) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def digest(tool: Tool, folder: Path) -> str:
    """Of everything an answer hangs on: the experiment's files, the asker, the packages, or our own code."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return _sha(_tool_digest(tool).encode(), *(path.read_bytes() for path in files))


@cache
def _tool_digest(tool: Tool) -> str:
    paths = [ASKERS / "recorded.py", ASKERS / f"ask_{tool.asker}.py"]
    paths += sorted((ASKERS / tool.asker).glob("*")) if tool.node else []
    if not tool.packages:
        paths += sorted(p for package in ("suites", "baselines", "harness") for p in (ROOT / package).rglob("*.py"))
    return _sha(*(path.read_bytes() for path in paths), repr(tool.packages).encode())


def folders(root: Path, seeds: int) -> dict[tuple[Scenario, int], Path]:
    """Every experiment, written as files under `root`."""
    places = {(scenario, seed): root / f"{i}-{seed}" for i, scenario in enumerate(SCENARIOS) for seed in range(seeds)}
    for (scenario, seed), folder in places.items():
        write(scenario, seed, folder)
    return places


def _sha(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
