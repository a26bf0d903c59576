"""JSON Schemas and regular expressions by llguidance, whose masks leave nothing out that JSON may not hold."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import llguidance.hf
import llguidance.numpy
import numpy as np
import torch
import transformers
from llguidance import LLExecutor, LLMatcher, LLTokenizer

from suites.errors import UserError
from suites.model import Constraint

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

SPACED: JsonCompileOptions = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""JSON on one line, spaced as models and `json.dumps` write it. White space without bound takes all tokens there are:
of 24 answers that could have any amount 6 did not end."""

PROBE = '{"a": "b c-d", "key_2": [1, -2.5, true, null]}'
"""JSON of all kinds: a tokenizer that writes this otherwise than letter by letter as it is read cannot be held."""


def grammar_of(constraint: Constraint, lead: str = "") -> str:
    """A constraint in llguidance's language, its answers after the text `lead`."""
    if constraint.kind == "regex":
        rule = f"{_escaped(lead)}({_whole(constraint.rule)})" if lead else constraint.rule
        return str(LLMatcher.grammar_from_regex(rule))
    if not lead:
        return str(LLMatcher.grammar_from_json_schema(constraint.rule, overrides=SPACED))
    schema = {**json.loads(constraint.rule), "x-guidance": SPACED}
    return str(LLMatcher.grammar_from_lark(f"start: {json.dumps(lead)} answer\nanswer: %json {json.dumps(schema)}\n"))


def refusal(constraint: Constraint) -> str:
    """Why a constraint cannot be enforced; empty where it can."""
    try:
        bad, told = LLMatcher.validate_grammar_with_warnings(grammar_of(constraint))
    except ValueError as error:
        return str(error)
    return _shortened(told[0]) if bad else ""


def tokens_of(tokenizer: transformers.PreTrainedTokenizerFast, end: int, vocabulary: int) -> LLTokenizer | str:
    """A tokenizer as llguidance reads it, whose answers end with the token `end`; or why it cannot."""
    try:
        return llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=end)
    except ValueError as error:
        return _shortened(str(error))


class Parse:
    """An answer under way in a grammar."""

    def __init__(self, matcher: LLMatcher, end: int) -> None:
        self.matcher, self._end = matcher, end
        self._ended = False

    def take(self, token: int) -> None:
        self._ended = token == self._end
        if not self.matcher.consume_token(token):  # its limits on memory and time, as the token was allowed
            what = f"answers cannot be held to this any further: {_shortened(self.matcher.get_error())}"
            raise UserError(what, "constrain", "say it in simpler words, or leave `constrain` out")

    def rest(self) -> list[int]:
        """The end, where the grammar leaves nothing else."""
        return [self._end] if not self._ended and self.matcher.is_stopped() else []


@dataclass
class Grammar:
    """Holds answers to a grammar; the token `end` ends one."""

    grammar: str
    tokens: LLTokenizer
    end: int
    longest: int | None = None

    def start(self) -> Parse:
        return Parse(self._fresh.deep_copy(), self.end)

    def mask(self, courses: Sequence[Parse], logits: torch.Tensor) -> torch.Tensor:
        bits = llguidance.numpy.allocate_token_bitmask(len(courses), self.tokens.vocab_size)
        matchers = [(course.matcher, row) for row, course in enumerate(courses)]
        llguidance.numpy.fill_next_token_bitmask_par(self._executor, matchers, bits)
        allowed = np.unpackbits(bits.view(np.uint8), axis=1, count=self.tokens.vocab_size, bitorder="little")
        hidden = torch.ones(logits.shape, dtype=torch.bool)
        width = min(hidden.shape[-1], allowed.shape[-1])  # rows beyond the vocabulary are no tokens
        hidden[:, :width] = torch.from_numpy(allowed[:, :width] == 0)
        return logits.masked_fill(hidden.to(logits.device), -torch.inf)

    def reads(self, ids: Sequence[int]) -> bool:
        """Whether these tokens are an answer, whole."""
        matcher = self._fresh.deep_copy()
        return matcher.try_consume_tokens(list(ids)) == len(ids) and matcher.is_accepting()

    @cached_property
    def _fresh(self) -> LLMatcher:
        return LLMatcher(self.tokens, self.grammar)

    @cached_property
    def _executor(self) -> LLExecutor:
        return LLExecutor()


def _whole(rule: str) -> str:
    """A rule without anchors, which say nothing of an answer that matches it whole."""
    return re.sub(r"(?<!\\)\$$", "", rule.removeprefix("^"))


def _escaped(text: str) -> str:
    return "".join(f"\\x{{{ord(letter):x}}}" for letter in text)


def _shortened(told: str) -> str:
    """What a library says, in a line; of a pattern the last of it, which is not about the grammar around it."""
    said = " ".join(told.split())
    return re.sub(r" 1 \| start: .*", "", said.rpartition(" error: ")[2])[:300]
