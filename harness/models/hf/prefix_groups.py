"""What requests have in common: which share a prefix that is worth computing once. Token ids in, indices out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Tokens = Sequence[int]


@dataclass(frozen=True, slots=True)
class Group:
    """Requests, by index, whose first `prefix` tokens are the same."""

    prefix: int
    members: list[int]


def common(one: Tokens, other: Tokens) -> int:
    """How many tokens two lists have in common from the beginning."""
    short = min(len(one), len(other))
    return next((i for i in range(short) if one[i] != other[i]), short)


def group(rows: Sequence[Tokens], cost: int) -> list[Group]:
    """Requests grouped by shared beginnings so that fewer tokens are read; each keeps at least one of its own.

    A group costs `cost` tokens more than reading its rows with the others, which form one group without a prefix.
    In alphabetical order all rows that share a beginning are neighbours, so candidates are the segments over which the
    neighbours' common length does not fall below its minimum: a tree, built with a stack as for the largest rectangle
    in a histogram. Each segment is a group or leaves it to its parts, whichever saves more. Rows that no part takes
    could still share the segment's short beginning; exams whose prompts differ so are rare, and the gain is small.
    """
    order = sorted(range(len(rows)), key=lambda i: tuple(rows[i]))
    open_segments: list[_Segment] = []
    for last, height in enumerate([*_heights(rows, order), -1]):
        segment = _Segment(height, last)
        while open_segments and open_segments[-1].height > height:
            done = open_segments.pop()
            done.take(segment)
            saved = done.height * (last - done.first) - cost
            if saved > done.saved:
                done.saved, done.groups = saved, [Group(done.height, order[done.first : last + 1])]
            segment.first, segment.saved, segment.groups = done.first, done.saved, done.groups
        if open_segments and open_segments[-1].height == height:
            open_segments[-1].take(segment)
        else:
            open_segments.append(segment)
    groups = open_segments[0].groups
    shared = {i for each in groups for i in each.members}
    rest = [i for i in order if i not in shared]
    return [*groups, Group(0, rest)] if rest else groups


@dataclass(slots=True)
class _Segment:
    """Neighbours from `first` on with `height` tokens in common, and the best groups found within them."""

    height: int
    first: int
    saved: int = 0
    groups: list[Group] = field(default_factory=list)

    def take(self, other: _Segment) -> None:
        self.saved += other.saved
        self.groups += other.groups


def _heights(rows: Sequence[Tokens], order: Sequence[int]) -> list[int]:
    """What neighbours have in common, short of a whole row."""
    pairs = [(rows[i], rows[j]) for i, j in pairwise(order)]
    return [min(common(one, other), len(one) - 1, len(other) - 1) for one, other in pairs]
