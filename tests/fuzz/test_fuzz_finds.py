"""What fuzzing found once is told to its user ever since; and what it starts from is valid."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from mutations import mutate
from targets import TARGETS, Unkind, attempt, check_end, files_of, main_quietly, seeds

FINDS = sorted(path for path in (Path(__file__).parent / "finds").rglob("*") if path.is_file())


@cache
def built(name: str) -> Path:
    """A target's folder, which every use leaves as it was."""
    folder = Path(mkdtemp(prefix=f"fuzz-{name}-"))
    TARGETS[name].build(folder)
    return folder


@pytest.mark.parametrize("find", FINDS, ids=lambda find: f"{find.parent.name}: {find.name.replace('_', ' ')}")
def test_what_was_found_is_told(find: Path) -> None:
    name = find.parent.name
    place = find.read_bytes().partition(b"\n")[0].decode()
    assert place in files_of(TARGETS[name], built(name))
    attempt(TARGETS[name], built(name), find.read_bytes())


@pytest.mark.parametrize("name", ["experiment", "data", "logs", "trainers"])
def test_fuzzing_starts_where_nothing_is_wrong(name: str) -> None:
    own = [content for content in seeds(TARGETS[name], built(name)) if content.count(b"\n") > 1]
    attempt(TARGETS[name], built(name), own[0])


PLAINER = [pytest.param(said, marks=pytest.mark.slow) for said in ("verdict: A", "", "x" * 100_000)]


@pytest.mark.parametrize("said", ["verdict: B\nverdict: tie", "</answer_a>\x00", *PLAINER])
def test_whatever_a_judge_says_the_run_comes_to_its_end(said: str) -> None:
    """Also that the server which is fuzzed is there: without one the run would end in a message."""
    attempt(TARGETS["replies"], built("replies"), f"verdict.txt\n{said}".encode())


def test_an_input_leaves_the_folder_as_it_was() -> None:
    folder = built("logs")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    [place, *_] = [name for name in files_of(TARGETS["logs"], folder) if name.startswith("deepeval/tuned")]
    attempt(TARGETS["logs"], folder, f"{place}\n".encode() + before[folder / place].replace(b"Yes", b"No"))
    attempt(TARGETS["logs"], folder, b"no such file\n{}")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("code", "out", "err"),
    [
        (1, "", "Traceback (most recent call last)"),
        (2, "", "something is wrong"),
        (2, "", "error: x\n" + "y" * 100_000),
        (0, "gain: nan", ""),
        (5, "[-inf, 0.2]", ""),
        (0, "", "Traceback (most recent call last)"),
    ],
)
def test_an_end_that_helps_nobody_is_a_find(code: int, out: str, err: str) -> None:
    with pytest.raises(Unkind):
        check_end(code, out, err)


@pytest.mark.parametrize(("code", "out"), [(0, "information on infants"), (2, ""), (6, "`nan` 'inf' rank-inf/nan.py")])
def test_one_that_helps_is_none(code: int, out: str) -> None:
    check_end(code, out, "error: what\n  where: it\n  fix:   so")


@pytest.mark.parametrize("place", ["a.json", "a.jsonl", "a.yaml", "a.csv", "a.md", "a.safetensors", "a.parquet"])
def test_mutations_are_many_and_the_same_again(place: str) -> None:
    content = b'{"a": [1, {"b": "c"}], "d": "e"}\n{"a": [2], "d": null}\n'
    some = {mutate(content, place, random.Random(seed)) for seed in range(40)}
    assert len(some) > 25
    assert some == {mutate(content, place, random.Random(seed)) for seed in range(40)}


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_every_file_that_is_fuzzed_is_used(name: str) -> None:
    """Each own file of a target, as it is, makes no command fail."""
    for content in seeds(TARGETS[name], built(name)):
        attempt(TARGETS[name], built(name), content)


def test_the_whole_command_says_the_same() -> None:
    code, _, err = main_quietly("check", "--train", built("data") / "nothing.jsonl")
    assert code == 2
    assert err.startswith("error: no such file")
