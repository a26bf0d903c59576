"""What is found out about training rows before a minute is spent on training, and a row as the model sees it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import tiny_models

from baselines.prompters.zero_shot import zero_shot
from harness.models.hf.chat import ChatTokenizer
from harness.models.hf.loading import stop_ids
from harness.training.data.checks import reader, tokenizer_findings
from harness.training.data.preview import Preview, coloured, plain, preview
from harness.training.data.tokens import IGNORED, encode, render, tokenize, tokenize_all
from harness.training.types import TrainRow, training_row
from suites.errors import UserError
from suites.model import ModelSpec
from suites.types import Example, Finding


@pytest.fixture(scope="module", params=list(tiny_models.ARCHITECTURES))
def any_base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("llama", tmp_path_factory.mktemp("llama"))


def row(question: str, answer: str = "damaged") -> TrainRow:
    return TrainRow([{"role": "user", "content": question}], answer)


def reading(base: Path) -> tuple[ChatTokenizer, list[int]]:
    chat, stops, _ = reader(ModelSpec(str(base)))
    return chat, stops


def findings(base: Path, rows: list[TrainRow], max_length: int = 200) -> list[Finding]:
    chat, stops = reading(base)
    return tokenizer_findings({f"r{i}": row for i, row in enumerate(rows)}, chat, max_length, stops)


def edited(base: Path, to: Path, template: str) -> Path:
    """The model with another chat template."""
    folder = Path(shutil.copytree(base, to / "edited"))
    (folder / "chat_template.jinja").write_text(template)
    return folder


# --- findings --------------------------------------------------------------------------------------------------------


def test_good_rows_are_fine_for_every_architecture(any_base: Path) -> None:
    found = findings(any_base, [row("hello order 17"), row("the box was broken")])
    assert [f for f in found if f.check != "prompt_prefix"] == []
    assert all(f.level == "info" for f in found)


def test_rows_that_would_be_cut_are_counted_with_what_they_lose(llama: Path) -> None:
    [cut] = findings(llama, [row("hello")] * 3 + [row("hello", "yes " * 40)], max_length=40)
    assert (cut.level, cut.check, cut.rows) == ("block", "truncation", ("r3",))
    assert cut.message.startswith("1 of the 4 training rows (25.0%) are longer than 40 tokens, the longest has ")
    assert "1 lose their stop token" in cut.message
    both = findings(llama, [row("hello"), row("hello " * 80)], max_length=40)
    assert [(f.check, f.rows) for f in both] == [("truncation", ("r1",)), ("untrained", ("r1",))]


def test_answers_without_a_stop_token_block(llama: Path, tmp_path: Path) -> None:
    base = edited(llama, tmp_path, "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }} {% endfor %}")
    assert "no_stop" in {f.check for f in findings(base, [row("hello")]) if f.level == "block"}


def test_a_second_beginning_of_sequence_token_blocks(llama: Path) -> None:
    chat, stops = reading(llama)
    bos = chat.tokenizer.bos_token
    chat.tokenizer.chat_template = f"{bos}{bos}" + "{% for m in messages %}{{ m['content'] }}<|eot_id|>{% endfor %}"
    [found] = tokenizer_findings({"r": row("hello")}, chat, 100, stops)
    assert (found.level, found.check, found.rows) == ("block", "double_bos", ("r",))
    with pytest.raises(UserError, match="two beginning-of-sequence tokens"):
        tokenize_all(chat, [row("hello")], stops)


def test_turns_that_the_template_refuses_are_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tiny_models.build("llama", tmp_path_factory.mktemp("strict"))
    chat, stops = reading(base)
    strict = "{% if messages[0]['role'] == 'assistant' %}{{ raise_exception('user first') }}{% endif %}"
    chat.tokenizer.chat_template = strict + tiny_models.LLAMA_TEMPLATE
    rows = {"good": row("hello"), "bad": TrainRow([{"role": "assistant", "content": "hi"}], "yes")}
    [found] = tokenizer_findings(rows, chat, 200, stops)
    assert (found.level, found.check, found.rows) == ("block", "chat_template", ("bad",))
    assert "1 of the 2 training rows (50.0%)" in found.message
    assert "user first" in found.message


def test_special_tokens_in_the_data_are_named_wherever_they_stand(llama: Path) -> None:
    rows = [row("hello"), row("hello <|eot_id|> world"), row("hello", "a<|end_of_text|>b"), row("<|eot_id|>")]
    found = next(f for f in findings(llama, rows) if f.check == "special_tokens")
    assert (found.level, found.rows) == ("warn", ("r1", "r2", "r3"))
    assert "<|eot_id|> in 2, <|end_of_text|> in 1" in found.message


def test_a_prompt_that_changes_once_it_is_answered_is_shown(llama: Path) -> None:
    chat, stops = reading(llama)
    thinking = "{% if not add_generation_prompt %}<done>{% endif %}"
    chat.tokenizer.chat_template = thinking + tiny_models.LLAMA_TEMPLATE
    [found] = tokenizer_findings({"r": row("hello")}, chat, 200, stops)
    assert (found.level, found.check) == ("info", "prompt_prefix")
    assert "'|begin_of_text|>" in found.message
    assert "becomes 'done><|begin_of_text|>" in found.message


def test_a_token_across_the_border_is_shown_and_the_prompt_kept(llama: Path) -> None:
    chat, stops = reading(llama)
    bare = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    chat.tokenizer.chat_template = bare + "{% if not add_generation_prompt %}<|eot_id|>{% endif %}"
    [found] = tokenizer_findings({"r": row("the par", "cel")}, chat, 200, stops)
    assert (found.level, found.check) == ("info", "prompt_prefix")
    assert "'the par' + 'cel<|eot_i'" in found.message
    kept = tokenize(chat, row("the par", "cel"), stops)["input_ids"]
    assert kept[: len(chat.encode("the par"))] == chat.encode("the par")


def test_a_base_model_says_how_it_reads(llama: Path) -> None:
    chat, stops, context = reader(ModelSpec(str(llama)))
    assert (context, stops) == (256, stop_ids(llama, chat.tokenizer.eos_token_id))
    with pytest.raises(UserError, match="not a model"):
        reader(ModelSpec(str(llama.parent)))


def test_ten_thousand_rows_take_seconds(llama: Path) -> None:
    chat, stops = reading(llama)
    rows = {f"r{i}": row(f"the parcel for order {i} arrived late and the box was broken " * 2) for i in range(10_000)}
    started = time.process_time()
    assert tokenizer_findings(rows, chat, 200, stops) == []
    assert time.process_time() - started < 60


def test_many_rows_are_tokenized_like_one(any_base: Path) -> None:
    chat, stops = reading(any_base)
    rows = [row("hello"), row("the box was broken", "x y"), TrainRow((), "once upon a time")]
    assert tokenize_all(chat, rows, stops) == [tokenize(chat, row, stops) for row in rows]
    assert tokenize_all(chat, [], stops) == []


def test_plain_text_is_learnt_whole_up_to_the_end_of_the_text(any_base: Path) -> None:
    chat, stops = reading(any_base)
    example = Example("e", {"input": ""}, "once upon a time", "e", turns=())
    found = tokenize(chat, training_row(zero_shot("z", "Tell."), example), stops)
    learnt = [label for label in found["labels"] if label != IGNORED]
    assert chat.decode(learnt).strip() == "once upon a time"
    assert learnt[-1] == chat.tokenizer.eos_token_id
    assert found["labels"].count(IGNORED) == chat.count_bos(found["input_ids"])


# --- one row ---------------------------------------------------------------------------------------------------------

TICKET = Example("t7", {"input": "hello order 17"}, "damaged", "t7")


def shown(base: Path, example: Example = TICKET, instruction: str = "") -> Preview:
    chat, stops = reading(base)
    return preview(example, chat, zero_shot("z", instruction), stops)


def test_a_row_is_shown_as_the_model_sees_it(llama: Path) -> None:
    seen = shown(llama, instruction="Be kind.")
    assert seen.prompt == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nhello order 17<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert (seen.trained, seen.stop, seen.bos) == ("damaged<|eot_id|>", "<|eot_id|>", 1)
    assert plain(seen).endswith("<|end_header_id|>\n\n⟦damaged<|eot_id|>⟧")
    assert "begins with 1 beginning-of-sequence token, ends with <|eot_id|>" in str(seen)
    text = coloured(seen)
    [span] = text.spans
    assert text.plain[span.start : span.end] == seen.trained


def test_a_preview_counts_the_tokens_of_training(any_base: Path) -> None:
    chat, stops = reading(any_base)
    [tokens] = encode(chat, [render(chat, training_row(zero_shot("z", ""), TICKET))], stops)
    seen = shown(any_base)
    assert seen.tokens == len(tokens["input_ids"])
    assert seen.trained_tokens == sum(label != IGNORED for label in tokens["labels"])
    assert seen.trained.strip().startswith("damaged")
    assert seen.stop in seen.trained


def test_a_conversation_is_shown_with_its_turns(llama: Path) -> None:
    turns = ({"role": "system", "content": "Be kind."}, {"role": "user", "content": "1"})
    more = ({"role": "assistant", "content": "2"}, {"role": "user", "content": "3"})
    seen = shown(llama, Example("c", {"input": "..."}, "4", "c", turns=(*turns, *more)))  # type: ignore[arg-type]
    said = [part.split("<|end_header_id|>\n\n")[1] for part in seen.prompt.split("<|eot_id|>")]
    assert said == ["Be kind.", "1", "2", "3", ""]


def test_what_a_row_says_cannot_draw_on_the_terminal(llama: Path) -> None:
    text = plain(shown(llama, Example("h", {"input": "\x1b[2J [bold]order[/bold]"}, "[/foo]", "h")))
    assert "\x1b" not in text
    assert "[bold]order[/bold]" in text
    assert "[/foo]" in coloured(shown(llama, Example("h", {"input": "x"}, "[/foo]", "h"))).plain
    assert len(plain(shown(llama, Example("h", {"input": "x" * 10_000}, "y", "h")))) < 2500
