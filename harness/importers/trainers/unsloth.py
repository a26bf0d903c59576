"""Unsloth: the YAML of its studio. Defaults are those of its command line, `unsloth train --config`."""

from __future__ import annotations

from collections.abc import Mapping

from harness.importers.trainers.draft import Draft, words
from harness.importers.trainers.ledger import HARMLESS, LEARNT, Ledger, Reason
from harness.importers.trainers.shapes import Shape
from harness.importers.trainers.sources import Source, locate

SETTINGS = {
    "max_seq_length": "max_length",
    "num_epochs": "epochs",
    "learning_rate": "learning_rate",
    "batch_size": "batch_size",
    "gradient_accumulation_steps": "gradient_accumulation",
    "weight_decay": "weight_decay",
    "packing": "packing",
}
ADAPTER = {"lora_r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "target_modules": "target_modules"}
DEFAULTS = {
    "max_length": 2048,
    "epochs": 3.0,
    "learning_rate": 2e-4,
    "batch_size": 2,
    "gradient_accumulation": 4,
    "weight_decay": 0.01,
}
ADAPTER_DEFAULTS = {"rank": 64, "alpha": 16, "dropout": 0.0}
FORMATS = {"alpaca": Shape("instruction"), "sharegpt": Shape("chat", {"messages": "conversations"})}

REASONS = [
    Reason(("training.train_on_completions",), "the loss here is on the answers only", learnt=True),
    Reason(("lora.finetune_vision_layers",), "pictures are not shown here", learnt=True),
    Reason(("lora.use_loftq", "lora.finetune_*"), "", learnt=True),
    Reason(("lora.vision_all_linear",), "pictures are not shown here", learnt=True),
    Reason(("training.*", "logging.*"), HARMLESS),
]


def recognise(tree: Mapping[str, object]) -> bool:
    """Whether a file is a config of Unsloth's studio."""
    return isinstance(tree.get("model"), str) and isinstance(tree.get("training"), dict) and "data" in tree


def read(draft: Draft) -> None:
    """What the studio's config says of model, method, settings and data."""
    theirs = draft.theirs
    training, lora = theirs.at("training"), theirs.at("lora")
    draft.model(theirs, "model")
    kind = str(training.carry("training.method", "training_type") or "lora")
    four = training.carry("training.method", "load_in_4bit") is not False
    draft.method("qlora" if kind == "lora" and four else kind, f"training_type: {kind}")
    draft.settings(SETTINGS, training)
    draft.packing("packing")
    draft.counts(training)
    if kind == "lora":
        draft.settings(ADAPTER, lora)
        draft.variant(lora)
        draft.same(lora, {"use_loftq": False, "vision_all_linear": False, "finetune_language_layers": True})
        draft.same(lora, {"finetune_attention_modules": True, "finetune_mlp_modules": True})
        for ours, value in ADAPTER_DEFAULTS.items():
            draft.default(ours, value)
    else:
        lora.carry("no adapter there")
    for ours, value in DEFAULTS.items():
        draft.default(ours, value)
    if not draft.warmup:
        draft.default("warmup_share", 0.0)
    if training.get("train_on_completions"):
        training.carry("only answers are learnt", "train_on_completions")
    elif "train_on_completions" not in training.tree:
        draft.remarks.append(f"{LEARNT}: no train_on_completions: whole texts are learnt there, answers alone here")
    draft.remarks.append(f"{LEARNT}: the learning rate falls in a straight line there, in a cosine here")
    draft.trackers(theirs.at("logging"))
    draft.seed(training, "random_seed")
    draft.train = _sources(draft, theirs.at("data"))


def _sources(draft: Draft, entry: Ledger) -> list[Source]:
    shape = FORMATS.get(str(entry.carry("data.train", "format_type")), Shape())
    names = words(entry.carry("data.train", "local_dataset")) or words(entry.carry("data.train", "dataset"))
    return [Source(name, locate(name, draft.config), shape=shape) for name in names]
