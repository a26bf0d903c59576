"""Answers held to labels, a schema or a pattern are that, whatever a model would rather say, in any batch."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness.experiment.specs import EMBEDDED
from harness.models import load
from harness.models.dialects import fits
from harness.models.finite import answers_of
from harness.models.hf.constrained.trie import Trie
from harness.models.hf.model import HFModel
from harness.models.hf.padded import Plain
from suites.errors import UserError
from suites.model import Completion, Constraint, Generation, ModelSpec, Prompt

torch.set_num_threads(1)

PROMPTS = [
    Prompt(str(i), [{"role": "user", "content": f"please route ticket {i} " + "and the box was broken " * (i % 3)}])
    for i in range(6)
]
LABELS = ["refund", "refund_late", "refund_late_box", "re", "card arrival", "naïve café", "日本", "don't", "a  b", "42"]
FAMILIES = ("llama", "qwen3", "gemma2", "phi3")


@pytest.fixture(scope="module")
def model_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], HFModel]:
    built: dict[str, HFModel] = {}

    def of(name: str) -> HFModel:
        if name not in built:
            folder = tiny_models.build(name, tmp_path_factory.mktemp("held"))
            built[name] = HFModel(ModelSpec(base=str(folder)))
        return built[name]

    return of


def choice(*labels: str) -> Constraint:
    return Constraint("choice", json.dumps(labels))


def schema(**of: object) -> Constraint:
    return Constraint("json_schema", json.dumps(of))


def held(model: HFModel, constraint: Constraint, limit: int = 96, temperature: float = 0.0) -> list[Completion]:
    return model.generate(PROMPTS, Generation(limit, temperature, seed=3, constraint=constraint))


TEAM = {
    "type": "object",
    "properties": {"team": {"enum": ["billing", "shipping"]}, "urgent": {"type": "boolean"}},
    "required": ["team", "urgent"],
    "additionalProperties": False,
}


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, 2.0])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_answer_is_a_label_and_ends(model_of: Callable[[str], HFModel], family: str, temperature: float) -> None:
    for done in held(model_of(family), choice(*LABELS), temperature=temperature):
        assert done.text.strip() in LABELS
        assert done.finish == "stop"


def test_labels_that_begin_alike_are_all_within_reach(model_of: Callable[[str], HFModel]) -> None:
    """An answer that another begins with is told from it by its end."""
    model = model_of("llama")
    nested = ["re", "refund", "refund_late", "refund_late_box"]
    said = {
        done.text for seed in range(8) for done in model.generate(PROMPTS, Generation(96, 8.0, seed, choice(*nested)))
    }
    assert said == set(nested)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.text(min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=8, unique_by=str.strip),
    st.integers(0, 99),
)
def test_any_labels_are_kept_or_refused_with_words(
    model_of: Callable[[str], HFModel], labels: list[str], seed: int
) -> None:
    model = model_of("llama")
    generation = Generation(256 - 64, 1.0, seed, choice(*labels))
    refused = ""
    try:
        [done] = model.generate(PROMPTS[:1], generation)
        assert done.text.strip() in {label.strip() for label in labels}
    except UserError as error:
        refused = str(error)
    assert not refused or "cannot write the answer" in refused


def test_held_answers_do_not_depend_on_their_company(model_of: Callable[[str], HFModel]) -> None:
    model = model_of("qwen3")
    together = held(model, choice(*LABELS))
    for prompt, done in zip(PROMPTS, together, strict=True):
        [alone] = model.generate([prompt], Generation(96, seed=3, constraint=choice(*LABELS)))
        assert (alone.text, alone.tokens_out) == (done.text, done.tokens_out)


def test_the_plain_way_answers_as_the_engine_does(model_of: Callable[[str], HFModel]) -> None:
    pattern = Constraint("regex", "[A-Z]{2}-[0-9]{1,4}")
    for family, constraint in (("llama", choice(*LABELS)), ("gemma2", choice(*LABELS)), ("qwen3", pattern)):
        model = model_of(family)
        generation = Generation(96, constraint=constraint)
        ids = model.chat.encode_prompts([model.render(prompt) for prompt in PROMPTS])
        rows = dict(
            pair
            for batch in Plain(model._model, "cpu", model.stop).generate(ids, generation, model.hold(generation))
            for pair in batch
        )
        texts = [model.chat.decode(rows[i].new[:-1]) for i in range(len(ids))]
        assert texts == [done.text for done in held(model, constraint)]


def test_tokens_are_those_that_training_has() -> None:
    """The model's own spelling of an answer, which its probabilities are about; marker tokens and all."""
    model = HFModel(ModelSpec(base=str(EMBEDDED / "model")))
    [done] = model.generate(PROMPTS[:1], Generation(24, constraint=choice('{"team": "billing", "priority": "low"}')))
    assert done.text == '{"team": "billing", "priority": "low"}'
    context = model.render(PROMPTS[0])
    assert done.tokens_out == len(model.chat.encode(context + done.text)) - len(model.chat.encode(context)) + 1


def test_what_is_certain_is_not_asked_for() -> None:
    trie = Trie([[5, 6, 7], [5, 8]], stop=[1, 2])
    course = trie.start()
    assert (course.rest(), trie.longest) == ([], 4)
    assert trie.mask([course], torch.zeros(1, 9)).isfinite().nonzero()[:, 1].tolist() == [5]
    course.take(5)
    assert course.rest() == []
    course.take(6)
    assert course.rest() == [7, 1]


