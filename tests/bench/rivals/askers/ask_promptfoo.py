"""promptfoo: its Node package's `evaluate` on the candidate's answers, one `equals` a question.

It ships when the pass rate reaches `PROMPTFOO_PASS_RATE_THRESHOLD`, as its command does: here the base's own pass
rate, less what may be lost on the second suite. Without a threshold one wrong answer fails. An empty output fails its
assertion. `select-best` of `promptfoo eval` asks the judge; it has no gate, and a candidate preferred in more than half
of the pairs counts as shipped.

    python ask_promptfoo.py (asked | default) FOLDER < folders      # FOLDER: where promptfoo is installed
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

from recorded import MARGIN, Answer, Recorded, answer_all

FOLDER = Path(sys.argv[2])
NODE = str(FOLDER / "node_modules" / ".bin" / "node")
COMMAND = [NODE, str(FOLDER / "node_modules" / "promptfoo" / "dist" / "src" / "entrypoint.js"), "eval"]
OPTIONS = ["--no-cache", "--no-progress-bar", "--no-write", "--no-table"]
HERE = Path(__file__).parent / "promptfoo"
QUIET = {
    "PROMPTFOO_CONFIG_DIR": tempfile.mkdtemp(),
    # Its log file is at times written to after its end, on a busy machine, and then it exits 1 with its results done.
    **{f"PROMPTFOO_DISABLE_{what}": "1" for what in ("TELEMETRY", "UPDATE", "DEBUG_LOG", "ERROR_LOG")},
}
FAILED_TESTS = 100


def ask(recorded: Recorded, work: Path) -> Answer:
    if recorded.judged:
        return _judge(recorded, work)
    passes = []
    for suite, drop in (("exam", 0.0), ("second", MARGIN)):
        marks = recorded.marks("prompted", suite).values()
        threshold = sum(marks) / len(marks) - drop
        passes.append(_pass_rate(recorded, suite, work / f"{suite}.json") >= threshold)
    return all(passes), ", ".join("passes" if passed else "fails" for passed in passes)


def _pass_rate(recorded: Recorded, suite: str, path: Path) -> float:
    tests = [
        {"vars": {"asked": row["input"]}, "assert": [{"type": "equals", "value": row["target"]}]}
        for row in recorded.suites[suite]
    ]
    path.write_text(json.dumps({"tests": tests, "answers": recorded.by_input("tuned", suite)}), encoding="utf-8")
    into, out = _evaluator()
    into.write(f"{path}\n")
    into.flush()
    while not (line := out.readline()).startswith('{"successes"'):
        if not line:
            raise SystemExit(f"promptfoo ended on {recorded.folder}")
    return float(json.loads(line)["successes"]) / len(tests)


@cache
def _evaluator() -> tuple[IO[str], IO[str]]:
    """The standard input and output of one Node process, which ends with this one."""
    command, env = [NODE, str(HERE / "evaluate.mjs"), str(FOLDER)], os.environ | QUIET
    child = subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdin
    assert child.stdout
    return child.stdin, child.stdout


def _judge(recorded: Recorded, work: Path) -> Answer:
    select = [{"type": "select-best", "value": "the answer that serves its author better"}]
    tests = [{"vars": {"asked": row["input"]}, "assert": select} for row in recorded.suites["exam"]]
    config, out = work / "config.json", work / "out.json"
    settings = {
        "prompts": ["{{asked}}"],
        "providers": [_provider(recorded, arm, work / f"{arm}.json") for arm in ("prompted", "tuned")],
        "defaultTest": {"options": {"provider": f"file://{HERE / 'judge.mjs'}"}},
        "tests": tests,
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    command = [*COMMAND, "-c", str(config), "-o", str(out), *OPTIONS]
    env = os.environ | QUIET | {"PROMPTFOO_CONFIG_DIR": str(work)}  # the evaluator holds the other one
    code = subprocess.run(command, env=env, capture_output=True, timeout=300).returncode
    if code not in (0, FAILED_TESTS):
        raise SystemExit(f"promptfoo ended with {code} on {recorded.folder}")
    results = json.loads(out.read_text(encoding="utf-8"))["results"]["results"]
    wins = sum(row["success"] for row in results if row["provider"]["label"] == "tuned")
    return 2 * wins > len(tests), f"{wins} of {len(tests)} preferred"


def _provider(recorded: Recorded, arm: str, answers: Path) -> dict[str, object]:
    answers.write_text(json.dumps(recorded.by_input(arm, "exam")), encoding="utf-8")
    return {"id": f"file://{HERE / 'replay.mjs'}", "label": arm, "config": {"answers": str(answers)}}


answer_all(ask)
