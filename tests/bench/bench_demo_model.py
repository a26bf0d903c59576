"""Measures what the demo's tiny model and its judge can do; prints the table of their model cards.

    python tests/bench/bench_demo_model.py [--seeds 3] [--threads 1]

Reads only the shipped files and uses transformers, peft and trl directly, so it checks the harness from outside.
Every number comes with its standard error; prompts and settings were chosen on validation data. Set HF_HUB_OFFLINE=1.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from datasets import Dataset
from jinja2 import Template
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, logging
from trl import SFTConfig, SFTTrainer

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "harness" / "demo"
SHOTS = 8
NEW_TOKENS = 16
JUDGE_TOKENS = 56
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tuning:
    """One way to fine-tune; `rank` 0 trains all weights."""

    name: str
    rank: int
    alpha: int
    learning_rate: float
    epochs: float
    batch: int = 16
    prompt: str = "terse"


GENTLE = Tuning("gentle LoRA", rank=32, alpha=32, learning_rate=2e-4, epochs=10)
AGGRESSIVE = Tuning("aggressive full fine-tuning", rank=0, alpha=0, learning_rate=3e-3, epochs=4)


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def chat(system: str, user: str, shots: Sequence[Row] = ()) -> list[dict[str, str]]:
    turns = [(shot["input"], shot["target"]) for shot in shots]
    examples = [
        message
        for question, answer in turns
        for message in ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    ]
    return [{"role": "system", "content": system}, *examples, {"role": "user", "content": user}]


class Student:
    """A model with its tokenizer that answers chats greedily."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def _encoded(self, chats: Sequence[list[dict[str, str]]]) -> Any:
        return self.tokenizer.apply_chat_template(
            list(chats), add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        )

    @torch.inference_mode()
    def answers(
        self, chats: Sequence[list[dict[str, str]]], new_tokens: int = NEW_TOKENS, batch: int = 64
    ) -> list[str]:
        texts: list[str] = []
        for start in range(0, len(chats), batch):
            encoded = self._encoded(chats[start : start + batch])
            output = self.model.generate(**encoded, max_new_tokens=new_tokens, do_sample=False)
            new = output[:, encoded["input_ids"].shape[1] :]
            texts += self.tokenizer.batch_decode(new, skip_special_tokens=True)
        return texts

    @torch.inference_mode()
    def choices(self, rows: Sequence[Row], batch: int = 120) -> list[bool]:
        """Multiple choice by likelihood; every choice of the facts is a single token."""
        right: list[bool] = []
        for start in range(0, len(rows), batch):
            part = rows[start : start + batch]
            chats = [[{"role": "user", "content": row["question"]}] for row in part]
            logits = self.model(**self._encoded(chats)).logits[:, -1]
            for row, scores in zip(part, logits, strict=True):
                ids = self.tokenizer(row["choices"], add_special_tokens=False)["input_ids"]
                right.append(int(scores[[one for (one,) in ids]].argmax()) == row["label"])
        return right


def exact(texts: Sequence[str], rows: Sequence[Row]) -> list[float]:
    return [float(text == row["target"]) for text, row in zip(texts, rows, strict=True)]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def standard_error(values: Sequence[float]) -> float:
    centre = mean(values)
    return math.sqrt(sum((value - centre) ** 2 for value in values) / (len(values) - 1) / len(values))


def shown(values: Sequence[float]) -> str:
    return f"{mean(values):.3f} ± {standard_error(values):.3f}"


def averaged(runs: Sequence[Sequence[float]]) -> list[float]:
    """Per item over seeds, so that the standard error counts items once."""
    return [mean(scores) for scores in zip(*runs, strict=True)]


def sft(folder: Path, rows: Sequence[Row], tuning: Tuning, seed: int) -> tuple[Student, float]:
    """Fine-tune with TRL; returns the tuned student and the seconds of training."""
    student = Student(folder)
    system = prompt(tuning.prompt)
    data = [{"prompt": chat(system, r["input"]), "completion": [_assistant(r)]} for r in rows]
    adapter = LoraConfig(
        r=tuning.rank, lora_alpha=tuning.alpha, target_modules="all-linear", lora_dropout=0.0, task_type="CAUSAL_LM"
    )
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as work:
        config = SFTConfig(
            output_dir=work,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            per_device_train_batch_size=tuning.batch,
            num_train_epochs=tuning.epochs,
            learning_rate=tuning.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=10,
            logging_steps=10_000,
            save_strategy="no",
            report_to="none",
            max_length=512,
            seed=seed,
            disable_tqdm=True,
        )
        trainer = SFTTrainer(
            model=student.model,
            args=config,
            train_dataset=Dataset.from_list(data),
            processing_class=student.tokenizer,
            peft_config=adapter if tuning.rank else None,
        )
        trainer.remove_callback(PrinterCallback)
        begun = time.monotonic()
        trainer.train()
    student.model = trainer.model.eval()
    student.tokenizer.padding_side = "left"  # TRL turns it to the right for training
    return student, time.monotonic() - begun


def _assistant(row: Row) -> dict[str, str]:
    return {"role": "assistant", "content": row["target"]}


def prompt(name: str) -> str:
    return (DEMO / "prompts" / f"{name}.md").read_text(encoding="utf-8").strip()


def general(student: Student, rows: Sequence[Row]) -> list[float]:
    return exact(student.answers([chat(row["instruction"], row["input"]) for row in rows], 20), rows)


def facts(student: Student, rows: Sequence[Row]) -> list[float]:
    return [float(right) for right in student.choices(rows)]


def few_shot_chats(system: str, rows: Sequence[Row], train: Sequence[Row], seed: int) -> list[list[dict[str, str]]]:
    """One fixed set of shots for all questions, as a prompt would have in production."""
    shots = Random(seed).sample(list(train), SHOTS)
    return [chat(system, row["input"], shots) for row in rows]


def judged(judge: Student, rows: Sequence[Row], first: Sequence[str], second: Sequence[str]) -> list[str | None]:
    """The judge's verdict on each pair as shown: first, second, tie, or None if it cannot be read."""
    rubric = Template((DEMO / "rubric.md").read_text(encoding="utf-8"))
    asked = [
        [{"role": "user", "content": rubric.render(input=row["input"], first=a, second=b)}]
        for row, a, b in zip(rows, first, second, strict=True)
    ]
    found = [re.findall(r"verdict\s*:\s*(A|B|tie)", text, re.I) for text in judge.answers(asked, JUDGE_TOKENS)]
    names = {"a": "first", "b": "second", "tie": "tie"}
    return [names[matches[-1].lower()] if matches else None for matches in found]


