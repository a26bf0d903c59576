"""Keys of this process, kept out of everything that is written: what is in the environment under a key's name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

HIDDEN = "***"

SHORTEST = 8
"""Characters of the shortest value that is taken for a secret; a shorter one may be any word of an answer."""

_NAMED = re.compile(r"(?:^|_)(?:API_?KEY|ACCESS_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD)(?:_ID)?$", re.IGNORECASE)


def hider(names: Iterable[str | None] = ()) -> Callable[[str], str]:
    """A function that puts `***` for every secret in a text: the values of environment variables named as keys are,
    such as `HF_TOKEN`, and of those in `names`, whatever they are called, if they have at least 8 characters."""
    own = {name for name in names if name}
    secrets = {value for name, value in os.environ.items() if name in own or _NAMED.search(name)}
    # The longest first: where one key begins with another, nothing of it is left over.
    parts = sorted((re.escape(secret) for secret in secrets if len(secret) >= SHORTEST), key=len, reverse=True)
    if not parts:
        return str
    pattern = re.compile("|".join(parts))
    return lambda text: pattern.sub(HIDDEN, text)
