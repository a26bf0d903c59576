"""How much a text has in common with the one of many that is most like it, by the words they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from suites.normalise import normalise

AT_ONCE = 256


def nearest(asked: Sequence[str], train: Sequence[str]) -> NDArray[np.float64]:
    """For each text the largest share of different words, of both together, that it has in common with one of `train`
    (Jaccard 1901), case and punctuation aside."""
    return nearest_rows(asked, train)[0]


def nearest_rows(asked: Sequence[str], train: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The same, and the place in `train` of the text that it is of: the first of equals, 0 where none shares a word."""
    from scipy.sparse import csr_array

    sets = [set(normalise(text).split()) for text in (*asked, *train)]
    codes: dict[str, int] = {}
    column = [codes.setdefault(word, len(codes)) for words in sets for word in words]
    sizes = np.array([len(words) for words in sets], dtype=np.float64)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    matrix = csr_array((np.ones(len(column)), np.array(column, dtype=np.int64), starts), shape=(len(sets), len(codes)))
    pool, found, places = matrix[len(asked) :].T.tocsr(), np.zeros(len(asked)), np.zeros(len(asked), dtype=np.int64)
    for start in range(0, len(asked), AT_ONCE):
        shared = (matrix[start : min(start + AT_ONCE, len(asked))] @ pool).tocoo()
        row, other = shared.coords[0] + start, shared.coords[1] + len(asked)
        shares = shared.data / (sizes[row] + sizes[other] - shared.data)
        order = np.lexsort((other, -shares, row))
        _, first = np.unique(row[order], return_index=True)
        best = order[first]
        found[row[best]], places[row[best]] = shares[best], other[best] - len(asked)
    return found, places
