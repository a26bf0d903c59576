"""Axolotl's YAML. Names and defaults are those of https://docs.axolotl.ai/docs/config-reference.html."""

from __future__ import annotations

from collections.abc import Mapping

from harness.importers.trainers.axolotl_data import sources
from harness.importers.trainers.draft import Draft, number, shown, words
from harness.importers.trainers.ledger import HARMLESS, LEARNT, Reason
from harness.importers.trainers.plain_text import plain_text

SETTINGS = {
    "lora_r": "rank",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "lora_target_modules": "target_modules",
    "sequence_len": "max_length",
    "micro_batch_size": "batch_size",
    "gradient_accumulation_steps": "gradient_accumulation",
    "num_epochs": "epochs",
    "learning_rate": "learning_rate",
    "warmup_ratio": "warmup_share",
    "weight_decay": "weight_decay",
    "sample_packing": "packing",
    "early_stopping_patience": "patience",
}
"""Their names for our training settings."""

DEFAULTS = {"batch_size": 1, "gradient_accumulation": 1, "epochs": 1.0, "max_length": 512, "weight_decay": 0.0}
WARMUP = 0.03  # of the steps, at most 100 of them, where their file says nothing
SAME = {
    "lora_target_linear": True,
    "lr_scheduler": "cosine",
    "train_on_inputs": False,
    "shuffle_merged_datasets": True,
    "strict": (True, False),
    "max_grad_norm": (1, 1.0),
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "load_in_8bit": False,
    "group_by_length": False,
    "gptq": False,
    "streaming": False,
    "relora": False,
    "optimizer": ("adamw_torch", "adamw_torch_fused"),
    "kto_desirable_weight": (1, 1.0),
    "kto_undesirable_weight": (1, 1.0),
    "model_type": "AutoModelForCausalLM",
    "tokenizer_type": "AutoTokenizer",
    "chat_template": "tokenizer_default",
}
BETAS = ("rl_beta", "dpo_beta", "kto_beta")
METHODS = {"dpo": "dpo", "kto": "kto", "grpo": "grpo"}

REASONS = [
    Reason(("train_on_inputs",), "the loss here is on the answers only", learnt=True),
    Reason(("datasets.roles_to_train", "test_datasets.roles_to_train"), "only answers are learnt here", learnt=True),
    Reason(("datasets.train_on_eos", "datasets.train_on_eot"), "the end of an answer is learnt here", learnt=True),
    Reason(
        ("chat_template", "chat_template_jinja", "datasets.chat_template*"), "the tokenizer's own is used here", True
    ),
    Reason(("special_tokens*", "tokens*", "added_tokens*", "eot_tokens"), "the tokenizer is taken as it is", True),
    Reason(("optimizer", "optim_args*", "adam_*"), "AdamW with its usual settings is used here", learnt=True),
    Reason(("lr_scheduler*", "cosine_*", "eta_min", "lr_quadratic_warmup"), "a cosine down to 0 is used here", True),
    Reason(("peft_use_rslora", "peft_use_dora", "peft*", "lora_modules_to_save", "lora_target_parameters*"), "", True),
    Reason(("noisy_embedding_alpha", "neftune_noise_alpha"), "no noise is added here", learnt=True),
    Reason(("lora_model_dir", "resume_from_checkpoint"), "the training here starts from the base", learnt=True),
    Reason(("load_in_8bit",), "the base is not held in eight bits here", learnt=True),
    Reason(("max_grad_norm",), "gradients are cut at 1.0 here", learnt=True),
    Reason(
        ("unfrozen_parameters", "lisa*", "relora*", "qat*", "jagged_*", "eaft*", "use_eaft", "diffusion*"), "", True
    ),
    Reason(
        ("group_by_length", "curriculum_sampling", "shuffle_merged_datasets"), "rows are drawn at random here", True
    ),
    Reason(("min_sample_len", "excess_length_strategy"), "no row is left out or cut here", learnt=True),
    Reason(("dataset_exact_deduplication",), "`harness check --fix` leaves repeated rows out", learnt=True),
    Reason(("trl.*vllm*", "trl.log*", "trl.num_completions*", "trl.*prefetch*", "trl.rollout*"), HARMLESS),
    Reason(("trl.temperature", "trl.top_*", "trl.generation*"), "answers are drawn as here", True),
    Reason(("trl*", "kto_*", "dpo_*", "orpo_*", "simpo_*", "ebft*"), "", learnt=True),
    Reason(("datasets.field_tools", "datasets.*thinking*"), "not read as such here", learnt=True),
    Reason(("datasets.shards*", "datasets.preprocess_shards"), "all rows are taken here", learnt=True),
    Reason(
        ("output_dir", "hub_*", "push_*", "save*", "logging*", "eval*", "val_*", "wandb*", "mlflow*", "comet*"),
        HARMLESS,
    ),
    Reason(
        ("bf16", "fp16", "tf32", "float16", "bfloat16", "torch_dtype", "fp8*", "torch_compile*", "*flash*"), HARMLESS
    ),
    Reason(("gradient_checkpointing*", "activation_offloading", "deepspeed*", "fsdp*", "ddp*", "device*"), HARMLESS),
    Reason(("attn_*", "*_attention", "xformers*", "sdp*", "liger*", "*_kernel", "*_kernels", "kernel*"), HARMLESS),
    Reason(("plugins", "cut_cross_entropy", "dataset_*", "pad_to_*", "dataloader*", "skip_*", "low_cpu*"), HARMLESS),
    Reason(
        ("swanlab*", "use_swanlab", "trackio*", "use_wandb", "use_mlflow", "use_tensorboard", "report_to"), HARMLESS
    ),
    Reason(
        ("*parallel_size", "*_shard_size", "*replicate_size", "ray*", "use_ray", "local_rank", "auto_resume*"), HARMLESS
    ),
    Reason(
        ("tokenizer_*", "trust_remote_code", "hf_use_auth_token", "debug", "seed", "profile*", "loss_watchdog*"),
        HARMLESS,
    ),
    Reason(("datasets.ds_type", "test_datasets.ds_type", "*.trust_remote_code", "remove_unused_columns"), HARMLESS),
    Reason(
        ("sample_packing_*", "eval_sample_packing", "flex_*", "use_*metrics", "otel*", "tiled_mlp", "vllm*"), HARMLESS
    ),
]


