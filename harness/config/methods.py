"""The training methods by the name an experiment file has for them, and what is known of each before it is run.

To add one, write a file in `harness/training/methods` with a function that builds its trainer, and a line here. The
table stands with the settings, which check an experiment file against it long before anything is trained; it names the
functions and does not import them, for they bring torch along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make new weights.

    `build` is the function (start, data, config, out) -> Job that makes its trainer, as "module:function";
    `adapter` the function (config, task) -> PeftConfig for the adapter it trains, where it leaves one. A method that
    learns from rows is supervised. `beta` is how strongly it is usually held to where it starts.
    """

    label: str
    about: str
    learning_rate: float
    build: str = "harness.training.methods.sft:supervised"
    adapter: str = "harness.training.methods.adapters:lora"
    learns_from: Literal["rows", "preferences", "rewards"] = "rows"
    leaves: Literal["adapter", "weights", "reward model"] = "adapter"
    four_bit: bool = False  # the frozen base is held in four bits
    virtual_tokens: bool = False  # the adapter is tokens that take room in the model's context
    packing: bool = False  # rows may be laid end to end
    ewc: bool = False  # elastic weight consolidation knows what it changes
    beta: float = 0.0
    least_batch: int = 1
    splits: bool = True  # a step in several passes is the same step
    recomputes: bool = True  # activations may be computed again for the backward pass


METHODS: dict[str, Method] = {
    "lora": Method("LoRA", "a low-rank change of every linear layer", 2e-4, packing=True, ewc=True),
    "qlora": Method("QLoRA", "LoRA on a base held in four bits", 2e-4, four_bit=True, packing=True),
    "full": Method("full fine-tune", "every weight of the base", 2e-5, leaves="weights", packing=True, ewc=True),
    "prompt_tuning": Method(
        "prompt tuning",
        "virtual tokens before the input",
        3e-2,
        adapter="harness.training.methods.adapters:prompt_tuning",
        virtual_tokens=True,
    ),
    "prefix_tuning": Method(
        "prefix tuning",
        "virtual keys and values before the input in every layer",
        1e-2,
        adapter="harness.training.methods.adapters:prefix_tuning",
        virtual_tokens=True,
        recomputes=False,  # the layers would be without their prefix then
    ),
    "ia3": Method(
        "IA3",
        "learned factors for keys, values and feed-forward activations",
        5e-3,
        adapter="harness.training.methods.adapters:ia3",
        packing=True,
    ),
    "dpo": Method(
        "DPO",
        "direct preference optimisation, from pairs of a better and a worse answer",
        1e-5,
        build="harness.training.methods.preference:dpo",
        learns_from="preferences",
        beta=0.1,
    ),
    "kto": Method(
        "KTO",
        "Kahneman-Tversky optimisation, from single answers rated good or bad",
        5e-6,
        build="harness.training.methods.preference:kto",
        learns_from="preferences",
        beta=0.1,
        least_batch=2,
        splits=False,
    ),
    "reward": Method(
        "reward model",
        "a model that marks answers, from pairs; a stage before `rloo` or `grpo`",
        1e-4,
        build="harness.training.methods.reward_model:build",
        learns_from="preferences",
        leaves="reward model",
    ),
    "rloo": Method(
        "RLOO",
        "reinforces answers of its own that are rewarded more than the others to the same prompt",
        1e-5,
        build="harness.training.methods.online:rloo",
        learns_from="rewards",
        beta=0.05,
        splits=False,
    ),
    "grpo": Method(
        "GRPO",
        "as `rloo`, with rewards measured in their standard deviations and steps that are clipped",
        1e-5,
        build="harness.training.methods.online:grpo",
        learns_from="rewards",
        splits=False,
    ),
}
"""The learning rates are usual ones. TRL's defaults are for all weights, and an adapter takes about ten times as much
(https://huggingface.co/docs/trl/v1.12.0/en/peft_integration); KTO no more than 5e-6 at the usual beta
(https://huggingface.co/docs/trl/v1.12.0/en/kto_trainer, learning rate recommendations). The betas are TRL's."""
