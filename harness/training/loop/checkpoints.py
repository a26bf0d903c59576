"""Checkpoints that can be trusted: a marker with sizes and hashes is written last, and one without it is ignored.

The trainer writes a checkpoint's files one by one, not atomically, and goes on from one that lacks its optimizer state
without a word, on another trajectory. So nothing is resumed from that is not, byte for byte, what was saved.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from suites.text.files import read_rows, read_text
from suites.writing import write_whole

MARKER = "complete.json"
STATE = "trainer_state.json"


def seal(folder: Path) -> None:
    """Bring every file of a checkpoint to the disk, then write down what they are."""
    files = {str(file.relative_to(folder)): _settle(file) for file in _files(folder)}
    write_whole(folder / MARKER, json.dumps(files, indent=1, sort_keys=True))


def flaw(folder: Path) -> str | None:
    """Why a checkpoint cannot be trusted; None if it is complete."""
    try:
        expected = json.loads(read_text(folder / MARKER))
    except FileNotFoundError:
        return "it was not finished"
    except (ValueError, OSError):
        return f"its {MARKER} cannot be read"
    for name, (size, digest) in expected.items():
        file = folder / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size or _sha256(file) != digest:
            return f"{name} is not what was saved"
    return None


def newest(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest complete checkpoint in `folder`, and a sentence for each newer one that is passed over.

    A checkpoint that names another as the best so far is complete only together with it.
    """
    passed: list[str] = []
    for checkpoint in reversed(_numbered(folder)):
        reason = flaw(checkpoint)
        if reason is None and (best := best_of(checkpoint)) and best != checkpoint and flaw(best):
            reason = f"the best checkpoint so far, {best.name}, is not complete"
        if reason is None:
            return checkpoint, passed
        passed.append(f"checkpoint {checkpoint.name} is ignored: {reason}")
    return None, passed


def best_of(checkpoint: Path) -> Path | None:
    """The checkpoint that was the best when this one was saved, in the same folder wherever that has moved to."""
    named = json.loads(read_rows(checkpoint / STATE)).get("best_model_checkpoint")
    return checkpoint.parent / Path(named).name if named else None


def _numbered(folder: Path) -> list[Path]:
    folders = {int(m[1]): p for p in folder.glob("checkpoint-*") if (m := re.fullmatch(r"checkpoint-(\d+)", p.name))}
    return [folders[step] for step in sorted(folders)]


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.name != MARKER)


def _settle(file: Path) -> tuple[int, str]:
    """Size and sha256 of a file that is on the disk, and not only in the system's buffers."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
    return file.stat().st_size, _sha256(file)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
