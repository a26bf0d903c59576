"""What a disk that fails, or a path that none can be, is told as, wherever it was met: the words for it are many."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from suites.errors import UserError

ROOM = "make room and run the same command: nothing finished is lost"

DISK = {
    errno.ENOSPC: ("the disk is full", ROOM),
    errno.EDQUOT: ("the disk quota is used up", ROOM),
    errno.EFBIG: ("a file may not grow any more", "raise the limit (`ulimit -f`) and run the same command"),
    errno.EIO: ("the disk failed to read or write", "look at it, then run the same command: nothing finished is lost"),
    errno.EROFS: ("the file system can only be read", "name a place that can be written"),
    errno.ENAMETOOLONG: ("this is longer than the name of a file can be", "give a shorter one"),
    errno.ELOOP: ("these links lead to one another, and to no file", "name the file itself"),
    errno.EACCES: ("this file or folder is not yours to read or write", "change its permissions, or name another"),
    errno.ENXIO: ("this is no file that can be opened", "give a file"),
}  # fmt: skip
"""By error number of the system: what it says, and what to do."""

WORDS = {
    errno.ENOSPC: ("No space left on device", "os error 28"),
    errno.EFBIG: ("File too large", "os error 27"),
    errno.EIO: ("Input/output error", "os error 5)"),
}
"""How libraries that are not written in Python say the same."""


def of_disk(error: BaseException) -> UserError | None:
    """The error of a disk behind an exception, in our words; None where there is none."""
    for cause in _causes(error):
        number = cause.errno if isinstance(cause, OSError) else _number(str(cause))
        if number in DISK:
            what, fix = DISK[number]
            return UserError(what, str(getattr(cause, "filename", None) or ""), fix)
    return None


def _number(text: str) -> int:
    return next((number for number, words in WORDS.items() if any(word in text for word in words)), 0)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
