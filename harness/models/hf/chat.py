"""Between chat messages and token ids: the chat template, the beginning-of-sequence token, the stop tokens."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub.errors import StrictDataclassError

from harness.models.files import TOKENIZER_FILES, files_hash, first_line, read_json
from harness.models.hf.refusals import REFUSALS
from suites.errors import UserError
from suites.model import Message, TemplateSettings, with_settings
from suites.reasoning import BESIDE, MARKERS, Split, begun_in, split
from suites.templates import FAILURES, bounded
from suites.tools.calls import Call, as_message, with_text_arguments
from suites.tools.dialects import MARKERS as CALLS
from suites.tools.dialects import as_turn
from suites.tools.schemas import as_list, parameters

FALLBACK_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}"
    "{% if loop.last and not add_generation_prompt %}{{ eos_token }}{% else %}{{ '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
"""For a model without a chat template: one "role: content" line per message."""

# Hybrid reasoning models (Qwen3) otherwise think aloud before the answer, in training and at test differently.
# Llama 3 otherwise writes today's date, so that the same experiment asks something else tomorrow; this is its default.
TEMPLATE_SETTINGS = {"enable_thinking": False, "date_string": "26 Jul 2024"}

ASKED: list[Message] = [{"role": "user", "content": "What can you do?"}]
PROBE = '[{"type": "function", "function": {"name": "weather", "description": "", "parameters": {"type": "object"}}}]'
CALLED: list[Message] = [
    {"role": "user", "content": "How is it in Bern?"},
    as_message("", [Call("weather", {"city": "Bern"})]),
    {"role": "tool", "name": "weather", "tool_call_id": "call00001", "content": "fine"},
]
"""A conversation that shows how a template writes a call."""

AT_ONCE = 256
"""How many texts are encoded together; the tokenizer keeps much about each until it has read them all."""


class ChatTokenizer:
    """A tokenizer that turns messages into exactly the ids the model reads, the same way everywhere."""

    def __init__(self, base: Path, adapter: Path | None = None, settings: TemplateSettings = ()) -> None:
        self._settings: Mapping[str, object] = {**TEMPLATE_SETTINGS, **dict(settings)}
        self.folder = adapter if adapter and (adapter / "tokenizer_config.json").is_file() else base
        self.tokenizer = _load(self.folder, base)
        if not self.tokenizer.chat_template and self.folder != base:
            self.tokenizer.chat_template = _load(base, base).chat_template
        if not self.tokenizer.chat_template:
            self.tokenizer.chat_template = FALLBACK_TEMPLATE
        bos = self.tokenizer.bos_token_id
        self._seen: set[str] = set()
        self._bos: list[int] = [bos] if bos is not None and self.tokenizer("x")["input_ids"][:1] == [bos] else []

    @property
    def hash(self) -> str:
        """What the template and the tokenizer do, not how their files are laid out: saving them again keeps it."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            files = [self.folder / name for name in TOKENIZER_FILES]
            vocabulary: Any = files_hash([file for file in files if file.is_file()])
        else:
            vocabulary = json.loads(backend.to_str())
            # Encoding a batch changes these two; they say nothing about the text.
            vocabulary["padding"] = vocabulary["truncation"] = None
        parts = [self.tokenizer.chat_template, TEMPLATE_SETTINGS, self._bos, self.tokenizer.eos_token, vocabulary]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()
        return with_settings(digest, self._settings.items() - TEMPLATE_SETTINGS.items())

    def render(self, messages: Sequence[Message] | str, settings: TemplateSettings = (), tools: str = "") -> str:
        """The exact text of a prompt. Where the template has no place for a system message, the first user turn has.

        `settings` go to the template over the model's own. Raises UserError for `tools` of which it shows nothing.
        """
        if isinstance(messages, str):
            return messages
        if tools:
            self._check_tools(tools)
        turns = list(messages)
        system = turns[0]["content"] if turns and turns[0]["role"] == "system" else None
        try:
            text = self._apply(turns, settings=settings, tools=tools)
        except UserError:
            if system is None:
                raise
            return self._apply(_merge_system(turns), settings=settings, tools=tools)
        if system is not None and system.strip() not in text:  # some templates drop it without a word
            return self._apply(_merge_system(turns), settings=settings, tools=tools)
        return text

    def _check_tools(self, tools: str) -> None:
        """Raises UserError where the template is given tools and shows none: the model would be asked without them."""
        if tools not in self._seen:
            unseen = [name for name in parameters(tools) if name not in self._apply(ASKED, tools=tools)]
            if unseen:
                what = f"the model's chat template does not show its tools, `{unseen[0]}` among them"
                fix = (
                    "take a model whose chat template does, or write them into `task.prompt` and set `task.tools: none`"
                )
                raise UserError(what, str(self.folder), fix)
            self._seen.add(tools)

    def render_answer(self, messages: Sequence[Message], answer: str) -> str:
        """What follows the rendered prompt when the model gives `answer`: the answer and the end of its turn."""
        return self.cut_answer(self.render(messages), self.render_whole(messages, answer), answer)

    def cut_answer(self, prompt: str, whole: str, answer: str, before: str = "") -> str:
        """`render_answer` from texts that are rendered already, of the prompt and of the whole conversation.

        `before` is that of the prompt without what asks for an answer, needed for one that calls a tool.
        """
        thought = split(answer)
        if thought.state == "closed" and thought.reasoning not in whole:
            return self._with_thinking(prompt, whole, answer, thought)
        if whole.startswith(prompt):
            return whole[len(prompt) :]
        # The template writes this prompt differently once it is answered; what the model reads at test time counts.
        start = whole.rfind(answer.strip())
        if start < 0 and before and whole.startswith(before):
            start = len(before) + _shared_header(prompt.removeprefix(before), whole[len(before) :])
        if start < 0:
            raise UserError("the chat template does not show the assistant's answer", str(self.folder), "mend it")
        return whole[start:]

    def _with_thinking(self, prompt: str, whole: str, answer: str, thought: Split) -> str:
        """An answer of which the template shows no thinking (DeepSeek-R1's takes it off): as the model is to write it,
        and then what the template has after an answer."""
        start = whole.rfind(thought.answer)
        if start < 0 or not thought.answer:
            raise UserError("the chat template does not show the assistant's answer", str(self.folder), "mend it")
        told = answer.strip()
        if begun_in(prompt):
            told = told[told.index(thought.reasoning) :]
        return told + whole[start + len(thought.answer) :]

    def render_whole(self, messages: Sequence[Message], answer: str, tools: str = "") -> str:
        """The conversation with its answer as the template writes it, which need not begin as the prompt does."""
        thought = split(answer)
        if thought.state == "closed" and _is_written_so(thought, answer):
            turn = as_turn(thought.answer, tools, messages)
            apart: Any = {**turn, "reasoning_content": thought.reasoning, "thinking": thought.reasoning}
            whole = self._render_told([*messages, apart], tools)
            if thought.reasoning in whole:
                return whole
        return self._render_told([*messages, as_turn(answer, tools, messages)], tools)

    def render_before(self, messages: Sequence[Message], tools: str) -> str:
        """The conversation without anything that asks for an answer."""
        return self._render_told(list(messages), tools)

    def _render_told(self, turns: list[Message], tools: str) -> str:
        try:
            return self._apply(turns, prompt=False, tools=tools)
        except UserError:
            return self._apply(_merge_system(turns), prompt=False, tools=tools)

    def encode(self, text: str) -> list[int]:
        """Token ids of rendered text, with one beginning-of-sequence token if the tokenizer uses one."""
        [ids] = self.encode_prompts([text])
        return ids

    def encode_prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Like `encode` for many texts at once, which is faster."""
        encoded = self.encode_all(texts)
        if any(self.count_bos(ids) > 1 for ids in encoded):
            raise UserError(
                "the prompt begins with two beginning-of-sequence tokens",
                str(self.folder),
                "take the token out of the prompt text or out of the chat template",
            )
        return encoded

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Like `encode_prompts`, but a second beginning-of-sequence token is left in."""
        encoded: list[list[int]] = []
        for start in range(0, len(texts), AT_ONCE):
            encoded += self.tokenizer(list(texts[start : start + AT_ONCE]), add_special_tokens=False)["input_ids"]
        return [ids if ids[:1] == self._bos else self._bos + ids for ids in encoded]

    def count_bos(self, ids: Sequence[int]) -> int:
        """How many beginning-of-sequence tokens the ids begin with; 0 for a tokenizer that uses none."""
        return next((i for i, token in enumerate(ids) if [token] != self._bos), len(ids))

    @property
    def special_tokens(self) -> list[str]:
        """The texts that are read as one control token, in whatever text they stand."""
        return sorted(set(self._special.values()))

    @cached_property
    def _special(self) -> dict[int, str]:
        """The control tokens by their ids."""
        return {i: token.content for i, token in self.tokenizer.added_tokens_decoder.items() if token.special}

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """Ids of contexts and continuations, cut where lm-evaluation-harness cuts them; each text is read once.

        Where there is no context, the beginning of the text is one: the beginning- or end-of-sequence token.
        """
        # White space at a context's end belongs to the word after it.
        cut = [(context.rstrip(), context + continuation) for context, continuation in pairs]
        texts = list(dict.fromkeys(text for both in cut for text in both))
        ids = dict(zip(texts, self.encode_prompts(texts), strict=True))
        return [
            (ids[context], ids[whole][len(ids[context]) :]) if context else self._no_context(ids[whole])
            for context, whole in cut
        ]

    def _no_context(self, ids: list[int]) -> tuple[list[int], list[int]]:
        first = self.tokenizer.bos_token_id
        start = [self.tokenizer.eos_token_id if first is None else first]
        return start, ids[1:] if ids[:1] == start else ids

    def decode(self, ids: list[int]) -> str:
        """The text of an answer without special tokens, but for those that tell thinking from the answer."""
        if any(self._special.get(token) in MARKERS | CALLS for token in ids):
            known = MARKERS | BESIDE | CALLS
            ids = [token for token in ids if token not in self._special or self._special[token] in known]
            return str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def save(self, folder: Path) -> None:
        """Put the tokenizer and the chat template into a trained model's folder, byte for byte."""
        for name in TOKENIZER_FILES:
            if (self.folder / name).is_file():
                shutil.copyfile(self.folder / name, folder / name)
        if self.tokenizer.chat_template == FALLBACK_TEMPLATE:
            (folder / "chat_template.jinja").write_text(FALLBACK_TEMPLATE, encoding="utf-8")

    def _apply(
        self, messages: Sequence[Message], prompt: bool = True, settings: TemplateSettings = (), tools: str = ""
    ) -> str:
        if any("tool_calls" in message for message in messages) and self._writes_text:
            messages = with_text_arguments(messages)
        return self._filled(messages, prompt, {**self._settings, **dict(settings)}, tools)

    @cached_property
    def _writes_text(self) -> bool:
        """Whether the template puts down what a function is given as it comes, and is to get it as text."""
        try:
            text = self._filled(CALLED, False, self._settings, PROBE)
        except UserError:
            return True
        return "{'city':" in text

    def _filled(self, messages: Sequence[Message], prompt: bool, settings: Mapping[str, object], tools: str) -> str:
        # SmolLM3 has a word of its own for tools that are called by JSON.
        names = ["tools", *(["xml_tools"] if "xml_tools" in str(self.tokenizer.chat_template) else [])]
        shown = dict.fromkeys(names, as_list(tools)) if tools else {}
        try:
            with bounded():
                text: str = self.tokenizer.apply_chat_template(
                    list(messages), tokenize=False, add_generation_prompt=prompt, **shown, **settings
                )
        except FAILURES as error:
            roles = ", ".join(message["role"] for message in messages)
            raise UserError(
                f"the model's chat template refuses the messages ({roles}): {first_line(error)}",
                str(self.folder),
                "use the roles and the order that the template allows",
            ) from error
        return text


