"""Answers already given, by the hash of what produced them, so that no model is asked anything twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from harness.store.database import Store
from suites.model import Completion, LogLikelihood


@dataclass(frozen=True, slots=True)
class StoredCompletion:
    """A row of `completions`: what came, thinking and all, under its key, with the text that the model read."""

    completion_id: str
    prompt: str
    text: str
    finish: str
    tokens_in: int
    tokens_out: int
    seconds: float
    error: str | None
    scores: Mapping[str, float] | None
    reasoning: str


def stored(completion_id: str, prompt: str, completion: Completion) -> StoredCompletion:
    """A completion as it goes on record."""
    given = {field.name: getattr(completion, field.name) for field in fields(completion) if field.name != "thinking"}
    return StoredCompletion(completion_id, prompt, **given)


@dataclass(frozen=True, slots=True)
class _Given:
    completion_id: str
    text: str
    finish: Literal["stop", "length", "error"]
    tokens_in: int
    tokens_out: int
    seconds: float
    scores: str | None
    reasoning: str


def completions(store: Store, ids: Sequence[str]) -> dict[str, Completion]:
    """Answers already given, as they came, by completion id; errors are not answers and are left out."""
    sql = """select completion_id, text, finish, tokens_in, tokens_out, seconds, scores, reasoning
             from completions where error is null and completion_id in (select unnest(?))"""
    return {
        row.completion_id: Completion(
            row.text,
            row.finish,
            row.tokens_in,
            row.tokens_out,
            row.seconds,
            scores=json.loads(row.scores or "null"),
            reasoning=row.reasoning,
        )
        for row in store.fetch(_Given, sql, [list(ids)])
    }


def put_completions(store: Store, records: Sequence[StoredCompletion]) -> None:
    """Put answers on record, in place of earlier ones under the same key."""
    store.insert("completions", records, replace=True)


@dataclass(frozen=True, slots=True)
class _StoredLogLikelihood:
    loglikelihood_id: str
    logprob: float
    is_greedy: bool


def loglikelihoods(store: Store, ids: Sequence[str]) -> dict[str, LogLikelihood]:
    """Log-likelihoods already computed, by id."""
    sql = """select loglikelihood_id, logprob, is_greedy from loglikelihoods
             where loglikelihood_id in (select unnest(?))"""
    rows = store.fetch(_StoredLogLikelihood, sql, [list(ids)])
    return {row.loglikelihood_id: LogLikelihood(row.logprob, row.is_greedy) for row in rows}


def put_loglikelihoods(store: Store, loglikelihoods: Mapping[str, LogLikelihood]) -> None:
    """Put log-likelihoods on record, by id."""
    store.insert("loglikelihoods", [_StoredLogLikelihood(key, *scores) for key, scores in loglikelihoods.items()])
