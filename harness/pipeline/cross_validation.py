"""Cross-validation: every fold is an experiment of its own, and what all of them answered becomes one exam.

Each example is answered once by a prompt and once by a fine-tune that never saw it, and the decision is made on all of
these pairs together. Regression suites are taken by the fine-tune of every fold; the same question asked of several
keeps its cluster, so that it stays one piece of evidence.

The scores of two folds depend on each other through the training rows they share, and of one k-fold experiment no
estimate of that variance is unbiased (Bengio and Grandvalet 2004, JMLR 5:1089). The interval covers the choice of
examples, the fine-tunes taken as they are; the report says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Literal

from harness.decision.decide import Decision, Verdict
from harness.decision.gates import Gate, Status
from harness.experiment.session import Session, Stage
from harness.observe.progress import say
from harness.pipeline.examiner import examiner
from harness.store import arms, experiments, runs, training
from harness.store.training import Took
from reports.rows import RunRow, Side
from suites.data.examples import sha256_json
from suites.model import Identity
from suites.types import Run

Kind = Literal["task", "regression"]


def in_each(session: Session, name: str, side: Side | None, stage: Stage) -> None:
    """Take every fold through a stage; what they answered is then one exam of `side`, if one takes an exam in it.

    The trouble of one fold is that of all, and the others are not begun.
    """
    experiments.forget_trouble(session.store, session.id)
    for fold in session.folds:
        say(f"fold {fold.experiment.fold} of {len(session.folds)}: {name}")
        stage(fold)
        if experiments.trouble(session.store, fold.id):
            break
    if side:
        arms.forget(session.store, session.id, side)
        giver = examiner(session)
        for run, chosen in pooled(session, side):
            giver.put(side, run.arm, run, chosen=chosen)


# --- one exam of all folds


def pooled(session: Session, side: Side) -> list[tuple[Run, bool]]:
    """What a side answered in all folds, put on record as one run for each arm and suite; with whether it is chosen.

    Where the folds chose different prompts, the chosen arm is made of each fold's own choice.
    """
    if experiments.stopped(session.store, session.id):
        return []
    taken = [arms.exams(session.store, fold.id, side, "task") for fold in session.folds]
    pools: list[tuple[Run, bool]] = []
    for arm in (row.arm for row in taken[0]):
        rows = [row for exams in taken for row in exams if row.arm == arm]
        if len(rows) == len(taken):
            pools.append((_pool(session, arm, rows, "task"), all(row.chosen for row in rows)))
    if not any(chosen for _, chosen in pools):
        rows = [row for exams in taken for row in exams if row.chosen]
        pools.append((_pool(session, _mixed([row.arm for row in rows]), rows, "task"), True))
    kept = [arms.exams(session.store, fold.id, side, "regression") for fold in session.folds]
    suites = [(_pool(session, rows[0].arm, rows, "regression"), rows[0].chosen) for rows in zip(*kept, strict=True)]
    return [*pools, *suites]


def _mixed(names: Sequence[str]) -> str:
    return ", ".join(f"{name} in {count} fold{'s' * (count > 1)}" for name, count in Counter(names).items())


def _pool(session: Session, arm: str, rows: Sequence[RunRow], kind: Kind) -> Run:
    """The runs of all folds as one, which is on record afterwards."""
    store = session.store
    parts = [runs.on_record(store, row.run_id) for row in rows]
    run = replace(
        parts[0],
        id=sha256_json(["folds", *(part.id for part in parts)]),
        arm=arm,
        suite_id=sha256_json(["folds", *(part.suite_id for part in parts)]),
        identity=_together([part.identity for part in parts]),
    )
    if not runs.is_finished(store, run.id):
        prompters = sha256_json([runs.made(store, part.id).prompter_id for part in parts])
        marked = [
            done
            for fold, part in enumerate(parts, 1)
            for done in runs.marked(store, part, "" if kind == "task" else f"fold {fold}/")
        ]
        runs.record(store, run, kind, prompters, marked, sum(row.seconds for row in rows))
    return run


def _together(parts: Sequence[Identity]) -> Identity:
    """One identity for the models that answered a fold each: what they share, and a hash of what they do not."""
    columns = {name: [asdict(part)[name] for part in parts] for name in asdict(parts[0])}
    shared = {name: each[0] if len(set(each)) == 1 else sha256_json(each) for name, each in columns.items()}
    if len(set(columns["name"])) > 1:
        shared["name"] = f"{columns['name'][0]} and {len(set(columns['name'])) - 1} more, one for each fold"
    return Identity(**shared)


# --- what is said about it


def everywhere(session: Session, look: Callable[[Session], Gate | None]) -> list[Gate]:
    """A gate that must hold on all folds together and in each: the worst that was found, or none."""
    gates = [gate for gate in [look(session)] if gate]
    for fold in session.folds:
        if gate := look(fold):
            words = f"fold {fold.experiment.fold}: {gate.measured.words}"
            gates.append(replace(gate, measured=replace(gate.measured, words=words)))
    return sorted(gates, key=lambda gate: WORST_FIRST.index(gate.status))[:1]


WORST_FIRST: tuple[Status, ...] = ("fail", "unknown", "pass")


def of_recipe(session: Session, decision: Decision) -> Decision:
    """The decision, with what cross-validation makes it speak of."""
    if not session.folds or decision.verdict is Verdict.INVALID:
        return decision
    sentence = (
        f"{len(session.folds)} fine-tunes were examined, each on the fold it never saw: this verdict is about the "
        "recipe, not about one checkpoint. What ships is one more training on all rows, which was not examined."
    )
    next_step = decision.next_step
    if decision.verdict is Verdict.DEPLOY:
        next_step = "Train once more with these settings, on all rows, and ship that; keep this report beside it."
    return replace(decision, reason=f"{decision.reason} {sentence}", next_step=next_step)


def uncertainty(session: Session) -> str:
    """What the intervals cover, and what they cannot."""
    return (
        f"Intervals cover the choice of examples, with the {len(session.folds)} fine-tunes as they are. Folds share "
        "training rows, so their scores depend on each other, and one such experiment cannot tell by how much (Bengio "
        "and Grandvalet 2004): take an interval that only just clears its limit for less than it says."
    )


def training_took(session: Session) -> Took:
    """What one training on all rows would take, by what each row took in the folds."""
    each, rows = training.took_each_row(session.store, session.id), len(session.splits["train"])
    seconds, cost = (None if share is None else share * rows for share in (each.seconds, each.cost))
    return Took(seconds, cost)
