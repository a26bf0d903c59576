"""Accidents of the bar: a prompt that was not chosen and is as good, a suite at its floor, sides that are straw men."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

from harness.config.base import read_margin
from harness.decision.decide import Verdict
from harness.decision.headline import KEEPS_ALL
from harness.decision.straw_men import STRATEGY
from harness.decision.wording import RULES
from harness.experiment import exams
from harness.experiment.arms import base_arms, own_prompter
from harness.experiment.session import Session
from harness.pipeline.compare import chosen_runs, run_pairs
from harness.pipeline.examiner import examiner
from harness.pipeline.format_gain import held_gate
from harness.pipeline.straw_men import answered_by, beside_copying, copying
from harness.selftest.goals import wins_on_price
from harness.selftest.inject import (
    NotApplicable,
    Planted,
    answers_of,
    asked_examples,
    marked_anew,
    no_better,
    one_model,
    rewrite,
)
from harness.store import arms, decisions, runs
from reports.rows import Side
from suites.data.examples import sha256_json
from suites.metrics.constants import can_mark
from suites.metrics.readings import LITERAL
from suites.model import Completion
from suites.reasoning import take_off
from suites.types import Example, Score

SIDES: tuple[Side, Side] = ("base", "candidate")
NOT_SHOWN = (Verdict.KEEP_PROMPTING, Verdict.REJECT, Verdict.INCONCLUSIVE)

CLEAR = 0.25  # of the base's score that a shift takes away: well above what the rule asks for
ERRORS = 4.0  # and so many standard errors, of at most 1 / root n for two marks of 0 or 1 each


def prompt_as_good(session: Session) -> Planted:
    """Validation picked the weaker of two prompts; the other is as good as the candidate."""
    chosen, candidate = chosen_runs(session)
    answers = answers_of(session)
    first = min(answers)
    answers[first] = replace(answers[first], text=f"{answers[first].text} ")  # or it would be the candidate itself
    run = replace(
        runs.on_record(session.store, candidate.run_id), id=sha256_json(["as good", candidate.run_id]), arm="as good",
        identity=runs.on_record(session.store, chosen.run_id).identity,
    )  # fmt: skip
    marked = marked_anew(session, run.id, asked_examples(session), answers)
    runs.record(session.store, run, "task", "as good", marked, 0.0)
    examiner(session).put("base", run.arm, run, chosen=False)
    if wins_on_price(session, run.arm):
        raise NotApplicable("a prompt as good is dearer by what was asked for, so that the candidate may replace it")
    return Planted("the candidate's answers given to a prompt that was not chosen", NOT_SHOWN)


def suite_at_floor(session: Session) -> Planted:
    """A regression suite that the base could never do, so that nothing can be seen to be lost."""
    rules = exams.regression_rules(session.experiment)
    pairs = [pair for pair in run_pairs(session)[1:] if rules[pair[0].suite][1] != "advisory"]
    if not pairs:
        raise NotApplicable("no regression suite has a say")
    for side, run, mark in zip(SIDES, pairs[0], (0.0, 1.0), strict=True):
        on_record, made = runs.on_record(session.store, run.run_id), runs.made(session.store, run.run_id)
        marked = [
            replace(row, scores=dict.fromkeys(row.scores, Score(mark)))
            for row in runs.marked(session.store, on_record, "")
        ]
        runs.record(session.store, on_record, "regression", made.prompter_id, marked, made.seconds)
        examiner(session).put(side, run.arm, on_record, chosen=True)
    done = f"every answer of the base to {pairs[0][0].suite} marked wrong, of the candidate right"
    return Planted(done, NOT_SHOWN)


def long_prompt(session: Session) -> Planted:
    """The candidate took the exam with the best prompt of the base, which it never saw in training."""
    own = own_prompter(session.experiment)
    if own is None:
        raise NotApplicable("the candidate has no prompt of its own")
    session = one_model(session)
    chosen, candidate = (runs.made(session.store, run.run_id) for run in chosen_runs(session))
    if chosen.prompter_id == own.digest:
        raise NotApplicable("the best prompt is the candidate's own")
    run = runs.on_record(session.store, chosen_runs(session)[1].run_id)
    marked = runs.marked(session.store, run, "")
    runs.record(session.store, run, "task", chosen.prompter_id, list(marked), candidate.seconds)
    done = "the candidate asked with the best prompt in place of its own"
    return Planted(done, (Verdict.INVALID,), (_title("own_prompt"),))


def constraint_ignored(session: Session) -> Planted:
    """The server enforced what answers are held to when it was first asked, and later does not."""
    held = held_gate(session)
    if held is None:
        raise NotApplicable("no prompt of the bar has `constrain`")
    prompters = {arm.name: arm.prompter for arm in base_arms(session.experiment, session.splits)}
    base = chosen_runs(session)[0]
    if base.arm not in prompters or prompters[base.arm].asking.constraint is None:
        raise NotApplicable("the best prompt is asked without `constrain`")
    rewrite(session, dict.fromkeys(answers_of(session, "base"), Completion("Of course! Here it is.")), side="base")
    return Planted("the best prompt's answers given freely", (Verdict.INVALID,), (_title("held"),))


def constant_candidate(session: Session) -> Planted:
    """The candidate says one thing whatever it is asked, and the best prompt says nothing of use."""
    examples = _markable(session)
    if session.experiment.config.policy.constant_answers == "warn":
        raise NotApplicable("`policy.constant_answers` only warns of it")
    [(common, _)] = Counter(example.target for example in examples).most_common(1)
    rewrite(session, dict.fromkeys((e.id for e in examples), Completion(common)))
    rewrite(session, dict.fromkeys(answers_of(session, "base"), Completion("none of your business")), side="base")
    done = "the most common target given as every answer, against a prompt that is never right"
    return Planted(done, (*NOT_SHOWN, Verdict.INVALID))


def shifted_prompt(session: Session) -> Planted:
    """The best prompt's answers were joined to the rows one further on, so that anything beats it."""
    _markable(session)
    examples, answers = asked_examples(session, "base"), answers_of(session, "base")
    before = chosen_runs(session)[0].mean or 0.0
    moved = [*examples[-1:], *examples[:-1]]
    rewrite(session, {e.id: answers[m.id] for e, m in zip(examples, moved, strict=True)}, side="base")
    taken = before - (chosen_runs(session)[0].mean or 0.0)
    if taken < max(CLEAR, ERRORS / math.sqrt(len(examples))):
        raise NotApplicable(f"a shift takes only {taken:.3f} from the prompt's score on {len(examples)} examples")
    return Planted("every answer of the best prompt moved to the next row", (Verdict.INVALID,), (_title("aligned"),))


