"""Each thing that grows is one table: a new metric, check, prompter, method and importer is a file and a line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import yaml
from workspaces import recorded_experiment, tiny_training

from baselines.prompters.table import PROMPTERS
from harness.config.methods import METHODS
from harness.importers import IMPORTERS
from harness.importers.trainers import TRAINERS
from harness.store.database import query
from suites.checks.table import CHECKS
from suites.data.formats import FORMATS
from suites.metrics.table import METRICS

ROOT = Path(__file__).parent.parent
TABLES: Mapping[str, Mapping[str, Any]] = {
    "metrics": METRICS,
    "checks": CHECKS,
    "formats": FORMATS,
    "importers": IMPORTERS,
    "trainers": TRAINERS,
    "prompters": PROMPTERS,
    "methods": METHODS,
}

FILES = {
    "brevity.py": '''
"""A metric: short answers."""
from suites.types import Score

def brevity(example, completion):
    return Score(1 / max(1, len(completion.text.split())))
''',
    "shouting.py": '''
"""A check: inputs in capitals."""
from suites.types import Finding

def shouting(material):
    rows = tuple(e.id for examples in material.splits.values() for e in examples if e.input.isupper())
    return [Finding("info", "shouting", f"{len(rows)} rows shout", rows)] if rows else []
''',
    "politely.py": '''
"""A prompter: the instruction, politely."""
from baselines.arm import Prompter
from baselines.prompters.types import PromptSettings

class Politely(PromptSettings):
    """The instruction with `times` a please before it."""
    times: int = 1

def build(settings, given):
    return Prompter(given.name, "Please, " * settings.times + given.template)
''',
    "last_layer.py": '''
"""A method: a LoRA of the attention's values alone, by the supervised trainer."""
import peft

def values(config, task):
    return peft.LoraConfig(task_type=task, r=config.rank, lora_alpha=config.alpha, target_modules=["v_proj"])
''',
    "diary.py": '''
"""An importer: diaries."""
from harness.importers.log import Answer, Log

def recognise(source):
    return source.kind == "json" and "diary" in source.content

def read(source):
    answers = tuple(
        Answer(where=str(source.path), task="days", item=day, question=day, input=day, target="rain",
               completion=weather, scores={"right": float(weather == "rain")})
        for day, weather in source.content["diary"].items()
    )
    return Log(answers=answers)
''',
    "harness_with_toys.py": '''
"""The command line, with five lines more in the tables."""
import sys
import brevity, diary, politely, shouting
from baselines.prompters.table import PROMPTERS
from baselines.prompters.types import PrompterKind
from harness.config.methods import METHODS, Method
from harness.importers import IMPORTERS, Importer
from suites.checks.table import CHECKS, Check
from suites.metrics.table import METRICS, Metric

METRICS["brevity"] = Metric("one over the words of the answer", brevity.brevity)
CHECKS["shouting"] = Check("inputs in capitals", shouting.shouting)
PROMPTERS["politely"] = PrompterKind("with a please", politely.Politely, politely.build, lambda s: f"polite {s.times}")
METHODS["values"] = Method("values only", "a LoRA of the values", 1e-2, adapter="last_layer:values")
IMPORTERS["diary"] = Importer("diaries", "a diary", diary.recognise, diary.read)

from harness.cli.main import main
sys.exit(main(sys.argv[1:]))
''',
}


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toys")
    for name, content in FILES.items():
        (folder / name).write_text(content.lstrip(), encoding="utf-8")
    return folder


def harness(toys: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(toys / "harness_with_toys.py"), *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=toys, env=env, capture_output=True, text=True, check=False)


def change(path: Path, **settings: Any) -> None:
    """Give an experiment file other settings."""
    content = {**yaml.safe_load(path.read_text(encoding="utf-8")), **settings}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def enums(schema: object) -> list[Sequence[object]]:
    """Every list of names in a JSON Schema."""
    if isinstance(schema, list):
        return [names for part in schema for names in enums(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema["enum"]] if isinstance(schema.get("enum"), list) else []
    return own + [names for part in schema.values() for names in enums(part)]


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, names in TABLES.items() for name in names])
def test_every_entry_says_in_one_line_what_it_is(table: str, name: str) -> None:
    about = TABLES[table][name].about
    assert about
    assert about == about.strip()
    assert len(about.splitlines()) == 1
    assert not about.endswith(".")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_is_called_and_how_fast_it_learns(name: str) -> None:
    method = METHODS[name]
    assert method.label
    assert 0 < method.learning_rate < 1


def test_the_schema_knows_every_new_name(toys: Path) -> None:
    shown = json.loads(harness(toys, "schema").stdout)
    for name in ("brevity", "shouting", "politely", "values"):
        assert any(name in names for names in enums(shown)), name
    politely = shown["$defs"]["Politely"]["properties"]["times"]
    assert politely["type"] == "integer"


def test_a_new_check_looks_and_its_level_can_be_set(toys: Path) -> None:
    path = recorded_experiment(toys / "checked", ["yes"] * 8, ["yes"] * 8, inputs=["HELLO", *"abcdefg"])
    [finding] = [f for f in json.loads(harness(toys, "check", str(path), "--json").stdout) if f["check"] == "shouting"]
    assert (finding["level"], finding["message"]) == ("info", "1 rows shout")
    assert finding["setting"] == "data.findings.shouting"
    change(path, data={**yaml.safe_load(path.read_text())["data"], "findings": {"shouting": "block"}})
    assert harness(toys, "check", str(path)).returncode == 6


def test_a_new_importer_reads_the_logs_of_its_tool(toys: Path) -> None:
    for name, weather in (("base", "sun"), ("tuned", "rain")):
        diary = {str(day): weather if day % 3 else "rain" for day in range(30)}
        (toys / f"{name}.json").write_text(json.dumps({"diary": diary}), encoding="utf-8")
    done = harness(toys, "import", "base.json", "tuned.json", "--out", "imported")
    assert "two diary logs, 30 questions; recorded:right on days decides" in done.stdout + done.stderr
    refused = harness(toys, "import", "brevity.py", "tuned.json", "--out", "other")
    assert refused.returncode == 2


def test_a_new_prompter_metric_and_method_are_run(toys: Path) -> None:
    base = tiny_models.build("llama", toys / "base")
    path = tiny_training(toys / "run", base, method="values", epochs=2)
    prompters = ["zero_shot", {"politely": {"times": 2}}, {"name": "once", "politely": None}]
    change(path, baselines=prompters, task={"metrics": ["exact_match", "brevity"], "max_new_tokens": 4})
    done = harness(toys, "run", str(path))
    assert done.returncode in (0, 3, 4, 5), done.stderr
    store = toys / "run" / "harness.duckdb"
    arms = {row[0] for row in query(store, "select distinct arm from v_runs")[1]}
    assert {"zero-shot", "polite 2", "once"} <= arms
    assert any(arm.startswith("values only") for arm in arms)
    assert {row[0] for row in query(store, "select distinct metric from v_runs")[1]} == {"exact_match", "brevity"}
    [[method, spec]] = query(store, "select method, spec from training")[1]
    assert method == "values"
    folder = Path(json.loads(spec)["adapter"])
    assert json.loads((folder / "adapter_config.json").read_text())["target_modules"] == ["v_proj"]


def test_a_name_that_is_nearly_one_of_a_table_is_told_that_one(toys: Path) -> None:
    path = recorded_experiment(toys / "wrong", ["yes"] * 8, ["yes"] * 8)
    change(path, baselines=["politley"], task={"metrics": ["brevety"]})
    assert "`baselines.0.politley` unknown setting; did you mean `politely`?" in harness(toys, "run", str(path)).stderr
    change(path, baselines=[{"recorded": "prompted.jsonl"}])
    assert "`brevety`: unknown metric; did you mean `brevity`?" in harness(toys, "run", str(path)).stderr
