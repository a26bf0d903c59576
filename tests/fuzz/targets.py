"""What is fuzzed: folders in which a command of ours succeeds, and what it says once one file in them is another.

An input is the name of a file in the folder, a line of its own, and then what that file holds instead. The command may
do what it promises, or end with one message: never a traceback, an endless wait, or memory without bound.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

import eval_logs
import yaml
from chat_server import ChatServer, answer
from importers import trainer_files
from workspaces import recorded_experiment, write_jsonl

from harness.cli.main import main

CASES = Path(__file__).parents[1] / "cases"
SECONDS = 30.0
"""Processor time that a command may take on a few rows; what is refused takes thousandths of it."""
MEMORY = 3 * 2**30
"""Bytes of address space, beyond those at the start, that a command may take."""
LONGEST = 100_000
"""Characters of what is said about a file."""
ENDS = {0, 2, 3, 4, 5, 6}
"""The exit codes that docs promise for a command that did not fail unexpectedly."""


REAL = False
PATIENCE_S = 180.0
"""How long a real command may take on a machine that does other things as well; to start one takes seconds of it."""


class TooSlow(BaseException):
    """A command that has no end, or none that anyone would wait for."""


class Unkind(AssertionError):
    """A command that ended well, and said nothing of use."""


@dataclass(frozen=True)
class Target:
    """`build` fills a folder with files in which nothing is wrong; `use` does what a user would with one of them.

    `also` are further contents of files to begin with; `keep` matches the files that stay as they are.
    """

    build: Callable[[Path], None]
    use: Callable[[Path, str], None]
    also: Callable[[], list[bytes]] = list
    keep: str = "(?!)"


def attempt(target: Target, folder: Path, content: bytes) -> None:
    """Use the folder with one file in it replaced, and leave it as it was. Raises what no command may raise."""
    place, _, new = content.partition(b"\n")
    name = place.decode("utf-8", "replace")
    if name not in files_of(target, folder):
        return
    path, before = folder / name, set(folder.rglob("*"))
    old = path.read_bytes()
    path.write_bytes(new)
    try:
        with _bounded():
            target.use(folder, name)
    finally:
        path.write_bytes(old)
        for made in sorted(set(folder.rglob("*")) - before):
            shutil.rmtree(made) if made.is_dir() and not made.is_symlink() else made.unlink(missing_ok=True)


def files_of(target: Target, folder: Path) -> list[str]:
    """The files of a target's folder that are fuzzed."""
    return [name for name in _listed(folder) if not re.search(target.keep, name)]


@cache
def _listed(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()))