def wrapped_prompt(session: Session) -> Planted:
    """The best prompt is right in a sentence, and the metric asks for the bare word."""
    chosen, _ = chosen_runs(session)
    if chosen.metric not in LITERAL:
        raise NotApplicable(f"{chosen.metric} does not ask for the target to the letter")
    least, relative = read_margin(session.experiment.config.policy.asked)
    least = abs(least)
    least = least * (chosen.mean or 0.0) if relative else least
    if not chosen.mean or chosen.mean <= least:
        raise NotApplicable("the best prompt is seldom right as it is")
    answers = {i: replace(a, text=f"The answer is: {a.text}") for i, a in answers_of(session, "base").items()}
    rewrite(session, answers, side="base")
    return Planted("every answer of the best prompt put into a sentence", told=_title("lenient"))


def copied_prompt(session: Session) -> Planted:
    """The best prompt does no more than copy the answer of the training row that is most like the question."""
    base, candidate = (answered_by(session, run, side) for run, side in zip(chosen_runs(session), SIDES, strict=True))
    said = copying(session, base)
    beside = beside_copying(session, candidate, said)
    if len(said) < len(base.rows) or beside is None or beside.baseline is None:
        raise NotApplicable("not every question has a training row that is like it, whose answer can be marked")
    if beside.baseline < STRATEGY:
        raise NotApplicable(f"copying such answers is right for {beside.baseline:.1%} alone")
    if beside.low is None or beside.low <= max(0.0, read_margin(session.experiment.config.policy.asked)[0]):
        raise NotApplicable("the candidate is not shown better than such answers by what is asked for")
    rewrite(session, {i: Completion(text) for i, text in said.items()}, side="base")
    done = "every answer of the best prompt replaced by that of the nearest training row"
    return Planted(done, told=_title("copied"))


def thinking_prompt(session: Session) -> Planted:
    """The best prompt's answers came from a server that leaves the model's thinking in them."""
    said = decisions.verdict(session.store, session.id)
    given = answers_of(session, "base")
    raw = [replace(a, text=f"<think>\nLet me see.\n</think>\n\n{a.text}") for a in given.values()]
    rewrite(session, dict(zip(given, take_off(raw, [""] * len(raw)), strict=True)), side="base")
    verdicts = tuple(verdict for verdict in Verdict if verdict.text == said)
    return Planted("thinking put before every answer of the best prompt", verdicts, told=_title("thinking"))


def right_on_the_way(session: Session) -> Planted:
    """The candidate names the right answer while it reasons, and never gives it where the task looks for answers."""
    rule, examples = session.experiment.config.task.answer_rule, _markable(session)
    if rule is None:
        raise NotApplicable("`task.answer` is the whole of what is said")
    said = rule.read_all([Completion(f"It may be {e.target}, I thought at first.") for e in examples])
    if any(e.target.strip() == answer.text for e, answer in zip(examples, said, strict=True)):
        raise NotApplicable("`task.answer` reads the answer wherever it is named")
    rewrite(session, {e.id: answer for e, answer in zip(examples, said, strict=True)})
    return no_better(session, "the right answer named in the candidate's reasoning alone")


def no_suite_asked(session: Session) -> Planted:
    """Nobody asked for a regression suite; a deploy may not claim that nothing was lost."""
    for pair in run_pairs(session)[1:]:
        for side, run in zip(SIDES, pair, strict=True):
            arms.forget_run(session.store, session.id, side, run.run_id)
    return Planted("every regression suite left out", never_says=KEEPS_ALL)


def _markable(session: Session) -> list[Example]:
    """The candidate's examples, where answers can be marked here and targets differ."""
    metric, examples = session.experiment.config.task.ordered_metrics[0], asked_examples(session)
    if not can_mark(metric):
        raise NotApplicable(f"{metric} cannot be asked what another answer would score")
    if len({example.target.strip() for example in examples}) < 2:
        raise NotApplicable("every example has the same target")
    return examples


def _title(name: str) -> str:
    return next(wording.title for rule, wording in RULES.items() if rule == name)
