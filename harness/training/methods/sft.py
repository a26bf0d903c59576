"""One training from start to finish, by any method; and supervised fine-tuning through TRL, the usual one.

The loss is on the answers only.
"""

from __future__ import annotations

import functools
import pkgutil
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import peft
import torch
import transformers
import trl

from harness.config.recipe import TrainingConfig
from harness.models import files
from harness.models.errors import NonFiniteWeights
from harness.models.hf import loading
from harness.models.hf.chat import ChatTokenizer
from harness.observe.progress import say
from harness.training.data.tokens import IGNORED, Tokens, check_rows, tokenize_all
from harness.training.loop import record, run
from harness.training.loop.probe import Asker
from harness.training.loop.watch import Watch
from harness.training.memory import fit
from harness.training.memory.plans import Plan
from harness.training.methods import adapters, forgetting
from harness.training.sharing.proof import share_if_equal
from harness.training.types import (
    OnLog,
    Probe,
    TrainingData,
    TrainingDiverged,
    TrainingPruned,
    TrainingResult,
    TrainRow,
    left_by,
)
from suites.errors import UserError
from suites.model import ModelSpec


@dataclass(frozen=True, slots=True)
class Start:
    """Where a training starts: the model, the base's folder, how it reads, which tokens end an answer, how many tokens
    the context holds, and how many a row may have."""

    spec: ModelSpec
    base: Path
    chat: ChatTokenizer
    stops: list[int]
    room: int
    limit: int


@dataclass(frozen=True, slots=True)
class Job:
    """A trainer ready to run, how many rows and tokens with loss it learns from, and what to measure afterwards."""

    trainer: transformers.Trainer
    train_rows: int
    loss_tokens: int
    preferred: Callable[[], list[tuple[str, float]]] = list


Build = Callable[[Start, TrainingData, TrainingConfig, Path], Job]


