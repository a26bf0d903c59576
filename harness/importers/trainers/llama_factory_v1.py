"""The second form of LLaMA-Factory's YAML, with `model`, `train_dataset` and sections for plugins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.importers.trainers.draft import Draft, number
from harness.importers.trainers.ledger import HARMLESS, LEARNT, Ledger, Reason
from harness.importers.trainers.shapes import Shape
from harness.importers.trainers.sources import Source, find, locate
from suites.errors import UserError
from suites.text.yaml_text import load_theirs

SETTINGS = {
    "micro_batch_size": "batch_size",
    "cutoff_len": "max_length",
    "learning_rate": "learning_rate",
    "num_train_epochs": "epochs",
    "pref_beta": "beta",
}
ADAPTER = {"r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "target_modules": "target_modules"}
DEFAULTS = {"batch_size": 1, "max_length": 2048, "learning_rate": 1e-4, "epochs": 3.0, "gradient_accumulation": 1}
ADAPTER_DEFAULTS = {"rank": 8, "alpha": 16, "dropout": 0.05}
SAME = {"max_grad_norm": (1, 1.0), "pref_loss": "sigmoid", "pref_ftx": (0, 0.0), "model_class": "llm"}
CONVERTERS = {"alpaca": Shape("instruction"), "sharegpt": Shape("chat", {"messages": "conversations"})}

REASONS = [
    Reason(("optim_config*",), "AdamW with its usual settings is used here", learnt=True),
    Reason(("lr_scheduler_config*",), "a cosine down to 0 is used here", learnt=True),
    Reason(("custom_chat_template",), "the tokenizer's own is used here", learnt=True),
    Reason(
        ("peft_config.adapter_name_or_path", "resume_from_checkpoint"), "the training here starts from the base", True
    ),
    Reason(
        ("peft_config.modules_to_save", "pref_*", "simpo_gamma", "dpo_label_smoothing", "ld_alpha"), "", learnt=True
    ),
    Reason(("max_grad_norm",), "gradients are cut at 1.0 here", learnt=True),
    Reason(("batching_strategy",), "rows of a batch are padded here, or packed", learnt=True),
    Reason(("model_class",), "a model that answers in text is trained here", learnt=True),
    Reason(("train_dataset.*.weight", "train_dataset.*.streaming"), "every row is taken once here", learnt=True),
    Reason(("dist_*", "kernel_*", "init_*", "dp_*", "cp_*", "mp_*", "flash_attn", "bf16", "sample_backend"), HARMLESS),
    Reason(
        ("output_dir", "save_*", "logging*", "batching_workers", "enable_*", "trust_remote_code"),
        HARMLESS,
    ),
    Reason(("peft_config.export*", "peft_config.infer*", "full_determinism", "quant_config*", "report_to"), HARMLESS),
]


def recognise(tree: Mapping[str, object]) -> bool:
    """Whether a file is a config of LLaMA-Factory in its second form."""
    return isinstance(tree.get("model"), str) and isinstance(tree.get("train_dataset"), str)


def read(draft: Draft) -> None:
    """What the config says of model, method, settings and data."""
    theirs = draft.theirs
    draft.model(theirs, "model")
    train = _sources(draft, "train_dataset", "data.train")
    _method(draft, pairs=any(_is_pairs(source) for source in train))
    draft.same(theirs, SAME)
    draft.settings(SETTINGS, theirs)
    draft.answers(theirs, "max_new_tokens")
    draft.settings(ADAPTER, theirs.at("peft_config"))
    draft.whole_batch(theirs, "global_batch_size")
    draft.counts(theirs)
    if draft.training["method"] != "full":
        for ours, value in ADAPTER_DEFAULTS.items():
            draft.default(ours, value)
    for ours, value in DEFAULTS.items():
        draft.default(ours, value)
    if not theirs.get("lr_scheduler_config"):
        draft.default("warmup_share", 0.0)
        draft.remarks.append(
            f"{LEARNT}: no lr_scheduler_config: the learning rate is the trainer's own there, a cosine here"
        )
    draft.seed(theirs, "seed")
    draft.train = [_shaped(draft, source) for source in train]
    if theirs.get("eval_dataset"):
        draft.validation = [_shaped(draft, source) for source in _sources(draft, "eval_dataset", "data.validation")]


def _is_pairs(source: Source) -> bool:
    if source.shape.kind == "recognised" and source.here and source.files[0].exists():
        return any({"chosen", "chosen_messages"} & row.keys() for row in source.rows()[:1])
    return source.shape.kind == "pairs"


def _shaped(draft: Draft, source: Source) -> Source:
    """Rows without a converter have messages of parts, or pairs of them."""
    if source.shape.kind != "recognised":
        return source
    return source.shaped(Shape("pairs") if draft.learns_from == "preferences" else Shape("chat"))


def _method(draft: Draft, pairs: bool) -> None:
    adapter, quant = draft.theirs.at("peft_config"), draft.theirs.at("quant_config")
    kind = str(adapter.carry("training.method", "name") or "full")
    loss = draft.theirs.get("pref_loss")
    if pairs:
        draft.method("dpo" if loss in (None, "sigmoid") else str(loss), f"pref_loss: {loss}")
        if kind != "lora":
            adapter.tell("preferences are learnt by a LoRA on the base in full here", "name", learnt=True)
        return
    if kind == "lora" and quant.get("quantization_bit") == 4:
        quant.carry("training.method")
        kind = "qlora"
    draft.method(kind, f"peft_config.name: {kind}", draft.theirs.get("output_dir"))
    draft.variant(adapter)


def _sources(draft: Draft, name: str, to: str) -> list[Source]:
    """The datasets of a YAML file that lists them, or the one file or dataset that is named."""
    named = str(draft.theirs.carry(to, name))
    if not named.endswith((".yaml", ".yml")):
        return [Source(named, locate(named, draft.config))]
    found = find(named, draft.config)
    if found is None:
        fix = "type the command in the folder that the trainer is started in"
        raise UserError(f"no such list of datasets: {named}", str(draft.config), fix)
    listed = load_theirs(found)
    ledger = draft.theirs.add(name, listed if isinstance(listed, dict) else {})
    return [_source(draft, ledger.at(key), to, found) for key in ledger.tree]


def _source(draft: Draft, entry: Ledger, to: str, listed: Path) -> Source:
    path = str(entry.carry(to, "path") or "")
    local = entry.get("source") == "local"
    files = locate(path, draft.config) or ((Path(path),) if local else ())
    converter = str(entry.get("converter") or "")
    for key in ("source", "split", "size", "converter"):
        entry.carry(to, key)
    if converter and converter not in (*CONVERTERS, "pair"):
        entry.tell("say under data.columns where input and target are", "converter", learnt=True)
    size = number(entry.get("size"))
    return Source(
        path,
        files,
        split=str(entry.get("split") or "train"),
        limit=int(size) if isinstance(size, int | float) else None,
        shape=Shape("pairs") if converter == "pair" else CONVERTERS.get(converter, Shape()),
    )
