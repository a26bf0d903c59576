"""trainjudge: what its `verify` does, with the recorded answers as what its models generate; IMPROVED ships.

Its regression check is 60 questions of its own, which recorded answers cannot have been asked. The marks of the second
suite stand in their place, in every category.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recorded import NO_JUDGE, Answer, Recorded, answer_all, write_lines
from trainjudge import evaluation, runs, verdict
from trainjudge.regression_check import CATEGORIES

ARMS = {evaluation.BASELINE: "prompted", evaluation.FINETUNED: "tuned"}


def ask(recorded: Recorded, work: Path) -> Answer:
    if recorded.judged:
        return NO_JUDGE
    run = work / "runs" / "one"
    for folder in ("data", "adapters"):
        (run / folder).mkdir(parents=True)
    (run / "adapters" / "adapters.safetensors").touch()
    runs.write_run_json(run, {"status": "trained", "model": "base"})
    rows = [{"prompt": row["input"], "completion": row["target"]} for row in recorded.suites["exam"]]
    write_lines(run / "data" / "test.jsonl", rows)

    def replay(model: str, prompts: Sequence[str], adapter_path: Path | None = None, **_: Any) -> list[str]:
        answers = recorded.by_input("prompted" if adapter_path is None else "tuned", "exam")
        return [answers[prompt] for prompt in prompts]

    task = [evaluation.evaluate_target(run, target, generate=replay, task="label") for target in ARMS]
    checks = [_check(recorded.marks(arm, "second")) for arm in ARMS.values()]
    options = {"min_improvement": 0.0} if recorded.asked else {}
    outcome = verdict.decide(*task, *checks, **options).outcome
    return outcome == verdict.IMPROVED, outcome


def _check(marks: dict[str, bool]) -> dict[str, Any]:
    """A regression check as it saves one, of the second suite."""
    passed = sum(marks.values())
    category = {"passed": passed, "total": len(marks), "rate": passed / len(marks)}
    return {"summary": dict.fromkeys(CATEGORIES, category)}


answer_all(ask)