def train(
    spec: ModelSpec,
    data: TrainingData,
    config: TrainingConfig,
    out: Path,
    on_log: OnLog | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingResult:
    """Train as `config.method` says. `out` becomes the adapter's or the model's folder, with tokenizer and template.

    The work is done in `out` + ".partial" and renamed at the end, so an interrupted training leaves no `out`, and one
    that finished is not done again. It goes on from its last checkpoint; a supervised one keeps its best weights.
    """
    loading.quiet()
    if spec.adapter and config.kind.learns_from == "rows":
        raise UserError("training starts from a base, not from an adapter", spec.adapter, "take the adapter out")
    base = files.base_folder(spec.base, spec.revision)
    made_from = record.origin(spec, base, data, config)
    finished = record.read(out, made_from, spec)
    if finished:
        return finished
    partial = out.with_name(out.name + ".partial")
    start = _start(spec, base, config)
    watch = _watch(start, data, config, probes, on_log)
    job = _build(start, data, config, partial)
    trainer, trained = job.trainer, sum(p.numel() for p in job.trainer.model.parameters() if p.requires_grad)
    with fit.told_when_short(config):
        plan = fit.plan(trainer, config, fit.noted(partial) if run.is_begun(partial, made_from) else None)
    with run.on_main(trainer) as main:
        if main:
            run.prepare(partial, made_from)  # now that nothing was refused
            if plan:
                fit.note(partial, plan)
    planned = _go_by(plan, trainer, config)
    try:
        with run.told_when_full(partial), fit.told_when_short(config):
            best = run.run(trainer, watch, partial)
            _save(trainer, start, partial)
    except (TrainingDiverged, TrainingPruned):
        shutil.rmtree(partial, ignore_errors=True)
        raise
    result = TrainingResult(
        spec=left_by(spec, config.method, out),
        seconds=watch.seconds,
        steps=trainer.state.global_step,
        trained_parameters=trained,
        train_rows=job.train_rows,
        loss_tokens=job.loss_tokens,
        best_step=best,
        loss_curve=watch.curve,
        remarks=watch.remarks,
        planned={config.method: planned} if planned else {},
        preferred=job.preferred(),
    )
    with run.on_main(trainer) as main:
        if main:
            _finish(partial, out, made_from, result)
    return result


def _go_by(plan: Plan | None, trainer: Any, config: TrainingConfig) -> str:
    """Let the trainer work by a plan; what is said of it."""
    if plan is None:
        return ""
    fit.apply(trainer, plan)
    if sentence := fit.told(plan, config):
        say(f"{config.kind.label}: {sentence}")
    return sentence


def _finish(partial: Path, out: Path, made_from: Mapping[str, Any], result: TrainingResult) -> None:
    versions = {module.__name__: str(module.__version__) for module in (torch, transformers, trl, peft)}
    with run.told_when_full(partial):
        record.write(partial, made_from, result, versions)
    run.clear(partial)
    partial.rename(out)


def _watch(
    start: Start, data: TrainingData, config: TrainingConfig, probes: Sequence[Probe], on_log: OnLog | None
) -> Watch:
    return Watch(Asker(start.chat, start.stops, start.room), probes, data.train, config.patience, on_log)


def _start(spec: ModelSpec, base: Path, config: TrainingConfig) -> Start:
    chat = ChatTokenizer(base, settings=spec.template_settings)
    room = loading.context_length(base)
    if config.kind.virtual_tokens:
        room -= config.virtual_tokens
    stops = loading.stop_ids(base, chat.tokenizer.eos_token_id)
    return Start(spec, base, chat, stops, room, min(config.max_length, room))


def _build(start: Start, data: TrainingData, config: TrainingConfig, out: Path) -> Job:
    build: Build = pkgutil.resolve_name(config.kind.build)
    try:
        job = build(start, data, config, out)
    except ValueError as error:  # e.g. target modules the model does not have
        reason = files.first_line(error)
        raise UserError(f"the training cannot be set up: {reason}", "training", "change the setting") from error
    job.trainer.remove_callback(transformers.PrinterCallback)
    for parameter in job.trainer.model.parameters():  # TRL rounds a QLoRA's to bfloat16, too coarse for small steps
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    _share(job.trainer)
    return job


def _share(trainer: Any) -> None:
    """Let the trainer's models read what the rows of a batch have in common once, where that changes nothing."""
    if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled:
        say("what rows have in common is read with each of them: the weights are spread over processes")
        return
    for model in filter(None, (trainer.model, getattr(trainer, "ref_model", None))):
        if reason := share_if_equal(model):
            say(f"what rows have in common is read with each of them: {reason}")


def supervised(start: Start, data: TrainingData, config: TrainingConfig, out: Path) -> Job:
    """Supervised fine-tuning, with general rows mixed in and a pull back to the base if the settings say so."""
    rows = tokens(start, data.train, "training")
    validation = tokens(start, data.validation, "validation") if data.validation else []
    general = tokens(start, data.general, "general") if config.replay or config.ewc else []
    learnt = forgetting.mix(rows, general, config.replay, config.seed) if config.replay else rows
    validation = run.sample(validation, len(learnt), config)
    model = adapters.load(start.spec, start.base, config)
    anchor = None
    if config.ewc:
        model.to(loading.pick_device())
        anchor = forgetting.Anchor(model, general, config.ewc, config.kind.leaves == "weights", config.seed)
    trainer = (functools.partial(forgetting.EwcTrainer, anchor) if anchor else trl.SFTTrainer)(
        model,
        trl.SFTConfig(
            **arguments(config, out, bool(validation)),
            max_length=None,  # no row is longer than `start.limit`
            padding_free=config.packing,
            dataset_kwargs={"skip_prepare_dataset": True},  # `tokens` did it, as the model reads it at test time
        ),
        train_dataset=datasets.Dataset.from_list(learnt),
        eval_dataset=datasets.Dataset.from_list(validation) if validation else None,
        processing_class=start.chat.tokenizer,
        peft_config=adapters.peft_config(config),
    )
    return Job(trainer, len(learnt), sum(label != IGNORED for row in learnt for label in row["labels"]))


def tokens(start: Start, rows: Sequence[TrainRow], what: str) -> list[Tokens]:
    """Rows as token ids with labels. Raises UserError where they would train quietly and badly."""
    tokenized = tokenize_all(start.chat, rows, start.stops)
    check_rows(tokenized, start.limit, start.stops, what)
    return tokenized


def beta(config: TrainingConfig) -> float:
    """How strongly the model is held to where it starts."""
    return config.kind.beta if config.beta is None else config.beta


def arguments(config: TrainingConfig, out: Path, validate: bool) -> dict[str, Any]:
    """What every trainer is told alike."""
    device, rows, again = loading.pick_device(), _rows_each(config.rows), config.gradient_checkpointing
    return {
        "output_dir": str(out),
        "num_train_epochs": config.epochs,
        "learning_rate": config.kind.learning_rate if config.learning_rate is None else config.learning_rate,
        "per_device_train_batch_size": rows,
        "per_device_eval_batch_size": rows,
        "gradient_accumulation_steps": config.gradient_accumulation,
        "lr_scheduler_type": "cosine",
        "warmup_steps": config.warmup_share,  # a share of all steps when below 1
        "weight_decay": config.weight_decay,
        "seed": config.seed,
        "data_seed": config.seed,
        **run.arguments(config, validate, judged=config.kind.learns_from == "rows"),
        "prediction_loss_only": True,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # by default a loss of NaN is logged as 0
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": device == "cpu",
        "bf16": loading.pick_dtype("auto", device) == "bfloat16",
        # Where nothing is planned.
        "gradient_checkpointing": device != "cpu" and config.kind.recomputes if again is None else again,
        "dataloader_pin_memory": device == "cuda",
    }


def _rows_each(batch_size: int) -> int:
    """What each process takes of a batch: the recipe is the same however many there are."""
    processes = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    if batch_size % processes:
        what = f"a batch of {batch_size} rows does not divide among {processes} processes"
        raise UserError(what, "training: batch_size", f"give a multiple of {processes}, or use fewer processes")
    return batch_size // processes


def _save(trainer: Any, start: Start, out: Path) -> None:
    """Leave the weights in `out`; where they are spread over processes, all take part and the main one writes."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not isinstance(model, peft.PeftModel):
        model.to(loading.stored_dtype(start.base))
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped if trainer.is_deepspeed_enabled else trainer.model)
    if not trainer.accelerator.is_main_process:
        return
    try:
        names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        loading.check_finite([(name, state[name]) for name in names], "the trained model")
    except NonFiniteWeights as error:
        raise TrainingDiverged(f"Training diverged: {error}") from error
    if isinstance(model, peft.PeftModel):
        name, kept = start.spec.base, model.peft_config["default"]
        kept.base_model_name_or_path = str(start.base) if Path(name).is_dir() else name
        if isinstance(getattr(kept, "target_modules", None), set):  # whose order is another in each process
            kept.target_modules = sorted(kept.target_modules)
        # Beside "default" there may be a copy of where the training began.
        # False: the embeddings were not trained, and deciding it automatically asks the Hub.
        model.save_pretrained(out, state_dict=state, selected_adapters=["default"], save_embedding_layers=False)
        (out / "README.md").unlink(missing_ok=True)  # a form with nothing filled in
    else:
        model.save_pretrained(out, state_dict=state)
        if (start.base / "generation_config.json").is_file():
            shutil.copyfile(start.base / "generation_config.json", out / "generation_config.json")
    start.chat.save(out)
