"""Data files as people really have them: what is read, what is refused, and how a file is split."""

import csv
import json
import math
import os
from dataclasses import replace

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suites.catalog import load_suite
from suites.checks.fix import Removal, mend
from suites.data.examples import digest, read_examples
from suites.data.readers import read_rows, refuse_rows
from suites.data.splits import split
from suites.errors import UserError
from suites.text.files import memory
from suites.types import Example, Suite

GOOD = '{"input": "1 + 1", "target": "2"}\n'
ROWS = [{"id": "a", "input": 'Grüße, "Welt"', "target": "hello\nworld"}, {"id": "b", "input": "2", "target": "two"}]


@pytest.fixture
def write(tmp_path):
    """Write a data file and give its path."""

    def written(content, name="rows.jsonl"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.fixture
def refusal(write):
    """The message for a data file that is refused."""

    def refused(content, name="rows.jsonl", columns=None, slices=()):
        with pytest.raises(UserError) as caught:
            read_examples(write(content, name), columns or {}, slices)
        return str(caught.value)

    return refused


def read(path, **columns):
    return read_examples(path, columns)


# --- four formats, one result ----------------------------------------------------------------------------------------


def write_rows(path, rows):
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0].keys(), delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writeheader()
            table.writerows(rows)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "parquet"])
def test_every_format_gives_the_same_examples(tmp_path, kind):
    path = tmp_path / f"rows.{kind}"
    write_rows(path, ROWS)
    examples = read(path)
    assert [(e.id, e.input, e.target, e.cluster) for e in examples] == [
        ("a", 'Grüße, "Welt"', "hello\nworld", "a"),
        ("b", "2", "two", "b"),
    ]


def test_columns_map_our_names_to_theirs_and_slices_are_kept(write):
    path = write('{"key": 7, "text": "hi", "label": "greeting", "thread": 3, "lang": "en"}\n')
    columns = {"id": "key", "input": "text", "target": "label", "cluster": "thread"}
    [example] = read_examples(path, columns, ["lang"])
    assert (example.id, example.input, example.target, example.cluster) == ("7", "hi", "greeting", "3")
    assert example.slices == {"lang": "en"}
    assert example.columns["text"] == "hi", "prompts can still use the file's own names"


def test_numbers_and_booleans_are_text_as_json_writes_them(write):
    [example] = read(write('{"input": 3, "target": true}\n'))
    assert (example.input, example.target) == ("3", "true")


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_no_part_of_the_data(write):
    for name, content in (("a.jsonl", GOOD), ("a.csv", "input,target\n1 + 1,2\n")):
        windows = b"\xef\xbb\xbf" + content.replace("\n", "\r\n\r\n").encode()
        [example] = read(write(windows, name))
        assert (example.input, example.target) == ("1 + 1", "2")


def test_a_nul_character_and_a_line_of_a_megabyte_are_text_like_any_other(write):
    long = "x" * 1_000_000
    first, second = read(write(f'{{"input": "a\\u0000b", "target": "n"}}\n{{"input": "{long}", "target": "l"}}\n'))
    assert first.input == "a\0b"
    assert second.input == long
    limit = csv.field_size_limit()
    read(write("input,target\na,b\n", "short.csv"))
    assert csv.field_size_limit() == limit, "other users of the csv module are not cut short"
    [row] = read(write(f'input,target\n"{long}",l\n', "long.csv"))
    assert row.input == long


def test_an_empty_file_has_no_examples(write):
    assert read(write("")) == ()
    assert read(write("input,target\n", "empty.csv")) == ()


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"input": "a", "target": }', "not JSON (Expecting value"),
        ('["a", "b"]', 'found a list, expected an object like {"input": ...}'),
        ('"text"', "found text, expected an object"),
        ('{"input": "a", "target": "b", "score": NaN}', "NaN is not a JSON value"),
        ('{"input": "a", "target": "b", "score": -Infinity}', "-Infinity is not a JSON value"),
        ('{"input": "a", "target": null}', "column `target` is null, expected text"),
        ('{"input": ["a"], "target": "b"}', "column `input` is a list, expected text"),
        ('{"input": {"k": 1}, "target": "b"}', "column `input` is an object, expected text"),
        ('{"input": "a", "input": "b", "target": "c"}', "`input` is given twice"),
        ('{"input": "\\ud83d", "target": "b"}', "column `input` has half a character"),
        ('{"input": "a", "target": "b", "x": {"\\ud800": [1]}}', "column `x` has half a character"),
        ('{"input": "a", "target": "b", "\\ud800": 1}', "column `?` has half a character"),
        ('{"input": "a", "target": 1e400}', "1e400 is a number beyond all that can be kept"),
        (
            '{"input": "a", "target": "b", "x": ' + "9" * 301 + "}",
            "99999999999999999999... is a number of 301 digits, more than can be kept",
        ),
        ('{"input": "a", "target": "b", "x": ' + "[" * 100 + "]" * 100 + "}", "nested too deeply (more than 100"),
        ('{"id": "\\udc00", "input": "a", "target": "b"}', "column `id` has half a character"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_bad_line_is_named_with_its_reason_among_good_ones(refusal, line, reason):
    message = refusal(f"{GOOD}{line}\n")
    assert "1 bad row\n" in message
    assert f"rows.jsonl:2: {reason}" in message


def test_all_bad_rows_are_counted_and_the_first_twenty_mistakes_shown():
    with pytest.raises(UserError) as told:
        refuse_rows([f"rows.jsonl:{i}: mistake {i}" for i in range(25)], "rows.jsonl")
    lines = told.value.what.splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("25 bad rows", 22, "  ... and 5 more")


@pytest.mark.parametrize(("alike", "lines"), [(3, 3), (4, 1)])
def test_more_than_three_rows_with_one_mistake_are_told_once_with_their_number(alike, lines):
    with pytest.raises(UserError) as told:
        refuse_rows([f"rows.jsonl:{i}: no text in id" for i in range(alike)], "rows.jsonl")
    [count, first, *others] = told.value.what.splitlines()
    assert (count, len(others)) == (f"{alike} bad rows", lines - 1)
    assert first.endswith("(and 3 more rows)") == (lines == 1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("input,target\na,b,c\n", "rows.csv:2: 3 columns, the header has 2"),
        ("input,target\na\n", "rows.csv:2: 1 columns, the header has 2"),
        ('input,target\na,"b\n', "unexpected end of data"),
        ("input,target,input\na,b,c\n", "the header names `input` twice"),
    ],
)
def test_a_ragged_or_ambiguous_table_is_refused(refusal, content, reason):
    assert reason in refusal(content, "rows.csv")


def test_missing_columns_are_named_beside_those_the_file_has(refusal):
    message = refusal('{"text": "a", "label": "b"}\n')
    assert "no column `input`, `target`; the file has text, label" in message
    assert "columns: {input: text, target: label}" in message
    message = refusal(GOOD, columns={"id": "key"}, slices=["lang"])
    assert "no column `key`, `lang`; the file has input, target" in message


def test_a_column_missing_in_a_later_row_is_that_rows_fault(refusal):
    assert "rows.jsonl:2: no column `target`" in refusal(GOOD + '{"input": "a"}\n')
    assert "rows.jsonl:2: no column `lang`" in refusal(
        '{"input": "a", "target": "b", "lang": "en"}\n' + GOOD, slices=["lang"]
    )


def test_text_in_another_encoding_is_refused_with_its_place(refusal):
    message = refusal(GOOD.encode() + '{"input": "Grüße", "target": "b"}\n'.encode("latin-1"))
    assert "not UTF-8 text" in message
    assert "rows.jsonl:2" in message
    assert "not UTF-8 text" in refusal("input,target\nGrüße,b\n".encode("utf-16"), "rows.csv")


@pytest.mark.parametrize(
    ("make", "what"), [(os.mkfifo, "a pipe"), (lambda path: path.symlink_to("/dev/zero"), "a device")]
)
def test_what_may_never_end_is_not_read(tmp_path, make, what):
    make(tmp_path / "rows.jsonl")
    with pytest.raises(UserError, match=f"this is {what} and no file"):
        read_rows(tmp_path / "rows.jsonl")


def test_more_than_memory_can_hold_is_not_read(tmp_path):
    with (tmp_path / "rows.jsonl").open("wb") as file:
        file.truncate(memory())  # without a block on the disk
    with pytest.raises(UserError, match=r"the file holds .* GB of rows, and this machine's memory at most"):
        read_rows(tmp_path / "rows.jsonl")


def test_a_table_of_many_columns_takes_no_longer_for_each(tmp_path):
    names = [f"c{i}" for i in range(100_000)]
    (tmp_path / "wide.csv").write_text("\n".join([",".join(names), ",".join(names)]))
    [(_, row)] = read_rows(tmp_path / "wide.csv")
    assert row["c99999"] == "c99999"
    (tmp_path / "wide.csv").write_text("\n".join([",".join([*names, "c7"]), ",".join([*names, "c7"])]))
    with pytest.raises(UserError, match="the header names `c7` twice"):
        read_rows(tmp_path / "wide.csv")


