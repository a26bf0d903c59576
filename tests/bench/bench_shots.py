"""What choosing shots is worth, and what it costs; writes a part of shots.md each time.

    python tests/bench/bench_shots.py speed [--pool 100000] [--questions 10000]
    python tests/bench/bench_shots.py arms NAME --model FOLDER --train FILE --test FILE [--columns input=text,...]
        [--labels 12] [--instruction TEXT] [--questions 300] [--shots 4,8]
        [--ways zero,balanced,random,diverse,nearest,nearest:seeded]

    python tests/bench/bench_shots.py labels NAME --train FILE --test FILE [--columns input=text,...] [--shots 8,24]

`labels` asks no model: how often the right answer is among the shots, and right if the last one is copied. `arms`
asks a model with the same instruction and shots chosen in each way, and marks by `--metric`. With `--labels N` the rows
of the first N targets by name are taken, and the instruction lists them. "read once" is the share of the prompts'
tokens that the engine need not read again, as prompts begin alike.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from baselines.arm import Prompter
from baselines.prompters.few_shot import FewShot, build, label
from baselines.prompters.labels import with_labels
from baselines.prompters.types import Given
from harness.models.hf.model import HFModel
from harness.models.hf.prefix_groups import group
from harness.stats import paired
from suites.data.examples import read_examples
from suites.metrics import table
from suites.model import Generation, ModelSpec
from suites.types import Example

RESULT = Path(__file__).with_name("shots.md")
HEAD = "# Shots chosen for each question\n\nWritten by `bench_shots.py`; times are of two busy cores.\n"
GROUP_COST = 64
"""Tokens that reading a group apart costs, about as the engine has it."""


def main() -> None:
    """Measure one thing, and put it into the file in the place of what stood there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parts = parser.add_subparsers(dest="part", required=True)
    quick = parts.add_parser("speed")
    quick.add_argument("--pool", type=int, default=100_000)
    quick.add_argument("--questions", type=int, default=10_000)
    asked = parts.add_parser("arms")
    asked.add_argument("name")
    for name in ("--model", "--train", "--test"):
        asked.add_argument(name, required=True)
    asked.add_argument("--columns", default="")
    asked.add_argument("--labels", type=int, default=0)
    asked.add_argument("--instruction", default="")
    asked.add_argument("--metric", default="exact_match")
    asked.add_argument("--questions", type=int, default=300)
    asked.add_argument("--max-new-tokens", type=int, default=16)
    asked.add_argument("--shots", default="8")
    asked.add_argument("--ways", default="zero,balanced,random,diverse,nearest,nearest:seeded")
    copied = parts.add_parser("labels")
    copied.add_argument("name")
    for name in ("--train", "--test"):
        copied.add_argument(name, required=True)
    copied.add_argument("--columns", default="")
    copied.add_argument("--labels", type=int, default=0)
    copied.add_argument("--shots", default="8,24")
    options = parser.parse_args()
    title, lines = {"speed": speed, "arms": arms, "labels": labels}[options.part](options)
    put(title, "\n".join(lines))


def put(title: str, text: str, result: Path = RESULT, head: str = HEAD) -> None:
    """A part of the file, anew."""
    whole = result.read_text(encoding="utf-8") if result.exists() else head
    first, *parts = whole.split("\n## ")
    kept = {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts} | {title: text.strip()}
    body = "".join(f"\n## {name}\n\n{part}\n" for name, part in kept.items())
    result.write_text(f"{first.rstrip()}\n{body}", encoding="utf-8")
    print(text)


