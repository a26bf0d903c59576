"""Whether the numbers of an experiment can be compared: the gates of `validity`, fed from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.config.bar import other_models
from harness.config.policy import MetricRule
from harness.decision import own_prompt, validity
from harness.decision.compare import Comparison
from harness.decision.gates import Gate
from harness.experiment.arms import own_prompter
from harness.experiment.load import load_experiment
from harness.experiment.names import arm_name, bar_model
from harness.experiment.session import Session
from harness.judge import ask
from harness.pipeline import cross_validation
from harness.pipeline.compare import bar_pairs, chosen_runs, run_pairs
from harness.pipeline.format_gain import held_gate
from harness.store import arms, experiments, models, runs
from reports.rows import RunRow, Side
from suites.edge_cases import NAME as EDGE_CASES
from suites.errors import UserError
from suites.metrics.table import decides, of_judge
from suites.types import Run


def validity_gates(session: Session, gain: Comparison | None = None) -> list[Gate]:
    """Everything that must hold before any number is believed; `gain` is the task's comparison once there is one."""
    findings = experiments.findings(session.store, session.id)
    gates = [validity.frozen_gate(session.id, _current_id(session)), validity.findings_gate(findings)]
    trouble = "; ".join(f"{row.name}: {row.note}" for row in experiments.trouble(session.store, session.id))
    if trouble:
        return [*gates, validity.weights_gate(trouble)]
    if experiments.stopped(session.store, session.id):
        return gates
    gates.append(validity.weights_gate(None))
    gates += cross_validation.everywhere(session, _effect)
    policy = session.experiment.config.policy
    health = [
        (_health(session, base, "base"), _health(session, candidate, "candidate"))
        for base, candidate in [*run_pairs(session), *bar_pairs(session)]
    ]
    others = _other_marks(session)
    gates += [
        *cross_validation.everywhere(session, _different),
        validity.answered_gate([arm for pair in [*health, *others] for arm in pair], policy.max_unscored),
        validity.same_share_gate([*_failures(session), *others]),
        validity.cut_gate(health[0][0], policy.max_truncated),
        *cross_validation.everywhere(session, _comparable),
        *_asked_with_its_own(session),
        *cross_validation.everywhere(session, held_gate),
        validity.looks_gate(
            arms.looks(session.store, session.id), policy.max_looks, policy.confidence, _other_stores(session)
        ),
    ]
    if gain is None or gain.untrusted:
        return gates
    return [*gates, validity.plausible_gate(gain, policy.suspicious_gain)]


def _other_marks(session: Session) -> list[tuple[validity.ArmHealth, validity.ArmHealth]]:
    """(base, candidate) on the task by every other metric that decides."""
    config, pairs = session.experiment.config, []
    for metric in config.task.ordered_metrics[1:]:
        advisory = config.policy.metrics.get(metric, MetricRule()).tier == "advisory"
        if advisory or of_judge(metric) or not decides(metric):
            continue
        sides = [arms.measured(session.store, session.id, side, metric) for side in ("base", "candidate")]
        for base, candidate in zip(*sides, strict=False):
            health = (_health(session, base, "base"), _health(session, candidate, "candidate"))
            pairs.append((replace(health[0], metric=metric), replace(health[1], metric=metric)))
    return pairs


def _other_stores(session: Session) -> list[str]:
    """Stores beside this one: what they have seen of the same questions is not known here."""
    own = session.store.path
    return sorted(path.name for path in own.parent.glob(f"*{own.suffix}") if path.name != own.name)


def _failures(session: Session) -> list[tuple[validity.ArmHealth, validity.ArmHealth]]:
    """(base, candidate) on every exam. With folds a regression suite is taken once by each fold's candidate: pooled, a
    question that failed once would count as often as there are folds."""
    pairs = run_pairs(session)[:1]
    for fold in session.folds or (session,):
        pairs += [*run_pairs(fold)[1:], *bar_pairs(fold)]
    return [(_health(session, base, "base"), _health(session, candidate, "candidate")) for base, candidate in pairs]


def _effect(session: Session) -> Gate | None:
    measured = models.effect(session.store, session.id)
    return validity.effect_gate(measured.effect) if measured else None


