"""Our engine beside lm-eval's HFLM, transformers' pipeline and the rest of its machinery (engine_rivals.py): requests
a second, equal answers, peak memory.

    python tests/bench/bench_engine.py [--requests 24] [--rounds 3] [--seed 0]

Writes engine.md beside it. All get the same weights in the same process and take turns, and the median round
counts, so that other work on the machine disturbs all of them alike. On a GPU the models are in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait must not keep others off a shared core
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers
from engine_rivals import PAGE, PASS_TOKENS, ROWS, Rivals
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from harness.models.hf import HFModel
from suites.types import Generation, ModelSpec, Prompt

THREADS = 2
NEW_TOKENS = 32
BATCHES = (4, 8, 16)
EMBEDDED = Path(__file__).parents[2] / "harness" / "demo" / "model"
SIZES = {"hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 6, "num_attention_heads": 8,
         "num_key_value_heads": 8, "head_dim": 64, "initializer_range": 0.1, "tie_word_embeddings": False}  # fmt: skip
WORKLOADS = {
    "a": f"8-shot generation, {NEW_TOKENS} new tokens",
    "b": "4 answers each to questions of 300 tokens",
    "c": f"zero-shot generation, 20 to 600 tokens, {NEW_TOKENS} new tokens",
}
Answers = list[Any]


@dataclass(frozen=True)
class Contest:
    """One model and its three ways to be asked; `batch` is HFLM's."""

    model: HFModel
    batch: int

    def ours(self, requests: Sequence[Any]) -> Answers:
        if isinstance(requests[0], str):
            prompts = [Prompt(str(i), text) for i, text in enumerate(requests)]
            return [answer.text for answer in self.model.generate(prompts, Generation(NEW_TOKENS))]
        return [tuple(score) for score in self.model.loglikelihood(requests)]

    def hflm(self, requests: Sequence[Any]) -> Answers:
        tokenizer = self.model.chat.tokenizer
        lm = HFLM(pretrained=self.model._model, tokenizer=tokenizer, batch_size=self.batch, device=self.model.device)
        if isinstance(requests[0], str):
            settings = {"until": [tokenizer.eos_token], "max_gen_toks": NEW_TOKENS, "do_sample": False}
            asked = [Instance("generate_until", {}, (text, settings), i) for i, text in enumerate(requests)]
            return list(lm.generate_until(asked, disable_tqdm=True))
        asked = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(requests)]
        return list(lm.loglikelihood(asked, disable_tqdm=True))

    def pipeline(self, requests: Sequence[Any]) -> Answers:
        made = transformers.pipeline(
            "text-generation", model=self.model._model, tokenizer=self.model.chat.tokenizer, device=self.model.device
        )
        settings = {"max_new_tokens": NEW_TOKENS, "do_sample": False, "return_full_text": False}
        return [answer[0]["generated_text"] for answer in made(list(requests), **settings)]


def random_model(folder: Path) -> Path:
    """A Llama of random weights, about 19 million, that reads as the embedded model does."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(EMBEDDED)
    config = transformers.AutoConfig.from_pretrained(EMBEDDED)
    config.update(SIZES)
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def workload(name: str, model: HFModel, n: int, seed: int) -> list[Any]:
    """The requests: texts to continue, or (context, answer) pairs."""
    draw = random.Random(f"{name} {seed}")
    words = sorted(word for word in (model.chat.decode([i]).strip() for i in range(960)) if word.isalpha())

    def text(tokens: int) -> str:
        found = [draw.choice(words) for _ in range(tokens)]
        ids = model.chat.encode(" ".join(found))[: tokens + 1]
        return model.chat.decode(ids).strip()

    if name == "a":
        shots = "".join(f"Ticket: {text(60)}\nTeam: {text(8)}\n\n" for _ in range(8))
        return [f"{shots}Ticket: {text(draw.randrange(30, 70))}\nTeam:" for _ in range(n)]
    if name == "b":
        contexts = [f"{text(300)}\nAnswer:" for _ in range(n // 2)]
        return [(context, f" {text(draw.randrange(3, 9))}") for context in contexts for _ in range(4)]
    return [text(draw.randrange(20, 600)) for _ in range(n)]


def timed(work: Callable[[Sequence[Any]], Answers], requests: Sequence[Any]) -> tuple[Answers, float, float]:
    """Answers, wall seconds, processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    answers = work(requests)
    return answers, time.perf_counter() - wall, time.process_time() - processor


