"""The architecture, held by reading the imports: one direction, and one home for each heavy dependency."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import recorded_experiment, run

ROOT = Path(__file__).parent.parent
ORDER = ("suites", "baselines", "reports", "harness")
HOMES = {
    "torch": ("harness/models/hf/", "harness/training/", "harness/demo/", "harness/observe/trackers.py"),
    "transformers": ("harness/models/hf/", "harness/training/", "harness/demo/"),
    "peft": ("harness/models/hf/", "harness/training/"),
    "accelerate": ("harness/training/",),
    "trl": ("harness/training/",),
    "lm_eval": ("suites/benchmarks/lm_eval.py",),
    "datasets": ("suites/data/hub.py", "harness/training/"),
    "evaluate": ("suites/metrics/evaluate_bridge.py",),
    "sacrebleu": ("suites/metrics/bleu.py",),
    "wandb": ("harness/observe/trackers.py",),
    "mlflow": ("harness/observe/trackers.py",),
    "trackio": ("harness/observe/trackers.py",),
    "optuna": ("harness/pipeline/sweep.py",),
    "matplotlib": ("reports/outputs/plots.py",),
}
FILES = [path for package in ORDER for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Top-level names a module imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_packages_import_only_to_their_left_and_heavy_dependencies_stay_home(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    names = imported(path)
    allowed = ORDER[: ORDER.index(place.split("/")[0]) + 1]
    if place.startswith("reports/"):
        allowed = ("suites", "reports")  # reads the store, not the prompts
    assert not (names & set(ORDER)) - set(allowed), f"{place} imports to its right"
    for dependency, homes in HOMES.items():
        if dependency in names:
            assert place.startswith(homes), f"{dependency} is at home in {homes}, not in {place}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_no_function_is_longer_than_a_screen(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{path} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.end_lineno:
            assert node.end_lineno - node.lineno < 80, f"{path.name}: {node.name} is too long"


@pytest.mark.parametrize("arguments", [["--help"], ["gate", "--help"]])
def test_start_up_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom harness.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'pydantic', 'duckdb', 'scipy', 'numpy', 'rich', 'matplotlib', 'yaml'}\n"
        "found = heavy & set(sys.modules)\nassert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a small experiment that was run."""
    path = recorded_experiment(tmp_path_factory.mktemp("decided"), ["yes", "no"] * 10, ["yes"] * 20)
    return run(path).store.path


@pytest.mark.parametrize("command", [["report"], ["gate"], ["query", "from v_runs"], ["runs"]], ids=lambda c: c[0])
def test_reading_an_old_decision_loads_no_torch(command: list[str], decided: Path) -> None:
    code = (
        "import sys\nfrom harness.cli.main import main\n"
        f"code = main({[*command, '--store', str(decided)]!r})\n"
        "assert code not in (1, 2), code\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr
