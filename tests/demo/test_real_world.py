"""The real demo's texts: deterministic, really different, each sentence in one split, and clean by the data check."""

from __future__ import annotations

import json
from collections import Counter
from math import sqrt
from pathlib import Path

import pytest
import yaml

from harness.cli.main import main
from harness.demo.real import world
from harness.experiment.exam_power import DISCORDANCE, ENOUGH_POWER
from harness.experiment.load import load_experiment
from harness.stats import power
from suites.catalog import load_suite

FILES = Path(world.__file__).parent / "files"
LABELS = 12


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, str]]]:
    return world.task_rows()


def test_the_shipped_files_are_what_the_command_writes(tmp_path: Path) -> None:
    world.write(tmp_path)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 6
    for path in written:
        assert path.read_bytes() == (FILES / path.relative_to(tmp_path)).read_bytes(), path.name


def test_every_label_has_as_many_rows_as_every_other(rows: dict[str, list[dict[str, str]]]) -> None:
    counts = {name: Counter(row["target"] for row in part) for name, part in rows.items()}
    assert {name: set(count.values()) for name, count in counts.items()} == {
        "train": {36}, "validation": {6}, "test": {27}
    }  # fmt: skip
    assert all(len(count) == LABELS for count in counts.values())


def test_each_of_the_360_sentences_is_in_one_split_alone(rows: dict[str, list[dict[str, str]]]) -> None:
    places = {(row["cluster"], name) for name, part in rows.items() for row in part}
    assert len(places) == len({cluster for cluster, _ in places}) == 360
    assert len({sentence for sentences in world.read("phrases").values() for sentence in sentences}) == 360


def test_no_frame_says_what_a_label_is_about() -> None:
    frames = " ".join(text for texts in world.read("frames").values() for text in texts).lower()
    assert not [label for label in world.read("phrases") if label in frames]


def test_the_policy_names_every_label_in_the_order_that_decides() -> None:
    policy = (FILES / "prompts" / "policy.md").read_text()
    named = [line.partition(":")[0] for line in policy.splitlines() if ": " in line]
    assert named == list(world.read("phrases"))


def test_the_data_check_finds_nothing_to_warn_of(capsys: pytest.CaptureFixture[str]) -> None:
    files = [word for name in world.SPLITS for word in (f"--{name}", str(FILES / "data" / f"{name}.jsonl"))]
    assert main(["check", *files, "--json"]) == 0
    assert {finding["level"] for finding in json.loads(capsys.readouterr().out)} == {"info"}


def test_no_question_is_both_asked_and_learnt_from() -> None:
    asked, kept = world.questions()
    assert not {row["input"] for row in asked} & {row["input"] for row in kept}
    assert (len(asked), len(kept)) == (180, 120)
    assert len(load_suite("everyday", FILES).examples) == 180


def test_the_margin_is_one_that_the_questions_can_decide() -> None:
    [rule] = yaml.safe_load((FILES / "experiment.yaml").read_text())["regression"]
    sd = sqrt(DISCORDANCE)
    assert power.passes(180, sd, rule["margin"], 0.975) >= ENOUGH_POWER > power.passes(180, sd, 0.05, 0.975)


def test_the_experiment_is_one_but_for_the_model_that_is_fetched(tmp_path: Path) -> None:
    text = (FILES / "experiment.yaml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("model:"))
    assert line == "model: model/SmolLM2-135M-Instruct.Q4_1.gguf"
    for name in FILES.rglob("*.*"):
        copy = tmp_path / name.relative_to(FILES)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(name.read_bytes())
    path = tmp_path / "experiment.yaml"
    path.write_text(text.replace(line, "model: embedded"))
    assert load_experiment(path).name == "message-labels"
