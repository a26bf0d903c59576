"""How long a prompt may be: what the base reads, less the room for an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.arm import Asking
from harness.models.files import base_folder, context_length
from suites.data.examples import sha256_json
from suites.errors import UserError
from suites.model import Message, ModelSpec, TemplateSettings

if TYPE_CHECKING:
    from harness.models.hf.chat import ChatTokenizer


@dataclass(frozen=True, slots=True)
class PromptRoom:
    """The `tokens` that a prompt for the model in `folder` may have."""

    folder: Path
    settings: TemplateSettings
    tokens: int

    @property
    def digest(self) -> str:
        """sha256 of the limit and of how tokens are counted."""
        return sha256_json([self.tokens, _chat(self.folder, self.settings).hash])

    def lengths(self, prompts: Sequence[Sequence[Message]]) -> list[int]:
        """How many tokens each prompt has."""
        chat = _chat(self.folder, self.settings)
        return [len(ids) for ids in chat.encode_prompts([chat.render(messages) for messages in prompts])]


def prompt_room(spec: ModelSpec, asking: Asking, answer: int) -> PromptRoom:
    """The room of a prompt to a model that is answered so, in `answer` tokens beside any thinking.

    Raises UserError where nobody says how much the model reads.
    """
    fix = "say how many: `shots: N`"
    if spec.endpoint:
        raise UserError("how many tokens a model behind an endpoint reads is not known, nor so how many shots fit",
                        "baselines", fix)  # fmt: skip
    folder = base_folder(spec.base, spec.revision)
    context = context_length(folder)
    if context is None:
        raise UserError("the base's config does not say how many tokens it reads, nor so how many shots fit",
                        str(folder), fix)  # fmt: skip
    settings = {**dict(spec.template_settings), **dict(asking.settings)}
    return PromptRoom(folder, tuple(sorted(settings.items())), context - answer - asking.thinking_tokens)


@lru_cache(maxsize=2)
def _chat(folder: Path, settings: TemplateSettings) -> ChatTokenizer:
    from harness.models.hf.chat import ChatTokenizer  # loads transformers

    return ChatTokenizer(folder, settings=settings)
