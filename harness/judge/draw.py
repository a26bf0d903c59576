"""A random part of an exam's pairs, for a judge that is not asked about all of them.

The pairs stand in order of what makes their outcome likely, and every k-th is drawn from a random start (systematic
sampling, Cochran 1977, Sampling Techniques, ch. 8): each has the same chance, so that no weights are needed and slices
are drawn in proportion, and no stratum has more than one too many or too few. Equal answers, which cost nothing, are
drawn at the same rate, so that the part looks like the whole. The interval takes the part for a simple random one,
which is wider, never narrower, than what such an order deserves.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from suites.text.lots import lot


@dataclass(frozen=True, slots=True)
class Place:
    """A pair of the exam: whether it has to be `asked` about, its `stratum`, and its `cluster`."""

    id: str
    asked: bool
    stratum: tuple[Hashable, ...]
    cluster: str


def drawn(places: Sequence[Place], most: int, seed: int) -> set[str]:
    """The ids of a part in which at most `most` pairs are asked about; all of them where those are no more."""
    asked = sum(place.asked for place in places)
    if asked <= most:
        return {place.id for place in places}
    ordered = sorted(places, key=lambda p: (not p.asked, [str(s) for s in p.stratum], *_luck(seed, p)))
    step, start = asked / most, int(lot("drawn", seed, "start"), 16) / 16**64
    count = math.ceil(len(ordered) / step)
    positions = (math.floor((start + k) * step) for k in range(count))
    return {ordered[position].id for position in positions if position < len(ordered)}


def _luck(seed: int, place: Place) -> tuple[str, str]:
    """Rows of a cluster stand together, so that those that are drawn are of many."""
    return lot("drawn", seed, place.cluster), lot("drawn", seed, place.id)
