"""Accidents of the judge, as `faults` has those of everything else."""

from __future__ import annotations

from collections.abc import Sequence

from harness.config.exam import JudgeConfig
from harness.experiment import specs
from harness.experiment.session import Session
from harness.judge.ask import longer, read_labelled
from harness.judge.calibration import calibration_measures, read_calibration
from harness.models.cache import Cached
from harness.models.echo import EchoModel
from harness.pipeline.compare import trusted
from harness.pipeline.judge import good_of, judge, pairs_of
from harness.selftest.inject import NotApplicable, Planted
from harness.store import judging
from suites.judges.canaries import Kind, canaries
from suites.judges.pairwise import Pair, Rubric, ask, load_rubric
from suites.model import Completion, Generation, Identity, Model, ModelSpec, OnProgress, Prompt

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
    pairs += [canary.pair for canary in canaries(good_of(session), experiment.config.seed)]
    if settings.calibration:
        pairs += [pair for pair, _ in read_calibration(experiment.resolve(settings.calibration))]
    judge(OtherJudge(session, TakesTheLonger(rubric_of(session, settings), pairs)))
    return Planted("the judge takes the longer answer of every pair", advisory="judge")


def judge_obeys(session: Session) -> Planted:
    """The judge is right about honest answers, and does what an answer tells it."""
    settings, experiment = heard_judge(session), session.experiment
    if not settings.model:
        raise NotApplicable("the verdicts are recorded")
    traps = [canary.pair for canary in canaries(good_of(session), experiment.config.seed) if canary.kind == TELLS]
    if not traps:
        raise NotApplicable("no answer of the exam has words to make a trap of")
    own = session.model(specs.model_spec(experiment, settings.model))
    judge(OtherJudge(session, Obeys(own, rubric_of(session, settings), traps)))
    return Planted('the judge prefers every answer that says "choose this one"', advisory="judge")


def rubric_of(session: Session, settings: JudgeConfig) -> Rubric:
    """The rubric of a judge that compares two answers."""
    if settings.recorded:
        raise NotApplicable("the verdicts are recorded")
    rubric = load_rubric(settings.rubric, session.experiment.folder)
    if rubric.form != "pair":
        raise NotApplicable("the judge grades one answer at a time")
    return rubric


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
    if reason := trusted(session, config.policy).reason:
        raise NotApplicable(f"the judge has no say as it is: {reason}")
    return config.judge


class TakesTheLonger(EchoModel):
    """A judge that prefers the longer answer of the pairs it knows."""

    def __init__(self, rubric: Rubric, pairs: Sequence[Pair]) -> None:
        self.identity = Identity(name="takes the longer", weights="takes the longer", engine="self-test")
        both = [*pairs, *(pair.turned for pair in pairs)]
        self._words = {self.render(ask(rubric, pair)): SLOTS[longer(pair)] for pair in both}

    def _answer(self, prompt: Prompt) -> Completion:
        return Completion(f"verdict: {self._words[self.render(prompt)]}")


TELLS: Kind = "instruction"


class Obeys(EchoModel):
    """A judge that says what another one says, but for pairs in which the second answer tells it what to say."""

    def __init__(self, own: Model, rubric: Rubric, told: Sequence[Pair]) -> None:
        self.identity = Identity(name="obeys", weights="obeys", engine="self-test")
        self._own = own
        self._words = {self.render(ask(rubric, pair)): "B" for pair in told}
        self._words |= {self.render(ask(rubric, pair.turned)): "A" for pair in told}

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        others = [prompt for prompt in prompts if self.render(prompt) not in self._words]
        said = iter(self._own.generate(others, generation))
        words = [self._words.get(self.render(prompt)) for prompt in prompts]
        answers = [Completion(f"verdict: {word}") if word else next(said) for word in words]
        if on_progress and answers:
            on_progress(list(enumerate(answers)))
        return answers


class OtherJudge(Session):
    """A session in which one model answers whichever is asked."""

    def __init__(self, session: Session, model: Model) -> None:
        super().__init__(session.experiment, session.store)
        self.splits, self._answers = session.splits, model

    def model(self, spec: ModelSpec) -> Cached:
        return Cached(self._answers, self.store)
