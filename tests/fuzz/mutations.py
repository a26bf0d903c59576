"""What goes wrong with files: by their structure (a value of another type, a key that is gone), and by their bytes.

A valid file with one thing wrong in it comes further into the code than bytes without sense; both are done.
"""

from __future__ import annotations

import copy
import io
import json
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow
import pyarrow.parquet
import yaml

DEEP: Any = []
for _ in range(120):
    DEEP = [DEEP]

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 2**31, 2**63, 2**64, -(2**63), 10**40, 0.5, -0.0, 5e-324, 1e-300, 1e300, 1.5,
    float("nan"), float("inf"), float("-inf"), "", " ", "x", "no", "1", "0.5", "1e999", "nan", "None", "null", "\0",
    "a\0b", "\ud800", "\u202e", "é", "👍", "x" * 300, "x" * 100_000, "../../etc/passwd", "/dev/zero", "/dev/null",
    "/", ".", "~", "{{ 7 * 7 }}", "{{ 1 / 0 }}", "{{ x.__class__ }}", "{% for i in range(10) %}", "{{", "a:b", "\n",
    "hf:owner/name/test", "http://127.0.0.1:9/v1", "evaluate:none", "recorded:x", "---", "<think>", "</think>",
    [], {}, [[]], [{}], [None], ["x", "x"], {"": ""}, {"a": None}, {"\0": 1}, ["x"] * 2000, list(range(1100)),
    {str(i): i for i in range(300)}, DEEP,
)  # fmt: skip
"""Values that stand where others are meant."""
RAW = (
    "1e999", "-1e999", "NaN", "Infinity", "1" * 400, "-" + "9" * 5000, "1e-400", '{"a": 1, "a": 2}',
    "[" * 600 + "]" * 600, '"\\ud800"', '"\\udc00\\ud800"', "tru", "01", "+1", ".5", "1.", "'x'", "// c", "1_000",
)  # fmt: skip
"""What stands for a value in text, and cannot be built."""
LINES = (
    "\t", "- ", "&a ", "*a", "<<: *a", "!!python/object:os.system x", "!!binary AAAA", "--- ", "...", "? ", "| ",
    "> ", "%YAML 1.1", "#", ": ", "[", "{", '"', "'", "@", "`", "!", "yes", "1:30", "0o7", "1_0", "2024-01-01", "~",
    ".inf",
)  # fmt: skip
MARK = "@raw@"

Path = tuple[str | int, ...]


