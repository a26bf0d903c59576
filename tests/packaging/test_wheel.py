"""The wheel as a stranger gets it: every file is in it, and it works where only what it requires can be imported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Sequence
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from workspaces import recorded_experiment

from harness import __version__

ROOT = Path(__file__).parents[2]
PACKAGES = ("suites", "baselines", "reports", "harness")
MEGABYTES = 9  # the embedded model and its judge are 3.7 each, everything else is text
QUIET = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index")


def pip(*arguments: str | Path) -> None:
    """Pip of this environment, without an index: nothing is fetched."""
    subprocess.run([sys.executable, "-m", "pip", *map(str, arguments)], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from a copy of the sources, which leaves nothing behind in them."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    pip("wheel", *QUIET, "--no-build-isolation", "--wheel-dir", folder, folder / "source")
    [path] = folder.glob("*.whl")
    return path


def in_wheel(wheel: Path) -> Distribution:
    """What the wheel says of itself."""
    return PathDistribution(zipfile.Path(wheel, f"finetune_harness-{__version__}.dist-info/"))


def required(distribution: Distribution) -> dict[str, Distribution]:
    """All that is installed because of a distribution; an extra only where something asks for it."""
    known: dict[tuple[str, str], Distribution] = {}
    to_visit = [(distribution, "")]
    while to_visit:
        parent, extra = to_visit.pop()
        for requirement in map(Requirement, parent.requires or []):
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            for wanted in ("", *requirement.extras):
                key = canonicalize_name(requirement.name), wanted
                if key not in known:
                    known[key] = Distribution.from_name(requirement.name)
                    to_visit.append((known[key], wanted))
    return {name: found for (name, _), found in known.items()}


def lend(distributions: Sequence[Distribution], folder: Path) -> None:
    """Make these distributions importable from `folder`, and no others of this environment."""
    folder.mkdir()
    for distribution in distributions:
        for top in {path.parts[0] for path in distribution.files or []} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(str(distribution.locate_file(top)))


class Bare:
    """An environment that holds the wheel and what it requires, and a folder to work in."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.bin = folder / "venv" / "bin"
        venv.create(folder / "venv", symlinks=True)
        pip("--python", self.bin / "python", "install", *QUIET, wheel)
        lend(list(required(in_wheel(wheel)).values()), folder / "required")
        [site] = (folder / "venv").glob("lib/python*/site-packages")
        (site / "required.pth").write_text(f"{folder / 'required'}\n")

    def run(self, program: str, *arguments: str | Path, exit_code: int = 0) -> str:
        """What a program of the environment prints; everything it said where the exit code is another one."""
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        command = [str(self.bin / program), *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == exit_code, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Bare:
    return Bare(wheel, tmp_path_factory.mktemp("bare"))


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    sources = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = set(zipfile.ZipFile(wheel).namelist())
    own = {name for name in names if name.startswith("finetune_harness-")}
    assert names - own == sources
    assert wheel.stat().st_size < MEGABYTES * 1e6


def test_nothing_but_what_is_required_can_be_imported(wheel: Path, bare: Bare) -> None:
    listing = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
    importable = {canonicalize_name(name) for name in json.loads(bare.run("python", "-c", listing))}
    assert importable == {"finetune-harness", *required(in_wheel(wheel))}
    assert not importable & {"pytest", "hypothesis", "optuna", "tensorboard", "bitsandbytes", "mypy"}


def test_a_newcomer_gets_an_experiment_its_data_checked_and_a_decision(bare: Bare) -> None:
    assert "baseline" in bare.run("harness", "--help")
    assert bare.run("harness", "--version") == f"harness {__version__}\n"
    assert "harness run mine/experiment.yaml" in bare.run("harness", "init", "mine")
    assert "exam_power" in bare.run("harness", "check", "mine/experiment.yaml")
    # The store's schema, the price list and the stylesheet are read from the package.
    answers = (["yes"] * 60 + ["no"] * 140, ["yes"] * 180 + ["no"] * 20)
    costs = {"baseline": "gpt-4.1-mini", "candidate": {"input": 0.8, "output": 3.2}, "training": 60}
    policy = {"suspicious_gain": 0.9}
    path = recorded_experiment(bare.folder / "recorded", *answers, costs=costs, policy=policy)
    assert "verdict: deploy (exit 0)" in bare.run("harness", "run", path)
    report = Path(bare.run("harness", "report", "--store", path.parent / "harness.duckdb").strip())
    assert "Deploy: the fine-tune beats the best prompt" in report.read_text(encoding="utf-8")
    assert "<style>" in report.with_suffix(".html").read_text(encoding="utf-8")
