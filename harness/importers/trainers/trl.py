"""YAML for the command line of TRL: `trl sft --config`, `trl dpo --config`. It does not say which of them."""

from __future__ import annotations

from collections.abc import Mapping

from harness.importers.trainers import huggingface
from harness.importers.trainers.draft import Draft, number, words
from harness.importers.trainers.ledger import HARMLESS, LEARNT, Ledger, Reason
from harness.importers.trainers.shapes import Kind, Shape
from harness.importers.trainers.sources import Source, locate
from suites.errors import UserError

SETTINGS = {
    **huggingface.SETTINGS,
    "lora_r": "rank",
    "lora_target_modules": "target_modules",
    "max_length": "max_length",
    "max_seq_length": "max_length",
    "beta": "beta",
    "num_generations": "completions",
}
DEFAULTS = {"max_length": 1024, **huggingface.DEFAULTS}
RATES = {"dpo": 1e-6, "kto": 1e-6, "reward": 1e-4, "grpo": 1e-6, "rloo": 1e-6}  # 2e-5 else
ADAPTER = {"rank": 16, "alpha": 32, "dropout": 0.05}
SAME = {
    **huggingface.SAME,
    "loss_type": ("sigmoid", "nll", "kto", ["sigmoid"]),
    "desirable_weight": (1, 1.0),
    "undesirable_weight": (1, 1.0),
    "truncation_mode": "keep_start",
    "assistant_only_loss": True,
    "completion_only_loss": True,
    "dataset_text_field": "text",
    "use_peft": True,
}
MARKS: Mapping[str, tuple[str, ...]] = {
    "grpo": ("num_iterations", "epsilon", "delta", "scale_rewards", "reward_funcs"),
    "rloo": ("normalize_advantages", "reward_clip_range"),
    "kto": ("desirable_weight", "undesirable_weight"),
    "dpo": (
        "precompute_ref_log_probs",
        "ld_alpha",
        "f_divergence_type",
        "discopop_tau",
        "use_weighting",
        "rpo_alpha",
        "beta",
    ),
    "reward": ("center_rewards_coefficient",),
    "sft": ("packing", "completion_only_loss", "assistant_only_loss", "dataset_text_field", "eval_packing"),
}
"""Settings that one of the trainers alone has, the rarest first."""

KINDS: Mapping[str, Kind] = {"dpo": "pairs", "reward": "pairs", "kto": "rated"}

REASONS = [
    Reason(
        ("loss_type", "loss_weights", "label_smoothing", "ld_alpha", "f_*", "discopop*", "rpo_alpha"), "", learnt=True
    ),
    Reason(("desirable_weight", "undesirable_weight", "sync_ref*", "ref_model*", "use_weighting"), "", learnt=True),
    Reason(("completion_only_loss", "assistant_only_loss"), "the loss here is on the answers only", learnt=True),
    Reason(("lora_modules_to_save", "lora_target_parameters", "lora_task_type"), "", learnt=True),
    Reason(("reward*", "epsilon*", "scale_rewards", "num_iterations", "temperature", "top_*"), "", True),
    Reason(
        ("max_prompt_length", "truncation_mode", "dataset_kwargs*", "shuffle_dataset", "packing_strategy"), "", True
    ),
    *huggingface.LEARNT,
    *huggingface.RUNS,
    Reason(("precompute_ref*", "dataset_streaming", "streaming", "ignore_bias*", "model_init_kwargs*"), HARMLESS),
]


def recognise(tree: Mapping[str, object]) -> bool:
    """Whether a file is a config for TRL's command line."""
    return "model_name_or_path" in tree and bool({"dataset_name", "datasets", "use_peft", "dataset_mixer"} & set(tree))


def read(draft: Draft) -> None:
    """What the config says of model, method, settings and data."""
    theirs = draft.theirs
    draft.model(theirs, "model_name_or_path", revision="model_revision")
    sources = _sources(draft, "dataset_train_split", "train")
    _method(draft, sources)
    draft.same(theirs, SAME)
    draft.settings(SETTINGS, theirs)
    draft.packing("packing")
    draft.answers(theirs, "max_completion_length")
    _defaults(draft)
    draft.trackers(theirs)
    draft.seed(theirs, "seed")
    kind = KINDS.get(draft.training["method"], "recognised")
    draft.train = [source.shaped(Shape(kind, source.shape.columns)) for source in sources]
    if theirs.get("dataset_test_split") and theirs.get("dataset_name"):
        held = _sources(draft, "dataset_test_split", "test")
        draft.validation = [source.shaped(Shape(kind, source.shape.columns)) for source in held if not source.here]
        if not draft.validation:
            theirs.tell(
                "a file has one split; name the file of validation rows in data.validation", "dataset_test_split"
            )
    share = number(theirs.carry("data.split.validation", "test_split_size"))
    draft.share = float(share) if isinstance(share, int | float) else 0.0


