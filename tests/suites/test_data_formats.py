"""Training data in every shape people bring: recognised, named, and read to the last character."""

import contextlib
import csv
import gzip
import json

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workspaces import write_jsonl

from baselines.prompters.few_shot import few_shot
from baselines.prompters.zero_shot import zero_shot
from suites.data import hub
from suites.data.examples import read_data, read_examples
from suites.data.formats import FORMATS
from suites.data.preferences import read_preferences, read_rated
from suites.data.turns import conversation_faults
from suites.errors import UserError

SYSTEM, USER, ANSWER = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "1 + 1?"},
    {"role": "assistant", "content": "2"},
)
AGAIN, THREE = {"role": "user", "content": "And one more?"}, {"role": "assistant", "content": "3"}
SHAREGPT = [{"from": "human", "value": "1 + 1?"}, {"from": "gpt", "value": "2"}]


@pytest.fixture
def read(tmp_path):
    """The file of some rows, read."""

    def reading(*rows, columns=None):
        return read_data(write_jsonl(tmp_path / "rows.jsonl", rows), columns or {})

    return reading


@pytest.fixture
def refusal(read):
    """The message for rows that are refused."""

    def refused(*rows, columns=None):
        with pytest.raises(UserError) as caught:
            read(*rows, columns=columns)
        return str(caught.value)

    return refused


# --- one lesson, many shapes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"input": "1 + 1?", "target": "2"}, "inputs and targets"),
        ({"messages": [USER, ANSWER]}, "chat messages (TRL, OpenAI)"),
        ({"messages": [USER, ANSWER], "tools": [{"name": "add"}]}, "chat messages (TRL, OpenAI)"),
        ({"conversations": SHAREGPT}, "ShareGPT conversations"),
        ({"instruction": "1 + 1?", "input": "", "output": "2"}, "Alpaca instructions"),
        ({"prompt": "1 + 1?", "completion": "2"}, "prompts and completions"),
        ({"prompt": [USER], "completion": [ANSWER]}, "prompts and completions"),
    ],
)
def test_the_same_lesson_in_every_shape(read, row, name):
    found = read(row)
    [example] = found.examples
    assert (example.input, example.target, list(example.messages)) == ("1 + 1?", "2", [USER])
    assert str(found) == f"rows.jsonl: {name}, 1 row"
    assert {key: example.columns[key] for key in row if key != "input"} == {k: row[k] for k in row if k != "input"}


def test_a_conversation_keeps_its_turns_and_its_system_message(read):
    turns = [SYSTEM, USER, ANSWER, AGAIN, THREE]
    [example] = read({"messages": turns}).examples
    assert (list(example.messages), example.target) == (turns[:-1], "3")
    assert example.input == "user: 1 + 1?\n\nassistant: 2\n\nuser: And one more?"


def test_sharegpt_names_become_roles(read):
    names = [("system", "Be brief."), ("human", "q"), ("function_call", "f()"), ("observation", "4"), ("gpt", "4")]
    [example] = read({"conversations": [{"from": who, "value": what} for who, what in names]}).examples
    assert [turn["role"] for turn in example.messages] == ["system", "user", "assistant", "tool"]
    [example] = read({"system": "Be brief.", "conversations": SHAREGPT}).examples
    assert list(example.messages) == [SYSTEM, USER]


def test_alpaca_puts_what_the_instruction_is_about_below_it(read, refusal):
    row = {"instruction": "Translate.", "input": "Haus", "output": "house"}
    [example] = read(row).examples
    assert (example.input, example.turns) == ("Translate.\n\nHaus", None)
    [example] = read({**row, "system": "Be brief.", "history": [["1 + 1?", "2"]]}).examples
    assert list(example.messages) == [SYSTEM, USER, ANSWER, {"role": "user", "content": "Translate.\n\nHaus"}]
    for history in (5, [5], [["1 + 1?", 2]], [["1 + 1?"]], "no"):
        assert "column `history` is expected to be a list of [question, answer]" in refusal({**row, "history": history})


def test_openais_weight_says_which_answer_is_learnt(read, refusal):
    taken_off = {**THREE, "weight": 0}
    [example] = read({"messages": [USER, {**ANSWER, "weight": 1}, AGAIN, taken_off]}).examples
    assert (list(example.messages), example.target) == ([USER], "2")
    assert "every answer is marked as not to be learnt" in refusal({"messages": [USER, {**ANSWER, "weight": 0}]})
    assert "weight 0.5, expected 0 or 1" in refusal({"messages": [USER, {**ANSWER, "weight": 0.5}]})