def seeds(target: Target, folder: Path) -> list[bytes]:
    """The inputs to begin with: nothing is wrong with any of them."""
    own = [name.encode() + b"\n" + (folder / name).read_bytes() for name in files_of(target, folder)]
    return [*own, *target.also()]


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """Ends what takes too long with TooSlow, and gives it no more memory than MEMORY."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    before = signal.signal(signal.SIGVTALRM, _too_slow)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow(f"it had not ended after {SECONDS:g} s of processor time")


def command(*arguments: str | Path) -> int:
    """What a command line does, in this process. Raises Unkind for an end that does not say what, where and how."""
    code, out, err = main_quietly(*arguments)
    check_end(code, out, err)
    return code


def main_quietly(*arguments: str | Path) -> tuple[int, str, str]:
    """What a command line returns and says: in this process, or in one of its own as `REAL` asks."""
    if REAL:
        typed = [sys.executable, "-m", "harness", *map(str, arguments)]
        done = subprocess.run(typed, capture_output=True, timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def check_end(code: int, out: str, err: str) -> None:
    """Raises Unkind for an end that nobody can act on, and for numbers that are none."""
    if code not in ENDS:
        raise Unkind(f"exit code {code}: {err[-300:]}")
    if "Traceback" in err or (code == 2 and len(err) > LONGEST):
        raise Unkind(f"{len(err):,} characters: {err[:300]}")
    if code == 2 and not re.search(r"^error: \S", err, re.MULTILINE):
        raise Unkind(f"exit 2, and no error is told: {err[-300:]!r}")
    # A number of ours; not what stands in a quoted value, a path or a word.
    if found := re.search(r"(?<![\w\"'`/.-])-?(nan|inf)(?![\w\"'`-])", out):
        raise Unkind(f"a number that is none: {out[max(0, found.start() - 100) : found.end() + 50]!r}")
    (out + err).encode()


# Experiment files and what they name: data, prompts, suites, a rubric, labelled pairs, a schema.


def _experiment(folder: Path) -> None:
    rows = [
        {"id": f"q{i}", "question": f"What is {i} and {i}?", "target": f"{2 * i}", "kind": "ab"[i % 2]}
        for i in range(12)
    ]
    for name, part in (("train", rows[:6]), ("validation", rows[6:9]), ("test", rows[9:])):
        write_jsonl(folder / f"{name}.jsonl", part)
    write_jsonl(folder / "suite" / "examples.jsonl", [{"id": "s1", "input": "Say yes.", "target": "yes"}])
    (folder / "suite" / "suite.yaml").write_text("name: own\nmetrics: [exact_match]\nprompt: Be brief.\nmargin: 0.05\n")
    (folder / "prompt.md").write_text("Answer {{ question }} with a number.\n")
    (folder / "rubric.md").write_text("{{ input }}\nA: {{ first }}\nB: {{ second }}\nSay verdict: A, B or tie.\n")
    (folder / "schema.json").write_text(json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}}))
    pair = {"input": "Add.", "first": "2", "second": "3"}
    labels = [{"id": f"p{i}", **pair, "label": ("first", "tie")[i % 2]} for i in range(4)]
    write_jsonl(folder / "calibration.jsonl", labels)
    (folder / "experiment.yaml").write_text(yaml.safe_dump(SETTINGS, sort_keys=False))


SETTINGS: dict[str, Any] = {
    "experiment": "fuzzed",
    "model": {"endpoint": "http://127.0.0.1:9/v1", "name": "m", "concurrency": 2, "timeout_seconds": 5,
              "token_budget": 1000},
    "data": {"train": "train.jsonl", "validation": "validation.jsonl", "test": "test.jsonl",
             "columns": {"input": "question"}, "findings": {"diversity": "off"}},
    "task": {"prompt": "prompt.md", "metrics": ["exact_match", "json_schema"], "schema": "schema.json",
             "slices": ["kind"], "max_new_tokens": 8},
    "baselines": ["zero_shot", {"few_shot": {"shots": 2}, "name": "shots"}, {"zero_shot": "prompt.md"}],
    "candidate": {"endpoint": "http://127.0.0.1:9/v1", "name": "tuned"},
    "regression": [{"suite": "suite", "margin": "5%", "tier": "supporting"}],
    "judge": {"model": {"endpoint": "http://127.0.0.1:9/v1", "name": "j"}, "rubric": "rubric.md",
              "calibration": "calibration.jsonl"},
    "policy": {"min_gain": 0.02, "confidence": 0.95, "max_truncated": 0.1},
    "costs": {"baseline": {"input": 0.4, "output": 1.6}, "candidate": {"per_hour": 0.134}, "requests_per_month": 1000},
    "seed": 1,
}  # fmt: skip


def _other_experiments() -> list[bytes]:
    """Further settings: trainings of every kind, folds, sweeps, costs."""
    stage = {"method": "dpo", "epochs": 1, "after": ["lora"], "beta": 0.1}
    own = {**SETTINGS, "model": "embedded", "judge": None}
    del own["candidate"], own["judge"]
    trainings: list[dict[str, Any]] = [
        {
            "method": "lora",
            "rank": 8,
            "sweep": {"space": {"rank": [4, 8], "learning_rate": {"low": 1e-5, "high": 1e-3}}},
        },
        {"method": "lora", "seeds": {"count": 3, "decide": "recipe"}, "learning_curve": [0.5, 1.0]},
        {"command": "train {train} {out} {seed}", "format": "alpaca", "output": "model"},
        {"openai_job": {"endpoint": "http://127.0.0.1:9/v1", "model": "m", "hyperparameters": {"n_epochs": 1}}},
        stage,
    ]
    folds = {
        **own,
        "data": {"train": "train.jsonl", "columns": {"input": "question"}, "split": {"folds": 3, "by": "kind"}},
    }
    files = [{**own, "training": training} for training in trainings] + [folds]
    files += [{"experiment": "x", "data": {"test": "test.jsonl"}, "model": "embedded"}]
    return [b"experiment.yaml\n" + yaml.safe_dump(file, sort_keys=False).encode() for file in files]


def _use_experiment(folder: Path, place: str) -> None:
    if command("policy", "explain", folder / "experiment.yaml") == 0:
        command("check", folder / "experiment.yaml")


# Files of rows, each format, without an experiment.


def _data(folder: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [
        {"id": f"q{i}", "input": f"What is {i} and {i}?", "target": f"{2 * i}", "cluster": f"c{i // 2}"}
        for i in range(8)
    ]
    write_jsonl(folder / "rows.jsonl", rows)
    (folder / "rows.json").write_text(json.dumps(rows, indent=1))
    for name, sign in (("rows.csv", ","), ("rows.tsv", "\t")):
        lines = [sign.join(rows[0]), *(sign.join(row.values()) for row in rows)]
        (folder / name).write_text("\n".join(lines) + "\n")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "rows.parquet")
    write_jsonl(
        folder / "chat.jsonl", [{"messages": [{"role": "system", "content": "Be kind."}, *_turns(i)]} for i in range(4)]
    )
    write_jsonl(folder / "shared.jsonl", [{"conversations": trainer_files.chat(i, "from", "value", "human", "gpt")}
                                          for i in range(4)])  # fmt: skip
    write_jsonl(
        folder / "alpaca.jsonl", [{"instruction": "Add.", "input": f"{i}", "output": f"{i + i}"} for i in range(4)]
    )
    pairs = [{"prompt": f"Add {i}.", "chosen": "right", "rejected": "wrong"} for i in range(4)]
    write_jsonl(folder / "preferences.jsonl", pairs)
    rated = [{"prompt": f"Add {i}.", "completion": "2", "label": bool(i % 2)} for i in range(4)]
    write_jsonl(folder / "preferences.json", rated)
    write_jsonl(folder / "exam.jsonl", [{"input": "Name a colour.", "target": "red"}])


def _turns(i: int) -> list[dict[str, Any]]:
    return trainer_files.chat(i)


def _use_data(folder: Path, place: str) -> None:
    if place.startswith("preferences"):
        command("check", "--preferences", folder / place)
    else:
        command("check", "--train", folder / place, "--test", folder / "exam.jsonl", "--fix", folder / "fixed")
        command("check", "--test", folder / place, "--json")


# A whole run of recorded answers with its report: marks, statistics, gates.


def _recorded(folder: Path) -> None:
    settings = {"task": {"metrics": ["exact_match", "token_f1", "recorded:kindness"], "slices": ["kind"]},
                "costs": {"baseline": {"per_hour": 1.0}, "candidate": {"input": 0.1, "output": 0.2}}}  # fmt: skip
    answers = (["yes", "no"] * 6, ["yes"] * 9 + ["no"] * 3)
    recorded_experiment(folder, *answers, **settings)
    rows = [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]
    write_jsonl(folder / "test.jsonl", [{**row, "kind": "ab"[i % 2]} for i, row in enumerate(rows)])
    for name in ("prompted", "tuned"):
        lines = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        more = {"tokens_in": 10, "tokens_out": 3, "seconds": 0.5, "reasoning": "so", "finish": "stop"}
        write_jsonl(folder / f"{name}.jsonl", [{**row, **more, "scores": {"kindness": 0.5}} for row in lines])


def _other_recorded() -> list[bytes]:
    """Answers as other files have them, under the exam's ids."""
    batch = [
        {"custom_id": f"t{i:04d}", "response": {"status_code": 200, "body": response}}
        for i, response in enumerate(_responses()[:12])
    ]
    return [b"tuned.jsonl\n" + "".join(json.dumps(row) + "\n" for row in batch).encode()]


