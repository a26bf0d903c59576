"""People's labels on the exam's own pairs: the order to label them in, and how far down it they have come.

The order is random, made of names alone before anybody has said anything. So whatever the pairs down to the first one
without a label are, they are a random part of the exam, and `stats.prediction_powered` may rest on them. Pairs of one
cluster stand together, since one that is labelled in half is no part by itself. Two equal answers need no label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from harness.judge.ask import Choice, Label
from suites.judges.pairwise import Pair
from suites.text.lots import lot

TURNED: Mapping[Choice, Choice] = {"first": "second", "second": "first", "tie": "tie"}


def label_order(pairs: Sequence[Pair], clusters: Mapping[str, str], seed: int) -> list[Pair]:
    """The pairs in the order to label them in, by the experiment's seed; `clusters` by example id."""
    return sorted(pairs, key=lambda pair: (lot(seed, clusters[pair.id]), lot(seed, pair.id)))


def labels_of(pairs: Sequence[Pair], labelled: Sequence[tuple[Pair, Label]]) -> dict[str, Choice]:
    """What people said of pairs of the exam, by example id: of those with the same input and the same two answers."""
    said: dict[tuple[str, str, str], Choice] = {}
    for pair, label in labelled:
        said[pair.input, pair.first, pair.second] = label.choice
        said[pair.input, pair.second, pair.first] = TURNED[label.choice]
    found = {pair.id: said.get((pair.input, pair.first, pair.second)) for pair in pairs}
    return {name: choice for name, choice in found.items() if choice}


def random_part(order: Sequence[Pair], clusters: Mapping[str, str], labels: Mapping[str, Choice]) -> dict[str, Choice]:
    """People's word on the pairs from the top of the order down to the first cluster that is not labelled whole.

    Equal answers are a tie. Labels further down are no part of it.
    """
    known: dict[str, Choice] = {**{pair.id: "tie" for pair in order if pair.first == pair.second}, **labels}
    missing = next((clusters[pair.id] for pair in order if pair.id not in known), None)
    part: dict[str, Choice] = {}
    for pair in order:
        if clusters[pair.id] == missing:
            break
        part[pair.id] = known[pair.id]
    return part


def to_label(order: Sequence[Pair], labels: Mapping[str, Choice], seed: int) -> str:
    """The pairs as lines of a calibration file: a label where there is one, else an empty one to fill in.

    Which answer stands first is drawn, so that nobody sees whose it is.
    """
    lines = []
    for pair in order:
        if pair.first == pair.second:
            continue
        label = labels.get(pair.id)
        turn = int(lot(seed + 1, pair.id), 16) % 2
        first, second = (pair.second, pair.first) if turn else (pair.first, pair.second)
        shown = (TURNED[label] if turn else label) if label else ""
        row = {"id": f"exam-{pair.id}", "input": pair.input, "first": first, "second": second, "label": shown}
        lines.append(_line(row))
    return "".join(f"{line}\n" for line in lines)


def _line(row: Mapping[str, str]) -> str:
    """Readable, but for a row with what cannot be shown (marks of direction, separators), which is escaped."""
    line = json.dumps(row, ensure_ascii=False)
    return line if line.isprintable() else json.dumps(row)
