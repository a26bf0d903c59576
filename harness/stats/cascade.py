"""A strong judge's mean word where a cheap one was asked first, and the strong one about a part.

Of every pair the cheap judge's word c is known. Where it contradicts itself, says tie or cannot be read the strong
judge's word s is known too, and of the rest on all pairs of prompts that were drawn at random. With

    z = s where the strong judge was asked for want of a word, slope * c elsewhere

and the share f of the pairs that were drawn, the strong judge's mean word over all pairs is estimated by

    mean of s - (1 - f) z over the drawn pairs + (1 - f) * mean of z over the others,

which is the difference estimator, mean of z over all + mean of s - z over the drawn ones (Cassel, Saerndal and Wretman
1976, Biometrika 63:615), written as two parts without a pair in common. They are tested as people's labels and a
judge's word are (`prediction_powered`): a cheap judge that is wrong makes the interval wider, and moves nothing.

The slope is that of s on c through the origin over the drawn pairs, within [0, 1], so that a word that means nothing is
not used; on a drawn pair it is found from the other prompts, without which it would lean towards that very pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.prediction_powered import PredictionPowered, prediction_powered
from harness.stats.score_test import Array, Clusters, Numbers, numbered


@dataclass(frozen=True, slots=True)
class First:
    """Of each pair the cheap judge's word in [-1, 1], NaN where it has none that may stand alone, and whether the pair
    was drawn; no cluster is drawn in part."""

    word: Array
    drawn: NDArray[np.bool_]


def cascaded(
    strong: Array,
    first: First,
    clusters: Clusters | None = None,
    less: Array | None = None,
    reach: float = 1.0,
) -> PredictionPowered | None:
    """The strong judge's mean word, `less` taken off pair by pair; words in [-1, 1], and after that within `reach`.

    `strong` is read where a pair was drawn or the first judge has no word. None with fewer than three clusters drawn,
    or one that is not.
    """
    cheap, drawn = first.word, first.drawn
    group = numbered(list(range(len(strong))) if clusters is None else clusters)
    offset = np.zeros(len(strong)) if less is None else less
    alone, rest = ~np.isnan(cheap), ~drawn
    word, groups = np.where(alone, cheap, 0.0), _numbered(group[drawn])
    slopes = _slopes(word[drawn], np.where(alone, strong, 0.0)[drawn], groups)
    ours = np.where(alone[drawn], slopes * word[drawn], strong[drawn])
    others = np.where(alone[rest], float(slopes.mean()) * word[rest], strong[rest]) if rest.any() else strong[rest]
    weight = 1 - float(drawn.mean())
    return prediction_powered(
        strong[drawn] - offset[drawn], ours - offset[drawn], others - offset[rest],
        groups, _numbered(group[rest]), weight, reach,
    )  # fmt: skip


def _slopes(cheap: Array, strong: Array, groups: Numbers) -> Array:
    """Of each drawn pair, from the pairs of other prompts; 0 where they tell none."""
    both, alone = (np.bincount(groups, weights=values) for values in (cheap * strong, cheap * cheap))
    found = (both.sum() - both) / np.maximum(1.0, alone.sum() - alone)
    slopes: Array = np.clip(found, 0.0, 1.0)[groups]
    return slopes


def _numbered(group: Numbers) -> Numbers:
    """From 0, none left out."""
    return np.unique(group, return_inverse=True)[1]