def _use_recorded(folder: Path, place: str) -> None:
    if command("run", folder / "experiment.yaml") != 2:
        command("gate", folder / "experiment.yaml", "--json")
    for path in (folder / "out").rglob("*"):
        if path.is_file() and (found := re.search(r"[\s|(:]-?(nan|inf)[\s|)%,]", path.read_text(encoding="utf-8"))):
            raise Unkind(f"{path.name} has {found[0]!r}")


# Logs of other tools.


def _logs(folder: Path) -> None:
    for name, write in eval_logs.WRITERS.items():
        for side, share in (("base", 0.5), ("tuned", 0.75)):
            write(folder / name.replace(" ", "_") / side, eval_logs.half(4, share))


def _other_logs() -> list[bytes]:
    shapes = {"inspect json": "inspect.json", "promptfoo": "promptfoo.json", "deepeval": "deepeval/tuned.json",
              "openai evals": "openai_evals/tuned.jsonl"}  # fmt: skip
    places = {name: f"{name.replace(' ', '_')}/tuned.{file.rpartition('.')[2]}" for name, file in shapes.items()}
    return [places[name].encode() + b"\n" + (CASES / "logs" / file).read_bytes() for name, file in shapes.items()]


def _use_logs(folder: Path, place: str) -> None:
    tool = folder / place.partition("/")[0]
    base, tuned = (next(iter(sorted(tool.glob(f"{side}*")))) for side in ("base", "tuned"))
    if command("import", base, tuned, "--out", folder / "imported") == 0:
        command("policy", "explain", folder / "imported" / "experiment.yaml")


