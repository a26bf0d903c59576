"""The instruction, and before each question the passages of a corpus that fit it best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from baselines.arm import Prompter
from baselines.prompters.types import Given, PromptSettings
from baselines.retrieval.corpus import read_corpus
from baselines.retrieval.passages import Passages
from baselines.retrieval.written import PASSAGES
from baselines.template import shown_columns


class Rag(PromptSettings):
    """The instruction, and before each question the passages of a corpus that fit it best (BM25), numbered `[1]`.

    A prompt that shows `{{ passages }}` has them there instead, or takes them one by one, as in
    `{% for passage in passages %}{{ passage.text }}{% endfor %}`.
    """

    shorthand: ClassVar[str | None] = "corpus"
    corpus: Annotated[str, Field(min_length=1, json_schema_extra={"format": "path"})]
    """Texts: a file, a folder, or a pattern such as `docs/**/*.md`. Files of rows (JSONL, JSON, CSV, Parquet) have
    theirs in a column `text`, and may have an `id`."""
    passages: Annotated[int, Field(ge=1, le=64)] = 3
    """Passages shown; fewer where fewer share a word with the question."""
    chunk: Annotated[int, Field(ge=16, le=10_000)] = 200
    """Words that a passage has at most; longer texts are cut where paragraphs, sentences or words end."""
    gold: str | None = None
    """Column of the examples with the ids of passages, or documents, that hold the answer. Left out: how often they are
    found is not told."""


def label(settings: Rag) -> str:
    """What such a prompt is called."""
    return f"rag {Path(settings.corpus.rstrip('/*')).stem} {settings.passages}"


def build(settings: Rag, given: Given) -> Prompter:
    """The prompter that an experiment file asks for. Raises UserError for a corpus that cannot be read."""
    columns = tuple(sorted(shown_columns(given.template, given.name) - {"input", PASSAGES}))
    corpus = read_corpus(settings.corpus, given.folder, settings.chunk)
    passages = Passages(corpus, settings.passages, columns, settings.gold)
    return Prompter(given.name, given.template, passages=passages)
