"""One training row as the model sees it: the rendered text, its tokens, and which of them carry loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baselines.arm import Prompter
from harness.models.hf.chat import ChatTokenizer
from harness.training.data.tokens import IGNORED, encode, render
from harness.training.types import training_row
from reports.format.text import clean, shorten
from suites.types import Example

if TYPE_CHECKING:
    from rich.text import Text

LONGEST = 2000  # characters shown of what is read, and of what is learnt
TRAINED = "bold green"


@dataclass(frozen=True, slots=True)
class Preview:
    """A row as text: `prompt` is read, `trained` carries the loss. `bos` counts beginning-of-sequence tokens.

    `tokens` counts all tokens, `trained_tokens` those with loss; `stop` is the token the row ends with, if it stops.
    """

    id: str
    prompt: str
    trained: str
    tokens: int
    trained_tokens: int
    stop: str | None
    bos: int

    def __str__(self) -> str:
        begin = f"begins with {self.bos} beginning-of-sequence token{'s' * (self.bos != 1)}, " if self.bos else ""
        end = f"ends with {self.stop}" if self.stop else "never stops"
        return f"row {self.id}: {self.tokens:,} tokens, {self.trained_tokens:,} of them trained; {begin}{end}"


def preview(example: Example, chat: ChatTokenizer, prompter: Prompter, stops: Sequence[int]) -> Preview:
    """`example` as `prompter` asks it and training tokenizes it. `stops` are the ids of tokens that end an answer.

    Raises UserError when the chat template refuses its turns.
    """
    [row] = encode(chat, [render(chat, training_row(prompter, example))], stops)
    ids = row["input_ids"]
    border = sum(label == IGNORED for label in row["labels"])
    prompt, whole = _text(chat, ids[:border]), _text(chat, ids)
    # Decoded alone, some tokenizers take the space off the first word.
    trained = whole[len(prompt) :] if whole.startswith(prompt) else _text(chat, ids[border:])
    stop = chat.tokenizer.convert_ids_to_tokens(ids[-1]) if ids and ids[-1] in stops else None
    return Preview(example.id, prompt, trained, len(ids), len(ids) - border, stop, chat.count_bos(ids))


def _text(chat: ChatTokenizer, ids: list[int]) -> str:
    text: str = chat.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text


def plain(shown: Preview) -> str:
    """The row with ⟦ ⟧ around what carries the loss; harmless in a terminal."""
    prompt, trained = _shown(shown)
    return f"{prompt}⟦{trained}⟧"


def coloured(shown: Preview) -> Text:
    """The row for a terminal, with what carries the loss in bold green."""
    from rich.text import Text

    prompt, trained = _shown(shown)
    return Text.assemble(prompt, (trained, TRAINED))


def _shown(shown: Preview) -> tuple[str, str]:
    return clean(shorten(shown.prompt, LONGEST)), clean(shorten(shown.trained, LONGEST))
