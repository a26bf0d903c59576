"""Files that people name: read only where they are files, and no more than can be held."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

from suites.errors import UserError

BOM = b"\xef\xbb\xbf"
AS_UTF8 = "save the file as UTF-8; in Excel the kind of file is called CSV UTF-8"
MOST_SETTINGS = 10_000_000
"""Bytes that a file of settings, a prompt or a schema may have."""
SHARE_OF_MEMORY = 0.5
"""How large a file of rows may be beside the machine's memory: as objects they take several times as much."""
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
         stat.S_IFBLK: "a device"}  # fmt: skip


def reason(error: OSError) -> str:
    """What the system says of a file; what a library says in its place, the first line of it."""
    return error.strerror or str(error).split("\n")[0] or type(error).__name__


def size_of(path: Path) -> int:
    """The bytes of a file. Raises UserError for what is no file and so may never end, and OSError."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        what = f"this is {KINDS.get(stat.S_IFMT(found.st_mode), 'something else')} and no file"
        pipe = stat.S_ISFIFO(found.st_mode)
        raise UserError(what, str(path), "write what it brings to a file first" if pipe else "give a file")
    return found.st_size


def read_bytes(path: Path, most: int = MOST_SETTINGS) -> bytes:
    """The bytes of a file of settings. Raises UserError for more than `most`, and as `size_of` does."""
    if (size := size_of(path)) > most:
        raise UserError(
            f"the file has {size:,} bytes, and at most {most:,} are read", str(path), "is it the right one?"
        )
    return path.read_bytes()


def read_text(path: Path, most: int = MOST_SETTINGS) -> str:
    """A file of UTF-8 text, as `read_bytes`. Raises UnicodeDecodeError, too."""
    return read_bytes(path, most).removeprefix(BOM).decode()


def read_rows(path: Path) -> bytes:
    """The bytes of a file of rows. Raises UserError for more than this machine can hold, and as `size_of` does."""
    check_fits(size_of(path), path)
    return path.read_bytes()


def opened(path: Path) -> BufferedReader:
    """A file to be read in pieces. Raises UserError as `size_of` does."""
    size_of(path)
    return path.open("rb")


def check_fits(size: int, path: Path) -> None:
    """Raises UserError for so many bytes that the rows in them cannot be held."""
    if size > (most := int(SHARE_OF_MEMORY * memory())):
        what = f"the file holds {size / 1e9:,.1f} GB of rows, and this machine's memory at most {most / 1e9:,.1f} GB"
        raise UserError(what, str(path), "give a part of it")


def memory() -> int:
    """Bytes of memory that this machine has; as good as endless where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 62