def mutate(content: bytes, place: str, chance: random.Random) -> bytes:
    """Another content of the file `place`, with one to four things wrong."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        change = _bytes if chance.random() < 0.2 else _structure(place)
        try:
            content = change(content, chance)
        except Exception:  # noqa: BLE001 - it had gone wrong before, and is nothing of its kind any more
            content = _bytes(content, chance)
    return content


def _structure(place: str) -> Callable[[bytes, random.Random], bytes]:
    return KINDS.get(place.rpartition(".")[2], _lines)


def _bytes(content: bytes, chance: random.Random) -> bytes:
    at, length = chance.randrange(len(content) + 1), chance.choice((1, 1, 2, 8, 64, 1000))
    part = content[at : at + length]
    return chance.choice(
        (
            lambda: content[:at] + bytes(chance.randrange(256) for _ in part) + content[at + length :],
            lambda: content[:at] + chance.randbytes(length) + content[at:],
            lambda: content[:at] + content[at + length :],
            lambda: content[:at] + part * chance.choice((2, 3, 100)) + content[at + length :],
            lambda: content[:at],
            lambda: content[at:],
            lambda: b"",
            lambda: b"\xef\xbb\xbf" + content,
            lambda: content.decode("utf-8", "replace").encode(
                chance.choice(("utf-16", "latin-1", "utf-32")), "replace"
            ),
            lambda: content.replace(b"\n", chance.choice((b"\r\n", b"\r", b"\0", b"\xe2\x80\xa8"))),
        )
    )()


def _json(content: bytes, chance: random.Random) -> bytes:
    return _written(_changed(json.loads(content), chance), chance)


def _json_lines(content: bytes, chance: random.Random) -> bytes:
    lines = content.split(b"\n")
    if chance.random() < 0.25:
        return _lines(content, chance)
    at = chance.choice([i for i, line in enumerate(lines) if line.strip()] or [0])
    lines[at] = _json(lines[at], chance)
    return b"\n".join(lines)


def _written(value: Any, chance: random.Random) -> bytes:
    """JSON, with what no value is in place of marks."""
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5)
    while f'"{MARK}"' in text:
        text = text.replace(f'"{MARK}"', chance.choice(RAW), 1)
    return text.encode("utf-8", "surrogatepass")


def _yaml(content: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return _lines(content, chance)
    value = _changed(yaml.safe_load(content), chance)
    if chance.random() < 0.5:
        return _written(value, chance)  # JSON is YAML, too
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")


def _changed(tree: Any, chance: random.Random) -> Any:
    """A tree with one thing changed in it."""
    tree = copy.deepcopy(tree)
    paths = list(_paths(tree, ()))
    path = chance.choice(paths)
    if not path:
        return chance.choice((MARK, [tree], {"x": tree}, *ODD))
    holder = tree
    for part in path[:-1]:
        holder = holder[part]
    last = path[-1]
    what = chance.randrange(8)
    if what <= 2:
        holder[last] = copy.deepcopy(chance.choice(ODD))
    elif what == 3:
        holder[last] = MARK
    elif what == 4:
        del holder[last]
    elif what == 5:
        other = tree
        for part in chance.choice(paths):
            other = other[part]
        holder[last] = copy.deepcopy(other)
    elif what == 6 and isinstance(holder, dict):
        names = [name for other in paths if other for name in other[-1:] if isinstance(name, str)]
        name = chance.choice((*names[:200], f"{last}x", str(last).upper(), "", "\0", "\ud800", "x" * 1000))
        holder[name] = holder.pop(last)
    else:
        holder[last] = chance.choice(
            ([holder[last]], {"x": holder[last]}, str(holder[last]), [holder[last]] * chance.choice((0, 2, 200)))
        )
    return tree


def _paths(tree: Any, at: Path) -> Iterator[Path]:
    yield at
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from _paths(value, (*at, key))


def _lines(content: bytes, chance: random.Random) -> bytes:
    lines = content.split(b"\n")
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    odd = str(chance.choice((*LINES, *RAW, *ODD[:60]))).encode("utf-8", "surrogatepass")
    line, cut = lines[at], chance.randrange(len(lines[at]) + 1)
    lines[at : at + 1] = chance.choice(
        (
            [line, line],
            [],
            [lines[other], line],
            [line[:cut] + odd + line[cut:]],
            [line[:cut] + odd],
            [odd, line],
            [b" " + line],
            [line.lstrip()],
            [line.partition(b":")[0] + b": " + odd],
            [line[:cut], line[cut:]],
            [line] * 300,
        )
    )
    return b"\n".join(lines)


def _table(content: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return _lines(content, chance)
    sign = chance.choice((b",", b"\t", b";"))
    lines = content.split(b"\n")
    at = chance.randrange(len(lines))
    cells = lines[at].split(sign)
    odd = str(chance.choice((*ODD[:60], '"', '""', '"x', "=1+1", "\r", ","))).encode("utf-8", "surrogatepass")
    cells[chance.randrange(len(cells))] = odd
    lines[at] = sign.join(cells * chance.choice((1, 1, 1, 2, 200)))
    return b"\n".join(lines)


def _parquet(content: bytes, chance: random.Random) -> bytes:
    """Other columns, or rows of other values; what Arrow makes of them is what a file can hold."""
    rows = pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
    what = chance.randrange(3)
    if what == 0:
        rows = _changed(rows, chance)
    elif what == 1:
        name, value = chance.choice(list(rows[0])), copy.deepcopy(chance.choice(ODD))
        rows = [{**row, name: value} for row in rows]
    else:
        rows = [{key: [value] if chance.random() < 0.2 else value for key, value in row.items()} for row in rows]
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), out)
    return out.getvalue()


def _tensors(content: bytes, chance: random.Random) -> bytes:
    """A safetensors file whose header says other things than it holds, or is said to have another length."""
    [length] = struct.unpack("<Q", content[:8])
    header, rest = content[8 : 8 + length], content[8 + length :]
    changed = _json(header, chance)
    said = chance.choice(
        (len(changed), len(changed), len(changed), 0, len(changed) + 1, 2**40, 2**64 - 1, len(content))
    )
    return struct.pack("<Q", said) + changed + rest


KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "json": _json,
    "jsonl": _json_lines,
    "yaml": _yaml,
    "yml": _yaml,
    "csv": _table,
    "tsv": _table,
    "parquet": _parquet,
    "safetensors": _tensors,
    "duckdb": _bytes,
}
"""By the end of a file's name; every other is taken for lines."""