def test_files_that_are_none_are_refused(refusal, tmp_path):
    assert "unknown kind of data file: rows.xlsx" in refusal("", "rows.xlsx")
    assert "not a Parquet file" in refusal("PAR1, but not really", "rows.parquet")
    with pytest.raises(UserError, match="no such file"):
        read_rows(tmp_path / "nope.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(UserError, match="this is a folder and no file"):
        read_rows(tmp_path / "folder.jsonl")


def test_numbers_that_are_not_finite_are_refused_from_parquet_too(tmp_path):
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist([{"input": math.nan, "target": "b"}]), tmp_path / "rows.parquet"
    )
    with pytest.raises(UserError, match="row 1: column `input` is nan"):
        read(tmp_path / "rows.parquet")


# --- ids -------------------------------------------------------------------------------------------------------------


def test_repeated_ids_are_refused_with_both_places(refusal):
    rows = [GOOD.replace("{", f'{{"id": "{key}", ') for key in "aba"]
    assert "rows.jsonl:3: id 'a' stands already in rows.jsonl:1" in refusal("".join(rows))


def test_rows_without_an_id_get_one_from_their_content_that_stays_when_rows_move(write):
    other = GOOD.replace("1 + 1", "4 - 2")
    first = {e.input: e.id for e in read(write(GOOD + other))}
    moved = {e.input: e.id for e in read(write(other + GOOD))}
    assert first == moved


def test_equal_rows_without_an_id_are_told_apart_by_a_count_and_share_a_cluster(write):
    one, two, three = read(write(GOOD * 3))
    assert [two.id, three.id] == [f"{one.id}-2", f"{one.id}-3"]
    assert one.cluster == two.cluster == three.cluster


# --- splitting -------------------------------------------------------------------------------------------------------


def example(name, cluster):
    return Example(name, {"input": name, "target": "t", "who": cluster}, "t", cluster)


CLUSTERS = st.lists(st.integers(0, 12), max_size=60)
SHARES = st.tuples(st.floats(0, 0.5), st.floats(0, 0.5))


@given(CLUSTERS, SHARES, st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_split_is_complete_and_disjoint_and_never_divides_a_group(clusters, shares, seed):
    examples = [example(f"e{i}", f"c{c}") for i, c in enumerate(clusters)]
    parts = split(examples, {"validation": shares[0], "test": shares[1]}, seed=seed)
    assert sorted(e.id for part in parts.values() for e in part) == sorted(e.id for e in examples)
    homes = {name: {e.cluster for e in part} for name, part in parts.items()}
    assert not homes["train"] & homes["test"]
    assert not homes["train"] & homes["validation"]
    assert not homes["validation"] & homes["test"]
    assert parts == split(examples, {"validation": shares[0], "test": shares[1]}, seed=seed)


def test_a_split_takes_its_share_to_within_a_group_and_follows_the_seed():
    examples = [example(f"e{i}", f"c{i // 4}") for i in range(400)]
    parts = split(examples, {"validation": 0.1, "test": 0.2}, seed=1)
    assert 36 <= len(parts["validation"]) <= 44
    assert 76 <= len(parts["test"]) <= 84
    assert parts != split(examples, {"validation": 0.1, "test": 0.2}, seed=2)


def test_a_split_by_a_column_keeps_its_groups_whole_whatever_the_clusters():
    examples = [Example(f"e{i}", {"input": f"x{i}", "who": i % 7}, "t", f"e{i}") for i in range(70)]
    parts = split(examples, {"test": 0.3}, by="who")
    assert not {e.columns["who"] for e in parts["train"]} & {e.columns["who"] for e in parts["test"]}


def test_a_split_keeps_copies_of_one_text_together_and_what_they_belong_to():
    examples = [Example(f"e{i}", {"input": f"Text {i % 30}!", "who": 0}, "t", f"c{i // 2}") for i in range(90)]
    parts = split(examples, {"test": 0.4}, seed=3)
    texts, clusters = (
        ({f(e) for e in part} for part in parts.values()) for f in (lambda e: e.input, lambda e: e.cluster)
    )
    assert not set.intersection(*texts)
    assert not set.intersection(*clusters)


def test_a_group_column_that_a_row_lacks_is_refused():
    with pytest.raises(UserError, match="example e1 has no column `who`"):
        split([example("e0", "c"), Example("e1", {"input": "x"}, "t", "c")], {"test": 0.5}, by="who")


# --- suites as folders -----------------------------------------------------------------------------------------------

SUITE = (
    "name: arithmetic\nmetrics: [exact_match, contains]\nprompt: Just the number.\nmargin: 0.01\nmax_new_tokens: 8\n"
)


@pytest.fixture
def suite(tmp_path):
    """Write a suite folder and load it."""

    def written(text, rows=GOOD * 2, **options):
        folder = tmp_path / "own"
        folder.mkdir(exist_ok=True)
        (folder / "suite.yaml").write_text(text)
        if rows is not None:
            (folder / "examples.jsonl").write_text(rows)
        return load_suite("own", tmp_path, **options)

    return written


def test_a_folder_is_a_regression_suite(suite):
    loaded = suite(SUITE)
    assert (loaded.name, loaded.kind, loaded.margin) == ("arithmetic", "regression", 0.01)
    assert loaded.metrics == ("exact_match", "contains")
    assert loaded.generation.max_new_tokens == 8
    assert len(loaded.examples) == 2


def test_a_suite_names_its_metrics_as_other_tools_do(suite):
    assert suite(SUITE.replace("exact_match", "accuracy")).metrics == ("exact_match", "contains")
    with pytest.raises(UserError, match="`f1:LABEL` is of one, `token_f1` over words"):
        suite(SUITE.replace("exact_match", "f1"))


def test_a_suite_may_be_marked_by_what_came_with_recorded_answers(suite):
    assert suite("name: arithmetic\nmetrics: ['recorded:acc,none']\n").metrics == ("recorded:acc,none",)


def test_the_experiment_may_take_fewer_examples(suite):
    assert len(suite(SUITE, limit=1).examples) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a suite needs a name and metrics"),
        ("- a", "a suite needs a name and metrics"),
        ("name: x\n", "a suite needs a name and metrics"),
        ("name: [", "not valid YAML"),
        ("name: x\nmetrics: [exact]\n", r"cannot use `metrics: \['exact'\]`"),
        ("name: x\nmetrics: exact_match\n", "cannot use `metrics: exact_match`"),
        ("name: x\nmetrics: [exact_match]\nmargin: wide\n", "cannot use `margin: wide`"),
        ("name: x\nmetrics: [exact_match]\nmax_new_token: 8\n", "cannot use `max_new_token: 8`"),
    ],
)
def test_suite_settings_that_cannot_be_used_are_refused(suite, text, message):
    with pytest.raises(UserError, match=message):
        suite(text)


