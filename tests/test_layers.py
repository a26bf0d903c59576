"""The architecture, held by reading the imports: one direction, and one home for each heavy dependency."""

from __future__ import annotations

import ast
import functools
import io
import itertools
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
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
    "suites.errors", "suites.text", "suites.writing", "suites.normalise", "suites.languages", "suites.model",
    "suites.reasoning", "suites.types", "suites.tools",
    "suites.similarity", "suites.metrics", "suites.data", "suites.probes", "suites.catalog", "suites.straw_men",
    "suites.generators", "suites.judges", "suites.checks", "suites.benchmarks",
)  # fmt: skip
HOMES = {
    "torch": ("harness/models/hf/", "harness/training/", "harness/demo/", "harness/observe/trackers.py"),
    "transformers": ("harness/models/hf/", "harness/training/", "harness/demo/", "suites/similarity/encoder.py"),
    "sentence_transformers": ("suites/similarity/encoder.py",),
    "peft": ("harness/models/hf/", "harness/training/"),
    "accelerate": ("harness/training/",),
    "trl": ("harness/training/methods/",),
    "vllm": ("harness/models/vllm.py",),
    "lm_eval": ("suites/benchmarks/",),
    "datasets": ("suites/data/", "suites/metrics/for_evaluate.py", "harness/training/"),
    "evaluate": ("suites/metrics/",),
    "sacrebleu": ("suites/metrics/",),
    "rouge_score": ("suites/metrics/",),
    "mpmath": ("suites/metrics/",),
    "wandb": ("harness/observe/",),
    "mlflow": ("harness/observe/",),
    "trackio": ("harness/observe/",),
    "optuna": ("harness/pipeline/",),
    "shtab": ("harness/cli/",),
    "bm25s": ("baselines/retrieval/",),
    "semchunk": ("baselines/retrieval/",),
    "matplotlib": ("reports/outputs/",),
    "duckdb": ("harness/store/", "reports/data.py", "reports/rows.py"),
}
FILES = [path for package in ("suites", "baselines", "reports", "harness") for path in (ROOT / package).rglob("*.py")]


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Full names of what a module imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports say the whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def room(name: str, line: tuple[str, ...]) -> int | None:
    """The place of a module in a line; None for what stands in no room of it."""
    return next((place for place, room in enumerate(line) if f"{name}.".startswith(f"{room}.")), None)


def place_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_each_room_imports_only_what_stands_before_it() -> None:
    for path, line in itertools.product(FILES, (LINE, SUITES)):
        module = place_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        here = room(module, line)
        for name in imported(path):
            there = room(name, line)
            assert here is None or there is None or there <= here, f"{module} imports {name}, which stands after it"


def test_reports_read_the_store_and_not_prompts() -> None:
    for path in FILES:
        if place_of(path).startswith("reports/"):
            assert not any(name.startswith("baselines") for name in imported(path)), path


def test_heavy_dependencies_stay_home() -> None:
    for path in FILES:
        for dependency in {name.split(".")[0] for name in imported(path)} & HOMES.keys():
            home = HOMES[dependency]
            assert place_of(path).startswith(home), f"{place_of(path)}: {dependency} is at home in {home}"


# How a statement begins, and what no sentence of ours looks like.
SQL = re.compile(
    r"\s*(select\b.*\bfrom\b|select 1\b|insert (into|or)\b|update \w+ set\b|delete from\b|with \w+ as \(|copy \("
    r"|from \w+( [a-z])?( where| order| join| left join|;|$)|(create|alter|drop) (table|view)\b)",
    re.DOTALL,
)
SPEAKS_SQL = ("harness/store/", "reports/data.py", "reports/rows.py", "harness/selftest/inject.py")


def statements(tree: ast.Module) -> list[str]:
    """Texts of a module that are SQL, and the calls that would run some; docstrings are no statements."""
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    ]
    calls = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return [text for text in texts if SQL.match(text)] + [name for name in calls if name in ("execute", "fetchall")]


def test_sql_stays_home() -> None:
    for path in FILES:
        if not place_of(path).startswith(SPEAKS_SQL):
            assert not statements(parsed(path)), f"{place_of(path)}: SQL is at home in {SPEAKS_SQL}"


def test_sql_is_seen_wherever_it_stands() -> None:
    seen = (
        '"select a, b from v_runs"', 'f"delete from {table}"', '"""\n  with x as (select 1) from x"""',
        "con.execute(x)", '"from v_runs where experiment_id = ?"', '"update runs set digest = 1"',
        '"insert or replace into runs"',
    )  # fmt: skip
    told = ('"with folds each row is tested once"', '"from 3 to 4 rows it changed"', '"select one of these"')
    counts = [len(statements(ast.parse(f"x = {text}"))) for text in (*seen, *told)]
    assert counts == [1] * len(seen) + [0] * len(told)


def test_what_the_store_gives_is_a_record_or_a_plain_value_and_never_a_row_by_names() -> None:
    for path in FILES:
        if place_of(path).startswith("harness/store/"):
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.FunctionDef) and node.returns:
                    result = ast.unparse(node.returns)
                    assert not re.search(r"\b(dict|Mapping)\[str, (Any|object)\]", result), f"{path.name}: {node.name}"


