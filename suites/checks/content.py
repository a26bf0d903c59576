"""What stands in the rows and should not: secrets, personal data, control characters, special tokens, empty text."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from suites.checks.material import Material
from suites.data.turns import conversation_faults
from suites.metrics.table import need_no_target
from suites.model import Message
from suites.similarity.identity import media_columns
from suites.types import Example, Finding

# Special tokens of common chat templates. In a row's text they begin or end a turn that nobody meant.
SPECIAL = re.compile(
    r"<\|(?:im_start|im_end|endoftext|end_of_text|begin_of_text|eot_id|start_header_id|end_header_id|user|assistant|"
    r"system|end|eom_id|python_tag|endofprompt)\|>|\[/?INST\]|<</?SYS>>|</s>|<(?:start|end)_of_turn>|<(?:bos|eos|pad)>|"
    r"<｜(?:User|Assistant|begin▁of▁sentence|end▁of▁sentence)｜>"
)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\u202a-\u202e\u2066-\u2069]")

# Keys with a form of their own, as detect-secrets and the services themselves describe them. What merely looks random
# is left alone: in text that is mostly a false alarm.
SECRET = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{22,}|\bglpat-[\w-]{20}|"
    r"\bxox[abporsz]-[\w-]{10,}|\bsk-(?:proj-|ant-)?[\w-]{32,}|\b[rs]k_live_[0-9A-Za-z]{24}|\bAIza[\w-]{35}|"
    r"\bhf_[A-Za-z]{34}\b|\bnpm_[0-9A-Za-z]{36}\b|\bSG\.[\w-]{22}\.[\w-]{43}|"
    r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY(?: BLOCK)?-----|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
)
# One of these stands in every key above; looking for them first saves most of the time.
SECRET_MARKS = (
    "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "sk-", "_live_", "AIza",
    "hf_", "npm_", "SG.", "PRIVATE KEY", "eyJ",
)  # fmt: skip
EMAIL = re.compile(r"\b[\w.+-]{1,64}@(?:[a-z0-9-]{1,63}\.)+[a-z]{2,24}\b", re.IGNORECASE)
PHONE = re.compile(
    r"(?<![\w.+])\+[1-9]\d{0,2}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4}(?!\d)|"
    r"(?<![\w-])(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4}(?![\w-])"
)
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
CARD = re.compile(r"(?<![\d.-])[2-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\d-]|\.\d)")
ADDRESS = re.compile(r"(?<![\d.\w])(?:\d{1,3}\.){3}\d{1,3}(?![\d\w]|\.\d)")
# Addresses set aside for examples (RFC 2606) are nobody's.
NOBODY = re.compile(r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|\w+\.(?:example|test|invalid)|example)$", re.IGNORECASE)


def is_iban(text: str) -> bool:
    """Whether the check digits of an IBAN are right: ISO 13616, remainder 1 modulo 97."""
    plain = text.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def is_card(text: str) -> bool:
    """Whether a number of 13 to 19 digits passes the check of card numbers (Luhn, ISO/IEC 7812-1 annex B)."""
    digits = [int(c) for c in text if c.isdigit()][::-1]
    doubled = (digit for twice in digits[1::2] for digit in divmod(2 * twice, 10))
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def is_public(text: str) -> bool:
    """Whether four numbers are an IP address that someone on the internet has."""
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


# What is searched for: the characters without which there is none, the pattern, and the proof.
PERSONAL: dict[str, tuple[str, re.Pattern[str], Callable[[str], bool]]] = {
    "e-mail addresses": ("@", EMAIL, lambda text: not NOBODY.search(text)),
    "phone numbers": ("+(-", PHONE, lambda text: True),
    "IBANs": ("", IBAN, is_iban),
    "card numbers": ("", CARD, is_card),
    "IP addresses": (".", ADDRESS, is_public),
}
DIGITS = re.compile(r"\d{2}|\d\.\d")
# The more rows, the fewer new word pairs: the share can be compared between data sets up to this size.
DIVERSITY_ROWS = 10_000


def secrets(material: Material) -> list[Finding]:
    """Keys and passwords: a model that was trained on them gives them away."""
    findings = []
    for name, examples in material.splits.items():
        rows = tuple(e.id for e in examples if any(map(has_secret, texts(e))))
        if rows:
            text = f"{len(rows):,} of the {len(examples):,} {name} rows hold what looks like a key or token"
            findings.append(Finding("block", "secrets", text, rows))
    return findings


def has_secret(text: str) -> bool:
    """Whether a text holds what has the form of a key or token."""
    return any(mark in text for mark in SECRET_MARKS) and SECRET.search(text) is not None


def special_tokens(material: Material) -> list[Finding]:
    """Text that a tokenizer may take for the end of a turn."""
    return _matching(material, "special_tokens", "hold special tokens of a chat template", SPECIAL)


def control_characters(material: Material) -> list[Finding]:
    """Characters nobody sees: nulls, escapes, marks that turn the direction of the text."""
    return _matching(material, "control_characters", "hold control characters", CONTROL)


def personal_data(material: Material) -> list[Finding]:
    """E-mail addresses, phone, card and bank account numbers, and public IP addresses, in one finding a split."""
    findings = []
    for name, examples in material.splits.items():
        kinds: Counter[str] = Counter()
        rows = []
        for example in examples:
            present = {kind for text in texts(example) for kind in _personal(text)}
            kinds.update(present)
            rows += [example.id] if present else []
        if rows:
            listed = ", ".join(f"{kind} in {count:,}" for kind, count in kinds.most_common())
            text = f"{len(rows):,} of the {len(examples):,} {name} rows hold what looks like personal data: {listed}"
            findings.append(Finding("warn", "personal_data", text, tuple(rows)))
    return findings


def _personal(text: str) -> Iterator[str]:
    digits = DIGITS.search(text)
    for kind, (needs, pattern, proof) in PERSONAL.items():
        if kind == "e-mail addresses" or digits:
            possible = not needs or any(character in text for character in needs)
            if possible and any(proof(match.group()) for match in pattern.finditer(text)):
                yield kind


def _matching(material: Material, check: str, what: str, pattern: re.Pattern[str]) -> list[Finding]:
    findings = []
    for name, examples in material.splits.items():
        hits = {e.id: hit.group() for e in examples for text in texts(e) if (hit := pattern.search(text))}
        if hits:
            shown = next(iter(hits.values()))
            text = f"{len(hits):,} of the {len(examples):,} {name} rows {what}, such as {shown!a}"
            findings.append(Finding("warn", check, text, tuple(hits)))
    return findings


def texts(example: Example) -> Iterable[str]:
    """What of a row a model may read or be taught."""
    return example.input, example.target


def empty_test(material: Material) -> list[Finding]:
    """An exam without questions cannot decide anything."""
    empty = [name for name in ("test", "validation") if name in material.splits and not material.splits[name]]
    return [Finding("block", "empty_split", f"the {name} set has no examples") for name in empty]


def empty_text(material: Material) -> list[Finding]:
    """Rows without an input or a target teach nothing and cannot be marked; plain text (no turns) has no input, and an
    exam whose metrics need no target may go without."""
    findings = []
    for name, examples in material.splits.items():
        for part in ("input", "target"):
            if part == "target" and name != "train" and material.metrics and need_no_target(material.metrics):
                continue
            rows = tuple(e.id for e in examples if e.turns != () and not str(e.columns[part]).strip())
            if rows:
                text = f"{len(rows):,} of the {len(examples):,} {name} rows have no {part}"
                findings.append(Finding("block", f"empty_{part}", text, rows))
    return findings


def roles(material: Material) -> list[Finding]:
    """Conversations with one side missing, roles that do not alternate, or an empty turn."""
    findings = []
    for name, examples in material.splits.items():
        asked = [e for e in examples if e.turns and (e.target or name == "train")]
        faults = {e.id: odd for e in asked if (odd := conversation_faults(_whole(e)))}
        if faults:
            first, odd = next(iter(faults.items()))
            text = (
                f"{len(faults):,} of the {len(examples):,} {name} conversations are odd, for example {first}: {odd[0]}"
            )
            findings.append(Finding("warn", "roles", text, tuple(faults)))
    return findings


def _whole(example: Example) -> list[Message]:
    return [*example.messages, {"role": "assistant", "content": example.target}]


def unreviewed(material: Material) -> list[Finding]:
    """Rows a machine wrote and nobody has read (`source: synthetic` without a `reviewer`) are not trained on."""
    findings = []
    for name, examples in material.splits.items():
        made = [e for e in examples if str(e.columns.get("source") or "").strip().casefold() == "synthetic"]
        rows = tuple(e.id for e in made if not str(e.columns.get("reviewer") or "").strip())
        if rows:
            text = f"{len(rows):,} of the {len(made):,} synthetic {name} rows name no `reviewer`"
            findings.append(Finding("block", "unreviewed", text, rows))
    return findings


def diversity(material: Material) -> list[Finding]:
    """How varied the training inputs are: their lengths, their openings, and how many of their word pairs are new."""
    rows = material.splits.get("train", ())
    plain_texts = zip(material.plain.get("train", ()), rows, strict=True)
    whole = [text for text, example in plain_texts if text and not media_columns(example)]
    if len(whole) < 2:
        return []
    plain = [text.split(" ") for text in whole[:: -(-len(whole) // DIVERSITY_ROWS)]]
    lengths = sorted(map(len, plain))
    tenth, middle, nine = (lengths[int(share * (len(lengths) - 1))] for share in (0.1, 0.5, 0.9))
    opening, count = Counter(" ".join(words[:3]) for words in plain).most_common(1)[0]
    pairs = [pair for words in plain for pair in pairwise(words)]
    new = f"{len(set(pairs)) / len(pairs):.0%}" if pairs else "none"
    text = (
        f"{len(plain):,} training inputs have {middle:,} words in the middle and {tenth:,} to {nine:,} in eight of "
        f"ten; {count / len(plain):.1%} begin with {opening[:60]!r}; {new} of their word pairs are new (distinct-2)"
    )
    return [Finding("info", "diversity", text)]
