"""What hangs together."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from suites.similarity.groups import first_of_groups


def groups(count: int, *links: tuple[int, int]) -> list[int]:
    one, other = np.array(links, dtype=np.int64).reshape(-1, 2).T
    return first_of_groups(count, one, other).tolist()


def test_what_is_tied_through_others_has_one_first_row() -> None:
    assert groups(0) == []
    assert groups(3) == [0, 1, 2]
    assert groups(6, (5, 4), (4, 1), (3, 2), (0, 0)) == [0, 1, 2, 2, 1, 1]


def test_a_chain_in_any_order_is_one_group() -> None:
    order = np.random.default_rng(0).permutation(5_000)
    assert set(first_of_groups(5_000, order[:-1], order[1:]).tolist()) == {0}


@pytest.mark.parametrize("n_links", [10, 100, 300])
def test_groups_are_the_connected_components(n_links: int) -> None:
    rng = np.random.default_rng(n_links)
    one, other = rng.integers(0, 200, (2, n_links))
    first = first_of_groups(200, one, other)
    ties = coo_array((np.ones(n_links, np.int8), (one, other)), shape=(200, 200))
    _, label = connected_components(ties, directed=False)
    assert first.tolist() == [int(np.argmax(label == own)) for own in label]
