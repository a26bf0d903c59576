"""Tools and their calls: what a file may say, how models write calls, and how calls are marked."""

import json

import pytest

from suites.metrics.table import build
from suites.metrics.tool_calls import what_is_wrong
from suites.model import Completion, Prompt
from suites.tools.calls import Call, as_message, on_the_wire, said, written
from suites.tools.dialects import as_turn, in_one_spelling, read, spelled_alike
from suites.tools.schemas import as_list, parameters, read_tools, refused
from suites.types import Example


def function(name, required=(), **properties):
    return {"name": name, "parameters": {"type": "object", "properties": properties, "required": list(required)}}


TOOLS = read_tools(
    [
        function("order", ["id"], id={"type": "string"}),
        function(
            "stock",
            ["title"],
            title={"type": "string"},
            branch={"type": "string"},
            used={"type": "boolean", "default": False},
            copies={"type": "number"},
            tags={"type": "array", "uniqueItems": True},
            shelves={"type": "array"},
        ),
    ]
)
ORDER, STOCK = Call("order", {"id": "B-204"}), Call("stock", {"title": "Salt Roads", "copies": 3})


# --- what a file may say ---------------------------------------------------------------------------------------------


def test_tools_are_read_with_and_without_their_wrapper_as_a_list_or_as_text():
    bare = [function("order", ["id"], id={"type": "string"})]
    wrapped = [{"type": "function", "function": bare[0]}]
    assert len({read_tools(value) for value in (bare, wrapped, json.dumps(bare), json.dumps(wrapped))}) == 1
    assert as_list(read_tools(bare)) == wrapped
    assert [read_tools(value) for value in (None, "", [], "[]")] == ["", "", "", ""]


def test_keys_that_a_table_fills_in_with_nothing_are_no_part_of_a_tool():
    filled = function("order", id={"type": "string", "enum": None}) | {"description": None}
    assert as_list(read_tools([filled]))[0]["function"] == function("order", id={"type": "string"})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"name": "order"}, "the tools are no list"),
        (5, "the tools are no list"),
        ("[{", "the tools are not JSON"),
        (["order"], "tool 1 has no function with a name"),
        ([{"type": "function"}], "tool 1 has no function with a name"),
        ([function("order"), function("order")], "two tools are called `order`"),
        ([function("order", id={"type": "dict"})], "the parameters of the tool `order` are no JSON Schema: 'dict'"),
    ],
)
def test_what_is_no_list_of_tools_is_told(value, why):
    with pytest.raises(ValueError, match=why):
        read_tools(value)


def test_a_call_that_no_tool_takes_is_told_with_the_reason():
    assert refused(ORDER, TOOLS) is None
    assert refused(Call("cancel", {}), TOOLS) == "calls `cancel`, which is none of its tools"
    assert (
        refused(Call("order", {}), TOOLS) == "calls `order` with what its schema refuses: 'id' is a required property"
    )


# --- how models write them -------------------------------------------------------------------------------------------

ONE, BOTH = (ORDER,), (ORDER, STOCK)
WRITTEN = {
    "hermes": ('<tool_call>\n{"name": "order", "arguments": {"id": "B-204"}}\n</tool_call>', ONE),
    "hermes, two": (written("", BOTH), BOTH),
    "hermes, no end": ('<tool_call>{"name": "order", "arguments": {"id": "B-204"}}', ONE),
    "arguments as text": ('<tool_call>{"name": "order", "arguments": "{\\"id\\": \\"B-204\\"}"}</tool_call>', ONE),
    "qwen coder": (
        "<tool_call>\n<function=stock>\n<parameter=title>\nSalt Roads\n</parameter>\n<parameter=copies>\n3\n"
        "</parameter>\n</function>\n</tool_call>",
        (STOCK,),
    ),
    "glm": ("<tool_call>order\n<arg_key>id</arg_key>\n<arg_value>B-204</arg_value>\n</tool_call>", ONE),
    "llama, custom": ('<function=order>{"id": "B-204"}</function>', ONE),
    "llama": ('{"name": "order", "parameters": {"id": "B-204"}}', ONE),
    "llama, tagged": ('<|python_tag|>{"name": "order", "parameters": {"id": "B-204"}}', ONE),
    "llama, fenced list": ('```json\n[{"name": "order", "parameters": {"id": "B-204"}}]\n```', ONE),
    "openai": ('[{"type": "function", "function": {"name": "order", "arguments": {"id": "B-204"}}}]', ONE),
    "mistral": ('[TOOL_CALLS] [{"name": "order", "arguments": {"id": "B-204"}, "id": "call00001"}]', ONE),
    "mistral, named": (
        '[TOOL_CALLS]order[ARGS]{"id": "B-204"}[TOOL_CALLS]stock{"title": "Salt Roads", "copies": 3}',
        BOTH,
    ),
    "python": ("[order(id='B-204'), stock(title='Salt Roads', copies=3)]", BOTH),
    "lfm": ("<|tool_call_start|>[order(id='B-204')]<|tool_call_end|>", ONE),
    "gpt-oss": ('commentary to=functions.order: {"id": "B-204"}', ONE),
}


