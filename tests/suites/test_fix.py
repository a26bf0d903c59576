"""A mended training file: what is left out and why, what is kept byte for byte, and what is never touched."""

import json

import pyarrow
import pyarrow.parquet
import pytest

from suites.checks.fix import LOG, mend, removals
from suites.checks.material import Material
from suites.data.examples import read_examples
from suites.errors import UserError
from suites.types import Example

LONG = "the quick brown fox jumps over the lazy dog while the slow red cat sleeps beside the warm stove all day"
ROWS = [
    ("a", "What is a fish?", "animal"),
    ("b", "what is a FISH", "animal"),
    ("c", "What is a bat?", "animal"),
    ("d", "What is a bat?", "club"),
    ("e", LONG, "story"),
    ("f", f"{LONG} and all night", "story"),
    ("g", "Something of its own", "story"),
]
TEST = [Example("t", {"input": f"They say that {LONG[:80]}, or so", "target": "x"}, "x", "t")]


def reasons(train, test=()):
    return {row.id: (row.reason, row.like) for row in removals(Material({"train": train, "test": test}))}


def examples(rows=ROWS):
    return [Example(i, {"input": text, "target": target}, target, i) for i, text, target in rows]


def test_copies_contradictions_and_rows_of_an_exam_are_left_out_and_near_copies_are_kept():
    assert reasons(examples()) == {
        "b": ("same input and target", "a"),
        "c": ("same input, another target", "d"),
        "d": ("same input, another target", "c"),
    }
    assert reasons(examples(), TEST)["e"] == ("seen in test", "t")
    assert reasons(examples(), TEST)["f"] == ("seen in test", "t")


def test_no_row_of_an_exam_is_ever_left_out():
    twice = [Example(i, {"input": "the same", "target": "x"}, "x", i) for i in ("v1", "v2")]
    assert removals(Material({"validation": twice, "test": twice})) == []


def written(path, content, tmp_path, keep_ids=("a", "g"), **columns):
    """The mended file's bytes, after all rows but `keep_ids` are left out."""
    path.write_bytes(content)
    rows = read_examples(path, columns)
    gone = [row for row in removals(Material({"train": rows, "test": TEST})) if row.id not in keep_ids]
    found = mend(path, rows, gone, tmp_path / "out").read_bytes()
    assert path.read_bytes() == content, "the original is only read"
    return found


def test_lines_that_are_kept_keep_their_bytes(tmp_path):
    lines = [json.dumps({"id": i, "input": text, "target": t}, ensure_ascii=False) for i, text, t in ROWS]
    lines[6] = '{"target":"story",   "extra": 1e2, "id":"g" ,"input": "S\\u00f6mething of its own"}'
    content = b"\xef\xbb\xbf" + "\r\n".join([lines[0], "", *lines[1:]]).encode()
    kept = b"\xef\xbb\xbf" + "\r\n".join([lines[0], "", lines[6]]).encode()
    assert written(tmp_path / "train.jsonl", content, tmp_path) == kept


def test_records_of_several_lines_are_kept_or_left_out_whole(tmp_path):
    head, kept = 'id,input,"target"\r\n', 'g,"Something\nof its ""own""",story'
    gone = 'c,"What is\r\na bat?",animal\nd,What is a bat?,"club"\n'
    content = (head + "a,What is a fish?,  animal \n" + gone + kept).encode()
    assert (
        written(tmp_path / "train.csv", content, tmp_path) == (head + "a,What is a fish?,  animal \n" + kept).encode()
    )


def test_parquet_keeps_its_types_and_its_other_columns(tmp_path):
    ids, texts, targets = zip(*ROWS, strict=True)
    table = pyarrow.table({"id": ids, "input": texts, "target": targets, "n": pyarrow.array(range(7), pyarrow.int16())})
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    found = written(tmp_path / "train.parquet", bytes(sink.getvalue()), tmp_path)
    assert pyarrow.parquet.read_table(pyarrow.BufferReader(found)).equals(table.take([0, 6]))


def test_every_row_left_out_is_logged_with_the_reason_and_the_row_that_shows_it(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps({"id": i, "input": a, "target": b}) + "\n" for i, a, b in ROWS))
    rows = read_examples(path, {})
    mend(path, rows, removals(Material({"train": rows})), tmp_path / "out")
    log = [json.loads(line) for line in (tmp_path / "out" / LOG).read_text().splitlines()]
    assert log[0] == {
        "id": "b", "check": "duplicates", "reason": "same input and target", "like": "a", "input": "what is a FISH",
        "target": "animal",
    }  # fmt: skip
    assert [row["id"] for row in log] == ["b", "c", "d"]


def test_nothing_is_written_over_not_even_the_original(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"id": "a", "input": "x", "target": "y"}\n')
    with pytest.raises(UserError, match="the folder of the file itself"):
        mend(path, read_examples(path, {}), [], tmp_path)
    mend(path, read_examples(path, {}), [], tmp_path / "out")
    (tmp_path / "out" / "train.jsonl").write_text("mended by hand\n")
    with pytest.raises(UserError, match="there already"):
        mend(path, read_examples(path, {}), [], tmp_path / "out")


def test_a_kind_of_file_that_cannot_be_mended_is_refused(tmp_path):
    path = tmp_path / "train.xlsx"
    path.write_bytes(b"")
    with pytest.raises(UserError, match="cannot mend this kind of file"):
        mend(path, [], [], tmp_path / "out")
