"""The ways to prompt, by the name an experiment file has for them. To add one, write a file beside this and a line.

A file has the settings of its way and the function that makes a prompter of them.
"""

from __future__ import annotations

from typing import Any

from baselines.prompters import chain_of_thought, dspy, few_shot, labels, rag, zero_shot
from baselines.prompters.types import PrompterKind

PROMPTERS: dict[str, PrompterKind[Any]] = {
    "zero_shot": PrompterKind(
        about="the instruction alone",
        settings=zero_shot.ZeroShot,
        build=zero_shot.build,
        label=lambda settings: "zero-shot",
    ),
    "few_shot": PrompterKind(
        about="the instruction and a few training examples as earlier turns",
        settings=few_shot.FewShot,
        build=few_shot.build,
        label=few_shot.label,
        shows_rows=True,
    ),
    "labels": PrompterKind(
        about="the labels that training shows, listed before the instruction",
        settings=labels.Labels,
        build=labels.build,
        label=lambda settings: "labels",
        shows_rows=True,
    ),
    "rag": PrompterKind(
        about="the instruction, and before each question the passages of a corpus that fit it best",
        settings=rag.Rag,
        build=rag.build,
        label=rag.label,
    ),
    "dspy": PrompterKind(
        about="the instruction and the demonstrations of a program that DSPy has optimised",
        settings=dspy.Dspy,
        build=dspy.build,
        label=dspy.label,
    ),
    "chain_of_thought": PrompterKind(
        about="the instruction, and a request to reason before the answer",
        settings=chain_of_thought.ChainOfThought,
        build=chain_of_thought.build,
        label=lambda settings: "chain of thought",
        reasons=True,
    ),
}