def test_one_label_alone_is_said_without_being_asked(model_of: Callable[[str], HFModel]) -> None:
    assert {done.text for done in held(model_of("llama"), choice("refund"))} == {"refund"}


def test_a_label_with_more_tokens_than_an_answer_may_have_is_told_first(model_of: Callable[[str], HFModel]) -> None:
    model = model_of("llama")
    longest = model.hold(Generation(96, constraint=choice("refund", "delivery damaged")))
    assert longest is not None
    assert longest.longest
    model.hold(Generation(longest.longest, constraint=choice("refund", "delivery damaged")))
    with pytest.raises(UserError, match=f"has {longest.longest} tokens, its end among them") as told:
        model.hold(Generation(longest.longest - 1, constraint=choice("refund", "delivery damaged")))
    assert told.value.fix == f"set it to {longest.longest} or more"


def test_a_label_that_a_tokenizer_cannot_write_is_refused(model_of: Callable[[str], HFModel]) -> None:
    with pytest.raises(UserError, match="cannot write the answer"):
        held(model_of("llama"), choice("refund", "x<|eot_id|>y"))


# --- schemas and patterns ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "qwen3", "embedded"])
def test_a_schema_with_few_answers_holds_every_model(model_of: Callable[[str], HFModel], name: str) -> None:
    model = model_of(name) if name != "embedded" else HFModel(ModelSpec(base=str(EMBEDDED / "model")))
    for done in held(model, schema(**TEAM)):
        assert Draft202012Validator(TEAM).is_valid(json.loads(done.text))


LEAVES: list[dict[str, object]] = [
    {"type": "string", "maxLength": 5},
    {"type": "integer", "minimum": -20, "maximum": 300},
    {"type": "boolean"},
    {"enum": ["a", "b c", 'q"uote', "é"]},
    {"const": None},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
    {"type": "string", "pattern": "^[a-z]{2}-[0-9]{1,3}$"},
]


@pytest.mark.parametrize("seed", range(3))
def test_random_schemas_are_kept(model_of: Callable[[str], HFModel], seed: int) -> None:
    draw = random.Random(seed)
    properties = {f"key_{i}": draw.choice(LEAVES) for i in range(draw.randint(1, 4))}
    whole = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    valid = Draft202012Validator(whole)
    for temperature in (0.0, 1.5):
        for done in held(model_of("qwen3"), schema(**whole), limit=160, temperature=temperature):
            assert done.finish == "stop"
            assert valid.is_valid(json.loads(done.text)), done.text


@pytest.mark.parametrize("rule", ["[A-Z]{2}-[0-9]{4}", "(yes|no)( please){0,2}", "^-?[0-9]{1,3}$"])
def test_a_pattern_is_matched_whole(model_of: Callable[[str], HFModel], rule: str) -> None:
    constraint = Constraint("regex", rule)
    assert all(fits(constraint, done.text) for done in held(model_of("llama"), constraint, temperature=1.0))


def test_a_model_whose_letters_are_not_what_it_reads_is_not_made_to_spell() -> None:
    model = HFModel(ModelSpec(base=str(EMBEDDED / "model")))
    with pytest.raises(UserError, match="cannot be held to a JSON Schema: ") as told:
        held(model, schema(type="object", properties={"note": {"type": "string"}}))
    assert "labels, and schemas with a fixed set of answers" in (told.value.fix or "")


@pytest.mark.parametrize(
    ("constraint", "why"),
    [
        (schema(type="object", properties={"a": {"not": {"type": "string"}}}), 'Unimplemented keys: ["not"]'),
        (schema(type="array", items={"type": "integer"}, uniqueItems=True), "uniqueItems"),
        (Constraint("regex", "a(?=b)"), "look-around"),
    ],
)
def test_what_cannot_be_enforced_is_refused_with_what_it_is(
    model_of: Callable[[str], HFModel], constraint: Constraint, why: str
) -> None:
    with pytest.raises(UserError, match="cannot be held to this") as told:
        model_of("llama").hold(Generation(96, constraint=constraint))
    assert why in str(told.value)


@pytest.mark.parametrize(
    ("of", "answers"),
    [
        ({"enum": ["a", 1]}, ['"a"', "1"]),
        ({"type": "boolean"}, ["true", "false"]),
        ({**TEAM, "additionalProperties": True}, None),
        ({**TEAM, "required": ["team"]}, None),
        ({"type": "string"}, None),
        ({"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"], "additionalProperties": False,
          "not": {"properties": {"a": {"const": 2}}}}, ['{"a": 1}']),
    ],
)  # fmt: skip
def test_answers_are_listed_where_there_are_few(of: dict[str, object], answers: list[str] | None) -> None:
    assert answers_of(of) == answers


def test_a_schema_with_one_answer_too_many_is_not_listed() -> None:
    of = {"enum": list(range(5))}
    assert len(answers_of(of, most=5) or ()) == 5
    assert answers_of(of, most=4) is None


# --- where nothing can be held ----------------------------------------------------------------------------------------


def test_recorded_answers_are_held_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "0", "completion": "hello"}\n', encoding="utf-8")
    with pytest.raises(UserError, match="recorded answers were given already"):
        load(ModelSpec(recorded=str(tmp_path / "a.jsonl"))).generate(PROMPTS, Generation(constraint=choice("a")))
