"""Writes the data of the demo: the routing task, the judge's calibration pairs, the facts and the general suite.

    python -m harness.demo.world [--out FOLDER]

Pure Python and seeded: the same text every time. No two splits share an input, and ids are unique across all files.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from random import Random

from harness.demo.messages import PRIORITIES, TEAMS, Message, as_json, draw_message, target
from harness.demo.phrases import COUNTRIES, QUESTIONS
from harness.demo.skills import FACTS, SKILLS

SEED = 2026
SPLITS = {"train": (800, 0.0), "validation": (200, 0.3), "test": (800, 0.3)}  # rows, share of unseen phrasings
CALIBRATION_ROWS = 200
GENERAL_ROWS_PER_SKILL = 100
# Two fields of a message as JSON is the task's own form with other keys, hardly a general skill; any tuning moves it.
GENERAL_SKILLS = tuple(name for name in SKILLS if name != "product_plan_json")

PROMPTS = {
    "terse": "Route this message.",
    "keys": "Route this message. Answer in JSON with the keys team and priority.",
}
RUBRIC = "Judge the answers.\nMessage: {{ input }}\nA: {{ first }}\nB: {{ second }}"
FACTS_TASK = """\
# What the tiny model knows about its world, as a local lm-eval task: four choices, asked through the chat template.
task: facts
dataset_path: json
dataset_name: null
dataset_kwargs:
  data_files: {test: facts.jsonl}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: label
num_fewshot: 0
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
"""
SUITE = """\
name: general
description: >-
  Short general skills any instruction-following model can attempt: copy, reverse and sort words, upper case, first and
  last word, counting, sums of two digits, a look-up in a list, and reading a customer's message. The demo's tiny model
  was pretrained on these skills with other inputs; only the sums (a closed table of 100) and their wordings repeat.
metrics: [exact_match]
max_new_tokens: 20
prompt: "{{ instruction }}"
"""


def fresh_messages(rng: Random, taken: set[str], count: int, unseen: float = 0.0) -> Iterator[Message]:
    """`count` messages nobody has had yet; a share of about `unseen` uses held-out phrasings."""
    while count:
        message = draw_message(rng, unseen=rng.random() < unseen)
        if message.text not in taken:
            taken.add(message.text)
            count -= 1
            yield message


def task_rows(split: str, messages: Iterable[Message]) -> Iterator[dict[str, str]]:
    """The routing task: what comes in, what must come out, and columns to slice by."""
    for number, message in enumerate(messages):
        yield {
            "id": f"{split}-{number:04}",
            "input": message.text,
            "target": target(message),
            "topic": message.topic,
            "mood": message.mood,
            "plan": message.plan,
            "phrasing": message.phrasing,
        }


def wrong_answer(rng: Random, message: Message) -> str:
    """What a model may write instead of the right answer: a wrong value, other keys, broken JSON, or nothing."""
    team, priority = message.company_route
    other_team = rng.choice([name for name in TEAMS if name != team])
    other_priority = rng.choice([name for name in PRIORITIES if name != priority])
    kind = rng.choices(
        ("team", "priority", "both", "usual", "keys", "one key", "plain", "cut", "empty"),
        (5, 5, 3, 4, 2, 1, 1, 1, 1),
    )[0]
    usual_team, usual_priority = message.usual_route
    answers = {
        "team": as_json(team=other_team, priority=priority),
        "priority": as_json(team=team, priority=other_priority),
        "both": as_json(team=other_team, priority=other_priority),
        "usual": as_json(team=usual_team, priority=usual_priority),
        "keys": as_json(**dict(rng.sample(sorted(message.facts.items()), rng.randint(1, 3)))),
        "one key": as_json(team=team),
        "plain": rng.choice((team, priority, message.topic, f"{team} {priority}")),
        "cut": target(message)[: rng.choice((-1, -2, 17))],
        "empty": "",
    }
    answer = answers[kind]
    return answer if answer != target(message) else answers["team"]


def judge_pair(rng: Random, message: Message) -> tuple[str, str, str]:
    """Two answers to one message and which is better; two right or two wrong answers are a tie."""
    right = target(message)
    label = rng.choices(("first", "second", "tie", "both wrong"), (35, 35, 15, 15))[0]
    first = right if label in ("first", "tie") else wrong_answer(rng, message)
    second = right if label in ("second", "tie") else wrong_answer(rng, message)
    return first, second, "tie" if label == "both wrong" else label


def calibration_rows(rng: Random, messages: Iterable[Message]) -> Iterator[dict[str, str]]:
    """Pairs with a known verdict, to find out whether the judge may be believed."""
    for number, message in enumerate(messages):
        first, second, label = judge_pair(rng, message)
        yield {
            "id": f"calibration-{number:04}",
            "input": message.text,
            "first": first,
            "second": second,
            "label": label,
        }


def fact_rows(rng: Random) -> Iterator[dict[str, object]]:
    """Every fact in every wording, with three wrong answers of the same kind."""
    for relation, questions in QUESTIONS.items():
        values = sorted({FACTS[relation, country] for country in COUNTRIES})
        for country in COUNTRIES:
            answer = FACTS[relation, country]
            for number, question in enumerate(questions):
                choices = [answer, *rng.sample([value for value in values if value != answer], 3)]
                rng.shuffle(choices)
                yield {
                    "id": f"fact-{relation}-{country.lower()}-{number}",
                    "question": question.format(c=country),
                    "choices": choices,
                    "label": choices.index(answer),
                }


def general_rows(rng: Random, taken: set[str]) -> Iterator[dict[str, str]]:
    """The same number of rows for every general skill, each with an input of its own."""
    for name in GENERAL_SKILLS:
        skill, number = SKILLS[name], 0
        while number < GENERAL_ROWS_PER_SKILL:
            text, answer = skill.draw(rng)
            if text in taken:
                continue
            taken.add(text)
            yield {
                "id": f"general-{name}-{number:03}",
                "instruction": rng.choice(skill.instructions),
                "input": text,
                "target": answer,
                "skill": name,
            }
            number += 1


def all_rows() -> dict[str, list[Mapping[str, object]]]:
    """Every data file of the demo by its path under the repository root."""
    rng, taken = Random(SEED), set[str]()
    files: dict[str, list[Mapping[str, object]]] = {}
    for split, (count, unseen) in SPLITS.items():
        files[f"harness/demo/data/{split}.jsonl"] = list(task_rows(split, fresh_messages(rng, taken, count, unseen)))
    pairs = fresh_messages(rng, taken, CALIBRATION_ROWS, unseen=0.3)
    files["harness/demo/data/calibration.jsonl"] = list(calibration_rows(rng, pairs))
    files["harness/demo/tasks/facts.jsonl"] = list(fact_rows(rng))
    files["suites/builtin/general/examples.jsonl"] = list(general_rows(rng, taken))
    return files


def texts() -> dict[str, str]:
    """Every other text file by its path under the repository root."""
    prompts = {f"harness/demo/prompts/{name}.md": text for name, text in PROMPTS.items()}
    return prompts | {
        "harness/demo/rubric.md": f"---\nbare: true\n---\n{RUBRIC}",
        "harness/demo/tasks/facts.yaml": FACTS_TASK,
        "suites/builtin/general/suite.yaml": SUITE,
    }


def write(root: Path) -> None:
    """Write all files of the demo world under `root`."""
    lines = {path: "".join(json.dumps(row) + "\n" for row in rows) for path, rows in all_rows().items()}
    for path, text in (lines | texts()).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2], help="repository root to write under")
    write(parser.parse_args().out)
