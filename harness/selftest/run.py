"""Are the gates seen to block? Base against base, and accidents planted in copies of the record, each of which must get
the verdict that is named for it: a gate that was never seen to block is decoration.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, cast

from pydantic import ValidationError

from harness.config.policy import Policy
from harness.decision import goals
from harness.decision.compare import Question
from harness.experiment import exams
from harness.experiment.arms import base_arms
from harness.experiment.session import Session
from harness.observe.progress import phase, say
from harness.pipeline.compare import Comparer, Marks, chosen_runs, comparer, marks
from harness.pipeline.decide import conclude
from harness.selftest.faults import MUTANTS, Mutant
from harness.selftest.inject import NotApplicable, asked_examples, one_model, task_question
from harness.selftest.shots import shown_their_copy
from harness.store import decisions, runs
from harness.store.database import Store
from reports.rows import GateRow, SelfTested
from suites.errors import UserError
from suites.metrics.table import CORPUS
from suites.types import Example

# How many test examples the base is asked again.
ASKED_AGAIN = 32

# How often the arms are swapped at random; seldom where each time costs a permutation test, which 0/1 scores do not.
SWAPS, FEW_SWAPS = 200, 40

# How sure it must be that a share of false gains above its limit is not the luck of the draw.
SURE = 0.999

Status = Literal["pass", "fail", "info", "not_applicable"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done to a copy of the record, what had to come of it, and what did; `seconds` is what it took."""

    done: str
    expected: str
    got: str
    status: Status
    name: str = ""
    seconds: float = 0.0


Test = Callable[[Session], Outcome]


def run(session: Session) -> list[Outcome]:
    """Every test on a copy of its own; the outcomes are put on record.

    Raises UserError when base or candidate have not taken the exam, and when the experiment is invalid as it is:
    then nothing more can be seen to be blocked.
    """
    chosen_runs(session)
    outcomes = [_timed(session, name, test) for name, test in TESTS.items()]
    rows = [
        SelfTested(experiment_id=session.id, position=position, **asdict(outcome))
        for position, outcome in enumerate(outcomes)
    ]
    decisions.put_selftest(session.store, session.id, rows)
    return outcomes


def _timed(session: Session, name: str, test: Test) -> Outcome:
    say(f"self-test: {name}")
    started = time.monotonic()
    with _copy(session) as copy:
        try:
            outcome = test(copy)
        except NotApplicable as reason:
            outcome = Outcome("", "", str(reason), "not_applicable")
    return replace(outcome, name=name, seconds=time.monotonic() - started)


def passed(outcomes: Sequence[Outcome]) -> bool:
    """Whether every test that applies had the outcome named for it."""
    return all(outcome.status != "fail" for outcome in outcomes)


def show(outcomes: Sequence[Outcome], as_json: bool) -> None:
    """The outcomes on stdout, as a table or as JSON."""
    seconds = sum(outcome.seconds for outcome in outcomes)
    if as_json:
        content = {"passed": passed(outcomes), "seconds": seconds, "tests": [asdict(outcome) for outcome in outcomes]}
        print(json.dumps(content, indent=2, allow_nan=False))
        return
    from harness.observe.tables import print_table

    rows = [(o.name, o.done, o.expected, o.got, SHOWN[o.status]) for o in outcomes]
    print_table(("mutant", "what was done", "expected", "got", ""), rows)
    counts = {status: sum(o.status == status for o in outcomes) for status in SHOWN}
    tested = counts["pass"] + counts["fail"]
    print(f"\n{counts['pass']} of {tested} as named, {counts['not_applicable']} not applicable, in {seconds:.1f} s")


SHOWN: dict[Status, str] = {"pass": "ok", "fail": "MISSED", "info": "told", "not_applicable": "n/a"}