def test_a_tool_call_on_the_way_is_a_call_with_its_result(read, refusal):
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "add"}}]}
    result = {"role": "tool", "content": "2", "tool_call_id": "1"}
    [example] = read({"messages": [USER, call, result, ANSWER]}).examples
    entry = {"id": "call00001", "type": "function", "function": {"name": "add", "arguments": {}}}
    answered = {"role": "tool", "content": "2", "tool_call_id": "call00001", "name": "add"}
    assert list(example.messages) == [USER, {**ANSWER, "content": "", "tool_calls": [entry]}, answered]
    assert "the last turn calls a tool, and no tools are given: in the row's column" in refusal(
        {"messages": [USER, call]}
    )
    broken = {**call, "tool_calls": [{"function": {"name": "\ud83d"}}]}
    assert "column `messages` has half a character" in refusal({"messages": [USER, broken, result, ANSWER]})


def test_plain_text_is_nothing_but_text(read, refusal):
    [example] = read({"id": "a", "text": "Once upon a time"}).examples
    assert (example.target, example.messages) == ("Once upon a time", ())
    message = refusal({"text": "Where is my card?", "category": "card"})
    assert "no column `input`, `target`; the file has text, category" in message
    assert "messages (chat messages (TRL, OpenAI))" in message
    [example] = read({"body": "Once upon a time", "author": "x"}, columns={"text": "body"}).examples
    assert example.messages == ()


def test_a_mapped_column_settles_the_format(read, refusal):
    [example] = read(
        {"prompt": "q", "completion": "c", "label": "x"}, columns={"input": "prompt", "target": "label"}
    ).examples
    assert example.target == "x"
    [example] = read({"dialog": [USER, ANSWER], "text": "t"}, columns={"messages": "dialog"}).examples
    assert example.target == "2"
    assert "no column `target`; the file has text" in refusal({"text": "t"}, columns={"input": "text"})


def test_preference_data_is_not_mistaken_for_examples(refusal):
    assert "preference pairs (DPO)" in refusal({"prompt": "p", "chosen": "a", "rejected": "b"})
    assert "rated answers (KTO)" in refusal({"prompt": "p", "completion": "a", "label": False})


@pytest.mark.parametrize("column", ["messages", "conversations", "prompt"])
@pytest.mark.parametrize(
    "mark", [{"weight": 0}, {"train": False}, {"loss": 0.0}, {"loss_weight": "0"}, {"masked": True}]
)
def test_a_turn_marked_as_not_to_be_learnt_is_not_learnt_in_any_shape(read, column, mark):
    turns = [USER, {**ANSWER, "train": True}, AGAIN, {**THREE, **mark}]
    row = {"prompt": turns[:1], "completion": turns[1:]} if column == "prompt" else {column: turns}
    [example] = read(row).examples
    assert (list(example.messages), example.target) == ([USER], "2")


@pytest.mark.parametrize("mark", [{"mask": 1}, {"masks": [0, 1]}, {"train_detail": []}, {"loss_scale": 0.3}])
def test_a_mark_on_a_turn_that_cannot_be_honoured_stops_the_file(refusal, mark):
    assert f"1 bad row\n  rows.jsonl:1: {'' if 'loss_scale' in mark else 'turn 2 has'}" in refusal(
        {"conversations": [USER, {**ANSWER, **mark}]}
    )


def test_parts_of_text_are_joined_and_other_parts_refused_by_name(read, refusal):
    parts = [{"type": "text", "text": "1 + 1"}, {"type": "text", "text": " = ?", "image_url": None}]
    [example] = read({"messages": [{**USER, "content": parts}, ANSWER]}).examples
    assert example.input == "1 + 1 = ?"
    picture = [*parts, {"type": "image_url", "image_url": {"url": "a.png"}}]
    assert "turn 1 holds a part of the type 'image_url'; no model here" in refusal(
        {"messages": [{**USER, "content": picture}, ANSWER]}
    )


def test_a_function_call_is_kept_as_a_tool_call_is(read):
    call = {"name": "add", "arguments": "{}"}
    result = {"role": "function", "name": "add", "content": "2"}
    [example] = read({"messages": [USER, {**ANSWER, "content": None, "function_call": call}, result, ANSWER]}).examples
    entry = {"id": "call00001", "type": "function", "function": {"name": "add", "arguments": {}}}
    assert example.messages[1] == {**ANSWER, "content": "", "tool_calls": [entry]}
    assert example.messages[2] == {**result, "role": "tool", "tool_call_id": "call00001"}


