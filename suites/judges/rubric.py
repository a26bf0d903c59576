"""A rubric: the text a judge is asked with, and what it may answer."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from suites.errors import UserError
from suites.judges.guard import filled
from suites.text.files import read_text
from suites.text.yaml_text import parse_theirs

RUBRICS = Path(__file__).parent / "rubrics"
Form = Literal["pair", "grade", "criteria"]
"""Which of two answers is better; how good one is, 1 to 5; or which criteria it meets, each its own question."""

LABELS: dict[Form, tuple[str, ...]] = {
    "pair": ("A", "B", "tie"),
    "grade": ("1", "2", "3", "4", "5"),
    "criteria": ("yes", "no"),
}
"""What may stand after `verdict:`."""
SHOWN: dict[Form, tuple[str, ...]] = {
    "pair": ("input", "first", "second"),
    "grade": ("input", "answer"),
    "criteria": ("input", "answer", "criterion"),
}
"""The placeholders that a rubric has; `reference` may stand beside them."""
MOST_CRITERIA = 50
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rubric:
    """The text a judge is asked with, and the criteria it is asked one by one; its hash is kept with every verdict.

    `bare` is for a judge that was trained on a form of its own, see `guard.filled`.
    """

    name: str
    text: str
    criteria: tuple[str, ...] = ()
    bare: bool = False

    @property
    def digest(self) -> str:
        """sha256 of all that is asked."""
        return hashlib.sha256("\n".join([self.text, *self.criteria]).encode()).hexdigest()

    @property
    def form(self) -> Form:
        """What it asks for: `{{ first }}` and `{{ second }}` stand in a rubric for pairs, `{{ answer }}` in others."""
        if self.criteria:
            return "criteria"
        return "grade" if self.shows("answer") else "pair"

    @property
    def labels(self) -> tuple[str, ...]:
        """What may stand after `verdict:`."""
        return LABELS[self.form]

    @property
    def demand(self) -> str:
        """What a judge is told whose answer held none of them."""
        return "Answer with one line, exactly one of:\n" + "\n".join(f"verdict: {label}" for label in self.labels)

    def shows(self, name: str) -> bool:
        """Whether a placeholder stands in it."""
        return bool(re.search(r"\{\{\s*" + name + r"\s*\}\}", self.text))

    def filled(self, reference: str | None, **texts: str) -> str:
        """The text with an answer, or two, in it. Raises UserError where it shows a reference and there is none."""
        if self.shows("reference"):
            if reference is None:
                fix = "give rows a target, labelled pairs a `reference`, or use a rubric without `{{ reference }}`"
                raise UserError("the rubric shows a reference answer, and a row has none", self.name, fix)
            texts["reference"] = reference
        return filled(self.text, texts, self.name, bare=self.bare)


def load_rubric(name: str, folder: Path) -> Rubric:
    """A rubric by built-in name, or from a file. Raises UserError when there is none or it misses a placeholder."""
    own = folder / name
    path = own if own.is_file() else RUBRICS / f"{name}.md"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in RUBRICS.glob("*.md")))
        raise UserError(f"no rubric named {name!r}", str(own), f"use a built-in rubric ({known}) or a .md file")
    rubric = _read(name, path)
    missing = [part for part in SHOWN[rubric.form] if not rubric.shows(part)]
    if missing:
        wanted = ", ".join("{{ " + part + " }}" for part in SHOWN[rubric.form])
        raise UserError(f"the rubric never shows {', '.join(missing)}", str(path), f"write {wanted}")
    rubric.filled("", **dict.fromkeys(SHOWN[rubric.form], ""))  # one that cannot be filled in is better known now
    return rubric


def _read(name: str, path: Path) -> Rubric:
    """The text, and the settings that stand before it between two lines of `---`."""
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the rubric: {error}", str(path), "save it as UTF-8 text") from None
    front = _FRONT.match(text)
    if not front:
        return Rubric(name, text)
    settings: Any = parse_theirs(front.group(1), path)
    criteria, bare = _settings(settings, path)
    body = text[front.end() :]
    return Rubric(name, body if body.strip() else _read("criteria", RUBRICS / "criteria.md").text, criteria, bare)


def _settings(settings: Any, path: Path) -> tuple[tuple[str, ...], bool]:
    """`criteria`, a list of sentences, and `bare`. Raises UserError for anything else."""
    given = settings if isinstance(settings, dict) else {"": settings}
    if unknown := sorted(str(name) for name in given if name not in ("criteria", "bare")):
        fix = "between the lines of --- stand `criteria`, `bare` or both; for a line in the text write ***"
        raise UserError(f"a rubric has no setting {', '.join(unknown) or 'of no name'}", str(path), fix)
    criteria, bare = given.get("criteria", []), given.get("bare", False)
    if not isinstance(criteria, list) or not _sentences(criteria) or ("criteria" in given and not criteria):
        what = f"`criteria` is a list of 1 to {MOST_CRITERIA} different sentences"
        raise UserError(what, str(path), "write\ncriteria:\n  - It names the price")
    if not isinstance(bare, bool):
        raise UserError("`bare` is true or false", str(path), "leave it out unless the judge was trained on this form")
    return tuple(criteria), bare


def _sentences(criteria: list[Any]) -> bool:
    if len(criteria) > MOST_CRITERIA:
        return False
    return all(isinstance(one, str) and one.strip() for one in criteria) and len(set(criteria)) == len(criteria)
