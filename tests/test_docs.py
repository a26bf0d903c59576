"""The README is held against the code: its commands parse, its files validate, its tables are the code's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from harness.cli.main import STAGES, _parser
from harness.config.methods import METHODS
from harness.config.schema import ExperimentConfig
from harness.decision.decide import Verdict
from suites.metrics.table import METRICS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


COMMANDS = [
    line.removeprefix("$ ").split("#")[0].split(" > ")[0].strip()
    for text in blocks("console")
    for line in text.splitlines()
    if line.startswith("$ ")
] + [f"harness {name} experiment.yaml" for name in STAGES]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("harness ")])
def test_every_command_of_the_readme_is_one(command: str) -> None:
    assert _parser().parse_args(shlex.split(command)[1:]).command


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_every_make_target_exists(command: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("text", [b for b in blocks("yaml") if b.startswith("experiment:")])
def test_every_experiment_of_the_readme_validates(text: str) -> None:
    ExperimentConfig.model_validate(yaml.safe_load(text))


@pytest.mark.parametrize("text", [b for b in blocks("yaml") if b.startswith(("policy:", "costs:", "training:"))])
def test_every_section_of_the_readme_validates(text: str) -> None:
    files = {"experiment": "smallest", "model": "some-org/some-model", "data": {"train": "a", "test": "b"}}
    ExperimentConfig.model_validate({**files, **yaml.safe_load(text)})


def test_the_verdicts_and_exit_codes_are_the_codes() -> None:
    found = {name: int(code) for name, code in re.findall(r"^\| `(\w+)` \| (\d) \|", README, re.MULTILINE)}
    assert found == {verdict.text: verdict.exit_code for verdict in Verdict}


def test_every_metric_is_named() -> None:
    assert all(f"`{name}`" in README for name in METRICS)


def test_every_method_is_named() -> None:
    assert all(f"`{name}`" in README for name in METHODS)


def test_every_view_is_named_and_no_other() -> None:
    schema = (ROOT / "harness" / "store" / "schema" / "views.sql").read_text(encoding="utf-8")
    assert set(re.findall(r"create or replace view (v_\w+)", schema)) == set(re.findall(r"`(v_\w+)`", README))


@pytest.mark.parametrize("path", re.findall(r"`((?:harness|suites|tests|baselines|reports)/[\w/.]+)`", README))
def test_every_file_the_readme_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", ["experiment.yaml", "overtrained.yaml"])
def test_the_demo_experiments_validate(name: str) -> None:
    text = (ROOT / "harness" / "demo" / name).read_text(encoding="utf-8")
    ExperimentConfig.model_validate(yaml.safe_load(text))
