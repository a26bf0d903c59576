"""Drawing by lot: an order that has nothing to do with what is drawn, and is the same every time."""

from __future__ import annotations

import hashlib


def lot(*names: object) -> str:
    """What something is drawn by, to sort by or to seed with: a hash of its names, of a seed among them."""
    return hashlib.sha256(" ".join(map(str, names)).encode("utf-8", "surrogatepass")).hexdigest()
