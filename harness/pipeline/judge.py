"""Both sides' answers to the task, shown to the judge in both orders; first the labelled pairs it is checked on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from harness.config.exam import JudgeConfig
from harness.config.models import ModelConfig
from harness.decision.prices import rate
from harness.evaluation.exam import put_abilities
from harness.experiment import specs
from harness.experiment.session import Session
from harness.judge import ask, audit, calibration, cascade, jury, meter, own_pairs, traps
from harness.judge.ask import Judged, Label
from harness.judge.draw import Place, drawn
from harness.judge.judges import Asked, Judge, judged, recorded
from harness.judge.jury import Jury
from harness.judge.meter import Metered
from harness.judge.win_rates import win_rates
from harness.models.late import Late
from harness.store import arms, judging, runs
from harness.store.judging import Measure
from reports.rows import JudgeVerdictRow, Side
from suites.judges.pairwise import Pair, load_rubric
from suites.model import Generation, Model, ModelSpec
from suites.types import Example, JudgeVerdict, Score
from suites.writing import write_whole

TO_LABEL = "pairs-to-label.jsonl"
"""In the folder of the experiment's reports: the exam's pairs, in the order to label them in."""


def judge(session: Session) -> None:
    """Ask the judge, and measure how far it can be trusted; nothing without one."""
    experiment = session.experiment
    config = experiment.config.judge
    if config is None:
        return
    confidence = experiment.config.policy.confidence
    asked: list[Metered] = []
    who = judge_of(session, config, asked)
    rows: list[JudgeVerdictRow] = []
    measures: list[Measure] = []
    labelled: list[tuple[Pair, Label]] = []
    checked: list[Judged] = []
    labels: list[Label] = []
    if config.calibration:
        labelled = calibration.read_calibration(experiment.resolve(config.calibration))
        labels = [label for _, label in labelled]
        who, checked, of_each = _on_labelled(who, config, [pair for pair, _ in labelled], labels, confidence)
        rows += ask.verdict_rows(session.id, checked, "calibration", who, labels)
        measures += [*calibration.calibration_measures(checked, labels, confidence), *of_each]
    before, after = (arms.chosen_scores(session.store, session.id, side) for side in SIDES)
    answered = pairs_of(session)
    part = part_to_judge(session, answered, before, after)
    pairs = [pair for pair in answered if pair.id in part]
    clusters = {example.id: example.cluster for example in session.splits["test"]}
    paid_first: list[Metered] = []
    first = first_of(session, config, paid_first)
    said = on_exam(who, first, config, pairs, clusters, experiment.config.seed)
    own = label_own_pairs(session, pairs, labelled)
    rows += ask.verdict_rows(session.id, said, "exam", who, own=own, first=first)
    if config.max_pairs:
        left = sorted(part - {pair.id for pair in pairs})
        rows += ask.verdict_rows(session.id, [_unanswered(name, who.digest) for name in left], "exam", who)
        n = len(session.splits["test"])
        measures.append(Measure("judged", len(part) / n, None, None, n, "pairs of the exam, drawn at random"))
    measures += audit.exam_measures(cascade.heard(said), before, after, confidence)
    measures += cascade.measures(said, confidence) if first else []
    people = {name: value for name, choice in own.items() if (value := ask.WORTH[choice]) is not None}
    measures += win_rates(said, clusters, (checked, labels), people, before, confidence)
    if not config.recorded:  # whose judges cannot be asked anything more
        measures += traps.canary_measures(who, good_of(session), experiment.config.seed, confidence)
    costs = experiment.config.costs
    measures += meter.measures(asked, rate(costs.judge) if costs.judge else None, costs.currency)
    price = config.cascade.price if config.cascade else None
    measures += meter.measures(paid_first, rate(price) if price else None, costs.currency, cascade.FIRST)
    judging.put_verdicts(session.store, session.id, rows)
    judging.put_measures(session.store, session.id, measures)


def judge_of(session: Session, config: JudgeConfig, asked: list[Metered]) -> Judge:
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


def _asked(session: Session, config: JudgeConfig, model: ModelConfig, asked: list[Metered]) -> Judge:
    rubric = load_rubric(config.rubric, session.experiment.folder)
    asked.append(Metered(Late(partial(_model, session, specs.model_spec(session.experiment, model)))))
    return Asked(asked[-1], rubric, Generation(max_new_tokens=config.max_new_tokens), config.read)


def on_exam(
    who: Judge, first: Judge | None, config: JudgeConfig, pairs: Sequence[Pair], clusters: Mapping[str, str], seed: int
) -> list[Judged]:
    """The judge's word on the exam's pairs, in a cascade the first one's on some of them."""
    if first is None or config.cascade is None:
        return judged(who, pairs, "the exam")
    return cascade.judged(first, who, pairs, clusters, config.cascade.share, seed)


def _model(session: Session, spec: ModelSpec) -> Model:
    return session.model(spec).noting(partial(put_abilities, session.store, session.id, "judge"))


def _on_labelled(
    who: Judge, config: JudgeConfig, pairs: Sequence[Pair], labels: Sequence[Label], confidence: float
) -> tuple[Judge, list[Judged], list[Measure]]:
    """Who judges, a jury's votes counted; the word on the labelled pairs; and how right each of a jury was."""
    if not isinstance(who, Jury):
        return who, judged(who, pairs, "labelled pairs"), []
    heard = jury.hear(who, pairs, labels, "labelled pairs", weighted=config.votes == "weighted")
    return heard.jury, heard.judged, jury.measures(heard, labels, confidence)


SIDES: tuple[Side, Side] = ("base", "candidate")


def pairs_of(session: Session) -> list[Pair]:
    """Candidate (first) and best prompt (second) on every test example both answered."""
    store = session.store
    theirs, ours = (runs.texts(store, arms.chosen(store, session.id, side).run_id) for side in SIDES)
    examples = session.splits["test"]
    both = [example for example in examples if example.id in ours and example.id in theirs]
    return [Pair(e.id, e.input, ours[e.id], theirs[e.id], e.target) for e in both]


def good_of(session: Session) -> list[Pair]:
    """The pairs of which traps are made, the answer to make them of first."""
    before, after = (arms.chosen_scores(session.store, session.id, side) for side in SIDES)
    return traps.best_answers(pairs_of(session), before, after)


def part_to_judge(
    session: Session, pairs: Sequence[Pair], before: Mapping[str, Score], after: Mapping[str, Score]
) -> set[str]:
    """The ids of the test examples that the judge's word is sought on: all, or a random part with `judge.max_pairs`.

    An example that a side has no answer to is drawn like the others, so that none goes missing in silence.
    """
    config, test = session.experiment.config, session.splits["test"]
    if config.judge is None or config.judge.max_pairs is None:
        return {pair.id for pair in pairs}
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
    clusters = {example.id: example.cluster for example in session.splits["test"]}
    seed = session.experiment.config.seed
    order = own_pairs.label_order(pairs, clusters, seed)
    labels = own_pairs.labels_of(pairs, labelled)
    session.out.mkdir(parents=True, exist_ok=True)
    write_whole(session.out / TO_LABEL, own_pairs.to_label(order, labels, seed))
    return own_pairs.random_part(order, clusters, labels) if labels else {}
