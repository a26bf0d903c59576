"""What each command does: from parsed options to an exit code. Slow imports wait for the command that needs them."""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from harness.observe.progress import say
from suites.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.experiment.session import Session
    from reports.data import ReportData
    from suites.types import Finding

BLOCKED, MISSED = 6, 1


def init(options: argparse.Namespace) -> int:
    """A folder with an experiment that runs as it is."""
    demo = Path(__file__).parents[1] / "demo"
    folder: Path = options.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError("the folder is not empty", str(folder), "name a new one")
    for name in ("experiment.yaml", "overtrained.yaml", "rubric.md"):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(demo / name, folder / name)
    for name in ("data", "prompts", "tasks"):
        shutil.copytree(demo / name, folder / name)
    print(f"wrote {folder / 'experiment.yaml'} and its data\nnext: harness run {folder / 'experiment.yaml'}")
    return 0


def _open(options: argparse.Namespace) -> Session:
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
    opened = _open(options)
    from harness.pipeline import order as experiment

    experiment.run(opened)
    return _conclude(opened.store.path, opened.id, opened.out)


def stage(options: argparse.Namespace) -> int:
    """One stage, and what it found."""
    opened = _open(options)
    from harness.pipeline import order as experiment
    from harness.pipeline.validity import validity_gates

    if not opened.store.stage_is_finished(opened.id, "check"):
        experiment.do(opened, "check")
    if options.stage != "decide" and opened.stopped():
        raise UserError("a blocking finding stands in the way", str(options.experiment), "see `harness check`")
    experiment.do(opened, options.stage)
    if options.stage == "decide":
        return _conclude(opened.store.path, opened.id, opened.out)
    _print_rows(opened.store.path, RESULTS[options.stage].format(opened.id))
    if opened.stopped():
        failed = [gate.measured for gate in validity_gates(opened) if gate.status == "fail"]
        print(f"blocked: {'; '.join(failed)}", file=sys.stderr)
        return BLOCKED
    return 0


def check(options: argparse.Namespace) -> int:
    """What the data check finds, and a mended copy of the training file where asked for."""
    files = {name: getattr(options, name) for name in ("train", "validation", "test")}
    if bool(options.experiment) == any([*files.values(), options.preferences]):
        fix = "harness check experiment.yaml, or harness check --train A --test B"
        raise UserError("name an experiment file or bare files, one of the two", "harness check", fix)
    return _check_experiment(options) if options.experiment else _check_files(options, files)


def _check_experiment(options: argparse.Namespace) -> int:
    opened = _open(options)
    from harness.pipeline import check as data_gate
    from harness.pipeline import order as experiment

    settings = opened.experiment.config.data
    if options.fix and not settings.train:
        raise UserError(NO_TRAIN, "--fix", "add `data.train`")
    data_gate.tell(opened.files.values())
    experiment.do(opened, "check")
    data_gate.show_row(opened)
    data_gate.show(opened.findings(), as_json=options.json)
    if options.fix and settings.train:
        columns = {str(ours): theirs for ours, theirs in settings.columns.items()}
        train = opened.experiment.resolve(settings.train)
        data_gate.write_mended(data_gate.of_experiment(opened), train, columns, options.fix)
    return _blocked(opened.findings())


def _check_files(options: argparse.Namespace, files: Mapping[str, Path | None]) -> int:
    if options.fix and not options.train:
        raise UserError(NO_TRAIN, "--fix", "add --train")
    from harness.pipeline import check as data_gate

    found = data_gate.of_preferences(options.preferences) if options.preferences else []
    material = data_gate.of_files(files, options.columns)
    found += data_gate.look(material) if material.splits else []
    data_gate.show(found, as_json=options.json)
    if options.fix:
        data_gate.write_mended(material, options.train, options.columns, options.fix)
    return _blocked(found)


NO_TRAIN = "only training rows are ever removed, and no training file is named"


def _blocked(findings: Sequence[Finding]) -> int:
    """The exit code that findings ask for."""
    names = sorted({finding.check for finding in findings if finding.level == "block"})
    if names:
        say(f"blocked: {', '.join(names)}; a level is set by `data.findings: {{{names[0]}: warn}}`")
    return BLOCKED if names else 0


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

    found = _decided(store, experiment_id)
    show(found, _write(found, out), store)
    return int(found.decision["exit_code"])


def _write(found: ReportData, out: Path) -> Path:
    """The report in every form; the path of the Markdown, which the others lie beside."""
    from reports.outputs import html, markdown, record

    path = markdown.write(found, out)
    html.write(path, found)
    record.write(found, out)
    return path


def import_logs(options: argparse.Namespace) -> int:
    """An experiment folder made of two logs of another tool."""
    from harness.importers import import_logs

    found = import_logs(options.base, options.tuned, options.out, options.metric, options.task)
    for remark in found.remarks:
        say(f"note: {remark}")
    print(f"{found.summary}\nwrote {found.experiment}\nnext: harness run {found.experiment}")
    return 0


