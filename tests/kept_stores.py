"""The stores that are kept of earlier versions, each with two experiments that the harness of its time decided."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEPT = Path(__file__).parent / "cases" / "stores"
VERSIONS = sorted(int(path.stem[1:]) for path in KEPT.glob("v*.json"))


def unpacked(version: int, folder: Path) -> tuple[Path, list[Mapping[str, Any]]]:
    """The store of a version, and the decisions it held."""
    path = folder / "harness.duckdb"
    path.write_bytes(lzma.decompress((KEPT / f"v{version}.duckdb.xz").read_bytes()))
    return path, json.loads((KEPT / f"v{version}.json").read_text(encoding="utf-8"))
