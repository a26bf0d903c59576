"""statgate: `statgate compare` of each suite; SHIP is exit code 0.

A row needs a score, so the unanswered have none, and `compare` leaves them out of the pairs.
"""

from pathlib import Path

from recorded import MARGIN, NO_JUDGE, Answer, Recorded, answer_all, exit_code, write_lines
from statgate.cli import cli

VERDICTS = {0: "SHIP", 1: "BLOCK", 2: "INCONCLUSIVE"}


def ask(recorded: Recorded, work: Path) -> Answer:
    if recorded.judged:
        return NO_JUDGE
    codes = []
    for suite, margin in (("exam", 0.0), ("second", MARGIN)):
        files = [_rows(recorded.marks(arm, suite), work / f"{arm}-{suite}.jsonl") for arm in ("prompted", "tuned")]
        options = ["--margin", str(margin)] if recorded.asked else []
        codes.append(exit_code(cli.main, ["compare", *files, "--seed", "0", *options], standalone_mode=False))
    if any(code not in VERDICTS for code in codes):
        raise SystemExit(f"statgate ended with {codes} on {recorded.folder}")
    return codes == [0, 0], ", ".join(VERDICTS[code] for code in codes)


def _rows(marks: dict[str, bool], path: Path) -> str:
    return write_lines(path, [{"case_id": i, "score": float(mark), "passed": mark} for i, mark in marks.items()])


answer_all(ask)
