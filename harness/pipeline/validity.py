"""Whether the numbers of an experiment can be compared: the gates of `validity`, fed from the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.decision import validity
from harness.decision.compare import Comparison
from harness.decision.gates import Gate
from harness.experiment.load import load_experiment
from harness.experiment.session import Session, Side
from harness.pipeline import cross_validation
from harness.pipeline.compare import run_pairs
from suites.errors import UserError
from suites.model import Generation, Identity
from suites.types import Run


def validity_gates(session: Session, gain: Comparison | None = None) -> list[Gate]:
    """Everything that must hold before any number is believed; `gain` is the task's comparison once there is one."""
    gates = [validity.frozen_gate(session.id, _current_id(session)), validity.findings_gate(session.findings())]
    trouble = "; ".join(f"{name}: {item.note}" for name, item in session.evidence("trouble").items())
    if trouble:
        return [*gates, validity.weights_gate(trouble)]
    if session.stopped():
        return gates
    gates.append(validity.weights_gate(None))
    gates += cross_validation.everywhere(session, _effect)
    policy = session.experiment.config.policy
    runs = run_pairs(session)
    health = [(_health(session, base, "base"), _health(session, candidate, "candidate")) for base, candidate in runs]
    gates += [
        *cross_validation.everywhere(session, _different),
        validity.answered_gate([arm for pair in health for arm in pair], policy.max_unscored),
        validity.same_share_gate(_failures(session)),
        validity.cut_gate(health[0][0], policy.max_truncated),
        *cross_validation.everywhere(session, _comparable),
        validity.looks_gate(_looks(session), policy.max_looks),
    ]
    return [*gates, validity.plausible_gate(gain, policy.suspicious_gain)] if gain else gates


def _failures(session: Session) -> list[tuple[validity.ArmHealth, validity.ArmHealth]]:
    """(base, candidate) on every exam. With folds a regression suite is taken once by each fold's candidate: pooled, a
    question that failed once would count as often as there are folds."""
    pairs = run_pairs(session)[:1]
    for fold in session.folds or (session,):
        pairs += run_pairs(fold)[1:]
    return [(_health(session, base, "base"), _health(session, candidate, "candidate")) for base, candidate in pairs]


def _effect(session: Session) -> Gate | None:
    effect = session.evidence("candidate").get("effect")
    return validity.effect_gate(effect.value) if effect else None


def _different(session: Session) -> Gate:
    return validity.difference_gate(_same_questions(session))


def _comparable(session: Session) -> Gate:
    pairs = run_pairs(session)
    return validity.comparable_gate([(_run(session, base), _run(session, candidate)) for base, candidate in pairs])


def _current_id(session: Session) -> str | None:
    """The id the experiment file would get now."""
    try:
        return load_experiment(session.experiment.path).id
    except UserError:
        return None


def _health(session: Session, row: Mapping[str, Any], side: Side) -> validity.ArmHealth:
    """How completely a run of the chosen arm was answered and marked."""
    sql = """select reason from v_scores where run_id = ? and metric = ? and value is null
             group by reason order by count(*) desc, reason limit 1"""
    reasons = session.store.rows(sql, [row["run_id"], row["metric"]])
    [count] = session.store.rows(
        "select count(*) as cut from v_completions where run_id = ? and finish = 'length'", [row["run_id"]]
    )
    return validity.ArmHealth(
        arm=f"{row['arm']} ({side})",
        suite=row["suite"],
        n=row["n"] + row["n_unscored"],
        unscored=row["n_unscored"],
        reason=reasons[0]["reason"] if reasons else "",
        cut=count["cut"],
    )


def _looks(session: Session) -> int:
    """How many candidates these test questions have judged, up to and with this one."""
    [row] = session.store.rows("select looks from v_looks where experiment_id = ?", [session.id])
    return int(row["looks"])


def _same_questions(session: Session) -> list[tuple[Mapping[str, object], Mapping[str, object]]]:
    """(base answers, candidate answers) wherever both were asked with the same prompts on the same examples.

    Recorded answers carry no prompts; where nothing was asked alike, the chosen arms are set side by side.
    """
    sql = """select distinct b.run_id as base, c.run_id as candidate
             from arms pb join runs b using (run_id), arms pc join runs c using (run_id)
             where pb.experiment_id = ? and pc.experiment_id = pb.experiment_id
                and pb.side = 'base' and pc.side = 'candidate'
                and b.suite_id = c.suite_id and b.prompter_id = c.prompter_id"""
    chosen = {"base": session.chosen("base")["run_id"], "candidate": session.chosen("candidate")["run_id"]}
    rows = session.store.rows(sql, [session.id]) or [chosen]
    return [(session.store.outputs(row["base"]), session.store.outputs(row["candidate"])) for row in rows]


def _run(session: Session, row: Mapping[str, Any]) -> Run:
    [found] = session.store.rows("select identity, generation from runs where run_id = ?", [row["run_id"]])
    identity, generation = Identity(**json.loads(found["identity"])), Generation(**json.loads(found["generation"]))
    return Run(row["run_id"], row["arm"], row["suite"], row["suite_id"], (row["metric"],), identity, generation)
