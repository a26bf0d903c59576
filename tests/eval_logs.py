"""Logs of other tools, as long as a test needs them: a fixture's own row again with another question and mark."""

from __future__ import annotations

import copy
import json
import random
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

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


def results(place: Path, **content: Any) -> Path:
    """lm-eval's results file beside the samples."""
    (place / f"results_{DATE}.json").write_text(json.dumps({"results": {}, "n-shot": {}} | content))
    return place


def lm_eval_marks(place: Path, task: str, marks: Mapping[str, Sequence[object]], **row: Any) -> Path:
    """A samples file whose rows have these marks, by name, and one answer to each question."""
    place.mkdir(parents=True, exist_ok=True)
    rows = [
        {"doc_id": i, "doc": {"question": f"{task} {i}?"}, "target": "yes", "arguments": [[f"{task} {i}?", {}]]}
        | {"resps": [["yes" if i % 2 else "no"]], "filtered_resps": ["yes"], "filter": "none", "metrics": list(marks)}
        | dict(zip(marks, values, strict=True))
        | row
        for i, values in enumerate(zip(*marks.values(), strict=True))
    ]
    (place / f"samples_{task}_{DATE}.jsonl").write_text(lines(rows))
    return place


def openai_evals(place: Path, right: Right) -> Path:
    """Events in the order of a run, the report before the last of them."""
    spec, *_ = (json.loads(line) for line in (CASES / "openai_evals" / "base.jsonl").read_text().splitlines())
    rows: list[dict[str, Any]] = [spec]
    for i, ok in enumerate(right):
        said = str(2 * i) if ok else "none"
        event = {"run_id": "1", "event_id": i, "sample_id": f"sums.{i}"}
        prompt = [{"role": "system", "content": "Add."}, {"role": "user", "content": f"What is {i}+{i}?"}]
        rows.append(event | {"type": "sampling", "data": {"prompt": prompt, "sampled": [said]}})
        match = {"correct": ok, "expected": str(2 * i), "picked": said if ok else None, "sampled": said}
        rows.append(event | {"type": "match", "data": match})
    rows.insert(2, {"final_report": {"accuracy": 0.5}})
    place.parent.mkdir(parents=True, exist_ok=True)
    path = place.with_suffix(".jsonl")
    path.write_text(lines(rows))
    return path


def deepeval(place: Path, right: Right) -> Path:
    run = json.loads((CASES / "deepeval" / "base.json").read_text())
    first = run["testCases"][0]
    run["testCases"] = []
    for i, ok in enumerate(right):
        case = copy.deepcopy(first) | {"name": f"test_case_{i}", "order": i, "input": f"Is {i} even?"}
        case |= {"expectedOutput": "Yes", "actualOutput": "Yes" if ok else "No", "success": ok}
        case["metricsData"] = [{"name": "Exact Match", "threshold": 1.0, "success": ok, "score": float(ok)}]
        run["testCases"].append(case)
    place.parent.mkdir(parents=True, exist_ok=True)
    path = place.with_suffix(".json")
    path.write_text(json.dumps(run))
    return path


def lighteval(place: Path, right: Right, task: str = "custom|sums|0", **generation: Any) -> Path:
    """The output folder of one model: details, and results beside them. Wrong answers think aloud."""
    rows = [
        {
            "doc": {"query": f"What is {i}+{i}?", "choices": [str(2 * i)], "gold_index": [0], "id": str(i)}
            | {"num_effective_few_shots": 0, "generation_size": 64, "stop_sequences": ["\n"]},
            "metric": {"extractive_match": int(ok), "em": float(ok)},
            "model_response": {
                "text": [f"<think>{i}</think>{2 * i if ok else -1}"],
                "text_post_processed": [str(2 * i if ok else -1)],
            }
            | {"input_tokens": [1, 2, 3], "output_tokens": [[4, 5]], "truncated_tokens_count": 0},
        }
        for i, ok in enumerate(right)
    ]
    details = place / "details" / "org" / "model" / DATE
    details.mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), details / f"details_{task}_{DATE}.parquet")
    beside = place / "results" / "org" / "model"
    beside.mkdir(parents=True)
    model = {"model_name": str(place), "generation_parameters": {"temperature": 0.0} | generation}
    content = {"config_general": {"max_samples": None, "model_config": model}, "results": {}, "versions": {task: 1}}
    (beside / f"results_{DATE}.json").write_text(json.dumps(content))
    return place


WRITERS = {
    "lm-eval": lm_eval,
    "inspect json": inspect_json,
    "inspect eval": inspect_eval,
    "promptfoo": promptfoo,
    "nemo": nemo,
    "openai evals": openai_evals,
    "deepeval": deepeval,
    "lighteval": lighteval,
}