@pytest.mark.parametrize("family", WRITTEN)
def test_each_family_s_way_of_writing_a_call_is_read(family):
    text, calls = WRITTEN[family]
    found = read(text, TOOLS)
    assert (found.calls, found.fault) == (calls, "")
    assert in_one_spelling(text, TOOLS) == written("", calls)


@pytest.mark.parametrize("text", ["", "There are 3.", '{"label": "order"}', "[1, 2]", "I would order(id) it.", "[a]"])
def test_what_calls_nothing_is_left_as_it_is(text):
    assert (read(text, TOOLS).calls, read(text, TOOLS).fault) == ((), "")
    assert in_one_spelling(text, TOOLS) == text


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>",
        "<tool_call></tool_call>",
        '<tool_call>{"name": "order", "arguments": {"id": "B-2',
        '<tool_call>{"name": "order", "name": "order", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "order", "arguments": {"id": NaN}}</tool_call>',
        '<tool_call>{"name": "order", "arguments": [1]}</tool_call>',
        '<tool_call>{"arguments": {}}</tool_call>',
        "<tool_call>" + "[" * 100_000,
        '<tool_call>{"name": "order", "arguments": {"id": "' + "x" * 1_000_000,
        '{"name": "order", "parameters": {"id": ',
        "[TOOL_CALLS]",
        "[TOOL_CALLS]order",
        "<|python_tag|>print(1)",
        "[order(1)]",
        "[order(id=__import__('os'))]",
        "[order(id=" + "(" * 5_000,
        "<function=order>{",
    ],
    ids=lambda text: text[:40],
)
def test_a_call_that_is_begun_and_cannot_be_read_is_a_fault_and_never_an_error(text):
    assert read(text, TOOLS).fault
    assert in_one_spelling(text, TOOLS) == text
    assert mark("tool_calls", "No.", text) == 0


def test_what_is_said_beside_a_call_is_kept_before_it():
    text = "Let me look.\n" + written("", ONE)
    assert (read(text, TOOLS).text, in_one_spelling(text, TOOLS)) == ("Let me look.", text)


def test_only_answers_to_prompts_that_show_tools_are_spelled_alike():
    said = Completion(WRITTEN["llama"][0])
    prompts = [Prompt("a", [], tools=TOOLS), Prompt("b", [])]
    assert [done.text for done in spelled_alike([said, said], prompts)] == [written("", ONE), said.text]


def test_a_call_is_text_a_turn_for_templates_and_a_turn_for_servers():
    asked = {"role": "user", "content": "?"}
    turn = as_turn(written("Let me look.", BOTH), TOOLS, [asked])
    assert said(turn) == written("Let me look.", BOTH)
    assert [entry["id"] for entry in turn["tool_calls"]] == ["call00001", "call00002"]
    assert turn["tool_calls"][0]["function"]["arguments"] == {"id": "B-204"}
    told = on_the_wire([asked, turn, asked])
    assert told[1]["tool_calls"][0]["function"] == {"name": "order", "arguments": '{"id": "B-204"}'}
    assert [t["role"] for t in told] == ["user", "assistant", "tool", "tool", "user"]  # no server takes a call without
    assert as_turn("No.", TOOLS, []) == {"role": "assistant", "content": "No."}
    assert as_turn(written("", ONE), "", []) == {"role": "assistant", "content": written("", ONE)}
    assert as_message("", ONE, 7)["tool_calls"][0]["id"] == "call00007"


