"""Everything an experiment file points at: is it there, and what is its hash?"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePath

from baselines.prompters.dspy import Dspy, read_program
from baselines.prompters.rag import Rag
from baselines.retrieval.corpus import read_corpus
from harness.config.bar import other_models, proposers
from harness.config.exam import NO_TOOLS
from harness.config.schema import ExperimentConfig
from harness.config.yaml_lines import Location
from harness.decision import prices
from harness.experiment.encoders import encoder_of, named_encoders
from harness.models import gguf
from harness.models.files import (
    ADAPTER_CONFIG,
    adapter_folder,
    adapter_hash,
    base_folder,
    cached_folder,
    candidate_folder,
    content_hash,
    weights_hash,
    within,
)
from harness.training.elsewhere.command import PLACES, words_of
from suites.benchmarks import lm_eval
from suites.catalog import load_suite, suite_digests
from suites.data import hub
from suites.errors import UserError
from suites.judges.pairwise import load_rubric
from suites.probes.drift import NEUTRAL
from suites.similarity.encoder import refuse_missing
from suites.text.files import opened, size_of
from suites.tools.schemas import tools_file

# Hashes of one thing by the name the experiment file has for it, given that name and the file's folder.
Look = Callable[[str, Path], dict[str, str]]
Reference = tuple[Location, str, Look]

SHIPPED = ("embedded", "embedded-judge", "echo")
TRUE = ("1", "ON", "YES", "TRUE")  # as huggingface_hub reads a variable


def look_up(config: ExperimentConfig, folder: Path) -> tuple[dict[str, str], list[tuple[Location, str]]]:
    """The sha256 of everything `config` points at, by name, and what is wrong with any of it, by setting."""
    hashes: dict[str, str] = {}
    problems: list[tuple[Location, str]] = []
    for setting, name, look in _references(config):
        shown = f"`{'.'.join(map(str, setting))}`"
        try:
            hashes |= look(name, folder)
        except FileNotFoundError as error:
            problems.append((setting, f"{shown} no such file: {error.filename}"))
        except OSError as error:
            problems.append((setting, f"{shown} cannot be read ({error.strerror}): {error.filename}"))
        except UserError as error:
            fix = f"; {error.fix}" if error.fix else ""
            problems.append((setting, f"{shown} {error.what} ({error.where}){fix}"))
    return hashes, problems


def is_prompt_file(prompt: str) -> bool:
    """A prompt setting is a file when it ends like one, and the instruction itself otherwise."""
    return prompt.endswith((".md", ".txt")) and "\n" not in prompt


def _references(config: ExperimentConfig) -> Iterator[Reference]:
    files: list[tuple[Location, str | None]] = [
        (("task", "schema"), config.task.schema_file),
        (("task", "prompt"), _file_only(config.task.prompt)),
    ]
    for position, baseline in enumerate(config.baselines):
        location: Location = ("baselines", position)
        files.append(((*location, "recorded"), baseline.recorded))
        files += [((*location, *place), _file_only(prompt)) for place, prompt in baseline.instructions]
    if config.candidate:
        files.append((("candidate", "recorded"), config.candidate.recorded))
    files.append((("training" if config.training else "candidate", "prompt"), _file_only(config.own_prompt or "")))
    if config.judge:
        files += [(("judge", "calibration"), config.judge.calibration), (("judge", "recorded"), config.judge.recorded)]
    yield from ((setting, name, _file) for setting, name in files if name)
    if config.task.tools not in (None, NO_TOOLS):
        yield ("task", "tools"), str(config.task.tools), _tools
    for part in ("train", "validation", "test", "preferences", "general"):
        if name := getattr(config.data, part):
            yield ("data", part), name, _data
    yield from _corpora(config)
    yield from ((setting, name, _encoder) for setting, name in named_encoders(config))
    yield from _models(config)
    yield from _training(config)
    yield from _exams(config)
    yield from _prices(config)


def _corpora(config: ExperimentConfig) -> Iterator[Reference]:
    for position, baseline in enumerate(config.baselines):
        if isinstance(settings := baseline.settings if baseline.prompter else None, Rag):
            yield ("baselines", position, "rag", "corpus"), settings.corpus, partial(_corpus, words=settings.chunk)
        elif isinstance(settings, Dspy):
            yield (
                ("baselines", position, "dspy", "program"),
                settings.program,
                partial(_program, named=settings.predictor),
            )


def _models(config: ExperimentConfig) -> Iterator[Reference]:
    if config.model and not config.model.endpoint:
        yield ("model",), config.model.name, partial(_model, revision=config.model.revision)
    for place, entry in enumerate(config.baselines):
        if entry.model and not entry.model.endpoint and not entry.recorded:
            look = partial(_model, revision=entry.model.revision)
            yield ("baselines", place, "model"), entry.model.name, look
    if config.candidate and config.candidate.path:
        yield ("candidate", "path"), config.candidate.path, partial(_candidate, revision=config.candidate.revision)
    for at, proposer in proposers(config):
        if not proposer.endpoint:
            yield at, proposer.name, partial(_model, revision=proposer.revision)
    yield from _judge(config)


def _judge(config: ExperimentConfig) -> Iterator[Reference]:
    if config.judge and not config.judge.recorded:
        yield ("judge", "rubric"), config.judge.rubric, _rubric
    for at, model in config.judge.models if config.judge else []:
        if not model.endpoint:
            yield at, model.name, partial(_model, revision=model.revision)


def _training(config: ExperimentConfig) -> Iterator[Reference]:
    if config.training and config.training.accelerate:
        yield ("training", "accelerate"), config.training.accelerate, _file
    if config.training and config.training.command:
        yield ("training", "command"), config.training.command, command_files


def _exams(config: ExperimentConfig) -> Iterator[Reference]:
    by_default = config.regression is None and config.model is not None and config.model.embedded
    for position, entry in enumerate([] if by_default else config.asked_before):  # `general` has never been on record
        if entry.suite:
            yield ("regression", position, "suite"), entry.suite, _suite
        elif entry.drift and entry.drift != NEUTRAL:
            yield ("regression", position, "drift"), entry.drift, _file
        elif entry.lm_eval and entry.lm_eval.endswith((".yaml", ".yml")):
            yield ("regression", position, "lm_eval"), entry.lm_eval, _task


def _prices(config: ExperimentConfig) -> Iterator[Reference]:
    for side in ("baseline", "candidate", "judge"):
        price = getattr(config.costs, side)
        if price and price.name:
            yield ("costs", side), price.name, _price
    for where, model in other_models(config):
        if model.price and model.price.name:
            yield (*where, "price"), model.price.name, _price


def _file_only(prompt: str) -> str | None:
    return prompt if is_prompt_file(prompt) else None


def _file(name: str, folder: Path) -> dict[str, str]:
    with opened(folder / name) as file:  # a device would be read for ever
        return {name: hashlib.file_digest(file, "sha256").hexdigest()}


def _tools(name: str, folder: Path) -> dict[str, str]:
    """A file of tools, which is read: one that holds none is better known now."""
    tools_file(folder / name)
    return _file(name, folder)


def _data(name: str, folder: Path) -> dict[str, str]:
    """A data file, or the files that hold a dataset's rows on this machine."""
    source = hub.locate(name, folder)
    if not hub.is_dataset(source):
        return _file(name, folder)
    digests = [_file(file.name, file.parent)[file.name] for file in hub.files(source)]
    return {name: hashlib.sha256("\n".join(digests).encode()).hexdigest()}


