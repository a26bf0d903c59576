"""What can be wrong with the data, by the name a finding has. To add a check, write a file beside this and a line.

One function may find several things; it is called once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from suites.checks import agreement, bias, content, judgements, labels, leaks, media, tools
from suites.checks.material import Look, Material
from suites.types import Finding

Level = Literal["block", "warn", "info", "off", "fix"]
ORDER = ("block", "warn", "info")


@dataclass(frozen=True, slots=True)
class Check:
    """`look` finds it among the examples of a task. Where there is none it takes more than these to find it: the base's
    tokenizer, or preference pairs."""

    about: str
    look: Look | None = None


CHECKS: dict[str, Check] = {
    "empty_split": Check("a test or validation set without examples", content.empty_test),
    "empty_input": Check("rows without an input", content.empty_text),
    "empty_target": Check("rows without a target", content.empty_text),
    "duplicates": Check("the same input twice in one split", leaks.overlaps),
    "near_duplicates": Check("nearly the same input twice in one split", leaks.overlaps),
    "copies": Check("rows of an exam that ask the same, and so count as one piece of evidence"),
    "unseen_media": Check("images, sound or video beside the text, which no model here is shown", media.media),
    "judged_rows": Check("rows that a column marks as bad answers, or as not to be learnt", judgements.judgements),
    "rated_rows": Check("rows rated in numbers, all of which count alike", judgements.judgements),
    "masked_rows": Check("rows that say in a column which part of them is learnt", judgements.judgements),
    "told_apart": Check("columns that tell rows apart where inputs repeat and no prompt is known"),
    "left_out": Check("training rows that are left out, as the level `fix` of another check asks for"),
    "near_groups": Check("rows nearly the same as most others, which no split can keep together"),
    "conflicts": Check("the same input with different targets", leaks.overlaps),
    "train_validation_overlap": Check("validation inputs that stand in the training set", leaks.overlaps),
    "train_validation_near": Check("validation inputs nearly the same as one of the training set", leaks.overlaps),
    "train_validation_words": Check("validation inputs that share 13 words in a row with training", leaks.overlaps),
    "train_test_overlap": Check("test inputs that stand in the training set", leaks.overlaps),
    "train_test_near": Check("test inputs nearly the same as one of the training set", leaks.overlaps),
    "train_test_words": Check("test inputs that share 13 words in a row with training", leaks.overlaps),
    "train_exam_overlap": Check("inputs of a regression suite that stand in the training set", leaks.overlaps),
    "train_exam_near": Check("inputs of a regression suite nearly the same as one of training", leaks.overlaps),
    "train_exam_words": Check("inputs of a regression suite that share 13 words with training", leaks.overlaps),
    "train_calibration_overlap": Check("the judge's labelled pairs that stand in the training set", leaks.overlaps),
    "train_calibration_near": Check("the judge's labelled pairs nearly the same as a training input", leaks.overlaps),
    "train_calibration_words": Check("the judge's labelled pairs that share 13 words with training", leaks.overlaps),
    "validation_test_overlap": Check("test inputs that stand in the validation set", leaks.overlaps),
    "validation_test_near": Check("test inputs nearly the same as one of the validation set", leaks.overlaps),
    "validation_test_words": Check("test inputs that share 13 words in a row with validation", leaks.overlaps),
    "template": Check("words shared by many inputs, which the search for leaks leaves out", leaks.overlaps),
    "unseen_leaks": Check(
        "what the search for leaks cannot see: paraphrases, and short inputs inside a longer text", leaks.overlaps
    ),
    "unmade_prompt": Check("a prompt of the bar that cannot be made of these rows"),
    "shots_kept_back": Check("training rows that give an exam's answer away, and so are not shown to its question"),
    "shots_fit": Check("how many shots a prompt has room for, where as many are shown as fit"),
    "corpus_overlap": Check("questions of an exam that stand in the corpus of a prompt with their answers"),
    "corpus_questions": Check("questions of an exam that stand in the corpus of a prompt, without their answers"),
    "gold_passages": Check("how often, and at which rank, the passages that hold the answer are found in a corpus"),
    "encoder_reads": Check("rows or passages that an encoder does not read to their end"),
    "no_passage": Check("questions for which no passage of a corpus is found"),
    "no_instruction": Check("prompts of the bar that do not say what to do"),
    "unnamed_labels": Check("labels that no prompt of the bar names"),
    "edge_cases": Check("what is asked beside the exam by `task.edge_cases`, and which kinds there are none of"),
    "own_prompt": Check("a candidate's own prompt, which the base is asked with, too"),
    "added_prompt": Check("a prompt that is added to the default bar: one that lists the labels"),
    "small_train": Check("fewer training rows than fine-tuning usually takes", labels.sizes),
    "small_test": Check("a test set that decides only large differences", labels.sizes),
    "majority": Check("what always giving the most common training target would score", labels.majority),
    "imbalance": Check("labels that training hardly shows beside others it shows all the time", labels.imbalance),
    "unseen_labels": Check("labels that an exam asks for and training never shows", labels.unseen_labels),
    "label_variants": Check("one label in several spellings: case, spaces, Unicode forms", labels.label_variants),
    "broken_targets": Check("targets that the task's own metrics would not give full marks", labels.broken_targets),
    "unreviewed": Check("synthetic rows that name no reviewer", content.unreviewed),
    "roles": Check("conversations with a side missing, roles out of turn, or empty turns", content.roles),
    "secrets": Check("keys, tokens and passwords", content.secrets),
    "personal_data": Check("e-mail and IP addresses, phone, card and bank account numbers", content.personal_data),
    "special_tokens": Check("text that a tokenizer may take for the end of a turn", content.special_tokens),
    "control_characters": Check("characters that nobody sees", content.control_characters),
    "diversity": Check("how varied the training inputs are", content.diversity),
    "agreement": Check("how far several people agree on the same rows", agreement.annotators),
    "groups": Check("rows of training and test by each slice column", bias.groups),
    "missing_groups": Check("groups of a slice column that the test set has and training lacks", bias.groups),
    "label_rates": Check("labels that go with a group in training", bias.label_rates),
    "chat_template": Check("conversations that the base's chat template refuses"),
    "double_bos": Check("rows that begin with two begin-of-text tokens"),
    "long_prompts": Check("prompts that the base cannot read whole, with room for the answer"),
    "truncation": Check("rows that are longer than the training length"),
    "no_stop": Check("answers without a token that ends them"),
    "untrained": Check("rows in which nothing carries the loss"),
    "prompt_prefix": Check("prompts that read otherwise alone than with their answer"),
    "unheard_thinking": Check("prompts that ask for thinking, of which the base's chat template knows nothing"),
    "call_schemas": Check("answers that call a tool with what its own schema refuses", tools.call_schemas),
    "refused_thinking": Check("training answers that think, after prompts that say not to"),
    "dequantised": Check("a model read from a GGUF file: what of it the decision is about"),
    "adapter_base": Check("how it is known that the candidate's adapter was trained on the base that it is put on"),
    "inert_candidate": Check("a candidate that cannot answer otherwise than its base, as nothing was learnt"),
    "other_kind": Check("a candidate that is another kind or size of model than the base"),
    "unread_tensors": Check("tensors in a model's files that no part of it reads; an adapter's or whole layers block"),
    "token_rows": Check("tokens whose rows in the model are made up, never trained, or not there"),
    "equal_preferences": Check("preference pairs with the same answer chosen and rejected"),
    "longer_chosen": Check("how often the longer answer of a preference pair was chosen"),
}


FIXABLE = ("duplicates", "conflicts", "judged_rows", *(name for name in CHECKS if name.startswith("train_")))
"""The checks whose level may be `fix`: the training rows that they find are left out, and the experiment goes on."""


def looks() -> list[Look]:
    """Every function that looks, once, in the order of the table."""
    return list(dict.fromkeys(check.look for check in CHECKS.values() if check.look))


def check(
    material: Material, levels: Mapping[str, Level] | None = None, on_step: Callable[[], None] = lambda: None
) -> list[Finding]:
    """Every finding about the material, the gravest first; `on_step` is called after each of `looks`.

    `levels` replaces a check's own level by name, the way `data.findings` does in the experiment file; what is `off`
    is left out. What `fix` has not mended, such as copies within an exam, keeps its own level.
    """
    findings: list[Finding] = []
    for look in looks():
        findings += look(material)
        on_step()
    return at_levels(findings, levels or {})


def at_levels(findings: list[Finding], levels: Mapping[str, Level]) -> list[Finding]:
    """Findings at the levels that were chosen for them, the gravest first."""
    kept = []
    for finding in findings:
        level = levels.get(finding.check, finding.level)
        if level != "off":
            kept.append(finding if level == "fix" else replace(finding, level=level))
    return sorted(kept, key=lambda finding: ORDER.index(finding.level))
