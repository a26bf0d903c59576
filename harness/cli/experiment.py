"""Commands that take an experiment a step on: run and its stages, the self-test, the rules in words."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.read import decided, print_rows, write_report
from suites.errors import UserError

if TYPE_CHECKING:
    from harness.experiment.session import Session

BLOCKED, MISSED = 6, 1


def open_experiment(options: argparse.Namespace) -> Session:
    """The experiment, read before the slow imports so that a mistake in the file is told at once."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        fix = "run `harness` alone, and give the config to its training: `training: {accelerate: config.yaml}`"
        raise UserError("the harness is one process, and was started as several", "WORLD_SIZE", fix)
    from harness.experiment.load import load_experiment

    experiment = load_experiment(options.experiment)
    from harness.experiment.session import open_session

    return open_session(experiment, options.store)


def run(options: argparse.Namespace) -> int:
    """Every stage, and the verdict as exit code."""
    opened = open_experiment(options)
    from harness.pipeline import order

    order.run(opened)
    return _conclude(opened.store.path, opened.id, opened.out)


def stage(options: argparse.Namespace) -> int:
    """One stage, and what it found."""
    opened = open_experiment(options)
    from harness.decision.wording import measured_sentence
    from harness.pipeline import order
    from harness.pipeline.validity import validity_gates

    if not opened.store.stage_is_finished(opened.id, "check"):
        order.do(opened, "check")
    if options.stage != "decide" and opened.stopped():
        raise UserError("a blocking finding stands in the way", str(options.experiment), "see `harness check`")
    order.do(opened, options.stage)
    if options.stage == "decide":
        return _conclude(opened.store.path, opened.id, opened.out)
    print_rows(opened.store.path, RESULTS[options.stage].format(opened.id))
    if opened.stopped():
        failed = [measured_sentence(gate) for gate in validity_gates(opened) if gate.status == "fail"]
        print(f"blocked: {'; '.join(failed)}", file=sys.stderr)
        return BLOCKED
    return 0


_ARMS = """select arm, suite, metric, round(mean, 3) as mean, round(low, 3) as low, round(high, 3) as high, n, chosen
           from v_runs where experiment_id = '{{}}' and side = '{}' and is_primary order by kind desc, suite, arm"""


# What a single stage prints when it is done; the placeholder is the experiment's id, a hash.
RESULTS = {
    "baseline": _ARMS.format("base"),
    "train": """select distinct method, n_rows, steps, trained_parameters, round(seconds, 1) as seconds, folder
                from v_training where experiment_id in (
                    select '{0}' union select fold_id from v_folds where experiment_id = '{0}')""",
    "exam": _ARMS.format("candidate"),
    "judge": """select name, round(value, 3) as value, round(low, 3) as low, round(high, 3) as high, n, note
                from v_evidence where experiment_id = '{}' and topic = 'judge' order by name""",
}


def _conclude(store: Path, experiment_id: str, out: Path) -> int:
    """Write the report and say the verdict, with the exit code that belongs to it."""
    from harness.view.terminal import show

    found = decided(store, experiment_id)
    show(found, write_report(found, out), store)
    return int(found.decision["exit_code"])


def explain(options: argparse.Namespace) -> int:
    """Every rule of an experiment in words; nothing is run or written."""
    from harness.experiment import explain as rules_in_words
    from harness.experiment.load import load_experiment
    from harness.observe.tables import print_table

    experiment = load_experiment(options.experiment)
    rules = rules_in_words.explain(experiment, rules_in_words.known(experiment, options.store))
    if options.json:
        print(json.dumps([asdict(rule) for rule in rules], indent=2))
        return 0
    cells = [[r.name, r.tier, r.says, r.has, r.needs, None if r.power is None else f"{r.power:.0%}"] for r in rules]
    print_table(["rule", "tier", "in words", "examples", "needed", "an equal model passes"], cells)
    chance = rules_in_words.all_pass(rules)
    print(f"\nA candidate that loses nothing at all passes the critical rules about losses in {chance:.0%} of tries.")
    return 0


def selftest(options: argparse.Namespace) -> int:
    """Whether the gates are seen to block."""
    opened = open_experiment(options)
    from harness.selftest import run as selftest

    outcomes = selftest.run(opened)
    selftest.show(outcomes, options.json)
    return 0 if selftest.passed(outcomes) else MISSED
