"""The instruction, and before each question the passages of a corpus that fit it best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from baselines.arm import Prompter
from baselines.prompters.few_shot import ShotSettings, by_encoder, with_shots
from baselines.prompters.few_shot import label as shots_label
from baselines.prompters.types import EncoderName, Given, PromptSettings
from baselines.retrieval.corpus import read_corpus
from baselines.retrieval.passages import Passages
from baselines.retrieval.written import PASSAGES
from baselines.template import shown_columns


class Rag(PromptSettings):
    """The instruction, and before each question the passages of a corpus that fit it best, numbered `[1]`.

    A prompt that shows `{{ passages }}` has them there instead, or takes them one by one, as in
    `{% for passage in passages %}{{ passage.text }}{% endfor %}`.
    """

    shorthand: ClassVar[str | None] = "corpus"
    later: ClassVar[tuple[str, ...]] = (*PromptSettings.later, "encoder", "few_shot")
    corpus: Annotated[str, Field(min_length=1, json_schema_extra={"format": "path"})]
    """Texts: a file, a folder, or a pattern such as `docs/**/*.md`. Files of rows (JSONL, JSON, CSV, Parquet) have
    theirs in a column `text`, and may have an `id`."""
    passages: Annotated[int, Field(ge=1, le=64)] = 3
    """Passages shown; fewer where, without an `encoder`, fewer share a word with the question."""
    chunk: Annotated[int, Field(ge=16, le=10_000)] = 200
    """Words that a passage has at most; longer texts are cut where paragraphs, sentences or words end."""
    gold: str | None = None
    """Column of the examples with the ids of passages, or documents, that hold the answer. Left out: how often they are
    found is not told."""
    encoder: EncoderName | None = None
    """What says which passages fit: a folder or Hub id of an encoder that sentence-transformers reads. Left out: the
    words that they share with the question (BM25)."""
    few_shot: ShotSettings | None = None
    """Training examples shown beside the passages, as `few_shot` shows them, each with passages of its own. Left out:
    none."""


def label(settings: Rag) -> str:
    """What such a prompt is called."""
    named = [f"rag {Path(settings.corpus.rstrip('/*')).stem} {settings.passages}", *by_encoder(settings.encoder)]
    return " ".join([*named, *([shots_label(settings.few_shot)] if settings.few_shot else [])])


def build(settings: Rag, given: Given) -> Prompter:
    """The prompter that an experiment file asks for. Raises UserError for a corpus that cannot be read."""
    columns = tuple(sorted(shown_columns(given.template, given.name) - {"input", PASSAGES}))
    corpus = read_corpus(settings.corpus, given.folder, settings.chunk)
    encoder = given.encoder_of(settings.encoder)
    bare = Prompter(
        given.name, given.template, passages=Passages(corpus, settings.passages, columns, settings.gold, encoder)
    )
    return with_shots(bare, settings.few_shot, given) if settings.few_shot else bare
