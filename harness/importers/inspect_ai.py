"""Inspect's logs: `.json`, and the `.eval` zip with `header.json` and one `samples/ID_epoch_N.json` for each sample.

A log has `status`, `eval` (task, model) and `samples`: `id`, `epoch`, `input`, `target`, `choices`, `output`, `scores`
by scorer, and `error`. https://inspect.aisi.org.uk/eval-logs.html
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.importers.log import Answer, Log, Setting, as_text, count, each, field, marks, part, parts, seconds
from harness.importers.settings import digest, short, told
from harness.importers.source import Row, Source, json_value
from suites.data.examples import sha256_json
from suites.errors import UserError
from suites.text.files import check_fits, opened
from suites.types import Json

HEADER, START, SAMPLES = "header.json", "_journal/start.json", "samples/"
ZSTANDARD = 93  # APPNOTE.TXT 4.4.5; Python's zipfile knows it from 3.14 on, Inspect writes it since 0.3.206
ATTACHMENT = "attachment://"

# What a scorer says in a letter or a word: https://inspect.aisi.org.uk/reference/inspect_ai.scorer.html#value_to_float
GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
WORDS = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}


def recognise(source: Source) -> bool:
    """A zip with Inspect's header or journal, or a JSON object with `status` and `eval`."""
    if source.kind == "zip":
        return HEADER in source.content or START in source.content
    return source.kind == "json" and isinstance(source.content, dict) and {"status", "eval"} <= source.content.keys()


def read(source: Source) -> Log:
    """Every sample of a log that ended well. A sample that failed is an answer with its error.

    Raises UserError for a log that was cancelled or stopped by an error: it does not say what it would have asked.
    """
    if source.kind == "json":
        return _log(source, source.content, source.content.get("samples"))
    with zipfile.ZipFile(source.path) as archive:
        try:
            head = HEADER if HEADER in source.content else START  # one without a header was never finished
            log = json_value(_member(archive, head), f"{source.path}: {head}")
            names = sorted({name for name in source.content if name.startswith(SAMPLES) and name.endswith(".json")})
            # One at a time: with all its events a sample may be large.
            samples = (json_value(_member(archive, name), f"{source.path}: {name}") for name in names)
            return _log(source, log if isinstance(log, dict) else {}, samples)
        except DAMAGED as error:
            fix = "`inspect log convert --to json` writes it anew"
            raise UserError(f"the log cannot be unpacked: {error}", str(source.path), fix) from None


def _log(source: Source, log: Json, samples: Iterable[object] | None) -> Log:
    status = as_text(log.get("status", "started"))
    if status != "success":
        reason = as_text(part(log, "error").get("message"))
        what = f"the evaluation did not finish: status {status!r}{f', {reason}' if reason else ''}"
        raise UserError(what, str(source.path), f"finish it first: `inspect eval-retry {source.path}`")
    spec = part(log, "eval")
    task, model = as_text(spec.get("task")), as_text(spec.get("model"))
    if not isinstance(samples, list | Iterator):
        raise UserError("the log has no samples", str(source.path), "log them: `inspect eval --log-samples`")
    rows = _rows(samples, source.path.name)
    answers = each(rows, source.path, lambda where, row: _answer(where, task, model, row))
    return Log(answers=tuple(answers), settings={task: _settings(log)}, complete=True)


def _settings(log: Json) -> dict[str, Setting]:
    """How the task was set up and marked, what was generated with, and the steps before it, prompts among them."""
    spec, plan = part(log, "eval"), part(log, "plan")
    config = part(spec, "config")
    given = {
        "version": spec.get("task_version"),
        "limit": config.get("limit") or "none" if config else None,
        "epochs": config.get("epochs"),
        "scorers": digest(spec["scorers"]) if spec.get("scorers") else None,
    }
    steps = {
        f"solver {as_text(step.get('solver'))}": short(part(step, "params") or "no settings")
        for step in parts(plan, "steps")
        if step.get("solver")
    }
    generated = {**part(spec, "model_generate_config"), **part(plan, "config")}
    whole = {name: short(value) for name, value in given.items() if value is not None}
    return whole | told(part(spec, "task_args")) | told(part(spec, "model_args")) | told(generated) | steps


DAMAGED = (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError, EOFError, zlib.error, lzma.LZMAError)
"""What unpacking says of a zip that is damaged, encrypted or packed in a way that is not known."""
PIECE = 1 << 24
"""Bytes unpacked at once: a member may hold more than its header says."""


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    check_fits(info.file_size, Path(str(archive.filename)))
    if info.compress_type != ZSTANDARD:
        return archive.read(name)
    import pyarrow

    unpacked = pyarrow.CompressedInputStream(pyarrow.BufferReader(_raw(archive, info)), "zstd")
    content = b""
    while piece := bytes(unpacked.read(PIECE)):
        check_fits(len(content := content + piece), Path(str(archive.filename)))
    if zlib.crc32(content) != info.CRC:
        raise zipfile.BadZipFile(f"wrong checksum of {name}")
    return content


