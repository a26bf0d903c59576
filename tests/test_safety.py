"""Nothing that strangers wrote is run: no pickles, no code of models, no shell, no unsafe YAML. Held by reading."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = [path for package in ("suites", "baselines", "reports", "harness") for path in (ROOT / package).rglob("*.py")]
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
RUNS = {"eval", "exec", "__import__", "os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load"}


def dangers(source: str) -> Iterator[str]:
    """What a module does that could run somebody else's code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in PICKLES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PICKLES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            settings = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            yield from dangerous(ast.unparse(node.func), settings)


def dangerous(called: str, settings: Mapping[str | None, str]) -> Iterator[str]:
    """What is wrong with one call."""
    if called in RUNS or (called == "yaml.load" and "Safe" not in settings.get("Loader", "")):
        yield called
    if called == "torch.load" and settings.get("weights_only") != "True":
        yield "torch.load without weights_only"
    if settings.get("trust_remote_code", "False") != "False":
        yield "trust_remote_code"
    if "Auto" in called and called.endswith(".from_pretrained") and "trust_remote_code" not in settings:
        yield "from_pretrained without trust_remote_code=False"
    if settings.get("shell", "False") != "False":
        yield "a shell"


def test_no_module_runs_what_it_reads() -> None:
    found = {path: list(dangers(path.read_text(encoding="utf-8"))) for path in FILES}
    assert not any(found.values()), {path: each for path, each in found.items() if each}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "AutoModel.from_pretrained(folder)",
        "AutoModel.from_pretrained(folder, trust_remote_code=trusted)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
    ],
)
def test_each_danger_would_be_seen(source: str) -> None:
    assert list(dangers(source))
