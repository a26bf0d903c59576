"""Logs of other tools, as long as a test needs them: a fixture's own row again with another question and mark."""

from __future__ import annotations

import copy
import json
import random
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent / "cases" / "logs"
DATE = "2026-11-22T03-42-37.348052"

Right = Sequence[bool]


def half(count: int, share: float, seed: int = 0) -> list[bool]:
    """`share` of `count` answers right, in no order."""
    answers = [i < share * count for i in range(count)]
    random.Random(seed).shuffle(answers)
    return answers


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def lm_eval(place: Path, right: Right, task: str = "sums", template: str = "sums") -> Path:
    """A folder with one samples file; two filters, so two rows for each document."""
    place.mkdir(parents=True, exist_ok=True)
    given = [
        json.loads(line)
        for line in (CASES / "lm_eval" / f"samples_{template}_{DATE}.jsonl").read_text().split("\n")[:-1]
    ]
    filters = {row["filter"]: row for row in given}
    rows = []
    for name, row in filters.items():
        for i, ok in enumerate(right):
            said = str(2 * i) if ok else "-1"
            new = {"doc_id": i, "doc": {"question": f"What is {i}+{i}?", "answer": str(2 * i)}, "target": str(2 * i)}
            rows.append(
                {**row, **new, "resps": [[said]], "filtered_resps": [said], "filter": name, "exact_match": float(ok)}
            )
    (place / f"samples_{task}_{DATE}.jsonl").write_text(lines(rows))
    return place


def inspect_log(right: Right, epochs: int = 1) -> dict[str, Any]:
    log: dict[str, Any] = json.loads((CASES / "inspect.json").read_text())
    first = log["samples"][0]
    log["samples"] = []
    for i, ok in enumerate(right):
        sample = copy.deepcopy(first)
        sample |= {"id": i // epochs, "epoch": i % epochs + 1, "input": f"Is {i // epochs} even?", "target": "Yes"}
        sample["output"]["choices"][0]["message"]["content"] = "Yes" if ok else "No"
        sample["scores"] = {"match": {"value": "C" if ok else "I", "history": []}}
        log["samples"].append(sample)
    return log


def inspect_json(place: Path, right: Right, epochs: int = 1) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    path = place.with_suffix(".json")
    path.write_text(json.dumps(inspect_log(right, epochs)))
    return path


def inspect_eval(place: Path, right: Right) -> Path:
    """The same log as a zip, a sample a file."""
    log = inspect_log(right)
    samples = log.pop("samples")
    place.parent.mkdir(parents=True, exist_ok=True)
    path = place.with_suffix(".eval")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", json.dumps({key: log[key] for key in ("version", "eval", "plan")}))
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        archive.writestr("summaries.json", "[]")
        archive.writestr("header.json", json.dumps(log))
    return path


def promptfoo(place: Path, right: Right) -> Path:
    content = json.loads((CASES / "promptfoo.json").read_text())
    first = content["results"]["results"][0]
    rows = content["results"]["results"] = []
    for i, ok in enumerate(right):
        row = copy.deepcopy(first)
        row["testIdx"] = i
        row["testCase"]["vars"] = row["vars"] = {"text": f"word {i}"}
        row["response"]["output"] = "Bonjour" if ok else "Salut"
        row |= {
            "success": ok,
            "score": float(ok),
            "failureReason": 0 if ok else 1,
            "error": None if ok else "not equal",
        }
        rows.append(row)
    place.parent.mkdir(parents=True, exist_ok=True)
    path = place.with_suffix(".json")
    path.write_text(json.dumps(content))
    return path


def nemo(place: Path, right: Right, name: str = "arithmetic") -> Path:
    place.mkdir(parents=True, exist_ok=True)
    bundle = json.loads(next((CASES / "nemo").glob("eval-*.json")).read_text())
    bundle["benchmark"]["name"] = name
    (place / f"eval-{name}.json").write_text(json.dumps(bundle))
    first = json.loads((CASES / "nemo" / "results.jsonl").read_text().split("\n")[0])
    rows = [
        {**first, "problem_idx": i, "prompt": f"What is {i}?", "expected_answer": str(i), "reward": float(ok)}
        | {"model_response": str(i) if ok else "no idea"}
        for i, ok in enumerate(right)
    ]
    (place / "results.jsonl").write_text(lines(rows))
    return place


WRITERS = {
    "lm-eval": lm_eval,
    "inspect json": inspect_json,
    "inspect eval": inspect_eval,
    "promptfoo": promptfoo,
    "nemo": nemo,
}
