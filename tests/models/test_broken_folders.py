"""Model and adapter folders of strangers that are broken, each in its own way: one message that names the file."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import transformers
from peft import LoraConfig, get_peft_model

from harness.models.hf import loading, rehearsal
from harness.models.hf.chat import ChatTokenizer
from harness.models.hf.model import HFModel
from suites.errors import UserError
from suites.model import Generation, ModelSpec, Prompt

Change = Callable[[Path], None]
CONFIG, TOKENS, ENDS = "config.json", "tokenizer_config.json", "generation_config.json"
WEIGHTS, INDEX, ADAPTER = "model.safetensors", "model.safetensors.index.json", "adapter_config.json"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base and an adapter of it."""
    folder = tmp_path_factory.mktemp("models")
    tiny_models.build("llama", folder / "base")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder / "base")
    settings = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(model, settings).save_pretrained(folder / "adapter")
    return folder


def setting(file: str, name: str, value: object) -> Change:
    """A file of settings with another value of one."""

    def change(folder: Path) -> None:
        content: dict[str, Any] = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**content, name: value}))

    return change


def holds(file: str, content: bytes) -> Change:
    return lambda folder: (folder / file).write_bytes(content) and None


def first_tensor(**entry: object) -> Change:
    """Weights whose header says something else of the first of them."""

    def change(folder: Path) -> None:
        for file in folder.glob("*.safetensors"):
            content = file.read_bytes()
            [length] = struct.unpack("<Q", content[:8])
            header = json.loads(content[8 : 8 + length])
            name = next(name for name in header if name != "__metadata__")
            new = json.dumps({**header, name: {**header[name], **entry}}).encode()
            file.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + length :])

    return change


def indexed(content: object) -> Change:
    """Weights behind an index, which says this of where they are."""

    def change(folder: Path) -> None:
        (folder / WEIGHTS).rename(folder / "model-00001-of-00001.safetensors")
        (folder / INDEX).write_text(json.dumps(content))

    return change


def linked(file: str, to: str) -> Change:
    def change(folder: Path) -> None:
        (folder / file).unlink()
        (folder / file).symlink_to(to)

    return change


def piped(file: str) -> Change:
    def change(folder: Path) -> None:
        (folder / file).unlink()
        os.mkfifo(folder / file)

    return change


