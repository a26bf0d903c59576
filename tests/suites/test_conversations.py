"""Conversations as rows: every answer a question of its own, calls with their results, thinking beside an answer."""

import json

import pytest

from suites.data.examples import Reading, read_data
from suites.errors import UserError
from suites.tools.calls import Call, written

TOOLS = [{"type": "function", "function": {"name": "order", "parameters": {"type": "object"}}}]


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def call(identity=None, **arguments):
    entry = {"type": "function", "function": {"name": "order", "arguments": json.dumps(arguments)}}
    return assistant(None, tool_calls=[{**entry, **({"id": identity} if identity else {})}])


@pytest.fixture
def read(tmp_path):
    def of(*rows, turns="all", tools="", slices=(), columns=None):
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return read_data(file, columns or {}, slices, Reading(turns, tools))

    return of


@pytest.fixture
def refusal(read):
    def of(*rows, **settings):
        with pytest.raises(UserError) as caught:
            read(*rows, **settings)
        return str(caught.value)

    return of


TALK = [{"role": "system", "content": "Be brief."}, user("1 + 1?"), assistant("2"), user("And 1?"), assistant("3")]


def test_every_answer_is_a_question_with_what_was_said_before_it(read):
    found = read({"id": "c", "messages": TALK})
    assert [(e.id, e.cluster, e.target, list(e.messages)) for e in found.examples] == [
        ("c/1", "c", "2", TALK[:2]),
        ("c/2", "c", "3", TALK[:4]),
    ]
    assert str(found) == "rows.jsonl: chat messages (TRL, OpenAI), every answer of 1 conversations, 2 rows"
    [last] = read({"id": "c", "messages": TALK}, turns="last").examples
    assert (last.id, last.target, list(last.messages)) == ("c", "3", TALK[:4])


def test_answers_of_one_conversation_share_a_cluster_whatever_names_it(read):
    one, two, three = ([user(f"{n}?"), assistant("a"), user("And?"), assistant("b")] for n in "123")
    rows = {"messages": one}, {"messages": two, "cluster": "k"}, {"messages": three, "id": "i"}
    clusters = [example.cluster for example in read(*rows).examples]
    assert len(set(clusters)) == 3
    assert clusters[::2] == clusters[1::2]
    assert clusters[2:] == ["k", "k", "i", "i"]


def test_answers_are_counted_in_a_column_that_slices_may_name(read):
    found = read({"messages": TALK}, slices=["turn"])
    assert [dict(example.slices) for example in found.examples] == [{"turn": "1"}, {"turn": "2"}]
    [first, _] = read({"messages": TALK, "turn": "theirs"}).examples
    assert first.columns["turn"] == "theirs"


def test_what_is_not_to_be_learnt_and_a_greeting_that_answers_nothing_are_no_questions(read):
    talk = [assistant("Hello!"), user("1 + 1?"), assistant("2", train=False), user("And 1?"), assistant("3")]
    assert [example.target for example in read({"messages": talk}).examples] == ["3"]
    assert [example.target for example in read({"messages": TALK[:3]}).examples] == ["2"]


def test_a_row_that_is_no_conversation_is_read_as_ever(read):
    [example] = read({"input": "1 + 1?", "target": "2", "id": "a"}).examples
    assert (example.id, example.target) == ("a", "2")
    history = {"instruction": "And 1?", "output": "3", "history": [["1 + 1?", "2"]]}
    assert [example.target for example in read(history).examples] == ["2", "3"]
    sharegpt = [{"from": "human", "value": "1 + 1?"}, {"from": "gpt", "value": "2"}] * 2
    found = read({"system": "Be brief.", "conversations": sharegpt}).examples
    assert [len(example.messages) for example in found] == [2, 4]


# --- with tools ------------------------------------------------------------------------------------------------------


def test_calls_are_answers_and_their_results_are_what_was_said(read):
    talk = [
        user("B-2?"),
        call("x", id="B-2"),
        {"role": "tool", "tool_call_id": "x", "content": "sent"},
        assistant("Sent."),
    ]
    found = read({"messages": talk, "tools": TOOLS}).examples
    assert [example.target for example in found] == [written("", [Call("order", {"id": "B-2"})]), "Sent."]
    assert found[1].messages[2] == {"role": "tool", "tool_call_id": "call00001", "content": "sent", "name": "order"}
    assert found[1].input == f"user: B-2?\n\nassistant: {found[0].target}\n\ntool: sent"
    assert len({example.tools for example in found}) == 1


def test_tools_of_the_task_are_those_of_rows_without_a_column_for_them(read, refusal):
    row = {"messages": [user("B-2?"), call(id="B-2")]}
    [example] = read(row, tools=json.dumps(TOOLS)).examples
    assert example.tools == json.dumps(TOOLS)
    assert "no tools are given" in refusal({**row, "tools": []}, tools=json.dumps(TOOLS))
    [example] = read({**row, "tools": TOOLS}, tools=None).examples  # `task.tools: none`
    assert (example.tools, example.target) == ("", written("", [Call("order", {"id": "B-2"})]))


def test_an_answer_in_json_that_is_a_call_is_one(read):
    called = {"name": "order", "arguments": {"id": "B-2"}}
    for target in (called, [called], json.dumps(called)):
        [example] = read({"input": "B-2?", "target": target, "tools": TOOLS}).examples
        assert example.target == written("", [Call("order", {"id": "B-2"})])


def test_a_column_of_words_called_tools_is_a_column(read):
    [example] = read({"input": "What for?", "target": "nails", "tools": "hammer, saw"}).examples
    assert (example.tools, example.columns["tools"]) == ("", "hammer, saw")


def test_calls_in_a_role_of_their_own_are_calls_where_there_are_tools(read):
    talk = [
        {"from": "human", "value": "B-2?"},
        {"from": "function_call", "value": '{"name": "order", "arguments": {}}'},
    ]
    [example] = read({"conversations": talk, "tools": json.dumps(TOOLS)}).examples
    assert example.target == written("", [Call("order", {})])
    [example] = read({"conversations": talk}).examples
    assert example.target == talk[1]["value"]


RESULT = {"role": "tool", "tool_call_id": "x", "content": "sent"}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"messages": [user("?"), call()], "tools": {"name": "order"}}, "rows.jsonl:1: the tools are no list"),
        ({"messages": [user("?"), call()], "tools": "order"}, "rows.jsonl:1: the tools are not JSON"),
        (
            {"messages": [user("?"), call()], "tools": [{"name": "order", "parameters": {"type": 1}}]},
            "the parameters of the tool `order` are no JSON Schema",
        ),
        (
            {"messages": [user("?"), call()], "tools": [{"name": "stock"}]},
            "the answer calls `order`, which is none of its tools (stock)",
        ),
        (
            {"messages": [user("?"), assistant("", tool_calls=call("x")["tool_calls"] * 2)], "tools": TOOLS},
            "turn 2: two calls have the id 'x'",
        ),
        (
            {"messages": [user("?"), call("x"), RESULT, call("x"), RESULT, assistant("a")], "tools": TOOLS},
            "turn 4: two calls have the id 'x'",
        ),
        (
            {"messages": [user("?"), call("y"), RESULT, assistant("a")]},
            "turn 3 is the result of the call 'x', which nobody made",
        ),
        (
            {"messages": [user("?"), call("x"), RESULT, RESULT, assistant("a")]},
            "turn 4 is the result of a call that nobody made, or that has its result already",
        ),
        (
            {"messages": [user("?"), assistant("", tool_calls=[{"function": {"name": "order", "arguments": "{"}}])]},
            "turn 2: the arguments of `order` are not JSON",
        ),
        (
            {"messages": [user("?"), assistant("", tool_calls=[{"id": "x"}])]},
            "turn 2: a call has no function with a name",
        ),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "tools": TOOLS}, "preference pairs"),
    ],
)  # fmt: skip
def test_rows_whose_tools_or_calls_make_no_sense_are_named(refusal, row, why):
    assert why in refusal(row)


# --- thinking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["reasoning_content", "reasoning", "thinking"])
def test_thinking_beside_an_answer_is_a_part_of_what_is_learnt(read, column):
    [example] = read({"messages": [user("1 + 1?"), assistant("2", **{column: "One and one."})]}).examples
    assert example.target == "<think>\nOne and one.\n</think>\n\n2"
