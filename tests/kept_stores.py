"""The stores that are kept of earlier versions, each with two experiments that the harness of its time decided.

`python tests/kept_stores.py` keeps one of the version that the harness on the path has; see `cases/stores/README.md`.
"""

from __future__ import annotations

import json
import lzma
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

KEPT = Path(__file__).parent / "cases" / "stores"
VERSIONS = sorted(int(path.stem[1:]) for path in KEPT.glob("v*.json"))
EXPERIMENT = KEPT / "experiment"
FIRST_WITH_FILES = 11


def unpacked(version: int, folder: Path) -> tuple[Path, list[Mapping[str, Any]]]:
    """The store of a version, and the decisions it held."""
    path = folder / "harness.duckdb"
    path.write_bytes(lzma.decompress((KEPT / f"v{version}.duckdb.xz").read_bytes()))
    return path, json.loads((KEPT / f"v{version}.json").read_text(encoding="utf-8"))


def keep() -> None:
    """Decide two experiments, begin a third, and keep the store with what was decided."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(EXPERIMENT, folder, dirs_exist_ok=True)
        for command in (["run", "first.yaml"], ["run", "second.yaml"], ["baseline", "third.yaml"]):
            _harness(folder, *command)
        store = folder / "harness.duckdb"
        content = store.read_bytes()
        with duckdb.connect(str(store), read_only=True) as con:
            [(version,)] = con.execute("select version from schema_version").fetchall()
            ids = dict(con.execute("select name, experiment_id from experiments").fetchall())
        held = [_decided(folder, name, ids[name]) for name in ("store-first", "store-second")]
    (KEPT / f"v{version}.duckdb.xz").write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    lines = ",\n".join(map(json.dumps, held))
    (KEPT / f"v{version}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _decided(folder: Path, name: str, key: str) -> dict[str, Any]:
    was = json.loads(_harness(folder, "gate", name, "--json"))
    told = {part: was[part] for part in ("verdict", "exit_code", "headline", "reason")}
    gates = [[gate["name"], gate["status"]] for gate in was["gates"]]
    return {"experiment": name, "experiment_id": key, **told, "gates": gates}


def _harness(folder: Path, *words: str) -> str:
    """What a command of that time printed; exit codes of a decision are no failures."""
    command = [sys.executable, "-m", "harness.cli", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode in (1, 2):
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    keep()
