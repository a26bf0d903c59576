"""yobro: the checks, the report and the gate of its starter project, with the recorded answers as its models'.

The gate is the one that `yobro new` writes: the low end of the gain at least 0, a general drop of at most 0.05.
"""

from pathlib import Path

import yobro
from recorded import MARGIN, NO_JUDGE, Answer, Recorded, answer_all
from yobro.gate import gate


def ask(recorded: Recorded, work: Path) -> Answer:
    if recorded.judged:
        return NO_JUDGE
    test, general = (_dataset(recorded.suites[suite], suite) for suite in ("exam", "second"))
    train = _dataset(recorded.rows("train.jsonl"), "train")
    checks = yobro.run_checks(train, [yobro.no_duplicates(near=True), yobro.no_overlap_with(test)])
    if checks.errors:
        return False, "checks: " + ", ".join(result.check for result in checks.errors)
    report = yobro.compare(
        {"base": _model(recorded, "prompted"), "v1": _model(recorded, "tuned")},
        test,
        yobro.exact_match(),
        general=general,
        min_rows=20,
    )
    rules = [yobro.improves("v1", by=0.0), yobro.max_forgetting("v1", MARGIN)]
    passed = gate("ok", report, rules, min_rows=20).passed
    return passed, "PASSED" if passed else "FAILED"


def _dataset(rows: list[dict[str, str]], name: str) -> yobro.Dataset:
    turns = [(row["id"], row["input"], row["target"]) for row in rows]
    chats = [
        {"id": i, "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": target}]}
        for i, asked, target in turns
    ]
    return yobro.from_records(chats, name=name)


def _model(recorded: Recorded, arm: str) -> yobro.FunctionGenerator:
    answers = recorded.by_input(arm, "exam") | recorded.by_input(arm, "second")
    return yobro.FunctionGenerator(lambda messages: answers[messages[-1]["content"]], arm)


answer_all(ask)
