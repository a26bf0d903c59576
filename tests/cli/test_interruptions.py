"""Ended at any moment, by any signal: the same command afterwards does what is missing, and all is as if nothing was.

What is compared is every file that is left, to the byte, and every row of the store; dates and durations aside.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import eval_logs
import pytest
import tiny_encoder
import tiny_models
from kills import AXOLOTL, Ended, differences, harness, left, settled
from workspaces import recorded_experiment, tiny_training, write_jsonl

FILES = {
    "init": ["init", "new"],
    "import": ["import", "base", "tuned", "--out", "made"],
    "convert": ["convert", "config.yaml", "--out", "made/experiment.yaml"],
    "check --fix": ["check", "--train", "rows.jsonl", "--fix", "mended"],
}
"""Commands that write files of their own, a few dozen moments each."""

RUBRIC = """\
{{ input }} | {{ first }} | {{ second }}
{% if first == second %}verdict: tie{% elif first and first in input %}verdict: A{% else %}verdict: B{% endif %}
"""

STAGES = ("check", "baseline", "exam", "judge", "decide")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What people bring: two logs, a config of another trainer, rows with copies."""
    folder = tmp_path_factory.mktemp("given")
    eval_logs.lm_eval(folder / "base", [i % 2 == 0 for i in range(30)])
    eval_logs.lm_eval(folder / "tuned", [i % 5 != 0 for i in range(30)])
    write_jsonl(folder / "rows.jsonl", [{"input": f"parcel {i % 25} is late", "target": "late"} for i in range(30)])
    write_jsonl(folder / "theirs.jsonl", [{"instruction": f"say {i}", "input": "", "output": "ok"} for i in range(30)])
    (folder / "config.yaml").write_text(AXOLOTL)
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recorded answers, training rows and a judge that can read."""
    folder = tmp_path_factory.mktemp("judged")
    write_jsonl(folder / "train.jsonl", [{"input": f"say red, row {i}", "target": "red"} for i in range(12)])
    labels = [
        {"id": f"l{i}", "input": f"say red {i}", "first": "red", "second": "no", "label": "first"} for i in range(8)
    ]
    write_jsonl(folder / "labels.jsonl", labels)
    (folder / "rubric.md").write_text(RUBRIC)
    recorded_experiment(
        folder, ["red", "dunno"] * 12, ["red"] * 22 + ["dunno"] * 2, targets=["red"] * 24,
        inputs=[f"say red, question {i}" for i in range(24)], data={"train": "train.jsonl", "test": "test.jsonl"},
        judge={"model": "echo", "rubric": "rubric.md", "calibration": "labels.jsonl"},
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def run_trial(judged: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(judged, tmp_path_factory.mktemp("run") / "place", "run", "experiment.yaml")


class Trial:
    """A command in a folder, run once undisturbed, and again after each interruption from the same start."""

    def __init__(self, start: Path, place: Path, *words: str) -> None:
        self._start, self._place, self._words = start, place, words
        self._begin()
        self.undisturbed = harness(*words, cwd=place)
        self._whole = left(place)

    def _begin(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.copytree(self._start, self._place)

    def interrupted(self, at: int, kind: str) -> Ended:
        """The command ended at a moment and given again; how it ended the first time."""
        self._begin()
        first = harness(*self._words, cwd=self._place, at=at, kind=kind)
        assert settled(self._place) == [], "a half-written file under its own name"
        again = harness(*self._words, cwd=self._place)
        said = f"{kind} at moment {at} of {self.undisturbed.moments}"
        assert again.code == self.undisturbed.code, f"{said}: {again.err}"
        assert differences(self._whole, left(self._place)) == [], said
        return first


def ended_as_told(ended: Ended, kind: str, *words: str) -> None:
    """The exit code is that of the signal, and of one that can be heard the next command is told."""
    if kind == "SIGKILL":
        assert ended.code == -9
    else:
        assert (ended.code, ended.err.splitlines()[-1:]) == (130, [f"harness {' '.join(words)}"])
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("name", FILES)
def test_files_that_a_command_wrote_in_part_are_completed(name: str, given: Path, tmp_path: Path) -> None:
    trial = Trial(given, tmp_path / "place", *FILES[name])
    last = trial.undisturbed.moments
    for at, kind in ((last // 2, "SIGKILL"), (last, "SIGTERM")):
        ended_as_told(trial.interrupted(at, kind), kind, *FILES[name])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SIGKILL", "SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("name", FILES)
def test_at_every_single_moment_of_commands_that_write_files(name: str, kind: str, given: Path, tmp_path: Path) -> None:
    trial = Trial(given, tmp_path / "place", *FILES[name])
    for at in range(1, trial.undisturbed.moments + 1):
        ended_as_told(trial.interrupted(at, kind), kind, *FILES[name])


def test_a_file_of_ones_own_is_in_the_way_and_stays(given: Path, tmp_path: Path) -> None:
    for name, words in FILES.items():
        place = tmp_path / name
        shutil.copytree(given, place)
        file = {"init": "new/rubric.md", "import": "made/exam.jsonl", "convert": "made/experiment.yaml"}.get(
            name, "mended/removed.jsonl"
        )
        (place / file).parent.mkdir()
        (place / file).write_text("mine\n")
        ended = harness(*words, cwd=place)
        assert ended.code == 2, name
        assert "name a" in ended.err
        assert [path.read_text() for path in (place / file).parent.iterdir()] == ["mine\n"], name


@pytest.mark.parametrize(("share", "kind"), [(0.1, "SIGKILL"), (0.35, "SIGTERM"), (0.6, "SIGHUP"), (0.97, "SIGINT")])
def test_a_run_that_was_ended_decides_as_if_it_had_not_been(share: float, kind: str, run_trial: Trial) -> None:
    ended = run_trial.interrupted(int(share * run_trial.undisturbed.moments), kind)
    ended_as_told(ended, kind, "run", "experiment.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("stage", [*STAGES, "report", "selftest"])
@pytest.mark.parametrize("kind", ["SIGKILL", "SIGINT", "SIGTERM", "SIGHUP"])
def test_each_stage_that_was_ended(stage: str, kind: str, judged: Path, tmp_path: Path) -> None:
    """Five moments of each, spread over all it has: the store's transactions, the files of the report."""
    start, words = tmp_path / "start", [stage, "experiment.yaml"]
    shutil.copytree(judged, start)
    for before in STAGES[: STAGES.index(stage)] if stage in STAGES else STAGES:
        harness(before, "experiment.yaml", cwd=start)
    trial = Trial(start, tmp_path / "place", *words)
    rng, parts = random.Random(f"{stage} {kind}"), 5
    for part in range(parts):
        at = 1 + int((part + rng.random()) / parts * trial.undisturbed.moments)
        ended_as_told(trial.interrupted(at, kind), kind, *words)


