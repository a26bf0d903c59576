"""Arms take an exam: the best is chosen on validation, meets the exam, and every run is on record with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from baselines.arm import Arm, Prompter
from baselines.selection import Trial, choose
from harness.decision import compare_corpus
from harness.decision.prices import Rate
from harness.evaluation.drift import drift_run, evaluate_drift, read_base
from harness.evaluation.evaluate import evaluate, evaluate_lm_eval
from harness.models.abilities import Abilities
from harness.models.cache import Cached
from harness.stats import paired
from harness.stats.score_test import Interval
from harness.store import models, runs
from harness.store.arms import Place, Summary, put
from harness.store.database import Store
from harness.store.runs import Mark
from reports.rows import AdapterEffectRow, EndpointRow, Side
from suites.benchmarks.lm_eval import LmEvalTask
from suites.metrics.table import CORPUS, of_judge
from suites.model import Model, ModelSpec
from suites.probes.drift import DriftProbe
from suites.types import Example, Run, Score, Suite

# How many prompts show whether an adapter changes anything; one would do, a few are as cheap.
EFFECT_PROMPTS = 4


Heard = Mapping[str, Score]
"""By example id, what each answer that a judge was to be asked about is worth to it; empty where it is yet to be."""
Hear = Callable[[Sequence[Run], Suite], Mapping[str, Heard]]
"""By run, what its answers to a suite are worth."""
UNHEARD: Heard = {}


@dataclass(frozen=True, slots=True)
class Examiner:
    """Gives the exams of an experiment. `load` makes a spec into the model that answers, `rate` says what an arm of a
    side is paid by; `others` is by arm what its model is called, where that is another than the candidate's base.
    `hear` asks a judge about the runs of a rehearsal, where it is the metric that decides."""

    store: Store
    experiment_id: str
    load: Callable[[ModelSpec], Cached]
    seed: int
    confidence: float
    rate: Callable[[Side, str], Rate | None]
    others: Mapping[str, str] = field(default_factory=dict)
    hear: Hear | None = None

    def model(self, side: Side, spec: ModelSpec, arm: str = "") -> Cached:
        """The model that answers for a side, or for an arm of it whose model is another."""
        name = self.others.get(arm, side) if side == "base" else side
        return self.load(spec).noting(partial(put_abilities, self.store, self.experiment_id, name))

    def take(self, side: Side, arm: Arm, suite: Suite) -> Run:
        """An arm's answers to a suite, marked; what is on record is not asked again."""
        return evaluate(arm, suite, self.model(side, arm.model, arm.name), self.store, self.seed)

    def choose(self, side: Side, arms: Sequence[Arm], rehearsal: Suite, max_unscored: float) -> Arm:
        """The best arm on the rehearsal, of the candidate the cheapest within its noise; all are put on record.

        A prompt of the base that may be worse would be a lower bar.
        """
        given = {arm.name: self.take(side, arm, rehearsal) for arm in by_model(arms)}
        taken = [given[arm.name] for arm in arms]
        in_money = all(self._price(side, run) is not None for run in taken)
        heard = self.hear(taken, rehearsal) if self.hear else {}
        trials = [self._trial(side, run, in_money, heard.get(run.id, UNHEARD)) for run in taken]
        best = choose(trials, max_unscored, *([partial(self._behind, taken, heard)] if side == "candidate" else []))
        chosen = arms[[run.arm for run in taken].index(best.arm)]
        with self.store.connect():
            for arm, run in zip(arms, taken, strict=True):
                self.put(side, arm.name, run, chosen=arm is chosen, heard=heard.get(run.id, UNHEARD))
        return chosen

    def _trial(self, side: Side, run: Run, in_money: bool, heard: Heard) -> Trial:
        """How an arm did, and what it costs: in tokens, unless all have a price for them."""
        summary, used = self.summary(run, run.metrics[0], heard), runs.used(self.store, run.id)
        price = self._price(side, run) if in_money else None
        cost = used.tokens_in + used.tokens_out if price is None else price
        return Trial(run.arm, summary.mean, summary.n + summary.n_unscored, summary.n_unscored, cost)

    def _price(self, side: Side, run: Run) -> float | None:
        """What a request of an arm costs at a price for tokens; None without one."""
        rate, used = self.rate(side, run.arm), runs.used(self.store, run.id)
        # Seconds differ from one run to the next, and the choice may not.
        return None if rate is None or rate.by_time else rate.of(used.tokens_in, used.tokens_out, 0.0)

    def _behind(self, taken: Sequence[Run], heard: Mapping[str, Heard], best: str, other: str) -> float | None:
        """By how many standard errors an arm lies behind another, over the examples that both have a mark on."""
        metric = taken[0].metrics[0]
        if metric in CORPUS:
            return None
        worse, better = (self._marks(taken, heard, arm, metric) for arm in (other, best))
        both = [example for example in worse if example in better]
        if not both:
            return None
        before, after = ([marks[example].value or 0.0 for example in both] for marks in (worse, better))
        found = paired.paired_difference(before, after, [worse[example].cluster_id for example in both])
        if found.standard_error:
            return found.difference / found.standard_error
        return None if found.standard_error is None or found.difference else 0.0

    def _marks(self, taken: Sequence[Run], heard: Mapping[str, Heard], arm: str, metric: str) -> dict[str, Mark]:
        """An arm's marks by example, where it has one."""
        [run] = [run for run in taken if run.arm == arm]
        marks = self._by_metric(run, heard.get(run.id, UNHEARD))[metric]
        return {mark.example_id: mark for mark in marks if mark.value is not None}

    def _by_metric(self, run: Run, heard: Heard) -> dict[str, list[Mark]]:
        """A run's marks by metric, what a judge that decides has said of it among them; it may yet have to."""
        marks, primary = runs.marks(self.store, run.id), run.metrics[0]
        if of_judge(primary):
            asked = [pair for pair in sorted(runs.clusters(self.store, run.suite_id)) if pair[0] in heard or not heard]
            marks[primary] = [Mark(i, cluster, primary, heard[i].value if heard else None) for i, cluster in asked]
        return marks

    def examine(self, side: Side, arms: Sequence[Arm], chosen: Arm, suite: Suite) -> None:
        """The task's exam for each arm."""
        for arm in by_model(arms):
            self.put(side, arm.name, self.take(side, arm, suite), chosen=arm is chosen)

    def examine_regression(
        self,
        side: Side,
        name: str,
        spec: ModelSpec,
        exams: Sequence[Suite | LmEvalTask | DriftProbe],
        *,
        chosen: bool = True,
        base: ModelSpec | None = None,
    ) -> None:
        """The regression exams for a model under `name`; `chosen` says that it is what its side is there, and `base`
        what a fine-tune has moved away from."""
        for exam in exams:
            if isinstance(exam, DriftProbe):
                run = self._drift(side, name, spec, exam, base or spec)
            elif isinstance(exam, LmEvalTask):
                run = evaluate_lm_eval(name, exam, self.model(side, spec, name), self.store, self.seed)
            else:
                run = self.take(side, Arm(name, spec, Prompter(name, exam.prompt)), exam)
            self.put(side, name, run, chosen=chosen)

    def _drift(self, side: Side, name: str, spec: ModelSpec, probe: DriftProbe, base: ModelSpec) -> Run:
        """How far a model has moved from its base. The base reads first: one of them is in memory at a time."""
        run = drift_run(name, probe, self.model(side, spec, name).model, self.model("base", base).model)
        if not runs.is_finished(self.store, run.id):
            expected = read_base(self.model("base", base).model, probe)
            evaluate_drift(run, probe, expected, self.model(side, spec, name).model, self.store)
        return run

    def put(self, side: Side, arm: str, run: Run, *, chosen: bool, heard: Heard = UNHEARD) -> None:
        """A run in its place in the experiment, summarised with an interval for every metric."""
        marks = self._by_metric(run, heard)
        summaries = [(metric, self._summary(run.id, metric, rows)) for metric, rows in marks.items()]
        put(self.store, Place(self.experiment_id, run.id, side, arm, chosen), summaries)

    def summary(self, run: Run, metric: str, heard: Heard = UNHEARD) -> Summary:
        """A run's score by a metric."""
        return self._summary(run.id, metric, self._by_metric(run, heard)[metric])

    def _summary(self, run_id: str, metric: str, marks: Sequence[Mark]) -> Summary:
        scored = [mark for mark in marks if mark.value is not None]
        value, interval = self._score(run_id, metric, scored) if scored else (None, None)
        low, high = (interval.low, interval.high) if interval else (None, None)
        return Summary(len(scored), len(marks) - len(scored), value, low, high)

    def _score(self, run_id: str, metric: str, scored: Sequence[Mark]) -> tuple[float, Interval | None]:
        """A run's score and its interval: the mean of its marks, or what a corpus metric makes of its answers."""
        if metric in CORPUS:
            clusters = {mark.example_id: mark.cluster_id for mark in scored}
            answers = runs.measured_by(self.store, run_id, metric)
            return compare_corpus.value_and_interval(metric, answers, clusters, self.confidence)
        values = [mark.value for mark in scored if mark.value is not None]
        interval = paired.mean_interval(values, [mark.cluster_id for mark in scored], self.confidence)
        return sum(values) / len(values), interval

    def measure_effect(self, arm: Arm, examples: Sequence[Example]) -> None:
        """For an adapter: the largest change of a logit it makes, on the first prompts of the exam."""
        model = self.load(arm.model)
        effect = getattr(model.model, "effect", None)
        known = models.effect(self.store, self.experiment_id)
        adapter = model.identity.adapter
        if effect is None or (known and known.adapter == adapter):
            return
        prompts = arm.prompter.prompts(examples[:EFFECT_PROMPTS])
        value: float | None = effect(prompts)
        if value is not None:
            row = AdapterEffectRow(experiment_id=self.experiment_id, adapter=adapter, effect=value, n=len(prompts))
            models.put_effect(self.store, row)


def by_model(arms: Sequence[Arm]) -> list[Arm]:
    """The arms, those of one model together, so that each is loaded once."""
    first: dict[ModelSpec, int] = {}
    return sorted(arms, key=lambda arm: first.setdefault(arm.model, len(first)))


def put_abilities(store: Store, experiment_id: str, name: str, model: Model) -> None:
    """What the server of a model (base, candidate, judge, or another one of the bar) is found to accept."""
    abilities = getattr(model, "abilities", None)
    if isinstance(abilities, Abilities):
        row = EndpointRow(
            experiment_id=experiment_id, model=name, temperature=abilities.temperature, seed=abilities.seed,
            logprobs=abilities.logprobs, json_mode=abilities.json_mode,
        )  # fmt: skip
        models.put_endpoint(store, row)
