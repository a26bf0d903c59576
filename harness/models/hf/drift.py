"""What a model expects at every token of a text, and how far another one's expectations are from that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from harness.models.errors import NonFiniteWeights
from harness.models.hf.model import HFModel
from harness.models.rolling import rolled
from suites.errors import UserError
from suites.probes.drift import Read

MOST = 128
"""So many of a base's likeliest tokens are kept at each place; all others are one event."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Of a text: its token ids, the base's likeliest tokens at each place with their log-probabilities (the rest last),
    and the text's own log-likelihood."""

    ids: list[int]
    tokens: torch.Tensor
    logprobs: torch.Tensor
    own: float


def expectations(model: HFModel, texts: Sequence[str]) -> list[Expectation]:
    """How a base reads texts. Few numbers of each are kept, so that it need not stay in memory beside the other."""
    found = []
    for text, ids in zip(texts, _encoded(model, texts), strict=True):
        tokens, kept, own = [], [], 0.0
        for logprobs, wanted in _read(model, ids, text):
            values, indices = logprobs.topk(min(MOST, logprobs.shape[-1]))
            tokens.append(indices)
            kept.append(_with_rest(values))
            own += float(logprobs.gather(-1, wanted[:, None]).sum())
        found.append(Expectation(ids, torch.cat(tokens), torch.cat(kept), own))
    return found


def divergences(model: HFModel, texts: Sequence[str], base: Sequence[Expectation]) -> list[Read]:
    """How far the base's expectations are from the model's: the mean over tokens of KL(base || model) in nats.

    What is unlikely to the base counts as one event, so that it is a lower bound (Cover and Thomas 2006, 2.7), exact
    for up to MOST tokens. Raises UserError for a model that reads other tokens.
    """
    found = []
    for text, ids, expected in zip(texts, _encoded(model, texts), base, strict=True):
        if ids != expected.ids:
            fix = "leave the drift probe out; it is for a fine-tune of the base with the base's tokenizer"
            raise UserError("the candidate reads text as other tokens than its base does", model.identity.name, fix)
        at, far, own = 0, 0.0, 0.0
        for logprobs, wanted in _read(model, ids, text):
            rows = slice(at, at + len(wanted))
            mine = _with_rest(logprobs.gather(-1, expected.tokens[rows]))
            theirs = expected.logprobs[rows]
            far += float((theirs.exp() * (theirs - mine)).sum())
            own += float(logprobs.gather(-1, wanted[:, None]).sum())
            at += len(wanted)
        found.append(Read(own, max(0.0, far / at), at))
    return found


def _with_rest(logprobs: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of some tokens, and last that of all others together."""
    rest = (1 - logprobs.exp().sum(-1, keepdim=True)).clamp_min(1e-9).log()
    return torch.cat([logprobs, rest], -1)


def _encoded(model: HFModel, texts: Sequence[str]) -> list[list[int]]:
    pairs = model.chat.encode_pairs([("", text) for text in texts])
    if any(not scored for _, scored in pairs):
        raise UserError("a passage of the drift probe has no tokens", model.identity.name)
    return [[*context, *scored] for context, scored in pairs]


def _read(model: HFModel, ids: list[int], text: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Log-probabilities [tokens, vocabulary] of all that may come at each place, and what comes; window by window."""
    windows, _ = rolled([(ids[:1], ids[1:])], [True], model.context_length + 1)
    for context, scored in windows:
        logits = model.logits([*context, *scored][:-1])[len(context) - 1 :]
        logprobs = logits.log_softmax(-1)
        if not logprobs.isfinite().all():
            raise NonFiniteWeights(f"The logits of {model.identity.name} are not finite on {text[:40]!r}.")
        yield logprobs, torch.tensor(scored)
