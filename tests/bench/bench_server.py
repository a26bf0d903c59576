"""What a server's faults and a machine's end cost: answers lost, answers asked twice, processor time; writes server.md.

    python tests/bench/bench_server.py [--requests 10000] [--connections 64] [--rounds 40] [--seed 0]

First many questions through many connections to a server, in a process of its own, of which one reply in five is a
fault: a 500, a 429, a dropped connection, JSON that is cut. Every answer goes on record in a store. Then real runs of
`harness baseline`, 16 questions at once to a server that takes half a second to three for each, ended at a random
moment by a signal, and the same command again.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chat_server import Body, ChatServer, Reply, answer, serving  # noqa: E402 (a script finds its neighbours first)
from workspaces import write_jsonl  # noqa: E402

from harness.models import asking  # noqa: E402
from harness.models.cache import Cached  # noqa: E402
from harness.models.openai import OpenAIModel  # noqa: E402
from harness.store.database import Store  # noqa: E402
from suites.model import Generation, ModelSpec, Prompt  # noqa: E402

KINDS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
AT_ONCE, QUESTIONS = 16, 64
FAULTS: dict[int, tuple[str, Reply]] = {
    1: ("500", (500, {}, b"the model crashed")),
    2: ("429 with Retry-After", (429, {"Retry-After": "0.05"}, b"slow down")),
    3: ("dropped connection", None),
    4: ("JSON that is cut", (200, {}, b'{"choices": [{"message": {"content": "o')),
}


def serve(seed: int) -> None:
    """A server that fails one reply in five, until it is killed; its address goes to stdout."""
    rng = random.Random(seed)

    def behave(number: int, body: Body) -> Reply:
        _, fault = FAULTS.get(rng.randrange(20), ("", ()))
        server.bodies[number - 1] = {}  # or thousands of them are kept
        return answer(body["messages"][-1]["content"].upper()) if fault == () else fault

    with serving() as server:
        server.behave = behave
        print(server.url, flush=True)
        while True:
            time.sleep(3600)


def load(requests: int, connections: int, seed: int) -> str:
    """Many questions through many connections, in words."""
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    asking.FIRST_WAIT_S = 0.05
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(seed)], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    try:
        spec = ModelSpec(base="tiny", endpoint=server.stdout.readline().strip(), concurrency=connections)
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "harness.duckdb")
            model = Cached(OpenAIModel(spec), store)
            assert model.model.abilities  # type: ignore[attr-defined]
            handed: Counter[int] = Counter()
            prompts = [Prompt(str(i), f"question {i}") for i in range(requests)]
            started, busy = time.monotonic(), time.process_time()
            answers = model.generate(prompts, Generation(), on_progress=lambda done: handed.update(i for i, _ in done))
            seconds, busy = time.monotonic() - started, time.process_time() - busy
            again = Cached(OpenAIModel(spec), store)
            recorded = again._store.fetch(_Count, "select count(*) as n from completions where error is null")[0].n
    finally:
        server.kill()
        server.wait()
    right = sum(given.text == f"QUESTION {i}" for i, given in enumerate(answers))
    failed = sum(given.error is not None for given in answers)
    once = sum(count == 1 for count in handed.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"| questions | {requests:,} |\n| handed over exactly once | {once:,} |\n"
        f"| answered, each with its own answer | {right:,} |\n| error rows, after five tries | {failed:,} |\n"
        f"| lost | {requests - right - failed:,} |\n| on record | {recorded:,} |\n"
        f"| seconds | {seconds:.0f} |\n| processor ms per question, tries and store included | "
        f"{1000 * busy / requests:.2f} |\n| peak memory | {peak:,.0f} MB |\n"
    )


@dataclass(frozen=True, slots=True)
class _Count:
    n: int


@dataclass(frozen=True, slots=True)
class Round:
    """One end: answers the server had given, those of its last second, requests under way, and what was asked again."""

    kind: signal.Signals
    done: int
    recent: int
    under_way: int
    again: int
    seconds: float


def rounds(count: int, seed: int) -> list[Round]:
    rng, ended = random.Random(seed), []
    with serving() as server, tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            ended.append(_round(server, Path(folder) / str(i), KINDS[i % len(KINDS)], rng))
            print(ended[-1], flush=True)
    return ended


def _round(server: ChatServer, folder: Path, kind: signal.Signals, rng: random.Random) -> Round:
    finished: list[float] = []

    def behave(number: int, body: Body) -> Reply:
        time.sleep(rng.uniform(0.5, 3))
        finished.append(time.monotonic())
        return answer("ok")

    server.behave = behave
    before = len(server.bodies)
    path = _experiment(folder, server.url)
    process = _start(path)
    while len(server.bodies) < before + AT_ONCE + 1:
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 5))
    end, asked = time.monotonic(), len(server.bodies) - before
    process.send_signal(kind)
    process.communicate()
    seconds = time.monotonic() - end
    done = sum(moment <= end for moment in finished)
    recent = sum(end - 1 <= moment <= end for moment in finished)
    time.sleep(3.1)  # what was under way is answered to nobody
    again = _start(path)
    again.communicate()
    assert again.returncode == 0
    return Round(kind, done, recent, asked - done, len(server.bodies) - before - QUESTIONS, seconds)


def _experiment(folder: Path, url: str) -> Path:
    rows = [{"id": f"q{i}", "input": f"question {i}", "target": "ok"} for i in range(QUESTIONS)]
    write_jsonl(folder / "test.jsonl", rows)
    model = {"name": "tiny", "endpoint": url, "concurrency": AT_ONCE}
    settings = {"experiment": "x", "model": model, "data": {"test": "test.jsonl"}, "baselines": ["zero_shot"]}
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump({**settings, "candidate": {**model, "name": "tuned"}, "regression": []}))
    return path


def _start(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "baseline", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, restore_signals=True,
    )  # fmt: skip


def page(arguments: argparse.Namespace) -> str:
    ended = rounds(arguments.rounds, arguments.seed)
    rows = []
    for kind in KINDS:
        mine = [each for each in ended if each.kind == kind]
        cells = [len(mine), *(sum(getattr(e, name) for e in mine) for name in ("done", "under_way", "recent", "again"))]
        over = sum(each.again > each.under_way + each.recent for each in mine)
        rows.append(f"| {kind.name} | {' | '.join(f'{cell:,}' for cell in cells)} | {over} |")
    slowest = max((each.seconds for each in ended), default=0.0)
    table = "\n".join(rows)
    return (
        f"# What a server's faults and a machine's end cost\n\nWritten by `bench_server.py --requests "
        f"{arguments.requests} --connections {arguments.connections} --rounds {arguments.rounds} --seed "
        f"{arguments.seed}` on {platform.machine()}.\n\n## Faults\n\n{arguments.connections} connections to a server "
        f"that fails one reply in five: {', '.join(name for name, _ in FAULTS.values())}.\n\n| | |\n|---|---|\n"
        f"{load(arguments.requests, arguments.connections, arguments.seed)}\n"
        f"## Ends\n\nReal runs, {AT_ONCE} questions at once of {QUESTIONS}, each answered after 0.5 to 3 s, "
        f"ended at a random moment, then the same command. `asked again` may be what was under way and what had come "
        f"in the last second before a SIGKILL; a signal that can be caught waits up to five seconds for what is under "
        f"way (the slowest took {slowest:.1f} s).\n\n"
        f"| signal | rounds | answered before | under way | of the last second | asked again | rounds with more |\n"
        f"|---|---|---|---|---|---|---|\n{table}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve)
    text = page(arguments)
    Path(__file__).with_name("server.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
    main()