def test_a_suite_without_examples_or_without_a_folder_is_refused(suite, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        suite(SUITE, rows=None)
    with pytest.raises(UserError, match="no examples"):
        suite(SUITE, rows="")
    with pytest.raises(UserError, match="no suite named 'nope'"):
        load_suite("nope", tmp_path)


def test_the_digest_of_an_exam_follows_everything_it_is_made_of(suite):
    one = suite(SUITE)
    assert digest(one) == digest(suite(SUITE))
    different = [
        suite(SUITE.replace("Just", "Only")),
        suite(SUITE.replace(", contains", "")),
        suite(SUITE.replace("_tokens: 8", "_tokens: 9")),
        suite(SUITE, rows=GOOD.replace("2", "3")),
        Suite(one.name, one.kind, one.examples, one.metrics, one.prompt, one.margin, {}, one.generation),
        replace(one, kind="validation"),
    ]
    assert len({digest(one), *map(digest, different)}) == 7


TABLE = 'text;label\n"Late, again; sorry";delivery\nCard, lost;card\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", TABLE),
        ("rows.csv", f"sep=;\r\n{TABLE}"),
        ("rows.csv", TABLE.replace(";", "\t").replace("again\t", "again;")),
        ("rows.tsv", TABLE.replace(";", "\t").replace("again\t", "again;")),
        ("rows.tsv", TABLE),
        ("rows.csv", TABLE.replace(";", "|").replace("again|", "again;")),
    ],
)
def test_the_sign_between_columns_is_seen_whatever_the_file_is_called(tmp_path, name, content):
    (tmp_path / name).write_text(content, newline="")
    examples = read_examples(tmp_path / name, {"input": "text", "target": "label"})
    assert [(e.input, e.target) for e in examples] == [("Late, again; sorry", "delivery"), ("Card, lost", "card")]
    kept = mend(tmp_path / name, examples, [Removal(examples[0].id, "", "", "", "", "")], tmp_path / "out").read_text()
    assert kept.splitlines()[-2:] == [content.splitlines()[-3], content.splitlines()[-1]]


def test_a_row_with_a_column_too_many_is_still_named(tmp_path):
    (tmp_path / "rows.csv").write_text("input,target\na,b\nc,d,e\n")
    with pytest.raises(UserError, match=r"rows\.csv:3: 3 columns, the header has 2"):
        read_examples(tmp_path / "rows.csv", {})