def recognise(tree: Mapping[str, object]) -> bool:
    """Whether a file is a config of Axolotl."""
    return "base_model" in tree and not isinstance(tree.get("training"), dict)


def read(draft: Draft) -> None:
    """What the config says of model, method, settings and data."""
    theirs = draft.theirs
    draft.model(theirs, "base_model", revision="revision_of_model")
    _method(draft)
    draft.same(theirs, SAME)
    draft.settings(SETTINGS, theirs)
    if not theirs.get("gradient_accumulation_steps"):
        draft.whole_batch(theirs, "batch_size")
    draft.packing("sample_packing")
    _adapter(draft)
    draft.counts(theirs)
    for ours, value in DEFAULTS.items():
        draft.default(ours, value)
    if not draft.warmup:
        draft.default("warmup_share", WARMUP)
    draft.trackers(theirs)
    draft.seed(theirs, "seed")
    if theirs.get("pretraining_dataset"):
        raise plain_text(draft)
    draft.train = sources(draft, "datasets")
    draft.validation = sources(draft, "test_datasets")
    share = number(theirs.carry("data.split.validation", "val_set_size"))
    draft.share = float(share) if isinstance(share, int | float) else 0.0


def _method(draft: Draft) -> None:
    theirs = draft.theirs
    for name in ("rl", "adapter", "reward_model", "load_in_4bit"):
        if theirs.get(name) is not None:
            theirs.carry("training.method", name)
    leaves = theirs.get("output_dir")
    kind = str(theirs.get("adapter") or "full")
    if rl := theirs.get("rl"):
        loss = theirs.get("dpo_loss_type")
        name = METHODS.get(str(rl), str(rl)) if loss in (None, ["sigmoid"], "sigmoid") else f"{rl} with {shown(loss)}"
        draft.method(name, f"rl: {name}", leaves)
        _tell_of_adapter(draft, kind)
        _reinforced(draft)
        theirs.carry("training.method", "dpo_loss_type")
    elif theirs.get("process_reward_model"):
        draft.method("process_reward_model", "process_reward_model: true", leaves)
    elif theirs.get("reward_model"):
        draft.method("reward", "reward_model: true")
    else:
        kind = "qlora" if kind == "lora" and theirs.get("load_in_4bit") else kind
        draft.method(kind, f"adapter: {kind}", leaves)
        draft.variant(theirs, {"peft_use_rslora": "rslora", "peft_use_dora": "dora"})


def _tell_of_adapter(draft: Draft, kind: str) -> None:
    if kind != "lora" or draft.theirs.get("load_in_4bit"):
        why = "preferences and rewards are learnt by a LoRA on the base in full"
        place = "load_in_4bit" if draft.theirs.get("load_in_4bit") else "adapter"
        draft.theirs.tell(why, place, learnt=True)
        if draft.theirs.get("adapter") is None:
            draft.remarks.append(f"{LEARNT}: no adapter there, so every weight is trained; here {why}")


def _reinforced(draft: Draft) -> None:
    """How strongly it is held to the base, and what is drawn and rewarded."""
    for name in BETAS:
        draft.setting("beta", draft.theirs, name)
    trl = draft.theirs.at("trl")
    draft.setting("beta", trl, "beta")
    if draft.learns_from == "rewards":
        draft.setting("completions", trl, "num_generations")
        draft.answers(trl, "max_completion_length")
        rewards = trl.tell(
            "rewards here are a metric or a reward model: set training.reward", "reward_funcs", learnt=True
        )
        if rewards:
            draft.remarks.append(f"{LEARNT}: the reward is the task's own metric, not {', '.join(words(rewards))}")


def _adapter(draft: Draft) -> None:
    """What the trainer itself wants of an adapter, and the file does not say; every linear layer holds others, too."""
    if draft.theirs.get("lora_target_linear") is True and "target_modules" in draft.training:
        draft.training["target_modules"] = "all-linear"
    if not draft.theirs.get("adapter"):
        return
    missing = [name for name in ("lora_r", "lora_alpha") if draft.theirs.get(name) is None]
    if "target_modules" not in draft.training and draft.theirs.get("lora_target_linear") is not True:
        missing.append("lora_target_modules")
    if missing:
        draft.remarks.append(
            f"{LEARNT}: no {', '.join(missing)}: this harness's own, of rank 16, alpha 32 and every linear layer"
        )
