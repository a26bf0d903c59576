"""Both sides' answers to the task, shown to the judge in both orders; first the labelled pairs it is checked on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.config.judging import JudgeConfig
from harness.decision.prices import rate
from harness.experiment.session import Session
from harness.judge import ask, audit, calibration, cascade, jury, labels, meter, own_pairs, traps
from harness.judge.ask import Judged, Label
from harness.judge.draw import Place, drawn
from harness.judge.judges import Judge, judged
from harness.judge.jury import Jury
from harness.judge.meter import Metered
from harness.judge.win_rates import win_rates
from harness.observe.progress import say
from harness.pipeline.examiner import examiner
from harness.pipeline.hearing import Hearing, first_of, hearing, judge_of, pairs, whole
from harness.store import arms, judging, runs
from harness.store.judging import Measure
from reports.rows import Side
from suites.judges.pairwise import Pair
from suites.metrics.table import of_judge
from suites.types import Example, JudgeVerdict, Score
from suites.writing import write_whole

TO_LABEL = "pairs-to-label.jsonl"
"""In the folder of the experiment's reports: the exam's pairs, in the order to label them in."""


def judge(session: Session) -> None:
    """Ask the judge, and measure how far it can be trusted; nothing without one."""
    config = session.experiment.config.judge
    if config is None:
        return
    asked, asked_first = list[Metered](), list[Metered]()
    who, checked = _checked(session, config, judge_of(session, config, asked))
    first = first_of(session, config, asked_first)
    answered, marks = pairs_of(session), _marks(session)
    part = part_to_judge(session, answered, *marks)
    shown = [pair for pair in answered if pair.id in part]
    said = _on_exam(session, config, who, first, shown)
    own = label_own_pairs(session, shown, checked.pairs)
    rows = ask.verdict_rows(session.id, checked.judged, "calibration", who, checked.people)
    rows += ask.verdict_rows(session.id, said, "exam", who, own=own, first=first)
    if config.max_pairs:
        left = sorted(part - {pair.id for pair in shown})
        rows += ask.verdict_rows(session.id, [_unanswered(name, who.digest) for name in left], "exam", who)
    judging.put_verdicts(session.store, session.id, rows)
    measures = [*checked.measures, *_of_exam(session, config, said, marks, len(part))]
    if not config.recorded:  # whose judges cannot be asked anything more
        good, settings = traps.best_answers(answered, *marks), session.experiment.config
        measures += traps.canary_measures(who, good, settings.seed, settings.policy.confidence)
    measures += _readings(session, said, checked, own, marks)
    if heard := hearing(session):
        _every_prompt(session, replace(heard, who=who), said, part)
    measures += _paid(session, config, asked, asked_first)
    judging.put_measures(session.store, session.id, measures)
    _say_labels(session)


@dataclass(frozen=True, slots=True)
class _Checked:
    """The pairs that people labelled, the judge's word on them, and what was measured; empty without any."""

    pairs: Sequence[tuple[Pair, Label]] = ()
    judged: Sequence[Judged] = ()
    measures: Sequence[Measure] = ()

    @property
    def people(self) -> list[Label]:
        return [label for _, label in self.pairs]


def _checked(session: Session, config: JudgeConfig, who: Judge) -> tuple[Judge, _Checked]:
    """Who judges, a jury's votes counted, and its word on the labelled pairs."""
    if not config.calibration:
        return who, _Checked()
    labelled = calibration.read_calibration(session.experiment.resolve(config.calibration))
    pairs, people = [pair for pair, _ in labelled], [label for _, label in labelled]
    confidence = session.experiment.config.policy.confidence
    of_each: list[Measure] = []
    if isinstance(who, Jury):
        heard = jury.hear(who, pairs, people, "labelled pairs", weighted=config.votes == "weighted")
        who, said, of_each = heard.jury, heard.judged, jury.measures(heard, people, confidence)
    else:
        said = judged(who, pairs, "labelled pairs")
    return who, _Checked(labelled, said, [*calibration.calibration_measures(said, people, confidence), *of_each])


def _on_exam(
    session: Session, config: JudgeConfig, who: Judge, first: Judge | None, pairs: Sequence[Pair]
) -> list[Judged]:
    """The judge's word on the exam's pairs, in a cascade the first one's on some of them."""
    if first is None or config.cascade is None:
        return judged(who, pairs, "the exam")
    seed = session.experiment.config.seed
    return cascade.judged(first, who, pairs, _clusters(session), config.cascade.share, seed)


def _clusters(session: Session) -> dict[str, str]:
    return {example.id: example.cluster for example in session.splits["test"]}


Marks = tuple[Mapping[str, Score], Mapping[str, Score]]
"""The base's and the candidate's, by example."""


def _of_exam(
    session: Session, config: JudgeConfig, said: Sequence[Judged], marks: Marks, drawn_pairs: int
) -> Iterator[Measure]:
    """How the judge behaved on the exam, and on how much of it."""
    confidence, n = session.experiment.config.policy.confidence, len(session.splits["test"])
    if config.max_pairs:
        yield Measure("judged", drawn_pairs / n, None, None, n, "pairs of the exam, drawn at random")
    yield from audit.exam_measures(cascade.heard(said), *marks, confidence)
    if config.cascade:
        yield from cascade.measures(said, confidence)


