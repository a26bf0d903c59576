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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait must not keep others off a shared core
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers
from engine_rivals import PAGE, PASS_TOKENS, ROWS, Rivals, Way
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from harness.models.hf.model import HFModel
from suites.model import Generation, ModelSpec, Prompt

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
    """One model, its requests and its three ways to be asked; `batch` is HFLM's."""

    label: str
    model: HFModel
    name: str
    requests: list[Any]
    batch: int = BATCHES[0]

    @property
    def heading(self) -> str:
        return f"{self.label} | {WORKLOADS[self.name]}"

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


def timed(work: Way, requests: Sequence[Any]) -> tuple[Answers, float, float]:
    """Answers, wall seconds, processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    answers = work(requests)
    return answers, time.perf_counter() - wall, time.process_time() - processor


def with_best_batch(contest: Contest) -> Contest:
    """The contest with HFLM's fastest batch size on the first sixteen requests, by processor time."""
    tried = [replace(contest, batch=batch) for batch in BATCHES]
    return min(tried, key=lambda each: timed(each.hflm, each.requests[:16])[2])


@dataclass(frozen=True)
class Result:
    """What one way answered, and the seconds it took: the first round's, the median round's, and the processor's."""

    answers: Answers
    first: float
    wall: float
    processor: float


def compete(ways: dict[str, Way], requests: Sequence[Any], n: int) -> dict[str, Result]:
    """`n` rounds in which the ways take turns, after one to get ready."""
    rounds = [{way: timed(work, requests) for way, work in ways.items()} for _ in range(n + 1)]
    results = {}
    for way in ways:
        _, walls, processors = zip(*(each[way] for each in rounds[1:]), strict=True)
        medians = statistics.median(walls), statistics.median(processors)
        results[way] = Result(rounds[-1][way][0], rounds[0][way][1], *medians)
    return results


def compare(contest: Contest, measured: bool, arguments: argparse.Namespace) -> str:
    """A row of the first table, its memory too if that is to be `measured`."""
    ways: dict[str, Way] = {"ours": contest.ours, "hflm": contest.hflm}
    if contest.name != "b":
        ways["pipeline"] = contest.pipeline
    results = compete(ways, contest.requests, arguments.rounds)
    ours, hflm, pipeline = results["ours"], results["hflm"], results.get("pipeline")
    rates = [f"{len(contest.requests) / each.wall:.1f}" if each else "" for each in (ours, hflm, pipeline)]
    ratio, spent = hflm.wall / ours.wall, hflm.processor / ours.processor
    over = f"{pipeline.wall / ours.wall:.1f}" if pipeline else ""
    peaks = [peak(contest, way, arguments) for way in ("ours", "hflm")] if measured else []
    cells = [
        contest.heading, *rates, str(contest.batch), f"**{ratio:.1f}**", f"{spent:.1f}", over,
        equal({way: result.answers for way, result in results.items()}),
        f"{peaks[0]:.0f} / {peaks[1]:.0f} MB" if peaks else "",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def beside_transformers(contest: Contest, n: int) -> list[str]:
    """The rows of the second table, one for each of transformers' own ways."""
    rivals = Rivals(contest.model, contest.batch, NEW_TOKENS)
    ways = rivals.scoring() if contest.name == "b" else rivals.generating(contest.requests[:16])
    results = compete({"ours": contest.ours} | ways, contest.requests, n)
    ours, rows = results["ours"], []
    for way in ways:
        rival = results[way]
        rates = [f"{len(contest.requests) / each.wall:.1f}" for each in (rival, ours)]
        ratios = [f"{rival.wall / ours.wall:.1f}", f"**{rival.processor / ours.processor:.1f}**"]
        compiling = f"{max(0, rival.first - rival.wall):.0f}" if "compiled" in way else ""
        same = equal({"ours": ours.answers, way: rival.answers})
        rows.append(f"| {' | '.join([contest.heading, way, *rates, *ratios, compiling, same])} |")
    return rows


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


def peak(contest: Contest, way: str, arguments: argparse.Namespace) -> float:
    """How many MB the peak of a process that does only this lies above the loaded model, at HFLM's batch size."""
    base = str(contest.model.base)
    asked = json.dumps([base, way, contest.name, contest.batch, arguments.requests, arguments.seed])
    done = subprocess.run([sys.executable, __file__, "--peak", asked], check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def print_peak(folder: str, way: str, name: str, batch: int, requests: int, seed: int) -> None:
    torch.set_num_threads(THREADS)
    model = HFModel(ModelSpec(folder))
    if model._engine:
        model._engine._rows = batch
    asked = workload(name, model, requests, seed)
    before = start_of_peak(model.device)
    getattr(Contest("", model, name, asked, batch), way)(asked)
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
    with tempfile.TemporaryDirectory() as folder:
        # What an earlier run has compiled would be found again.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / "compiled")
        bases = {"random, 19 million": random_model(Path(folder)), "embedded, 0.9 million": EMBEDDED}
        models = {label: HFModel(ModelSpec(str(base))) for label, base in bases.items()}
        contests = []
        for label, model in models.items():
            get_ready(model)
            for name in WORKLOADS:
                requests = workload(name, model, arguments.requests, arguments.seed)
                contests.append(with_best_batch(Contest(label, model, name, requests)))
        lines, others = [], []
        for contest in contests:
            lines.append(compare(contest, contest.model.base != EMBEDDED, arguments))
            print(lines[-1], flush=True)
        # Later, so that compiling and what it keeps disturb none of the first table.
        for contest in contests:
            others.append("\n".join(beside_transformers(contest, arguments.rounds)))
            print(others[-1], flush=True)
    out = Path(__file__).with_suffix(".md").with_name("engine.md")
    out.write_text(report(arguments, model, lines, others), encoding="utf-8")


def get_ready(model: HFModel) -> None:
    """All are to stop at the same tokens, with as many threads."""
    assert model._engine
    torch.set_num_threads(THREADS)
    stops = {"eos_token_id": model.stop, "pad_token_id": model.stop[0]}
    model._model.generation_config = transformers.GenerationConfig(**stops)


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
        "The same run, ours once more in turn with them: batches as large as HFLM's, sorted by length; the static cache"
        " compiled by `generate` itself, the forward pass by `torch.compile(dynamic=True)`. Compiling is what the first"
        " round took beyond the median one; a second workload finds what the first had compiled."
        f" `generate_batch` (continuous batching) has {ROWS} requests at once in pages of {PAGE} tokens and its fastest"
        f" pass of {', '.join(map(str, PASS_TOKENS))} tokens. Where a ratio is above 1, ours is faster."
    )
    table = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *lines]
    return ["## Beside transformers' own machinery", told, "\n".join(table)]


if __name__ == "__main__":
    main()