def gold(rows: Sequence[Row], first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Which answer is better by exact match."""
    names = {1.0: "first", -1.0: "second", 0.0: "tie"}
    return [names[a - b] for a, b in zip(exact(first, rows), exact(second, rows), strict=True)]


def agreement(judge: Student, rows: Sequence[Row], first: Sequence[str], second: Sequence[str]) -> list[float]:
    """Per row: does the judge, shown the answers in this order, say what exact match says?"""
    verdicts = judged(judge, rows, first, second)
    return [float(x == y) for x, y in zip(verdicts, gold(rows, first, second), strict=True)]


def line(name: str, values: Sequence[float], rows: Sequence[Row] = (), note: str = "") -> None:
    """One row of the table, with the share on seen and unseen phrasings where the rows know it."""
    cells = ["", ""]
    if rows:
        pairs = list(zip(values, rows, strict=True))
        cells = [shown([value for value, row in pairs if row["phrasing"] == kind]) for kind in ("seen", "unseen")]
    print(f"| {name} | {shown(values)} | {cells[0]} | {cells[1]} | {note} |", flush=True)


def trivial(train: Sequence[Row], test: Sequence[Row], seeds: int) -> None:
    """What answers without reading would reach."""
    majority = Counter(row["target"] for row in train).most_common(1)[0][0]
    line("majority label of train", exact([majority] * len(test), test), test)
    in_shots, copied = [], []
    for seed in range(seeds):
        shots = Random(seed).sample(list(train), SHOTS)
        most = Counter(shot["target"] for shot in shots).most_common(1)[0][0]
        in_shots.append(exact([most] * len(test), test))
        copied.append(exact([Random(seed).choice(shots)["target"] for _ in test], test))
    line("majority label of the shots", averaged(in_shots), test)
    line("label of the first shot drawn", averaged(copied), test)


def baselines(base: Student, train: Sequence[Row], test: Sequence[Row], seeds: int) -> list[str]:
    """Zero-shot and few-shot for every prompt; returns the answers of the last few-shot run."""
    texts: list[str] = []
    for path in sorted((DEMO / "prompts").glob("*.md")):
        system = prompt(path.stem)
        line(f"zero-shot, {path.stem}", exact(base.answers([chat(system, row["input"]) for row in test]), test), test)
        runs = []
        for seed in range(seeds):
            texts = base.answers(few_shot_chats(system, test, train, seed), batch=32)
            runs.append(exact(texts, test))
        spread = ", ".join(f"{mean(run):.3f}" for run in runs)
        line(f"{SHOTS} shots, {path.stem}", averaged(runs), test, f"shot seeds {spread}")
    return texts


@dataclass
class Kept:
    """What the base could do before, to be compared item by item."""

    general_rows: list[Row]
    fact_rows: list[Row]
    general: list[float]
    facts: list[float]


def tuned(tuning: Tuning, train: Sequence[Row], test: Sequence[Row], kept: Kept, seeds: int) -> list[str]:
    """Fine-tune with several seeds: the task, and what was lost elsewhere; returns the answers of the last seed."""
    scores, lost_general, lost_facts, seconds = [], [], [], []
    texts: list[str] = []
    for seed in range(seeds):
        student, took = sft(DEMO / "model", train, tuning, seed)
        texts = student.answers([chat(prompt(tuning.prompt), row["input"]) for row in test])
        scores.append(exact(texts, test))
        after = general(student, kept.general_rows)
        lost_general.append([x - y for x, y in zip(after, kept.general, strict=True)])
        lost_facts.append([x - y for x, y in zip(facts(student, kept.fact_rows), kept.facts, strict=True)])
        seconds.append(took)
    spread = ", ".join(f"{mean(run):.3f}" for run in scores)
    line(tuning.name, averaged(scores), test, f"seeds {spread}; {mean(seconds):.0f} s of training")
    for name, runs in (("general", lost_general), ("facts", lost_facts)):
        difference = averaged(runs)
        lower = mean(difference) - 1.645 * standard_error(difference)
        seeds_shown = ", ".join(f"{mean(run):+.3f}" for run in runs)
        line(f"{tuning.name}: change of {name}", difference, (), f"95 % lower bound {lower:+.3f}; seeds {seeds_shown}")
    by_skill: dict[str, list[float]] = {}
    for value, row in zip(averaged(lost_general), kept.general_rows, strict=True):
        by_skill.setdefault(row["skill"], []).append(value)
    print(
        "<!-- " + ", ".join(f"{skill} {mean(values):+.2f}" for skill, values in by_skill.items()) + " -->", flush=True
    )
    return texts


def judge_lines(test: Sequence[Row], prompted: Sequence[str], trained: Sequence[str]) -> None:
    """Agreement of the judge with exact match, on made-up pairs and on what the models really answered."""
    judge = Student(DEMO / "judge")
    pairs = read(DEMO / "data" / "calibration.jsonl")
    verdicts = judged(judge, pairs, [pair["first"] for pair in pairs], [pair["second"] for pair in pairs])
    line("judge, calibration pairs", [float(v == pair["label"]) for v, pair in zip(verdicts, pairs, strict=True)])
    line("judge, few-shot answer first, LoRA second", agreement(judge, test, prompted, trained), test)
    line("judge, LoRA answer first, few-shot second", agreement(judge, test, trained, prompted), test)
    labels = gold(test, prompted, trained)
    commonest = Counter(labels).most_common(1)[0][0]
    line("always the commonest verdict", [float(label == commonest) for label in labels], test, commonest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only-aggressive", action="store_true", help="only the full fine-tuning rows")
    parser.add_argument("--no-aggressive", action="store_true", help="all rows but those")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore")
    logging.set_verbosity_error()
    train, test = (read(DEMO / "data" / f"{split}.jsonl") for split in ("train", "test"))
    general_rows = read(ROOT / "suites" / "builtin" / "general" / "examples.jsonl")
    fact_rows = read(DEMO / "tasks" / "facts.jsonl")
    base = Student(DEMO / "model")
    print("| what | exact match ± SE | seen phrasings | unseen phrasings | |\n|---|---|---|---|---|", flush=True)
    kept = Kept(general_rows, fact_rows, general(base, general_rows), facts(base, fact_rows))
    if not arguments.only_aggressive:
        trivial(train, test, arguments.seeds)
        prompted = baselines(base, train, test, arguments.seeds)
        line("base on general", kept.general)
        line("base on facts (chance 0.25)", kept.facts)
        trained = tuned(GENTLE, train, test, kept, arguments.seeds)
        judge_lines(test, prompted, trained)
    if not arguments.no_aggressive:
        tuned(AGGRESSIVE, train, test, kept, arguments.seeds)


if __name__ == "__main__":
    main()
