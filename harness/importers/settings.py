"""How a log's answers were made: which of its settings count, and what both sides must have alike.

A setting counts where it can change an answer or its mark: version of the task, shots, limits and temperature of the
generation, template, how the weights were read. What says who answered, on which machine, or how fast, does not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from harness.importers.log import Log, Setting, Settings, as_name, of_task
from suites.types import Json

IDENTITY = re.compile(
    "pretrained|model|model_name|model_id|name|path|peft|adapter|adapter_path|lora|lora_path|lora_local_path|delta"
    "|revision|subfolder|tokenizer|tokenizer_path|(api_)?(base_)?url|(api_)?(host|base)|endpoint|provider|organization|project|region"
)
"""Who answers, and where: the very thing that is compared, or nothing that changes an answer."""
MACHINE = re.compile(
    r"devices?|device_map(_option)?|(max_)?batch(_size)?|parallelize|(tensor|data|pipeline)_parallel_size|max_connections"
    r"|(num_)?(concurren\w+|gpus|nodes|workers|processes)|(attempt_)?timeout|(max_)?retries|(use_)?cache|cache_prompt|\w+_dir"
    r"|offload_folder|trust_remote_code|((random|numpy|torch)_)?seed|gpu_memory_utilization|max_(memory_per_gpu|cpu_memory)"
    r"|low_cpu_mem_usage|(job|run|experiment)(_?(id|name))?|verbos\w*|tokenized_requests|created_\w+|timestamp|date"
    r"|(log|output|out|save|results?|wandb|hub)_(path|file|folder|id|name|level|to)|(\w+_)?(port|hostname|user)"
)
SECRET = re.compile(r"(.*[_-])?((api)?keys?|token|secret|password|auth|authorization|headers?|credentials?)")
TOPICS = {
    "version of the task": r"version",
    "shots": r"shots",
    "limit of new tokens": r".*max\w*_tok\w*|generation_size",
    "temperature": r"(.*\.)?(temperature|do_sample)",
    "template and system prompt": r"(.*\.)?(use_)?chat_template|system_\w+|solver .*",
}
"""What may differ between two evaluations of one exam, and the settings by which a tool says it."""
UNSET = "not set"
LONGEST, SHOWN = 60, 6


def told(given: Json, prefix: str = "") -> dict[str, Setting]:
    """The settings of `given` that count, objects within it by dotted names; long texts by their digest."""
    settings: dict[str, Setting] = {}
    for name, value in given.items():
        plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        if any(kind.fullmatch(plain) for kind in (IDENTITY, MACHINE, SECRET)):
            continue
        if isinstance(value, Mapping):
            settings |= told(value, f"{prefix}{as_name(name)}.")
        elif value is not None and (isinstance(value, str | bool | int | float) or _is_plain_list(value)):
            settings[f"{prefix}{as_name(name)}"] = short(value)
    return settings


def _is_plain_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str | bool | int | float) for one in value)


def short(value: object) -> Setting:
    """A value as a setting: numbers as they are, long texts and other values by the beginning of their digest."""
    if isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 1e300):
        return value
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return as_name(text) if len(text) <= LONGEST else digest(text)


def digest(value: object) -> str:
    """The beginning of a digest. Where something lay in memory says nothing."""
    text = re.sub(r" at 0x[0-9a-f]+", "", json.dumps(value, sort_keys=True))
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def sides(base: Log, tuned: Log, tasks: Sequence[str]) -> tuple[Settings, Settings]:
    """Each side's settings for these tasks, under one name where a side has one value on all, else by task.

    Where both logs are complete, what only one of them says was not set in the other.
    """
    logs = [{task: of_task(log.settings, task) for task in tasks} for log in (base, tuned)]
    names = list(dict.fromkeys(name for log in logs for settings in log.values() for name in settings))
    one: dict[str, Setting] = {}
    other: dict[str, Setting] = {}
    for name in names:
        values = [{task: settings[name] for task, settings in log.items() if name in settings} for log in logs]
        apart = len(tasks) > 1 and not all(_is_one(side, tasks) for side in values)
        for side, by_task in zip((one, other), values, strict=True):
            side.update({f"{name} of {task}" if apart else name: value for task, value in by_task.items()})
    if base.complete and tuned.complete:
        every = dict.fromkeys([*one, *other], UNSET)
        return every | one, every | other
    return one, other


def _is_one(by_task: Settings, tasks: Sequence[str]) -> bool:
    """Whether all tasks have one value, or none has any."""
    values = list(by_task.values())
    return not values or (len(values) == len(tasks) and all(value == values[0] for value in values))


def compared(base: Settings, tuned: Settings) -> list[str]:
    """What differs between the sides' settings, and what the logs do not say or not both, in a sentence each."""
    both = {**base, **tuned}
    different = [
        f"{name} ({base[name]} against {tuned[name]})" for name in base if base[name] != tuned.get(name, base[name])
    ]
    lonely = [f"{name} ({'base' if name in base else 'tuned'})" for name in both if (name in base) != (name in tuned)]
    plain = [name.partition(" of ")[0] for name in both]
    silent = [topic for topic, names in TOPICS.items() if not any(re.fullmatch(names, name) for name in plain)]
    sentences = []
    if different:
        meant = "there will be no verdict, unless what is meant to differ is taken out of `made_with` in the experiment"
        sentences.append(f"the answers were made with different settings: {', '.join(different)}; {meant}")
    if lonely:
        sentences.append(f"whether these settings were alike is not known, for only one log says them: {few(lonely)}")
    if silent:
        sentences.append(f"the logs do not say, so that it was not compared: {', '.join(silent)}")
    return sentences


def few(names: Sequence[str]) -> str:
    """The first names, and how many there are."""
    return f"{', '.join(names[:SHOWN])}{f', ... {len(names)} in all' if len(names) > SHOWN else ''}"
