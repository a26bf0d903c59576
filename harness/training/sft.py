"""Supervised fine-tuning through TRL, as LoRA or of every weight; the loss is on the answers only."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import peft
import torch
import transformers
import trl

from harness.models import hf_files, hf_loading
from harness.models.hf_text import ChatTokenizer
from harness.models.spec import NonFiniteWeights
from harness.training import record, running
from harness.training.asking import ask
from harness.training.rows import IGNORED, Tokens, check_rows, tokenize_all
from harness.training.types import (
    OnLog,
    Probe,
    TrainingConfig,
    TrainingData,
    TrainingDiverged,
    TrainingPruned,
    TrainingResult,
)
from harness.training.watching import Watch
from suites.errors import UserError
from suites.types import ModelSpec

LEARNING_RATES = {"lora": 2e-4, "full": 2e-5}


def train(
    spec: ModelSpec,
    data: TrainingData,
    config: TrainingConfig,
    out: Path,
    on_log: OnLog | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingResult:
    """Train as `config.method` says. `out` becomes the adapter's or the model's folder, with tokenizer and template.

    The work is done in `out` + ".partial" and renamed at the end, so an interrupted training leaves no `out`, goes on
    from its last checkpoint, and one that finished is not done again.
    """
    hf_loading.quiet()
    if spec.adapter:
        raise UserError("Training starts from a base, not from an adapter.", spec.adapter, "Take the adapter out.")
    rate = config.learning_rate
    if rate is not None and not 0 < rate < math.inf:
        raise UserError(f"learning_rate is {rate}.", "training: learning_rate", "Give a number above 0, e.g. 2e-4.")
    base = hf_files.base_folder(spec.base, spec.revision)
    made_from = record.origin(spec, base, data, config)
    finished = record.read(out, made_from, spec)
    if finished:
        return finished
    chat = ChatTokenizer(base)
    rows, validation = _rows(chat, base, data, config)
    partial = out.with_name(out.name + ".partial")
    running.prepare(partial, made_from)
    watch = _watch(chat, base, data, config, probes, on_log)
    trainer = _trainer(_load(base, spec, config), chat, rows, validation, config, partial)
    try:
        with running.told_when_full(partial):
            best = running.run(trainer, watch, partial)
            _save(trainer.model, chat, spec, base, partial)
    except (TrainingDiverged, TrainingPruned):
        shutil.rmtree(partial)
        raise
    result = TrainingResult(
        spec=record.tuned_spec(spec, config.method, out),
        seconds=watch.seconds,
        steps=trainer.state.global_step,
        trained_parameters=sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        train_rows=len(rows),
        loss_tokens=sum(label != IGNORED for row in rows for label in row["labels"]),
        best_step=best,
        loss_curve=watch.curve,
        remarks=watch.remarks,
    )
    versions = {module.__name__: str(module.__version__) for module in (torch, transformers, trl, peft)}
    with running.told_when_full(partial):
        record.write(partial, made_from, result, versions)
    running.clear(partial)
    partial.rename(out)
    return result


def _watch(
    chat: ChatTokenizer,
    base: Path,
    data: TrainingData,
    config: TrainingConfig,
    probes: Sequence[Probe],
    on_log: OnLog | None,
) -> Watch:
    stops, room = hf_loading.stop_ids(base, chat.tokenizer.eos_token_id), hf_loading.context_length(base)
    return Watch(
        lambda model, prompts, most: ask(model, chat, prompts, stops, room, most),
        probes,
        data.train,
        config.patience,
        on_log,
    )


def _rows(
    chat: ChatTokenizer, base: Path, data: TrainingData, config: TrainingConfig
) -> tuple[list[Tokens], list[Tokens]]:
    limit = min(config.max_length, hf_loading.context_length(base))
    stops = hf_loading.stop_ids(base, chat.tokenizer.eos_token_id)
    rows = tokenize_all(chat, data.train, stops)
    validation = tokenize_all(chat, data.validation, stops)
    check_rows(rows, limit, stops, "training")
    if validation:
        check_rows(validation, limit, stops, "validation")
    return rows, validation


def _load(base: Path, spec: ModelSpec, config: TrainingConfig) -> Any:
    # Updates of all weights are too small for bfloat16 to hold; a LoRA's base is frozen and may be rounded.
    full = config.method == "full"
    return hf_loading.load_base(
        base, "float32" if full else hf_loading.pick_dtype(spec.dtype, hf_loading.pick_device())
    )


def _trainer(
    model: Any, chat: ChatTokenizer, rows: list[Tokens], validation: list[Tokens], config: TrainingConfig, out: Path
) -> trl.SFTTrainer:
    device = hf_loading.pick_device()
    args = trl.SFTConfig(
        output_dir=str(out),
        num_train_epochs=config.epochs,
        learning_rate=LEARNING_RATES[config.method] if config.learning_rate is None else config.learning_rate,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup_share,  # a share of all steps when below 1
        weight_decay=config.weight_decay,
        seed=config.seed,
        data_seed=config.seed,
        max_length=config.max_length,
        dataset_kwargs={"skip_prepare_dataset": True},  # `tokenize` did it, as the model reads it at test time
        **running.arguments(config, bool(validation)),
        prediction_loss_only=True,
        logging_steps=1,
        logging_nan_inf_filter=False,  # by default a loss of NaN is logged as 0
        report_to="none",
        disable_tqdm=True,
        use_cpu=device == "cpu",
        bf16=hf_loading.pick_dtype("auto", device) == "bfloat16",
        gradient_checkpointing=device != "cpu",
        dataloader_pin_memory=device == "cuda",
    )
    try:
        trainer = trl.SFTTrainer(
            model,
            args,
            train_dataset=datasets.Dataset.from_list(rows),
            eval_dataset=datasets.Dataset.from_list(validation) if validation else None,
            processing_class=chat.tokenizer,
            peft_config=_adapter(config) if config.method == "lora" else None,
        )
    except ValueError as error:  # e.g. target modules the model does not have
        reason = hf_files.first_line(error)
        raise UserError(f"The training cannot be set up: {reason}", "training", "Change the setting.") from error
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _adapter(config: TrainingConfig) -> peft.LoraConfig:
    targets = config.target_modules
    return peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
    )


def _save(model: Any, chat: ChatTokenizer, spec: ModelSpec, base: Path, out: Path) -> None:
    try:
        hf_loading.check_finite([p for p in model.named_parameters() if p[1].requires_grad], "the trained model")
    except NonFiniteWeights as error:
        raise TrainingDiverged(f"Training diverged: {error}") from error
    if isinstance(model, peft.PeftModel):
        model.peft_config["default"].base_model_name_or_path = str(base) if Path(spec.base).is_dir() else spec.base
        # False: the embeddings were not trained, and deciding it automatically asks the Hub.
        model.save_pretrained(out, save_embedding_layers=False)
        (out / "README.md").unlink(missing_ok=True)  # a form with nothing filled in
    else:
        model.to(hf_loading.stored_dtype(base)).save_pretrained(out)
        if (base / "generation_config.json").is_file():
            shutil.copyfile(base / "generation_config.json", out / "generation_config.json")
    chat.save(out)
