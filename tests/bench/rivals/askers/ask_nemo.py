"""NeMo Evaluator: `nel gate` on bundles as its runner writes them; GO is exit code 0.

A request that got no answer is a reward of 0 there. `max_drop: 0` on the task asks that the candidate be shown no
worse at all, the closest its policy comes to "better". Its pairwise judge is no part of the gate.
"""

import json
from pathlib import Path

from nemo_evaluator.cli.gate import gate_cmd
from nemo_evaluator.engine.artifacts import build_artifact_bundle, write_all
from recorded import MARGIN, NO_JUDGE, Answer, Recorded, answer_all, exit_code

VERDICTS = {0: "GO", 1: "NO-GO", 2: "INCONCLUSIVE"}


def ask(recorded: Recorded, work: Path) -> Answer:
    if recorded.judged:
        return NO_JUDGE
    for arm in ("prompted", "tuned"):
        for suite in ("exam", "second"):
            _bundle(recorded, arm, suite, work / arm / suite)
    drops = {"exam": {"max_drop": 0.0}, "second": {"max_drop": MARGIN}}
    benchmarks = {suite: {"metric": "mean_reward", **(drops[suite] if recorded.asked else {})} for suite in drops}
    policy = work / "policy.yaml"
    policy.write_text(json.dumps({"version": 1, "benchmarks": benchmarks}), encoding="utf-8")
    arguments = [str(work / "prompted"), str(work / "tuned"), "--policy", str(policy), "--no-report"]
    code = exit_code(gate_cmd, arguments)
    return code == 0, VERDICTS[code]


def _bundle(recorded: Recorded, arm: str, suite: str, out: Path) -> None:
    marks = recorded.marks(arm, suite)
    results = [
        {"problem_idx": i, "repeat": 0, "reward": float(marks.get(row["id"], False)), "expected_answer": row["target"],
         "model_response": recorded.answers[arm].get(row["id"], ""), "scoring_details": {}, "metadata": {}}
        for i, row in enumerate(recorded.suites[suite])
    ]  # fmt: skip
    mean = sum(row["reward"] for row in results) / len(results)
    bundle = build_artifact_bundle(suite, results, {"mean_reward": {"value": mean}}, {"model": arm})
    write_all({**bundle, "_results": results}, out)


answer_all(ask)
