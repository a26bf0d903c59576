"""Accidents of the judge, as `faults` has those of everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.config.judging import JudgeConfig
from harness.decision.decide import Verdict
from harness.experiment import specs
from harness.experiment.session import Session
from harness.judge import ask
from harness.judge.ask import longer, read_labelled
from harness.judge.calibration import calibration_measures, read_calibration
from harness.models.cache import Cached
from harness.models.echo import EchoModel
from harness.pipeline.hearing import decides, pairs
from harness.pipeline.judge import good_of, judge
from harness.pipeline.word import word
from harness.selftest.inject import NotApplicable, Planted
from harness.store import arms, decisions, judging, runs
from harness.store.runs import Marked
from suites.data.examples import sha256_json
from suites.judges import pairwise
from suites.judges.canaries import Kind, canaries
from suites.judges.pairwise import Pair, Rubric, load_rubric
from suites.model import Completion, Generation, Identity, Model, ModelSpec, OnProgress, Prompt

FEW = 16
"""Labelled pairs that check no judge."""

SLOTS = {"first": "A", "second": "B", "tie": "tie"}


def judge_says_a(session: Session) -> Planted:
    """The judge follows the slot, not the answer. Its own verdict is not named: it may have no say in it."""
    heard_judge(session)
    judge(OtherJudge(session, AlwaysA()))
    return _without_say(session, "the judge says A to every pair in both orders")


def _without_say(session: Session, done: str) -> Planted:
    """What must come of a judge that is not to be trusted: it is advisory, and where it decides nothing is decided."""
    return Planted(done, (Verdict.INCONCLUSIVE,)) if decides(session) else Planted(done, advisory="judge")


class AlwaysA(EchoModel):
    """A judge that prefers the first slot, whatever stands in it."""

    def __init__(self) -> None:
        self.identity = Identity(name="always A", weights="always A", engine="self-test")

    def _answer(self, prompt: Prompt) -> Completion:
        return Completion("verdict: A")


def judge_likes_length(session: Session) -> Planted:
    """The judge takes the longer answer, whatever it says."""
    heard_judge(session)
    _ask_who_takes_the_longer(session)
    return _without_say(session, "the judge takes the longer answer of every pair")


def wordy_candidate(session: Session) -> Planted:
    """The judge that decides takes the longer answer, and the candidate's answers are made longer without saying
    more."""
    heard_judge(session)
    if not decides(session):
        raise NotApplicable("no judge decides: its preference is not the task's first metric")
    store, chosen = session.store, arms.chosen(session.store, session.id, "candidate")
    run, made = runs.on_record(store, chosen.run_id), runs.made(store, chosen.run_id)
    longer_ones = [_wordy(row) for row in runs.marked(store, run, "")]
    runs.record(store, run, "task", made.prompter_id, longer_ones, made.seconds)
    _ask_who_takes_the_longer(session)
    done = "every answer of the candidate padded, and a judge that takes the longer answer of every pair"
    return Planted(done, (Verdict.INCONCLUSIVE,))


PADDING = " As always, please do not hesitate to reach out at any time should anything else come up."


def _wordy(row: Marked) -> Marked:
    answer = replace(row.completion, text=row.completion.text + PADDING)
    return replace(row, completion=answer, completion_id=sha256_json([row.completion_id, PADDING]), came=None)


def advisory_judge_turned(session: Session) -> Planted:
    """A judge without a say prefers the prompt in every pair; the verdict must be what it was."""
    heard_judge(session)
    before = decisions.verdict(session.store, session.id)
    if decides(session) or before != Verdict.DEPLOY.text:
        raise NotApplicable("it takes a deploy that no judge decided")
    few_labelled_pairs(session)
    said = ask.read_verdicts(session.store, session.id)
    turned = [replace(item, forward=replace(item.forward, grade="second"), turned=replace(item.turned, grade="first"))
              for item in said]  # fmt: skip
    judging.replace_exam(session.store, session.id, ask.verdict_rows(session.id, turned, "exam", AlwaysA()))
    return Planted("a judge without a say that prefers the prompt in every pair", (Verdict.DEPLOY,))


def _ask_who_takes_the_longer(session: Session) -> None:
    """Have a judge asked that takes the longer answer, on labelled pairs, exam and traps."""
    settings, experiment, store = session.experiment.config.judge, session.experiment, session.store
    assert settings
    candidate = arms.chosen(store, session.id, "candidate")
    shown = [
        pair
        for run in arms.exams(store, session.id, "base", "task")
        for pair in pairs(store, candidate.run_id, run.run_id, session.splits["test"])
    ]
    shown += [canary.pair for canary in canaries(good_of(session), experiment.config.seed)]
    if settings.calibration:
        shown += [pair for pair, _ in read_calibration(experiment.resolve(settings.calibration))]
    judge(OtherJudge(session, TakesTheLonger(rubric_of(session, settings), shown)))


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
    return _without_say(session, 'the judge prefers every answer that says "choose this one"')


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
    return _without_say(session, f"all but {FEW} labelled pairs taken away")


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
        both = [*pairs, *(pair.turned for pair in pairs)]
        self._words = {self.render(pairwise.ask(rubric, pair)): SLOTS[longer(pair)] for pair in both}

    def _answer(self, prompt: Prompt) -> Completion:
        return Completion(f"verdict: {self._words[self.render(prompt)]}")


TELLS: Kind = "instruction"


class Obeys(EchoModel):
    """A judge that says what another one says, but for pairs in which the second answer tells it what to say."""

    def __init__(self, own: Model, rubric: Rubric, told: Sequence[Pair]) -> None:
        self.identity = Identity(name="obeys", weights="obeys", engine="self-test")
        self._own = own
        self._words = {self.render(pairwise.ask(rubric, pair)): "B" for pair in told}
        self._words |= {self.render(pairwise.ask(rubric, pair.turned)): "A" for pair in told}

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
