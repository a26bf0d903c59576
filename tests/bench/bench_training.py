"""Trains the demo's model by every method and examines each: what it learns, what it forgets, what it takes.

    python tests/bench/bench_training.py [--out training.md]

Each method has a process of its own, so that the peak memory is its own. Changes of the general skills are paired with
the base's answers, with 95 % intervals over examples; one seed. Set HF_HUB_OFFLINE=1.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import datasets
import torch
import transformers
import trl

from baselines.arm import Prompter
from harness.demo.skills import SKILLS
from harness.experiment.load import load_experiment
from harness.experiment.session import open_session
from harness.experiment.training_data import reward_accuracy
from harness.judge.judges import Asked, judged
from harness.models import load
from harness.models.hf.loading import load_base, quiet
from harness.pipeline import train as trainings
from harness.stats import paired
from harness.training import PairRow, TrainingConfig, TrainingData, TrainRow, train
from harness.training.methods.adapters import load as load_for_training
from harness.training.methods.adapters import peft_config
from suites.catalog import load_suite
from suites.data.examples import read_examples
from suites.judges.pairwise import Pair, load_rubric
from suites.metrics.table import build
from suites.model import Generation, Message, ModelSpec
from suites.types import Example

DEMO = Path(__file__).parents[2] / "harness" / "demo"
MODEL = DEMO / "model"
TASK = Prompter("task", (DEMO / "prompts" / "terse.md").read_text(encoding="utf-8").strip())
GENERAL, LEARNT = 400, 520
DRAWN, HELD_OUT = 8, 160

LORA = TrainingConfig(epochs=3, learning_rate=1e-3, rank=32, alpha=32)
HARD = TrainingConfig(method="full", epochs=4, learning_rate=3e-3)
ARMS = {
    "full, aggressive": HARD,
    "full, aggressive, replay 0.3": HARD.changed(replay=0.3),
    "full, aggressive, EWC": HARD.changed(ewc=1e6),
    "full": TrainingConfig(method="full", epochs=6, learning_rate=2e-4),
    "LoRA": LORA,
    "LoRA, EWC": LORA.changed(ewc=1e6),
    "QLoRA": LORA.changed(method="qlora"),
    "IA3": TrainingConfig(method="ia3"),
    "prompt tuning": TrainingConfig(method="prompt_tuning"),
    "prefix tuning": TrainingConfig(method="prefix_tuning"),
    "short LoRA": LORA.changed(epochs=2),
}
COMPARED = TrainingConfig(learning_rate=3e-4, beta=0.5, rank=32, alpha=32)
ONLINE = TrainingConfig(learning_rate=3e-4, batch_size=64, epochs=0.4, rank=32, alpha=32, max_new_tokens=16)
AFTER = {
    "DPO after it": COMPARED.changed(method="dpo"),
    "KTO after it": COMPARED.changed(method="kto"),
    "reward model": LORA.changed(method="reward"),
    "RLOO after it, for the metric": ONLINE.changed(method="rloo", reward="json_match"),
    "GRPO after it, for the reward model": ONLINE.changed(method="grpo", reward="model"),
}
CHOSEN = f"""\
What comes after the short LoRA starts from its weights (the reward model from the base). Pairs are of answers that the
short LoRA gives: of {DRAWN} drawn at temperature 1 for each training row, every different wrong one is rejected, the
row's target chosen; those of the first {HELD_OUT} rows are held out. Where the short LoRA stops and the learning rates,
betas and epochs of DPO and RLOO were chosen on the validation rows, never on the test rows; KTO takes those of DPO,
GRPO those of RLOO, and the reward model those of the LoRA."""


def examples(name: str) -> tuple[Example, ...]:
    return read_examples(DEMO / "data" / f"{name}.jsonl", {})


def general_exam() -> tuple[Example, ...]:
    suite = load_suite("general", DEMO)
    return suite.examples[:: len(suite.examples) // GENERAL]


def general_rows() -> list[TrainRow]:
    """Fresh draws of the general skills, without any input of the exam."""
    asked = {example.input for example in load_suite("general", DEMO).examples}
    rng, rows = Random(1), []
    while len(rows) < LEARNT:
        skill = SKILLS[list(SKILLS)[len(rows) % len(SKILLS)]]
        question, answer = skill.draw(rng)
        if question not in asked:
            system: Message = {"role": "system", "content": rng.choice(skill.instructions)}
            rows.append(TrainRow([system, {"role": "user", "content": question}], answer))
    return rows


def pairs(start: ModelSpec, asked: Sequence[Example]) -> list[PairRow]:
    """The right answer before each wrong one that the start draws itself, as people would mark its answers."""
    model, mark = load(start), build("json_match")
    prompts = TASK.prompts(asked)
    draws = [model.generate(prompts, Generation(16, temperature=1.0, seed=seed)) for seed in range(DRAWN)]
    found = []
    for example, answers in zip(asked, zip(*draws, strict=True), strict=True):
        wrong = dict.fromkeys(answer.text for answer in answers if mark(example, answer).value == 0)
        found += [PairRow(TASK.messages(example), example.target, text) for text in wrong]
    return found


def lessons(start: ModelSpec, config: TrainingConfig, reward_model: Path | None) -> TrainingData:
    asked = examples("train")
    data = TrainingData(
        [TrainRow(TASK.messages(example), example.target, example.id) for example in asked],
        general=general_rows(),
        reward_model=reward_model,
    )
    if config.method not in ("dpo", "kto", "reward"):
        return data
    return replace(data, pairs=pairs(start, asked[HELD_OUT:]), held_out=pairs(start, asked[:HELD_OUT]))


def peak() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def examined(spec: ModelSpec) -> dict[str, Any]:
    """Answers and marks: of the task, greedy and drawn at temperature 1, and of the general skills."""
    model, found = load(spec), {}
    skills = Prompter("general", "{{ instruction }}")
    parts = (
        ("task", examples("test"), TASK, "json_match", Generation(16)),
        ("drawn", examples("test"), TASK, "json_match", Generation(16, temperature=1.0)),
        ("general", general_exam(), skills, "exact_match", Generation(20)),
    )
    for name, asked, prompter, metric, generation in parts:
        mark = build(metric)
        answers = model.generate(prompter.prompts(asked), generation)
        found[name] = [mark(e, a).value for e, a in zip(asked, answers, strict=True)]
        found[f"{name}_answers"] = [answer.text for answer in answers]
    return found


def one(name: str, work: Path) -> dict[str, Any]:
    """Train one arm and examine it, in this process."""
    quiet()
    if name == "base":
        return examined(ModelSpec(str(MODEL)))
    base, place = ModelSpec(str(MODEL)), {each: work / str(i) for i, each in enumerate((*ARMS, *AFTER))}
    start, config = replace(base, adapter=str(place["short LoRA"])), {**ARMS, **AFTER}[name]
    reward_model = place["reward model"] if config.reward == "model" else None
    data = lessons(start, config, reward_model)
    before, started = peak(), time.process_time()
    result = train(start if name in AFTER else base, data, config, place[name])
    rewards = [value for _, curve, value in result.loss_curve if curve == "reward"]
    found: dict[str, Any] = {
        "seconds": result.seconds,
        "processor": time.process_time() - started,
        "trained": result.trained_parameters,
        "memory": peak() - before,
        "rewards": rewards,
    }
    if accuracy := reward_accuracy(result.preferred, 0.95):
        found["accuracy"] = [accuracy.value, accuracy.low, accuracy.high, accuracy.n]
        return found
    return {**found, **examined(result.spec)}


def apart(name: str, work: Path) -> dict[str, Any]:
    """`one` in a process of its own; what is in `work` already is not measured again."""
    out = work / f"{name}.json"
    if not out.exists():
        subprocess.run([sys.executable, __file__, "--one", name, "--work", str(work), "--out", str(out)], check=True)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    print(name, {key: value for key, value in found.items() if not isinstance(value, list)}, flush=True)
    return found


def shown(values: Sequence[float]) -> str:
    interval = paired.mean_interval(values)
    mean = sum(values) / len(values)
    return f"{mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]" if interval else f"{mean:.3f}"


def difference(after: dict[str, Any], before: dict[str, Any], exam_name: str) -> str:
    found = paired.paired_difference(before[exam_name], after[exam_name])
    interval = f" [{found.interval.low:+.3f}, {found.interval.high:+.3f}]" if found.interval else ""
    return f"{found.difference:+.3f}{interval}"


def table(found: dict[str, dict[str, Any]]) -> str:
    base, start = found["base"], found["short LoRA"]
    lines = [
        "| method | task, json_match | change of general | seconds | of processor | trained parameters | memory, MB |",
        "|---|---|---|---|---|---|---|",
        f"| base, same prompt | {shown(base['task'])} | {shown(base['general'])} (its score) |  |  |  |  |",
    ]
    for name, row in found.items():
        if name == "base":
            continue
        took = f"{row['seconds']:.0f} | {row['processor']:.0f} | {row['trained']:,} | {row['memory']:.0f} |"
        if "accuracy" in row:
            value, low, high, n = row["accuracy"]
            lines.append(f"| {name} | held-out pairs: {value:.3f} [{low:.3f}, {high:.3f}], n={n} |  | {took}")
        else:
            lines.append(f"| {name} | {shown(row['task'])} | {difference(row, base, 'general')} | {took}")
    lines += ["", "Less forgotten than by aggressive full fine-tuning, paired:", ""]
    hard = found["full, aggressive"]
    lines += [
        f"- {name}: {difference(found[name], hard, 'general')}"
        for name in ("full, aggressive, replay 0.3", "full, aggressive, EWC", "LoRA", "LoRA, EWC")
    ]
    lines += ["", "Against the short LoRA each started from, paired:", ""]
    for name in AFTER:
        if "task" in found[name]:
            greedy, drawn = (difference(found[name], start, each) for each in ("task", "drawn"))
            lines.append(f"- {name}: task {greedy}; drawn at temperature 1 {drawn}{gained(found[name]['rewards'])}")
    return "\n".join(lines)


def gained(rewards: Sequence[float]) -> str:
    """How the reward went that was trained for."""
    if not rewards:
        return ""
    fifth = len(rewards) // 5
    first, last = statistics.mean(rewards[:fifth]), statistics.mean(rewards[-fifth:])
    return f"; its reward {first:.3f} to {last:.3f}, first and last fifth of {len(rewards)} steps"


def win_rate(found: dict[str, dict[str, Any]]) -> str:
    """How often the demo's judge prefers DPO's answer to that of its start, ties as one half."""
    both = (found[name]["task_answers"] for name in ("DPO after it", "short LoRA"))
    answers = zip(examples("test"), *both, strict=True)
    shown_pairs = [Pair(example.id, example.input, ours, theirs) for example, ours, theirs in answers]
    judge = load(ModelSpec(str(DEMO / "judge")))
    words = judged(Asked(judge, load_rubric("rubric.md", DEMO), Generation(56)), shown_pairs, "DPO")
    told = [{"first": 1.0, "tie": 0.5, "second": 0.0}[each.choice] for each in words if each.choice]
    return f"The judge prefers DPO's answer to its start's: {shown(told)} of {len(told)}, ties as one half."


def four_bits() -> str:
    """Bytes of the linear weights, in bfloat16 and as QLoRA holds them, the scales included."""

    def linear_bytes(method: str, dtype: str) -> int:
        model = load_for_training(ModelSpec(str(MODEL), dtype=dtype), MODEL, TrainingConfig(method=method))
        head = model.get_output_embeddings()
        weights = [m.weight for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
        scales = [weight.quant_state for weight in weights if hasattr(weight, "quant_state")]
        extra = sum(s.absmax.nbytes + (s.state2.absmax.nbytes if s.nested else 0) for s in scales)
        return sum(weight.nbytes for weight in weights) + extra

    half, four = linear_bytes("lora", "bfloat16"), linear_bytes("qlora", "auto")
    return f"Linear weights: {half:,} bytes in bfloat16, {four:,} in four bits with their scales: {four / half:.3f}."


def overhead(work: Path, rounds: int = 3) -> str:
    """Wall and processor time of the harness over those of the bare trainer, on the demo's own training."""
    asked = trainings.lesson(open_session(load_experiment(DEMO / "experiment.yaml"), work / "harness.duckdb"))
    spec, unwatched = ModelSpec(str(MODEL)), replace(asked.data, validation=())
    ways: dict[str, Callable[[Path], object]] = {
        "bare": lambda at: bare_trl(asked.settings, at),
        "The harness": lambda at: train(spec, unwatched, asked.settings, at),
        "With its default watching it": lambda at: train(spec, asked.data, asked.settings, at, None, asked.probes),
    }
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for i in range(rounds):
        for name in [*ways][i % 3 :] + [*ways][: i % 3]:  # each goes first in turn
            took[name].append(timed(ways[name], work / f"{name} {i}"))
    bare = took.pop("bare")
    return "\n".join(f"{name} takes {times_bare(each, bare)}" for name, each in took.items())


