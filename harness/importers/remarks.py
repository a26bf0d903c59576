"""What one should know before believing the decision: what is missing or failed, on which side, and which marks
cannot decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.importers.marks import turned, why_lower
from harness.importers.pairing import Exam, n, natural

TASKS = 4


def remarks(exams: Sequence[Exam]) -> list[str]:
    """Sentences about each task; what holds for many is said once."""
    return [*(sentence for exam in exams for sentence in _answers(exam) if sentence), *_once(exams)]


def _answers(exam: Exam) -> list[str]:
    remarks: list[str] = []
    for name, side in (("base", exam.base), ("tuned", exam.tuned)):
        remarks.append(_sentence(exam, f"{name} has no answer to", [item for item in exam.items if item not in side]))
        remarks.append(_sentence(exam, f"{name} failed on", [item for item in side if side[item].error]))
    both = [item for item in exam.items if item in exam.base and item in exam.tuned]
    worded = [item for item in both if exam.base[item].input != exam.tuned[item].input]
    remarks.append(_sentence(exam, "the logs differ in the wording of, and base's is kept for,", worded))
    return remarks


def _sentence(exam: Exam, trouble: str, items: Sequence[str]) -> str:
    """A sentence that counts the items and names a few; none where there are none."""
    if not items:
        return ""
    some = ", ".join(map(repr, sorted(items, key=natural)[:3])) + ", ..." * (len(items) > 3)
    of = f" of {exam.task}" if exam.task else ""
    count, questions = len(exam.items), exam.questions
    asked = n(count, "question") if questions == count else f"{n(count, 'answer')} to {n(questions, 'question')}"
    return f"{trouble} {len(items):,} of {asked}{of}: {some}"


def _once(exams: Sequence[Exam]) -> list[str]:
    """What is said of marks, once for all marks and tasks it holds for."""
    marks: dict[str, dict[str, None]] = {}
    tasks: dict[str, dict[str, None]] = {}
    for exam in exams:
        for name, sentence in (*_cannot(exam), *_turned(exam)):
            marks.setdefault(sentence, {})[name] = None
            tasks.setdefault(sentence, {})[exam.task] = None
    whose = {sentence: f" of {of(list(names))}" if len(exams) > 1 else "" for sentence, names in tasks.items()}
    return [f"{', '.join(map(repr, names))}{whose[sentence]} {sentence}" for sentence, names in marks.items()]


def of(tasks: Sequence[str]) -> str:
    """A few tasks by name, and how many there are."""
    if len(tasks) <= TASKS:
        return ", ".join(tasks)
    return f"{', '.join(tasks[: TASKS - 1])}, ... {len(tasks):,} tasks"


def _cannot(exam: Exam) -> Iterable[tuple[str, str]]:
    sides = [{name for answer in side.values() for name in answer.scores} for side in (exam.base, exam.tuned)]
    for name in sorted(sides[0] ^ sides[1]):
        yield name, "cannot decide: a mark of only one log"
    for name, why in exam.unusable.items():
        yield name, f"cannot decide: {why}"


def _turned(exam: Exam) -> Iterable[tuple[str, str]]:
    for name in exam.lower:
        why = why_lower(name)
        yield name, f"is better when lower{f' ({why})' if why else ''}, and is taken as {turned(name)!r}"
