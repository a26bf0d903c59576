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

from harness.importers import lm_eval_results
from harness.importers.log import Answer, Log, as_text, each, field, joined, marks, part
from harness.importers.settings import told
from harness.importers.source import Bad, Row, Source, refuse, rows
from suites.data.examples import sha256_json
from suites.errors import UserError
from suites.metrics.table import CORPUS
from suites.types import Json

SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")
FIX = "give the folder or a samples_TASK_DATE.jsonl file that `lm_eval --log_samples` wrote"

# Where documents of well-known tasks have their question; other documents are shown whole.
QUESTIONS = ("question", "query", "problem", "input", "prompt", "text")
# What stands in a row beside its marks; rows before 0.4.3 do not name their marks.
NO_MARKS = re.compile("doc|doc_id|target|arguments|resps|filtered_resps|filter|metrics|(doc|prompt|target)_hash")


def recognise(source: Source) -> bool:
    """A samples file, a folder that holds some, the results file beside them, or what versions before 0.4 wrote."""
    if source.kind == "folder":
        return any(SAMPLES.fullmatch(Path(name).name) for name in source.content)
    if source.kind == "rows":
        return bool(source.content) and {"doc_id", "doc", "filtered_resps"} <= source.content[0][1].keys()
    if source.kind == "json" and isinstance(source.content, dict):
        return {"results", "n-shot"} <= source.content.keys() or _is_ancient(source)
    return source.kind == "json" and _is_ancient(source)


def _is_ancient(source: Source) -> bool:
    """Answers (`TASK_write_out_info.json`) or averages of a version before 0.4."""
    content = source.content
    if isinstance(content, dict):
        return {"results", "versions", "config"} <= content.keys() and "n-shot" not in content
    return isinstance(content, list) and all(
        isinstance(row, dict) and {"doc_id", "prompt_0"} <= row.keys() for row in content[:1] or [{}]
    )


def read(source: Source) -> Log:
    """Every document's answer with its marks under every filter; settings and groups from the results beside them."""
    if source.kind == "json":
        if _is_ancient(source):
            raise UserError(
                "this log is of lm-eval before 0.4",
                str(source.path),
                "evaluate again with 0.4 or newer and `--log_samples`",
            )
        raise UserError("this file has lm-eval's averages, not the answers they rest on", str(source.path), FIX)
    if source.kind == "rows":
        return joined([_read_task(source.path, source.content)])
    files = [source.path / name for name in source.content if SAMPLES.fullmatch(Path(name).name)]
    _refuse_repeats(files, source.path)
    return joined([_read_task(file, rows(file)) for file in files])


def _refuse_repeats(files: Sequence[Path], folder: Path) -> None:
    by_task: dict[str, list[str]] = {}
    for file in files:
        by_task.setdefault(_task(file), []).append(str(file.relative_to(folder)))
    if twice := [f"{task}: {', '.join(names)}" for task, names in by_task.items() if len(names) > 1]:
        what = "the folder holds several logs of one task\n  " + "\n  ".join(twice)
        raise UserError(what, str(folder), "give a folder with one log of each task, or a single file")


def _task(file: Path) -> str:
    """The task that the file's name says. 0.4.0 wrote `MODEL_TASK.jsonl`; what was renamed no longer says it."""
    if named := SAMPLES.fullmatch(file.name):
        return named["task"]
    known = part(lm_eval_results.beside(file), "versions")
    return max((task for task in known if file.stem.endswith(f"_{task}")), key=len, default="")


def _read_task(file: Path, samples: Sequence[Row]) -> Log:
    named, task = SAMPLES.fullmatch(file.name), _task(file)
    results = lm_eval_results.beside(file, named["date"] if named else "")
    answers = each(_by_document(samples, file), file, lambda where, filters: _answer(where, file, filters))
    names = {name for answer in answers for name in (*answer.scores, *answer.whole)}
    generation = told(_generated_with(samples[0][1]) or {}) if samples else {}
    siblings = {_task(path) for path in file.parent.glob("samples_*.jsonl")}
    return Log(
        answers=tuple(answers),
        settings={task: lm_eval_results.settings(results, task) | generation},
        higher={task: lm_eval_results.higher(results, task, names)},
        groups=lm_eval_results.groups(results, siblings),
        useless={task: _useless(samples, answers)},
        complete=bool(results),
    )


