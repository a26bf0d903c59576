"""What is wrong with the data, before anything is trained on it or marked with it -> list of Findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from suites.checks import agreement, bias, content, labels, leaks
from suites.checks.material import Check, Material
from suites.types import Finding

Level = Literal["block", "warn", "info", "off"]
CheckName = Literal[
    "empty_split",
    "empty_input",
    "empty_target",
    "duplicates",
    "near_duplicates",
    "conflicts",
    "train_validation_overlap",
    "train_validation_near",
    "train_validation_words",
    "train_test_overlap",
    "train_test_near",
    "train_test_words",
    "train_exam_overlap",
    "train_exam_near",
    "train_exam_words",
    "train_calibration_overlap",
    "train_calibration_near",
    "train_calibration_words",
    "validation_test_overlap",
    "validation_test_near",
    "validation_test_words",
    "template",
    "unseen_leaks",
    "small_train",
    "small_test",
    "majority",
    "imbalance",
    "unseen_labels",
    "broken_targets",
    "secrets",
    "special_tokens",
    "control_characters",
    "personal_data",
    "unreviewed",
    "roles",
    "chat_template",
    "double_bos",
    "truncation",
    "no_stop",
    "untrained",
    "prompt_prefix",
    "equal_preferences",
    "longer_chosen",
    "diversity",
    "agreement",
    "groups",
    "missing_groups",
    "label_rates",
]
ORDER = ("block", "warn", "info")


def check(
    material: Material, levels: Mapping[CheckName, Level] | None = None, on_step: Callable[[], None] = lambda: None
) -> list[Finding]:
    """Every finding about the material, the gravest first; `on_step` is called after each entry of `CHECKS`.

    `levels` replaces a check's own level by name, the way `data.findings` does in the experiment file; what is `off`
    is left out.
    """
    found: list[Finding] = []
    for look in CHECKS:
        found += look(material)
        on_step()
    return at_levels(found, levels or {})


def at_levels(findings: list[Finding], levels: Mapping[CheckName, Level]) -> list[Finding]:
    """Findings at the levels that were chosen for them, the gravest first."""
    chosen: dict[str, Level] = {str(name): level for name, level in levels.items()}
    found = []
    for finding in findings:
        level = chosen.get(finding.check, finding.level)
        if level != "off":
            found.append(replace(finding, level=level))
    return sorted(found, key=lambda finding: ORDER.index(finding.level))


CHECKS: tuple[Check, ...] = (
    content.empty_test,
    content.empty_text,
    leaks.overlaps,
    labels.sizes,
    labels.majority,
    labels.imbalance,
    labels.unseen_labels,
    labels.broken_targets,
    content.unreviewed,
    content.roles,
    content.secrets,
    content.personal_data,
    content.special_tokens,
    content.control_characters,
    content.diversity,
    agreement.annotators,
    bias.groups,
    bias.label_rates,
)
