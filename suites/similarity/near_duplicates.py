"""Which texts are almost the same: pairs of texts by the character 5-grams they share.

The search is exact: its filters leave out only pairs that cannot reach the threshold, and what is left is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHARACTERS = 5
# A 5-gram is known by how common it is and then by its hash, so that sorting puts the rarest first.
HASH_BITS, COUNT_BITS = 44, 18
BUCKET_BITS = 22  # at most: a few texts have few 5-grams to count, and clearing a table takes longer than they do
BITMAP_BITS = 1024
# Numbers worked on at a time: what bounds the memory beyond the 5-grams themselves.
BATCH = 1 << 20
NOTHING = np.iinfo(np.int64).max

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Marks = NDArray[np.bool_]


def similarities(plain: Sequence[str], first: Ints, second: Ints) -> NDArray[np.float64]:
    """The Jaccard similarity of the 5-grams of texts at pairs of positions, none of them blank."""
    used, at = np.unique(np.concatenate([first, second]), return_inverse=True)
    grams = _Grams([plain[index] for index in used])
    rows = np.empty(len(used), np.int64)
    rows[grams.texts] = np.arange(len(used))
    one, other = np.split(rows[at], 2)
    shared = grams.shared(one, other)
    similarity: NDArray[np.float64] = shared / (grams.sizes[one] + grams.sizes[other] - shared)
    return similarity


def near_pairs(plain: Sequence[str], threshold: float, sides: Ints | None = None) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of positions whose sets of character 5-grams have a Jaccard similarity of at least `threshold`, in batches.

    The texts are normalised already; a blank one is like no other. Each pair comes once, in either order; with `sides`,
    one number for each text, only pairs of texts on different sides. `threshold` lies in (0, 1], or ValueError. Every
    such pair is found: prefix and length filter (Bayardo et al. 2007, "Scaling up all pairs similarity search", WWW),
    position filter (Xiao et al. 2008, "Efficient similarity joins for near duplicate detection", WWW), bitmap filter
    (Sandes et al. 2017, arXiv:1711.07295), then the count itself, on 44-bit hashes of the 5-grams.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"a Jaccard threshold lies above 0 and at most at 1, not at {threshold}")
    grams = _Grams(plain)
    sides = None if sides is None else sides[grams.texts]
    for first, second in _candidates(grams, threshold, sides):
        least = _least_shared(grams.sizes[first] + grams.sizes[second], threshold)
        same = grams.shared(first, second) >= least
        yield grams.texts[first[same]], grams.texts[second[same]]


def _least_shared(total: Ints, threshold: float) -> Ints:
    """The fewest shared elements of two sets of `total` elements together: J >= t where shared >= t/(1+t) total."""
    least: Ints = np.ceil(threshold / (1 + threshold) * total - 1e-9).astype(np.int64)
    return least


class _Grams:
    """The sets of 5-grams of all texts that are not blank, in rows from the smallest set to the largest.

    `texts[row]` is the position of the text, `sizes[row]` the size of its set; `sets` is a sparse matrix with a one
    for each 5-gram of a row, the rarest first, and `bitmaps` its parity sketch.
    """

    def __init__(self, plain: Sequence[str]) -> None:
        from scipy.sparse import csr_array

        rows = sorted((index for index, text in enumerate(plain) if text), key=lambda index: len(plain[index]))
        ordered = [plain[index] for index in rows]
        common = _counts(ordered)
        parts = [_keys(hashes, common) for hashes in _hashed(ordered)]
        sizes = np.concatenate([np.zeros(0, np.int64), *(sizes for _, sizes in parts)])
        keys = np.concatenate([np.zeros(0, np.int64), *(keys for keys, _ in parts)])
        del parts
        starts = np.concatenate([[0], np.cumsum(sizes)])
        shape = (len(rows), 1 << (HASH_BITS + COUNT_BITS))
        by_size = np.argsort(sizes, kind="stable")
        self.sets: Any = csr_array((np.ones(len(keys), np.int8), keys, starts), shape=shape)[by_size]
        self.sizes: Ints = sizes[by_size]
        self.texts: Ints = np.array(rows, dtype=np.int64)[by_size]
        self.bitmaps = _bitmaps(self.sets.indices, self.sets.indptr)

    def near(self, first: Ints, second: Ints, allowed: Ints) -> Ints:
        """Which pairs, by position, may differ in no more than `allowed` elements.

        Each bit in which two parity sketches differ stands for an element, or more, of one set only. Most pairs show
        enough of them in the first words of the sketch.
        """
        pairs = np.arange(len(first))
        for words in self.bitmaps:
            allowed = allowed - np.bitwise_count(words[first] ^ words[second])
            possible = np.flatnonzero(allowed >= 0)
            pairs, first, second, allowed = pairs[possible], first[possible], second[possible], allowed[possible]
        return pairs

    def shared(self, first: Ints, second: Ints) -> Ints:
        """How many 5-grams two rows have in common, for each pair of rows."""
        counts = [np.zeros(0, np.int64)]
        for part in batches(self.sizes[first] + self.sizes[second]):
            both = self.sets[first[part]].multiply(self.sets[second[part]])
            counts.append(np.diff(both.indptr))
        return np.concatenate(counts)


def batches(weights: Ints) -> Iterator[slice]:
    """Slices of consecutive items whose weights add up to `BATCH` or, for a heavy item, little more."""
    if len(weights):
        number = (np.cumsum(weights) - weights) // BATCH
        edges = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(weights)]
        yield from (slice(start, end) for start, end in pairwise(edges))


def _hashed(ordered: Sequence[str]) -> Iterator[tuple[Hashes, Marks]]:
    """Hashes of 5-grams, a row per text, and which of them are there; texts come in batches of similar length."""
    for part in batches(np.array([len(text) + CHARACTERS for text in ordered], dtype=np.int64)):
        lengths = np.array([len(text) for text in ordered[part]])
        width = max(int(lengths[-1]), CHARACTERS)
        codes = np.array(ordered[part], dtype=f"U{width}").view(np.uint32).reshape(len(lengths), width)
        count = width - CHARACTERS + 1
        hashes = np.zeros((len(lengths), count), np.uint64)
        for offset in range(CHARACTERS):
            hashes = (hashes + codes[:, offset : offset + count]) * np.uint64(0x9E3779B97F4A7C15)
            hashes ^= hashes >> np.uint64(29)
        yield hashes >> np.uint64(64 - HASH_BITS), np.arange(count) < np.maximum(lengths - CHARACTERS + 1, 1)[:, None]


def _buckets(hashes: Hashes, bits: int) -> Ints:
    return (hashes >> np.uint64(HASH_BITS - bits)).astype(np.int64)


def _counts(ordered: Sequence[str]) -> Ints:
    """How often the 5-grams of each bucket of hashes occur: the order from rare to common needs no more."""
    bits = min(BUCKET_BITS, sum(map(len, ordered)).bit_length() + 2)
    common = np.zeros(1 << bits, np.int64)
    for hashes, there in _hashed(ordered):
        common += np.bincount(_buckets(hashes[there], bits), minlength=len(common))
    return np.minimum(common, (1 << COUNT_BITS) - 1)


def _keys(hashed: tuple[Hashes, Marks], common: Ints) -> tuple[Ints, Ints]:
    """The distinct 5-grams of each row one after another, the rarest first, and how many each row has."""
    hashes, there = hashed
    bits = len(common).bit_length() - 1
    keys = (common[_buckets(hashes, bits)] << HASH_BITS) | hashes.astype(np.int64)
    keys[~there] = NOTHING
    keys.sort(axis=1)
    distinct = keys != NOTHING
    distinct[:, 1:] &= keys[:, 1:] != keys[:, :-1]
    return keys[distinct], distinct.sum(axis=1)


def _bitmaps(keys: Ints, starts: Ints) -> list[Hashes]:
    """Parity sketches: word w of a row's sketch has a bit set where an odd number of its elements hash to it."""
    count = len(starts) - 1
    bits = np.zeros((count, BITMAP_BITS // 8), np.uint8)
    for part in batches(np.maximum(np.diff(starts), BITMAP_BITS)):
        rows = np.arange(part.start, part.stop)
        sizes = np.diff(starts[part.start : part.stop + 1])
        inside = keys[starts[part.start] : starts[part.stop]] % BITMAP_BITS
        flat = np.repeat(rows - part.start, sizes) * BITMAP_BITS + inside
        odd = np.bincount(flat, minlength=len(rows) * BITMAP_BITS) & 1
        bits[part] = np.packbits(odd.astype(np.uint8).reshape(len(rows), BITMAP_BITS), axis=1)
    return list(np.ascontiguousarray(bits.view(np.uint64).T))


def _candidates(grams: _Grams, threshold: float, sides: Ints | None) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of rows that share a rare 5-gram early enough in both to reach the threshold; each pair once."""
    sizes = grams.sizes
    # Two sets that reach the threshold share an element among the first of either (Bayardo et al. 2007, section 4.3);
    # the smaller set of a pair can do with fewer of them.
    seek = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    keep = sizes - _least_shared(2 * sizes, threshold) + 1
    row = np.repeat(np.arange(len(sizes)), seek)
    position = np.arange(len(row)) - np.repeat(np.cumsum(seek) - seek, seek)
    low, high, kept = _postings(grams.sets.indices[grams.sets.indptr[row] + position], position < keep[row])
    left = sizes[row] - position
    kept_row, kept_left = row[kept], left[kept]
    counts = high - low
    for rows in batches(np.bincount(row, weights=counts, minlength=len(sizes)).astype(np.int64)):
        span = slice(*np.searchsorted(row, [rows.start, rows.stop]))
        postings = _ranges(low[span], counts[span])
        first, second = kept_row[postings], np.repeat(row[span], counts[span])
        total = sizes[first] + sizes[second]
        # Where a pair meets for the first time, all that it shares is still to come.
        to_come = np.minimum(kept_left[postings], np.repeat(left[span], counts[span]))
        possible = to_come >= threshold / (1 + threshold) * total - 1e-9
        if sides is not None:
            possible &= sides[first] != sides[second]
        first, second, total = first[possible], second[possible], total[possible]
        pairs = grams.near(first, second, total - 2 * _least_shared(total, threshold))
        codes = np.unique(first[pairs] * len(sizes) + second[pairs])
        yield codes // len(sizes), codes % len(sizes)


def _postings(keys: Ints, keep: Marks) -> tuple[Ints, Ints, Ints]:
    """For every entry the range of kept entries with the same key that come before it.

    `kept[low[e]:high[e]]` are those entries of entry `e`.
    """
    order = np.argsort(keys, kind="stable")
    keys, keep = keys[order], keep[order]
    before: Ints = np.cumsum(keep) - keep
    new = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)])
    low: Ints = np.empty_like(before)
    high: Ints = np.empty_like(before)
    low[order] = np.repeat(before[new], np.diff(new, append=len(keys)))
    high[order] = before
    return low, high, order[keep]


def _ranges(starts: Ints, counts: Ints) -> Ints:
    """The numbers start, start + 1, ... of each of many ranges, one range after another."""
    offsets: Ints = np.repeat(starts - (np.cumsum(counts) - counts), counts)
    return offsets + np.arange(len(offsets))