def _generated_with(row: Json) -> Json | None:
    """Limits and temperature behind the prompt of a request for text; None where probabilities were asked."""
    given = row.get("arguments")
    requests = list(given.values()) if isinstance(given, dict) else given if isinstance(given, list) else []
    first = list(requests[0].values()) if requests and isinstance(requests[0], dict) else next(iter(requests), None)
    return first[1] if isinstance(first, list) and len(first) == 2 and isinstance(first[1], dict) else None


def _by_document(samples: Sequence[Row], file: Path) -> list[tuple[str, Json]]:
    """The rows of each document by filter, filters in alphabetical order so that the order of lines says nothing."""
    documents: dict[int, dict[str, Row]] = {}
    bad: list[Bad] = []
    for where, row in samples:
        try:
            filters = documents.setdefault(field(row, "doc_id", int), {})
        except ValueError as error:
            bad.append(Bad(where, str(error)))
            continue
        name = str(row.get("filter", "none"))
        if name in filters:
            bad.append(Bad(where, f"doc_id {row['doc_id']} (filter {name}) stands already in {filters[name][0]}"))
        filters[name] = (where, row)
    refuse(bad, file)
    sorted_ = [dict(sorted(filters.items())) for filters in documents.values()]
    return [(next(iter(filters.values()))[0], filters) for filters in sorted_]


def _answer(where: str, file: Path, filters: Mapping[str, Row]) -> Answer:
    _, row = next(iter(filters.values()))
    doc, target = row.get("doc"), as_text(row.get("target"))
    completion, options = _completion(row)
    right = _target(target, options)
    return Answer(
        where=where,
        task=_task(file),
        item=str(row["doc_id"]),
        question=sha256_json([doc, target]),
        input=_question(doc),
        target=right,
        completion=completion,
        is_text=bool(options) or _generated_with(row) is not None,
        scores=marks(_given(filters)),
        whole=tuple(name for name, pair in _given(filters).items() if _is_whole(name, pair, right, completion)),
    )


def _given(filters: Mapping[str, Row]) -> dict[str, object]:
    """Marks by the name lm-eval's own tables have for them: `acc`, or `exact_match,strict-match` under a filter."""
    return {
        name if key == "none" else f"{name},{key}": row.get(name)
        for key, (_, row) in filters.items()
        for name in (map(str, field(row, "metrics", list)) if "metrics" in row else _unnamed(row))
    }


def _unnamed(row: Json) -> list[str]:
    """The marks of a row that does not name them: what else has a number, or a pair."""
    return [
        name for name, value in row.items() if not NO_MARKS.fullmatch(name) and isinstance(value, int | float | list)
    ]


def _is_whole(name: str, pair: object, target: str, completion: str) -> bool:
    """Whether a mark is the pair (reference, answer) of a metric that ours of this name gives from the same texts."""
    if name not in CORPUS or not isinstance(pair, list) or len(pair) != 2:
        return False
    wanted = pair[0][0] if isinstance(pair[0], list) and len(pair[0]) == 1 else pair[0]
    texts = (wanted, target, pair[1], completion)
    if not all(isinstance(text, str) for text in texts):
        return False
    return bool(wanted.strip() == target.strip() and pair[1].strip() == completion.strip())


def _useless(samples: Sequence[Row], answers: Sequence[Answer]) -> dict[str, str]:
    """Marks that are none of single answers, and why. lm-eval logs what it makes the mark of the whole exam from."""
    pairs = {name: value for _, row in samples for name, value in _pairs(row)}
    whole = {name for answer in answers for name in answer.whole}
    incomplete = {name for name in whole for answer in answers if name not in answer.whole}
    reasons: dict[str, str] = {}
    for name, value in pairs.items():
        if name in whole - incomplete:
            continue
        texts = isinstance(value[-1], str) and isinstance(value[0], str | list)
        if "perplexity" in name or "bits_per_byte" in name:
            reasons[name] = "of the whole text, from sums of log probabilities; perplexities cannot be compared here"
        elif texts:
            reasons[name] = "of the whole exam, and logged as pairs of texts that no metric of ours marks alike"
        else:
            reasons[name] = "of the whole exam, and not logged as a mark of each answer"
    return reasons


def _pairs(row: Json) -> list[tuple[str, list[object]]]:
    names = row.get("metrics") if isinstance(row.get("metrics"), list) else _unnamed(row)
    return [(name, row[name]) for name in map(str, names or []) if isinstance(row.get(name), list) and row[name]]


def _question(doc: object) -> str:
    """The document's question, not the prompt: prompts are the arms' own, and the exam is the same for both."""
    questions = [doc[name] for name in QUESTIONS if isinstance(doc.get(name), str)] if isinstance(doc, dict) else []
    return str(questions[0]) if questions else as_text(doc)


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