def _raw(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member as it lies in the file, behind a local header of 30 bytes, name and extra field (APPNOTE.TXT 4.3.7)."""
    with opened(Path(str(archive.filename))) as file:
        file.seek(info.header_offset)
        header = file.read(30)
        file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
        return file.read(info.compress_size)


def _rows(samples: Iterable[object], name: str) -> Iterator[Row]:
    for position, sample in enumerate(samples, 1):
        row = sample if isinstance(sample, dict) else {}
        known = f"sample {as_text(row['id'])} epoch {as_text(row.get('epoch', 1))}" if "id" in row else ""
        yield f"{name}: {known or f'sample number {position}'}", row


def _answer(where: str, task: str, model: str, sample: Json) -> Answer:
    epoch = field({"epoch": 1, **sample}, "epoch", int)
    prompt, choices = _prompt(field(sample, "input", str, list), sample), sample.get("choices") or []
    output, target = part(sample, "output"), sample.get("target")
    usage = part(part(sample, "model_usage"), model) or part(output, "usage")
    completion = _completion(output, sample)
    return Answer(
        where=where,
        task=task,
        item=f"{as_text(field(sample, 'id', str, int))}/{epoch}",
        question=sha256_json([prompt, target, choices]),
        input="\n".join([prompt, *map(as_text, choices)]),
        target=as_text(target[0] if isinstance(target, list) and len(target) == 1 else target),
        completion=completion,
        scores=_scores(part(sample, "scores")),
        error=_error(sample, output, completion),
        reasoning=_reasoning(output, sample),
        cut=any(choice.get("stop_reason") == "max_tokens" for choice in parts(output, "choices")[:1]),
        tokens_in=count(usage.get("input_tokens")),
        tokens_out=count(usage.get("output_tokens")),
        seconds=seconds(sample.get("working_time") or output.get("time")),
    )


def _error(sample: Json, output: Json, completion: str) -> str | None:
    """Why there is no answer worth a mark: the sample failed, was invalidated, or the model's server refused it."""
    if sample.get("error"):
        return as_text(part(sample, "error").get("message")) or as_text(sample["error"])
    if sample.get("invalidation"):
        return f"invalidated: {as_text(part(sample, 'invalidation').get('reason')) or 'no reason given'}"
    return as_text(output["error"]) if output.get("error") and not completion else None


def _prompt(content: str | list[object], sample: Json) -> str:
    if isinstance(content, str):
        return _resolved(content, sample)
    return "\n".join(_text(message.get("content"), sample) for message in content if isinstance(message, dict))


def _completion(output: Json, sample: Json) -> str:
    return _text(_said(output), sample)


def _said(output: Json) -> object:
    choices = parts(output, "choices")
    return part(choices[0], "message").get("content") if choices else output.get("completion")


def _reasoning(output: Json, sample: Json) -> str:
    """The thinking among the parts of an answer; of one that is redacted nothing is known."""
    said = _said(output)
    parts_of = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    thought = [one for one in parts_of if one.get("type") == "reasoning" and not one.get("redacted")]
    return "\n".join(_resolved(as_text(one.get("reasoning")), sample) for one in thought)


def _text(content: object, sample: Json) -> str:
    """The text of a message, whose content is text or a list of parts; parts of other kinds are named."""
    if not isinstance(content, list):
        return _resolved(as_text(content), sample)
    said = [one for one in content if isinstance(one, dict) and one.get("type") != "reasoning"]
    return "\n".join(_resolved(as_text(one.get("text")), sample) or f"[{one.get('type')}]" for one in said)


def _resolved(text: str, sample: Json) -> str:
    """Long text is stored once, under a hash."""
    if not text.startswith(ATTACHMENT):
        return text
    return as_text(part(sample, "attachments").get(text.removeprefix(ATTACHMENT), text))


def _scores(scores: Json) -> dict[str, float]:
    """A scorer's value, or one for each part of it (`scorer/part`). NaN is how Inspect says unscored."""
    given: dict[str, object] = {}
    for scorer in scores:
        value = part(scores, scorer).get("value")
        if isinstance(value, dict):
            given |= {f"{scorer}/{name}": _value(one) for name, one in value.items()}
        else:
            given[scorer] = _value(value)
    return marks(given)


def _value(value: object) -> object:
    """A grade as a number; text that is neither a grade nor a number is no mark, where Inspect itself would say 0."""
    if not isinstance(value, str):
        return value
    grade = GRADES.get(value, WORDS.get(value.lower()))
    try:
        return float(value) if grade is None else grade
    except ValueError:
        return None
