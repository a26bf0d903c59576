"""Edge cases of the task: both sides are asked them with their chosen prompts, each beside its own rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from baselines.arm import Arm
from harness.decision.compare import Question
from harness.experiment import arms as setup
from harness.experiment import exams
from harness.experiment.load import Experiment
from harness.experiment.prompts import asked_columns
from harness.experiment.session import Session
from harness.experiment.splits import Splits
from harness.pipeline.check_prompts import base_context, too_long
from harness.pipeline.compare import Comparer, Marks, comparer, marks
from harness.pipeline.examiner import examiner
from harness.store import arms, runs
from reports.edge_cases import Beside, EdgeFacts, Said
from reports.rows import RunRow, Side
from suites.edge_cases import FILLER, NAME, NAME_OF_EMPTY, EdgeCases, Kind, Material, demanded, edge_cases, row_of
from suites.types import Example, Finding, Suite

SIDES: tuple[Side, ...] = ("base", "candidate")
TOKENS_A_WORD = 4
"""More than a word of a `long` twin takes, so that it takes half of what the base reads at most."""
SAID = 3
"""Different answers to nothing that are told of a side."""


@dataclass(frozen=True, slots=True)
class Edges:
    """The edge cases of an experiment as suites; `empty` is that of questions to which no answer is right."""

    cases: Suite | None
    empty: Suite | None
    left_out: Mapping[Kind, str]


def edges(experiment: Experiment, splits: Splits, bar: Sequence[Arm]) -> Edges | None:
    """The edge cases of an experiment with this bar; None where none are wanted."""
    kinds = experiment.config.task.edge_kinds
    if not kinds:
        return None
    exam = exams.task_suite(experiment, splits, "test")
    material = Material(exam.examples, splits.get("train", ()), asked_columns(experiment, splits), _filler(experiment))
    made = edge_cases(kinds, material, all_that_fit=experiment.config.task.edge_cases is True)
    made = _that_fit(experiment, made, bar)
    return Edges(_suite(exam, NAME, made.cases), _suite(exam, NAME_OF_EMPTY, made.empty), made.left_out)


def _suite(exam: Suite, name: str, examples: Sequence[Example]) -> Suite | None:
    return replace(exam, name=name, kind="regression", examples=tuple(examples)) if examples else None


def _filler(experiment: Experiment) -> int:
    """How many words a `long` twin may have beside its own."""
    _, context = base_context(experiment)
    if context is None:
        return FILLER
    return max(0, min(FILLER, (context - experiment.config.task.max_new_tokens) // 2 // TOKENS_A_WORD))


def _that_fit(experiment: Experiment, made: EdgeCases, bar: Sequence[Arm]) -> EdgeCases:
    """The cases without `long` ones that the base cannot read with some prompt: both sides are asked the same."""
    folder, context = base_context(experiment)
    long = [case for case in made.cases if case.slices["part"] == "long"]
    if folder is None or context is None or not long:
        return made
    own = setup.lesson_prompter(experiment)
    answer = experiment.config.task.max_new_tokens
    gone: set[str] = set()
    for prompter in {own.digest: own, **{arm.prompter.digest: arm.prompter for arm in bar}}.values():
        gone |= set(too_long(folder, prompter, long, context - answer - prompter.asking.thinking_tokens))
    if not gone:
        return made
    kept = tuple(case for case in made.cases if case.id not in gone)
    told = f"{len(gone):,} of {len(long):,} do not fit into the base's {context:,} tokens with every prompt"
    return replace(made, cases=kept, left_out={**made.left_out, "long": told})


def edge_findings(session: Session, bar: Sequence[Arm]) -> list[Finding]:
    """What is asked beside the exam, and which kinds there are none of."""
    made = edges(session.experiment, session.splits, bar)
    if made is None:
        return []
    both = [case for suite in (made.cases, made.empty) if suite for case in suite.examples]
    counts = Counter(case.slices["part"] for case in both)
    asked = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    text = f"{len(both):,} edge cases are asked of each side's chosen prompt{f': {asked}' if asked else ''}"
    none = [f"`{kind}`: {reason}" for kind, reason in made.left_out.items()]
    expected = not none or (both and session.experiment.config.task.edge_cases is True)
    return [Finding("info" if expected else "warn", "edge_cases", "; ".join([text, *none]))]


def ask_edges(session: Session, side: Side, chosen: Arm, bar: Sequence[Arm]) -> None:
    """Ask a side's chosen arm the edge cases. What is said to nothing is on record and in no comparison."""
    made, giver = edges(session.experiment, session.splits, bar), examiner(session)
    for suite in (made.cases, made.empty) if made else ():
        if suite:
            giver.put(side, chosen.name, giver.take(side, chosen, suite), chosen=suite.name == NAME)