def _defaults(draft: Draft) -> None:
    method = draft.training["method"]
    draft.counts(draft.theirs)
    if method != "full":
        for ours, value in ADAPTER.items():
            draft.default(ours, value)
        draft.library_chooses("lora_target_modules")
    draft.default("learning_rate", RATES.get(method, 2e-5))
    for ours, value in DEFAULTS.items():
        draft.default(ours, value)
    if not draft.warmup:
        draft.default("warmup_share", 0.0)
    draft.falls_in_a_line(draft.theirs)


# --- which trainer --------------------------------------------------------------------------------------------------


def _method(draft: Draft, sources: list[Source]) -> None:
    """By the rows where they are here, else by settings that one trainer alone has, else by the file's name."""
    theirs = draft.theirs
    name, why = _trainer(draft, sources)
    if not why:
        name, why = "sft", "nothing in it says otherwise"
        draft.remarks.append(f"{LEARNT}: the file does not say which trainer it is for: taken for `trl sft`")
    elif name != "sft":
        draft.remarks.append(f"taken for `trl {name}`: {why}")
    loss = theirs.get("loss_type")
    if name == "dpo" and loss not in (None, "sigmoid", ["sigmoid"]):
        draft.method(str(loss), f"loss_type: {loss}", theirs.get("output_dir"))
    adapted, four = bool(theirs.get("use_peft")), bool(theirs.get("load_in_4bit"))
    for key in ("use_peft", "load_in_4bit"):
        theirs.carry("training.method", key)
    if name == "sft":
        draft.method(("qlora" if four else "lora") if adapted else "full", "sft")
        draft.variant(theirs)
        return
    draft.method(name, f"trl {name}")
    if not adapted or four:
        draft.remarks.append(f"{LEARNT}: preferences and rewards are learnt by a LoRA on the base in full here")


def _trainer(draft: Draft, sources: list[Source]) -> tuple[str, str]:
    for source in sources:
        if source.here and source.files[0].exists() and (rows := source.rows()):
            columns = set(rows[0])
            if {"chosen", "rejected"} <= columns:
                return (
                    ("reward", "its rows are pairs") if "reward" in draft.config.stem else ("dpo", "its rows are pairs")
                )
            if "label" in columns and {"completion", "messages"} & columns:
                return "kto", "its rows are rated"
    for name, marks in MARKS.items():
        if given := [mark for mark in marks if draft.theirs.get(mark) is not None]:
            return name, f"it has {given[0]}"
    stem = draft.config.stem.lower()
    named = next((name for name in MARKS if name in stem), "")
    return named, "so its file is called" if named else ""


# --- data -----------------------------------------------------------------------------------------------------------


def _sources(draft: Draft, key: str, split: str) -> list[Source]:
    theirs = draft.theirs
    to = f"data.{'train' if split == 'train' else 'validation'}"
    wanted = str(theirs.carry(to, key) or split)
    if name := theirs.carry(to, "dataset_name"):
        config = str(theirs.carry(to, "dataset_config") or "")
        return [Source(str(name), locate(str(name), draft.config), config=config, split=wanted)]
    listed = theirs.get("datasets")
    entries = [theirs.at("datasets", number) for number in range(len(listed) if isinstance(listed, list) else 0)]
    return [_one(draft, entry, to) for entry in entries]


def _one(draft: Draft, entry: Ledger, to: str) -> Source:
    for key in ("path", "name", "data_files", "split"):
        entry.carry(to, key)
    name = str(entry.get("path") or "")
    if not name:
        raise UserError("a dataset has no `path`", str(draft.config), "add the file or the dataset of the Hub")
    if entry.get("columns"):
        entry.tell("all columns are read here, by what they are called", "columns")
    return Source(
        name,
        locate(name, draft.config, words(entry.get("data_files"))),
        config=str(entry.get("name") or ""),
        split=str(entry.get("split") or "train"),
    )
