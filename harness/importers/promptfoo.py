"""promptfoo's results: `promptfoo eval --output results.json` (or `.jsonl`), version 3.

`results.results` has a row for each test (`testIdx`) and column (`promptIdx`, a provider with a prompt): `testCase`,
`response`, `success`, `score`, `namedScores`, `gradingResult`, `failureReason` and `error`. `--repeat` makes a test of
its own of every repeat. https://www.promptfoo.dev/docs/configuration/outputs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.importers.log import Answer, Log, Setting, as_text, count, each, field, marks, part, parts, seconds
from harness.importers.settings import told
from harness.importers.source import Bad, Row, Source, kind, refuse
from suites.data.examples import sha256_json
from suites.errors import UserError
from suites.types import Json

FAILED = 2  # failureReason: 1 says that an assertion did not hold, 2 that something went wrong
COLUMN = "promptIdx"


def recognise(source: Source) -> bool:
    """A JSON object with promptfoo's rows in `results`, or rows of a test and a column."""
    if source.kind == "rows":
        return bool(source.content) and {"testIdx", COLUMN} <= source.content[0][1].keys()
    summary = _summary(source.content) if source.kind == "json" else {}
    return isinstance(summary.get("results"), list) and ("prompts" in summary or "table" in summary)


def read(source: Source) -> Log:
    """The answers of one column. Raises UserError that lists the columns when there are several and none was named."""
    results = source.content if source.kind == "rows" else _rows(source)
    if not results:
        raise UserError("the log holds no results", str(source.path), "give the output of a finished `promptfoo eval`")
    columns = _columns(results, source)
    wanted = _choose(columns, source)
    answers = each(results, source.path, lambda where, row: _answer(where, row) if row[COLUMN] == wanted else None)
    names = {name for answer in answers for name in answer.scores}
    settings = _settings(source.content, columns[wanted])
    return Log(
        answers=tuple(answers),
        settings={"": settings},
        complete=bool(settings),
        higher={"": dict.fromkeys(names, True)},  # every assertion's score says how well it holds
    )


def _settings(content: object, column: str) -> dict[str, Setting]:
    """The configuration of the column's provider, where the file holds it."""
    config = part(content, "config") if isinstance(content, dict) else {}
    for provider in parts(config, "providers"):
        inside = [provider, *({"id": name, **one} for name, one in provider.items() if isinstance(one, dict))]
        for one in inside:
            if column and column in (one.get("label"), one.get("id")):
                return told(part(one, "config"))
    return {}


def _summary(content: object) -> Json:
    """The summary is the whole file, or stands in `results` beside the configuration."""
    inner = content.get("results") if isinstance(content, dict) else None
    summary = inner if isinstance(inner, dict) else content
    return summary if isinstance(summary, dict) else {}


def _rows(source: Source) -> list[Row]:
    results = list(enumerate(_summary(source.content)["results"]))
    name = source.path.name
    wrong = [(i, row) for i, row in results if not isinstance(row, dict)]
    refuse([Bad(f"{name}: results[{i}]", f"found {kind(row)}, expected an object") for i, row in wrong], source.path)
    return [(f"{name}: results[{i}]", row) for i, row in results]


def _columns(results: Sequence[Row], source: Source) -> dict[int, str]:
    """The name of each column by its number: the provider, and the prompt's label."""
    columns: dict[int, str] = {}
    bad: list[Bad] = []
    for where, row in results:
        try:
            field(row, "testIdx", int)
            columns.setdefault(field(row, COLUMN, int), _provider(row))
        except ValueError as error:
            bad.append(Bad(where, str(error)))
    refuse(bad, source.path)
    return dict(sorted(columns.items()))


def _provider(row: Json) -> str:
    provider = part(row, "provider")
    return as_text(provider.get("label") or provider.get("id") or row.get("provider"))


def _choose(columns: Mapping[int, str], source: Source) -> int:
    named = [number for number, name in columns.items() if source.column in (str(number), name)]
    chosen = named if source.column else list(columns)
    if len(chosen) != 1:
        listed = "\n".join(f"  {source.path}::{number}  {name}" for number, name in columns.items())
        what = (
            f"{source.column!r} names {len(named)} of the columns" if source.column else "the log has several columns"
        )
        raise UserError(f"{what}\n{listed}", str(source.path), "name one by its number, or by its provider")
    return chosen[0]


def _answer(where: str, row: Json) -> Answer:
    test, response = part(row, "testCase"), part(row, "response")
    variables, asserted = part(test, "vars") or part(row, "vars"), parts(test, "assert")
    usage = part(response, "tokenUsage")
    return Answer(
        where=where,
        task="",
        item=str(row["testIdx"]),
        question=sha256_json([variables, asserted]),
        input=_input(variables),
        target=_target(asserted),
        completion=as_text(response.get("output")),
        scores={} if _ungraded(row) else _scores(row),
        error=_error(row, response),
        cut=response.get("finishReason") == "length",
        tokens_in=count(usage.get("prompt")),
        tokens_out=count(usage.get("completion")),
        seconds=seconds(row.get("latencyMs")) / 1000,
    )


def _input(variables: Json) -> str:
    return as_text(next(iter(variables.values())) if len(variables) == 1 else variables)


def _target(asserted: Sequence[Json]) -> str:
    """The expected text where a test names one, else everything it asserts."""
    equal = [one["value"] for one in asserted if one.get("type") == "equals" and isinstance(one.get("value"), str)]
    return str(equal[0]) if equal else as_text(asserted or None)


def _error(row: Json, response: Json) -> str | None:
    """An assertion that does not hold is in `error` too, but is a mark; an answer that never came is not."""
    if row.get("failureReason") == FAILED or response.get("output") is None:
        return as_text(row.get("error") or response.get("error")) or "no output"
    return None


def _ungraded(row: Json) -> bool:
    """Whether a grader failed: promptfoo then says 0, which is not what the answer is worth."""
    grading = part(row, "gradingResult")
    return any(part(one, "metadata").get("graderError") for one in (grading, *parts(grading, "componentResults")))


def _scores(row: Json) -> dict[str, float]:
    own = {"pass": field(row, "success", bool), "score": row.get("score")}
    return marks(own | {name: value for name, value in part(row, "namedScores").items() if name not in own})
