"""What hangs together, also through others: the connected components of a graph.

In a few lines of numpy: the library's own takes longer to import than most data takes to check.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def first_of_groups(count: int, one: Ints, other: Ints) -> Ints:
    """For each of `count` positions the first of all that links, from `one` to `other`, tie it to.

    Each round ties the first of every group to the lowest one beside it and every row to the first of its group, so
    that chains halve (Shiloach and Vishkin 1982, "An O(log n) parallel connectivity algorithm", J Algorithms 3:57).
    """
    first: Ints = np.arange(count, dtype=np.int64)
    while True:
        here, there = first[one], first[other]
        if (apart := here != there).any():
            one, other, here, there = one[apart], other[apart], here[apart], there[apart]
            np.minimum.at(first, np.maximum(here, there), np.minimum(here, there))
            while (jumped := first[first] != first).any():
                first[jumped] = first[first[jumped]]
        else:
            return first
