"""Accidents of a candidate that is to be as good and cheaper: it is neither, or nobody knows what it costs."""

from __future__ import annotations

import math
from dataclasses import replace

from harness.config.base import read_margin
from harness.decision.decide import Verdict
from harness.decision.saving import Saving, status_of
from harness.experiment.session import Session
from harness.pipeline.compare import chosen_runs, gains
from harness.pipeline.costs import savings
from harness.selftest.inject import NotApplicable, Planted, answers_of, asked_examples, rewrite
from harness.store import runs
from suites.metrics.table import CORPUS
from suites.model import Completion

NOT_SHOWN = (Verdict.KEEP_PROMPTING, Verdict.REJECT, Verdict.INCONCLUSIVE)
WRONG = "none of your business"
HAIR = 1.001
"""By how much dearer than what was asked for is no more what was asked for."""


def cheap_and_worse(session: Session) -> Planted:
    """The candidate loses just more than the margin beside the best prompt; its requests stay as cheap as they are."""
    margin, relative = read_margin(_asked(session))
    base, _ = chosen_runs(session)
    if base.metric in CORPUS:
        raise NotApplicable("no single answer is right by a metric of the whole exam")
    examples, marks = asked_examples(session), runs.scores(session.store, base.run_id, base.metric)
    right = [e for e in examples if marks[e.id].value == 1]
    wanted = -margin * sum(marks[e.id].value or 0.0 for e in examples) if relative else -margin * len(examples)
    lost = math.floor(wanted) + 1
    if lost > len(right):
        raise NotApplicable("the best prompt has fewer right answers than the margin lets go")
    texts = {i: answer.text for i, answer in answers_of(session, "base").items()}
    texts |= {example.id: WRONG for example in right[:lost]}
    rewrite(session, {i: replace(own, text=texts[i], finish="stop") for i, own in answers_of(session).items()})
    done = f"the best prompt's answers given as the candidate's, {lost} of {len(examples)} made wrong"
    return Planted(done, NOT_SHOWN)


def as_good_and_dear(session: Session) -> Planted:
    """The candidate's requests take so much that they save a hair less than was asked for."""
    saved = _saved(session)
    limit, is_share = read_margin(session.experiment.config.policy.min_saving)
    most = saved.before * (1 - limit) if is_share else saved.before - limit
    if not saved.after or most <= 0:
        raise NotApplicable("the candidate's requests cost nothing, or no saving would be large enough")
    factor = HAIR * most / saved.after
    rewrite(session, {i: _times(answer, factor) for i, answer in answers_of(session).items()})
    return Planted("every request of the candidate made so dear that it saves a hair less than asked for", NOT_SHOWN)


def costs_unknown(session: Session) -> Planted:
    """The candidate's answers came without their tokens and seconds: it may cost anything."""
    _saved(session)
    bare = {i: replace(own, tokens_in=0, tokens_out=0, seconds=0.0) for i, own in answers_of(session).items()}
    rewrite(session, bare)
    return Planted("the tokens and seconds of the candidate's answers lost", NOT_SHOWN)


def wins_on_price(session: Session, arm: str) -> bool:
    """Whether the candidate is shown cheaper than an arm of the bar by what was asked for."""
    policy = session.experiment.config.policy
    saved = next((saving for saving in savings(session, gains(session)) if saving.arm == arm), None)
    return policy.as_good and status_of(saved, policy) == "pass"


def _asked(session: Session) -> float | str:
    policy = session.experiment.config.policy
    if not policy.as_good:
        raise NotApplicable("the goal is to be better, at any price")
    return policy.asked


def _saved(session: Session) -> Saving:
    """What the candidate saves beside the best prompt."""
    _asked(session)
    [saved, *_] = savings(session, gains(session))
    if saved.missing:
        raise NotApplicable(f"no saving is known as it is: {saved.missing}")
    return saved


def _times(answer: Completion, factor: float) -> Completion:
    """An answer that took so many times the tokens and seconds, and no less."""
    read, written = (math.ceil(count * factor) for count in (answer.tokens_in, answer.tokens_out))
    return replace(answer, tokens_in=read, tokens_out=written, seconds=answer.seconds * factor)
