"""Ends at random moments of every phase of an experiment's life, by each signal, and the same command again.

    PYTHONPATH=.:tests python tests/bench/bench_kills.py [--rounds 3] > tests/bench/kills.md

Moments are uniform over the time that the command takes undisturbed, and then over what is left of it: most rounds end
it twice before it is let be. Every file and every row that is left is compared with what an undisturbed run leaves.
Phases that ask do so of a server in this process that counts what it was asked. A quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"}

import duckdb
import eval_logs
import kills
import tiny_models
import yaml
from chat_server import Body, ChatServer, Reply, answer, serving
from workspaces import tiny_training, write_jsonl

SIGNALS = ("SIGKILL", "SIGINT", "SIGTERM", "SIGHUP")
HEAVY = ["torch", "transformers", "peft", "trl", "datasets", "harness.training.methods.sft", "harness.models.hf.model"]
QUESTIONS, AT_ONCE, SECONDS = 40, 4, (0.05, 0.25)  # of the server
STAGES = ("check", "baseline", "exam", "judge", "decide", "report")
ASKED, TRAINED = "asked/experiment.yaml", "trained/experiment.yaml"

RUBRIC = """\
{{ input }} | {{ first }} | {{ second }}
{% if first == second %}verdict: tie{% elif first and first in input %}verdict: A{% else %}verdict: B{% endif %}
"""


@dataclass(frozen=True)
class Phase:
    """A command, after others that are finished; `rounds` says how often a signal ends it, of so many in all."""

    name: str
    words: Sequence[str]
    after: Sequence[Sequence[str]] = ()
    share: float = 1.0


def _stages() -> Iterator[Phase]:
    names = {"exam": "evaluation", "decide": "decision"}
    for number, stage in enumerate(STAGES):
        yield Phase(names.get(stage, stage), [stage, ASKED], [[before, ASKED] for before in STAGES[:number]])
        if stage == "baseline":
            yield Phase("training", ["train", TRAINED], [["check", TRAINED], ["baseline", TRAINED]])


PHASES = [
    *_stages(),
    Phase("import", ["import", "base", "tuned", "--out", "made"]),
    Phase("convert", ["convert", "config.yaml", "--out", "made/experiment.yaml"]),
    Phase("check --fix", ["check", "--train", "rows.jsonl", "--fix", "mended"]),
    Phase("run, asking a server", ["run", ASKED]),
    Phase("run, with a training", ["run", TRAINED]),
    *(Phase(f"run, {what}", ["run", f"{what}/experiment.yaml"], share=2 / 3) for what in ("seeds", "sweep", "folds")),
]


@dataclass
class Line:
    """What came of all ends of one phase by one signal."""

    ended: int = 0
    rounds: int = 0
    whole: int = 0
    asks: bool = False
    under_way: int = 0
    again: int = 0
    differences: list[str] = field(default_factory=list)
    lost: int = 0


class World:
    """A folder with what people bring, and a server; always at the same place."""

    def __init__(self, root: Path, server: ChatServer) -> None:
        self.place, self.server, self._root = root / "place", server, root
        server.behave = self._behave
        _bring(self.place, tiny_models.build("llama", root / "model"), server.url)
        self._keep("brought")
        kills.harness("--version", cwd=self.place, after=300)  # the process that others are forked off is there

    def _behave(self, number: int, body: Body) -> Reply:
        text = str(body["messages"][-1]["content"])
        rng = random.Random(text)  # of the moment's load nothing depends
        time.sleep(rng.uniform(*SECONDS))
        if body["model"] == "judge":
            return answer(text)
        right = rng.random() < (0.9 if body["model"] == "tuned" else 0.5)
        return answer(text.split()[-1] if right else "dunno")

    def _keep(self, name: str) -> None:
        shutil.copytree(self.place, self._root / name)

    def begin(self, name: str) -> None:
        shutil.rmtree(self.place)
        shutil.copytree(self._root / name, self.place)

    def prepare(self, phase: Phase) -> Whole:
        """Go to where the phase begins, and through it once undisturbed."""
        self.begin("brought")
        for words in phase.after:
            kills.harness(*words, cwd=self.place, after=600)
        self._keep(phase.name)
        kills.harness(*phase.words, cwd=self.place, after=600)  # whatever is slow the first time
        self.begin(phase.name)
        asked, started = len(self.server.bodies), time.monotonic()
        ended = kills.harness(*phase.words, cwd=self.place, after=600)
        assert ended.code in (0, 3, 4, 5, 6), ended.err
        seconds = time.monotonic() - started
        return Whole(ended.code, seconds, len(self.server.bodies) - asked, kills.left(self.place))


@dataclass(frozen=True)
class Whole:
    """A phase undisturbed: its exit code, what it took, how many requests it made, and what it left."""

    code: int
    seconds: float
    asked: int
    left: Mapping[str, object]


def _bring(place: Path, model: Path, url: str) -> None:
    eval_logs.lm_eval(place / "base", [i % 2 == 0 for i in range(60)])
    eval_logs.lm_eval(place / "tuned", [i % 5 != 0 for i in range(60)])
    write_jsonl(place / "rows.jsonl", [{"input": f"parcel {i % 25} is late", "target": "late"} for i in range(30)])
    write_jsonl(place / "theirs.jsonl", [{"instruction": f"say {i}", "input": "", "output": "ok"} for i in range(30)])
    (place / "config.yaml").write_text(kills.AXOLOTL)
    _asked(place / "asked", url)
    tiny_training(place / "trained", model, evaluate_every=4, epochs=3, probe=4)
    tiny_training(place / "seeds", model, epochs=2, seeds=3)
    tiny_training(place / "sweep", model, epochs=2, sweep={"trials": 3, "space": {"epochs": [1, 2, 3]}})
    _folds(tiny_training(place / "folds", model, epochs=2))


def _asked(folder: Path, url: str) -> None:
    """A base, a candidate and a judge behind one server."""
    for split, count in (("train", 12), ("test", QUESTIONS)):
        rows = [{"id": f"{split}{i}", "input": f"{split} {i}: say word{i}", "target": f"word{i}"} for i in range(count)]
        write_jsonl(folder / f"{split}.jsonl", rows)
    labels = [{"id": f"l{i}", "input": f"say red{i}", "first": f"red{i}", "second": "no", "label": "first"}
              for i in range(10)]  # fmt: skip
    write_jsonl(folder / "labels.jsonl", labels)
    (folder / "rubric.md").write_text(RUBRIC)
    model = {"endpoint": url, "concurrency": AT_ONCE}
    settings = {
        "experiment": "asked", "model": {**model, "name": "base"}, "candidate": {**model, "name": "tuned"},
        "data": {"train": "train.jsonl", "test": "test.jsonl"}, "baselines": ["zero_shot"], "regression": [],
        "judge": {"model": {**model, "name": "judge"}, "rubric": "rubric.md", "calibration": "labels.jsonl"},
    }  # fmt: skip
    (folder / "experiment.yaml").write_text(yaml.safe_dump(settings))


def _folds(experiment: Path) -> None:
    settings: dict[str, Any] = yaml.safe_load(experiment.read_text())
    settings["data"] = {"train": "train.jsonl", "split": {"folds": 3}}
    experiment.write_text(yaml.safe_dump(settings))


def answers(place: Path) -> set[tuple[object, ...]]:
    """The answers on record, each with the time that it took: one asked anew would have taken another."""
    rows: set[tuple[object, ...]] = set()
    for store in place.rglob("harness.duckdb"):
        with duckdb.connect(str(store), read_only=True) as con:
            rows |= set(con.execute("select completion_id, text, seconds from completions").fetchall())
    return rows


def one_round(world: World, phase: Phase, kind: str, whole: Whole, rng: random.Random, line: Line) -> None:
    """The phase from its start, ended once or twice, and then let be; again where it was quicker than the signal."""
    while not _ended(world, phase, kind, whole, rng, line):
        pass


def _ended(world: World, phase: Phase, kind: str, whole: Whole, rng: random.Random, line: Line) -> int:
    """How often it was ended."""
    world.begin(phase.name)
    asked, left, on_record, heard = len(world.server.bodies), whole.seconds, set[tuple[object, ...]](), True
    ends = 0
    for _ in range(2):
        moment = rng.uniform(0.01, max(left, 0.05))
        ended = kills.harness(*phase.words, cwd=world.place, after=moment, kind=kind)
        if ended.code == whole.code:
            break  # it was quicker
        ends += 1
        left -= moment
        line.under_way += world.server.busy
        time.sleep(SECONDS[1])  # what was under way is answered to nobody
        heard &= _ended_as_told(ended, kind, phase.words)
        on_record |= answers(world.place)
    last = kills.harness(*phase.words, cwd=world.place, after=600)
    apart = kills.differences(whole.left, kills.left(world.place))
    if last.code != whole.code:
        apart.append(f"exit {last.code}, not {whole.code}")
    for text in apart:
        print(f"  {phase.name}, {kind}: {text}", file=sys.stderr)
    line.ended, line.rounds = line.ended + ends, line.rounds + (ends > 0)
    line.whole += bool(ends) and heard and not apart
    line.asks |= bool(whole.asked)
    line.again += len(world.server.bodies) - asked - whole.asked
    line.differences += apart
    line.lost += len(on_record - answers(world.place))
    return ends


def _ended_as_told(ended: kills.Ended, kind: str, words: Sequence[str]) -> bool:
    """A signal that can be heard ends with 130 and the command that goes on."""
    told = ended.err.splitlines()[-1:] == [f"harness {' '.join(words)}"]
    good = ended.code == -9 if kind == "SIGKILL" else (ended.code == 130 and told)
    if not good or "Traceback" in ended.err:
        print(f"  {words}, {kind}: exit {ended.code}, {ended.err[-300:]!r}", file=sys.stderr)
    return good and "Traceback" not in ended.err


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of each phase and signal")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phases", nargs="*", default=[phase.name for phase in PHASES])
    options = parser.parse_args()
    kills.CONTEXT.set_forkserver_preload([*kills.PRELOADED, *HEAVY])
    rng, lines = random.Random(options.seed), dict[tuple[str, str], Line]()
    with tempfile.TemporaryDirectory() as root, serving() as server:
        world = World(Path(root), server)
        for phase in PHASES:
            if phase.name not in options.phases:
                continue
            whole = world.prepare(phase)
            for kind in SIGNALS:
                line = lines[phase.name, kind] = Line()
                for _ in range(max(1, round(options.rounds * phase.share))):
                    one_round(world, phase, kind, whole, rng, line)
                print(phase.name, f"{whole.seconds:.1f} s", kind, line, file=sys.stderr, flush=True)
    print(page(lines, options))


def page(lines: Mapping[tuple[str, str], Line], options: argparse.Namespace) -> str:
    rows = [_row(phase, kind, line) for (phase, kind), line in lines.items()]
    rows += [_row("**all**", kind, _sum([line for (_, k), line in lines.items() if k == kind])) for kind in SIGNALS]
    table = "\n".join(rows)
    return f"""# Ends at random moments of every phase

