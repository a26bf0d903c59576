"""Training by another program: files in, a command, and the adapter or model it leaves, checked before it is believed.

The command is the experiment's own; it is split into words once and run without a shell, so nothing that a path or a
row holds can be taken for a command. It gets the frozen rows as files, and what it prints goes to a log beside them.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.models.files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapter_folder, base_folder, weight_files
from harness.training.elsewhere import program
from harness.training.types import TrainingData, TrainingResult, TrainRow
from suites.errors import UserError
from suites.model import Generation, Message, ModelSpec, Prompt
from suites.tools.calls import on_the_wire
from suites.tools.schemas import as_list

PLACES = ("train", "validation", "out", "base", "seed")
LOG = "training.log"
ONE = Generation(max_new_tokens=1)


def run(
    spec: ModelSpec,
    data: TrainingData,
    *,
    command: str,
    form: str,
    output: str,
    timeout_s: float,
    seed: int,
    folder: Path,
    cwd: Path,
    on_progress: Callable[[str], None],
) -> TrainingResult:
    """Train by `command`, run in `cwd`; `folder` becomes what it left, with the rows it was given and its log.

    `on_progress` is called with the last line of the log, a few times a second.
    Raises UserError when it fails, takes longer than `timeout_s` seconds, or leaves nothing usable; the log stays in
    `folder` + ".partial". Its programs are ended with it, and when the harness is interrupted.
    """
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    made = partial / "made"
    made.mkdir(parents=True)
    files = {name: partial / f"{name}.jsonl" for name in ("train", "validation")}
    for name, file in files.items():
        write_rows(file, getattr(data, name), form)
    values = {**{name: str(file) for name, file in files.items()}, "out": str(made), "seed": str(seed)}
    words = words_of(command, {**values, "base": str(base_folder(spec.base, spec.revision))})
    started = time.monotonic()
    code = program.run(
        words, partial / LOG, cwd=cwd, setting="training: command", timeout_s=timeout_s,
        meanwhile=lambda: on_progress(program.last_line(partial / LOG)),
    )  # fmt: skip
    if code:
        fix = f"see the log; {program.last_lines(partial / LOG)}"
        raise UserError(f"the command ended {program.ended(code)}", str(partial / LOG), fix)
    trained = _check(made, spec, output, partial / LOG)
    for file in (*files.values(), partial / LOG):
        shutil.move(file, made / file.name)
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)
    shutil.rmtree(partial)
    return TrainingResult(
        spec=_tuned(spec, output, folder), seconds=time.monotonic() - started, steps=0, trained_parameters=trained,
        train_rows=len(data.train), loss_tokens=0, best_step=None,
    )  # fmt: skip


def words_of(command: str, values: dict[str, str]) -> list[str]:
    """The words of a command with `{places}` filled in, each within the word it stands in.

    Other braces are left alone. Raises UserError for quotes that do not close and for a command without words.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"the command cannot be read: {error}", "training: command", "close the quotes") from None
    places_in = re.compile("{(" + "|".join(PLACES) + ")}")
    words = [places_in.sub(lambda match: values[match[1]], word) for word in words]
    if not words:
        raise UserError("the command is empty", "training: command", "give a program and its arguments")
    return words


# --- rows in the forms other trainers read


def _messages(row: TrainRow) -> dict[str, Any]:
    return {"messages": on_the_wire([*row.messages, row.answer], results=False), **_tools(row)}


def _prompt_completion(row: TrainRow) -> dict[str, Any]:
    return {"prompt": list(row.messages), "completion": [row.answer], **_tools(row)}


def _tools(row: TrainRow) -> dict[str, Any]:
    return {"tools": as_list(row.tools)} if row.tools else {}


def _alpaca(row: TrainRow) -> dict[str, Any]:
    """A system message is the instruction and the last question its input; without one the question is both.

    Raises UserError for a row with tools.
    """
    if row.tools:
        what = "the form alpaca has no place for tools"
        raise UserError(what, "training: format", "use messages, prompt_completion or sharegpt")
    system = "\n".join(m["content"] for m in row.messages if m["role"] == "system")
    turns = [m["content"] for m in row.messages if m["role"] == "user"]
    pairs = list(zip(turns[:-1], [m["content"] for m in row.messages if m["role"] == "assistant"], strict=False))
    question = turns[-1] if turns else ""
    fields = {"instruction": system, "input": question} if system else {"instruction": question, "input": ""}
    return {**fields, "output": row.target, **({"history": [list(pair) for pair in pairs]} if pairs else {})}


def _sharegpt(row: TrainRow) -> dict[str, Any]:
    """Calls and their results are turns of their own, as LLaMA-Factory has them, and tools a text of JSON."""
    turns = [turn for message in (*row.messages, row.answer) for turn in _sharegpt_turns(message)]
    tools = {"tools": json.dumps([tool["function"] for tool in as_list(row.tools)])} if row.tools else {}
    return {"conversations": turns, **tools}


def _sharegpt_turns(message: Message) -> Iterator[dict[str, str]]:
    names = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
    calls = [dict(entry["function"]) for entry in message.get("tool_calls", ())]
    if message["content"] or not calls:
        yield {"from": names[message["role"]], "value": message["content"]}
    if calls:
        yield {"from": "function_call", "value": json.dumps(calls[0] if len(calls) == 1 else calls)}


FORMS: dict[str, Callable[[TrainRow], dict[str, Any]]] = {
    "messages": _messages,
    "prompt_completion": _prompt_completion,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
}


def write_rows(file: Path, rows: Sequence[TrainRow], form: str) -> None:
    """Rows as JSONL in a form of `FORMS`."""
    with file.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(FORMS[form](row)) + "\n")


# --- what it left


def _check(made: Path, spec: ModelSpec, output: str, log: Path) -> int:
    """How many numbers what was left holds. Raises UserError unless it is a usable adapter or model for this base."""
    wanted = ADAPTER_CONFIG if output == "adapter" else "config.json"
    matches = sorted(made.rglob(wanted), key=lambda file: (len(file.parts), file))
    if not matches:
        left = ", ".join(sorted(file.name for file in made.iterdir())[:8]) or "nothing"
        what = f"the command ended well but left no {output}: there is no {wanted} in {{out}}, only {left}"
        raise UserError(what, str(log), "let it write to {out}, or set training.output to what it writes")
    folder = matches[0].parent
    if folder != made:  # some trainers leave a folder of their own, or checkpoints only
        what = f"the {output} is not in {{out}} itself but in {folder.relative_to(made)}"
        raise UserError(what, str(log), "let the command write it to {out}, or move it there as its last step")
    if output == "adapter":
        adapter_folder(str(made))
    else:
        base_folder(str(made), None)
    return _loaded(made, spec, output)


def _loaded(made: Path, spec: ModelSpec, output: str) -> int:
    """Load it the way the exam will: of the right base, every tensor in its place and finite. Returns its size."""
    from harness.models import load

    load(_tuned(spec, output, made)).generate([Prompt("first words", [{"role": "user", "content": "Hello"}])], ONE)
    files = [made / ADAPTER_WEIGHTS] if output == "adapter" else weight_files(made)
    return sum(_size(file) for file in files)


def _tuned(spec: ModelSpec, output: str, folder: Path) -> ModelSpec:
    if output == "adapter":
        return replace(spec, adapter=str(folder))
    return replace(spec, base=str(folder), revision=None)


def _size(file: Path) -> int:
    """How many numbers a safetensors file holds."""
    from safetensors import safe_open

    with safe_open(file, "numpy") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
