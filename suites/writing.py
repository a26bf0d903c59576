"""How a file is written: all of it under its name or nothing, however the program ends."""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from suites.errors import UserError


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file aside and rename it: whoever reads meanwhile has the old one, and a full disk leaves that.

    What is no plain file, like `/dev/stdout`, is written to straight away; a link stays one. Raises OSError.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    draft = draft_of(path)
    drop_drafts(path)
    try:
        with draft.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            shutil.copymode(path, draft)
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        error.filename = str(path)  # the name that the user knows
        raise
    finally:
        draft.unlink(missing_ok=True)


def write_new(files: Mapping[Path, bytes], fix: str) -> None:
    """Write files that belong together, the one by which the others are found as the last.

    What is there already with the very content stays, so that a command that was interrupted can be given again. Raises
    UserError with `fix` before anything is written when one is there with another content, and OSError.
    """
    for path, content in files.items():
        if path.exists() and not _holds(path, content):
            raise UserError("the file is there already; nothing is written over", str(path), fix)
    for path, content in files.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a new or empty folder, by their place in it, as `write_new` does.

    Raises UserError when there is anything else in it, and OSError.
    """
    contents = {folder / name: content for name, content in files.items()}
    drop_drafts(*contents)
    if folder.exists() and not (folder.is_dir() and all(_is_part(path, contents) for path in folder.rglob("*"))):
        raise UserError("the folder is not empty", str(folder), "name a new one")
    write_new(contents, "name a new folder")


def refuse_filled(folder: Path, names: Iterable[str]) -> None:
    """Raises UserError for a folder that holds a file which is none of `names`, as places in it."""
    wanted = {folder / name for name in names}
    drop_drafts(*wanted)
    if folder.exists() and not (folder.is_dir() and all(path.is_dir() or path in wanted for path in folder.rglob("*"))):
        raise UserError("the folder is not empty", str(folder), "name a new one")


def _is_part(path: Path, contents: Mapping[Path, bytes]) -> bool:
    """Whether a file is one of those, or a folder of theirs."""
    if path.is_dir():
        return any(path in wanted.parents for wanted in contents)
    return path in contents and _holds(path, contents[path])


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def draft_of(path: Path) -> Path:
    """Where this process writes a file or a folder before it gets its name."""
    return path.with_name(f".{path.name}.{os.getpid()}.new")


def drop_drafts(*paths: Path) -> None:
    """Take away what processes of this machine that are gone left of these files or folders."""
    for path in paths:
        for rest in path.parent.glob(f".{glob.escape(path.name)}.*.new*"):
            found = re.fullmatch(r"\.(\d+)\.new(\.wal)?", rest.name.removeprefix(f".{path.name}"))
            if found and not _lives(int(found[1])):
                shutil.rmtree(rest, ignore_errors=True) if rest.is_dir() else rest.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    """Whether a process is still there; where the system cannot say without harm, it is."""
    if os.name == "posix":
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except OSError:  # it is another user's
            return True
    return True


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