def _corpus(name: str, folder: Path, words: int) -> dict[str, str]:
    """The passages of a corpus. It is read whole: a file that is no text is better known now than at the baseline."""
    return {f"{name} ({words} words)": read_corpus(name, folder, words).digest}


def _encoder(name: str, folder: Path) -> dict[str, str]:
    """The files of an encoder."""
    refuse_missing()
    return {f"{name} (encoder)": encoder_of(folder, name).digest}


def _program(name: str, folder: Path, named: str | None) -> dict[str, str]:
    """A program of another tool, read whole: one that is none is better known now than at the baseline."""
    read_program(folder / name, named)
    return _file(name, folder)


def command_files(command: str, folder: Path) -> dict[str, str]:
    """The files among the words of a command: its scripts and settings. A program named by its full path is none.

    `--name=file` counts as the file. Raises UserError for a command that cannot be read.
    """
    program, *words = words_of(command, dict.fromkeys(PLACES, ""))
    named = [word.partition("=")[2] or word for word in words]
    if not Path(program).is_absolute():
        named.append(program)
    return {name: _file(name, folder)[name] for name in named if (folder / name).is_file()}


def _suite(name: str, folder: Path) -> dict[str, str]:
    """A suite's own files, or what its function makes. It is read whole: a bad row in it is better known now than after
    the baseline."""
    load_suite(name, folder)
    made_of = suite_digests(name, folder)
    if isinstance(made_of, str):
        return {name: made_of}
    path, parts = made_of
    return {f"{name}/{part}": _file(part, path)[part] for part in parts}


