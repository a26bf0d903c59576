"""Answers and log-likelihoods of token ids, fast: a shared prefix once, no padding, a finished row makes room."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch
from torch.nn import Module

from harness.models.hf.attention import NAME, KeyValues, Layers, Pass, branching_rows, next_tokens, whole_rows
from harness.models.hf.constrained.course import Course, Holder
from harness.models.hf.prefix_groups import group
from suites.model import Generation, LogLikelihood

PASS_TOKENS = {"cpu": 1_024, "mps": 4_096, "cuda": 16_384}
"""How many prompt tokens one forward pass may hold. On a CPU half as many take up to a fifth longer, twice as many
gain little."""

ROWS = {"cpu": 64, "mps": 64, "cuda": 256}
"""How many rows are decoded together. Beyond that a CPU's matrix products get no faster per row."""

KEPT_BYTES = 2**30
"""What the keys and values of the rows may take; on a GPU half of what is free."""

REFILL = 4
"""New rows come in once this share of the places is free: one pass over several prompts is faster than several."""

LOGITS = 2**28
"""How many logits one pass may give."""

DECODE_TOKENS, SCORE_TOKENS = 8, 64
"""What one more group of requests costs, in prompt tokens: for each decoding step, and for a pass that scores."""

T = TypeVar("T")
Pair = tuple[list[int], list[int]]
log = logging.getLogger(__name__)


@dataclass
class Row:
    """A request at work: its tokens after the shared prefix, the answer so far, and its share of the time.

    `chance` draws tokens, `course` says which may come.
    """

    index: int
    own: list[int]
    new: list[int] = field(default_factory=list)
    seconds: float = 0.0
    chance: torch.Generator | None = None
    course: Course | None = None


@dataclass(frozen=True, slots=True)
class _Work:
    """How rows are answered, and what holds their answers."""

    generation: Generation
    held: Holder[Any] | None


@dataclass(frozen=True, slots=True)
class Question:
    """A context after the shared prefix, and the answers asked about it, each with its requests' indices."""

    context: list[int]
    answers: list[tuple[list[int], list[int]]]

    @property
    def fed(self) -> list[list[int]]:
        """What the model reads: nothing has to follow an answer's last token."""
        return [self.context, *(answer[:-1] for answer, _ in self.answers)]

    @property
    def length(self) -> int:
        return sum(len(part) for part in self.fed)

    @property
    def answer_tokens(self) -> int:
        """How many tokens are asked about."""
        return sum(len(answer) for answer, _ in self.answers)


class Way(Protocol):
    """How requests are worked on: how many at once just now, and how to ask for less."""

    at_once: int

    def halve(self) -> None:
        """Half as many requests at once from now on."""


