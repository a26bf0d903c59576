"""A judge compares two answers to one input: rubric + Model -> JudgeVerdict, always asked in both orders."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from suites.errors import UserError
from suites.model import Generation, Model, OnProgress, Prompt
from suites.templates import FAILURES, SANDBOX, bounded
from suites.text.files import read_text
from suites.types import JudgeVerdict

RUBRICS = Path(__file__).parent / "rubrics"
_BLOCK = re.compile(r"<\s*/?\s*(message|answer_[ab])", re.IGNORECASE)
"""How the blocks of the built-in rubric begin and end."""
_VERDICT = re.compile(r"verdict\W*:\W*(A|B|tie)\b", re.IGNORECASE)
_GRADES: dict[str, Literal["first", "second", "tie"]] = {"a": "first", "b": "second", "tie": "tie"}
_compiled = functools.cache(SANDBOX.from_string)


@dataclass(frozen=True, slots=True)
class Rubric:
    """The text a judge is asked with; its hash is kept with every verdict."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one input. Which of them came from the candidate is not the judge's business."""

    id: str
    input: str
    first: str
    second: str


def load_rubric(name: str, folder: Path) -> Rubric:
    """A rubric by built-in name, or from a file. Raises UserError when there is none or it misses a placeholder."""
    own = folder / name
    path = own if own.is_file() else RUBRICS / f"{name}.md"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in RUBRICS.glob("*.md")))
        raise UserError(f"no rubric named {name!r}", str(own), f"use a built-in rubric ({known}) or a .md file")
    try:
        rubric = Rubric(name, read_text(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the rubric: {error}", str(path), "save it as UTF-8 text") from None
    missing = [
        part for part in ("input", "first", "second") if not re.search(r"\{\{\s*" + part + r"\s*\}\}", rubric.text)
    ]
    if missing:
        raise UserError(
            f"the rubric never shows {', '.join(missing)}", str(path), "write {{ input }}, {{ first }}, {{ second }}"
        )
    ask(rubric, Pair("", "", "", ""))  # a template that cannot be filled in is better known now
    return rubric


def judge(
    model: Model,
    rubric: Rubric,
    pairs: Sequence[Pair],
    generation: Generation,
    on_progress: OnProgress | None = None,
) -> list[tuple[JudgeVerdict, JudgeVerdict]]:
    """For each pair the verdict on (first, second) and the verdict on (second, first), each about its own order.

    A judge that prefers a slot shows it by contradicting itself; callers count such pairs as ties
    (Zheng et al. 2023, arXiv:2306.05685, section 3.4).
    """
    turned = [Pair(pair.id, pair.input, pair.second, pair.first) for pair in pairs]
    prompts = [ask(rubric, pair) for both in zip(pairs, turned, strict=True) for pair in both]
    answers = model.generate(prompts, generation, on_progress=on_progress)
    verdicts = [JudgeVerdict(None if a.error else parse(a.text), a.error or a.text, rubric.digest) for a in answers]
    return list(zip(verdicts[::2], verdicts[1::2], strict=True))


def ask(rubric: Rubric, pair: Pair) -> Prompt:
    """The prompt that shows one pair in one order."""
    try:
        with bounded():
            shown = {"input": pair.input, "first": pair.first, "second": pair.second}
            text = _compiled(rubric.text).render(**shown, mark=_mark(list(shown.values())))
    except FAILURES as error:
        raise UserError(f"the rubric cannot be filled in: {error}", rubric.name) from None
    return Prompt(pair.id, [{"role": "user", "content": text.strip()}])


def _mark(texts: list[str]) -> str:
    """What the names of a rubric's blocks end with, so that no text can end the block it stands in.

    Empty where no text has such a name; else a digest that stands in none of them. The same pair is asked the same.
    """
    if not any(_BLOCK.search(text) for text in texts):
        return ""
    digests = (hashlib.sha256(json.dumps([texts, n]).encode()).hexdigest()[:12] for n in itertools.count())
    return "_" + next(digest for digest in digests if not any(digest in text for text in texts))


def parse(text: str) -> Literal["first", "second", "tie"] | None:
    """The last `verdict: A|B|tie` in the judge's answer; `None` when it never said one."""
    verdicts = _VERDICT.findall(text)
    return _GRADES[verdicts[-1].lower()] if verdicts else None
