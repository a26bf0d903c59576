"""Texts that are longer than a model's context, read in windows that do not overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from suites.model import LogLikelihood

Pair = tuple[list[int], list[int]]
"""Ids of a context and of what is scored after it."""


def rolled(pairs: Sequence[Pair], alone: Sequence[bool], longest: int) -> tuple[list[Pair], list[int]]:
    """The pairs, those that stand `alone` and are too long as windows of at most `longest` ids; and whose each is.

    Every id is scored once; the last window reaches back as far as it can. As lm-evaluation-harness rolls over a text
    with a context of one (`get_rolling_token_windows`), whose windows are one id longer than a model's context, as the
    last id need not be read.
    """
    windows: list[Pair] = []
    of: list[int] = []
    for position, ((context, scored), is_alone) in enumerate(zip(pairs, alone, strict=True)):
        cut = longest - 1 if is_alone and len(context) + len(scored) > longest else max(len(scored), 1)
        for start in range(0, max(len(scored), 1), cut):
            end = min(start + cut, len(scored))
            windows.append((context if start == 0 else scored[max(0, end - longest) : start], scored[start:end]))
            of.append(position)
    return windows, of


def summed(scores: Mapping[int, LogLikelihood], of: Sequence[int], count: int) -> list[LogLikelihood]:
    """The log-likelihoods of `count` texts out of those of their windows."""
    parts: list[list[LogLikelihood]] = [[] for _ in range(count)]
    for window, position in enumerate(of):
        parts[position].append(scores[window])
    return [LogLikelihood(sum(s.logprob for s in each), all(s.is_greedy for s in each)) for each in parts]
