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
    """What is said of marks, once for all tasks it holds for."""
    tasks: dict[str, list[str]] = {}
    for exam in exams:
        for sentence in (*_lonely(exam), *(f"{name!r} {why}" for name, why in exam.unusable.items()), *_turned(exam)):
            tasks.setdefault(sentence, []).append(exam.task)
    return [sentence if len(exams) == 1 else f"{sentence} ({of(names)})" for sentence, names in tasks.items()]


def of(tasks: Sequence[str]) -> str:
    """A few tasks by name, and how many there are."""
    if len(tasks) <= TASKS:
        return ", ".join(tasks)
    return f"{', '.join(tasks[: TASKS - 1])}, ... {len(tasks):,} tasks"


def _turned(exam: Exam) -> list[str]:
    reasons = {name: why_lower(name) for name in exam.lower}
    return [
        f"{name!r} is better when lower{f' ({why})' if why else ''}, and is taken as {turned(name)!r}"
        for name, why in reasons.items()
    ]


def _lonely(exam: Exam) -> Iterable[str]:
    sides = [{name for answer in side.values() for name in answer.scores} for side in (exam.base, exam.tuned)]
    return [f"{name!r} is a mark of only one log, and cannot decide" for name in sorted(sides[0] ^ sides[1])]
