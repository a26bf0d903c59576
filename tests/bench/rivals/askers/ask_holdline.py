"""holdline: `holdline compare` of each suite and `calibrate --strict` for the judge; PASS is exit code 0.

A row without a mark is refused, so the unanswered have none, and `compare` takes the questions both have.
"""

from pathlib import Path

from holdline.cli import main
from recorded import MARGIN, Answer, Recorded, answer_all, exit_code, names_second, write_lines

VERDICTS = {0: "PASS", 1: "FAIL"}


def ask(recorded: Recorded, work: Path) -> Answer:
    if recorded.judged:
        return _judge(recorded, work)
    codes = []
    for suite, drop in (("exam", 0.0), ("second", MARGIN)):
        files = [_rows(recorded.marks(arm, suite), work / f"{arm}-{suite}.jsonl") for arm in ("prompted", "tuned")]
        codes.append(exit_code(main, ["compare", *files, *(["--max-drop", str(drop)] if recorded.asked else [])]))
    return codes == [0, 0], ", ".join(VERDICTS[code] for code in codes)


def _judge(recorded: Recorded, work: Path) -> Answer:
    """Whether its judge check lets the judge grade, on the pairs that people judged, each shown once."""
    labels = [
        {"id": p["id"], "human": p["label"] == "second", "judge": names_second(p["first"] + p["second"])}
        for p in recorded.rows("labelled.jsonl")
    ]
    code = exit_code(main, ["calibrate", "--labels", write_lines(work / "labels.jsonl", labels), "--strict"])
    return code == 0, "fit to grade" if code == 0 else "not fit to grade"


def _rows(marks: dict[str, bool], path: Path) -> str:
    return write_lines(path, [{"id": i, "passed": mark} for i, mark in marks.items()])


answer_all(ask)