# Settings of other trainers.


def _trainers(folder: Path) -> None:
    trainer_files.write_all(folder)
    (folder / "other" / "base").unlink()


def _use_trainers(folder: Path, place: str) -> None:
    config = folder / place
    if "/data/" in place or config.suffix in (".csv", ".parquet", ".jsonl"):
        config = (
            folder
            / place.partition("/")[0]
            / {"llama_factory": "sft.yaml", "axolotl": "chat.yml"}.get(place.partition("/")[0], "trl_sft.yaml")
        )
    if command("convert", config, "--out", folder / "converted" / "experiment.yaml") == 0:
        command("policy", "explain", folder / "converted" / "experiment.yaml")


# What servers say.


def _replies(folder: Path) -> None:
    (folder / "reply.json").write_text(json.dumps(_responses()[0]))
    body = json.dumps(_responses()[0]).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    (folder / "reply.http").write_bytes(head + body)
    (folder / "job.json").write_text(
        json.dumps({"id": "job-1", "status": "succeeded", "fine_tuned_model": "ft:1", "trained_tokens": 2000})
    )
    (folder / "verdict.txt").write_text("Both name the colour.\nverdict: A")
    judge = {"model": {"endpoint": _server().url, "name": "j"}, "calibration": "labelled.jsonl"}
    recorded_experiment(folder / "judged", ["red"] * 4, ["blue"] * 4, judge=judge)
    pairs = [
        {"id": f"p{i}", "input": "?", "first": "red", "second": "blue", "label": ("first", "second")[i % 2]}
        for i in range(4)
    ]
    write_jsonl(folder / "judged" / "labelled.jsonl", pairs)


def _other_replies() -> list[bytes]:
    return [b"reply.json\n" + json.dumps(response).encode() for response in _responses()]


@cache
def _responses() -> list[dict[str, Any]]:
    files = sorted((CASES / "thinking" / "responses").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()[:4]]


@cache
def _server() -> ChatServer:
    return ChatServer()  # until the process ends


def _use_replies(folder: Path, place: str) -> None:
    from harness.models.asking import Asker, Trouble
    from suites.errors import UserError

    content = (folder / place).read_bytes()
    server = _server()
    if place == "verdict.txt":
        server.behave = lambda number, body: answer(content.decode("utf-8", "replace"))
        return _use_judge(folder / "judged")
    server.behave = lambda number, body: iter([content]) if place == "reply.http" else (200, {}, content)
    if place == "job.json":
        return _use_job(folder, content)
    asker = Asker(f"{server.url}/chat/completions", None, 1, 2.0)
    try:
        said = asker._ask({"model": "m", "messages": [{"role": "user", "content": "?"}]}, last=True)
    except (Trouble, UserError) as told:
        if not str(told):
            raise Unkind("an error without a word") from told
        return None
    _check_kept(said.completion)
    return None


def _check_kept(completion: Any) -> None:
    """Raises for an answer that no store holds."""
    (completion.text + completion.reasoning + (completion.error or "")).encode()
    if not 0 <= completion.tokens_in < 2**31 or not 0 <= completion.tokens_out < 2**31:
        raise Unkind(f"tokens that cannot be stored: {completion.tokens_in} {completion.tokens_out}")


