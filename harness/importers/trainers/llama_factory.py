"""LLaMA-Factory's YAML and its `dataset_info.json`. Names and defaults are those of its `hparams` and `data`."""

from __future__ import annotations

from collections.abc import Mapping

from harness.importers.trainers import huggingface
from harness.importers.trainers.dataset_info import read_data
from harness.importers.trainers.draft import Draft
from harness.importers.trainers.ledger import HARMLESS, Reason
from harness.importers.trainers.plain_text import plain_text

SETTINGS = {
    **huggingface.SETTINGS,
    "lora_rank": "rank",
    "lora_target": "target_modules",
    "cutoff_len": "max_length",
    "pref_beta": "beta",
}
"""Their names for our training settings."""

DEFAULTS = {"learning_rate": 5e-5, "max_length": 2048, **huggingface.DEFAULTS}
SAME = {
    **huggingface.SAME,
    "train_on_prompt": False,
    "mask_history": True,
    "pref_loss": "sigmoid",
    "pref_ftx": (0, 0.0),
    "dpo_label_smoothing": (0, 0.0),
    "kto_chosen_weight": (1, 1.0),
    "kto_rejected_weight": (1, 1.0),
    "mix_strategy": "concat",
    "freeze_language_model": False,
}
STAGES = {"sft": "sft", "dpo": "dpo", "kto": "kto", "rm": "reward"}

TOKENIZER = "the tokenizer is taken as it is"
REASONS = [
    Reason(("train_on_prompt",), "the loss here is on the answers only", learnt=True),
    Reason(("mask_history",), "only the last answer is learnt here", learnt=True),
    Reason(
        ("template", "tool_format", "default_system", "*_thinking"), "the tokenizer's own template is used here", True
    ),
    Reason(("resize_vocab", "add_*tokens", "new_special*", "init_special*", "split_special*"), TOKENIZER, learnt=True),
    Reason(
        ("use_galore", "galore*", "use_apollo", "apollo*", "use_badam", "badam*", "use_muon"),
        "AdamW is used here",
        True,
    ),
    Reason(("use_adam_mini", "loraplus*"), "AdamW is used here", learnt=True),
    Reason(("neat_packing",), "packed rows never see each other here", learnt=True),
    Reason(
        ("additional_target", "pissa*", "use_*_loss", "*_alpha", "use_llama_pro", "freeze_*", "oft_*"), "", learnt=True
    ),
    Reason(("pref_*", "dpo_*", "kto_*", "simpo_*", "ppo_*", "ref_model*", "reward_model*"), "", learnt=True),
    Reason(("mix_strategy", "interleave_probs", "shift_attn", "rope_scaling", "mixture_of_depths"), "", learnt=True),
    Reason(
        ("image_*", "video_*", "audio_*", "media_dir", "crop_*", "use_audio*"),
        "pictures and sounds are not shown",
        True,
    ),
    Reason(("dataset_info*.ms_hub_url", "dataset_info*.om_hub_url"), "the rows are taken from the other Hub"),
    *huggingface.LEARNT,
    *huggingface.RUNS,
    Reason(("plot_loss", "export*", "val_size", "pure_bf16", "fp8*", "flash_attn", "upcast*", "infer*"), HARMLESS),
    Reason(
        ("*reentrant*", "disable_gradient*", "ray*", "use_ray", "tokenized_path", "use_fast*", "streaming"), HARMLESS
    ),
    Reason(
        ("swanlab*", "use_swanlab", "low_cpu*", "enable_liger*", "use_unsloth*", "kt_*", "use_kt", "mixed_*"), HARMLESS
    ),
    Reason(("*parallel*", "overlap_*", "*_fusion", "moe_*", "recompute*", "use_distributed*"), HARMLESS),
    Reason(("buffer_size", "data_shared*", "use_v1*", "print_*", "rdzv*"), HARMLESS),
]


def recognise(tree: Mapping[str, object]) -> bool:
    """Whether a file is a config of LLaMA-Factory."""
    telling = {"stage", "finetuning_type", "dataset", "dataset_dir", "template", "cutoff_len", "export_dir"}
    return "model_name_or_path" in tree and bool(telling & set(tree))


def read(draft: Draft) -> None:
    """What the config says of model, method, settings and data."""
    theirs = draft.theirs
    draft.model(theirs, "model_name_or_path", revision="model_revision")
    _method(draft)
    draft.same(theirs, SAME)
    draft.settings(SETTINGS, theirs)
    draft.packing("packing")
    draft.last_answer = bool(theirs.get("mask_history"))
    draft.answers(theirs, "max_new_tokens")
    _defaults(draft)
    draft.trackers(theirs)
    draft.seed(theirs, "seed")
    read_data(draft)


def _defaults(draft: Draft) -> None:
    """What holds there where the file says nothing."""
    kind = draft.training["method"]
    draft.counts(draft.theirs)
    if kind != "full":
        draft.default("rank", 8)
        draft.default("alpha", 2 * int(draft.training["rank"]))
        draft.default("dropout", 0.0)
    if kind in ("dpo", "kto"):
        draft.default("beta", 0.1)
    for ours, value in DEFAULTS.items():
        draft.default(ours, value)
    if not draft.warmup:
        draft.default("warmup_share", 0.0)
    draft.falls_in_a_line(draft.theirs)


def _method(draft: Draft) -> None:
    theirs = draft.theirs
    stage = str(theirs.get("stage") or "sft")
    kind = str(theirs.get("finetuning_type") or "lora")
    for name in ("stage", "finetuning_type"):
        theirs.carry("training.method", name)
    if stage == "pt":
        raise plain_text(draft)
    bits = theirs.get("quantization_bit")
    loss = theirs.get("pref_loss")
    if stage == "dpo" and loss not in (None, "sigmoid"):
        draft.method(str(loss), f"pref_loss: {loss}", theirs.get("output_dir"))
    draft.method(STAGES.get(stage, stage) if stage != "sft" else "lora", f"stage: {stage}", theirs.get("output_dir"))
    if STAGES[stage] != "sft":
        if kind != "lora" or bits:
            why = "preferences are learnt by a LoRA on the base in full here"
            theirs.tell(why, "quantization_bit" if bits else "finetuning_type", learnt=True)
        return
    draft.method(_supervised(draft, kind, bits), f"finetuning_type: {kind}", theirs.get("output_dir"))
    draft.variant(theirs)


def _supervised(draft: Draft, kind: str, bits: object) -> str:
    if bits == 4 and kind == "lora":
        draft.theirs.carry("training.method", "quantization_bit")
        return "qlora"
    if bits:
        draft.theirs.tell("the base is held in four bits here, or in full", "quantization_bit", learnt=True)
    return kind