def _is_written_so(thought: Split, answer: str) -> bool:
    """Whether an answer with its thinking is written as a template would write the two, spacing aside."""
    return "".join(answer.split()) == "".join(f"<think>{thought.reasoning}</think>{thought.answer}".split())


def _shared_header(prompt: str, whole: str) -> int:
    """How far what opens an answer in a prompt is what opens it once it is given, to the end of a line or a mark."""
    pairs = enumerate(zip(prompt, whole, strict=False))
    same = prompt[: next((at for at, (one, other) in pairs if one != other), min(len(prompt), len(whole)))]
    return max(same.rfind(end) for end in "\n>]:") + 1


def load_config(folder: Path) -> transformers.PreTrainedConfig:
    """The config of a model's folder. Raises UserError for one that cannot be used."""
    read_json(folder / "config.json")  # the library reads numbers that are none, and keys that are given twice
    try:
        return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (*REFUSALS, StrictDataclassError) as error:
        raise UserError(
            f"the model's config cannot be used: {first_line(error)}", str(folder), "check config.json"
        ) from error


def _load(folder: Path, base: Path) -> transformers.PreTrainedTokenizerBase:
    # The class of a tokenizer, and with it how words are split, depends on the model type. An adapter's folder has
    # no config, so without the base's it would be read differently from the very same files beside the base.
    config = load_config(base)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, config=config, trust_remote_code=False, local_files_only=True
        )
        tokenizer("x")  # what its settings say may only be met here
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise UserError(
            f"the tokenizer cannot be loaded: {first_line(error)}",
            str(folder),
            "copy the tokenizer's files (tokenizer.json, tokenizer_config.json) into the folder",
        ) from error
    return tokenizer


def _merge_system(messages: list[Message]) -> list[Message]:
    if not messages or messages[0]["role"] != "system":
        return messages
    system, *rest = messages
    for i, message in enumerate(rest):
        if message["role"] == "user":
            merged: Message = {"role": "user", "content": f"{system['content']}\n\n{message['content']}"}
            return [*rest[:i], merged, *rest[i + 1 :]]
    return [{"role": "user", "content": system["content"]}, *rest]
