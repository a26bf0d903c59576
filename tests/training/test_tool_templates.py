"""Chat templates with tools: what is shown, what of a row is learnt, and that it would be read as the same calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trl

from harness.models.hf.chat import ChatTokenizer
from harness.training.data.checks import tokenizer_findings
from harness.training.data.tokens import IGNORED, render, tokenize_all
from harness.training.types import TrainRow
from suites.errors import UserError
from suites.model import Message
from suites.tools.calls import Call, as_message, written
from suites.tools.schemas import read_tools

EMBEDDED = Path(__file__).parents[2] / "harness" / "demo" / "model"
ENDS = ["<|im_end|>", "<|eot_id|>", "<|call|>", "<|return|>"]


def tool(name: str, **properties: object) -> dict[str, object]:
    return {"name": name, "description": "It helps.", "parameters": {"type": "object", "properties": properties}}


TOOLS = read_tools([tool("order", id={"type": "string"}), tool("stock", n={"type": "integer"})])
ASKED: list[Message] = [{"role": "user", "content": "Where is B-204?"}]
ORDER, STOCK = Call("order", {"id": "B-204"}), Call("stock", {"n": 3})
RESULT: Message = {"role": "tool", "tool_call_id": "call00001", "name": "order", "content": "sent"}
ROWS = {
    "a call": TrainRow(ASKED, written("", [ORDER]), tools=TOOLS),
    "two calls": TrainRow(ASKED, written("", [ORDER, STOCK]), tools=TOOLS),
    "words": TrainRow(ASKED, "I do not know.", tools=TOOLS),
    "words about a result": TrainRow([*ASKED, as_message("", [ORDER]), RESULT], "It was sent.", tools=TOOLS),
    "another call": TrainRow([*ASKED, as_message("", [ORDER]), RESULT], written("", [STOCK]), tools=TOOLS),
}
# In our words, after the templates of these families that are not shipped with the trainer.
MISTRAL = (
    "{% for m in messages %}{% if m.role == 'user' %}{% if tools and loop.first %}[AVAILABLE_TOOLS] "
    "{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}[INST] {{ m.content }}[/INST]"
    "{% elif m.tool_calls is defined %}[TOOL_CALLS] ["
    "{% for c in m.tool_calls %}{% if c.id | length != 9 %}{{ raise_exception('ids of length 9') }}{% endif %}"
    '{{ (c.function | tojson)[:-1] }}, "id": "{{ c.id }}"}{{ ", " if not loop.last }}{% endfor %}]<|im_end|>'
    "{% elif m.role == 'tool' %}[TOOL_RESULTS] {{ m.content }} {{ m.tool_call_id }}[/TOOL_RESULTS]"
    "{% else %} {{ m.content }}<|im_end|>{% endif %}{% endfor %}"
)
TEXT_ARGUMENTS = (
    "{% for t in tools or [] %}{{ t.function.name }} {% endfor %}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
    '{% for c in m.tool_calls or [] %}<tool_call>{"name": "{{ c.function.name }}", "arguments": '
    "{{ c.function.arguments }}}</tool_call>{% endfor %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SHIPPED = ["qwen2_5", "qwen3", "qwen3_5_think", "qwen3_5_nothink", "llama3_1", "llama3_2", "glm4moe", "gptoss"]
ONE_AT_A_TIME = ("llama3_1", "llama3_2", "gptoss")

Chat = Callable[[str], ChatTokenizer]


@pytest.fixture(scope="module")
def chat() -> Chat:
    def of(template: str, **settings: bool) -> ChatTokenizer:
        chat = ChatTokenizer(EMBEDDED, settings=tuple(settings.items()))
        file = Path(trl.__file__).parent / "chat_templates" / f"{template}.jinja"
        if " " not in template and not file.is_file():
            pytest.skip(f"this trl ships no {template}")
        chat.tokenizer.chat_template = template if " " in template else file.read_text(encoding="utf-8")
        chat.tokenizer.add_special_tokens({"additional_special_tokens": ENDS})
        return chat

    return of


def stops(chat: ChatTokenizer) -> Sequence[int]:
    ids: list[int] = chat.tokenizer.convert_tokens_to_ids(ENDS)
    return ids


@pytest.mark.parametrize("template", [*SHIPPED, MISTRAL, TEXT_ARGUMENTS], ids=lambda name: name[:16])
def test_a_family_s_template_shows_tools_and_its_calls_are_learnt_as_they_are_read(template: str, chat: Chat) -> None:
    tokenizer = chat(template)
    for name, row in ROWS.items():
        if name == "two calls" and template in ONE_AT_A_TIME:
            with pytest.raises(UserError, match=r"single tool-calls|would not be read as these"):
                tokenize_all(tokenizer, [row], stops(tokenizer))
            continue
        prompt, answer, _ = render(tokenizer, row)
        assert all(tool in prompt for tool in ("order", "stock"))
        [tokens] = tokenize_all(tokenizer, [row], stops(tokenizer))  # which reads the calls back
        learnt = [token for token in tokens["labels"] if token != IGNORED]
        assert tokens["input_ids"][: -len(learnt)] == tokenizer.encode(prompt), name
        assert "Where is" not in answer


def test_the_same_tools_are_the_same_beginning_of_every_prompt(chat: Chat) -> None:
    one, other = (chat("qwen2_5").render([{"role": "user", "content": text}], tools=TOOLS) for text in ("a", "b"))
    assert one.index("<tools>") < one.index("<|im_start|>user")
    assert one[: one.rindex("a<|im_end|>")] == other[: other.rindex("b<|im_end|>")]


@pytest.mark.parametrize("template", ["llama3", "gemma", "phi3"])
def test_a_template_that_shows_no_tools_is_told_and_not_asked_without(template: str, chat: Chat) -> None:
    with pytest.raises(UserError, match="chat template does not show its tools, `order` among them") as caught:
        chat(template).render(ASKED, tools=TOOLS)
    assert "task.tools: none" in (caught.value.fix or "")
    assert "order" not in chat(template).render(ASKED)


def test_a_template_that_raises_over_tools_is_told_in_its_own_words(chat: Chat) -> None:
    with pytest.raises(UserError, match=r"refuses the messages .*: no tools for you"):
        chat("{{ raise_exception('no tools for you') if tools }} {{ messages }}").render(ASKED, tools=TOOLS)


def test_a_template_that_shows_tools_and_drops_calls_is_refused(chat: Chat) -> None:
    tokenizer = chat("{{ tools }} {% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}")
    with pytest.raises(
        UserError, match="in 1 of 1 rows the chat template writes calls that would not be read as these"
    ):
        tokenize_all(tokenizer, [ROWS["a call"]], stops(tokenizer))


# --- thinking --------------------------------------------------------------------------------------------------------

THOUGHT = TrainRow([{"role": "user", "content": "1 + 1?"}], "<think>\nOne and one.\n</think>\n\n2")


@pytest.mark.parametrize(
    ("template", "settings", "learnt"),
    [
        ("qwen3", {"enable_thinking": True}, "<think>\nOne and one.\n</think>\n\n2<|im_end|>\n"),
        ("qwen3_5_think", {"enable_thinking": True}, "One and one.\n</think>\n\n2<|im_end|>\n"),
        ("qwen2_5", {}, "<think>\nOne and one.\n</think>\n\n2<|im_end|>\n"),
        ("deepseek_r1_distill", {}, "One and one.\n</think>\n\n2<｜end▁of▁sentence｜>"),
        (
            "gptoss",
            {},
            "<|channel|>analysis<|message|>One and one.<|end|><|start|>assistant<|channel|>final<|message|>2<|return|>",
        ),
    ],
)
def test_an_answer_with_its_thinking_is_learnt_whole_as_the_family_writes_it(
    template: str, settings: dict[str, bool], learnt: str, chat: Chat
) -> None:
    assert render(chat(template, **settings), THOUGHT).answer == learnt  # type: ignore[call-arg]


def test_answers_that_think_after_a_prompt_that_says_not_to_are_a_finding(chat: Chat) -> None:
    tokenizer = chat("qwen3")
    rows = {"a": THOUGHT, "b": TrainRow(THOUGHT.messages, "2")}
    findings = tokenizer_findings(rows, tokenizer, 500, stops(tokenizer))
    [finding] = [each for each in findings if each.check == "refused_thinking"]
    assert (finding.level, finding.rows) == ("block", ("a",))
    assert "enable_thinking: true" in finding.message


def test_rows_without_tools_or_thinking_have_the_id_they_had() -> None:
    from harness.training.types import TrainingData

    plain = TrainingData([TrainRow(ASKED, "2")]).plain()["train"][0]
    assert json.loads(json.dumps(plain)) == {"messages": ASKED, "target": "2", "id": ""}
