"""Does a prompt that searches a corpus answer what the model cannot know? Writes a part of rag.md each time.

    python tests/bench/bench_rag.py NAME [--model FOLDER] [--worlds 12] [--seed 0]

Each world has a corpus of its own: who has what, in lists of two to four, and as many texts beside it that say nothing
of it. Every name is asked for once; an answer is right that holds the thing, and no other thing of the world.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path

from bench_shots import put

from baselines.arm import Prompter
from baselines.retrieval.corpus import Corpus
from baselines.retrieval.passages import Passages
from baselines.retrieval.written import Passage
from harness.demo.phrases import ANIMALS, CITIES, COLOURS, FRUITS, NAMES
from harness.models.hf.model import HFModel
from harness.stats import paired
from suites.model import Generation, ModelSpec
from suites.types import Example

HERE = Path(__file__)
RESULT = HERE.with_name("rag.md")
HEAD = "# Passages of a corpus before the question\n\nWritten by `bench_rag.py`; times are of two busy cores.\n"
EMBEDDED = HERE.parents[2] / "harness" / "demo" / "model"
LISTED = "{{ passages | join(' ') }} {{ input }}"
"""As the embedded model was taught to read: a list, then the question."""


def world(rng: random.Random, number: int) -> tuple[Corpus, list[Example]]:
    """A corpus, and what is asked about it."""
    names, things = rng.sample(NAMES, len(NAMES)), rng.sample([*ANIMALS, *COLOURS, *FRUITS, *CITIES], len(NAMES))
    pairs = list(zip(names, things, strict=True))
    passages, examples = [], []
    while pairs:
        size = min(len(pairs), rng.randint(2, 4))
        part, pairs = pairs[:size], pairs[size:]
        name = f"list{len(passages)}"
        passages.append(Passage(name, f"{', '.join(f'{who} has {what}' for who, what in part)}."))
        examples += [
            Example(f"{number}-{who}", {"input": f"What does {who} have?", "gold": name}, what, f"world {number}")
            for who, what in part
        ]
    beside = [
        Passage(f"note{i}", f"A note about {rng.choice(CITIES)}, and what it says.") for i in range(len(passages))
    ]
    return Corpus("lists", tuple(rng.sample([*passages, *beside], 2 * len(passages))), f"world {number}"), examples


def main() -> None:
    """Measure, and put it into the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--model", default=str(EMBEDDED))
    parser.add_argument("--worlds", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    worlds = [world(rng, number) for number in range(options.worlds)]
    model = HFModel(ModelSpec(base=options.model))
    ranks = [rank for corpus, asked in worlds for rank in Passages(corpus, 3, gold="gold").ranks(asked)]
    lines = [
        f"{len(ranks)} questions of {len(worlds)} worlds; the gold passage is among three for "
        f"{sum(rank is not None for rank in ranks) / len(ranks):.1%}, mean reciprocal rank "
        f"{sum(1 / rank for rank in ranks if rank) / len(ranks):.2f}; 95 % intervals.",
        "",
        "| prompt | right | s a question |",
        "|---|---|---|",
    ]
    rule = "Read the list and answer the question."
    for name, template, most in (
        ("zero-shot", "Answer the question.", 0), ("rag, 1 passage, as a list", LISTED, 1),
        ("rag, 3 passages, as a list", LISTED, 3), ("rag, 3 passages, numbered", rule, 3),
    ):  # fmt: skip
        lines.append(f"| {name} | {answered(model, worlds, template, most)} |")
        print(lines[-1], flush=True)
    put(options.name, "\n".join(lines), RESULT, HEAD)


def answered(model: HFModel, worlds: Sequence[tuple[Corpus, list[Example]]], template: str, most: int) -> str:
    """The share of right answers with its interval, and the seconds of each."""
    prompts, asked = [], []
    for corpus, examples in worlds:
        prompts += Prompter("p", template, passages=Passages(corpus, most) if most else None).prompts(examples)
        asked += examples
    started = time.perf_counter()
    answers = model.generate(prompts, Generation(max_new_tokens=12))
    seconds = (time.perf_counter() - started) / len(asked)
    things = {*ANIMALS, *COLOURS, *FRUITS, *CITIES}
    marks = [float({e.target} == things & {*a.text.replace(".", " ").replace(",", " ").split()})
             for e, a in zip(asked, answers, strict=True)]  # fmt: skip
    interval = paired.mean_interval(marks, [example.cluster for example in asked])
    within = f" [{interval.low:.1%}, {interval.high:.1%}]" if interval else ""
    return f"{sum(marks) / len(marks):.1%}{within} | {seconds:.2f}"


if __name__ == "__main__":
    main()