def convert(options: argparse.Namespace) -> int:
    """An experiment made of another trainer's config, and what of it could not be carried over."""
    from harness.importers import trainer_config as convert

    found = convert.convert(options.config)
    convert.write(found, options.out)
    for remark in found.remarks:
        say(f"note: {remark}")
    print(f"wrote {options.out}\nnext: harness check {options.out}")
    return 0


def explain(options: argparse.Namespace) -> int:
    """Every rule of an experiment in words; nothing is run or written."""
    from harness.experiment import explain
    from harness.experiment.load import load_experiment
    from harness.observe.tables import print_table

    experiment = load_experiment(options.experiment)
    rules = explain.explain(experiment, explain.known(experiment, options.store))
    if options.json:
        print(json.dumps([asdict(rule) for rule in rules], indent=2))
        return 0
    cells = [[r.name, r.tier, r.says, r.has, r.needs, None if r.power is None else f"{r.power:.0%}"] for r in rules]
    print_table(["rule", "tier", "in words", "examples", "needed", "an equal model passes"], cells)
    chance = explain.all_pass(rules)
    print(f"\nA candidate that loses nothing at all passes the critical rules about losses in {chance:.0%} of tries.")
    return 0


def selftest(options: argparse.Namespace) -> int:
    """Whether the gates are seen to block."""
    opened = _open(options)
    from harness.selftest import run as selftest

    outcomes = selftest.run(opened)
    selftest.show(outcomes, options.json)
    return 0 if selftest.passed(outcomes) else MISSED


def report(options: argparse.Namespace) -> int:
    """The report of a decided experiment, written again."""
    found = _decided(options.store, options.experiment)
    print(_write(found, Path(found.decision["file"]).parent / "out" / found.decision["name"]))
    return 0


def gate(options: argparse.Namespace) -> int:
    """The verdict alone, as exit code; and where it is wanted, in the forms that CI systems show."""
    found = _decided(options.store, options.experiment)
    try:
        if options.junit:
            from reports.outputs import junit

            junit.write(found, options.junit)
        if options.github:
            _tell_github(found, sys.stderr if options.json else sys.stdout)
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", str(error.filename)) from None
    decision = {key: found.decision[key] for key in ("name", "verdict", "exit_code", "headline", "reason", "next_step")}
    if options.json:
        print(json.dumps({**decision, "gates": found.gates}, indent=2, default=str, allow_nan=False))
    else:
        print(f"{decision['headline']} (verdict {decision['verdict']}, exit {decision['exit_code']})")
    return int(decision["exit_code"])


def _tell_github(found: ReportData, stream: TextIO) -> None:
    """Annotations to the step's output; summary and outputs to the files GitHub Actions names."""
    from reports.outputs import github

    print("\n".join(github.commands(found)), file=stream)
    for name, text in (("GITHUB_STEP_SUMMARY", github.summary(found)), ("GITHUB_OUTPUT", github.outputs(found))):
        if not (file := os.environ.get(name)):
            say(f"{name} is not set: --github is for a step of a GitHub Actions workflow")
            continue
        with Path(file).open("a", encoding="utf-8") as opened:
            opened.write(text)


def compare(options: argparse.Namespace) -> int:
    """Two runs on one exam, side by side; the exit code speaks of a loss only when asked."""
    from harness.store.database import Store
    from harness.view.run_diff import compare_runs
    from harness.view.terminal import show_two_runs

    store = Store(options.store, create=False)
    found = compare_runs(store, options.baseline, options.candidate, margin=options.fail_on_regression)
    if options.json:
        print(json.dumps(found.as_json(), indent=2, allow_nan=False))
    else:
        show_two_runs(found)
    return found.exit_code


def runs(options: argparse.Namespace) -> int:
    """The experiments of a store."""
    sql = """select name, verdict, exit_code, created_at, experiment_id[:12] as id from v_experiments
             where part_of is null order by created_at desc"""
    return _print_rows(options.store, sql, as_json=options.json)


def query(options: argparse.Namespace) -> int:
    """A query of the user's own."""
    return _print_rows(options.store, options.sql, as_json=options.json)


def _print_rows(store: Path, sql: str, *, as_json: bool = False) -> int:
    from harness.observe.tables import print_table
    from harness.store.database import query

    names, rows = query(store, sql)
    if as_json:
        found = [dict(zip(names, map(_json_value, row), strict=True)) for row in rows]
        print(json.dumps(found, indent=2, default=str, allow_nan=False))
    else:
        print_table(names, rows)
    return 0


def _json_value(value: Any) -> Any:
    """A DuckDB value as JSON can say it: decimals are numbers, and what is no number is null."""
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    return value


def schema(options: argparse.Namespace) -> int:
    """The JSON Schema of the experiment file, or of the decision record."""
    from harness.config import schema
    from reports.outputs import record

    print(json.dumps(record.json_schema() if options.record else schema.json_schema(), indent=2))
    return 0


def _decided(store: Path, experiment: str | None) -> ReportData:
    from harness.store.database import Store
    from reports import data

    with Store(store, create=False).connect(read_only=True) as con:
        return data.load(con, experiment)
