"""Can the models be held to what their prompts say, and shown the tools? Asked of each before anything else is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from baselines.arm import Arm
from harness.pipeline.rehearsal import HERE, is_here
from suites.errors import UserError
from suites.model import Generation
from suites.types import Example

if TYPE_CHECKING:
    from harness.experiment.session import Session


def hold(session: Session, arms: Sequence[Arm], *, asked: bool = True) -> None:
    """Raises UserError for an arm whose model cannot be held, or whose answers would be longer than they may be.

    Servers are sent a few questions; not `asked`, only models whose files are here are looked at.
    """
    task = Generation(max_new_tokens=session.experiment.config.task.max_new_tokens)
    for arm in arms:
        generation = arm.prompter.asking.generation(task)
        if generation.constraint is None or not (asked or (arm.model.kind in HERE and is_here(arm.model))):
            continue
        look = getattr(session.model(arm.model).model, "hold", None)
        try:
            if look:
                look(generation)
        except UserError as error:
            raise type(error)(error.what, f"baselines: {arm.prompter.name}: {error.where}", error.fix) from None


def show_tools(session: Session, arms: Sequence[Arm], examples: Sequence[Example]) -> None:
    """Raises UserError for an arm whose model, read here, shows no tools or has no place for the calls of its shots."""
    first = {example.tools: example for example in examples if example.tools}
    for arm in arms if first else ():
        if arm.model.kind in HERE and is_here(arm.model):
            model = session.model(arm.model)
            for prompt in arm.prompter.prompts([*first.values()]):
                try:
                    model.render(prompt)
                except UserError as error:
                    raise type(error)(error.what, f"{arm.name}: {error.where}", error.fix) from None
