"""Pretrains the demo's tiny model from nothing, and its judge from that model.

    python -m harness.demo.pretrain [--work FOLDER] [--threads 2]

One seeded command. It keeps a checkpoint under --work, so after a kill the same command goes on where it stopped, and
ends with ordinary Hugging Face folders `harness/demo/model/` and `harness/demo/judge/`. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from harness.demo import corpus
from harness.demo.documents import Document, episode_document, judge_document
from harness.demo.init import structured_init
from harness.demo.muon import build_optimizers
from harness.demo.tokenizer import build_tokenizer
from suites.types import Json

SEED = 1
HERE = Path(__file__).parent
CHECKPOINT_EVERY = 200
Draw = Callable[[random.Random, PreTrainedTokenizerFast, int], Document]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stretch of training: what is read from which step on, in which batches (rows, tokens), and how fast."""

    name: str
    steps: int
    draws: Mapping[int, Draw]
    batches: tuple[tuple[int, int], ...]
    matrix_lr: float
    other_lr: float
    decay: bool


def _episodes(mix: dict[str, float]) -> Draw:
    return lambda rng, tokenizer, length: episode_document(corpus.draw_episode(rng, mix), tokenizer, length)


# Long windows hold eight examples and the question; short ones practise the question without any example.
WINDOWS = ((10, 336), (10, 336), (42, 80))
FOUNDATION = (
    Stage("recall", 150, {0: _episodes(corpus.RECALL_MIX)}, ((32, 96),), 0.02, 2e-3, decay=False),
    Stage("everything", 1500, {0: _episodes(corpus.FULL_MIX)}, WINDOWS, 0.016, 1.6e-3, decay=True),
)
# The model goes on to practise messages; the judge branches off before that.
MESSAGES = {0: _episodes(corpus.MESSAGE_MIX), 1600: _episodes(corpus.ROUTE_MIX)}
MODEL_STAGES = (Stage("messages", 2600, MESSAGES, WINDOWS, 0.013, 1.3e-3, decay=True),)
JUDGE_STAGES = (Stage("judge", 600, {0: judge_document}, ((32, 112),), 0.012, 1.5e-3, decay=True),)


def new_model(vocabulary: int) -> LlamaForCausalLM:
    """An untrained model, about a million weights."""
    config = LlamaConfig(
        attn_implementation="eager",  # on a CPU, and this small, twice as fast as the fused kernel
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
    )
    model = LlamaForCausalLM(config)
    structured_init(model)
    return model


def batch_of(documents: list[Document], length: int) -> tuple[Tensor, Tensor]:
    """Token ids and the weight of each token in the loss, padded on the right to at least `length`."""
    length = rounded_up(max(length, *(len(document.ids) for document in documents)), 16)
    ids = torch.zeros(len(documents), length, dtype=torch.long)
    weights = torch.zeros(len(documents), length)
    for row, document in enumerate(documents):
        ids[row, : len(document.ids)] = torch.tensor(document.ids)
        weights[row, : len(document.ids)] = torch.tensor(document.weights)
    return ids, weights


