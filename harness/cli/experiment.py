"""Commands that take an experiment a step on: run and its stages, the self-test, the rules in words."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.cli.look import print_records
from harness.cli.read import from_here, verdict_in_json, write_report
from suites.errors import UserError

if TYPE_CHECKING:
    from harness.experiment.load import Experiment
    from harness.experiment.session import Session
    from reports.rows import Side

BLOCKED, MISSED = 6, 1


@contextlib.contextmanager
def open_experiment(options: argparse.Namespace) -> Iterator[Session]:
    """The experiment, read before the slow imports so that a mistake in the file is told at once; ours alone.

    What a mistake found later leaves of a first try is no store.
    """
    experiment = _load(options)
    from harness.experiment.alone import alone

    with alone(experiment.path):
        from harness.experiment.session import open_session

        session = open_session(experiment, options.store)
        try:
            yield session
        except UserError as error:
            from harness.store.experiments import leave_nothing
            from harness.store.opening import StoreTrouble

            if not isinstance(error, StoreTrouble):
                with contextlib.suppress(StoreTrouble):
                    leave_nothing(session.store)
            raise


def _load(options: argparse.Namespace) -> Experiment:
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        fix = "run `harness` alone, and give the config to its training: `training: {accelerate: config.yaml}`"
        raise UserError("the harness is one process, and was started as several", "WORLD_SIZE", fix)
    from harness.experiment.load import load_experiment

    return load_experiment(options.experiment)


def run(options: argparse.Namespace) -> int:
    """Every stage, and the verdict as exit code."""
    with open_experiment(options) as opened:
        from harness.pipeline import order

        with opened.store.hold():
            order.run(opened)
            return _conclude(opened, options)


def stage(options: argparse.Namespace) -> int:
    """One stage, and what it found."""
    with open_experiment(options) as opened:
        from harness.pipeline import order

        with order.at_work(opened):
            return _stage(opened, options)


def _stage(opened: Session, options: argparse.Namespace) -> int:
    from harness.decision.wording import measured_sentence
    from harness.pipeline import order
    from harness.pipeline.validity import validity_gates
    from harness.store import experiments

    if not experiments.stage_is_finished(opened.store, opened.id, "check"):
        order.do(opened, "check")
    if options.stage != "decide" and experiments.stopped(opened.store, opened.id):
        raise UserError("a blocking finding stands in the way", str(options.experiment), "see `harness check`")
    order.do(opened, options.stage)
    if options.stage == "decide":
        return _conclude(opened, options)
    _show(opened, options.stage, as_json=options.json)
    if experiments.stopped(opened.store, opened.id):
        failed = [measured_sentence(gate) for gate in validity_gates(opened) if gate.status == "fail"]
        print(f"blocked: {'; '.join(failed)}", file=sys.stderr)
        return BLOCKED
    return 0


def _show(opened: Session, stage: str, *, as_json: bool) -> None:
    """What a single stage prints when it is done."""
    from harness.store import arms, experiments, judging, training

    store, experiment_id = opened.store, opened.id
    if stage == "train":
        print_records(training.Listed, training.listed(store, experiment_id), as_json=as_json)
    elif stage == "judge":
        print_records(judging.Measure, judging.listed(store, experiment_id), as_json=as_json)
    else:
        side: Side = "base" if stage == "baseline" else "candidate"
        print_records(arms.Listed, arms.listed(store, experiment_id, side), as_json=as_json)
    if stage == "baseline" and not as_json and not experiments.stopped(store, experiment_id):
        from harness.pipeline.how_far import how_far

        for sentence in how_far(opened):
            print(sentence)


def _conclude(opened: Session, options: argparse.Namespace) -> int:
    """Write the report and say the verdict, with the exit code that belongs to it."""
    from harness.view.terminal import show
    from reports.data import load

    with opened.store.connect(read_only=True) as con:
        data = load(con, opened.id)
    report = from_here(write_report(data, opened.out))
    if options.json:
        print(verdict_in_json(data, report=str(report)))
    else:
        store = ["--store", str(options.store)] if options.store else []
        show(data, report, shlex.join(["harness", "flips", str(from_here(opened.experiment.path)), *store]))
    return data.decision.exit_code


def explain(options: argparse.Namespace) -> int:
    """Every rule of an experiment in words; nothing is run or written."""
    from harness.experiment.explain import all_pass, explain, known
    from harness.experiment.load import load_experiment
    from harness.observe.tables import print_table

    experiment = load_experiment(options.experiment)
    rules = explain(experiment, known(experiment, options.store))
    if options.json:
        print(json.dumps([asdict(rule) for rule in rules], indent=2))
        return 0
    cells = [[r.name, r.tier, r.says, r.has, r.needs, None if r.power is None else f"{r.power:.0%}"] for r in rules]
    print_table(["rule", "tier", "in words", "examples", "needed", "an equal model passes"], cells)
    chance = all_pass(rules)
    print(f"\nA candidate that loses nothing at all passes the critical rules about losses in {chance:.0%} of tries.")
    return 0


def selftest(options: argparse.Namespace) -> int:
    """Whether the gates are seen to block."""
    with open_experiment(options) as opened:
        from harness.selftest.run import passed, run, show

        outcomes = run(opened)
    show(outcomes, options.json)
    return 0 if passed(outcomes) else MISSED
