"""evalproof: its runner replays the answers, `evalproof compare --gate` of each suite decides, exit code 0 ships.

Its runner takes a question without an answer for an empty output with an error, which `exact_match` fails.

`evalproof pairwise` asks the judge. It has no gate: a candidate preferred in more than half of the pairs counts as
shipped.
"""

import json
import os
from pathlib import Path

from evalproof.cli import main
from recorded import MARGIN, Answer, Recorded, answer_all, exit_code, judge_endpoint, write_lines

os.environ["OPENAI_API_KEY"] = "none"
SYSTEM = """
import json
ANSWERS = json.loads(open({path!r}, encoding="utf-8").read())
def answer(question):
    return ANSWERS[question]  # an unanswered one is an error
"""


def ask(recorded: Recorded, work: Path) -> Answer:
    if recorded.judged:
        return _judge(recorded, work)
    codes = []
    for suite, drop in (("exam", 0.0), ("second", MARGIN)):
        runs = _runs(recorded, work, suite)
        options = ["--max-drop", str(drop)] if recorded.asked else []
        codes.append(exit_code(main, ["compare", *runs, "--metric", "exact", "--gate", *options]))
    if any(code not in (0, 1) for code in codes):
        raise SystemExit(f"evalproof ended with {codes} on {recorded.folder}")
    return codes == [0, 0], ", ".join("fail" if code else "pass" for code in codes)


def _runs(recorded: Recorded, work: Path, suite: str, judge: dict[str, str] | None = None) -> list[str]:
    """The run files of both arms."""
    rows = [{"id": r["id"], "input": r["input"], "reference": r["target"]} for r in recorded.suites[suite]]
    write_lines(work / f"{suite}.jsonl", rows)
    files = []
    for arm in ("prompted", "tuned"):
        module = f"answers_{work.name}_{arm}_{suite}"
        said = {question: text for question, text in recorded.by_input(arm, suite).items() if text}
        (work / f"{module}.json").write_text(json.dumps(said), encoding="utf-8")
        (work / f"{module}.py").write_text(SYSTEM.format(path=str(work / f"{module}.json")), encoding="utf-8")
        settings = {
            "name": suite,
            "dataset": f"{suite}.jsonl",
            "system": {"target": f"python:{module}:answer"},
            "scorers": [{"name": "exact", "type": "exact_match"}],
            **({"judge": judge} if judge else {}),
        }
        config, out = work / f"{suite}.yaml", work / f"{arm}-{suite}.json"
        config.write_text(json.dumps(settings), encoding="utf-8")
        exit_code(main, ["run", str(config), "--out", str(out), "--quiet", "--no-cache"])
        files.append(str(out))
    return files


def _judge(recorded: Recorded, work: Path) -> Answer:
    with judge_endpoint() as url:
        runs = _runs(recorded, work, "exam", {"target": "openai:judge", "base_url": url})
        verdicts = work / "verdicts.json"
        exit_code(main, ["pairwise", *runs, "--suite", str(work / "exam.yaml"), "--json", str(verdicts), "--no-cache"])
    winners = [row["winner"] for row in json.loads(verdicts.read_text(encoding="utf-8"))]
    wins, losses = winners.count("b"), winners.count("a")
    return 2 * wins > len(winners), f"{wins} wins, {losses} losses, {len(winners) - wins - losses} ties"


answer_all(ask)