@contextlib.contextmanager
def _copy(session: Session) -> Iterator[Session]:
    """The same experiment on a copy of its store, in a folder that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / session.store.path.name
        with session.store.connect(read_only=True):  # so that nobody writes meanwhile
            shutil.copyfile(session.store.path, path)
        copy = session.on(Store(path))
        with copy.store.hold():
            yield copy


def nothing_changed(session: Session) -> Outcome:
    """The control: the same record gives the same verdict, and one that is not `invalid`."""
    recorded = decisions.verdict(session.store, session.id)
    verdict, gates = _concluded(session)
    failed = [gate for gate in gates if gate.kind == "validity" and gate.status == "fail"]
    if failed:
        reasons = "; ".join(f"{gate.name}: {gate.measured}" for gate in failed)
        what = f"the experiment is invalid as it is, so that nothing more can be seen to be blocked ({reasons})"
        raise UserError(what, session.experiment.path.name, "mend what the gate names, run it again, then test")
    expected = recorded or "any verdict but invalid"
    return Outcome("nothing", expected, _words(verdict, gates), "pass" if verdict == (recorded or verdict) else "fail")


def base_asked_again(session: Session) -> Outcome:
    """A/A: how many answers of the base change when it is asked the same again, past the store's answers.

    A local model in float32 that decodes greedily gives the same answers; of any other the share is only told.
    """
    session = one_model(session)
    chosen, _ = chosen_runs(session)
    run = runs.on_record(session.store, chosen.run_id)
    arms = base_arms(session.experiment, session.splits)
    arm = next(arm for arm in arms if arm.name == chosen.arm)
    if arm.model.recorded:
        raise NotApplicable("the base's answers are recorded, there is no model to ask")
    if arm.prompter.asking.votes > 1:
        raise NotApplicable("each of the base's answers is the most frequent of several that were drawn")
    model = session.model(arm.model)
    if replace(model.identity, name="") != replace(run.identity, name=""):
        raise NotApplicable("the base is not what it was at the exam (weights, template, engine or dtype)")
    given = runs.texts(session.store, run.id)
    answered = [example for example in session.splits["test"] if example.id in given]
    again = answered[:: -(-len(answered) // ASKED_AGAIN)]
    said = model.asked_anew(arm.prompter.prompts(again), arm.prompter.asking.generation(run.generation))
    answers = exams.task_suite(session.experiment, session.splits, "test").read(said)
    pairs = [(answer.text, given[e.id]) for e, answer in zip(again, answers, strict=True) if not answer.error]
    changed = sum(text != before for text, before in pairs)
    exact = arm.model.kind == "hf" and run.identity.dtype == "float32" and run.generation.temperature == 0
    status: Status = ("fail" if changed else "pass") if exact else "info"
    got = f"{changed} of {len(pairs)} answers differ"
    return Outcome(f"{len(again)} test examples asked again", "0 differ" if exact else "any share", got, status)


def arms_swapped(session: Session) -> Outcome:
    """A/A: both arms' scores swapped on random clusters, many times. Nothing is gained in that world but by chance.

    The gate may show a gain in alpha / 2 of them, the lower end of a two-sided interval, and beyond that as many as a
    binomial of that share gives in all but 0.1 % of cases.
    """
    from scipy.stats import binom

    config = session.experiment.config
    chosen, examples, ours = chosen_runs(session), asked_examples(session), comparer(session)
    question = task_question(chosen[0], 0.0 if config.policy.as_good else config.policy.min_gain)
    sides = [marks(session.store, run.run_id, question.metric) for run in chosen]
    scores = [score.value for run in chosen for score in runs.scores(session.store, run.run_id, run.metric).values()]
    swaps = SWAPS if question.metric not in CORPUS and {*scores} <= {0, 1, None} else FEW_SWAPS
    rng, shown = random.Random(config.seed), 0
    with phase("arms swapped at random", swaps) as progress:
        for _ in range(swaps):
            shown += _gain_shown(ours, question, examples, _swapped(examples, sides, rng))
            progress.advance(1)
    alpha = 1 - config.policy.confidence
    most = int(binom.ppf(SURE, swaps, alpha / 2))
    expected = f"a gain in at most {most} ({alpha / 2:.1%}, and chance: binomial, {SURE:.1%} quantile)"
    status: Status = "pass" if shown <= most else "fail"
    done = f"both arms' scores swapped on random clusters, {swaps} times"
    return Outcome(done, expected, f"a gain in {shown} of {swaps} ({shown / swaps:.1%})", status)


Sides = Sequence[Marks]


def _swapped(examples: Sequence[Example], sides: Sides, rng: random.Random) -> Sides:
    """Both arms' marks, exchanged on about half of the clusters."""
    clusters = {example.cluster: rng.random() < 0.5 for example in examples}
    swap = {example.id: clusters[example.cluster] for example in examples}
    return [
        cast(Marks, {e.id: side[e.id] for e in examples if e.id in (side := sides[swap[e.id] ^ index])})
        for index in (0, 1)
    ]