@pytest.mark.slow
@pytest.mark.parametrize("more", ["", "sweep", "seeds", "folds"])
def test_trainings_that_were_ended(more: str, tmp_path: Path) -> None:
    """With the weights that an undisturbed run leaves, byte for byte."""
    settings = {
        "": {},
        "seeds": {"seeds": 2},
        "sweep": {"sweep": {"trials": 2, "space": {"epochs": [1, 2]}}},
        "folds": {},
    }
    base = tiny_models.build("llama", tmp_path / "base")
    experiment = tiny_training(tmp_path / "start", base, epochs=2, **settings[more])
    if more == "folds":
        (experiment.parent / "validation.jsonl").unlink()
        (experiment.parent / "test.jsonl").unlink()
        text = experiment.read_text()
        data = text[text.index("data:") : text.index("experiment:")]
        experiment.write_text(text.replace(data, "data: {train: train.jsonl, split: {folds: 3}}\n"))
    trial = Trial(tmp_path / "start", tmp_path / "place", "run", "experiment.yaml")
    assert trial.undisturbed.code in (0, 3, 4, 5, 6), trial.undisturbed.err
    rng = random.Random(more)
    for kind in ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT"):
        trial.interrupted(rng.randrange(1, trial.undisturbed.moments), kind)


@pytest.mark.slow
def test_vectors_that_were_made_in_part_are_completed(tmp_path: Path) -> None:
    """Shots found by an encoder: each file of vectors is there whole or not at all, whenever the check is ended."""
    start = tmp_path / "start"
    tiny_encoder.of_synonyms(start / "encoder", ["stolen robbed", "card plastic", "fee charge"])
    rows = [{"input": f"{word} {i}", "target": "x"} for i, word in enumerate(["robbed", "plastic", "charge"] * 8)]
    write_jsonl(start / "train.jsonl", rows)
    few = {"shots": 1, "choose": "nearest", "encoder": "encoder"}
    recorded_experiment(
        start, ["x"] * 12, ["x"] * 12, targets=["x"] * 12, inputs=[f"stolen card {i}" for i in range(12)],
        data={"train": "train.jsonl", "test": "test.jsonl"}, model="embedded", baselines=[{"few_shot": few}],
    )  # fmt: skip
    trial = Trial(start, tmp_path / "place", "check", "experiment.yaml")
    assert [*(tmp_path / "place" / "out" / "vectors").rglob("*.npz")]
    last = trial.undisturbed.moments
    for at in (last // 2, 3 * last // 4, last):
        assert trial.interrupted(at, "SIGKILL").code == -9