def _different(session: Session) -> Gate:
    """Another model of the bar may well be answered alike: that is what one hopes for. Not to the token and second."""
    config = session.experiment.config
    # Of a fold the answers to the task are too few: two models may well agree on them.
    alike = [] if session.experiment.fold else arms.same_answers(session.store, session.id)
    same = [row.arm for row in alike if row.measured or bar_model(config, row.arm) is None]
    pairs = _asked_alike(session)
    if pairs:
        return validity.difference_gate(_answers(session, pairs), same)
    base, candidate = chosen_runs(session)
    another = bar_model(config, base.arm) is not None
    return validity.difference_gate(_answers(session, [(base.run_id, candidate.run_id)]), same, another=another)


def _comparable(session: Session) -> Gate:
    config, pairs = session.experiment.config, run_pairs(session)
    baseline = next((entry for entry in config.baselines if arm_name(entry) == pairs[0][0].arm), None)
    base_made, candidate_made = ((entry.made_with if entry else None) or {} for entry in (baseline, config.candidate))
    another = bar_model(config, pairs[0][0].arm) is not None
    of_bar = [pair for pair in pairs if another and pair[0].suite in (pairs[0][0].suite, *_edge_cases(session))]
    of_base, others = [pair for pair in pairs if pair not in of_bar], [*of_bar, *bar_pairs(session)]
    return validity.comparable_gate(
        [_on_record(session, *pair) for pair in of_base],
        (base_made, candidate_made),
        same_settings=config.policy.chat_template_kwargs == "same",
        others=[_on_record(session, *pair) for pair in others],
    )


def _edge_cases(session: Session) -> list[str]:
    """The suite of edge cases, which the model of the best prompt is asked."""
    return [EDGE_CASES] if session.experiment.config.task.edge_cases else []


def _on_record(session: Session, base: RunRow, candidate: RunRow) -> tuple[Run, Run]:
    """Both runs as they were made."""
    return runs.on_record(session.store, base.run_id), runs.on_record(session.store, candidate.run_id)


def _asked_with_its_own(session: Session) -> list[Gate]:
    """Whether the candidate took the exam with its own prompt, in every fold; no rule where it has none."""
    own = own_prompter(session.experiment)
    if own is None:
        return []
    taken = [arms.chosen(part.store, part.id, "candidate") for part in session.folds or (session,)]
    return [own_prompt.asked_gate([runs.made(session.store, run.run_id).prompter_id for run in taken], own.digest)]


def _current_id(session: Session) -> str | None:
    """The id the experiment file would get now."""
    try:
        return load_experiment(session.experiment.path).id
    except UserError:
        return None


def _health(session: Session, row: RunRow, side: Side) -> validity.ArmHealth:
    """How completely a run of the chosen arm was answered and marked."""
    return validity.ArmHealth(
        arm=f"{row.arm} ({side})",
        suite=row.suite,
        n=row.n + row.n_unscored,
        unscored=row.n_unscored,
        reason=_why_unscored(session, row),
        cut=runs.cut(session.store, row.run_id),
    )


def _why_unscored(session: Session, row: RunRow) -> str:
    """Why answers of a run have no mark, most often; empty where all have one."""
    if of_judge(row.metric):
        return ask.UNREAD if row.n_unscored else ""
    return runs.usual_reason(session.store, row.run_id, row.metric)


def _asked_alike(session: Session) -> list[tuple[str, str]]:
    """(base, candidate) runs wherever both were asked with the same prompts on the same examples, of the candidate's
    own base: another model of the bar answers differently whatever was loaded. Recorded answers carry no prompts."""
    config, alike = session.experiment.config, arms.asked_alike(session.store, session.id)
    others = {model.label for _, model in other_models(config)}
    of_base = [pair for pair in alike if pair.arm not in others and bar_model(config, pair.arm) is None]
    return list(dict.fromkeys((pair.base, pair.candidate) for pair in of_base))


def _answers(
    session: Session, pairs: Sequence[tuple[str, str]]
) -> list[tuple[Mapping[str, object], Mapping[str, object]]]:
    """(base answers, candidate answers) of pairs of runs."""
    return [(runs.outputs(session.store, one), runs.outputs(session.store, other)) for one, other in pairs]