def _readings(
    session: Session, said: Sequence[Judged], checked: _Checked, own: Mapping[str, ask.Choice], marks: Marks
) -> list[Measure]:
    """All readings of the candidate's win rate."""
    told = {name: value for name, choice in own.items() if (value := ask.WORTH[choice]) is not None}
    confidence = session.experiment.config.policy.confidence
    return win_rates(said, _clusters(session), (checked.judged, checked.people), told, marks[0], confidence)


def _paid(
    session: Session, config: JudgeConfig, asked: Sequence[Metered], asked_first: Sequence[Metered]
) -> Iterator[Measure]:
    """Tokens and price of all verdicts, of the first judge of a cascade apart."""
    costs = session.experiment.config.costs
    yield from meter.measures(asked, rate(costs.judge) if costs.judge else None, costs.currency)
    price = config.cascade.price if config.cascade else None
    yield from meter.measures(asked_first, rate(price) if price else None, costs.currency, cascade.FIRST)


SIDES: tuple[Side, Side] = ("base", "candidate")


def _marks(session: Session) -> Marks:
    """Both sides' marks by the task's first metric that is none of a judge; none where there is none."""
    metric = next((name for name in session.experiment.config.task.ordered_metrics if not of_judge(name)), "")
    base, candidate = (arms.chosen(session.store, session.id, side).run_id for side in SIDES)
    return runs.scores(session.store, base, metric), runs.scores(session.store, candidate, metric)


def pairs_of(session: Session) -> list[Pair]:
    """Candidate (first) and best prompt (second) on every test example both answered."""
    base, candidate = (arms.chosen(session.store, session.id, side).run_id for side in SIDES)
    return pairs(session.store, candidate, base, session.splits["test"])


def good_of(session: Session) -> list[Pair]:
    """The pairs of which traps are made, the answer to make them of first."""
    return traps.best_answers(pairs_of(session), *_marks(session))


def _every_prompt(session: Session, heard: Hearing, judged: Sequence[Judged], part: Collection[str]) -> None:
    """The candidate beside every other prompt of the bar, on the `part` of the exam that is judged; then what each run
    is worth, beside the other side's."""
    store, giver = session.store, examiner(session)
    candidate, prompts = arms.chosen(store, session.id, "candidate"), arms.exams(store, session.id, "base", "task")
    asked = [example for example in session.splits["test"] if example.id in part]
    said = {
        run.run_id: judged if run.chosen else heard.hear(candidate.run_id, run.run_id, asked, f"the exam, {run.arm}")
        for run in prompts
    }
    with store.connect():
        worth = whole(ask.preferences(judged)[1], asked)
        giver.put("candidate", candidate.arm, runs.on_record(store, candidate.run_id), chosen=True, heard=worth)
        for run in prompts:
            worth = whole(ask.preferences(said[run.run_id])[0], asked)
            giver.put("base", run.arm, runs.on_record(store, run.run_id), chosen=run.chosen, heard=worth)


def _say_labels(session: Session) -> None:
    """What labels would make of a judge that is not trusted, and where the pairs to label are."""
    missing = labels.wanted(judging.measures(session.store, session.id), session.experiment.config.policy)
    if missing and missing.more:
        say(f"the judge is not trusted yet: {missing.told}; label from the top of {session.out / TO_LABEL}")


def part_to_judge(
    session: Session, pairs: Sequence[Pair], before: Mapping[str, Score], after: Mapping[str, Score]
) -> set[str]:
    """The ids of the test examples that the judge's word is sought on: all, or a random part with `judge.max_pairs`.

    An example that a side has no answer to is drawn like the others, so that none goes missing in silence.
    """
    config, test = session.experiment.config, session.splits["test"]
    if config.judge is None or config.judge.max_pairs is None:
        return {example.id for example in test}
    answered = {pair.id: pair for pair in pairs}
    places = [_place(example, answered.get(example.id), before, after) for example in test]
    return drawn(places, config.judge.max_pairs, config.seed)


def _place(example: Example, pair: Pair | None, before: Mapping[str, Score], after: Mapping[str, Score]) -> Place:
    """Where an example stands: by which side the task's own metric prefers, which answer is longer, and its slices."""
    one, other = (side[example.id].value if example.id in side else None for side in (before, after))
    better = 0 if one is None or other is None else (other > one) - (other < one)
    longer = ask.longer(pair) if pair else ""
    asked = pair is not None and pair.first != pair.second
    return Place(example.id, asked, (better, longer, *sorted(example.slices.items())), example.cluster)


def _unanswered(name: str, rubric: str) -> Judged:
    """A pair that was drawn and has an answer of one side only, or of none."""
    verdict = JudgeVerdict(None, "a side has no answer; not asked", rubric)
    return Judged(Pair(name, "", "", ""), verdict, verdict, None)


def label_own_pairs(
    session: Session, pairs: Sequence[Pair], labelled: Sequence[tuple[Pair, Label]]
) -> dict[str, ask.Choice]:
    """People's word on a random part of the judged pairs; the order to label them in is written for who wants to.

    Empty where nobody has labelled any of them.
    """
    clusters, seed = _clusters(session), session.experiment.config.seed
    order = own_pairs.label_order(pairs, clusters, seed)
    said = own_pairs.labels_of(pairs, labelled)
    session.out.mkdir(parents=True, exist_ok=True)
    write_whole(session.out / TO_LABEL, own_pairs.to_label(order, said, seed))
    return own_pairs.random_part(order, clusters, said) if said else {}