def test_an_answer_that_is_an_object_or_a_list_is_read_as_json(read):
    for row in (
        {"input": "q", "target": {"a": ["ä", 1]}},
        {"prompt": "q", "completion": {"a": ["ä", 1]}},
        {"instruction": "q", "output": {"a": ["ä", 1]}},
    ):
        assert read(row).examples[0].target == '{"a": ["ä", 1]}'
    assert read({"input": "q", "target": []}).examples[0].target == "[]"


RATED_ROWS = [
    ({"messages": [USER, ANSWER], "label": True}, "messages=messages"),
    ({"conversations": SHAREGPT, "kto_tag": 0}, "messages=conversations"),
    ({"prompt": "1 + 1?", "completion": "2", "labels": "false"}, "input=prompt"),
    ({"prompt": "1 + 1?", "completion": "2", "label": 1}, "input=prompt"),
    ({"instruction": "1 + 1?", "output": "2", "kto_tag": False}, "rename it"),
]


@pytest.mark.parametrize(("row", "way_out"), RATED_ROWS)
def test_rated_answers_are_no_examples_in_any_shape(refusal, read, row, way_out):
    message = refusal(row)
    assert "rated answers (KTO), which say what is better, not what to answer" in message
    assert "`training: {method: kto}`" in message
    assert way_out in message


@pytest.mark.parametrize("row", [row for row, _ in RATED_ROWS])
def test_rated_answers_are_read_in_any_shape(row, tmp_path):
    [rated] = read_rated(write_jsonl(tmp_path / "rated.jsonl", [row]))
    assert (list(rated.prompt), rated.completion) == ([USER], "2")
    assert rated.label is (row.get("label") in (True, 1))


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Which desk?", "completion": "billing", "label": "billing"},
        {"messages": [USER, ANSWER], "label": 1},
        {"messages": [USER, ANSWER], "labels": ["a", "b"]},
        {"input": "q", "target": "yes", "label": True},
    ],
)
def test_a_label_that_names_a_class_is_ordinary(read, row):
    assert len(read(row).examples) == 1


def test_a_mapped_column_says_that_a_truth_value_judges_no_answer(read):
    assert len(read({"messages": [USER, ANSWER], "label": True}, columns={"messages": "messages"}).examples) == 1


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ("hello", "column `messages` is text, expected a list of turns"),
        ([], "column `messages` is an empty list, expected a list of turns"),
        ([USER, "2"], 'turn 2 is text, expected {"role": ..., "content": ...}'),
        ([USER, {"role": "narrator", "content": "2"}], "turn 2 has the role 'narrator', expected system, user"),
        ([USER, {"content": "2"}], "turn 2 has the role null"),
        ([USER, {"role": "assistant", "content": {"a": 1}}], "turn 2: `content` is an object, expected text"),
        ([USER, {"role": "assistant", "content": "\ud83d"}], "column `messages` has half a character"),
        ([USER, {"role": ["user"], "content": "x"}], "turn 2 has the role a list"),
        ([USER], "the last turn is the user's, expected the assistant's answer"),
        ([ANSWER], "only the assistant speaks"),
    ],
)
def test_a_conversation_that_teaches_nothing_is_a_bad_row(refusal, messages, reason):
    message = refusal({"messages": [USER, ANSWER]}, {"messages": messages})
    assert f"1 bad row\n  rows.jsonl:2: {reason}" in message


def test_rows_in_another_format_than_the_first_are_bad_rows(refusal):
    message = refusal(
        {"messages": [USER, ANSWER]}, {"conversations": SHAREGPT}, {"input": "a", "target": "b"}, {"a": 1}
    )
    assert "3 bad rows" in message
    assert "rows.jsonl:2: ShareGPT conversations, the file began with chat messages (TRL, OpenAI)" in message
    assert "rows.jsonl:3: inputs and targets, the file began with" in message
    assert "rows.jsonl:4: no column `messages`" in message


def test_bad_lines_and_bad_values_are_counted_together(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"input": "a", "target": "b"}\nnonsense\n{"input": 1, "target": null}\n')
    with pytest.raises(UserError, match=r"2 bad rows\n  rows.jsonl:2: not JSON .*\n  rows.jsonl:3: column `target`"):
        read_examples(path, {})


