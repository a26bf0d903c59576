"""Keys of this process, kept out of everything that is written: what is in the environment under a key's name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

HIDDEN = "***"

SHORTEST = 8
"""Characters of the shortest value that is taken for a secret; a shorter one may be any word of an answer."""

SHORTEST_IN_ANSWERS = 16
"""The same in an answer, which is marked afterwards: what local servers take for a key may be words of it."""

_NAMED = re.compile(r"(?:^|_)(?:API_?KEY|ACCESS_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD)(?:_ID)?$", re.IGNORECASE)


def hider(names: Iterable[str | None] = ()) -> Callable[[str], str]:
    """A function that puts `***` for every secret in what a program or server says of itself: the values of environment
    variables named as keys are, such as `HF_TOKEN`, and of those in `names`, if they have at least 8 characters."""
    own = {name for name in names if name}
    return _hiding({value for name, value in os.environ.items() if name in own or _NAMED.search(name)}, SHORTEST)


def key_hider(name: str | None) -> Callable[[str], str]:
    """The same for answers: of the key that was sent, in the variable `name`, alone, if it has at least 16 characters.
    Nothing else of the environment was sent, and an answer is not to be changed for a word that happens to be there."""
    return _hiding({os.environ.get(name, "")} if name else set(), SHORTEST_IN_ANSWERS)


def _hiding(secrets: set[str], shortest: int) -> Callable[[str], str]:
    # The longest first: where one key begins with another, nothing of it is left over.
    parts = sorted((re.escape(secret) for secret in secrets if len(secret) >= shortest), key=len, reverse=True)
    if not parts:
        return str
    pattern = re.compile("|".join(parts))
    return lambda text: pattern.sub(HIDDEN, text)