def _use_judge(folder: Path) -> None:
    """An experiment whose judge says one thing to everything, from its first question to the report."""
    for left in (*folder.glob("harness.duckdb*"), folder / "out"):
        shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    if command("run", folder / "experiment.yaml") not in ENDS - {2}:
        raise Unkind("a judge's words ended a run")


def _use_job(folder: Path, content: bytes) -> None:
    """A fine-tuning API that answers everything alike."""
    from harness.training import TrainingData, TrainRow
    from harness.training.elsewhere import openai_job
    from suites.errors import UserError
    from suites.model import ModelSpec

    api = _api()
    api.says = content
    url = f"http://127.0.0.1:{api.server_address[1]}/v1"
    job = openai_job.Job(endpoint=url, model="m", poll_seconds=0.001, timeout_hours=1e-6, price_per_million=1.0)
    rows = [TrainRow([{"role": "user", "content": "a"}], "b")]
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(UserError):
        result = openai_job.run(ModelSpec("m", endpoint=url), TrainingData(rows, rows), job, 7, folder / "trained")
        if not isinstance(result.spec.base, str) or not 0 <= result.loss_tokens < 2**63:
            raise Unkind(f"a job without sense: {result}")


class _Api(ThreadingHTTPServer):
    daemon_threads = True
    says = b""


class _Says(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, _Api)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.says)))
        self.end_headers()
        self.wfile.write(self.server.says)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None: ...


@cache
def _api() -> _Api:
    api = _Api(("127.0.0.1", 0), _Says)
    threading.Thread(target=api.serve_forever, args=(0.01,), daemon=True).start()
    return api


# Models and adapters: their settings, tokenizers, templates, headers.


def _models(folder: Path) -> None:
    import tiny_models
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    tiny_models.build("llama", folder / "base")
    model = AutoModelForCausalLM.from_pretrained(folder / "base")
    lora = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(model, lora).save_pretrained(folder / "adapter")
    rows = [{"id": f"t{i}", "input": f"order {i}", "target": "yes"} for i in range(4)]
    write_jsonl(folder / "test.jsonl", rows)
    settings = {
        "experiment": "models", "model": "base", "data": {"test": "test.jsonl"}, "candidate": "adapter",
        "task": {"prompt": "Answer.", "max_new_tokens": 2}, "baselines": ["zero_shot"], "regression": [],
    }  # fmt: skip
    (folder / "experiment.yaml").write_text(yaml.safe_dump(settings))


def _use_models(folder: Path, place: str) -> None:
    if command("check", folder / "experiment.yaml") == 0:
        command("run", folder / "experiment.yaml")


# Stores that were sent, and folders of Parquet files that are to become one.


def _stores(folder: Path) -> None:
    _recorded(folder)
    command("run", folder / "experiment.yaml")
    shutil.rmtree(folder / "out")
    command("store", "export", folder / "export", "--store", folder)


def _use_stores(folder: Path, place: str) -> None:
    if place.startswith("export"):
        command("store", "import", folder / "export", "--store", folder / "other.duckdb")
        return
    if command("report", "--store", folder, "--out", folder / "report") == 0:
        command("gate", "--store", folder, "--json")
        command("runs", "--store", folder)
    main_quietly("doctor", folder)  # exit 2 is its way to say that something is not well


TARGETS: dict[str, Target] = {
    "experiment": Target(_experiment, _use_experiment, _other_experiments),
    "data": Target(_data, _use_data),
    "recorded": Target(_recorded, _use_recorded, _other_recorded),
    "logs": Target(_logs, _use_logs, _other_logs),
    "trainers": Target(_trainers, _use_trainers),
    "replies": Target(_replies, _use_replies, _other_replies, keep=r"judged/"),
    "models": Target(_models, _use_models, keep=r"jsonl$|yaml$|README|merges"),
    "stores": Target(_stores, _use_stores, keep=r"jsonl$|yaml$"),
}


def quieten() -> None:
    """What libraries say while they are driven mad is nobody's business."""
    import logging

    logging.disable(logging.CRITICAL)
    os.environ["TQDM_DISABLE"] = "1"
    threading.excepthook = lambda args: print(f"in a thread: {args.exc_value!r}", file=sys.__stderr__)
