"""A judge's word on the exam as it is on record, and what may hang on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.decision.compare import Comparison, Question
from harness.decision.compare_judge import compare_judged, without_trust
from harness.experiment.session import Session
from harness.judge import ask, labels, trust
from harness.judge.ask import Judged
from harness.judge.calibration import error_of
from harness.judge.cascade import first_words
from harness.judge.trust import Trust
from harness.stats.judge_error import JudgeError
from harness.stats.spending import level_of_look
from harness.store import judging
from harness.store.database import Store
from reports.rows import RunRow

Asked = Sequence[tuple[str, str]]
"""(id, cluster) of every example."""


@dataclass(frozen=True, slots=True)
class Word:
    """What the judge said in an experiment. `error` is how it errs; without `trust` nothing is shown by what it says,
    and `labels` says what labels would do. `people` is their own word on a random part of the exam's pairs with the
    chosen prompt; where a part of all was `drawn` for the judge, that stands for the whole."""

    store: Store
    experiment_id: str
    trust: Trust
    error: JudgeError | None
    labels: str
    people: Mapping[str, float]
    drawn: bool

    @property
    def distrust(self) -> str:
        """Why nothing may hang on it; empty where something may."""
        return self.trust.reason

    def on(self, base: RunRow, candidate: RunRow) -> Sequence[Judged]:
        """What it said of the candidate's answers, the first of each pair, and those of a prompt of the bar."""
        if base.chosen:
            return ask.read_verdicts(self.store, self.experiment_id)
        return ask.read_contest(self.store, self.experiment_id, candidate.run_id, base.run_id)

    def asked(self, examples: Asked) -> Asked:
        """Of some examples those that the judge's word was sought on."""
        if not self.drawn:
            return examples
        part = {item.pair.id for item in ask.read_verdicts(self.store, self.experiment_id)}
        return [example for example in examples if example[0] in part]

    def answer(
        self, question: Question, examples: Asked, said: Sequence[Judged], confidence: float, look: int
    ) -> Comparison:
        """Wins minus losses of the candidate in people's eyes; as the judge sees them, and nothing shown by it, where
        it is not trusted. In a cascade the interval of one that is not trusted is that of its own word."""
        examples = self.asked(examples)
        preferences = {item.pair.id: value for item in said if (value := ask.WORTH[item.choice]) is not None}
        longer = {item.pair.id: ask.WORTH[item.longer] or 0.0 for item in said}
        level = level_of_look(look, confidence)
        people = self.people if question.kind != "prompt" else None
        first = first_words(said)
        if self.error is None and first is None:
            why = "; ".join(filter(None, (self.distrust or "how it errs is not known", self.labels)))
            return without_trust(question, examples, preferences, why, confidence, level, look)
        return compare_judged(
            question, examples, preferences, longer, self.error,
            people=people if self.error else None, first=first, confidence=confidence, level=level, look=look,
        )  # fmt: skip


def word(session: Session) -> Word | None:
    """The judge's word in an experiment; None where there is no judge."""
    config, store = session.experiment.config, session.store
    if config.judge is None:
        return None
    measures = judging.measures(store, session.id)
    standing, wanted = trust.trust(measures, config.policy), labels.wanted(measures, config.policy)
    error = error_of(*ask.read_labelled(store, session.id)) if standing.standing == "trusted" else None
    people, drawn = ask.read_own_labels(store, session.id), config.judge.max_pairs is not None
    return Word(store, session.id, standing, error, wanted.told if wanted else "", people, drawn)