def rounded_up(number: int, multiple: int) -> int:
    """Few different shapes: each new one costs the CPU kernels time and memory that is never given back."""
    return -(-number // multiple) * multiple


def loss_and_accuracy(model: LlamaForCausalLM, ids: Tensor, weights: Tensor) -> tuple[Tensor, float]:
    """Weighted cross-entropy over the tokens that count; the vocabulary is only computed for those."""
    weight = weights[:, 1:].flatten()
    counted = weight.nonzero().flatten()
    counted = torch.cat([counted, counted.new_zeros(rounded_up(len(counted), 256) - len(counted))])  # position 0: <s>
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        logits = model.lm_head(hidden.flatten(0, 1)[counted]).float()
    wanted, weight = ids[:, 1:].flatten()[counted], weight[counted]
    losses = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
    certain = weight >= 1
    accuracy = (logits.argmax(-1) == wanted)[certain].float().mean().item()
    return (losses * weight).sum() / weight.sum(), accuracy


class Trainer:
    """Goes through one stage; everything it needs to go on after a kill is in `state`."""

    def __init__(self, model: LlamaForCausalLM, stage: Stage, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        self.model, self.stage, self.tokenizer = model, stage, tokenizer
        self.rng = random.Random(seed)
        self.optimizers = build_optimizers(model, stage.matrix_lr, stage.other_lr)
        self.step = 0
        self.tokens = 0
        self.accuracy = 0.0

    @property
    def state(self) -> Json:
        return {
            "stage": self.stage.name,
            "step": self.step,
            "tokens": self.tokens,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "rng": self.rng.getstate(),
        }

    def restore(self, state: Json) -> None:
        self.step, self.tokens = state["step"], state["tokens"]
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.rng.setstate(state["rng"])

    def speed(self) -> float:
        """Share of the full learning rate: a short warm-up, then a cosine where the stage asks for one."""
        warm = min(1.0, (self.step + 1) / 30)
        if not self.stage.decay:
            return warm
        return warm * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * self.step / self.stage.steps)))

    def advance(self) -> None:
        """One optimiser step."""
        rows, length = self.stage.batches[self.step % len(self.stage.batches)]
        draw = self.stage.draws[max(start for start in self.stage.draws if start <= self.step)]
        ids, weights = batch_of([draw(self.rng, self.tokenizer, length) for _ in range(rows)], length)
        loss, accuracy = loss_and_accuracy(self.model, ids, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer, rate in zip(self.optimizers, (self.stage.matrix_lr, self.stage.other_lr), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * self.speed()
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self.tokens += ids.numel()
        self.accuracy += (accuracy - self.accuracy) * max(0.03, 1 / self.step)


def run_stage(trainer: Trainer, checkpoint: Path, console: Console) -> None:
    """Train to the end of the stage, saving now and then."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(trainer.stage.name, total=trainer.stage.steps, completed=trainer.step)
        while trainer.step < trainer.stage.steps:
            trainer.advance()
            progress.update(task, advance=1, description=f"{trainer.stage.name} accuracy {trainer.accuracy:.3f}")
            if trainer.step % CHECKPOINT_EVERY == 0 or trainer.step == trainer.stage.steps:
                save_checkpoint(trainer.state, checkpoint)
                if not console.is_terminal:
                    console.print(
                        f"{trainer.stage.name} step {trainer.step} of {trainer.stage.steps}, "
                        f"{trainer.tokens / 1e6:.2f}M tokens, accuracy {trainer.accuracy:.3f}"
                    )


def save_checkpoint(state: Json, path: Path) -> None:
    """Write whole or not at all: a kill while saving leaves the previous checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    partial.replace(path)


def train(
    model: LlamaForCausalLM, stages: tuple[Stage, ...], work: Path, tokenizer: PreTrainedTokenizerFast, console: Console
) -> None:
    """Run the stages in order, each from its own checkpoint if there is one."""
    for number, stage in enumerate(stages):
        checkpoint = work / f"{stage.name}.pt"
        trainer = Trainer(model, stage, tokenizer, SEED + number)
        if checkpoint.exists():
            trainer.restore(torch.load(checkpoint, weights_only=True))
        run_stage(trainer, checkpoint, console)


def export(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write an ordinary Hugging Face folder; the model card beside it is left alone."""
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("pretrain-run"), help="where checkpoints are kept")
    parser.add_argument("--out", type=Path, default=HERE, help="where model/ and judge/ are written")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="needs a C++ compiler")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(SEED)
    console = Console(stderr=True)
    tokenizer = build_tokenizer()
    model = new_model(len(tokenizer))
    if arguments.compile:
        model.model.compile(dynamic=False)  # nearly twice as fast on a CPU; the batches have only a few shapes
    train(model, FOUNDATION, arguments.work, tokenizer, console)
    foundation = {name: weight.clone() for name, weight in model.state_dict().items()}
    for name, stages in (("model", MODEL_STAGES), ("judge", JUDGE_STAGES)):
        model.load_state_dict(foundation)
        train(model, stages, arguments.work, tokenizer, console)
        export(model, tokenizer, arguments.out / name)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        sys.exit(130)