def _task(name: str, folder: Path) -> dict[str, str]:
    """The task file and all that it is made of, which it names relative to itself."""
    near = PurePath(name).parent
    data = lm_eval.files_of(folder / name)
    return _file(name, folder) | {str(near / file): _file(str(near / file), folder)[str(near / file)] for file in data}


def _rubric(name: str, folder: Path) -> dict[str, str]:
    return {name: load_rubric(name, folder).digest}


def _model(name: str, folder: Path, revision: str | None) -> dict[str, str]:
    """The weights of a model in a folder. A Hub id is looked for when the model is loaded, here only whether it is one
    by all appearances."""
    path = folder / Path(name).expanduser()
    if path.is_dir():
        return {name: weights_hash(base_folder(str(path), None))}
    if gguf.is_gguf(name):
        return _gguf(name, path)
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or os.path.lexists(path):
        raise UserError(
            "no such folder", str(path), "give a folder that save_pretrained wrote, a GGUF file, or a Hub id"
        )
    if name not in SHIPPED:
        _refuse_what_is_nowhere(name, path, revision)
    return {}


def _refuse_what_is_nowhere(name: str, path: Path, revision: str | None) -> None:
    """Raises UserError for the name of a model that is hardly meant to be fetched: it is that of a folder or of a model
    that ships, misspelt, or the Hub is not asked. Nothing is fetched here; a model fetched before is no mistake."""
    beside = [each.name for each in path.parent.iterdir() if each.is_dir()] if path.parent.is_dir() else []
    known = {each.lower(): each for each in [*beside, *({} if "/" in name else SHIPPED)]}
    near = difflib.get_close_matches(path.name.lower(), known, n=1, cutoff=0.8)
    offline = "/" not in name and os.environ.get("HF_HUB_OFFLINE", "").upper() in TRUE
    if not (near or offline or ("/" in name and path.parent.is_dir())) or cached_folder(name, revision):
        return
    fetched = "with a network" if offline else "for the Hub's model of this name"
    fix = f"{fetched} run `hf download {name}`, or give a folder"
    meant = f"did you mean `{(PurePath(name).parent / known[near[0]]).as_posix()}`? " if near else ""
    why = " and HF_HUB_OFFLINE says that the Hub is not asked" if offline else ""
    raise UserError(f"no such folder, and no such model on this machine{why}", str(path), meant + fix)


def _gguf(name: str, path: Path) -> dict[str, str]:
    size_of(path)
    digest = content_hash(path)
    gguf.check(path, digest)
    return {name: digest}


def _candidate(name: str, folder: Path, revision: str | None) -> dict[str, str]:
    if gguf.is_gguf(name) and not (folder / name).is_dir():
        return _gguf(name, folder / Path(name).expanduser())
    path = candidate_folder(name, folder, revision)
    if (path / ADAPTER_CONFIG).is_file():
        return {name: adapter_hash(adapter_folder(str(path)))}
    if (path / "config.json").is_file():
        return {name: weights_hash(base_folder(str(path), None))}
    fix = "give a PEFT folder (adapter_config.json, adapter_model.safetensors) or a model folder (config.json, ...)"
    if inner := within(path):
        fix = f"name one of the folders in it: {', '.join(f'{name}/{each}' for each in inner)}"
    raise UserError("is neither an adapter nor a model", str(path), fix)


def _price(name: str, folder: Path) -> dict[str, str]:
    return {f"price of {name}": prices.digest(name)}
