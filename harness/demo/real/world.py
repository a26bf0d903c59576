"""Writes the data of the real demo: messages to sort, questions that the base can answer, and more of those to keep.

    python -m harness.demo.real.world [--out FOLDER]

Pure Python and seeded: the same text every time. A sentence of phrases.yaml stands in one split alone, with all rows
made of it, which are one cluster; a question is either asked in the exam or learnt from, never both.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

from harness.demo.messages import greet
from suites.text import yaml_text

SEED = 17
HERE = Path(__file__).parent


class Part(NamedTuple):
    """How many of a label's sentences go into a split, and how many rows are made of each."""

    sentences: int
    rows: int


SPLITS = {"train": Part(18, 2), "validation": Part(3, 2), "test": Part(9, 3)}
ASKED = 36
"""Of each kind of question, how many are the exam's; the others are what training may keep alive."""
GREETED = 0.35
SUITE = """\
name: everyday
description: >-
  Short questions in plain English: capitals, opposites, facts, a choice of two, a sentence to repeat. A small instruct
  model answers well over half of them.
metrics: [contains]
max_new_tokens: 24
slices: [skill]
"""


class Frames(NamedTuple):
    """What stands around a sentence, and what it is about."""

    greetings: list[str]
    calm: list[str]
    upset: list[str]
    devices: list[str]


def read(name: str) -> dict[str, list[str]]:
    """A file of lists, by name."""
    content = yaml_text.load(HERE / f"{name}.yaml").content
    return {str(key): list(map(str, values)) for key, values in content.items()}


def messages(rng: Random, sentence: str, count: int, frames: Frames) -> Iterator[dict[str, str]]:
    """Messages around a sentence, each about another device and in other company, and their tone."""
    beside = {tone: iter(rng.sample(lines, count)) for tone, lines in (("calm", frames.calm), ("upset", frames.upset))}
    tones = ["plain", *rng.sample(list(beside), 2)][:count]
    for tone, device, greeting in zip(
        tones, rng.sample(frames.devices, count), rng.sample(frames.greetings, count), strict=True
    ):
        parts = [sentence.format(p=device)]
        if tone in beside:
            parts.insert(rng.randrange(2), next(beside[tone]).format(n=f"LF{rng.randrange(10_000, 100_000)}"))
        text = " ".join(parts)
        yield {"input": greet(greeting, text) if rng.random() < GREETED else text, "tone": tone}


def task_rows() -> dict[str, list[dict[str, str]]]:
    """The messages of each split, in an order that tells nothing."""
    rng, frames = Random(SEED), Frames(**read("frames"))
    splits: dict[str, list[dict[str, str]]] = {name: [] for name in SPLITS}
    for label, sentences in read("phrases").items():
        numbers = iter(rng.sample(range(len(sentences)), len(sentences)))
        for name, part in SPLITS.items():
            for number in [next(numbers) for _ in range(part.sentences)]:
                for row in messages(rng, sentences[number], part.rows, frames):
                    splits[name].append({**row, "target": label, "cluster": f"{label}-{number:02}"})
    for name, rows in splits.items():
        rng.shuffle(rows)
        splits[name] = [{"id": f"{name}-{number:03}", **row} for number, row in enumerate(rows)]
    return splits


def questions() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The exam of what the base can do, and rows of the same kinds with answers in whole sentences."""
    rng = Random(SEED)
    asked, kept = [], []
    for skill, kind in yaml_text.load(HERE / "questions.yaml").content.items():
        items = kind["items"]
        pairs = list(items.items()) if isinstance(items, Mapping) else [(text, text) for text in items]
        for number, (question, answer) in enumerate(rng.sample(pairs, len(pairs))):
            row = {"id": f"{skill}-{number:02}", "input": kind["ask"].format(q=question), "skill": str(skill)}
            if number < ASKED:
                asked.append({**row, "target": str(answer)})
            else:
                kept.append({**row, "target": kind["say"].format(q=question, a=answer)})
    return asked, kept


def write(root: Path) -> None:
    """Write all files of the real demo under `root`."""
    asked, kept = questions()
    files = {f"data/{name}.jsonl": rows for name, rows in task_rows().items()}
    files |= {"data/general.jsonl": kept, "everyday/examples.jsonl": asked}
    texts = {name: "".join(json.dumps(row) + "\n" for row in rows) for name, rows in files.items()}
    for name, text in {**texts, "everyday/suite.yaml": SUITE}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "files", help="folder to write into")
    write(parser.parse_args().out)