def times_bare(took: Sequence[tuple[float, float]], bare: Sequence[tuple[float, float]]) -> str:
    walls, cpus = ([ours[i] / its[i] for ours, its in zip(took, bare, strict=True)] for i in (0, 1))
    every = ", ".join(f"{ratio:.3f}" for ratio in sorted(cpus))
    return (
        f"{statistics.median(walls):.3f} times the wall time of the bare trainer, {statistics.median(cpus):.3f} times "
        f"({every}) its processor time."
    )


def timed(way: Callable[[Path], Any], out: Path) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    way(out)
    return time.perf_counter() - wall, time.process_time() - cpu


def bare_trl(config: TrainingConfig, out: Path) -> None:
    """The same training with TRL alone."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    rows = [
        {"prompt": TASK.messages(e), "completion": [{"role": "assistant", "content": e.target}]}
        for e in examples("train")
    ]
    args = trl.SFTConfig(
        output_dir=str(out), num_train_epochs=config.epochs, learning_rate=config.learning_rate, logging_steps=1,
        per_device_train_batch_size=16, lr_scheduler_type="cosine", warmup_steps=0.05, weight_decay=0.0,
        save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True, bf16=False, max_length=1024,
        gradient_checkpointing=False,
    )  # fmt: skip
    trainer = trl.SFTTrainer(
        load_base(MODEL, "float32"),
        args,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=peft_config(config),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    trainer.save_model(str(out))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("training.md"))
    parser.add_argument("--one", help="train and examine one arm, as this command does in a process of its own")
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    if options.one:
        found = one(options.one, options.work)
        options.out.write_text(json.dumps({**found, "spent": time.process_time()}), encoding="utf-8")
        return
    quiet()
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        found = {name: apart(name, work) for name in ("base", *ARMS, *AFTER)}
        parts = [table(found), win_rate(found), four_bits(), overhead(work)]
    minutes = (sum(row["spent"] for row in found.values()) + time.process_time()) / 60
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}"
    title = (
        f"# What each method learns, forgets and takes\n\nWritten by `bench_training.py`; {versions}, CPU. "
        f"{len(examples('test'))} task and {len(general_exam())} general questions, 95 % intervals; memory is the peak "
        f"above that before the training. The whole took {minutes:.0f} minutes of processor time, on {os.cpu_count()} "
        "cores. Seconds are wall time; those of the processor are the ones to compare where the cores had other work."
    )
    options.out.write_text("\n\n".join([title, CHOSEN, *parts]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