def best_batch(model: HFModel, requests: Sequence[Any]) -> int:
    """HFLM's fastest batch size on the first sixteen requests, by processor time."""
    taken = {batch: timed(Contest(model, batch).hflm, requests[:16])[2] for batch in BATCHES}
    return min(taken, key=lambda batch: taken[batch])


@dataclass(frozen=True)
class Result:
    """What one way took: seconds of the first time beyond the median of the rounds, and the medians."""

    answers: Answers
    start: float
    wall: float
    processor: float


def compete(ways: dict[str, Callable[[Sequence[Any]], Answers]], requests: Sequence[Any], n: int) -> dict[str, Result]:
    """Each way once to get ready, then `n` rounds in which they take turns."""
    first = {way: timed(work, requests) for way, work in ways.items()}
    rounds = [{way: timed(work, requests) for way, work in ways.items()} for _ in range(n)]
    results = {}
    for way in ways:
        wall = statistics.median(each[way][1] for each in rounds)
        processor = statistics.median(each[way][2] for each in rounds)
        results[way] = Result(rounds[-1][way][0], first[way][1] - wall, wall, processor)
    return results


def compare(model: HFModel, name: str, measured: bool, arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    """A workload's row of the first table, its memory too if that is to be `measured`, and its rows of the second."""
    requests = workload(name, model, arguments.requests, arguments.seed)
    contest = Contest(model, best_batch(model, requests))
    rivals = Rivals(model, contest.batch, NEW_TOKENS)
    own = rivals.scoring() if name == "b" else rivals.generating(requests[:16])
    ways = {"ours": contest.ours, "hflm": contest.hflm} | ({} if name == "b" else {"pipeline": contest.pipeline})
    results = compete(ways | own, requests, arguments.rounds)
    ours, hflm, pipeline = results["ours"], results["hflm"], results.get("pipeline")
    rates = [f"{len(requests) / each.wall:.1f}" if each else "" for each in (ours, hflm, pipeline)]
    ratio, spent = hflm.wall / ours.wall, hflm.processor / ours.processor
    over = f"{pipeline.wall / ours.wall:.1f}" if pipeline else ""
    peaks = [peak(model, way, name, contest.batch, arguments) for way in ("ours", "hflm")] if measured else []
    row = [
        WORKLOADS[name], *rates, str(contest.batch), f"**{ratio:.1f}**", f"{spent:.1f}", over,
        equal({way: results[way].answers for way in ways}), f"{peaks[0]:.0f} / {peaks[1]:.0f} MB" if peaks else "",
    ]  # fmt: skip
    return row, [beside(way, results[way], ours, len(requests), WORKLOADS[name]) for way in own]


def beside(way: str, rival: Result, ours: Result, n: int, workload: str) -> str:
    """A rival's row of the second table."""
    compiling = f"{rival.start:.0f}" if "compiled" in way else ""
    cells = [workload, way, f"{n / rival.wall:.1f}", f"{n / ours.wall:.1f}", f"{rival.wall / ours.wall:.1f}"]
    cells += [f"**{rival.processor / ours.processor:.1f}**", compiling]
    return " | ".join([*cells, equal({"ours": ours.answers, way: rival.answers})])


def equal(answers: dict[str, Answers]) -> str:
    """How many answers are the same everywhere; of log-likelihoods how far apart, and the choices they make."""
    ours, others = answers["ours"], [found for way, found in answers.items() if way != "ours"]
    if isinstance(ours[0], str):
        same = sum(all(other[i] == ours[i] for other in others) for i in range(len(ours)))
        return f"{same} of {len(ours)}"
    apart = max(abs(one[0] - other[0]) for one, other in zip(ours, others[0], strict=True))
    picks = [
        [max(range(i, i + 4), key=lambda k: found[k][0]) for i in range(0, len(ours), 4)] for found in (ours, others[0])
    ]
    same = sum(one == other for one, other in zip(*picks, strict=True))
    return f"within {apart:.0e}, {same} of {len(picks[0])} choices"


def peak(model: HFModel, way: str, name: str, batch: int, arguments: argparse.Namespace) -> float:
    """How many MB the peak of a process that does only this lies above the loaded model, at HFLM's batch size."""
    asked = json.dumps([str(model.base), way, name, batch, arguments.requests, arguments.seed])
    done = subprocess.run([sys.executable, __file__, "--peak", asked], check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def print_peak(folder: str, way: str, name: str, batch: int, requests: int, seed: int) -> None:
    torch.set_num_threads(THREADS)
    model = HFModel(ModelSpec(folder))
    if model._engine:
        model._engine._rows = batch
    asked = workload(name, model, requests, seed)
    before = start_of_peak(model.device)
    getattr(Contest(model, batch), way)(asked)
    print((end_of_peak(model.device) - before) / 1e6)


def start_of_peak(device: str) -> int:
    """Bytes in use; the peak counts from here. On a CPU by Linux's clear_refs: getrusage inherits the parent's peak."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5")
    return _resident("VmRSS")


def end_of_peak(device: str) -> int:
    """The most bytes in use since `start_of_peak`."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else _resident("VmHWM")


def _resident(field: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) * 1024


def start_up(command: Sequence[str]) -> float:
    """Seconds until a command of the harness has said what it can do; the best of five."""
    root = Path(__file__).parents[2]
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "harness.cli", *command], check=True, capture_output=True, cwd=root)
        taken.append(time.perf_counter() - started)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        print_peak(*json.loads(arguments.peak))
        return
    logging.disable(logging.WARNING)
    lines, others = [], []
    with tempfile.TemporaryDirectory() as folder:
        # What an earlier run has compiled would be found again.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / "compiled")
        for label, base in {
            "random, 19 million": random_model(Path(folder)),
            "embedded, 0.9 million": EMBEDDED,
        }.items():
            model = HFModel(ModelSpec(str(base)))
            assert model._engine
            torch.set_num_threads(THREADS)
            # All are to stop at the same tokens.
            stops = {"eos_token_id": model.stop, "pad_token_id": model.stop[0]}
            model._model.generation_config = transformers.GenerationConfig(**stops)
            for name in WORKLOADS:
                row, more = compare(model, name, base != EMBEDDED, arguments)
                lines.append(f"| {label} | {' | '.join(row)} |")
                others += [f"| {label} | {line} |" for line in more]
                print(lines[-1], *others[-len(more) :], sep="\n", flush=True)
    out = Path(__file__).with_suffix(".md").with_name("engine.md")
    out.write_text(report(arguments, model, lines, others), encoding="utf-8")


