"""What the judge is taught: two answers to one message, and a verdict with its reasons written out first.

Asked for a bare verdict the tiny model never learns to compare; asked to write down what the answer should have been
and to check both answers field by field, it does. The judge is an expert on this one task: it learns the company's
policy from examples, including the phrasings held out from the model it judges, but never a message of the data files.
"""

from __future__ import annotations

import json
from random import Random

from harness.demo.messages import Message, draw_message, target
from harness.demo.world import judge_pair


def draw_lesson(rng: Random) -> tuple[dict[str, str], str]:
    """The values of the rubric's placeholders, and the judge's whole answer."""
    message = draw_message(rng, unseen=rng.random() < 0.3)
    first, second, label = judge_pair(rng, message)
    return {"input": message.text, "first": first, "second": second}, rationale(message, first, second, label)


def rationale(message: Message, first: str, second: str, label: str) -> str:
    """Form, then each field with its right value and a word on either answer, then the verdict."""
    expected: dict[str, str] = json.loads(target(message))
    answers = [parsed(text) for text in (first, second)]
    forms = ["good" if set(answer) == set(expected) else "bad" for answer in answers]
    lines = [f"form A: {forms[0]}, B: {forms[1]}"]
    for key, value in expected.items():
        a, b = ("yes" if answer.get(key) == value else "no" for answer in answers)
        lines.append(f"{key} {value} A: {a}, B: {b}")
    verdict = {"first": "A", "second": "B", "tie": "tie"}[label]
    return ". ".join(lines) + f". verdict: {verdict}"


def parsed(text: str) -> dict[str, str]:
    """The answer as JSON; anything that is no JSON object says nothing."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
