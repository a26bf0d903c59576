"""torchtune's YAML, whose sections name components, such as `model: {_component_: torchtune.models.qwen2.qwen2_7b}`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.importers.trainers.draft import Count, Draft, number, words
from harness.importers.trainers.ledger import HARMLESS, LEARNT, Ledger, Reason
from harness.importers.trainers.plain_text import plain_text
from harness.importers.trainers.shapes import Shape
from harness.importers.trainers.sources import Source, find, locate
from suites.errors import UserError

ADAPTER = {"lora_rank": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout"}
SETTINGS = {"batch_size": "batch_size", "gradient_accumulation_steps": "gradient_accumulation", "epochs": "epochs"}
DEFAULTS = {"epochs": 1.0, "batch_size": 1, "gradient_accumulation": 1, "weight_decay": 0.01}
ADAPTER_DEFAULTS = {"rank": 8, "alpha": 16, "dropout": 0.0}
MODULES = {"output_proj": "o_proj"}
MLP = ["gate_proj", "up_proj", "down_proj"]
LOSSES = {"DPOLoss": "dpo"}
SUPERVISED = ("LinearCrossEntropyLoss", "CEWithChunkedOutputLoss", "CrossEntropyLoss")

BUILT_IN: Mapping[str, tuple[str, Shape]] = {
    "alpaca_dataset": ("tatsu-lab/alpaca", Shape("instruction")),
    "alpaca_cleaned_dataset": ("yahma/alpaca-cleaned", Shape("instruction")),
    "samsum_dataset": ("Samsung/samsum", Shape("instruction", {"instruction": "dialogue", "output": "summary"})),
    "grammar_dataset": (
        "liweili/c4_200m",
        Shape("instruction", {"instruction": "input", "input": "", "output": "output"}),
    ),
    "slimorca_dataset": ("Open-Orca/SlimOrca-Dedup", Shape("chat", {"messages": "conversations"})),
    "stack_exchange_paired_dataset": (
        "lvwerra/stack-exchange-paired",
        Shape("pairs", {"prompt": "question", "chosen": "response_j", "rejected": "response_k"}),
    ),
    "hh_rlhf_helpful_dataset": ("RLHFlow/HH-RLHF-Helpful-standard", Shape("pairs")),
}
"""Datasets that are named by their component alone."""
PLAIN = ("text_completion_dataset", "wikitext_dataset", "cnn_dailymail_articles_dataset")

REASONS = [
    Reason(("model.apply_lora_to_output",), "the last layer is not adapted here", learnt=True),
    Reason(("quantizer*", "kd_*", "teacher_*"), "", learnt=True),
    Reason(("optimizer*",), "AdamW with its usual settings is used here", learnt=True),
    Reason(("lr_scheduler*",), "a cosine down to 0 is used here", learnt=True),
    Reason(("loss.label_smoothing",), "the loss is not smoothed here", learnt=True),
    Reason(("clip_grad_norm",), "gradients are cut at 1.0 here", learnt=True),
    Reason(
        ("tokenizer.prompt_template", "tokenizer.*template"), "the tokenizer's own chat template is used here", True
    ),
    Reason(("dataset*.train_on_input",), "the loss here is on the answers only", learnt=True),
    Reason(("dataset*.filter_fn", "dataset*.image*", "dataset*.*transform*"), "not applied here", learnt=True),
    Reason(
        ("resume_from_checkpoint", "checkpointer.recipe_checkpoint", "checkpointer.adapter_checkpoint"),
        "the training here starts from the base",
        True,
    ),
    Reason(("shuffle",), "rows are drawn at random here", learnt=True),
    Reason(
        ("output_dir", "tokenizer*", "checkpointer*", "metric_logger*", "log_*", "profiler*", "device", "dtype"),
        HARMLESS,
    ),
    Reason(
        ("compile*", "enable_*", "optimizer_in_bwd", "save_*", "seed", "run_val*", "batch_size_val", "fsdp*"), HARMLESS
    ),
    Reason(
        ("*parallel*", "custom_sharded*", "low_cpu*", "loss*", "collate_fn", "ref_checkpointer*", "use_*", "*ac_*"),
        HARMLESS,
    ),
    Reason(("model._component_",), HARMLESS),
]


def recognise(tree: Mapping[str, object]) -> bool:
    """Whether a file is a config of torchtune."""
    model = tree.get("model")
    return isinstance(model, dict) and str(model.get("_component_", "")).startswith("torchtune.")


def read(draft: Draft) -> None:
    """What the config says of model, method, settings and data."""
    theirs = draft.theirs
    _model(draft)
    _method(draft)
    draft.settings(SETTINGS, theirs)
    draft.settings(ADAPTER, theirs.at("model"))
    draft.setting("max_length", theirs.at("tokenizer"), "max_seq_len")
    draft.setting("beta", theirs.at("loss"), "beta")
    optimizer = theirs.at("optimizer")
    draft.settings({"lr": "learning_rate", "weight_decay": "weight_decay"}, optimizer)
    if str(optimizer.get("_component_")).endswith(".AdamW"):
        optimizer.carry("done here anyway", "_component_")
        optimizer.carry("done here anyway", "fused")
    _defaults(draft)
    draft.seed(theirs, "seed")
    if theirs.get("shuffle") is True:
        theirs.carry("done here anyway", "shuffle")
    draft.same(theirs, {"resume_from_checkpoint": False})
    draft.train = _sources(draft, "dataset", "train")
    draft.validation = _sources(draft, "dataset_val", "validation")
    if "max_length" not in draft.training:
        draft.remarks.append("no tokenizer.max_seq_len: rows of any length there, of 1,024 tokens here; see max_length")


def _model(draft: Draft) -> None:
    """The folder of weights: a checkpointer reads them there, whatever the component is called."""
    folder = _resolved(draft, draft.theirs.at("checkpointer").get("checkpoint_dir"))
    if not folder:
        raise UserError("names no weights", str(draft.config), "add `checkpointer: {checkpoint_dir: FOLDER}`")
    found = find(folder, draft.config)
    draft.theirs.carry("model", "checkpointer", "checkpoint_dir")
    draft.experiment["model"] = draft.path(found) if found else folder
    if not found:
        draft.remarks.append(
            f"no folder {folder} here: where the weights lie elsewhere, name it, or a Hub id, as model"
        )


def _resolved(draft: Draft, value: object) -> str:
    """A text with `${name}` in place of what the file says under that name."""
    return re.sub(r"\$\{([\w.]+)\}", lambda m: str(draft.theirs.get(*m[1].split(".")) or m[0]), str(value or ""))


def _last(component: object) -> str:
    return str(component or "").rpartition(".")[2]


def _method(draft: Draft) -> None:
    theirs, model = draft.theirs, draft.theirs.at("model")
    loss, name = _last(theirs.get("loss", "_component_")), _last(model.get("_component_"))
    for place in (("model", "_component_"), ("loss", "_component_")):
        theirs.carry("training.method", *place)
    if theirs.get("teacher_model") or theirs.get("kd_loss"):
        draft.method("distillation", "teacher_model: a distillation", theirs.get("output_dir"))
    if loss and loss not in (*LOSSES, *SUPERVISED):
        draft.method(loss, f"loss: {loss}", theirs.get("output_dir"))
    adapted = "qlora" if name.startswith("qlora_") or model.carry("training.method", "quantize_base") else "lora"
    kind = adapted if name.startswith(("lora_", "qlora_")) else "full"
    draft.method(LOSSES.get(loss, kind), loss)
    if loss in LOSSES and kind != "lora":
        draft.remarks.append(f"{LEARNT}: preferences are learnt by a LoRA on the base in full here, there by {name}")
    if model.carry("training.variant", "use_dora") and kind != "full":
        draft.training["variant"] = "dora"
    if kind != "full":
        _modules(draft, model)


def _modules(draft: Draft, model: Ledger) -> None:
    named = [MODULES.get(name, name) for name in words(model.get("lora_attn_modules"))]
    named += MLP if model.get("apply_lora_to_mlp") else []
    for key in ("lora_attn_modules", "apply_lora_to_mlp"):
        model.carry("training.target_modules", key)
    if named:
        draft.training["target_modules"] = named
    if model.get("apply_lora_to_output") is False or "apply_lora_to_output" not in model.tree:
        model.carry("done here anyway", "apply_lora_to_output")


def _defaults(draft: Draft) -> None:
    theirs = draft.theirs
    scheduler = theirs.at("lr_scheduler")
    steps, epochs = number(theirs.get("max_steps_per_epoch")), number(draft.training.get("epochs", 1))
    if isinstance(steps, int | float) and isinstance(epochs, int | float):
        draft.steps = Count(steps * epochs, ("max_steps_per_epoch",))
    warmup = number(scheduler.get("num_warmup_steps"))
    if isinstance(warmup, int | float) and warmup > 0:
        draft.warmup = Count(warmup, ("lr_scheduler", "num_warmup_steps"))
    if "cosine" in str(scheduler.get("_component_")):
        scheduler.carry("done here anyway", "_component_")
    if not scheduler.tree:
        draft.remarks.append(f"{LEARNT}: no lr_scheduler: the learning rate stays as it is there, and falls here")
    if theirs.get("clip_grad_norm") is None:
        draft.remarks.append(f"{LEARNT}: no clip_grad_norm: gradients are not cut there, and at 1.0 here")
    adapter = ADAPTER_DEFAULTS if draft.training["method"] != "full" else {}
    for ours, value in {**adapter, **DEFAULTS}.items():
        draft.default(ours, value)
    if not draft.warmup:
        draft.default("warmup_share", 0.0)


# --- data -----------------------------------------------------------------------------------------------------------


def _sources(draft: Draft, name: str, to: str) -> list[Source]:
    listed = draft.theirs.get(name)
    if isinstance(listed, list):
        return [_source(draft, draft.theirs.at(name, number), to) for number in range(len(listed))]
    return [_source(draft, draft.theirs.at(name), to)] if listed else []


def _source(draft: Draft, entry: Ledger, to: str) -> Source:
    component = _last(entry.carry(f"data.{to}", "_component_"))
    if component in PLAIN:
        raise plain_text(draft)
    source, shape = BUILT_IN.get(component, ("", Shape()))
    shape = _shape(draft, entry, component, shape, to)
    name = _resolved(draft, entry.carry(f"data.{to}", "source")) or source
    if not name:
        raise UserError(f"the dataset {component} is not known here", str(draft.config), "name its rows as `source`")
    files = locate(name, draft.config, words(entry.carry(f"data.{to}", "data_files")))
    if entry.get("packed"):
        draft.setting("packing", entry, "packed")
        draft.packing("packed")
    elif "packed" in entry.tree:
        entry.carry("training.packing", "packed")
    if entry.get("train_on_input") is False:
        entry.carry("only answers are learnt", "train_on_input")
    entry.carry(f"data.{to}", "split")
    entry.carry(f"data.{to}", "name")
    config = str(entry.get("name") or "")
    return Source(name, files, config=config, split=str(entry.get("split") or "train"), shape=shape)


def _shape(draft: Draft, entry: Ledger, component: str, known: Shape, to: str) -> Shape:
    """How the rows of a component are read, with the columns that its entry maps."""
    given = {ours: str(entry.carry(f"data.{to}", "column_map", ours)) for ours in entry.at("column_map").tree}
    system = str(entry.carry(f"data.{to}", "new_system_prompt") or "")
    if component == "chat_dataset":
        column = str(entry.carry(f"data.{to}", "conversation_column") or "conversations")
        style = entry.carry(f"data.{to}", "conversation_style")
        turn = ("from", "value") if style == "sharegpt" else ("role", "content")
        return Shape("chat", {"messages": column}, turn=turn, system=system)
    if component == "preference_dataset" or draft.learns_from == "preferences":
        return Shape("pairs", {**known.columns, **given}, system=system)
    if component.startswith("alpaca"):
        draft.text_of_alpaca(component)
    if component == "instruct_dataset":
        columns = {"instruction": given.get("input", "input"), "output": given.get("output", "output"), "input": ""}
        return Shape("instruction", columns, system=system)
    if given:
        return Shape(known.kind, {**known.columns, **given}, system=system)
    return Shape(known.kind, known.columns, system=system)