# --- what is told of them


def edge_facts(session: Session) -> dict[str, object]:
    """How each side does on edge cases beside the rows they are made of; empty where none were asked."""
    experiment = session.experiment
    made = edges(experiment, session.splits, setup.base_arms(experiment, session.splits))
    if made is None:
        return {}
    ours = comparer(session)
    by_side = {side: _taken(session, side) for side in SIDES}
    facts = EdgeFacts(
        beside=[row for side in SIDES for row in _beside(ours, side, by_side[side])],
        obeyed=_obeyed(session, by_side),
        said=[row for side in SIDES for row in _said(session, side, by_side[side])],
        left_out={str(kind): why for kind, why in made.left_out.items()},
    )
    return asdict(facts)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A side's runs on its exam and on the edge cases; None for what there was none of."""

    exam: RunRow
    cases: RunRow | None
    empty: RunRow | None


def _taken(session: Session, side: Side) -> _Taken:
    found = {run.suite: run for run in arms.exams(session.store, session.id, side, "regression")}
    return _Taken(arms.chosen(session.store, session.id, side), found.get(NAME), found.get(NAME_OF_EMPTY))


def _beside(ours: Comparer, side: Side, taken: _Taken) -> Iterator[Beside]:
    """Of each kind how a side does beside the rows themselves, of those that have been asked."""
    if taken.cases is None:
        return
    metric, store = taken.cases.metric, ours.store
    rows, cases = marks(store, taken.exam.run_id, metric), marks(store, taken.cases.run_id, metric)
    clusters = dict(runs.clusters(store, taken.cases.suite_id))
    for kind, ids in runs.parts(store, taken.cases.suite_id).items():
        own: Marks = {case: rows[row] for case in ids if (row := row_of(case, kind)) in rows}  # type: ignore[assignment]
        question = Question(
            suite=NAME, kind="metric", metric=metric, baseline_arm=taken.exam.arm, candidate_arm=taken.cases.arm,
            margin=0.5, tier="advisory", slice=kind,
        )  # fmt: skip
        c = ours.answer(question, [(case, clusters[case]) for case in own], own, cases)
        yield Beside(side, kind, c.n, c.baseline, c.candidate, c.difference, c.low, c.high)


def _obeyed(session: Session, by_side: Mapping[Side, _Taken]) -> dict[str, int]:
    """By side how many answers hold what an injected instruction asks for, where the row's own answer does not."""
    material = Material(session.splits["test"], session.splits.get("train", ()))
    rows, labels = {row.id: row for row in material.exam}, material.labels
    found: dict[str, int] = {}
    for side, taken in by_side.items():
        if taken.cases and (ids := runs.parts(session.store, taken.cases.suite_id).get("injection")):
            said, own = (runs.texts(session.store, run.run_id) for run in (taken.cases, taken.exam))
            asked = {case: row_of(case, "injection") for case in ids if case in said}
            found[side] = sum(
                _holds(said[case], wanted) and not _holds(own.get(row, ""), wanted)
                for case, row in asked.items()
                if (wanted := demanded(rows[row], labels))
            )
    return found


def _holds(answer: str, wanted: str) -> bool:
    return wanted.casefold() in answer.casefold()


def _said(session: Session, side: Side, taken: _Taken) -> Iterator[Said]:
    """What a side says most often where nothing is asked."""
    if taken.empty is None:
        return
    texts = Counter(text.strip() for text in runs.texts(session.store, taken.empty.run_id).values())
    n = taken.empty.n + taken.empty.n_unscored
    for text, count in sorted(texts.items(), key=lambda pair: (-pair[1], pair[0]))[:SAID]:
        yield Said(side, text, count, n)