def test_only_those_who_take_an_experiment_a_step_on_know_the_session() -> None:
    knowing = ("experiment.session", "pipeline", "selftest", "cli")
    for path in FILES:
        if any(name.startswith("harness.experiment.session.Session") for name in imported(path)):
            assert place_of(path).startswith(tuple(f"harness/{name.replace('.', '/')}" for name in knowing)), path


# Who reads files by other means than `suites.text.files`, and why each may.
READS_FILES = {
    "suites/text/files.py": "it is the way", "suites/text/yaml_text.py": "to name a bad byte's line",
    "suites/writing.py": "what it is about to replace", "suites/metrics/table.py": "our own code",
    "suites/checks/fix.py": "a copy of rows that were read", "reports/outputs/html.py": "the report just written",
    "harness/cli/begin.py": "our own files", "harness/decision/prices.py": "our own list",
    "harness/decision/retirements.py": "our own list", "harness/store/versions.py": "our own statements",
    "harness/store/copies.py": "our own statements", "harness/view/doctor.py": "the machine's own",
    "harness/training/elsewhere/openai_job.py": "the rows it has just written, to send them",
    "harness/experiment/alone.py": "the machine's own", "harness/training/memory/fit.py": "the machine's own",
}  # fmt: skip


# Who opens files to read them by other means than `suites.text.files.opened`, and why each may.
OPENS_FILES = {
    "suites/text/files.py": "it is the way", "suites/writing.py": "a folder, to have it on the disk",
    "harness/training/elsewhere/launch.py": "what our own processes tell",
    "harness/training/elsewhere/program.py": "the log that it writes itself",
    "harness/training/loop/checkpoints.py": "the checkpoint just written",
    "harness/experiment/alone.py": "to lock what was seen to be a file", "harness/cli/pipes.py": "nothing, for writing",
    "harness/cli/real.py": "the wheel just fetched", "harness/store/opening.py": "twelve bytes of what is a file",
    "harness/store/copies.py": "the copy just written",
}  # fmt: skip


def test_files_that_people_name_are_read_within_limits() -> None:
    """A pipe would be waited for without end, and a file of any size held whole."""
    for path in FILES:
        if place_of(path).startswith("harness/demo/"):
            continue
        called = {node.attr for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)}
        assert not called & {"read_text", "read_bytes"} or place_of(path) in READS_FILES, path
        assert not list(opens_to_read(parsed(path))) or place_of(path) in OPENS_FILES, path


def opens_to_read(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of `open` and `.open` whose mode writes nothing, or is not known here; a module's own is no file's."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        method = isinstance(node.func, ast.Attribute) and node.func.attr == "open"
        if method or (isinstance(node.func, ast.Name) and node.func.id == "open"):
            modes = [each.value for each in node.args if isinstance(each, ast.Constant)]
            if not any(str(mode)[:1] in ("w", "a", "x") for mode in modes):
                yield node


def test_what_opens_a_file_to_read_it_is_seen() -> None:
    seen = "open(name); path.open('rb'); path.open(encoding='utf-8'); path.open(mode); os.open(name, os.O_RDONLY)"
    assert len(list(opens_to_read(ast.parse(seen)))) == 5
    assert not list(opens_to_read(ast.parse("path.open('wb'); open(name, 'a'); opened(path)")))


def test_every_room_is_in_the_line() -> None:
    rooms = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in FILES} - {"harness"}
    assert not [name for name in rooms if room(name, LINE) is None]
    assert not [name for name in rooms if name.startswith("suites.") and room(name, SUITES) is None]


def test_every_module_says_what_it_is_and_no_function_is_longer_than_a_screen() -> None:
    for path in FILES:
        assert ast.get_docstring(parsed(path)), f"{path} has no docstring"
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno:
                assert node.end_lineno - node.lineno < 80, f"{place_of(path)}: {node.name} is too long"


def test_most_things_have_a_type() -> None:
    """`Any` stays where a library publishes no types: at most 8 times in 1,000 lines, imports included."""
    sources = [path.read_text(encoding="utf-8") for path in FILES]
    tokens = [token for source in sources for token in tokenize.generate_tokens(io.StringIO(source).readline)]
    used = sum(token.type == tokenize.NAME and token.string == "Any" for token in tokens)
    assert used <= 8 * sum(source.count("\n") for source in sources) / 1000


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


def test_a_recorded_decision_with_its_report_loads_only_what_it_needs(tmp_path: Path) -> None:
    """Each of these costs a third of a second or more, and nothing of it is asked for."""
    path = recorded_experiment(tmp_path, ["yes", "no"] * 10, ["yes"] * 20)
    code = (
        "import sys\nfrom harness.cli.main import main\n"
        f"code = main(['run', {str(path)!r}])\n"
        "assert code not in (1, 2), code\n"
        "heavy = {'torch', 'transformers', 'datasets', 'matplotlib', 'scipy.stats', 'requests', 'pandas'}\n"
        "found = heavy & set(sys.modules)\nassert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr


def test_a_check_of_bare_files_loads_neither_statistics_nor_a_database(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("input,target\n" + "".join(f"question {i},{i}\n" for i in range(30)))
    code = (
        "import sys\nfrom harness.cli.main import main\n"
        f"main(['check', {str(tmp_path)!r}])\n"
        "heavy = {'torch', 'scipy.stats', 'scipy.optimize', 'duckdb', 'requests', 'pandas'}\n"
        "found = heavy & set(sys.modules)\nassert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr
