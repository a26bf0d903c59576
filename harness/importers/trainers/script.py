"""A training script or notebook of Unsloth or TRL: what its calls are given, read and never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from harness.importers.trainers import huggingface, trl
from harness.importers.trainers.draft import Draft, words
from harness.importers.trainers.ledger import HARMLESS, LEARNT, Code, Ledger, Reason
from harness.importers.trainers.shapes import Shape
from harness.importers.trainers.sources import Source, locate
from suites.errors import UserError
from suites.text import json_text

ADAPTER = {"r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "target_modules": "target_modules"}
SCRIPT_ADAPTER = {"rank": 16, "alpha": 16, "dropout": 0.0}
PEFT_ADAPTER = {"rank": 8, "alpha": 8, "dropout": 0.0}

REASONS = [
    Reason(("*.dataset_text_field",), "the loss here is on the answers only", learnt=True),
    Reason(("*.loftq_config", "*.bias", "*.modules_to_save", "*.layers_*", "*.finetune_*"), "", learnt=True),
    Reason(("load_dataset (*",), "one data set is taken; name the other as data.validation or data.test"),
    *(Reason(tuple(f"*.{name}" for name in reason.names), reason.why, reason.learnt) for reason in trl.REASONS),
    Reason(("*.use_gradient_checkpointing", "*.random_state", "*.max_seq_length", "*.token", "*.device_map"), HARMLESS),
    Reason(("*.tokenizer", "*.processing_class", "*.model", "*.args", "*.train_dataset", "*.peft_config"), HARMLESS),
    Reason(("*.task_type", "*.data_collator", "*.callbacks", "*.fast_inference"), HARMLESS),
]

POSITIONAL = {"from_pretrained": ("pretrained_model_name_or_path",), "load_dataset": ("path", "name")}
CONFIGS = {
    "SFTConfig": "sft", "TrainingArguments": "sft", "UnslothTrainingArguments": "sft", "DPOConfig": "dpo",
    "KTOConfig": "kto", "GRPOConfig": "grpo", "RLOOConfig": "rloo", "RewardConfig": "reward",
}  # fmt: skip
TRAINERS = {
    "SFTTrainer": "sft", "UnslothTrainer": "sft", "Trainer": "sft", "DPOTrainer": "dpo", "KTOTrainer": "kto",
    "GRPOTrainer": "grpo", "RLOOTrainer": "rloo", "RewardTrainer": "reward", "ORPOTrainer": "orpo", "CPOTrainer": "cpo",
    "PPOTrainer": "ppo",
}  # fmt: skip
MADE = {"from_pretrained", "get_peft_model", "LoraConfig", "load_dataset", "train_on_responses_only"}
READ = MADE | CONFIGS.keys() | TRAINERS.keys()


def tree_of(text: str) -> dict[str, object]:
    """The arguments of the calls in a script that say what is trained, by the name of what is called.

    Constants are given by their value, names by the constant they stand for, anything else as it is written. Raises
    SyntaxError for what is no Python.
    """
    module = ast.parse(text)
    known = dict(_constants(module))
    tree: dict[str, object] = {}
    for call in ast.walk(module):
        if isinstance(call, ast.Call) and (name := _called(call)):
            again = sum(key.split(" ")[0] == name for key in tree) + 1
            tree[name if again == 1 else f"{name} ({again})"] = _arguments(call, name, known)
    return tree


def code_of(notebook: str) -> str:
    """The Python of a notebook's cells, without the lines that are commands of its own. Raises ValueError."""
    content = json_text.parse(notebook, json_text.LENIENT)
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list):
        raise ValueError("a notebook has cells")
    sources = [cell.get("source") for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    texts = ["".join(map(str, source)) for source in sources if isinstance(source, str | list)]
    lines = "\n".join(texts).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("!", "%")))


def _constants(module: ast.Module) -> Iterator[tuple[str, object]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                yield node.targets[0].id, ast.literal_eval(node.value)
            except ValueError:
                continue


def _called(call: ast.Call) -> str:
    """The name of what is called where it is read; `from_pretrained` of a tokenizer is none."""
    *owner, name = ast.unparse(call.func).split(".")
    if name == "from_pretrained" and "Model" not in "".join(owner):
        return ""
    return name if name in READ else ""


def _arguments(call: ast.Call, name: str, known: Mapping[str, object]) -> dict[str, object]:
    places = POSITIONAL.get(name, ())
    given = {places[at]: value for at, value in enumerate(call.args[: len(places)])}
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    return {key: _value(value, known) for key, value in given.items() if not _is_read(value)}


def _is_read(node: ast.expr) -> bool:
    """Whether it is a call whose arguments are read by themselves."""
    return isinstance(node, ast.Call) and bool(_called(node))


def _value(node: ast.expr, known: Mapping[str, object]) -> object:
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return Code(ast.unparse(node))


def recognise(tree: Mapping[str, object]) -> bool:
    """Whether a script makes a model and trains it."""
    return "from_pretrained" in tree and bool({*CONFIGS, *TRAINERS} & set(tree))


def read(draft: Draft) -> None:
    """What the script's arguments say of model, method, settings and data."""
    theirs = draft.theirs
    base, arguments = theirs.at("from_pretrained"), _config(theirs)
    names = ("model_name", "pretrained_model_name_or_path")
    place = next((key for key in names if base.get(key) and not isinstance(base.get(key), Code)), "")
    path = theirs.get("load_dataset", "path")
    if not place or not path or isinstance(path, Code):
        what = "names no data" if place else "names no model"
        raise UserError(
            f"{what} that can be read without running it", str(draft.config), "write the experiment by hand"
        )
    draft.model(base, place, revision="revision")
    adapter = theirs.at("get_peft_model" if theirs.get("get_peft_model") else "LoraConfig")
    _method(draft, base, adapter)
    draft.same(arguments, trl.SAME)
    draft.settings({**trl.SETTINGS, **ADAPTER}, arguments)
    draft.settings(trl.SETTINGS, theirs.at(_trainer(theirs)))
    draft.settings({"max_seq_length": "max_length"}, base)
    draft.same(adapter, {"bias": "none"})
    draft.settings(ADAPTER, adapter)
    draft.variant(adapter)
    draft.packing("packing")
    draft.counts(arguments)
    _defaults(draft, arguments, adapter)
    draft.trackers(arguments)
    draft.seed(arguments, "seed")
    if theirs.get("train_on_responses_only") or "train_on_responses_only" in theirs.tree:
        theirs.carry("only answers are learnt", "train_on_responses_only")
    elif draft.learns_from == "rows":
        draft.remarks.append(f"{LEARNT}: whole texts are learnt there unless the rows are chats, answers alone here")
    draft.train = [_source(draft, theirs.at("load_dataset"))]


def _config(theirs: Ledger) -> Ledger:
    return theirs.at(next((name for name in CONFIGS if name in theirs.tree), ""))


def _trainer(theirs: Ledger) -> str:
    return next((name for name in TRAINERS if name in theirs.tree), "")


def _method(draft: Draft, base: Ledger, adapter: Ledger) -> None:
    theirs = draft.theirs
    configs = [CONFIGS[name] for name in CONFIGS if name in theirs.tree]
    name = TRAINERS.get(_trainer(theirs), configs[0] if configs else "sft")
    four = base.get("load_in_4bit")
    unsloth = "get_peft_model" in theirs.tree
    adapted = "get_peft_model" in theirs.tree or "LoraConfig" in theirs.tree
    for key in ("load_in_4bit", "full_finetuning"):
        base.carry("training.method", key)
    if name == "sft":
        quantised = four is True or (four is None and unsloth and "load_in_4bit" not in base.tree)
        name = ("qlora" if quantised else "lora") if adapted and not base.get("full_finetuning") else "full"
    draft.method(name, _trainer(theirs) or name)


def _defaults(draft: Draft, arguments: Ledger, adapter: Ledger) -> None:
    method = draft.training["method"]
    given = SCRIPT_ADAPTER if "get_peft_model" in draft.theirs.tree else PEFT_ADAPTER
    for ours, value in given.items() if method != "full" else ():
        draft.default(ours, value)
    rate = 5e-5 if arguments.where[-1:] in (("TrainingArguments",), ("UnslothTrainingArguments",)) else 2e-5
    draft.default("learning_rate", trl.RATES.get(method, rate))
    for ours, default in {**huggingface.DEFAULTS, "max_length": 2048 if adapter.tree else 1024}.items():
        draft.default(ours, default)
    if not draft.warmup:
        draft.default("warmup_share", 0.0)
    draft.falls_in_a_line(arguments)


def _source(draft: Draft, entry: Ledger) -> Source:
    name = str(entry.carry("data.train", "path"))
    files = entry.get("data_files")
    if isinstance(files, dict):
        files = files.get("train")
    for key in ("data_files", "name", "split"):
        entry.carry("data.train", key)
    kind = trl.KINDS.get(draft.training["method"], "recognised")
    found = locate(name, draft.config, words(files))
    split, config = str(entry.get("split") or "train"), str(entry.get("name") or "")
    return Source(name, found, config=config, split=split, shape=Shape(kind))