def in_memory(
    way: Way, n: int, work: Callable[[list[int]], Iterator[list[tuple[int, T]]]]
) -> Iterator[list[tuple[int, T]]]:
    """`work` on all indices below `n`; when memory runs out, on what is left with half as many at once."""
    left = set(range(n))
    while left:
        try:
            for done in work(sorted(left)):
                left -= {index for index, _ in done}
                yield done
        except torch.OutOfMemoryError:
            if way.at_once == 1:
                raise
        # The exception holds the tensors, so the retry waits until it is gone.
        if left:
            way.halve()
            log.warning("out of memory with %d requests at once; going on with %d", way.at_once, way.at_once // 2)
            torch.cuda.empty_cache()


class Engine:
    """A model at work on as many requests at once as suit the device.

    Takes requests of up to `longest` tokens, answer included. Raises torch.OutOfMemoryError when one request is too
    large for the device; before that it goes on with fewer at once.
    """

    def __init__(self, model: Module, device: str, stop: Sequence[int], longest: float = math.inf) -> None:
        self._model, self._device, self._stop, self.longest = model, device, frozenset(stop), longest
        self._pass_tokens, self._rows = PASS_TOKENS[device], ROWS[device]
        self.at_once = 0

    def generate(
        self, prompts: Sequence[list[int]], generation: Generation, held: Holder[Any] | None = None
    ) -> Iterator[list[tuple[int, Row]]]:
        """Finished rows as they come, each with the index of its prompt; what they say is `held` to a constraint."""
        work = _Work(generation, held)
        return in_memory(self, len(prompts), lambda left: self._generate(prompts, left, work))

    def loglikelihood(self, pairs: Sequence[Pair]) -> Iterator[list[tuple[int, LogLikelihood]]]:
        """Of each (context, answer), with its index; contexts are not empty."""
        return in_memory(self, len(pairs), lambda left: self._score_all(pairs, left))

    def halve(self) -> None:
        """Half as many requests at once from now on."""
        self._rows, self._pass_tokens = max(1, self.at_once // 2), max(1, self._pass_tokens // 2)

    # --- answers

    def _generate(
        self, prompts: Sequence[list[int]], left: Sequence[int], work: _Work
    ) -> Iterator[list[tuple[int, Row]]]:
        generation = work.generation
        for each in group([prompts[i] for i in left], DECODE_TOKENS * generation.max_new_tokens):
            started = time.perf_counter()
            members = [left[i] for i in each.members]
            with self._ours():
                prefix = self._read_prefix(prompts[members[0]][: each.prefix])
            share = (time.perf_counter() - started) / len(members)
            rows = [Row(i, prompts[i][each.prefix :], seconds=share) for i in members]
            if generation.temperature > 0:
                for row in rows:
                    row.chance = _chance(prompts[row.index], generation.seed)
            if work.held:
                for row in rows:
                    row.course = work.held.start()
            yield from self._answer(rows, prefix, work)

    def _answer(self, rows: list[Row], prefix: Layers, work: _Work) -> Iterator[list[tuple[int, Row]]]:
        """Rows with one prefix: the longest come first, and a row that is done leaves its place to the next."""
        waiting = deque(sorted(rows, key=lambda row: -len(row.own)))
        width = len(waiting[0].own) + work.generation.max_new_tokens
        cache = KeyValues(min(self._rows, len(rows), self._affordable(width)), width, prefix)
        active: list[Row] = []
        while waiting or active:
            started = time.perf_counter()
            with self._ours():
                worked = self._admit(waiting, active, cache, work) or self._step(active, cache, work)
                for row in worked:
                    row.seconds += (time.perf_counter() - started) / len(worked)
                done = self._leave(active, cache, work.generation.max_new_tokens)
            if done:
                yield [(row.index, row) for row in done]

    def _affordable(self, width: int) -> int:
        free = torch.cuda.mem_get_info()[0] // 2 if self._device == "cuda" else KEPT_BYTES
        return max(1, int(free // (width * self._token_bytes())))

    def _token_bytes(self) -> int:
        """What the keys and values of one token take."""
        config = self._model.config.get_text_config()
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        return int(2 * config.num_hidden_layers * heads * size * self._model.dtype.itemsize)

    def _admit(self, waiting: deque[Row], active: list[Row], cache: KeyValues, work: _Work) -> list[Row]:
        """Read the prompts of the next rows, as many as there is room for; none while too few would fit."""
        free = cache.rows - len(active)
        if not waiting or free < min(len(waiting), -(-cache.rows // REFILL)):
            return []
        fitting = max(1, self._pass_tokens // len(waiting[0].own))
        rows = [waiting.popleft() for _ in range(min(fitting, free, len(waiting)))]
        lengths = [len(row.own) for row in rows]
        self.at_once = cache.rows
        plan = whole_rows(cache, len(active), lengths, self._device)
        last = (torch.tensor(lengths).cumsum(0) - 1).to(self._device)
        active += rows
        _extend(rows, self._logits([token for row in rows for token in row.own], plan, last), work)
        return rows

    def _step(self, active: list[Row], cache: KeyValues, work: _Work) -> list[Row]:
        """One more token for every row."""
        self.at_once = cache.rows
        plan = next_tokens(cache, [len(row.own) + len(row.new) - 1 for row in active], self._device)
        _extend(active, self._logits([row.new[-1] for row in active], plan, None), work)
        return active

    def _leave(self, active: list[Row], cache: KeyValues, limit: int) -> list[Row]:
        """Take out the rows that are done; the last ones move into their places."""
        done = []
        for index in reversed(range(len(active))):
            row = active[index]
            if row.new[-1] in self._stop or len(row.new) == limit:
                done.append(row)
                moved = active.pop()
                if moved is not row:
                    active[index] = moved
                    cache.move(len(active), index)
        return done

    # --- log-likelihoods

    def _score_all(self, pairs: Sequence[Pair], left: Sequence[int]) -> Iterator[list[tuple[int, LogLikelihood]]]:
        requests: dict[tuple[int, ...], dict[tuple[int, ...], list[int]]] = {}
        for i in left:
            context, answer = pairs[i]
            requests.setdefault(tuple(context), {}).setdefault(tuple(answer), []).append(i)
        contexts = list(requests)
        for each in group(contexts, SCORE_TOKENS):
            with self._ours():
                prefix = self._read_prefix(contexts[each.members[0]][: each.prefix])
            questions = [_question(contexts[i], requests[contexts[i]], each.prefix) for i in each.members]
            for batch in self._batches(sorted(questions, key=lambda question: -question.length)):
                self.at_once = len(batch)
                with self._ours():
                    scores = self._score(batch, prefix)
                yield scores

    def _batches(self, questions: Sequence[Question]) -> Iterator[list[Question]]:
        vocabulary = self._model.get_input_embeddings().num_embeddings
        batch: list[Question] = []
        for question in questions:
            longer = [*batch, question]
            tokens, logits = sum(q.length for q in longer), vocabulary * sum(q.answer_tokens for q in longer)
            if batch and (tokens > self._pass_tokens or logits > LOGITS):
                yield batch
                longer = [question]
            batch = longer
        if batch:
            yield batch

    def _score(self, questions: list[Question], prefix: Layers) -> list[tuple[int, LogLikelihood]]:
        lengths = [[len(part) for part in question.fed] for question in questions]
        cache = KeyValues(len(questions), max(sum(parts) for parts in lengths), prefix, keep=False)
        plan = branching_rows(cache, lengths, self._device)
        ids = [token for question in questions for part in question.fed for token in part]
        logits = self._logits(ids, plan, torch.tensor(_predicting(lengths), device=self._device)).float()
        wanted = torch.tensor([token for q in questions for answer, _ in q.answers for token in answer])
        wanted = wanted.to(self._device)
        scores = (logits.gather(-1, wanted[:, None])[:, 0] - logits.logsumexp(-1)).cpu()
        greedy = (logits.argmax(-1) == wanted).cpu()
        scored, start = [], 0
        for answer, indices in (each for question in questions for each in question.answers):
            span = slice(start, start := start + len(answer))
            score = LogLikelihood(float(scores[span].sum()), bool(greedy[span].all()))
            scored += [(i, score) for i in indices]
        return scored

    # --- the model

    def _read_prefix(self, ids: Sequence[int]) -> Layers:
        """The keys and values of the tokens that all rows begin with."""
        if not ids:
            return []
        cache = KeyValues(1, len(ids))
        self.at_once = 1
        self._logits(ids, whole_rows(cache, 0, [len(ids)], self._device), torch.tensor([0], device=self._device))
        return [(keys[0], values[0]) for keys, values in cache.own]

    def _logits(self, ids: Sequence[int], plan: Pass, kept: torch.Tensor | None) -> torch.Tensor:
        """(tokens or kept, vocabulary): what the model expects after each token, or after those at `kept`."""
        output = self._model(
            input_ids=torch.tensor([ids], device=self._device),
            position_ids=plan.position_ids,
            use_cache=False,
            logits_to_keep=0 if kept is None else kept,
            rows=plan,
        )
        logits: torch.Tensor = output.logits[0]
        return logits

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """Our attention in the model, without gradients; given back before anyone else has the turn."""
        config = self._model.config
        before, config._attn_implementation = config._attn_implementation, NAME
        try:
            with torch.inference_mode():
                yield
        finally:
            config._attn_implementation = before


def _question(context: Sequence[int], answers: dict[tuple[int, ...], list[int]], prefix: int) -> Question:
    return Question(list(context[prefix:]), [(list(answer), indices) for answer, indices in answers.items()])


def _predicting(lengths: Sequence[Sequence[int]]) -> list[int]:
    """For each token of each answer the place of the token before it; rows are context and fed answers in lengths."""
    positions, start = [], 0
    for context, *answers in lengths:
        end = start + context
        for fed in answers:
            positions += [start + context - 1, *range(end, end + fed)]
            end += fed
        start = end
    return positions


def _extend(rows: Sequence[Row], logits: torch.Tensor, work: _Work) -> None:
    """Add the next token to each row: the likeliest, or one drawn with the row's own luck."""
    if work.held:
        logits = work.held.mask([row.course for row in rows], logits)
    if work.generation.temperature == 0:
        tokens = logits.argmax(-1)
    else:
        drawn = torch.cat([torch.rand(1, generator=row.chance) for row in rows]).to(logits.device)
        sums = (logits.float() / work.generation.temperature).softmax(-1).cumsum(-1)
        tokens = torch.searchsorted(sums, (drawn[:, None] * sums[:, -1:])).squeeze(-1).clamp(max=sums.shape[-1] - 1)
        if work.held:  # a draw of exactly 0 or of the whole sum may fall beside what is allowed
            beside = logits.gather(-1, tokens[:, None])[:, 0].isneginf()
            tokens = torch.where(beside, logits.argmax(-1), tokens)
    for row, token in zip(rows, tokens.tolist(), strict=True):
        row.new.append(token)
        if row.course:
            row.course.take(token)
            row.new += row.course.rest()


def _chance(ids: Sequence[int], seed: int) -> torch.Generator:
    """Luck that depends on the seed and the prompt alone, so that the company in a batch changes no answer."""
    digest = hashlib.sha256(repr((seed, ids)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
