"""Cross-validation: every fold is an experiment of its own, and what all of them answered becomes one exam.

Each example is answered once by a prompt and once by a fine-tune that never saw it, and the decision is made on all of
these pairs together. Regression suites are taken by the fine-tune of every fold; the same question asked of several
keeps its cluster, so that it stays one piece of evidence.

The scores of two folds depend on each other through the training rows they share, and of one k-fold experiment no
estimate of that variance is unbiased (Bengio and Grandvalet 2004, JMLR 5:1089). The interval covers the choice of
examples, the fine-tunes taken as they are; the report says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from harness.decision.decide import Decision, Verdict
from harness.decision.gates import Gate, Status
from harness.evaluation.evaluate import Marked, on_record, record
from harness.experiment.session import Session, Side
from harness.judge.audit import Evidence
from harness.observe.progress import say
from harness.store.database import Store
from suites.data.examples import sha256_json
from suites.model import Completion, Identity
from suites.types import Example, Run, Score

Kind = Literal["task", "regression"]
Row = Mapping[str, Any]

# The stages that every fold goes through, with the side that takes an exam in it.
STAGES: Mapping[str, Side | None] = {"baseline": "base", "train": None, "exam": "candidate"}


def in_each(session: Session, name: str, stage: Callable[[Session], None]) -> None:
    """Take every fold through a stage. The trouble of one is that of all, and the others are not begun."""
    session.forget("evidence", "topic", "trouble")
    for fold in session.folds:
        say(f"fold {fold.experiment.fold} of {len(session.folds)}: {name}")
        stage(fold)
        for trouble in fold.evidence("trouble").values():
            told = f"fold {fold.experiment.fold}, {trouble.name}"
            session.put_evidence("trouble", Evidence(told, None, None, None, 0, trouble.note))
            return


# --- one exam of all folds


def pooled(session: Session, side: Side) -> list[tuple[Run, bool]]:
    """What a side answered in all folds, put on record as one run for each arm and suite; with whether it is chosen.

    Where the folds chose different prompts, the chosen arm is made of each fold's own choice.
    """
    if session.stopped():
        return []
    taken = [_exams(fold, side, "task") for fold in session.folds]
    runs: list[tuple[Run, bool]] = []
    for arm in (row["arm"] for row in taken[0]):
        rows = [row for exams in taken for row in exams if row["arm"] == arm]
        if len(rows) == len(taken):
            runs.append((_pool(session, arm, rows), all(row["chosen"] for row in rows)))
    if not any(chosen for _, chosen in runs):
        rows = [row for exams in taken for row in exams if row["chosen"]]
        runs.append((_pool(session, _mixed([row["arm"] for row in rows]), rows), True))
    kept = [_exams(fold, side, "regression") for fold in session.folds]
    return [*runs, *((_pool(session, rows[0]["arm"], rows), True) for rows in zip(*kept, strict=True))]


def _exams(fold: Session, side: Side, kind: Kind) -> list[dict[str, Any]]:
    sql = """select * from v_runs where experiment_id = ? and side = ? and kind = ? and is_primary
             order by suite, arm"""
    return fold.store.rows(sql, [fold.id, side, kind])


def _mixed(arms: Sequence[str]) -> str:
    return ", ".join(f"{arm} in {count} fold{'s' * (count > 1)}" for arm, count in Counter(arms).items())


def _pool(session: Session, arm: str, rows: Sequence[Row]) -> Run:
    """The runs of all folds as one, which is on record afterwards."""
    parts = [on_record(session.store, row["run_id"]) for row in rows]
    run = replace(
        parts[0],
        id=sha256_json(["folds", *(part.id for part in parts)]),
        arm=arm,
        suite_id=sha256_json(["folds", *(part.suite_id for part in parts)]),
        identity=_together([part.identity for part in parts]),
    )
    if not session.store.run_is_finished(run.id):
        sql = "select prompter_id from runs where run_id = ?"
        prompters = [session.store.rows(sql, [part.id])[0]["prompter_id"] for part in parts]
        marked = [
            done
            for fold, part in enumerate(parts, 1)
            for done in _marked(session.store, part, "" if rows[0]["kind"] == "task" else f"fold {fold}/")
        ]
        seconds = sum(row["seconds"] for row in rows)
        record(session.store, run, rows[0]["kind"], sha256_json(prompters), marked, seconds)
    return run


def _marked(store: Store, run: Run, prefix: str) -> Iterator[Marked]:
    """A run's examples with answers and scores, as they are on record; `prefix` goes before their ids."""
    scores: dict[str, dict[str, Score]] = {}
    for row in store.rows("select * from scores where run_id = ? order by metric", [run.id]):
        scores.setdefault(row["example_id"], {})[row["metric"]] = Score(row["value"], row["reason"])
    primary = run.metrics[0]
    for row in store.rows(ANSWERED, [run.id]):
        marks = scores[row["example_id"]]
        example = Example(
            id=prefix + row["example_id"],
            columns={"input": row["input"]},
            target=row["target"],
            cluster=row["cluster_id"],
            slices=json.loads(row["slices"]),
        )
        given = {name: row[name] for name in ("text", "finish", "tokens_in", "tokens_out", "seconds", "error")}
        answer = Completion(**given, scores=json.loads(row["scores"] or "null"))
        yield Marked(example, row["completion_id"], answer, {primary: marks[primary], **marks})


ANSWERED = """
    select x.*, c.* from answers a join runs r using (run_id) join completions c using (completion_id)
        join examples x on x.suite_id = r.suite_id and x.example_id = a.example_id
    where a.run_id = ? order by a.example_id
"""


def _together(parts: Sequence[Identity]) -> Identity:
    """One identity for the models that answered a fold each: what they share, and a hash of what they do not."""
    columns = {name: [asdict(part)[name] for part in parts] for name in asdict(parts[0])}
    shared = {name: found[0] if len(set(found)) == 1 else sha256_json(found) for name, found in columns.items()}
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
    told = (
        f"{len(session.folds)} fine-tunes were examined, each on the fold it never saw: this verdict is about the "
        "recipe, not about one checkpoint. What ships is one more training on all rows, which was not examined."
    )
    next_step = decision.next_step
    if decision.verdict is Verdict.DEPLOY:
        next_step = "Train once more with these settings, on all rows, and ship that; keep this report beside it."
    return replace(decision, reason=f"{decision.reason} {told}", next_step=next_step)


def uncertainty(session: Session) -> str:
    """What the intervals cover, and what they cannot."""
    return (
        f"Intervals cover the choice of examples, with the {len(session.folds)} fine-tunes as they are. Folds share "
        "training rows, so their scores depend on each other, and one such experiment cannot tell by how much (Bengio "
        "and Grandvalet 2004): take an interval that only just clears its limit for less than it says."
    )


def training_took(session: Session) -> dict[str, float | None]:
    """The `seconds` and the `cost` of one training on all rows, by what each row took in the folds."""
    sql = """select sum(seconds) / sum(n_rows) as seconds, sum(cost) / sum(n_rows) as cost from training
             where training_id in (select training_id from folds f join experiment_training x
                on x.experiment_id = f.fold_id where f.experiment_id = ?)"""
    [each] = session.store.rows(sql, [session.id])
    return {what: None if took is None else took * len(session.splits["train"]) for what, took in each.items()}
