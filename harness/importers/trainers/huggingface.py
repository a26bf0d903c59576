"""What trainers built on transformers have in common: names and defaults of its TrainingArguments."""

from __future__ import annotations

from harness.importers.trainers.ledger import HARMLESS, Reason

SETTINGS = {
    "per_device_train_batch_size": "batch_size",
    "gradient_accumulation_steps": "gradient_accumulation",
    "num_train_epochs": "epochs",
    "learning_rate": "learning_rate",
    "warmup_ratio": "warmup_share",
    "weight_decay": "weight_decay",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "packing": "packing",
}
"""Their names for our training settings."""

DEFAULTS = {"epochs": 3.0, "batch_size": 8, "gradient_accumulation": 1, "weight_decay": 0.0}
SAME = {
    "lr_scheduler_type": "cosine",
    "max_grad_norm": (1, 1.0),
    "optim": ("adamw_torch", "adamw_torch_fused"),
    "do_train": True,
    "neftune_noise_alpha": (0, 0.0),
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "load_in_8bit": False,
    "resume_from_checkpoint": False,
    "group_by_length": False,
}

LEARNT = [
    Reason(("optim*", "adam_*", "adafactor"), "AdamW with its usual settings is used here", learnt=True),
    Reason(("lr_scheduler*",), "a cosine down to 0 is used here", learnt=True),
    Reason(("max_grad_norm",), "gradients are cut at 1.0 here", learnt=True),
    Reason(("neftune_noise_alpha",), "no noise is added here", learnt=True),
    Reason(("label_smoothing*",), "the loss is not smoothed here", learnt=True),
    Reason(("adapter_name_or_path", "resume_from_checkpoint"), "the training here starts from the base", learnt=True),
    Reason(("chat_template*", "*eos_token", "*pad_token"), "the tokenizer's own is used here", learnt=True),
    Reason(("load_in_8bit",), "the base is not held in eight bits here", learnt=True),
    Reason(("group_by_length", "train_sampling_strategy"), "rows are drawn at random here", learnt=True),
]
"""Settings that change what is learnt and have no counterpart."""

RUNS = [
    Reason(
        ("output_dir", "logging*", "save*", "overwrite*", "report_to", "run_name", "push*", "hub*", "log_*"), HARMLESS
    ),
    Reason(
        ("eval*", "per_device_eval*", "predict*", "do_*", "metric*", "load_best*", "greater_is*", "compute_*"), HARMLESS
    ),
    Reason(("bf16*", "fp16*", "tf32", "dtype", "torch_dtype", "attn_implementation", "use_cache", "*quant*"), HARMLESS),
    Reason(
        ("deepspeed", "fsdp*", "ddp*", "gradient_checkpointing*", "torch_compile*", "activation_offloading"), HARMLESS
    ),
    Reason(
        ("preprocessing*", "dataloader*", "dataset_num_proc", "trust_remote_code", "*_token", "cache_dir"), HARMLESS
    ),
    Reason(
        ("wandb*", "trackio*", "seed", "data_seed", "remove_unused*", "padding_free", "pad_to*", "include_*"), HARMLESS
    ),
    Reason(
        ("use_liger*", "use_vllm", "vllm_*", "disable_tqdm", "full_determinism", "auto_find*", "average_*"), HARMLESS
    ),
]
"""Settings that say how it runs, and not what is learnt."""