def test_what_can_be_read_and_is_odd_is_told(read):
    assert conversation_faults([SYSTEM, USER, ANSWER, AGAIN, THREE]) == []
    assert conversation_faults([USER, {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}, ANSWER]) == []
    [example] = read({"messages": [USER, AGAIN, {"role": "assistant", "content": " "}]}).examples
    answer = {"role": "assistant", "content": example.target}
    assert conversation_faults([*example.messages, answer]) == [
        "turn 3 (assistant) is empty",
        "turns 1 and 2 are both the user's",
    ]
    assert conversation_faults([SYSTEM, ANSWER]) == ["there is no user turn", "the assistant speaks first"]
    assert conversation_faults([USER]) == ["there is no assistant turn", "the last turn is the user's"]
    assert conversation_faults([USER, SYSTEM, ANSWER]) == ["turn 2 is a system message after the start"]
    assert "turn 1 has the unknown role 'narrator'" in conversation_faults([{"role": "narrator", "content": "x"}])
    assert conversation_faults([]) == ["there is no user turn", "there is no assistant turn"]


def test_ids_follow_the_whole_conversation(read):
    rows = [{"messages": [*start, USER, ANSWER]} for start in ([], [SYSTEM], [USER, ANSWER])]
    assert len({example.id for example in read(*rows).examples}) == 3
    plain = read({"input": "1 + 1?", "target": "2"}).examples[0]
    assert read(rows[0]).examples[0].id == plain.id


# --- what a prompt makes of it ---------------------------------------------------------------------------------------


def test_a_prompt_shows_real_turns_and_both_instructions(read):
    [example] = read({"messages": [SYSTEM, USER, ANSWER, AGAIN, THREE]}).examples
    assert zero_shot("z", "").messages(example) == [SYSTEM, USER, ANSWER, AGAIN]
    both = {"role": "system", "content": "Do sums.\n\nBe brief."}
    assert zero_shot("z", "Do sums.").messages(example) == [both, USER, ANSWER, AGAIN]
    block = zero_shot("z", "Chat:\n{{ input }}").messages(example)
    assert block == [SYSTEM, {"role": "user", "content": f"Chat:\n{example.input}"}]


def test_a_shot_is_shown_with_its_turns_and_without_its_system_message(read):
    shot, example = read(
        {"messages": [SYSTEM, USER, ANSWER, AGAIN, THREE]}, {"messages": [{**USER, "content": "2 + 2?"}, {**ANSWER}]}
    ).examples
    prompter = few_shot("f", "", [shot], 1)
    assert prompter.messages(example) == [USER, ANSWER, AGAIN, THREE, {"role": "user", "content": "2 + 2?"}]


def test_plain_text_has_no_question_to_show(read):
    with pytest.raises(UserError, match="plain text"):
        few_shot("f", "", read({"text": "Once"}, {"text": "Twice"}).examples, 1)


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_json_array_is_read_item_by_item_with_lines(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('[\n {"input": "a",\n  "target": "b"},\n {"input": "c", "target": "d"}\n]\n')
    assert [e.input for e in read_examples(path, {})] == ["a", "c"]
    path.write_text('[\n {"input": "a", "target": "b"},\n 7,\n\n {"input": "c", "input": "d"},\n {"x": 1}]')
    with pytest.raises(UserError, match=r"2 bad rows\n  rows.json:3: found 7, .*\n  rows.json:5: `input` is given"):
        read_examples(path, {})
    for text in ("[", '[{"input": "a", "target": "b"}', '[{"input": "a", "target": "b"}] x', "[" * 100_000):
        path.write_text(text)
        with pytest.raises(UserError, match=r"1 bad row\n  rows.json:1: "):
            read_examples(path, {})
    path.write_text("[]")
    assert read_examples(path, {}) == ()


ROWS = [{"messages": [SYSTEM, USER, ANSWER], "plan": "pro"}, {"messages": [USER, ANSWER], "plan": None}]


def test_a_saved_dataset_is_read_like_the_file_it_was_made_from(tmp_path):
    for place in ("alone", "several/train", "several/test"):
        datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / place)
    from_disk = read_data(tmp_path / "several" / "train", {})
    assert str(from_disk) == "train: chat messages (TRL, OpenAI), 2 rows"
    from_lines = read_examples(write_jsonl(tmp_path / "rows.jsonl", ROWS), {})
    for saved, written in zip(from_disk.examples, from_lines, strict=True):
        assert (saved.id, saved.messages, saved.target) == (written.id, written.messages, written.target)
    assert read_examples(tmp_path / "alone", {}) == from_disk.examples
    with pytest.raises(UserError, match="several splits"):
        read_data(tmp_path / "several", {})
    (tmp_path / "alone" / "data-00000-of-00001.arrow").write_bytes(b"nothing")
    with pytest.raises(UserError, match="the dataset cannot be read"):
        read_data(tmp_path / "alone", {})


def test_a_dataset_is_read_by_name_split_and_part(tmp_path, monkeypatch):
    rows = [{"messages": [USER, {**ANSWER, "content": str(i)}]} for i in range(5)]
    write_jsonl(tmp_path / "owner" / "name" / "train.jsonl", rows)  # datasets looks here before it asks the Hub
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    assert str(read_data("hf:owner/name/train", {})) == "train: chat messages (TRL, OpenAI), 5 rows"
    assert [e.target for e in read_examples("hf:owner/name/train[1:3]", {})] == ["1", "2"]
    assert all(file.is_file() for file in hub.files("hf:owner/name/train"))
    with pytest.raises(UserError, match="the dataset cannot be read: Unknown split"):
        read_data("hf:owner/name/test", {})


@pytest.mark.parametrize("name", ["hf:owner/name/train", "hf:owner/name:main@abc123/test[:10]", "hf:squad/train"])
def test_a_dataset_on_the_hub_that_cannot_be_fetched_says_what_to_do(name):
    with pytest.raises(UserError, match=r"the dataset cannot be fetched: .*\n.*\n.*save_to_disk"):
        read_data(name, {})


@pytest.mark.parametrize("name", ["hf:", "hf:name", "hf:a/b/c/d/e", "hf:../../etc/passwd"])
def test_a_dataset_name_that_is_none_is_refused(name):
    with pytest.raises(UserError, match="no name of a dataset"):
        read_data(name, {})


@pytest.mark.parametrize(
    ("column", "answers"),
    [
        ("answers", {"text": ["Ada", "Ada", "Lovelace"], "answer_start": [0, 0, 4]}),
        ("answer", {"value": "Ada", "aliases": ["Ada", "Lovelace"], "normalized_value": "ada"}),
        ("answers", ["Ada", "Lovelace"]),
        ("Answers", '["Ada", "Lovelace"]'),
        ("references", [{"text": "Ada", "answer_start": 0}, {"text": "Lovelace", "answer_start": 4}]),
    ],
    ids=["SQuAD", "TriviaQA", "list", "cell of a table", "SQuAD's own file"],
)
def test_several_right_answers_are_known_by_their_shape_or_their_column(column, answers, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"question": "Who?", column: answers}))
    data = read_data(file, {"input": "question", "target": column})
    assert (data.examples[0].target, data.examples[0].others) == ("Ada", ("Lovelace",))
    assert str(data) == (
        "rows.jsonl: inputs and targets, 1 with several right answers: any counts, the first is learnt, 1 row"
    )


@pytest.mark.parametrize(
    ("column", "answer", "target"),
    [("target", ["Ada"], '["Ada"]'), ("answers", [["Ada"]], '[["Ada"]]'), ("answers", [{"a": 1}], '[{"a": 1}]')],
)
def test_any_other_list_is_one_answer_in_json_and_told(column, answer, target, tmp_path):
    file, columns = tmp_path / "rows.jsonl", {"input": "question", "target": column}
    file.write_text(json.dumps({"question": "Who?", column: answer}))
    data = read_data(file, columns)
    assert (data.examples[0].target, data.examples[0].others) == (target, ())
    assert str(data) == "rows.jsonl: inputs and targets, which are written as JSON, 1 row"


@pytest.mark.parametrize(("answers", "what"), [([], "no right answer"), (["a", None], "an answer that is no text")])
def test_a_row_without_a_right_answer_is_refused(answers, what, tmp_path):
    file, columns = tmp_path / "rows.jsonl", {"input": "question", "target": "answers"}
    file.write_text(json.dumps({"question": "Who?", "answers": answers}))
    with pytest.raises(UserError, match=what):
        read_data(file, columns)


