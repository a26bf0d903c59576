"""A judge that decides: what it is asked beside the exam of the chosen prompt, and what it makes answers worth.

On validation each arm's answers stand before it with those of the first arm, so that all are held against the same.
On the exam the candidate's stand with those of every prompt of the bar. Both orders are asked, as ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness.config.judging import JudgeConfig
from harness.config.models import ModelConfig
from harness.evaluation.exam import put_abilities
from harness.experiment import specs
from harness.judge import ask
from harness.judge.ask import Judged
from harness.judge.judges import Asked, Judge, judged, recorded
from harness.judge.jury import Jury
from harness.judge.meter import Metered
from harness.models.late import Late
from harness.store import judging, runs
from harness.store.database import Store
from suites.judges.pairwise import Pair, load_rubric
from suites.metrics.table import of_judge
from suites.model import Generation, Model, ModelSpec
from suites.types import Example, Run, Score, Suite

if TYPE_CHECKING:
    from harness.experiment.session import Session

UNANSWERED = Score(None, "a side has no answer")
EVEN = Score(0.5)
"""An answer beside itself."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Puts the answers of two runs before the judge and on record."""

    store: Store
    experiment_id: str
    who: Judge

    def hear(self, run_id: str, against: str, examples: Sequence[Example], what: str) -> Sequence[Judged]:
        """What the judge says of both answers to each example; those of `run_id` are the first."""
        said = judged(self.who, pairs(self.store, run_id, against, examples), what)
        judging.put_contest(self.store, ask.contest_rows(self.experiment_id, run_id, against, said, self.who))
        return said

    def rehearsal(self, taken: Sequence[Run], suite: Suite) -> Mapping[str, Mapping[str, Score]]:
        """What the answers of each run are worth beside those of the first run, whose own are worth half."""
        anchor, *others = taken
        worth: dict[str, Mapping[str, Score]] = {anchor.id: dict.fromkeys(runs.texts(self.store, anchor.id), EVEN)}
        for run in others:
            if run.id not in worth:
                said = self.hear(run.id, anchor.id, suite.examples, f"{run.arm} beside {anchor.arm}")
                worth[run.id] = ask.preferences(said)[1]
        return {run_id: whole(scores, suite.examples) for run_id, scores in worth.items()}


def whole(scores: Mapping[str, Score], examples: Sequence[Example]) -> dict[str, Score]:
    """What answers are worth, and none for those that a side never gave."""
    return {example.id: scores.get(example.id, UNANSWERED) for example in examples}


def decides(session: Session) -> bool:
    """Whether a judge's preference is the metric that decides."""
    return of_judge(session.experiment.config.task.ordered_metrics[0])


def hearing(session: Session) -> Hearing | None:
    """The hearing of an experiment; None where no judge decides."""
    config = session.experiment.config.judge
    if config is None or not decides(session):
        return None
    return Hearing(session.store, session.id, judge_of(session, config))


def judge_of(session: Session, config: JudgeConfig, asked: list[Metered] | None = None) -> Judge:
    """Who judges: one model, or several, which join those that are `asked`, or those whose verdicts are recorded."""
    experiment = session.experiment
    if config.recorded:
        given: Sequence[Judge] = recorded(experiment.resolve(config.recorded))
        return given[0] if len(given) == 1 else Jury.of(given)
    given = [_asked(session, config, model, asked) for model in config.deciding]
    return given[0] if len(given) == 1 else Jury.of(given)


def first_of(session: Session, config: JudgeConfig, asked: list[Metered]) -> Judge | None:
    """The cheap judge of a cascade, which joins those that are `asked`; None without one."""
    return _asked(session, config, config.cascade.first, asked) if config.cascade else None


def _asked(session: Session, config: JudgeConfig, model: ModelConfig, asked: list[Metered] | None) -> Judge:
    metered = Metered(Late(partial(_model, session, specs.model_spec(session.experiment, model))))
    if asked is not None:
        asked.append(metered)
    rubric = load_rubric(config.rubric, session.experiment.folder)
    return Asked(metered, rubric, Generation(max_new_tokens=config.max_new_tokens), config.read)


def _model(session: Session, spec: ModelSpec) -> Model:
    return session.model(spec).noting(partial(put_abilities, session.store, session.id, "judge"))


def pairs(store: Store, run_id: str, against: str, examples: Sequence[Example]) -> list[Pair]:
    """The answers of two runs to every example that both answered; those of `run_id` are the first."""
    ours, theirs = (runs.texts(store, one) for one in (run_id, against))
    both = [example for example in examples if example.id in ours and example.id in theirs]
    return [Pair(e.id, e.input, ours[e.id], theirs[e.id], e.target) for e in both]
