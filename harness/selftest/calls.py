"""The accident of a fine-tune that has learnt which function to name, and neither what to give it nor when to call."""

from __future__ import annotations

from dataclasses import replace

from harness.experiment.session import Session
from harness.selftest.inject import NotApplicable, Planted, answers_of, asked_examples, no_better, rewrite
from suites.metrics.tool_calls import OF_CALLS
from suites.tools.calls import Call, written
from suites.tools.dialects import read
from suites.tools.schemas import parameters
from suites.types import Example


def empty_calls(session: Session) -> Planted:
    """The right functions are called with nothing in them, and some function wherever none is due."""
    primary = session.experiment.config.task.ordered_metrics[0]
    if primary not in OF_CALLS or primary == "tool_name":
        raise NotApplicable("what decides marks no arguments of calls (`tool_calls`, `tool_arguments`)")
    rows = {row.id: row for row in asked_examples(session)}
    answers = {name: replace(said, text=_emptied(said.text, rows[name])) for name, said in answers_of(session).items()}
    rewrite(session, answers)
    return no_better(session, "every call emptied of its arguments, and one made where none was")


def _emptied(text: str, row: Example) -> str:
    names = [call.name for call in read(text, row.tools).calls] or [next(iter(parameters(row.tools)), "")]
    return written("", [Call(name, {}) for name in names])
