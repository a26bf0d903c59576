"""The passages of a corpus that say most about a question, and how well they are found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from baselines.retrieval.bm25 import index_of
from baselines.retrieval.corpus import Corpus
from baselines.retrieval.ranking import ranked_by, ranking_of
from baselines.retrieval.written import Passage
from suites.similarity.encoder import Encoder
from suites.similarity.identity import asked
from suites.types import Example


@dataclass(frozen=True)
class Passages:
    """Finds for each question the `most` passages of a corpus that fit it best, by BM25 or as an `encoder` has it, the
    best first.

    A question is what is asked with it: its input and the `columns` that the prompt shows. `gold` is a column of the
    examples that names the passages, or documents, which hold the answer.
    """

    corpus: Corpus
    most: int
    columns: tuple[str, ...] = ()
    gold: str | None = None
    encoder: Encoder | None = None
    _known: dict[str, list[Passage]] = field(default_factory=dict, compare=False, repr=False)

    def find(self, examples: Sequence[Example]) -> list[list[Passage]]:
        """The passages shown beside each example; by BM25 none that shares no word with it."""
        texts = asked(examples, self.columns, systems=False)
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        found = ranking_of(self._texts, self.encoder, "document").best_of_each(new, self.most) if new else []
        self._known.update(
            (text, [self.corpus.passages[at] for at, _ in hits]) for text, hits in zip(new, found, strict=True)
        )
        return [self._known[text] for text in texts]

    def near(self, text: str, most: int) -> list[Passage]:
        """The passages that share most words with any text."""
        return [self.corpus.passages[at] for at, _ in index_of(self._texts).best(text, most)]

    @property
    def digest(self) -> str:
        """sha256 of the corpus and the rule by which it is searched."""
        by = [self.encoder.digest] if self.encoder else []
        told = json.dumps([self.corpus.digest, self.most, self.columns, *by])
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def about(self) -> str:
        """What is found, for whoever has to find it again elsewhere."""
        return (
            f"the {self.most:,} of the {len(self.corpus.passages):,} passages of {self.corpus.name} that fit the "
            f"question best ({ranked_by(self.encoder)}), before it"
        )

    def cut(self) -> int:
        """How many passages are longer than the encoder reads."""
        return sum(self.encoder.cut(self._texts)) if self.encoder else 0

    def ranks(self, examples: Sequence[Example]) -> list[int | None]:
        """For each example with a gold passage the rank, from 1, of the first one that is shown; None where none is."""
        named = [(example, wanted) for example in examples if (wanted := self._gold(example))]
        found = self.find([example for example, _ in named])
        return [
            next((rank for rank, each in enumerate(shown, 1) if {each.id, each.document} & wanted), None)
            for (_, wanted), shown in zip(named, found, strict=True)
        ]

    def _gold(self, example: Example) -> set[str]:
        value = example.columns.get(self.gold or "")
        named = value if isinstance(value, list) else [value] if value not in (None, "") else []
        return {str(each) for each in named}

    @property
    def _texts(self) -> tuple[str, ...]:
        return tuple(passage.text for passage in self.corpus.passages)
