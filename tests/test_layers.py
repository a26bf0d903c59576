"""The architecture, held by reading the imports: one direction, and one home for each heavy dependency."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import recorded_experiment, run

ROOT = Path(__file__).parent.parent
# Each room imports only what stands before it; `demo` stands apart and uses all of it.
LINE = (
    "suites", "baselines", "reports", "harness.observe", "harness.stats", "harness.config", "harness.decision",
    "harness.store", "harness.judge", "harness.models", "harness.training", "harness.importers", "harness.experiment",
    "harness.evaluation", "harness.pipeline", "harness.selftest", "harness.view", "harness.cli", "harness.demo",
)  # fmt: skip
# Inside suites a line of its own; the nouns come first.
SUITES = (
    "suites.errors", "suites.normalise", "suites.model", "suites.types", "suites.similarity", "suites.metrics",
    "suites.data", "suites.catalog", "suites.judges", "suites.checks", "suites.benchmarks",
)  # fmt: skip
HOMES = {
    "torch": ("harness/models/hf/", "harness/training/", "harness/demo/", "harness/observe/trackers.py"),
    "transformers": ("harness/models/hf/", "harness/training/", "harness/demo/"),
    "peft": ("harness/models/hf/", "harness/training/"),
    "accelerate": ("harness/training/",),
    "trl": ("harness/training/methods/",),
    "vllm": ("harness/models/vllm.py",),
    "lm_eval": ("suites/benchmarks/",),
    "datasets": ("suites/data/", "harness/training/"),
    "evaluate": ("suites/metrics/",),
    "sacrebleu": ("suites/metrics/",),
    "wandb": ("harness/observe/",),
    "mlflow": ("harness/observe/",),
    "trackio": ("harness/observe/",),
    "optuna": ("harness/pipeline/",),
    "matplotlib": ("reports/outputs/",),
    "duckdb": ("harness/store/", "reports/data.py", "reports/rows.py"),
}
FILES = [path for package in ("suites", "baselines", "reports", "harness") for path in (ROOT / package).rglob("*.py")]


def imported(path: Path) -> set[str]:
    """Full names of what a module imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports say the whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(name: str, line: tuple[str, ...]) -> int | None:
    """The place of a module in a line; None for what stands in no room of it."""
    return next((place for place, room in enumerate(line) if f"{name}.".startswith(f"{room}.")), None)


def place_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=place_of)
def test_each_room_imports_only_what_stands_before_it(path: Path) -> None:
    module = place_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for line in (LINE, SUITES):
        here = room(module, line)
        for name in imported(path):
            there = room(name, line)
            assert here is None or there is None or there <= here, f"{module} imports {name}, which stands after it"
    if module.startswith("reports"):
        assert not any(name.startswith("baselines") for name in imported(path)), "reports read the store, not prompts"


@pytest.mark.parametrize("path", FILES, ids=place_of)
def test_heavy_dependencies_stay_home(path: Path) -> None:
    names = {name.split(".")[0] for name in imported(path)}
    for dependency in names & HOMES.keys():
        assert place_of(path).startswith(HOMES[dependency]), f"{dependency} is at home in {HOMES[dependency]}"


def test_every_room_is_in_the_line() -> None:
    rooms = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in FILES} - {"harness"}
    assert not [name for name in rooms if room(name, LINE) is None]
    assert not [name for name in rooms if name.startswith("suites.") and room(name, SUITES) is None]


@pytest.mark.parametrize("path", FILES, ids=place_of)
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
