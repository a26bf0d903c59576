"""What is read off the beginning of a weight file: no model, no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from harness.models import headers
from suites.errors import UserError


def saved(file: Path, tensors: Mapping[str, list[float]]) -> Path:
    save_file({name: numpy.array(values, numpy.float32) for name, values in tensors.items()}, file)
    return file


def test_tensors_are_named_with_their_shapes_and_places(tmp_path: Path) -> None:
    file = saved(tmp_path / "w.safetensors", {"a": [1, 2, 3], "b": [4]})
    read = headers.tensors([file])
    assert {name: (t.dtype, t.shape, t.end - t.begin) for name, t in read.items()} == {
        "a": ("F32", (3,), 12),
        "b": ("F32", (1,), 4),
    }
    assert max(t.end for t in read.values()) == file.stat().st_size


def test_a_file_one_byte_short_or_long_is_not_whole(tmp_path: Path) -> None:
    file = saved(tmp_path / "w.safetensors", {"a": [1, 2, 3]})
    whole = file.read_bytes()
    for content in (whole[:-1], whole + b"!"):
        file.write_bytes(content)
        with pytest.raises(
            UserError, match=f"not whole: it holds {len(content)} bytes, and its header says {len(whole)}"
        ):
            headers.tensors([file])


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 8, b"\xff" * 64, b"PK\x03\x04 a zip", (2).to_bytes(8, "little") + b"[]",
     (13).to_bytes(8, "little") + b'{"a": {"x":1}'],
)  # fmt: skip
def test_what_is_no_safetensors_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"w\.safetensors is no safetensors file"):
        headers.tensors([tmp_path / "w.safetensors"])


def test_a_pointer_of_git_lfs_is_named_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n")
    with pytest.raises(UserError, match="pointer of Git LFS") as told:
        headers.tensors([tmp_path / "w.safetensors"])
    assert told.value.fix == "run `git lfs pull` there"


def test_the_same_tensors_in_other_files_are_the_same_weights(tmp_path: Path) -> None:
    one = [saved(tmp_path / "one", {"a": [1, 2], "b": [3]})]
    parts = [saved(tmp_path / "first", {"b": [3]}), saved(tmp_path / "second", {"a": [1, 2]})]
    assert headers.same_weights(one, parts)
    for other in ({"a": [1, 2], "b": [4]}, {"a": [1, 2], "c": [3]}, {"a": [1, 2]}, {"a": [1], "b": [3]}):
        assert not headers.same_weights(one, [saved(tmp_path / "other", other)])


def test_the_first_4096_bytes_of_a_tensor_are_compared(tmp_path: Path) -> None:
    values = [0.0] * 2000
    one = [saved(tmp_path / "one", {"a": values})]
    values[1023] = 1.0  # the last number of the first 4,096 bytes
    assert not headers.same_weights(one, [saved(tmp_path / "within", {"a": values})])
    values[1023], values[1024] = 0.0, 1.0
    assert headers.same_weights(one, [saved(tmp_path / "beyond", {"a": values})])


def test_metadata_is_no_tensor(tmp_path: Path) -> None:
    header = json.dumps({"__metadata__": {"format": "pt"}}).encode()
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header)
    assert headers.tensors([tmp_path / "w"]) == {}