Written by `bench_kills.py --rounds {options.rounds} --seed {options.seed}`. *Ended* is how often a signal came while
the command worked; most rounds end it twice, and then the same command is let be. *As undisturbed* are the rounds after
which its exit code, every row of the store and every file (decision and report among them, times and dates aside) are
those of a run that nothing ended, and whose ends were told: of what can be heard by exit 130 and the command that goes
on.
*Asked again* are requests beyond those of an undisturbed run, *under way* those that had no reply when the process was
gone; a SIGKILL may lose the answers of its last second too. *Lost* are answers that were on record and are not, or were
asked anew.

| phase | signal | ended | rounds | as undisturbed | under way | asked again | differences | lost |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{table}"""


def _row(phase: str, kind: str, line: Line) -> str:
    asked = [line.under_way, line.again] if line.asks else ["", ""]
    cells = [phase, kind, line.ended, line.rounds, line.whole, *asked, len(line.differences), line.lost]
    return f"| {' | '.join(map(str, cells))} |"


def _sum(lines: Sequence[Line]) -> Line:
    total = Line(asks=True)
    for line in lines:
        for name in ("ended", "rounds", "whole", "under_way", "again", "differences", "lost"):
            setattr(total, name, getattr(total, name) + getattr(line, name))
    return total


if __name__ == "__main__":
    main()
