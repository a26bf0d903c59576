"""Training by a fine-tuning API of OpenAI's protocol: upload the rows, start a job, wait, and take the model it names.

The job is written down as soon as it exists, so that an interrupted wait goes on with the same job and nothing is paid
twice; Ctrl-C cancels it, and no other signal does. Paths and fields are those of
https://platform.openai.com/docs/api-reference/fine-tuning, with `hyperparameters` at the top level, where other servers
of the protocol look for them too.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from harness.models.exchange import Elsewhere, Exchange, TooLate, TooLong, read_key, root_of
from harness.observe.progress import say
from harness.observe.secrets import hider
from harness.training.elsewhere.command import write_rows
from harness.training.types import OnLog, TrainingData, TrainingResult
from suites.errors import Terminated, UserError
from suites.model import ModelSpec
from suites.text.files import read_text
from suites.writing import write_whole

JOB = "job.json"
TIMEOUT_S, UPLOAD_S = 60.0, 3600.0
MOST_TOKENS = 2**62
PATIENCE = 20
"""Polls in a row that may fail before the wait is given up; the job goes on, and so does the same command."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of the API. `price_per_million` is per million trained tokens."""

    endpoint: str
    model: str
    api_key_env: str | None = None
    hyperparameters: Mapping[str, int | float | str] | None = None
    poll_seconds: float = 15.0
    timeout_hours: float = 24.0
    price_per_million: float | None = None


