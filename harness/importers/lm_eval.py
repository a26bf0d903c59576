"""lm-eval's per-sample logs: `samples_TASK_DATE.jsonl`, which `lm_eval --log_samples --output_path FOLDER` writes.

A row is one document under one filter: `doc_id`, `doc`, `target`, `arguments` (one per request), `resps`,
`filtered_resps`, `filter`, `metrics` (names) and one value for each. Documented with the library's EvaluationTracker:
https://github.com/EleutherAI/lm-evaluation-harness/blob/main/docs/interface.md
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.importers.log import Answer, Row, Source, as_text, each, field, json_value, marks, part, rows
from suites.data.examples import sha256_json
from suites.data.readers import refuse_rows
from suites.errors import UserError
from suites.types import Json

SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")
FIX = "give the folder or a samples_TASK_DATE.jsonl file that `lm_eval --log_samples` wrote"

# Where documents of well-known tasks have their question; other documents are shown whole.
QUESTIONS = ("question", "query", "problem", "input", "prompt", "text")


def recognise(source: Source) -> bool:
    """A samples file, a folder that holds some, or the results file beside them."""
    if source.kind == "folder":
        return any(SAMPLES.fullmatch(Path(name).name) for name in source.content)
    if source.kind == "rows":
        return bool(source.content) and {"doc_id", "doc", "filtered_resps"} <= source.content[0][1].keys()
    return source.kind == "json" and isinstance(source.content, dict) and {"results", "n-shot"} <= source.content.keys()


def read(source: Source) -> tuple[list[Answer], list[str]]:
    """Every document's answer with its marks under every filter, and a note on each metric that was left out."""
    if source.kind == "json":
        raise UserError("this file has lm-eval's averages, not the answers they rest on", str(source.path), FIX)
    if source.kind == "rows":
        return _read_task(source.path, source.content)
    files = [source.path / name for name in source.content if SAMPLES.fullmatch(Path(name).name)]
    _refuse_repeats(files, source.path)
    results = [_read_task(file, rows(file)) for file in files]
    return [answer for answers, _ in results for answer in answers], [note for _, notes in results for note in notes]


def _refuse_repeats(files: Sequence[Path], folder: Path) -> None:
    by_task: dict[str, list[str]] = {}
    for file in files:
        by_task.setdefault(_task(file), []).append(str(file.relative_to(folder)))
    if twice := [f"{task}: {', '.join(names)}" for task, names in by_task.items() if len(names) > 1]:
        what = "the folder holds several logs of one task\n  " + "\n  ".join(twice)
        raise UserError(what, str(folder), "give a folder with one log of each task, or a single file")


def _task(file: Path) -> str:
    """A file that was renamed no longer says what was asked."""
    named = SAMPLES.fullmatch(file.name)
    return named["task"] if named else ""


def _read_task(file: Path, samples: Sequence[Row]) -> tuple[list[Answer], list[str]]:
    lower = _better_when_lower(file)
    documents = _by_document(samples, file)
    answers = each(documents, file, lambda where, filters: _answer(where, file, filters, lower))
    names = sorted(lower & {str(name) for _, row in samples for name in row["metrics"]})
    return answers, [f"{name} of {_task(file)} is better when lower, and was left out" for name in names]


def _better_when_lower(file: Path) -> set[str]:
    """Metrics that the results file beside a samples file calls better when lower: they would decide upside down."""
    named = SAMPLES.fullmatch(file.name)
    results = file.with_name(f"results_{named['date']}.json") if named else file
    if named is None or not results.is_file():
        return set()
    content = {"results": json_value(results.read_bytes(), str(results))}
    directions = part(part(part(content, "results"), "higher_is_better"), named["task"])
    return {name for name, higher in directions.items() if higher is False}


def _by_document(samples: Sequence[Row], file: Path) -> list[tuple[str, Json]]:
    """The rows of each document by filter, filters in alphabetical order so that the order of lines says nothing."""
    documents: dict[int, dict[str, Row]] = {}
    bad: list[str] = []
    for where, row in samples:
        try:
            filters = documents.setdefault(field(row, "doc_id", int), {})
        except ValueError as error:
            bad.append(f"{where}: {error}")
            continue
        name = str(row.get("filter", "none"))
        if name in filters:
            bad.append(f"{where}: doc_id {row['doc_id']} (filter {name}) stands already in {filters[name][0]}")
        filters[name] = (where, row)
    refuse_rows(bad, file)
    sorted_ = [dict(sorted(filters.items())) for filters in documents.values()]
    return [(next(iter(filters.values()))[0], filters) for filters in sorted_]


