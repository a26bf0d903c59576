"""The demo world: deterministic files, splits that do not overlap, targets by policy, a tokenizer that keeps text."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"

from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.demo import corpus, messages, phrases, world
from harness.demo.documents import exam_inputs

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "harness" / "demo"
HELD_OUT = [
    *itertools.chain.from_iterable(phrases.HELD_OUT_TOPICS.values()),
    *itertools.chain.from_iterable(phrases.HELD_OUT_MOODS.values()),
]


@pytest.fixture(scope="module")
def rows():
    return world.all_rows()


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(DEMO / "model")


def held_out_phrase_in(text: str) -> str | None:
    for phrase in HELD_OUT:
        pattern = re.escape(phrase).replace(r"\{p\}", "[a-z]+")
        if re.search(rf"(^|[ ,]){pattern}( |$)", text, re.IGNORECASE):
            return phrase
    return None


def test_the_shipped_files_are_what_the_command_writes(tmp_path):
    world.write(tmp_path)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 11
    for path in written:
        assert path.read_bytes() == (ROOT / path.relative_to(tmp_path)).read_bytes(), path.name


def test_no_two_rows_of_any_file_share_an_input_or_an_id(rows):
    everything = list(itertools.chain.from_iterable(rows.values()))
    inputs = [row.get("input", row.get("question")) for row in everything]
    assert len(set(inputs)) == len(inputs)
    assert len({row["id"] for row in everything}) == len(everything)


def test_held_out_phrasings_are_not_in_the_training_split_and_are_in_the_exam(rows):
    train = [row["input"] for row in rows["harness/demo/data/train.jsonl"]]
    assert [held_out_phrase_in(text) for text in train] == [None] * len(train)
    for row in rows["harness/demo/data/test.jsonl"]:
        assert bool(held_out_phrase_in(row["input"])) == (row["phrasing"] == "unseen"), row["input"]


def test_pretraining_reads_neither_held_out_phrasings_nor_the_held_out_pair_nor_exam_inputs():
    rng = random.Random(3)
    for _ in range(600):
        episode = corpus.draw_episode(rng, corpus.FULL_MIX)
        for turn in itertools.islice(episode.turns, 5):
            assert held_out_phrase_in(turn.user) is None, turn.user
            answer = json.loads(turn.answer) if turn.answer.startswith("{") else {}
            values = set(answer.values())
            assert not (values & set(messages.TEAMS) and values & set(messages.PRIORITIES)), turn.answer
            assert "retention" not in turn.answer
    assert len(exam_inputs()) > 2500


def test_targets_follow_the_policy(rows):
    for row in rows["harness/demo/data/test.jsonl"]:
        team = "retention" if (row["topic"], row["plan"]) == ("cancel", "gold") else messages.TEAM[row["topic"]]
        priority = "high" if row["plan"] == "gold" else messages.PRIORITY[row["mood"]]
        assert row["target"] == f'{{"team": "{team}", "priority": "{priority}"}}'


def test_a_calibration_label_says_which_answer_is_the_target(rows):
    by_policy = {"first": (True, False), "second": (False, True)}
    rng = random.Random(0)
    for _ in range(300):
        message = messages.draw_message(rng)
        first, second, label = world.judge_pair(rng, message)
        right = messages.target(message)
        assert (first == right, second == right) == by_policy.get(label, (first == right, first == right))
    labels = {row["label"] for row in rows["harness/demo/data/calibration.jsonl"]}
    assert labels == {"first", "second", "tie"}


def test_every_fact_has_four_different_choices(rows):
    facts = rows["harness/demo/tasks/facts.jsonl"]
    assert len(facts) >= 400
    assert all(len(set(row["choices"])) == 4 and 0 <= row["label"] < 4 for row in facts)


@given(st.text())
def test_any_text_comes_back_from_the_tokenizer(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    special = {tokenizer.convert_tokens_to_ids(token) for token in ("<pad>", "<s>", "<|end|>")}
    if not special & set(ids):
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


@pytest.mark.parametrize(
    "text", ["\x01", '"\x01 a', "\n\x01 b\x01\x02", '{"a": "b"}', "  x ", "naïve 日本 🙂\r\n\tJSON"]
)
def test_awkward_text_comes_back_from_the_tokenizer(tokenizer, text):
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_every_word_of_the_task_is_one_token_also_inside_json(tokenizer, rows):
    for row in rows["harness/demo/data/test.jsonl"]:
        assert len(tokenizer(row["target"], add_special_tokens=False)["input_ids"]) == 9
        words = re.findall(r"[A-Za-z']+|[.,?!]", row["input"])
        assert len(tokenizer(row["input"], add_special_tokens=False)["input_ids"]) == len(words), row["input"]


def test_a_chat_begins_once_and_marks_the_assistant(tokenizer):
    chat = [{"role": role, "content": f"Hello {role}"} for role in ("system", "user", "assistant")]
    text = tokenizer.apply_chat_template(chat, tokenize=False)
    encoded = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    assert text.count("<s>") == 1
    assert tokenizer(text)["input_ids"] == encoded["input_ids"]
    assert encoded["input_ids"].count(tokenizer.bos_token_id) == 1
    answer = [token for token, mine in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if mine]
    assert tokenizer.decode(answer) == "Hello assistant<|end|>"
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert tokenizer.padding_side == "left"


@pytest.mark.parametrize("name", ["model", "judge"])
def test_the_models_load_as_ordinary_folders(name):
    model = AutoModelForCausalLM.from_pretrained(DEMO / name)
    assert model.config.model_type == "llama"
    assert model.config.max_position_embeddings >= 1024
    assert model.get_input_embeddings().num_embeddings == len(AutoTokenizer.from_pretrained(DEMO / name))
    assert (DEMO / name / "README.md").is_file()


def test_both_models_together_are_small():
    files = [path for name in ("model", "judge") for path in (DEMO / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 10_000_000
