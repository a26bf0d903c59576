"""finetune-harness: `harness run` on recorded answers; `deploy` is exit code 0.

An unanswered question has no row. The judge is an endpoint, with 100 pairs that people judged.
"""

import json
import shutil
from pathlib import Path

from recorded import MARGIN, Answer, Recorded, answer_all, exit_code, judge_endpoint

from harness.cli.main import main

VERDICTS = {0: "deploy", 3: "keep_prompting", 4: "reject", 5: "inconclusive", 6: "invalid"}


def ask(recorded: Recorded, work: Path) -> Answer:
    shutil.copytree(recorded.folder, work, dirs_exist_ok=True)
    metric = "contains" if recorded.judged else "exact_match"
    (work / "second" / "suite.yaml").write_text("name: second\nmetrics: [exact_match]\n", encoding="utf-8")
    settings = {
        "experiment": "rivals",
        "data": {"train": "train.jsonl", "test": "exam.jsonl"},
        "task": {"metrics": [metric]},
        "baselines": [{"recorded": "prompted.jsonl"}],
        "candidate": {"recorded": "tuned.jsonl"},
        "regression": [{"suite": "second", "margin": MARGIN} if recorded.asked else "second"],
    }
    if recorded.asked:
        settings["policy"] = {"min_gain": 0.0}
    if not recorded.judged:
        return _verdict(settings, work)
    with judge_endpoint() as url:
        settings["judge"] = {"model": {"endpoint": url, "name": "judge"}, "calibration": "labelled.jsonl"}
        ships, verdict = _verdict(settings, work)
    record = json.loads((work / "out" / "rivals" / "decision.json").read_text(encoding="utf-8"))
    tier = next((gate["tier"] for gate in record["gates"] if gate["gate_id"] == "judge"), "not used")
    return ships, f"{verdict}, the judge {tier}"


def _verdict(settings: dict[str, object], work: Path) -> Answer:
    experiment = work / "experiment.yaml"
    experiment.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    code = exit_code(main, ["run", str(experiment)])
    if code not in VERDICTS:
        raise SystemExit(f"harness run ended with {code} on {experiment}")
    return code == 0, VERDICTS[code]


answer_all(ask)