def run(
    spec: ModelSpec, data: TrainingData, job: Job, seed: int, folder: Path, on_log: OnLog | None = None
) -> TrainingResult:
    """Train at the API; `folder` becomes the record of the job. Raises UserError when the job fails or cannot start."""
    api = _Api(job)
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    known = _known(partial / JOB)
    if known:
        say(f"going on with job {known}")
    else:
        known = _start(api, job, data, seed, partial)
    try:
        outcome = _wait(api, job, known, on_log)
    except Terminated:  # nobody asked for that: the job goes on, and so does the same command
        raise
    except KeyboardInterrupt:
        _cancel(api, known)
        (partial / JOB).unlink()
        raise
    tokens = _trained(outcome)
    (partial / JOB).write_text(json.dumps(outcome, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    tuned = replace(
        spec, base=outcome["fine_tuned_model"], revision=None, endpoint=job.endpoint, api_key_env=job.api_key_env
    )
    price = job.price_per_million
    return TrainingResult(
        spec=tuned, seconds=time.monotonic() - started, steps=0, trained_parameters=0, train_rows=len(data.train),
        loss_tokens=tokens, best_step=None, cost=None if price is None or not tokens else price * tokens / 1e6,
    )  # fmt: skip


def _trained(outcome: Mapping[str, Any]) -> int:
    """The tokens trained on, as far as the API says a number that can be one; else 0: not known."""
    said = outcome.get("trained_tokens")
    return int(said) if isinstance(said, int | float) and 0 <= said <= MOST_TOKENS else 0


def _known(note: Path) -> str | None:
    """The job an interrupted command was waiting for."""
    try:
        return str(json.loads(read_text(note))["id"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _start(api: _Api, job: Job, data: TrainingData, seed: int, partial: Path) -> str:
    """The id of a new job, written down. Nothing is sent twice: a lost answer could mean a second job to pay."""
    body: dict[str, Any] = {"model": job.model, "seed": seed}
    try:
        for name, rows in (("training_file", data.train), ("validation_file", data.validation)):
            if rows:
                file = partial / f"{name}.jsonl"
                write_rows(file, rows, "messages")
                body[name] = api.upload(file)
        if job.hyperparameters:
            body["hyperparameters"] = dict(job.hyperparameters)
        created = api.id_of(api.ask("POST", "/fine_tuning/jobs", json=body))
    except _Unreachable as trouble:
        raise UserError(f"the job could not be started: {trouble}", api.url, "try again when it answers") from None
    write_whole(partial / JOB, json.dumps({"id": created}))
    return created


def _wait(api: _Api, job: Job, known: str, on_log: OnLog | None) -> dict[str, Any]:
    """The job's last word, once it succeeded. A server that does not answer for a while is asked again."""
    until, failures, said = time.monotonic() + job.timeout_hours * 3600, 0, ""
    while True:
        try:
            answer, failures = api.ask("GET", f"/fine_tuning/jobs/{known}"), 0
        except _Unreachable as trouble:
            failures += 1
            if failures > PATIENCE:
                raise UserError(str(trouble), api.url, f"job {known} goes on there; so does this command") from None
            answer = {}
        status = str(answer.get("status") or said)
        if status != said:
            said = status
            say(f"job {known}: {status}")
        if status == "succeeded" and (tuned := answer.get("fine_tuned_model")):
            if not isinstance(tuned, str):
                what = f"job {known} succeeded, and the API does not name the model it made: {tuned!r:.100}"
                raise UserError(what, api.url, "look there what it is called, and examine it as `candidate`")
            return answer
        if status in ("failed", "cancelled"):
            raise _failed(answer, known, api.url)
        if time.monotonic() > until:
            what = f"job {known} is still {status} after {job.timeout_hours:g} hours"
            raise UserError(what, api.url, "it goes on there; run the same command again, or raise timeout_hours")
        if on_log:
            on_log(0, 1, {})
        time.sleep(job.poll_seconds)


def _failed(answer: Mapping[str, Any], known: str, url: str) -> UserError:
    error = answer.get("error")
    reason = str(error.get("message") or "") if isinstance(error, dict) else ""
    what = f"job {known} {answer['status']}" + (f": {reason[:300]}" if reason else "")
    return UserError(what, url, f"mend what it names, and remove the folder that holds {JOB} to start another")


def _cancel(api: _Api, known: str) -> None:
    try:
        api.ask("POST", f"/fine_tuning/jobs/{known}/cancel")
        say(f"job {known} is cancelled")
    except (_Unreachable, UserError) as trouble:
        say(f"job {known} could not be cancelled and may cost money: {trouble}")


class _Unreachable(Exception):
    """Trouble on the way that may be over the next time."""


class _Api:
    """Requests to the API, with its key; the key is never part of a message."""

    def __init__(self, job: Job) -> None:
        self.url = job.endpoint.rstrip("/")
        self._hide = hider([job.api_key_env])
        self._exchange = Exchange(read_key(job.api_key_env, "training: openai_job: api_key_env"))

    def upload(self, file: Path) -> str:
        """The id the API gives to a file of rows."""
        content = {"file": (file.name, file.read_bytes())}
        return self.id_of(self.ask("POST", "/files", UPLOAD_S, data={"purpose": "fine-tune"}, files=content))

    def id_of(self, answer: Mapping[str, Any]) -> str:
        """The id of what was made. Raises UserError where the API says none."""
        made = answer.get("id")
        if isinstance(made, str | int) and not isinstance(made, bool) and made != "":
            return str(made)
        said = self._hide(str(answer))[:200]
        raise UserError(f"the API gives no id for what it was sent: {said}", self.url, "is it OpenAI's protocol?")

    def ask(self, method: str, path: str, timeout_s: float = TIMEOUT_S, **body: Any) -> dict[str, Any]:
        """The JSON object the API answers. Raises _Unreachable for passing trouble, UserError for a refusal."""
        url = f"{self.url}{path}"
        try:
            reply = self._exchange.ask(method, url, timeout_s, **body)
            if reply.status in (408, 409, 429) or reply.status >= 500:
                raise _Unreachable(f"HTTP {reply.status}")
            if not 200 <= reply.status < 300:
                said = self._hide(reply.body[:2000].decode("utf-8", "replace"))[:300]
                raise UserError(f"the API refused: HTTP {reply.status}: {said}", url, "")
            answer = json.loads(reply.body)
        except Elsewhere as error:
            fix = "name that address as `endpoint` if it is the right one"
            raise UserError(f"the API leads elsewhere: {error}", url, fix) from None
        except (requests.RequestException, TooLong, TooLate, ValueError, RecursionError) as error:
            raise _Unreachable(root_of(error)) from None
        if not isinstance(answer, dict):
            raise _Unreachable("the answer is no JSON object")
        return answer
