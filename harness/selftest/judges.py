"""Accidents of the judge, as `faults` has those of everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.config.exam import JudgeConfig
from harness.experiment.session import Session
from harness.judge.ask import longer, read_labelled
from harness.judge.calibration import calibration_measures, read_calibration
from harness.models.cache import Cached
from harness.models.echo import EchoModel
from harness.pipeline.judge import judge, pairs_of
from harness.pipeline.word import word
from harness.selftest.inject import NotApplicable, Planted
from harness.store import judging
from suites.judges.pairwise import Pair, Rubric, ask, load_rubric
from suites.model import Completion, Identity, Model, ModelSpec, Prompt

FEW = 16
"""Labelled pairs that check no judge."""

SLOTS = {"first": "A", "second": "B", "tie": "tie"}


def judge_says_a(session: Session) -> Planted:
    """The judge follows the slot, not the answer. Its own verdict is not named: it may have no say in it."""
    heard_judge(session)
    judge(OtherJudge(session, AlwaysA()))
    return Planted("the judge says A to every pair in both orders", advisory="judge")


class AlwaysA(EchoModel):
    """A judge that prefers the first slot, whatever stands in it."""

    def __init__(self) -> None:
        self.identity = Identity(name="always A", weights="always A", engine="self-test")

    def _answer(self, prompt: Prompt) -> Completion:
        return Completion("verdict: A")


def judge_likes_length(session: Session) -> Planted:
    """The judge takes the longer answer, whatever it says."""
    settings, experiment = heard_judge(session), session.experiment
    pairs = pairs_of(session)
    if settings.calibration:
        pairs += [pair for pair, _ in read_calibration(experiment.resolve(settings.calibration))]
    judge(OtherJudge(session, TakesTheLonger(load_rubric(settings.rubric, experiment.folder), pairs)))
    return Planted("the judge takes the longer answer of every pair", advisory="judge")


def few_labelled_pairs(session: Session) -> Planted:
    """Somebody labelled a handful of pairs, and the judge happened to agree."""
    heard_judge(session)
    judged, labels = read_labelled(session.store, session.id)
    measures = calibration_measures(judged[:FEW], labels[:FEW], session.experiment.config.policy.confidence)
    judging.put_measures(session.store, session.id, measures)
    return Planted(f"all but {FEW} labelled pairs taken away", advisory="judge")


def heard_judge(session: Session) -> JudgeConfig:
    """The judge of an experiment in which it has a say."""
    config = session.experiment.config
    if config.judge is None:
        raise NotApplicable("there is no judge")
    if config.policy.judge.tier == "advisory":
        raise NotApplicable("the judge has no say as it is: `policy.judge` makes it advisory")
    if (said := word(session)) and said.distrust:
        raise NotApplicable(f"the judge has no say as it is: {said.distrust}")
    return config.judge


class TakesTheLonger(EchoModel):
    """A judge that prefers the longer answer of the pairs it knows."""

    def __init__(self, rubric: Rubric, pairs: Sequence[Pair]) -> None:
        self.identity = Identity(name="takes the longer", weights="takes the longer", engine="self-test")
        turned = [replace(pair, first=pair.second, second=pair.first) for pair in pairs]
        self._words = {self.render(ask(rubric, pair)): SLOTS[longer(pair)] for pair in (*pairs, *turned)}

    def _answer(self, prompt: Prompt) -> Completion:
        return Completion(f"verdict: {self._words[self.render(prompt)]}")


class OtherJudge(Session):
    """A session in which one model answers whichever is asked."""

    def __init__(self, session: Session, model: Model) -> None:
        super().__init__(session.experiment, session.store)
        self.splits, self._answers = session.splits, model

    def model(self, spec: ModelSpec) -> Cached:
        return Cached(self._answers, self.store)
