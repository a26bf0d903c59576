"""Refusals speak in one voice: what is wrong and how to mend it, in lower case and without a full stop."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = [path for package in ("suites", "baselines", "reports", "harness") for path in (ROOT / package).rglob("*.py")]
NAME = re.compile(r"[A-Z]\w*[A-Z0-9]")  # PEFT, KTO, HF_HUB_OFFLINE


def sentences(path: Path) -> Iterator[tuple[str, str]]:
    """(beginning, end) of `what` and `fix` of every UserError that says them on the spot, where they are text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "UserError":
            for said in (node.args[0:1], node.args[2:3]):
                for part in said:
                    parts = part.values if isinstance(part, ast.JoinedStr) else [part]
                    ends = [p.value if isinstance(p, ast.Constant) else "" for p in (parts[0], parts[-1])]
                    yield str(ends[0]), str(ends[1])


def test_refusals_begin_in_lower_case_and_end_without_a_full_stop() -> None:
    for path in FILES:
        for beginning, end in sentences(path):
            assert not beginning[:1].isupper() or NAME.match(beginning), f"{path.name}: {beginning}"
            assert not end.endswith(".") or end.endswith("..."), f"{path.name}: {end}"