def speed(options: argparse.Namespace) -> tuple[str, list[str]]:
    """Nearest shots from many rows. Words are as frequent as in a language (Zipf), a question has twelve."""
    rng = random.Random(options.seed)
    vocabulary = [f"w{i}" for i in range(30_000)]
    weights = [*accumulate(1 / (i + 3) for i in range(len(vocabulary)))]

    def rows(name: str, count: int) -> list[Example]:
        texts = (" ".join(rng.choices(vocabulary, cum_weights=weights, k=12)) for _ in range(count))
        return [Example(f"{name}{i}", {"input": text}, "x", f"{name}{i}") for i, text in enumerate(texts)]

    pool, asked = rows("r", options.pool), rows("q", options.questions)
    asked[: len(asked) // 10] = [  # a tenth of the questions is nearly a row of the pool
        Example(row.id, {"input": f"{twin.input} more"}, "x", row.id) for row, twin in zip(asked, pool, strict=False)
    ][: len(asked) // 10]
    wall, processor = time.perf_counter(), time.process_time()
    prompter = build(FewShot(shots=8, choose="nearest"), Given("nearest", "", pool))
    prompts = prompter.prompts(asked)
    took = time.perf_counter() - wall, time.process_time() - processor
    assert len(prompts) == len(asked)
    back = len({kept.example.id for kept in prompter.kept_back(asked)})
    return "Speed", [
        f"Eight nearest shots for {len(asked):,} questions from {len(pool):,} rows: {took[1]:.1f} s of processor time "
        f"({took[0]:.1f} s by the clock of a busy machine), index and the search for near-duplicates included; "
        f"{back:,} questions had a row kept back."
    ]


def read(options: argparse.Namespace) -> tuple[list[Example], list[Example], list[str]]:
    """The rows, of the first targets by name where so many are asked for, and their targets."""
    columns = dict(pair.split("=") for pair in options.columns.split(",") if pair)
    train, test = (list(read_examples(Path(file), columns)) for file in (options.train, options.test))
    names = sorted({row.target for row in train})
    if not options.labels:
        return train, test, names
    some = set(names[: options.labels])
    return [row for row in train if row.target in some], [row for row in test if row.target in some], sorted(some)


def labels(options: argparse.Namespace) -> tuple[str, list[str]]:
    """How often shots show the right answer, whatever a model makes of it."""
    train, test, names = read(options)
    lines = [
        f"{len(test):,} questions, {len(train):,} rows to choose from, {len(names)} answers.",
        "",
        "| shots | the right answer is among them | and is the last one's |",
        "|---|---|---|",
    ]
    for shots in map(int, options.shots.split(",")):
        for choose in ("random", "balanced", "diverse", "nearest"):
            settings = FewShot.model_validate({"shots": shots, "choose": choose, "order": "nearest_last"})
            prompts = build(settings, Given(label(settings), "", train, options.seed)).prompts(test)
            shown = [[m["content"] for m in prompt.messages if m["role"] == "assistant"] for prompt in prompts]
            among = sum(row.target in answers for row, answers in zip(test, shown, strict=True)) / len(test)
            last = sum(row.target in answers[-1:] for row, answers in zip(test, shown, strict=True)) / len(test)
            lines.append(f"| {shots} {choose} | {among:.1%} | {last:.1%} |")
            print(lines[-1], flush=True)
    return options.name, lines


def arms(options: argparse.Namespace) -> tuple[str, list[str]]:
    """A model asked with shots chosen in each way."""
    train, test, names = read(options)
    test = random.Random(options.seed).sample(test, min(options.questions, len(test)))
    template = options.instruction
    if options.labels:
        template = with_labels("labels", options.instruction, names).template
    model = HFModel(ModelSpec(base=options.model))
    lines = [
        f"{len(test):,} questions, {len(train):,} rows to choose from, {options.metric}, 95 % intervals; "
        f"model `{Path(options.model).name}`.",
        "",
        "| prompt | score | tokens in | read once | s a question | beside balanced |",
        "|---|---|---|---|---|---|",
    ]
    scores: dict[str, list[float]] = {}
    for prompter in prompters(options, template, train):
        cells, scores[prompter.name] = asked_of(model, prompter, test, options)
        shots = prompter.name.split(" ")[1:2]
        balanced = " ".join(["few-shot", *shots])
        beside = scores.get(balanced) if shots and balanced != prompter.name else None
        lines.append(f"| {prompter.name} | {cells} | {gain(beside, scores[prompter.name], test)} |")
        print(lines[-1], flush=True)
    return options.name, lines


def prompters(options: argparse.Namespace, template: str, train: Sequence[Example]) -> Iterator[Prompter]:
    """The prompts that are compared, balanced first."""
    if options.ways.startswith("zero"):
        yield Prompter("zero-shot", template)
    for shots in map(int, options.shots.split(",")):
        for way in options.ways.removeprefix("zero,").split(","):
            choose, _, order = way.partition(":")
            settings = FewShot.model_validate({"shots": shots, "choose": choose, **({"order": order} if order else {})})
            yield build(settings, Given(label(settings), template, train, options.seed))


def asked_of(
    model: HFModel, prompter: Prompter, test: Sequence[Example], options: argparse.Namespace
) -> tuple[str, list[float]]:
    """The cells of a prompt, and its scores."""
    prompts = prompter.prompts(test)
    started = time.perf_counter()
    answers = model.generate(prompts, Generation(max_new_tokens=options.max_new_tokens))
    seconds = (time.perf_counter() - started) / len(test)
    mark = table.build(options.metric)
    scores = [mark(row, answer).value or 0.0 for row, answer in zip(test, answers, strict=True)]
    interval = paired.mean_interval(scores, [row.cluster for row in test], 0.95)
    ids = model.chat.encode_prompts([model.render(prompt) for prompt in prompts])
    total = sum(map(len, ids))
    once = sum(each.prefix * (len(each.members) - 1) for each in group(ids, GROUP_COST))
    shown = f"{interval.low:.1%}, {interval.high:.1%}" if interval else "none"
    mean = sum(scores) / len(scores)
    return f"{mean:.1%} [{shown}] | {total / len(test):,.0f} | {once / total:.0%} | {seconds:.2f}", scores


def gain(before: Sequence[float] | None, after: Sequence[float], test: Sequence[Example]) -> str:
    """The difference to the balanced shots of the same number, with its interval."""
    if before is None:
        return ""
    paired_difference = paired.paired_difference(before, after, [row.cluster for row in test], confidence=0.95)
    interval = paired_difference.interval
    points = (sum(after) - sum(before)) / len(after) * 100
    return f"{points:+.1f} [{interval.low * 100:+.1f}, {interval.high * 100:+.1f}]" if interval else f"{points:+.1f}"


if __name__ == "__main__":
    main()