CANNOT = "cannot be"
"""Loaded, or used: what stands behind it is what transformers says, each version otherwise."""
DEEP = b"[" * 100_000 + b"]" * 100_000
BASES: dict[str, tuple[Change, str]] = {
    "a size as text": (setting(CONFIG, "hidden_size", "32"), CANNOT),
    "a size below zero": (setting(CONFIG, "vocab_size", -1), "negative dimension"),
    "no heads": (setting(CONFIG, "num_attention_heads", 0), CANNOT),
    "a list for a number": (setting(CONFIG, "num_hidden_layers", [2]), CANNOT),
    "layers without end": (setting(CONFIG, "num_hidden_layers", 10**12), "at most 10,000 are built"),
    "heads without end": (setting(CONFIG, "head_dim", 2**40), "at most 100,000,000 is built"),
    "a number that is none": (setting(CONFIG, "rms_norm_eps", float("nan")), "NaN is not a JSON value"),
    "an architecture that is none": (setting(CONFIG, "model_type", "nosuch"), "does not recognize"),
    "another architecture": (setting(CONFIG, "model_type", "gpt2"), "in no file"),
    "a dtype that is none": (setting(CONFIG, "dtype", "float99"), "float99"),
    "quantised by a number": (setting(CONFIG, "quantization_config", 5), "config cannot be used"),
    "an activation that is none": (setting(CONFIG, "hidden_act", "none"), "KeyError: 'none'"),
    "no room for a prompt": (setting(CONFIG, "max_position_embeddings", 0), "max_position_embeddings"),
    "less than no room": (setting(CONFIG, "max_position_embeddings", -1), "max_position_embeddings"),
    "an empty config": (holds(CONFIG, b""), "not JSON"),
    "a config without end": (linked(CONFIG, "/dev/zero"), "a device and no file"),
    "a config that waits for somebody": (piped(CONFIG), "a pipe and no file"),
    "a config in itself": (linked(CONFIG, CONFIG), "symbolic links"),
    "ends of answers that wait for somebody": (piped(ENDS), "a pipe and no file"),
    "a template without end": (linked("chat_template.jinja", "/dev/zero"), "a device and no file"),
    "weights of Git LFS": (holds(WEIGHTS, b"version https://git-lfs.github.com/spec/v1\n"), "pointer of Git LFS"),
    "a header longer than the file": (holds(WEIGHTS, struct.pack("<Q", 2**63) + b"x"), "beginning is damaged"),
    "a header nested without end": (holds(WEIGHTS, struct.pack("<Q", len(DEEP)) + DEEP), "beginning is damaged"),
    "a shape below zero": (first_tensor(shape=[-1, 2]), "beginning is damaged"),
    "a shape of letters": (first_tensor(shape="ab"), "beginning is damaged"),
    "a kind that is a number": (first_tensor(dtype=5), "beginning is damaged"),
    "places turned round": (first_tensor(data_offsets=[4, 0]), "beginning is damaged"),
    "places between bytes": (first_tensor(data_offsets=[0.5, 4]), "beginning is damaged"),
    "three places": (first_tensor(data_offsets=[0, 1, 2]), "beginning is damaged"),
    "an index of a file that is missing": (indexed({"weight_map": {"a": "b.safetensors"}}), "1 of 1 weight files"),
    "an index that leads out": (indexed({"weight_map": {"a": "../../etc/passwd"}}), "not '../../etc/passwd'"),
    "an index of a device": (indexed({"weight_map": {"a": "/dev/zero"}}), "not '/dev/zero'"),
    "an index of numbers": (indexed({"weight_map": {"a": 5}}), "not 5"),
    "an index of names and numbers": (indexed({"weight_map": {"a": "b", "c": 5}}), "not 5"),
    "an index that is a list": (indexed({"weight_map": ["a"]}), "not ['a']"),
    "an index without a map": (indexed({}), "not None"),
    "a tokenizer that is none": (holds("tokenizer.json", b"{}"), "tokenizer cannot be loaded"),
    "a longest text in letters": (setting(TOKENS, "model_max_length", "x"), "tokenizer cannot be loaded"),
}  # fmt: skip
ADAPTERS: dict[str, tuple[Change, str]] = {
    "a kind that is none": (setting(ADAPTER, "peft_type", "NOSUCH"), "PEFT knows no `peft_type: NOSUCH`"),
    "a rank as text": (setting(ADAPTER, "r", "2"), "does not fit the base"),
    "a rank below zero": (setting(ADAPTER, "r", -1), "positive integer"),
    "a rank without end": (setting(ADAPTER, "r", 10**9), "at most 100,000 is built"),
    "an expression that is none": (setting(ADAPTER, "target_modules", "("), "unterminated"),
    "modules that are not there": (setting(ADAPTER, "target_modules", ["nosuch"]), "not found in the base"),
    "a task that is not writing": (setting(ADAPTER, "task_type", "SEQ_CLS"), "another task"),
    "a bias that is none": (setting(ADAPTER, "bias", 5), "does not fit the base"),
    "places turned round": (first_tensor(data_offsets=[4, 0]), "beginning is damaged"),
}


def _broken(saved: Path, kind: str, change: Change, tmp_path: Path) -> ModelSpec:
    """A copy of both folders, one of them changed; of files that stay as they are, links."""
    for name in ("base", "adapter"):
        (tmp_path / name).mkdir()
        for file in (saved / name).iterdir():
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
    change(tmp_path / kind)
    return ModelSpec(str(tmp_path / "base"), adapter=str(tmp_path / "adapter"))


