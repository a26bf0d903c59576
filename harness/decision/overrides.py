"""Careful defaults that an experiment has set aside, in the words of its file: a headline names them."""

from __future__ import annotations

from harness.config.policy import Policy
from harness.config.schema import ExperimentConfig

LAX_ABOVE = ("suspicious_gain", "max_unscored", "max_truncated", "max_looks")
LAX_BELOW = ("confidence",)
OTHER = ("constant_answers", "chat_template_kwargs")

# Findings about the exam that block unless they are told not to.
EXAM_FINDINGS = (
    "empty_split", "empty_input", "empty_target", "broken_targets",
    "train_test_overlap", "train_exam_overlap", "validation_test_overlap", "train_validation_overlap",
)  # fmt: skip


def overrides(config: ExperimentConfig) -> list[str]:
    """The settings of an experiment that ask for less than a careful default does, as its file has them."""
    policy, default = config.policy, Policy()
    lax = [name for name in LAX_ABOVE if getattr(policy, name) > getattr(default, name)]
    lax += [name for name in LAX_BELOW if getattr(policy, name) < getattr(default, name)]
    lax += [name for name in OTHER if getattr(policy, name) != getattr(default, name)]
    told = [f"policy.{name}: {getattr(policy, name)}" for name in lax]
    levels = {name: level for name, level in config.data.findings.items() if name in EXAM_FINDINGS and level != "block"}
    return told + [f"data.findings.{name}: {level}" for name, level in levels.items()]