def _answer(where: str, file: Path, filters: Mapping[str, Row], lower: set[str]) -> Answer:
    _, row = next(iter(filters.values()))
    doc, target = row.get("doc"), as_text(row.get("target"))
    completion, options = _completion(row)
    return Answer(
        where=where,
        task=_task(file),
        item=str(row["doc_id"]),
        question=sha256_json([doc, target]),
        input=_question(doc),
        target=_target(target, options),
        completion=completion,
        scores=_scores(filters, lower),
    )


def _question(doc: object) -> str:
    """The document's question, not the prompt: prompts are the arms' own, and the exam is the same for both."""
    questions = [doc[name] for name in QUESTIONS if isinstance(doc.get(name), str)] if isinstance(doc, dict) else []
    return str(questions[0]) if questions else as_text(doc)


def _scores(filters: Mapping[str, Row], lower: set[str]) -> dict[str, float]:
    """Marks by the name lm-eval's own tables have for them: `acc`, or `exact_match,strict-match` under a filter."""
    given = {
        name if key == "none" else f"{name},{key}": row.get(name)
        for key, (_, row) in filters.items()
        for name in map(str, field(row, "metrics", list))
        if name not in lower
    }
    return marks(given)


def _completion(row: Json) -> tuple[str, list[str]]:
    """What the model said before any filter, or the option it found likeliest; and the options, where there are any."""
    responses, arguments = field(row, "resps", list), field(row, "arguments", dict, list)
    if not responses or not all(isinstance(response, list) and response for response in responses):
        raise ValueError("`resps` holds no response")
    first = responses[0][0]
    if isinstance(first, str):
        filtered = row.get("filtered_resps") or [None]
        repeated = len(responses[0]) > 1 and isinstance(filtered[0], str)
        return (filtered[0] if repeated else first), []
    if len(responses) == 1:
        return as_text(first), []
    return _likeliest(responses, _requests(arguments))


def _requests(arguments: Json | Sequence[Json | list[object]]) -> list[tuple[str, str]]:
    """(context, continuation) of every request, which samples files hold as `{"gen_args_0": {"arg_0": ...}}`."""
    requests = list(arguments.values()) if isinstance(arguments, Mapping) else arguments
    pairs = [list(pair.values()) if isinstance(pair, dict) else pair for pair in requests]
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise ValueError("`arguments` are not pairs of context and continuation")
    return [(as_text(context), as_text(continuation)) for context, continuation in pairs]


def _likeliest(
    responses: Sequence[Sequence[Sequence[float]]], requests: Sequence[tuple[str, str]]
) -> tuple[str, list[str]]:
    """The option with the highest log probability. Requests in another context only correct the first ones for it."""
    if len(responses) != len(requests):
        raise ValueError(f"{len(responses)} responses to {len(requests)} requests")
    own = [i for i, (context, _) in enumerate(requests) if context == requests[0][0]]
    chosen = own if len(own) > 1 else list(range(len(requests)))
    options = [requests[i][1].strip() for i in chosen]
    if len(set(options)) == 1:  # one ending to several beginnings
        options = [requests[i][0].strip() for i in chosen]
    likelihoods = [_logprob(responses[i]) for i in chosen]
    return options[likelihoods.index(max(likelihoods))], options


def _logprob(response: Sequence[Sequence[float]]) -> float:
    """Minus infinity is one; no number at all is none."""
    try:
        logprob = float(response[0][0])
    except (TypeError, ValueError, OverflowError, LookupError):
        logprob = math.nan
    if math.isnan(logprob):
        raise ValueError(f"a response is {as_text(response)}, expected [[log probability, is greedy]]")
    return logprob


def _target(target: str, options: Sequence[str]) -> str:
    """The right option as text; lm-eval logs its position wherever the task names it by position."""
    is_position = target.isdecimal() and target not in options and int(target) < len(options)
    return options[int(target)] if is_position else target