def _gain_shown(ours: Comparer, question: Question, examples: Sequence[Example], sides: Sides) -> bool:
    clusters = [(example.id, example.cluster) for example in examples]
    return goals.gain_gate(ours.answer(question, clusters, *sides)).status == "pass"


def lax_policy(session: Session) -> Outcome:
    """Settings under which anything would pass: they are refused when the file is read."""
    lax = {"confidence": 0.51, "max_unscored": 1.0, "slices": 0.99}
    own, refused = session.experiment.config.policy.model_dump(), set[str]()
    try:
        Policy.model_validate({**own, **lax})
    except ValidationError as error:
        refused = {str(problem["loc"][0]) for problem in error.errors()}
    written = ", ".join(f"{name}: {value}" for name, value in lax.items())
    status: Status = "pass" if refused == set(lax) else "fail"
    return Outcome(f"a policy of {written}", "all refused", f"refused: {', '.join(sorted(refused)) or 'none'}", status)


def copies_among_shots(session: Session) -> Outcome:
    """A question whose copy stands among the rows that prompts show is not shown it."""
    done, seen, total = shown_their_copy(session)
    return Outcome(done, "no question is shown its copy", f"{seen} of {total} are", "fail" if seen else "pass")


def _planted(mutant: Mutant) -> Test:
    """The test that plants a mutant and lets the real rules decide."""

    def test(session: Session) -> Outcome:
        planted = mutant(session)
        verdict, gates = _concluded(session)
        got = _words(verdict, gates)
        if planted.advisory:
            tiers = sorted({gate.tier for gate in gates if gate.name == planted.advisory})
            got = f"{planted.advisory} is {' and '.join(tiers) or 'not used'}"
        if planted.told:
            cautions = [gate.name for gate in gates if gate.kind == "caution"]
            got = f"{verdict}, told: {', '.join(cautions) or 'nothing'}"
        headline = decisions.headline(session.store, session.id)
        holds = planted.holds(verdict, gates, headline)
        got = headline if planted.never_says else got
        return Outcome(planted.done, planted.expected, got, "pass" if holds else "fail")

    return test


def _concluded(session: Session) -> tuple[str, list[GateRow]]:
    """The verdict of the real rules on the record as it is now, and the gates that made it."""
    conclude(session)
    return decisions.verdict(session.store, session.id), decisions.gates(session.store, session.id)


def _words(verdict: str, gates: Sequence[GateRow]) -> str:
    """A verdict with the gates that made it."""
    kinds = MADE_BY.get(verdict, ())
    failed = [gate for gate in gates if gate.status == "fail" and gate.tier != "advisory"]
    names = [gate.name for gate in failed if gate.kind in kinds]
    return f"{verdict} by {', '.join(names)}" if names else verdict


MADE_BY = {"invalid": ("validity",), "reject": ("harm", "budget"), "keep_prompting": ("gain",)}

TESTS: dict[str, Test] = {
    "nothing changed": nothing_changed,
    "base asked again": base_asked_again,
    "arms swapped": arms_swapped,
    "lax policy": lax_policy,
    "copies among shots": copies_among_shots,
    **{name: _planted(mutant) for name, mutant in MUTANTS.items()},
}