# --- how they are marked ---------------------------------------------------------------------------------------------


def mark(metric, target, answer):
    example = Example("e", {"input": "", "target": target}, target, "e", tools=TOOLS)
    return build(metric)(example, Completion(answer)).value


def stock(**arguments):
    return written("", [Call("stock", {"title": "Salt Roads", **arguments})])


SAME = [
    (stock(copies=31), stock(copies=31.0)),
    (stock(), stock(branch=None)),  # it may be left out
    (stock(), stock(used=False)),  # its default
    (stock(tags=["a", "b"]), stock(tags=["b", "a"])),  # a set
    (stock(branch="online"), stock(branch=" online ")),
    (written("", [ORDER, STOCK]), written("", [STOCK, ORDER])),
    (written("", [ORDER, ORDER]), written("", [ORDER, ORDER])),
    ("No.", "Sorry, no."),
    (written("", ONE), "Let me look.\n" + written("", ONE)),
    (written("", ONE), WRITTEN["python"][0].replace(", stock(title='Salt Roads', copies=3)", "")),
]
OTHER = [
    (stock(copies=31), stock(copies="31")),
    (stock(used=True), stock(used=1)),
    (stock(copies=1), stock(copies=True)),
    (stock(used=True), stock()),
    (stock(shelves=[1, 2]), stock(shelves=[2, 1])),
    (stock(branch="online"), stock(branch="Online")),
    (stock(), stock(colour="red")),
    (written("", [ORDER, ORDER]), written("", [ORDER])),
    (written("", [ORDER]), written("", [ORDER, STOCK])),
    (written("", [ORDER]), "B-204"),
    ("No.", written("", [ORDER])),
]


@pytest.mark.parametrize(("target", "answer"), SAME)
def test_calls_that_mean_the_same_are_right_by_every_mark(target, answer):
    assert [mark(name, target, answer) for name in ("tool_calls", "tool_name", "tool_arguments")] == [1, 1, 1]


@pytest.mark.parametrize(("target", "answer"), OTHER)
def test_calls_that_mean_something_else_are_wrong(target, answer):
    assert mark("tool_calls", target, answer) == 0
    assert mark("tool_arguments", target, answer) < 1


@pytest.mark.parametrize(
    ("target", "answer", "name", "arguments"),
    [
        (written("", [STOCK]), stock(copies=4), 1, 3 / 4),  # name, title and a default of four are right
        (written("", [ORDER, STOCK]), written("", [STOCK]), 0, 8 / 10),
        (written("", [ORDER]), written("", [Call("orders", {"id": "B-204"})]), 0, 0),
        ("No.", written("", [ORDER]), 0, 0),
    ],
)
def test_calls_that_are_partly_right_have_marks_in_between(target, answer, name, arguments):
    assert mark("tool_name", target, answer) == name
    assert mark("tool_arguments", target, answer) == pytest.approx(arguments)


def test_arguments_of_two_calls_of_one_function_are_not_mixed():
    target = written("", [Call("order", {"id": "1", "n": 1}), Call("order", {"id": "2", "n": 2})])
    mixed = written("", [Call("order", {"id": "1", "n": 2}), Call("order", {"id": "2", "n": 1})])
    assert mark("tool_arguments", target, mixed) == pytest.approx(4 / 6)


def test_a_target_that_cannot_be_read_marks_nothing():
    assert mark("tool_calls", "<tool_call>{", "No.") is None


@pytest.mark.parametrize(
    ("target", "answer", "what"),
    [
        (written("", [ORDER]), "<tool_call>{", "a call that cannot be read"),
        (written("", [ORDER]), "B-204", "no call"),
        ("No.", written("", [ORDER]), "a call where none was wanted"),
        (written("", [ORDER]), written("", [Call("order", {"id": "B-2"})]), "the right function, given something else"),
        (written("", [ORDER]), written("", [STOCK]), "another function"),
        (written("", [ORDER, STOCK]), written("", [STOCK]), "some of the calls, or others beside them"),
    ],
)
def test_what_is_wrong_with_calls_is_said_in_a_few_words(target, answer, what):
    assert what_is_wrong(target, answer) == what


def test_the_schemas_of_tools_are_found_by_name():
    assert list(parameters(TOOLS)) == ["order", "stock"]
    assert parameters("") == {}
