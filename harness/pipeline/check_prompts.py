"""Do the prompts of every arm fit into what the base model reads, with room for the answer? Before any is sent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.arm import Arm, Prompter
from harness.experiment import arms, specs
from harness.experiment.load import Experiment
from harness.models.files import base_folder, context_length
from suites.model import Prompt
from suites.tools.calls import said
from suites.types import Example, Finding

if TYPE_CHECKING:
    from harness.experiment.session import Session

TEMPLATE_BYTES, TURN_BYTES = 512, 64
"""More than a chat template adds to a prompt, and to each of its turns."""
TOOLS = 4
"""A template may show tools as indented JSON, and be a long word about them."""


def long_prompts(session: Session, bar: Sequence[Arm]) -> list[Finding]:
    """Prompts of the exam and its rehearsal that the base cannot read whole; blocking where they are the task's own.

    Of models that are read here, whose `config.json` says how many tokens that is.
    """
    experiment = session.experiment
    folder, context = base_context(experiment)
    if folder is None or context is None:
        return []
    answer = experiment.config.task.max_new_tokens
    own = arms.lesson_prompter(experiment)
    prompters = {own.digest: own} | {arm.prompter.digest: arm.prompter for arm in bar if not arm.model.recorded}
    findings = []
    for prompter in prompters.values():
        room = context - answer - prompter.asking.thinking_tokens
        for split in ("validation", "test"):
            lengths = too_long(folder, prompter, session.splits.get(split, ()), room)
            if lengths:
                text = _sentence(session, prompter, split, max(lengths.values()), (len(lengths), context))
                own_prompt = prompter.digest == own.digest
                findings.append(Finding("block" if own_prompt else "warn", "long_prompts", text, tuple(lengths)))
    return findings


def unheard_thinking(session: Session, bar: Sequence[Arm]) -> list[Finding]:
    """Arms that ask the chat template of a base read here for thinking, where that makes no difference."""
    folder = _folder(session.experiment)
    asked = [arm for arm in bar if arm.prompter.asking.settings and not arm.model.recorded]
    if folder is None or not folder.is_dir() or not asked:
        return []
    from harness.models.hf.chat import ChatTokenizer  # loads transformers

    chat = ChatTokenizer(folder, settings=specs.base_spec(session.experiment).template_settings)
    example = session.splits["test"][0]
    findings = []
    for arm in asked:
        messages, settings = arm.prompter.messages(example), arm.prompter.asking.settings
        if chat.render(messages, settings, example.tools) == chat.render(messages, tools=example.tools):
            names = ", ".join(f"`{name}`" for name, _ in settings)
            text = f"the chat template of the base makes nothing of {names}: {arm.name} is asked as it is without"
            findings.append(Finding("warn", "unheard_thinking", text))
    return findings


def base_context(experiment: Experiment) -> tuple[Path | None, int | None]:
    """Where the base that is read here lies, and how many tokens it reads; None for what is not known."""
    folder = _folder(experiment)
    return folder, context_length(folder) if folder else None


def _folder(experiment: Experiment) -> Path | None:
    """Where the base lies; a Hub id is fetched where a training here reads it anyway."""
    config, spec = experiment.config, specs.base_spec(experiment)
    if config.model is None or config.model.endpoint:
        return None
    here = config.training is not None and not config.training.elsewhere
    return base_folder(spec.base, spec.revision) if here else Path(spec.base)


def _sentence(session: Session, prompter: Prompter, split: str, longest: int, counts: tuple[int, int]) -> str:
    many, context = counts
    answer = session.experiment.config.task.max_new_tokens + prompter.asking.thinking_tokens
    helps = "ask for fewer `shots`" if prompter.shots or prompter.finder else "shorten the prompt or these rows"
    return (
        f"{many:,} of the {len(session.splits[split]):,} {split} prompts of {prompter.name} do not fit into the base's "
        f"{context:,} tokens with {answer:,} for the answer, the longest has {longest:,}; {helps}, lower "
        "`task.max_new_tokens`, or take a base that reads more"
    )


def too_long(folder: Path, prompter: Prompter, examples: Sequence[Example], room: int) -> dict[str, int]:
    """The tokens of each prompt that has more than `room`, by example. No token is shorter than a byte."""
    suspects: dict[str, Prompt] = {}
    for prompt in prompter.prompts(examples):
        assert not isinstance(prompt.messages, str)
        size = sum(len(os.fsencode(said(message))) + TURN_BYTES for message in prompt.messages)
        if size + TOOLS * len(os.fsencode(prompt.tools)) + TEMPLATE_BYTES > room:
            suspects[prompt.example_id] = prompt
    if not suspects:
        return {}
    from harness.models.hf.chat import ChatTokenizer  # loads transformers

    chat = ChatTokenizer(folder)
    encoded = chat.encode_prompts([chat.render(each.messages, tools=each.tools) for each in suspects.values()])
    return {row: len(ids) for row, ids in zip(suspects, encoded, strict=True) if len(ids) > room}