def report(arguments: argparse.Namespace, model: HFModel, lines: Sequence[str], others: Sequence[str]) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "lm-eval"))
    help_seconds = start_up(["--help"])
    columns = ["model", "workload", "ours", "HFLM", "pipeline", "HFLM's batch", "times HFLM", "in processor time"]
    columns += ["times pipeline", "equal answers", "memory, ours / HFLM"]
    told = (
        f"Written by `bench_engine.py --requests {arguments.requests} --rounds {arguments.rounds}"
        f" --seed {arguments.seed}`"
        f" on {model.device}, {model.dtype}, {THREADS} threads; {versions}. HFLM runs with its fastest batch size of"
        f" {', '.join(map(str, BATCHES))}, `pipeline()` with its defaults. Ours, HFLM and pipeline are requests a"
        " second in the median round; the ratio of processor seconds stands beside that of seconds because others may"
        " use the same cores. Memory is what the peak of a process that does only this adds to the loaded model, with"
        " as many requests at once as HFLM's batch."
    )
    table = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *lines]
    started = f"`harness --help` answers after {help_seconds:.2f} s."
    parts = ["# How fast the local engine answers", told, "\n".join(table), *rivals_report(others), started]
    return "\n\n".join(parts) + "\n"


def rivals_report(lines: Sequence[str]) -> list[str]:
    columns = ["model", "workload", "transformers' way", "its requests/s", "ours", "times its speed"]
    columns += ["in processor time", "seconds to compile", "equal answers"]
    told = (
        "The same run: batches as large as HFLM's, sorted by length; the static cache compiled by `generate` itself,"
        " the forward pass by `torch.compile(dynamic=True)`. Compiling is the first time beyond the median round."
        f" `generate_batch` (continuous batching) has {ROWS} requests at once in pages of {PAGE} tokens and its fastest"
        f" pass of {', '.join(map(str, PASS_TOKENS))} tokens. Where a ratio is above 1, ours is faster."
    )
    table = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *lines]
    return ["## Beside transformers' own machinery", told, "\n".join(table)]


if __name__ == "__main__":
    main()
