"""A GGUF file as a model: de-quantised once into the user's cache, and told; what is none is refused in a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gguf import GGUFReader, dequantize
from tiny_gguf import write_gguf
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.cli.main import main
from harness.models import files, gguf, load
from harness.models.bases import plain_name
from suites.errors import UserError
from suites.model import Generation, ModelSpec, Prompt

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "finetune-harness" / "gguf"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tiny.gguf"


def test_the_model_of_a_file_is_the_model_it_was_made_from(file: Path) -> None:
    original = write_gguf(file)
    folder = files.base_folder(str(file), None)
    read = AutoModelForCausalLM.from_pretrained(folder)
    tokens = AutoTokenizer.from_pretrained(folder)("hello, hello", return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.allclose(read(tokens).logits, original(tokens).logits, atol=1e-5)
    assert files.context_length(folder) == 256


def test_quantised_weights_are_kept_to_the_last_bit_that_16_have_room_for(file: Path) -> None:
    write_gguf(file, "Q8_0")
    read = AutoModelForCausalLM.from_pretrained(files.base_folder(str(file), None)).state_dict()
    held = {tensor.name: tensor for tensor in GGUFReader(file).tensors}
    value = held["blk.1.ffn_up.weight"]
    exact = torch.from_numpy(dequantize(value.data, value.tensor_type)).half()
    assert torch.equal(read["model.layers.1.mlp.up_proj.weight"], exact)


@pytest.mark.parametrize(
    ("kind", "dtype"), [("F32", "float32"), ("F16", "float16"), ("BF16", "bfloat16"), ("Q4_1", "float16")]
)
def test_what_most_weights_are_decides_how_they_are_kept(file: Path, kind: str, dtype: str) -> None:
    write_gguf(file, kind)
    assert gguf.header(file) == gguf.Header("llama", kind)
    assert gguf.header(file).dtype == dtype


def test_it_answers_like_any_model_and_is_told_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_gguf(file, "Q8_0")
    model = load(ModelSpec(base=str(file)))
    asked = [Prompt("a", [{"role": "user", "content": "hello"}])]
    assert model.generate(asked, Generation(max_new_tokens=2))[0].error is None
    load(ModelSpec(base=str(file)))
    told = capsys.readouterr().err
    assert told.count("tiny.gguf holds Q8_0 weights, de-quantised to float16: the decision is about those") == 1


def test_the_same_content_under_another_name_is_not_read_again(file: Path, cache: Path) -> None:
    write_gguf(file)
    folder = files.base_folder(str(file), None)
    assert files.base_folder(str(file.rename(file.with_name("other.GGUF"))), None) == folder
    assert [path.name for path in cache.iterdir()] == [files.content_hash(file.with_name("other.GGUF"))]


def test_what_a_killed_process_left_is_taken_away(file: Path, cache: Path) -> None:
    write_gguf(file)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    rest = cache / f".{files.content_hash(file)}.{ended.pid}.new"
    rest.mkdir(parents=True)
    (rest / "config.json").write_text("{")
    folder = files.base_folder(str(file), None)
    assert list(cache.iterdir()) == [folder]


@pytest.mark.slow
def test_two_processes_at_once_leave_one_whole_folder(file: Path, cache: Path) -> None:
    write_gguf(file)
    code = f"from harness.models import files; files.weights_hash(files.base_folder({str(file)!r}, None))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert [path.name for path in cache.iterdir()] == [files.content_hash(file)]


def not_gguf(file: Path) -> None:
    file.write_bytes(b"PK\x03\x04 something else")


def cut_in_the_weights(file: Path) -> None:
    write_gguf(file)
    file.write_bytes(file.read_bytes()[:-200])


def cut_in_the_header(file: Path) -> None:
    write_gguf(file)
    file.write_bytes(file.read_bytes()[:700])


def nothing_but_the_magic(file: Path) -> None:
    file.write_bytes(b"GGUF")


def lengths_beyond_the_file(file: Path) -> None:
    write_gguf(file)
    content = bytearray(file.read_bytes())
    content[24:32] = b"\xff" * 8
    file.write_bytes(content)


def one_of_several(file: Path) -> None:
    write_gguf(file)
    content = file.read_bytes()
    count = int.from_bytes(content[16:24], "little") + 1
    extra = len(b"split.count").to_bytes(8, "little") + b"split.count" + (2).to_bytes(4, "little") + b"\x02\x00"
    file.write_bytes(content[:16] + count.to_bytes(8, "little") + extra + content[24:])


def another_version(file: Path) -> None:
    write_gguf(file)
    content = bytearray(file.read_bytes())
    content[4:8] = (9).to_bytes(4, "little")
    file.write_bytes(content)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another kind of file": (not_gguf, "tiny.gguf is no GGUF file"),
    "weights cut short": (cut_in_the_weights, "tiny.gguf is cut short: it holds"),
    "header cut short": (cut_in_the_header, "the beginning of tiny.gguf is damaged, or the file is cut short"),
    "magic alone": (nothing_but_the_magic, "the beginning of tiny.gguf is damaged"),
    "a length beyond the file": (lengths_beyond_the_file, "the beginning of tiny.gguf is damaged"),
    "one of several": (one_of_several, "tiny.gguf is one of 2 parts of a model"),
    "a newer version": (another_version, "tiny.gguf is GGUF of version 9"),
    "no tokenizer": (lambda file: write_gguf(file, tokenizer=False), "tiny.gguf holds no tokenizer"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_whole_model_is_refused_from_its_beginning(file: Path, case: str) -> None:
    make, sentence = REFUSED[case]
    make(file)
    with pytest.raises(UserError) as refused:
        gguf.header(file)
    assert sentence in refused.value.what


def test_an_architecture_that_transformers_does_not_know_is_named(file: Path, cache: Path) -> None:
    write_gguf(file, architecture="zebra")
    with pytest.raises(UserError, match=r"tiny\.gguf cannot be read: .*zebra"):
        files.base_folder(str(file), None)
    assert list(cache.iterdir()) == []


def test_weights_that_are_missing_are_named_and_not_made_up(file: Path) -> None:
    write_gguf(file, without="blk.1.ffn_up.weight")
    with pytest.raises(UserError, match=r"1 weight of the model not in tiny\.gguf, first .*layers\.1\.mlp\.up_proj"):
        files.base_folder(str(file), None)


def test_without_the_package_the_extra_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(file)
    monkeypatch.setattr(gguf, "find_spec", lambda name: None)
    with pytest.raises(UserError) as refused:
        gguf.header(file)
    assert refused.value.fix == "pip install 'finetune-harness[gguf]'"


def test_a_folder_of_such_files_is_told_to_name_one(file: Path) -> None:
    write_gguf(file)
    with pytest.raises(UserError) as refused:
        files.base_folder(str(file.parent), None)
    assert refused.value.fix == "name one of its files: tiny.gguf"


def test_a_quantised_copy_has_the_name_of_its_model() -> None:
    for name in ("SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct-IQ3_XXS.gguf", "SmolLM2-135M-Instruct"):
        assert plain_name(name) == "smollm2-135m-instruct"
    assert plain_name("Qwen3-0.6B") == "qwen3-0.6b"


def experiment(folder: Path, model: str = "models/tiny.gguf") -> Path:
    rows = [{"id": f"{i}", "input": f"say {'helo'[i % 4]} {i}", "target": "helo"[i % 4]} for i in range(12)]
    for name, part in (("train", rows[:4]), ("validation", rows[4:8]), ("test", rows[8:])):
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps({**row, "id": name + row["id"]}) + "\n" for row in part)
        )
    path = folder / "experiment.yaml"
    path.write_text(
        f"experiment: tiny\nmodel: {model}\n"
        "data: {train: train.jsonl, validation: validation.jsonl, test: test.jsonl}\n"
        "baselines: [zero_shot]\nregression: []\ntask: {prompt: Say it., max_new_tokens: 2}\n"
    )
    return path


def test_an_experiment_names_the_file_and_is_told_what_the_decision_is_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").mkdir()
    write_gguf(tmp_path / "models" / "tiny.gguf", "Q8_0")
    assert main(["check", str(experiment(tmp_path)), "--json"]) == 0
    assert "`model`: tiny.gguf holds Q8_0 weights, de-quantised to float16" in capsys.readouterr().out


@pytest.mark.parametrize("case", ["another kind of file", "weights cut short", "no tokenizer", "missing"])
def test_a_file_that_cannot_be_used_is_a_line_of_the_experiment_file(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").mkdir()
    if case != "missing":
        REFUSED[case][0](tmp_path / "models" / "tiny.gguf")
    assert main(["check", str(experiment(tmp_path))]) == 2
    assert "line 2: `model` " in capsys.readouterr().err
