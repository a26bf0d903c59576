"""What was said, kept as JSONL so that an interrupted run goes on, and thrown away when what was asked has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from .scenarios import SCENARIOS, Scenario, write
from .tools import ASKERS, HERE, ROOT, Setting, Tool

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


def read(path: Path, tools: Iterable[Tool]) -> dict[Key, Said]:
    """The answers to what is asked today."""
    if not path.exists():
        return {}
    digests = {tool.name: digest(tool) for tool in tools}
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [Said(**json.loads(line)) for line in lines if line.endswith("}")]  # the last may be cut
    return {row.key: row for row in rows if digests.get(row.tool) == row.digest}


def keep(path: Path, row: Said) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def digest(tool: Tool) -> str:
    """Of everything an answer hangs on: the scenarios, the asker, the packages, or our own code."""
    paths = [
        HERE / "scenarios.py",
        HERE.parent / "simulated.py",
        ASKERS / "recorded.py",
        ASKERS / f"ask_{tool.asker}.py",
    ]
    paths += sorted((ASKERS / tool.asker).glob("*")) if tool.node else []
    if not tool.packages:
        paths += sorted(p for package in ("suites", "baselines", "harness") for p in (ROOT / package).rglob("*.py"))
    return _sha(*(path.read_bytes() for path in paths), repr(tool.packages).encode())


def folders(cache: Path, seeds: int) -> dict[tuple[Scenario, int], Path]:
    """Every experiment as files, written unless it is there."""
    root = cache / "cases" / _sha((HERE / "scenarios.py").read_bytes(), (HERE.parent / "simulated.py").read_bytes())
    places = {(scenario, seed): root / f"{i}-{seed}" for i, scenario in enumerate(SCENARIOS) for seed in range(seeds)}
    for (scenario, seed), folder in places.items():
        if not (folder / "tuned.jsonl").exists():  # it is written last
            write(scenario, seed, folder)
    return places


def _sha(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