@pytest.mark.parametrize("case", BASES)
def test_a_base_that_is_broken_is_told_before_anything_is_paid(case: str, saved: Path, tmp_path: Path) -> None:
    change, says = BASES[case]
    spec = _broken(saved, "base", change, tmp_path)
    with pytest.raises(UserError) as told:
        rehearsal.of_model(spec, "model")
    assert says in f"{told.value}"
    assert str(tmp_path / "base") in told.value.where


@pytest.mark.parametrize("case", ADAPTERS)
def test_so_is_an_adapter(case: str, saved: Path, tmp_path: Path) -> None:
    change, says = ADAPTERS[case]
    spec = _broken(saved, "adapter", change, tmp_path)
    with pytest.raises(UserError) as told:
        rehearsal.of_adapter(spec, "candidate")
    assert says in f"{told.value}"
    assert str(tmp_path / "adapter") in told.value.where


@pytest.mark.parametrize("wrong", ["</s>", -1, 2**31, 1.5, True, [1, "x"], [[1]]])
def test_the_end_of_an_answer_is_a_number_of_a_token(wrong: object, saved: Path, tmp_path: Path) -> None:
    _broken(saved, "base", setting(ENDS, "eos_token_id", wrong), tmp_path)
    with pytest.raises(UserError, match="no token's number"):
        loading.stop_ids(tmp_path / "base", None)


@pytest.mark.parametrize(("right", "ids"), [(0, [0, 7]), (2**31 - 1, [7, 2**31 - 1]), ([1, None], [1, 7]), (None, [7])])
def test_and_nothing_else_is_asked_of_it(right: object, ids: list[int], saved: Path, tmp_path: Path) -> None:
    _broken(saved, "base", setting(ENDS, "eos_token_id", right), tmp_path)
    assert loading.stop_ids(tmp_path / "base", 7) == ids


@pytest.mark.parametrize(("name", "most"), [("num_hidden_layers", 10_000), ("vocab_size", 100_000_000)])
def test_as_many_are_built_as_the_limit_says(name: str, most: int, saved: Path, tmp_path: Path) -> None:
    _broken(saved, "base", setting(CONFIG, name, most), tmp_path)
    loading._check_writes(tmp_path / "base")
    setting(CONFIG, name, most + 1)(tmp_path / "base")
    with pytest.raises(UserError, match=f"at most {most:,}"):
        loading._check_writes(tmp_path / "base")


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{% for i in range(10**9) %}{% endfor %}", "Range too big"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages[9].content }}", "no element 9"),
        ("{{ messages.__class__.__mro__ }}", "is unsafe"),
        ("{% include '/etc/passwd' %}", "no loader"),
        ("{{", "end of template"),
        ("{{ " + "(" * 4000, "recursion"),
    ],
)
def test_a_template_that_fails_is_told_as_the_model_s(template: str, says: str, saved: Path, tmp_path: Path) -> None:
    _broken(saved, "base", holds("chat_template.jinja", template.encode()), tmp_path)
    with pytest.raises(UserError, match=f"chat template refuses the messages .user.: .*{says}"):
        ChatTokenizer(tmp_path / "base").render([{"role": "user", "content": "order"}])


def test_what_only_shows_in_an_answer_is_told_there(saved: Path, tmp_path: Path) -> None:
    """Embeddings of one kind and layers of another: shapes fit, and no product can be made of them."""
    spec = _broken(saved, "base", lambda folder: None, tmp_path)
    model = HFModel(ModelSpec(spec.base))
    model._base.model.get_input_embeddings().double()
    with pytest.raises(UserError, match=r"the model cannot be asked: RuntimeError: .*dtype"):
        model.generate([Prompt("q", "order")], Generation(max_new_tokens=2))


def test_what_both_sides_lack_is_told_once(saved: Path, tmp_path: Path) -> None:
    spec = _broken(saved, "base", setting(CONFIG, "vocab_size", -1), tmp_path)
    looks = [lambda: rehearsal.of_model(spec, "model"), lambda: rehearsal.of_adapter(spec, "candidate")]
    with pytest.raises(UserError) as told:
        rehearsal.all_at_once(looks)
    assert f"{told.value}".count("negative dimension") == 1