def test_a_mapping_of_columns_is_guessed_from_what_they_are_called(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"q": "Who was it?", "answers": "Ada"}))
    with pytest.raises(UserError) as told:
        read_data(file, {})
    assert "(`--columns input=q,target=answers`)" in told.value.fix


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (gzip.compress(b'{"input": "a"}'), "rows.jsonl", r"compressed \(gzip\)"),
        (b"\x28\xb5\x2f\xfd123", "rows.csv", r"compressed \(zstd\)"),
        (b"PK\x03\x04123", "rows.csv", "spreadsheet"),
        (b"PAR1123", "rows.jsonl", "a Parquet file"),
        ('{"input": "a"}'.encode("utf-16"), "rows.jsonl", "UTF-16"),
        ('[{"input": "ü"}]'.encode("latin-1"), "rows.json", "not UTF-8 text"),
        (b"", "rows.parquet", "not a Parquet file"),
    ],
    ids=["gzip", "zstd", "zip", "parquet", "utf-16", "latin-1", "empty"],
)
def test_a_file_under_a_wrong_name_or_encoding_says_what_it_is(tmp_path, content, name, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_data(tmp_path / name, {})


def test_a_parquet_file_with_broken_text_or_a_column_twice_is_refused_by_row(tmp_path):
    ends = pyarrow.py_buffer(b"\0\0\0\0\2\0\0\0\4\0\0\0")
    texts = pyarrow.StringArray.from_buffers(2, ends, pyarrow.py_buffer(b"ok\xff\xfe"))
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"input": texts, "target": ["a", "b"]}), path)
    with pytest.raises(UserError, match=r"1 bad row\n  rows.parquet: row 2: cannot be read"):
        read_data(path, {})
    twice = pyarrow.table([pyarrow.array(["a"])] * 3, names=["input", "target", "input"])
    pyarrow.parquet.write_table(twice, path)
    with pytest.raises(UserError, match="the column `input` is there twice"):
        read_data(path, {})


def test_ten_million_characters_are_one_row(tmp_path):
    text = "word " * 2_000_000
    [example] = read_examples(write_jsonl(tmp_path / "rows.jsonl", [{"input": text, "target": "t"}]), {})
    assert example.input == text


# --- what is written is what is read ---------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8)


def _write(path, rows):
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8", newline=""
        )
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, rows[0].keys(), delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writeheader()
            table.writerows(rows)


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet"])
@given(pairs=PAIRS)
def test_what_is_written_is_what_is_read(tmp_path_factory, kind, pairs):
    path = tmp_path_factory.mktemp("same") / f"rows.{kind}"
    _write(path, [{"id": f"r{i}", "input": a, "target": b} for i, (a, b) in enumerate(pairs)])
    assert [(e.input, e.target) for e in read_examples(path, {})] == pairs


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
@given(turns=st.lists(TEXT, min_size=2, max_size=6), system=st.none() | TEXT)
def test_what_was_said_is_what_is_read(tmp_path_factory, kind, turns, system):
    said = [] if system is None else [{"role": "system", "content": system}]
    even = turns[: len(turns) // 2 * 2]
    said += [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(even)]
    path = tmp_path_factory.mktemp("same") / f"rows.{kind}"
    _write(path, [{"messages": said}])
    [example] = read_examples(path, {})
    assert [*example.messages, {"role": "assistant", "content": example.target}] == said


TURN = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "narrator"]), "content": TEXT})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-9, 9) | st.text(max_size=5) | TURN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "weight", "vote"]), inner),
    max_leaves=6,
)
MORE = dict.fromkeys(("id", "cluster", "prompt", "system", "history", "votes", "annotator"), VALUES)


def rows_of(form):
    """Rows of a format with text or any other value in its columns, and other columns that are read beside them."""
    beside = {name: value for name, value in MORE.items() if name not in form.needs}
    row = st.fixed_dictionaries(dict.fromkeys(form.needs, TEXT | VALUES), optional=beside)
    return st.lists(row, min_size=1, max_size=4)


@settings(max_examples=300)
@given(rows=st.sampled_from([*FORMATS.values()]).flatmap(rows_of))
def test_any_values_under_known_names_are_read_or_refused_in_words(tmp_path_factory, rows):
    path = write_jsonl(tmp_path_factory.mktemp("any") / "rows.jsonl", rows)
    for reading in (lambda path: read_examples(path, {}), read_preferences, read_rated):
        with contextlib.suppress(UserError):
            assert len(reading(path)) <= len(rows)


@given(content=st.binary(max_size=200), kind=st.sampled_from(["jsonl", "json", "csv", "tsv", "parquet"]))
def test_any_bytes_are_read_or_refused_in_words(tmp_path_factory, content, kind):
    path = tmp_path_factory.mktemp("any") / f"rows.{kind}"
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        assert read_data(path, {}).format
