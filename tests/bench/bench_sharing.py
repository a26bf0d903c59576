"""Seconds and memory of a training step with and without reading shared prefixes once; writes sharing.md beside it.

    python tests/bench/bench_sharing.py MODEL_FOLDER ... [--tokens 0 100] [--rows 16]

A plain step of 16 rows with 400 tokens on a model of 135M parameters takes 25 GB: ask for fewer rows there.

Both ways are TRL's own trainer of the method on the same token ids; they take turns, each in a process of its own. The
rows are an instruction of so many tokens that all have in common, a question and a short answer, of random words.
"""

from __future__ import annotations

import argparse
import json
import pkgutil
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
import trl

from harness.config.recipe import TrainingConfig
from harness.models.hf import loading
from harness.models.hf.chat import ChatTokenizer
from harness.training import PairRow, TrainingData, TrainRow
from harness.training.methods.sft import Build, Start
from harness.training.sharing.proof import share_if_equal
from suites.model import ModelSpec

INSTRUCTIONS = (0, 100, 400, 1000)
ROWS, STEPS = 16, 3
METHODS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "lora": (INSTRUCTIONS, {}),
    "dpo": ((0, 100, 400), {}),
    "grpo": ((0, 100, 400), {"completions": 8, "max_new_tokens": 16}),
}


@dataclass(frozen=True)
class Took:
    """One step's least wall and processor seconds, the process's peak memory in MB, and the losses of all steps."""

    wall: float
    processor: float
    peak: int
    losses: list[float]
    tokens: int


def main() -> None:
    """Measure and write; with `--one` a single way of a single method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--tokens", type=int, nargs="+", default=INSTRUCTIONS, help="of the instruction")
    parser.add_argument("--rows", type=int, default=ROWS, help="of a step")
    parser.add_argument("--one", nargs=3, metavar=("METHOD", "TOKENS", "SHARED"))
    options = parser.parse_args()
    if options.one:
        method, tokens, shared = options.one
        print(json.dumps(vars(one(options.models[0], method, int(tokens), options.rows, shared == "shared"))))
        return
    parts = []
    for model in options.models:
        lines = [HEAD]
        for method, (instructions, _) in METHODS.items():
            for tokens in (tokens for tokens in instructions if tokens in options.tokens):
                plain, shared = (_apart(model, method, tokens, options.rows, way) for way in ("plain", "shared"))
                lines.append(_line(method, tokens, plain, shared))
                print(lines[-1], file=sys.stderr)
        parts.append(f"## {_size(model)}\n\n" + "\n".join(lines))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    title = (
        "# A training step with shared beginnings read once\n\nWritten by `bench_sharing.py`; torch "
        f"{torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}, {device}, "
        f"{platform.machine()}. LoRA of rank 16 on all linear layers, float32 on a CPU, batches of {options.rows} "
        f"rows (DPO: half as many pairs; GRPO: that many answers of up to 16 tokens, 8 to a prompt, the whole step "
        f"with its drawing of answers). "
        f"Least of {STEPS} steps."
    )
    page = Path(__file__).with_name("sharing.md")
    page.write_text("\n\n".join([title, *parts]) + "\n", encoding="utf-8")
    print(page.read_text(encoding="utf-8"))


HEAD = (
    "| method | instruction, tokens | seconds | shared | times | of processor | shared | times | peak, MB | shared "
    "| largest difference of loss |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def _line(method: str, tokens: int, plain: Took, shared: Took) -> str:
    apart = max(abs(a - b) for a, b in zip(plain.losses, shared.losses, strict=True))
    return (
        f"| {method} | {tokens} | {plain.wall:.2f} | {shared.wall:.2f} | **{plain.wall / shared.wall:.2f}** "
        f"| {plain.processor:.2f} | {shared.processor:.2f} | {plain.processor / shared.processor:.2f} "
        f"| {plain.peak:,} | {shared.peak:,} | {apart:.1e} |"
    )


def _size(model: Path) -> str:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    return f"{config['model_type']}, {config['num_hidden_layers']} layers, width {config['hidden_size']}"


def _apart(model: Path, method: str, tokens: int, rows: int, way: str) -> Took:
    options = ["--rows", str(rows), "--one", method, str(tokens), way]
    command = [sys.executable, "-W", "ignore", __file__, str(model), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return Took(**json.loads(done.stdout.splitlines()[-1]))


def one(model: Path, method: str, tokens: int, rows: int, shared: bool) -> Took:
    """Some steps of a method, one way."""
    loading.quiet()
    chat = ChatTokenizer(model)
    size = rows // 2 if method == "dpo" else rows
    config = TrainingConfig(**{"method": method, "batch_size": size, "rank": 16, "alpha": 32, **METHODS[method][1]})
    start = Start(ModelSpec(str(model)), model, chat, loading.stop_ids(model, chat.tokenizer.eos_token_id), 2048, 2048)
    build: Build = pkgutil.resolve_name(config.kind.build)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as out:
        trainer = build(start, _data(chat, tokens, rows), config, Path(out)).trainer
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.args.max_steps, trainer.args.save_strategy = STEPS, "no"
        if shared and (why := share_if_equal(trainer.model)):
            raise SystemExit(why)
        clock = _Clock()
        trainer.add_callback(clock)
        trainer.train()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        if torch.cuda.is_available():
            peak = torch.cuda.max_memory_allocated() // 2**20
        losses = [log["loss"] for log in trainer.state.log_history if "loss" in log]
    return Took(min(clock.wall), min(clock.processor), peak, losses, tokens)


class _Clock(transformers.TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
    def __init__(self) -> None:
        self.wall: list[float] = []
        self.processor: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._begun = time.perf_counter(), time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.wall.append(time.perf_counter() - self._begun[0])
        self.processor.append(time.process_time() - self._begun[1])


def _data(chat: ChatTokenizer, tokens: int, rows_of_step: int) -> TrainingData:
    chance = random.Random(0)
    instruction = _words(chat, tokens, chance)
    system = [{"role": "system", "content": instruction}] if tokens else []
    rows, pairs = [], []
    for _ in range(rows_of_step * (STEPS + 1)):
        messages: Any = [*system, {"role": "user", "content": _words(chat, chance.randint(14, 26), chance)}]
        good, bad = (_words(chat, chance.randint(3, 6), chance) for _ in range(2))
        rows.append(TrainRow(messages, good, str(len(rows))))
        pairs.append(PairRow(messages, good, bad))
    return TrainingData(rows, pairs=pairs)


WORDS = ("order", "came", "late", "card", "charged", "twice", "parcel", "please", "tell", "where", "now", "broken")


def _words(chat: ChatTokenizer, tokens: int, chance: random.Random) -> str:
    """Words that come to about so many tokens."""
    text = ""
    while len(chat.tokenizer(text, add_special_tokens=False)["input_ids"]) < tokens:
        text += f" {chance.choice(WORDS)}"
    return text.strip()


if __name__ == "__main__":
    main()
