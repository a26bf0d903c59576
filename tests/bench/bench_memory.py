"""Memory that a training's steps take, against what is counted before it; writes memory.md beside it. Linux only.

    python tests/bench/bench_memory.py [MODEL_FOLDER]

Each way of making a step of 16 rows has a process of its own. Rows are those of `bench_sharing.py`: an instruction of
so many tokens that all have in common, a question and a short answer. Without a folder, the embedded model.
"""

from __future__ import annotations

import argparse
import gc
import json
import pkgutil
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench_sharing
import torch
import transformers
import trl

from harness.config.recipe import TrainingConfig
from harness.models.hf import loading
from harness.models.hf.chat import ChatTokenizer
from harness.training.memory import fit
from harness.training.memory.kept import costliest, measure, untouched
from harness.training.memory.plans import Plan
from harness.training.methods.sft import Build, Start
from harness.training.sharing.proof import share_if_equal
from suites.model import ModelSpec

EMBEDDED = Path(__file__).parents[2] / "harness" / "demo" / "model"
ROWS, STEPS = 16, 2
PLANS = {
    "one pass, kept": Plan(16, 1, False),
    "one pass, computed again": Plan(16, 1, True),
    "4 passes, kept": Plan(4, 4, False),
    "16 passes, computed again": Plan(1, 16, True),
}
CASES = [("lora", tokens, True, plan) for plan in list(PLANS)[:2] for tokens in (100, 400)]
CASES += [("lora", 100, True, plan) for plan in list(PLANS)[2:]]
CASES += [(method, 100, True, "one pass, kept") for method in ("full", "dpo")]
CASES += [("lora", 100, False, plan) for plan in ("4 passes, kept", "one pass, computed again")]


@dataclass(frozen=True)
class Took:
    """Bytes counted, and taken above what was there before counting and the first step; processor seconds of a step;
    the first one's loss."""

    counted: float
    taken: int
    seconds: float
    loss: float


def main() -> None:
    """Measure and write; with `--one` a single way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=EMBEDDED)
    parser.add_argument("--one", nargs=4, metavar=("METHOD", "TOKENS", "SHARED", "PLAN"))
    options = parser.parse_args()
    if options.one:
        method, tokens, shared, plan = options.one
        print(json.dumps(vars(one(options.model, method, int(tokens), shared == "True", PLANS[plan]))))
        return
    lines = []
    for case in CASES:
        lines.append(_line(case, _apart(options.model, case)))
        print(lines[-1], file=sys.stderr)
    page = Path(__file__).with_name("memory.md")
    page.write_text("\n".join([_title(options.model), HEAD, *lines]) + "\n", encoding="utf-8")
    print(page.read_text(encoding="utf-8"))


HEAD = (
    "| method | instruction, tokens | beginnings | a step of 16 rows | counted, MB | taken, MB | taken / counted "
    "| seconds of processor | loss |\n|---|---|---|---|---|---|---|---|---|"
)


def _title(model: Path) -> str:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    return (
        f"# Memory of a training step\n\nWritten by `bench_memory.py`; torch {torch.__version__}, transformers "
        f"{transformers.__version__}, trl {trl.__version__}, CPU, {torch.get_num_threads()} threads, "
        f"{platform.machine()}; {config['model_type']}, {config['num_hidden_layers']} layers, width "
        f"{config['hidden_size']}, float32, rank 16. Counted is what the plan goes by: what a pass keeps, gradients, "
        f"optimiser. Taken is the process's peak above what it took before counting and the first of {STEPS} steps; "
        "seconds are the least of a step, the loss is that of the first.\n"
    )


def _line(case: tuple[str, int, bool, str], took: Took) -> str:
    method, tokens, shared, plan = case
    return (
        f"| {method} | {tokens} | {'read once' if shared else 'read with each'} | {plan} | {took.counted / 1e6:,.0f} "
        f"| {took.taken / 1e6:,.0f} | {took.taken / took.counted:.2f} | {took.seconds:.2f} | {took.loss:.6f} |"
    )


def _apart(model: Path, case: tuple[str, int, bool, str]) -> Took:
    command = [sys.executable, "-W", "ignore", __file__, str(model), "--one", *map(str, case)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return Took(**json.loads(done.stdout.splitlines()[-1]))


def one(model: Path, method: str, tokens: int, shared: bool, plan: Plan) -> Took:
    """Some steps made by a plan."""
    loading.quiet()
    chat = ChatTokenizer(model)
    config = TrainingConfig(method=method, batch_size=ROWS, gradient_checkpointing=plan.checkpointing)
    start = Start(ModelSpec(str(model)), model, chat, loading.stop_ids(model, chat.tokenizer.eos_token_id), 2048, 2048)
    build: Build = pkgutil.resolve_name(config.kind.build)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as out:
        trainer = build(start, bench_sharing._data(chat, tokens), config, Path(out)).trainer
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.args.max_steps, trainer.args.save_strategy = STEPS, "no"
        if shared and (why := share_if_equal(trainer.model)):
            raise SystemExit(why)
        clock = bench_sharing._Clock()
        trainer.add_callback(clock)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _status("VmRSS")
        counted = _counted(trainer, plan)
        fit.apply(trainer, plan)
        trainer.train()
        losses = [log["loss"] for log in trainer.state.log_history if "loss" in log]
    return Took(counted, _status("VmHWM") - before, min(clock.processor), losses[0])


def _counted(trainer: Any, plan: Plan) -> float:
    with untouched(trainer):
        needs = measure(trainer, costliest(trainer.train_dataset, 4), len(trainer.train_dataset))
    return needs.of(plan) + fit._state(trainer)


def _status(name: str) -> int:
    """Bytes, from the process's status."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


if __name__ == "__main__":
    main()
