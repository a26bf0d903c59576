"""The demo's tokenizer: any text, exactly; every word of the world is one token, also inside JSON quotes.

Byte-level BPE without merges: a word of the world is looked up whole, everything else falls apart into bytes. Words
carry the space before them. Where a word follows a quote or a line break there is no space to carry, so the normaliser
writes GLUE plus a space there and the decoder takes both away again: `"billing"` and `to billing` share one token.
An ordinary Hugging Face fast tokenizer; nothing here is needed to load it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from random import Random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from harness.demo import corpus, messages, phrases, skills, world

GLUE, ESCAPE = "\x01", "\x02"
SPECIAL = ("<pad>", "<s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
JSON_JOINTS = (f' {{"{GLUE}', f'": "{GLUE}', f'", "{GLUE}', '"}', f"\n{GLUE}")
WORD = r" ?[A-Za-z]+(?:'[a-z]+)?"
PIECES = "|".join([*map(re.escape, JSON_JOINTS), WORD, r" ?[0-9]+", r" ?[^\sA-Za-z0-9]", r"\s"])
JUDGE_WORDS = "Judge the answers. Message: A: B: form team priority good bad yes no tie verdict: good, bad, yes, no,"
VOCAB_MULTIPLE = 64
TEMPLATE = (
    "<s>{% for message in messages %}{% if message['role'] == 'assistant' %}<|assistant|>"
    "{% generation %}{{ message['content'] }}<|end|>{% endgeneration %}"
    "{% else %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def world_texts() -> Iterator[str]:
    """Text that together holds every word of the world at least once."""
    topics = (*phrases.TOPICS.values(), *phrases.HELD_OUT_TOPICS.values())
    moods = (*phrases.MOODS.values(), *phrases.HELD_OUT_MOODS.values())
    sentences = [text for group in (*topics, *moods, phrases.PLAN_SENTENCES) for text in group]
    yield from sentences
    yield from (messages.greet("Hello", text) for text in sentences)
    yield from phrases.GREETINGS
    for words in (*phrases.PRODUCTS.values(), phrases.PLANS, tuple(phrases.PRODUCTS), messages.TEAMS):
        yield " ".join(words)
    yield " ".join((*messages.PRIORITIES, *phrases.TOPICS, *phrases.MOODS, *corpus.OTHER_KEYS, *corpus.NAMING))
    yield " ".join(skills.WORDS + phrases.NAMES + phrases.CITIES + phrases.COUNTRIES)
    yield " ".join(skills.WORDS).upper()
    yield " ".join(map(str, range(100)))
    yield from (question for group in phrases.QUESTIONS.values() for question in group)
    yield from (text for skill in skills.SKILLS.values() for text in skill.instructions)
    yield from (text for group in corpus.NAMING.values() for text in group)
    yield from (*corpus.UNINFORMATIVE, *world.PROMPTS.values(), JUDGE_WORDS)
    yield "Answer in JSON with the key team. Look up the value. keys + = - ; product mood . , ? ! :"
    yield from (skills.draw_lookup(Random(0))[0], skills.draw_add(Random(0))[0], "plus and has have does")


def _alphabet() -> dict[int, str]:
    """How byte-level BPE writes each byte as one printable character."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (byte for byte in range(256) if byte not in plain)
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + number) for number, byte in enumerate(others)}


def _as_token(text: str) -> str:
    alphabet = _alphabet()
    return "".join(alphabet[byte] for byte in text.encode())


def vocabulary(texts: Iterable[str]) -> list[str]:
    """Special tokens, JSON joints, words and marks of the world, then all bytes; padded to a round number."""
    words = {" " + piece.strip() for text in texts for piece in re.findall(PIECES, text) if "{" not in piece}
    tokens = [
        *SPECIAL,
        *map(_as_token, JSON_JOINTS),
        *sorted(map(_as_token, words | set(".,?!:;"))),
        *_alphabet().values(),
    ]
    tokens = list(dict.fromkeys(tokens))
    return tokens + [f"<unused{number}>" for number in range(-len(tokens) % VOCAB_MULTIPLE)]


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of the demo, chat template included."""
    ids = {token: number for number, token in enumerate(vocabulary(world_texts()))}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=[], ignore_merges=True))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(GLUE, GLUE + ESCAPE),
            normalizers.Replace(Regex(r'"(?=[A-Za-z])'), f'"{GLUE} '),
            normalizers.Replace(Regex(r"\n(?=[A-Za-z])"), f"\n{GLUE} "),
            normalizers.Prepend(" "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.ByteLevel(),
            decoders.Fuse(),
            decoders.Replace(GLUE + " ", ""),
            decoders.Replace(GLUE + ESCAPE, GLUE),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="<|end|>",
        pad_token="<pad>",
        padding_side="left",
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    return fast
