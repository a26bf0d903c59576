"""NVIDIA NeMo Evaluator's bundles: `eval-*.json` (the benchmark's name and averages) with `results.jsonl` beside it.

A row is one problem (`problem_idx`), asked again in each `repeat`: `reward`, `prompt`, `model_response`,
`expected_answer`, `scoring_details`, `scorer_rewards`. A folder may hold one subfolder for each benchmark.
https://github.com/NVIDIA-NeMo/Evaluator/blob/main/docs/result-format.mdx
"""

from __future__ import annotations

from pathlib import Path

from harness.importers.log import Answer, Log, Setting, as_text, each, field, joined, marks, number, part, seconds
from harness.importers.settings import told
from harness.importers.source import Source, json_value, kind, rows
from suites.data.examples import sha256_json
from suites.errors import UserError
from suites.text.files import read_rows
from suites.types import Json

RESULTS = "results.jsonl"


def recognise(source: Source) -> bool:
    """A results file, the bundle beside it, or a folder with a results file in it or in its subfolders."""
    if source.kind == "folder":
        return any(Path(name).name == RESULTS and len(Path(name).parts) <= 2 for name in source.content)
    if source.kind == "rows":
        return bool(source.content) and "problem_idx" in source.content[0][1]
    return source.kind == "json" and isinstance(source.content, dict) and "scores" in _benchmark(source.content)


def read(source: Source) -> Log:
    """Every repeat of every problem. One that failed is an answer with its error, whatever reward was written down."""
    return joined([_read(file) for file in _files(source)])


def _files(source: Source) -> list[Path]:
    if source.kind == "rows":
        return [source.path]
    folder = source.path if source.kind == "folder" else source.path.parent
    if (folder / RESULTS).is_file():
        return [folder / RESULTS]
    if source.kind == "json":
        raise UserError(
            f"the bundle's answers are missing: no {RESULTS} beside it", str(source.path), "keep both together"
        )
    return sorted(folder.glob(f"*/{RESULTS}"))


def _read(file: Path) -> Log:
    bundles = [json_value(read_rows(path), str(path)) for path in sorted(file.parent.glob("eval-*.json"))]
    names = {as_text(_benchmark(bundle).get("name")) for bundle in bundles}
    if len(names) > 1:
        what = f"the bundles beside the results are of different benchmarks: {', '.join(sorted(names))}"
        raise UserError(what, str(file.parent), "keep each benchmark in a folder of its own")
    task = names.pop() if names else ""
    answers = each(rows(file), file, lambda where, row: _answer(where, task, row))
    marks_ = {name for answer in answers for name in answer.scores}
    settings: dict[str, Setting] = {}
    for bundle in bundles:
        settings |= told(part(bundle, "config")) if isinstance(bundle, dict) else {}
    # A reward is better when higher, by what the word means.
    return Log(
        answers=tuple(answers),
        settings={task: settings},
        complete=bool(settings),
        higher={task: dict.fromkeys(marks_, True)},
    )


def _benchmark(bundle: object) -> Json:
    return part(bundle, "benchmark") if isinstance(bundle, dict) else {}


def _answer(where: str, task: str, row: Json) -> Answer:
    problem, repeat = field(row, "problem_idx", int), field({"repeat": 0, **row}, "repeat", int)
    reward = row.get("reward")
    if reward is not None and not isinstance(reward, int | float):
        raise ValueError(f"`reward` is {kind(reward)}, expected a number")
    details, answer = part(row, "scoring_details"), row.get("model_response")
    expected = as_text(row.get("expected_answer"))
    return Answer(
        where=where,
        task=task,
        item=f"{problem}/{repeat}",
        question=sha256_json([problem, expected]),
        input=as_text(row.get("prompt")) or f"problem {problem}",
        target=expected,
        completion=as_text(row.get("extracted_answer") if answer is None else answer),
        scores=_scores(row, details),
        error=_error(details),
        seconds=seconds(row.get("latency_ms")) / 1000,
    )


def _error(details: Json) -> str | None:
    """NeMo writes a reward of 0 for what failed; the reason stands in the details."""
    if not details.get("error"):
        return None
    category = as_text(details.get("error_category"))
    return f"{category}: {as_text(details['error'])}" if category else as_text(details["error"])


def _scores(row: Json, details: Json) -> dict[str, float]:
    """The reward and those of further scorers, without the zeros of judges and scorers that failed."""
    given = {"reward": None if _failed(part(details, "judge")) else row.get("reward")}
    given |= {name: value for name, value in part(row, "scorer_rewards").items() if not _failed(part(details, name))}
    return marks(given)


def _failed(detail: Json) -> bool:
    return bool(detail.get("error")) and number(detail.get("total")) is None
