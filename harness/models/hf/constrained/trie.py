"""A trie of tokenised answers: the answer is one of them, in the tokens that the model itself writes it with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch


@dataclass(slots=True)
class Node:
    """A beginning that some answers share, with the nodes that may follow by their token; none follow an end."""

    then: dict[int, Node] = field(default_factory=dict)
    tokens: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))
    rest: list[int] | None = None

    def close(self) -> None:
        """Work out what is asked at every step of every answer."""
        for node in self.then.values():
            node.close()
        self.tokens = torch.tensor(sorted(self.then), dtype=torch.long)
        ends = [token for token, node in self.then.items() if not node.then]
        if len(ends) == len(self.then):  # one answer is left; any of the tokens that end it will do
            self.rest = ends[:1]
        elif len(self.then) == 1:
            [(token, node)] = self.then.items()
            self.rest = None if node.rest is None else [token, *node.rest]


class Walk:
    """An answer under way in a trie."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def take(self, token: int) -> None:
        self.node = self.node.then[token]

    def rest(self) -> list[int]:
        return self.node.rest or []


class Trie:
    """Holds answers to some sequences of tokens, each followed by any token of `stop`.

    An answer that another begins with is told from it by what follows: an end, or more of the other.
    """

    def __init__(self, answers: Iterable[Sequence[int]], stop: Iterable[int]) -> None:
        self.longest: int | None = 0
        ends = sorted(stop)
        self.root = Node()
        for tokens in answers:
            node = self.root
            for token in tokens:
                node = node.then.setdefault(token, Node())
            node.then |= {end: Node() for end in ends}
            self.longest = max(self.longest or 0, len(tokens) + 1)
        self.root.close()

    def start(self) -> Walk:
        return Walk(self.root)

    def mask(self, courses: Sequence[Walk], logits: torch.Tensor) -> torch.Tensor:
        width = logits.shape[-1]
        kept = torch.cat([course.node.tokens + row * width for row, course in enumerate(courses)]).to(logits.device)
        masked = torch.full_like(logits, -torch.inf)
        masked.view(-1)[kept] = logits.reshape(-1)[kept]
        return masked
