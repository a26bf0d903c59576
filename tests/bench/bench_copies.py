"""Which copies of questions are found, and which cousins are taken for copies; writes copies.md beside it.

    python tests/bench/bench_copies.py --short FILE.csv --long FILE.jsonl

`--short` has columns `text` and `category` (the test set of banking77, CC-BY-4.0), `--long` has `question` and `answer`
(the first 1,000 training rows of GSM8K, MIT). Neither lies in this repository.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from suites.similarity import copies

Question = tuple[str, str]
THRESHOLDS = (0.6, 0.7, 0.8)
PICKED, TIMES = 200, 2
RNG = random.Random(1)


def read(short: Path, long: Path) -> dict[str, list[Question]]:
    with short.open(encoding="utf-8", newline="") as file:
        banking = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    rows = [json.loads(line) for line in long.read_text(encoding="utf-8").splitlines()]
    return {"banking77": banking, "GSM8K": [(row["question"], row["answer"].split("####")[-1].strip()) for row in rows]}


def form(text: str) -> str:
    changes: tuple[Callable[[str], str], ...] = (
        str.upper,
        str.lower,
        lambda t: f" {t}",
        lambda t: t.rstrip("?.!") + "!!",
    )
    return RNG.choice(changes)(text)


def typing_error(text: str) -> str:
    at = RNG.choice([i for i in range(1, len(text) - 1) if not text[i].isdigit()])
    return text[:at] + text[at + 1 :]


def one_word(text: str, words: Sequence[str]) -> str:
    parts = text.split()
    at = RNG.choice([i for i, part in enumerate(parts) if not any(map(str.isdigit, part))])
    return " ".join([*parts[:at], RNG.choice(words), *parts[at + 1 :]])


def clusters(questions: Sequence[Question], threshold: float) -> int:
    copies.NEAR = threshold
    copies.copies.cache_clear()
    return len({*copies.copies(tuple(q for q, _ in questions), tuple(t for _, t in questions))})


def copied(data: dict[str, list[Question]], words: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """The share of copies that are found: `PICKED` questions, each asked twice."""
    changes = {
        "case, spaces, punctuation": form,
        "a typing error": typing_error,
        "one word": lambda t: one_word(t, words),
    }
    for name, questions in data.items():
        picked = RNG.sample([q for q in questions if len(q[0].split()) > 4], PICKED)
        for change, make in changes.items():
            asked = [pair for text, target in picked for pair in ((text, target), (make(text), target))]
            yield name, change, *(f"{(TIMES * PICKED - clusters(asked, t)) / PICKED:.0%}" for t in THRESHOLDS)


def cousins(data: dict[str, list[Question]], words: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """How many of so many different questions are taken for copies of another one."""
    pairs = [(f"{RNG.choice(words)} {RNG.choice(words)}", RNG.choice(("yes", "no"))) for _ in range(1000)]
    raised = [(re.sub(r"\d+", lambda m: str(int(m[0]) + 1), text, count=1), target) for text, target in data["GSM8K"]]
    ask = (
        "You are a careful assistant. Read the message of the customer below and say whether it needs an answer today: "
    )
    families: dict[str, list[Question]] = {
        "all of banking77": data["banking77"],
        "GSM8K, and again with one number changed": [*data["GSM8K"], *raised],
        "does the word X contain an a? (yes, no)": [(f"Does the word '{w}' contain an a?", "yes") for w in words],
        "a template of 20 words, then two": [(ask + text, target) for text, target in pairs],
        "sentiment of two words (yes, no)": [(f"Is this review good: {text}", target) for text, target in pairs],
        "a + b": [(f"What is {a} + {b}?", str(a + b)) for a in range(30) for b in range(30)],
    }
    for name, questions in families.items():
        different = sorted({*questions})
        yield name, len(different), *(len(different) - clusters(different, t) for t in THRESHOLDS)


def table(head: Sequence[str], rows: Iterator[tuple[object, ...]]) -> str:
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", type=Path, required=True)
    parser.add_argument("--long", type=Path, required=True)
    options = parser.parse_args()
    data, chosen = read(options.short, options.long), copies.NEAR
    words = sorted({word for text, _ in data["banking77"] for word in text.lower().split() if word.isalpha()})
    words = RNG.sample([word for word in words if len(word) > 3], 800)
    told = [f"at {threshold}" for threshold in THRESHOLDS]
    text = (
        f"# Copies\n\nWritten by `bench_copies.py`. The threshold that is used is {chosen}.\n\n## Found\n\n{PICKED} "
        f"questions and a changed copy of each: the share of copies that are found.\n\n"
        f"{table(['questions', 'changed', *told], copied(data, words))}\n\n## Taken for copies\n\nOf so many different "
        f"questions so many are tied to another one. Those of banking77 are nearly the same words with the same "
        f"category.\n\n{table(['questions', 'n', *told], cousins(data, words))}\n"
    )
    Path(__file__).with_name("copies.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
