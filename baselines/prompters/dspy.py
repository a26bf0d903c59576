"""A prompt that DSPy has optimised: the instruction and the demonstrations of a program saved as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from baselines.arm import Prompter
from baselines.prompters.types import Given, PromptSettings
from baselines.template import written
from suites.errors import UserError
from suites.similarity.kin import Kin
from suites.text import json_text
from suites.text.files import read_text
from suites.types import Example, Json

THINKING = ("reasoning", "rationale")
"""Fields that a program writes before its answer."""
NO_FIELDS = ("augmented", "dspy_uuid", "dspy_split")
"""What a demonstration holds beside its fields."""
OWN = re.compile(r"\$\{\w+\}")
"""The description that a field has where nobody wrote one: its name."""


class Dspy(PromptSettings):
    """A prompt that DSPy has optimised, as `program.save("program.json")` writes it: its instruction, and its
    demonstrations as earlier turns. Where a demonstration reasons, its answer alone is shown."""

    shorthand: ClassVar[str | None] = "program"
    program: Annotated[str, Field(min_length=1, json_schema_extra={"format": "path"})]
    """The JSON file."""
    predictor: str | None = None
    """Which predictor of the program, by its name there. Left out: its only one."""


def label(settings: Dspy) -> str:
    """What such a prompt is called."""
    return f"dspy {Path(settings.program).stem}"


def build(settings: Dspy, given: Given) -> Prompter:
    """The prompter that an experiment file asks for. Raises UserError for a file that is no such program, for one with
    several predictors of which none is named, and for one that reads more than one field."""
    if settings.prompt is not None:
        what = "a program brings its own instruction"
        raise UserError(what, f"baselines: {given.name}", "leave `prompt` out")
    found = read_program(given.folder / settings.program, settings.predictor)
    kin = Kin(found.demos, ()) if found.demos else None
    return Prompter(given.name, written(found.instruction), found.demos, kin=kin)


@dataclass(frozen=True, slots=True)
class Predictor:
    """What a program says and shows."""

    instruction: str
    demos: tuple[Example, ...]


def read_program(path: Path, predictor: str | None = None) -> Predictor:
    """The predictor of a saved program, its only one or the one that is named. Raises UserError."""
    try:
        content = json_text.parse(read_text(path).encode())
    except ValueError as error:
        raise UserError(f"{error}", str(path), 'give what `program.save("program.json")` of DSPy writes') from None
    states = dict(_states(content)) if isinstance(content, dict) else {}
    if not states:
        what = "the file holds no program that DSPy has saved: nothing in it has a `signature` and `demos`"
        raise UserError(what, str(path), 'give what `program.save("program.json")` of DSPy writes')
    if predictor is None and len(states) > 1:
        what = f"the program has {len(states)} predictors, and a prompt is one: {', '.join(states)}"
        raise UserError(what, str(path), "name one: `dspy: {program: FILE, predictor: NAME}`")
    if predictor is not None and predictor not in states:
        raise UserError(f"the program has no predictor {predictor!r}", str(path), f"name one of {', '.join(states)}")
    return _predictor(states[predictor or next(iter(states))], path)


def _states(content: Json) -> Iterator[tuple[str, Json]]:
    """The predictors of a program by name; a program that is one itself goes by `self`."""
    if _is_state(content):
        yield "self", content
        return
    yield from ((name, state) for name, state in content.items() if isinstance(state, dict) and _is_state(state))


def _is_state(content: Json) -> bool:
    signed = any(key in content for key in ("signature", "extended_signature", "signature_instructions"))
    return signed and isinstance(content.get("demos"), list)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A field: its name, what is written before it, and what is said of it; empty where nothing is."""

    name: str
    prefix: str
    about: str


def _predictor(state: Json, path: Path) -> Predictor:
    instruction, fields = _signature(state)
    demos = [demo for demo in state["demos"] if isinstance(demo, dict)]
    if not fields and demos:
        fields = [_Shown(key, "", "") for key in demos[0] if key not in NO_FIELDS]
    inputs = [field for field in fields[:-1] if field.name not in THINKING]
    if len(fields) > 1 and len(inputs) != 1:
        named = ", ".join(field.name for field in inputs)
        fix = "write its instruction into a prompt file, with `{{ column }}` for each"
        raise UserError(f"the program reads {len(inputs)} fields ({named}), and a row has one input", str(path), fix)
    told = [f"{field.prefix} {field.about}".strip() for field in fields if field.about]
    shots = tuple(_shot(demo, number, inputs[0].name, fields[-1].name, path) for number, demo in enumerate(demos, 1))
    return Predictor("\n".join([instruction, *([""] if told else []), *told]).strip(), shots)


def _signature(state: Json) -> tuple[str, list[_Shown]]:
    """The instruction and the fields, inputs first; before 2.5 a program does not say its fields."""
    signature = state.get("extended_signature") or state.get("signature")
    if not isinstance(signature, dict):
        instruction = state.get("extended_signature_instructions") or state.get("signature_instructions")
        return str(instruction or ""), []
    fields = signature.get("fields")
    listed: Sequence[Mapping[str, object]] = fields if isinstance(fields, list) else []
    return str(signature.get("instructions") or ""), [_field(field) for field in listed if isinstance(field, dict)]


def _field(field: Mapping[str, object]) -> _Shown:
    prefix, about = str(field.get("prefix") or ""), str(field.get("description") or "")
    own = OWN.fullmatch(about)
    name = about[2:-1] if own else re.sub(r"\W+", "_", prefix.rstrip(": ")).lower()
    return _Shown(name, prefix, "" if own else about)


def _shot(demo: Json, number: int, question: str, answer: str, path: Path) -> Example:
    """A demonstration as an example. Raises UserError for one without a question or an answer."""
    for name in (question, answer):
        if demo.get(name) is None:
            held = ", ".join(demo)
            raise UserError(f"demonstration {number} has no {name!r}; it has {held}", str(path), "leave it out")
    name = f"demonstration {number}"
    return Example(name, {"input": str(demo[question])}, str(demo[answer]), name)
