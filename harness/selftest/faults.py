"""Accidents planted in a copy of an experiment's record. Each mutant changes what the real accident would have changed,
through the code that runs in earnest, and names what the rules must say to it. Add one by a function and a line in
`MUTANTS`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.config.base import read_margin
from harness.decision.decide import Verdict
from harness.experiment import exams, specs
from harness.experiment.arms import base_arms, candidate_arms
from harness.experiment.names import bar_model
from harness.experiment.session import Session
from harness.pipeline.check import check
from harness.pipeline.compare import chosen_runs, run_pairs
from harness.pipeline.exam import candidate_spec
from harness.pipeline.examiner import examiner
from harness.selftest import chance, goals
from harness.selftest.calls import empty_calls
from harness.selftest.drift import drifted_far
from harness.selftest.edges import obeys_what_it_reads
from harness.selftest.inject import (
    SHARE,
    NotApplicable,
    Planted,
    answers_of,
    asked_examples,
    base_run,
    copy_answers,
    endings_lost,
    no_better,
    one_model,
    plant_looks,
    plant_template,
    refreeze,
    rewrite,
    rewrite_regression,
    shows_total_loss,
    some,
    too_many,
)
from harness.selftest.judges import (
    advisory_judge_turned,
    few_labelled_pairs,
    judge_likes_length,
    judge_obeys,
    judge_says_a,
    wordy_candidate,
)
from harness.selftest.refusals import refuses_everything
from harness.selftest.seeds import seeds_without_gain
from harness.selftest.shots import answers_in_corpus
from harness.selftest.straw_men import (
    constant_candidate,
    constraint_ignored,
    copied_prompt,
    long_prompt,
    no_suite_asked,
    prompt_as_good,
    right_on_the_way,
    shifted_prompt,
    suite_at_floor,
    thinking_prompt,
    wrapped_prompt,
)
from harness.store import runs
from harness.store.arms import places
from suites.data.examples import sha256_json
from suites.model import Completion
from suites.types import Mark, Score, Suite

MANY = 1_000
"""Candidates on one exam beyond which nobody counts."""


def identical_answers(session: Session) -> Planted:
    """The fine-tuned model was never loaded: the base answered in its place."""
    for entry in places(session.store, session.id, "candidate"):
        if source := base_run(session, entry.run_id):
            copy_answers(session, source, entry.run_id)
            run = runs.on_record(session.store, entry.run_id)
            examiner(session).put("candidate", entry.arm, run, chosen=entry.chosen)
    return Planted("the candidate's answers are the base's", (Verdict.INVALID,), ("candidate",))


def shuffled_answers(session: Session) -> Planted:
    """Answers joined to the wrong examples: each stands beside an example with another target, as far as there are."""
    examples = sorted(asked_examples(session), key=lambda e: (e.target, e.id))
    most = max(Counter(e.target for e in examples).values())
    if most == len(examples):
        raise NotApplicable("every example has the same target, so that any answer fits")
    answers = answers_of(session)
    moved = examples[most:] + examples[:most]
    rewrite(session, {e.id: answers[other.id] for e, other in zip(examples, moved, strict=True)})
    planted = no_better(session, "every answer given to an example with another target")
    return replace(planted, verdicts=(*planted.verdicts, Verdict.INVALID))  # where that is a neighbour's answer


def answers_cut_short(session: Session) -> Planted:
    """The limit of new tokens was too small for the candidate."""
    answers = {i: replace(c, text=c.text[: len(c.text) // 2], finish="length") for i, c in answers_of(session).items()}
    rewrite(session, answers)
    done = "every answer of the candidate cut in half"
    return Planted(done, (Verdict.REJECT,)) if endings_lost(session) else no_better(session, done)


def other_template(session: Session) -> Planted:
    """The candidate was asked through another chat template than the base."""
    sides = [runs.on_record(session.store, run.run_id).identity for run in chosen_runs(session)]
    if not all(identity.template for identity in sides):
        raise NotApplicable("recorded answers and endpoints do not tell their chat template")
    another = bar_model(session.experiment.config, chosen_runs(session)[0].arm)
    if another and len(run_pairs(session)) == 1:
        raise NotApplicable(f"{another.label} is another model than the base, and may have another template")
    plant_template(session, sha256_json("another template"))
    return Planted("the candidate's chat template is another one", (Verdict.INVALID,), ("comparable",))


def leaked_test_rows(session: Session) -> Planted:
    """A part of the exam stands in the training set."""
    if "train" not in session.splits:
        raise NotApplicable("the file names no training rows, so nobody can see what leaked into them")
    config = session.experiment.config
    level = config.data.findings.get("train_test_overlap", "block")
    if level != "block":
        raise NotApplicable(f"`data.findings` says that an overlap with the training set is only {level}")
    seen = one_model(session)
    test = seen.splits["test"]
    leaked = some(test, math.ceil(SHARE * len(test)), config.seed)
    seen.splits = {**seen.splits, "train": (*seen.splits["train"], *leaked)}
    check(session)
    return Planted(f"{len(leaked)} of {len(test)} test rows put into the training set", (Verdict.INVALID,), ("data",))


def metric_says_nan(session: Session) -> Planted:
    """A metric divides by zero for some answers."""
    primary = session.experiment.config.task.ordered_metrics[0]
    broken = {example.id for example in too_many(session)}

    def spoilt(own: Mark) -> Mark:
        return lambda example, answer: Score(math.nan) if example.id in broken else own(example, answer)

    rewrite(session, answers_of(session), {primary: spoilt})
    done = f"{primary} says NaN for {len(broken)} answers of the candidate"
    return Planted(done, (Verdict.INVALID,), ("answered", "failures"))


def missing_answers(session: Session) -> Planted:
    """Some requests failed, and nobody asked again."""
    lost = {example.id: Completion("", "error", error="no answer came") for example in too_many(session)}
    rewrite(session, {**answers_of(session), **lost})
    return Planted(f"{len(lost)} answers of the candidate lost", (Verdict.INVALID,), ("answered", "failures"))


def adapter_without_effect(session: Session) -> Planted:
    """Training stopped before the first step, or never reached the matrices that carry it."""
    session = one_model(session)
    base, folder = specs.base_spec(session.experiment), session.store.path.parent / "adapter"
    if not base.base or base.kind != "hf":
        raise NotApplicable("the base is no model on this machine")
    from harness.models.hf import inert_adapter

    trained = candidate_spec(session).adapter
    done = "the adapter's B matrices set to zero"
    if not trained or not inert_adapter.zeroed(Path(trained), folder):
        inert_adapter.untrained(base, folder)
        done = "a fresh LoRA on the base, its B matrices zero"
    spec = replace(base, adapter=str(folder))
    arms = candidate_arms(session.experiment, spec, base_arms(session.experiment, session.splits))
    examiner(session).measure_effect(arms[0], session.splits["test"])
    return Planted(done, (Verdict.INVALID,), ("adapter",))


def file_changed(session: Session) -> Planted:
    """Somebody edited the experiment after its numbers were seen, and decides again."""
    refreeze(session)
    return Planted("the record made that of a file with another seed", (Verdict.INVALID,), ("frozen",))


def many_tries(session: Session) -> Planted:
    """The best of many candidates, all tried on the same test questions."""
    most = session.experiment.config.policy.max_looks
    if most > MANY:
        raise NotApplicable(f"`policy.max_looks` lets {most:,} candidates try")
    plant_looks(session, most)
    return Planted(f"{most} other candidates tried on these questions before", (Verdict.INVALID,), ("fresh exam",))


def all_answers_right(session: Session) -> Planted:
    """The candidate knows the answer key."""
    answers = {e.id: Completion(e.target, tokens_out=1) for e in asked_examples(session)}
    rewrite(session, answers)
    limit = session.experiment.config.policy.suspicious_gain
    base, candidate = chosen_runs(session)
    gain = (candidate.mean or 0.0) - (base.mean or 0.0)
    if gain <= limit:
        raise NotApplicable(f"all answers right gain {gain:+.3f}, and `policy.suspicious_gain` is {limit:+.3f}")
    return Planted("the target given as every answer", (Verdict.INVALID,), ("plausible",))


def prompt_cut_short(session: Session) -> Planted:
    """The limit of new tokens was too small for the best prompt, which then is easily beaten."""
    if session.experiment.config.policy.max_truncated == 1:
        raise NotApplicable("`policy.max_truncated` lets every answer be cut")
    answers = {i: replace(answer, finish="length") for i, answer in answers_of(session, "base").items()}
    rewrite(session, answers, side="base")
    return Planted("every answer of the best prompt cut", (Verdict.INVALID,), ("room to answer",))


def lost_behind_the_mean(session: Session) -> Planted:
    """One thing the base could do is gone, and the mean over all suites looks fine."""
    if session.experiment.config.policy.regression.together is None:
        raise NotApplicable("each suite is judged by itself: `policy.regression.together` is not set")
    rules = exams.regression_rules(session.experiment)
    own = [exam for exam in exams.regression_exams(session.experiment) if isinstance(exam, Suite)]
    suites = [suite for suite in own if rules[suite.name][1] != "advisory"]
    large = [suite for suite in suites if shows_total_loss(session, suite, read_margin(rules[suite.name][0])[0])]
    if len(suites) < 2 or not large:
        raise NotApplicable("it takes two suites of examples, one of them large enough to show that all is lost")
    for suite in suites:
        rewrite_regression(session, suite, ["" if suite is large[0] else e.target for e in suite.examples])
    return Planted(f"every answer on {large[0].name} lost, all others right", (Verdict.REJECT,))


Mutant = Callable[[Session], Planted]

MUTANTS: dict[str, Mutant] = {
    "identical answers": identical_answers,
    "shuffled answers": shuffled_answers,
    "answers cut short": answers_cut_short,
    "other chat template": other_template,
    "leaked test rows": leaked_test_rows,
    "answers in the corpus": answers_in_corpus,
    "metric says NaN": metric_says_nan,
    "missing answers": missing_answers,
    "adapter without effect": adapter_without_effect,
    "file changed": file_changed,
    "many tries": many_tries,
    "all answers right": all_answers_right,
    "prompt cut short": prompt_cut_short,
    "lost behind the mean": lost_behind_the_mean,
    "drifted far": drifted_far,
    "refuses everything": refuses_everything,
    "obeys what it reads": obeys_what_it_reads,
    "empty calls": empty_calls,
    "judge says A": judge_says_a,
    "half unmarked": chance.half_unmarked,
    "hard ones unanswered": chance.hard_ones_unanswered,
    "gain on leaked rows": chance.gain_on_leaked_rows,
    "lucky candidate": chance.lucky_candidate,
    "grown exam": chance.grown_exam,
    "copied questions": chance.copied_questions,
    "judge likes length": judge_likes_length,
    "judge obeys answers": judge_obeys,
    "few labelled pairs": few_labelled_pairs,
    "wordy candidate": wordy_candidate,
    "advisory judge turned": advisory_judge_turned,
    "seeds without gain": seeds_without_gain,
    "prompt as good": prompt_as_good,
    "suite at its floor": suite_at_floor,
    "constant candidate": constant_candidate,
    "constraint ignored": constraint_ignored,
    "shifted prompt": shifted_prompt,
    "wrapped prompt": wrapped_prompt,
    "copied prompt": copied_prompt,
    "long prompt": long_prompt,
    "thinking prompt": thinking_prompt,
    "cheap and worse": goals.cheap_and_worse,
    "as good and dear": goals.as_good_and_dear,
    "costs unknown": goals.costs_unknown,
    "right on the way": right_on_the_way,
    "no suite asked": no_suite_asked,
}
