"""What holding answers to a schema or to labels costs, and what it gains; writes constrained.md.

    python tests/bench/bench_constrained.py [--model FOLDER --banking77 FOLDER] [--rows 20] [--arms NAME ...]

The embedded model routes the demo's messages, held to the schema of its answers. With `--model` (an instruct model,
such as SmolLM2-135M-Instruct) and `--banking77` (a folder with train.csv and test.csv of the columns text and category)
its questions are asked, too: `--rows` of each of 12 intents, and a quarter of that of each of all 77.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from baselines.arm import Asking, Prompter
from baselines.prompters.few_shot import few_shot
from baselines.prompters.labels import with_labels
from harness.experiment.specs import EMBEDDED
from harness.models.dialects import fits
from harness.models.hf.model import HFModel
from harness.stats import paired
from suites.model import Constraint, Generation, ModelSpec
from suites.types import Example

DEMO = EMBEDDED / "data"
SCHEMA = {
    "type": "object",
    "properties": {"team": {"enum": []}, "priority": {"enum": []}},
    "required": ["team", "priority"],
    "additionalProperties": False,
}
TASK = "Name the intent of the customer's question. Answer with the label alone."


def rows_of(file: Path, labels: Sequence[str], each: int) -> list[Example]:
    """The first `each` rows of every label."""
    counts = dict.fromkeys(labels, 0)
    rows = []
    for i, row in enumerate(csv.DictReader(file.open(encoding="utf-8"))):
        label = row["category"]
        if counts.get(label, each) < each:
            counts[label] += 1
            rows.append(Example(str(i), {"input": row["text"]}, label, str(i)))
    return rows


def measured(
    model: HFModel, prompter: Prompter, rows: Sequence[Example], constraint: Constraint, repeats: int = 1
) -> str:
    """A row of the table: score with interval, how many fit the constraint, tokens and processor time an answer."""
    prompts, generation = prompter.prompts(rows), prompter.asking.generation(Generation(max_new_tokens=24))
    seconds = math.inf
    for _ in range(repeats):
        started = time.process_time()
        said = model.generate(prompts, generation)
        seconds = min(seconds, (time.process_time() - started) / len(rows))
    right = [float(answer.text.strip() == row.target.strip()) for answer, row in zip(said, rows, strict=True)]
    interval = paired.mean_interval(right, [row.cluster for row in rows], 0.95)
    low, high = (interval.low, interval.high) if interval else (0.0, 0.0)
    fit = sum(fits(constraint, answer.text) for answer in said) / len(said)
    tokens_in, tokens_out = (
        sum(getattr(answer, name) for answer in said) / len(said) for name in ("tokens_in", "tokens_out")
    )
    return (
        f"| {prompter.name} | {sum(right) / len(right):.1%} [{low:.1%}, {high:.1%}] | {len(rows)} | {fit:.1%} | "
        f"{tokens_in:.0f} / {tokens_out:.1f} | {seconds * 1000:.2f} |"
    )


def both(prompter: Prompter, constraint: Constraint) -> list[Prompter]:
    """A prompt with free answers, and held to a constraint."""
    return [prompter, replace(prompter, name=f"{prompter.name} constrained", asking=Asking(constraint=constraint))]


def of_embedded(only: Sequence[str]) -> Iterator[str]:
    """The demo's messages."""
    splits = {}
    for name in ("train", "test"):
        lines = (DEMO / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        splits[name] = [
            Example(row["id"], {"input": row["input"]}, row["target"], row["id"]) for row in map(json.loads, lines)
        ]
    values = [json.loads(example.target) for example in splits["train"]]
    properties = {name: {"enum": sorted({value[name] for value in values})} for name in ("team", "priority")}
    constraint = Constraint("json_schema", json.dumps({**SCHEMA, "properties": properties}))
    model = HFModel(ModelSpec(base=str(EMBEDDED / "model")))
    keys = (EMBEDDED / "prompts" / "keys.md").read_text(encoding="utf-8").strip()
    prompters = [Prompter("zero-shot keys", keys), few_shot("few-shot 4", keys, splits["train"], 4)]
    list(model.generate(prompters[0].prompts(splits["test"][:8]), Generation(8)))
    for prompter in (each for one in prompters for each in both(one, constraint)):
        if not only or prompter.name in only:
            yield measured(model, prompter, splits["test"], constraint, repeats=3)


def of_banking(folder: Path, data: Path, intents: int, each: int, only: Sequence[str]) -> Iterator[str]:
    """Banking77's questions."""
    with (data / "train.csv").open(encoding="utf-8") as file:
        labels = sorted({row["category"] for row in csv.DictReader(file)})[:intents]
    train, test = rows_of(data / "train.csv", labels, 20), rows_of(data / "test.csv", labels, each)
    constraint = Constraint("choice", json.dumps(labels))
    model = HFModel(ModelSpec(base=str(folder)))
    listed = with_labels("zero-shot", TASK, labels)
    prompters = [Prompter("zero-shot, labels unnamed", TASK), listed]
    prompters += [replace(few_shot("few-shot", listed.template, train, n), name=f"few-shot {n}") for n in (12, 24)]
    arms = [each for one in prompters for each in both(one, constraint)]
    grammar = Constraint("regex", "|".join(map(re.escape, labels)))
    arms.append(replace(listed, name="zero-shot by a grammar", asking=Asking(constraint=grammar)))
    for prompter in arms:
        if not only or prompter.name in only:
            yield measured(model, prompter, test, constraint)


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--banking77", type=Path)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--arms", nargs="*", default=[])
    options = parser.parse_args()
    head = "| arm | exact match | n | fits | tokens in / out | processor ms an answer |\n|---|---|---|---|---|---|\n"
    text = "# Answers held to a form\n\nWritten by `bench_constrained.py`. fits: the answer is what was allowed.\n"
    parts = [("The embedded model, the demo's test set", of_embedded(options.arms))]
    if options.model and options.banking77:
        for intents, each in ((12, options.rows), (77, max(1, options.rows // 4))):
            title = f"{options.model.name}, banking77, {intents} intents"
            parts.append((title, of_banking(options.model, options.banking77, intents, each, options.arms)))
    for title, lines in parts:
        text += f"\n## {title}\n\n{head}"
        print(f"{title}\n{head}", end="", flush=True)
        for line in lines:
            print(line, flush=True)
            text += f"{line}\n"
    Path(__file__).with_name("constrained.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
