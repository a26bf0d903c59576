"""Local models: the right answers in every architecture, and a named refusal for every folder that is not whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import tiny_models
import torch
import transformers
from safetensors.torch import load_file, save_file

from harness.config.recipe import TrainingConfig
from harness.models import NonFiniteWeights, load
from harness.models.hf.chat import ChatTokenizer
from harness.models.hf.inert_adapter import untrained
from harness.models.hf.model import HFModel
from harness.training import train_stage
from harness.training.types import TrainingData, TrainRow
from suites.errors import UserError
from suites.model import Completion, Generation, Message, ModelSpec, Prompt

torch.set_num_threads(1)

EVERY = list(tiny_models.ARCHITECTURES)
QUESTIONS = ["hello", "please route this ticket: the box was broken, order 17", "one two three", "ünïcode 17 {x}"]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    built: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in built:
            built[name] = tiny_models.build(name, tmp_path_factory.mktemp(name))
        return built[name]

    return of


@pytest.fixture
def copy(base: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: Path(shutil.copytree(base(name), tmp_path / f"copy-{name}"))


@pytest.fixture(scope="session")
def adapter(base: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    trained: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in trained:
            out = tmp_path_factory.mktemp("adapters") / name
            rows = [TrainRow([user(question)], "refund") for question in QUESTIONS]
            config = TrainingConfig(epochs=2, batch_size=4, learning_rate=1e-2, rank=4, alpha=8, warmup_share=0)
            train_stage(ModelSpec(str(base(name))), TrainingData(rows), config, out)
            trained[name] = out
        return trained[name]

    return of


@pytest.fixture
def spoilt(adapter: Callable[[str], Path], tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], Any]], Path]:
    """A copy of the Llama adapter whose tensors went through a function."""

    def of(change: Callable[[dict[str, Any]], Any]) -> Path:
        folder = Path(shutil.copytree(adapter("llama"), tmp_path / "spoilt"))
        tensors = load_file(folder / "adapter_model.safetensors")
        save_file(change(tensors), folder / "adapter_model.safetensors")
        return folder

    return of


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def prompts(texts: list[str] = QUESTIONS) -> list[Prompt]:
    return [Prompt(str(i), [user(text)]) for i, text in enumerate(texts)]


def hf(base: Path, adapter: Path | None = None) -> HFModel:
    return HFModel(ModelSpec(str(base), adapter=str(adapter) if adapter else None))


@pytest.mark.parametrize("name", EVERY)
def test_batch_answers_as_the_model_alone(name: str, base: Callable[[str], Path]) -> None:
    folder = base(name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    reference = transformers.AutoModelForCausalLM.from_pretrained(folder)
    expected = []
    for text in QUESTIONS:
        settings = {"add_generation_prompt": True, "enable_thinking": False, "tokenize": False}
        rendered = tokenizer.apply_chat_template([user(text)], **settings)
        bos = name != "phi3"  # its template leaves the first token to the tokenizer
        ids = tokenizer(rendered, add_special_tokens=not bos, return_tensors="pt").input_ids
        new = reference.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
        expected.append(tokenizer.decode(new[0, ids.shape[1] :], skip_special_tokens=True))
    answers = load(ModelSpec(str(folder))).generate(prompts(), Generation(max_new_tokens=8))
    assert [answer.text for answer in answers] == expected
    assert len(set(expected)) > 1


@pytest.mark.parametrize("name", EVERY)
def test_trained_adapter_loads_and_has_an_effect(
    name: str, base: Callable[[str], Path], adapter: Callable[[str], Path]
) -> None:
    tuned = hf(base(name), adapter(name))
    tuned.generate(prompts(), Generation(max_new_tokens=1))
    assert (tuned.effect(prompts()) or 0) > 1e-3
    assert hf(base(name)).effect(prompts()) is None
    assert tuned.identity.weights == hf(base(name)).identity.weights
    assert tuned.identity.template == hf(base(name)).identity.template
    assert tuned.identity.adapter


@pytest.mark.parametrize("name", EVERY)
def test_one_beginning_of_sequence(name: str, base: Callable[[str], Path]) -> None:
    chat = ChatTokenizer(base(name))
    ids = chat.encode(chat.render([user("hello")]))
    bos = chat.tokenizer.bos_token_id
    assert bos is None or (ids[0] == bos and bos not in ids[1:])
    plain = chat.encode("hello")
    assert bos is None or (plain[0] == bos and bos not in plain[1:])


def test_two_beginnings_are_refused(base: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match="two beginning-of-sequence"):
        ChatTokenizer(base("llama")).encode("<|begin_of_text|><|begin_of_text|>hello")


@pytest.mark.parametrize("name", EVERY)
def test_system_message_is_never_lost(name: str, base: Callable[[str], Path]) -> None:
    text = hf(base(name)).render(Prompt("a", [{"role": "system", "content": "be kind"}, user("hello")]))
    assert "be kind" in text
    if name.startswith("gemma"):
        assert "user\nbe kind\n\nhello<end_of_turn>" in text


def test_template_that_drops_the_system_message(copy: Callable[[str], Path]) -> None:
    folder = copy("qwen2")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m['role'] == 'user' %}U:{{ m['content'] }}\n{% endif %}{% endfor %}"
    )
    assert ChatTokenizer(folder).render([{"role": "system", "content": "be kind"}, user("hi")]) == "U:be kind\n\nhi\n"


def test_refusing_template_is_named(copy: Callable[[str], Path]) -> None:
    folder = copy("gemma2")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('Roles must alternate') }}")
    with pytest.raises(UserError, match=r"refuses the messages \(user, user\): Roles must alternate"):
        ChatTokenizer(folder).render([user("a"), user("b")])


def test_model_without_template_uses_role_lines(copy: Callable[[str], Path]) -> None:
    folder = copy("qwen2")
    (folder / "chat_template.jinja").unlink()
    chat = ChatTokenizer(folder)
    messages: list[Message] = [{"role": "system", "content": "be kind"}, user("hello")]
    assert chat.render(messages) == "system: be kind\nuser: hello\nassistant:"
    assert chat.render_answer(messages, "hi") == " hi<|im_end|>"


def test_template_that_writes_the_date_writes_always_the_same(copy: Callable[[str], Path]) -> None:
    folder = copy("qwen2")
    today = "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    (folder / "chat_template.jinja").write_text(today + "{{ date_string }}: {{ messages[0]['content'] }}")
    assert ChatTokenizer(folder).render([user("hello")]) == "26 Jul 2024: hello"


def test_prompt_leaves_out_thinking_as_the_answer_does(base: Callable[[str], Path]) -> None:
    chat = ChatTokenizer(base("qwen3"))
    assert chat.render([user("hello")]).endswith("<think>\n\n</think>\n\n")
    assert chat.render_answer([user("hello")], "hi") == "hi<|im_end|>\n"


def test_what_a_template_is_asked_for_is_part_of_what_answers(base: Callable[[str], Path]) -> None:
    plain, thinks = (HFModel(ModelSpec(str(base("qwen3")), template_settings=asked)) for asked in ((), THINKS))
    assert thinks.render(prompts()[0]).endswith("<|im_start|>assistant\n")
    assert thinks.identity.template == plain.identity.template + ' {"enable_thinking": true}'
    same = ChatTokenizer(base("qwen3"), settings=(("enable_thinking", False),))  # as it is asked for anyway
    assert same.hash == plain.identity.template


THINKS = (("enable_thinking", True),)


def test_markers_of_thinking_are_kept_where_other_special_tokens_are_not(base: Callable[[str], Path]) -> None:
    chat = ChatTokenizer(base("qwen2"))
    chat.tokenizer.add_special_tokens({"additional_special_tokens": ["[THINK]", "[/THINK]"]})
    ids = chat.encode("<|im_start|>[THINK]one two[/THINK]three<|im_end|>")
    assert chat.decode(ids) == "[THINK]one two[/THINK]three"
    assert chat.decode(chat.encode("<|im_start|>one two<|im_end|>")) == "one two"


def test_same_prompt_is_asked_once_and_progress_is_told(base: Callable[[str], Path]) -> None:
    seen: list[tuple[int, Completion]] = []
    answers = hf(base("llama")).generate(
        prompts(["hello", "one two", "hello"]), Generation(max_new_tokens=4), on_progress=seen.extend
    )
    assert answers[0] is answers[2]
    assert dict(seen) == dict(enumerate(answers))


def test_out_of_memory_halves_the_batch(
    base: Callable[[str], Path], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = hf(base("llama"))
    expected = [a.text for a in model.generate(prompts(), Generation(max_new_tokens=4))]
    forward = model._model.forward

    def small_device(*args: Any, **kwargs: Any) -> Any:
        if kwargs["rows"].cache.rows > 2:
            raise torch.OutOfMemoryError("full")
        return forward(*args, **kwargs)

    monkeypatch.setattr(model._model, "forward", small_device)
    assert [a.text for a in model.generate(prompts(), Generation(max_new_tokens=4))] == expected
    assert "out of memory with 4 requests at once; going on with 2" in caplog.text


def test_one_request_too_large_for_the_memory_is_named(
    base: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = hf(base("llama"))
    assert model._engine

    def full(*args: Any, **kwargs: Any) -> Any:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(model._model, "forward", full)
    with pytest.raises(UserError, match="one request alone is too large"):
        model.generate(prompts(), Generation(max_new_tokens=4))


def test_stop_and_length_are_told_apart(base: Callable[[str], Path], copy: Callable[[str], Path]) -> None:
    model = hf(base("llama"))
    (long,) = model.generate(prompts(["hello"]), Generation(max_new_tokens=6))
    assert (long.finish, long.tokens_out) == ("length", 6)
    third = model._model.generate(
        torch.tensor([model.chat.encode(model.render(prompts(["hello"])[0]))]), max_new_tokens=3, do_sample=False
    )[0, -1]
    folder = copy("llama")
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(config | {"eos_token_id": [1, int(third)]}))
    (short,) = hf(folder).generate(prompts(["hello"]), Generation(max_new_tokens=6))
    assert (short.finish, short.tokens_out) == ("stop", 3)
    assert long.text.startswith(short.text)


def test_the_folder_s_own_sampling_settings_do_not_apply(
    base: Callable[[str], Path], copy: Callable[[str], Path]
) -> None:
    folder = copy("qwen2")
    config = json.loads((folder / "generation_config.json").read_text())
    config |= {"repetition_penalty": 5.0, "do_sample": True, "temperature": 0.7}
    (folder / "generation_config.json").write_text(json.dumps(config))
    generation = Generation(max_new_tokens=12)
    plain, changed = (hf(f).generate(prompts(), generation) for f in (base("qwen2"), folder))
    assert [a.text for a in plain] == [a.text for a in changed]


def test_sampling_follows_the_seed(base: Callable[[str], Path]) -> None:
    model = hf(base("qwen2"))
    first, again, other = (
        [a.text for a in model.generate(prompts(), Generation(8, temperature=2.0, seed=seed))] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_prompt_too_long_is_an_error_and_the_others_are_answered(base: Callable[[str], Path]) -> None:
    answers = hf(base("llama")).generate(prompts(["hello", "x y z " * 200]), Generation(max_new_tokens=4))
    assert answers[0].error is None
    assert answers[1].finish == "error"
    assert "does not fit: the context holds 256, 4 of them kept" in (answers[1].error or "")


def test_a_prompt_that_just_fits_is_answered(base: Callable[[str], Path]) -> None:
    model = hf(base("qwen2"))
    text = "hello"
    room = model.context_length - len(model.chat.encode(text))
    fits, over = (model.generate([Prompt("a", text)], Generation(n))[0] for n in (room, room + 1))
    assert fits.error is None
    assert over.error


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma2", "phi3"])
def test_loglikelihood_is_that_of_lm_eval(name: str, base: Callable[[str], Path]) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    folder = base(name)
    rendered = hf(folder).render(Prompt("a", [user("hello order 17")]))
    requests = [
        ("hello order", " 17"),
        ("hello order ", "17 arrived late"),
        ("", "hello world"),
        (rendered, "refund"),
        (rendered, " delivery, damaged and billing ünï"),
        ("one two three four five six seven eight nine ten " * 3, "one"),
    ]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    reference = transformers.AutoModelForCausalLM.from_pretrained(folder)
    lm = HFLM(pretrained=reference, tokenizer=tokenizer, batch_size=2, device="cpu")
    arguments: Any = [Instance("loglikelihood", {}, request, i) for i, request in enumerate(requests)]
    expected = lm.loglikelihood(arguments, disable_tqdm=True)
    model = hf(folder)
    for at_once in (512, 64):
        assert model._engine
        model._engine._pass_tokens = at_once
        found = model.loglikelihood(requests)
        assert [score.logprob for score in found] == pytest.approx([value for value, _ in expected], abs=1e-4)
        assert [score.is_greedy for score in found] == [greedy for _, greedy in expected]


@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_a_context_of_white_space_is_no_context(name: str, base: Callable[[str], Path]) -> None:
    blank, none, other = hf(base(name)).loglikelihood([("\n", "hello"), ("", "\nhello"), ("hello", " world")])
    assert blank.logprob == pytest.approx(none.logprob, abs=1e-4)
    assert blank.logprob != pytest.approx(other.logprob, abs=1e-4)


def test_greedy_continuation_is_recognised(base: Callable[[str], Path]) -> None:
    model = hf(base("qwen2"))
    # Raw text: a rendered prompt ends in a line break, which the convention counts to the continuation.
    answers = model.generate([Prompt(text, text) for text in QUESTIONS], Generation(max_new_tokens=1))
    asked = [(text, answer.text) for text, answer in zip(QUESTIONS, answers, strict=True)]
    asked = [(text, answer) for text, answer in asked if "\ufffd" not in answer]  # half a character
    assert asked
    assert all(score.is_greedy for score in model.loglikelihood(asked))
    assert not any(score.is_greedy for score in model.loglikelihood([(text, "zebra") for text, _ in asked]))


def test_too_long_loglikelihood_is_refused(base: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match="does not fit the model's context of 256"):
        hf(base("llama")).loglikelihood([("a b c " * 200, "d")])


def test_base_and_adapters_stand_on_the_same_weights_and_do_not_mix(
    base: Callable[[str], Path], adapter: Callable[[str], Path], tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    asked, generation = prompts(), Generation(max_new_tokens=8)
    requests = [("hello order", " 17"), ("hello order", " refund"), ("one two", " three")]
    rows = [TrainRow([user(question)], "billing") for question in QUESTIONS]
    config = TrainingConfig(epochs=2, batch_size=4, learning_rate=3e-2, rank=2, alpha=8, warmup_share=0)
    train_stage(ModelSpec(str(base("llama"))), TrainingData(rows), config, tmp_path / "second")
    folders = [None, adapter("llama"), tmp_path / "second"]
    alone = []
    for folder in folders:
        model = hf(base("llama"), folder)
        alone.append(([a.text for a in model.generate(asked, generation)], model.loglikelihood(requests)))
        del model
    assert len({score.logprob for _, scores in alone for score in scores}) == 9

    models = [hf(base("llama"), folder) for folder in folders]
    for _ in range(2):
        for model, (texts, scores) in zip(models, alone, strict=True):
            assert [a.text for a in model.generate(asked, generation)] == texts
            assert model.loglikelihood(requests) == scores
    assert models[0]._base is models[1]._base is models[2]._base

    models[1].generate(asked, generation)
    del model, models[1]
    assert not any("active" in str(each.message) for each in recwarn), "PEFT was not left to choose another adapter"
    assert [a.text for a in models[1].generate(asked, generation)] == alone[2][0]
    del models[1]
    assert [a.text for a in models[0].generate(asked, generation)] == alone[0][0]
    assert not any("lora" in name for name, _ in models[0]._model.named_modules()), "the base is what it was"


def test_an_adapter_that_is_refused_leaves_the_base_as_it_was(
    base: Callable[[str], Path], spoilt: Callable[..., Path]
) -> None:
    plain = hf(base("llama"))
    before = [a.text for a in plain.generate(prompts(), Generation(max_new_tokens=8))]
    folder = spoilt(lambda tensors: dict(list(tensors.items())[1:]))
    with pytest.raises(UserError, match="part of the adapter is missing"):
        hf(base("llama"), folder).effect(prompts())
    assert not any("lora" in name for name, _ in plain._model.named_modules())
    assert [a.text for a in plain.generate(prompts(), Generation(max_new_tokens=8))] == before


def test_an_adapter_that_changes_more_than_it_can_take_back_gets_a_base_of_its_own(
    base: Callable[[str], Path], tmp_path: Path
) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(base("llama"))
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear", modules_to_save=["lm_head"])
    config.target_modules = ["q_proj"]
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "head")
    plain, tuned = hf(base("llama")), hf(base("llama"), tmp_path / "head")
    assert tuned.effect(prompts()) == 0.0
    assert plain._base is not tuned._base


def test_untrained_adapter_has_no_effect(base: Callable[[str], Path], tmp_path: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(base("llama"))
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear")
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "idle")
    assert hf(base("llama"), tmp_path / "idle").effect(prompts()) == 0.0


def test_adapter_of_another_base(base: Callable[[str], Path], adapter: Callable[[str], Path], tmp_path: Path) -> None:
    same_shapes = tiny_models.build("llama", tmp_path / "seed1", seed=1)
    with pytest.raises(UserError, match="another base"):
        hf(same_shapes, adapter("llama")).effect(prompts())
    with pytest.raises(UserError, match="another base"):
        hf(base("gemma3"), adapter("llama")).effect(prompts())


def test_adapter_of_another_shape_without_a_record(spoilt: Callable[..., Path], tmp_path: Path) -> None:
    folder = spoilt(lambda tensors: tensors)
    (folder / "harness_training.json").unlink()
    _rename_base(folder, "somewhere/else")
    wider = tiny_models.build("llama", tmp_path / "wider", hidden_size=48, head_dim=24)
    with pytest.raises(UserError, match=r"another base: somewhere/else.*size mismatch"):
        hf(wider, folder).effect(prompts())


def test_adapter_names_another_hub_base(base: Callable[[str], Path], spoilt: Callable[..., Path]) -> None:
    folder = spoilt(lambda tensors: tensors)
    (folder / "harness_training.json").unlink()
    _rename_base(folder, "org/one-1B")
    model = hf(base("llama"), folder)
    model.spec = ModelSpec("org/two-1B", adapter=str(folder))
    with pytest.raises(UserError, match=r"another base: org/one-1B, not org/two-1B"):
        model.effect(prompts())


def test_rows_made_up_for_new_tokens_are_always_the_same(
    base: Callable[[str], Path], spoilt: Callable[..., Path]
) -> None:
    folder = spoilt(lambda tensors: tensors)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base("llama"))
    tokenizer.add_tokens(["<ticket>"])
    tokenizer.save_pretrained(folder)
    asked = prompts(["route <ticket> now"])
    effects = [hf(base("llama"), folder).loglikelihood([("route <ticket>", " refund")]) for _ in range(2)]
    assert effects[0] == effects[1]
    assert [a.finish for a in hf(base("llama"), folder).generate(asked, Generation(2))] != ["error"]


def test_copy_of_the_same_base_is_accepted(copy: Callable[[str], Path], adapter: Callable[[str], Path]) -> None:
    assert (hf(copy("llama"), adapter("llama")).effect(prompts()) or 0) > 0


def test_renamed_adapter_keys(base: Callable[[str], Path], spoilt: Callable[..., Path]) -> None:
    folder = spoilt(lambda tensors: {key.replace("layers.1", "layers.7"): tensors[key] for key in tensors})
    with pytest.raises(UserError, match="has no counterpart"):
        hf(base("llama"), folder).effect(prompts())


def test_adapter_with_a_tensor_missing(base: Callable[[str], Path], spoilt: Callable[..., Path]) -> None:
    folder = spoilt(lambda tensors: dict(list(tensors.items())[1:]))
    with pytest.raises(UserError, match="its file lacks 1 tensor, first"):
        hf(base("llama"), folder).effect(prompts())


def test_adapter_of_nan(base: Callable[[str], Path], spoilt: Callable[..., Path]) -> None:
    folder = spoilt(lambda tensors: {key: tensors[key] * float("nan") for key in tensors})
    with pytest.raises(NonFiniteWeights, match="28 of 28 tensors of the adapter"):
        hf(base("llama"), folder).generate(prompts(), Generation(2))


def test_base_with_an_infinite_weight(copy: Callable[[str], Path]) -> None:
    folder = copy("qwen2")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][3] = float("inf")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NonFiniteWeights, match=r"1 of \d+ tensors .* model\.norm\.weight"):
        hf(folder).generate(prompts(), Generation(2))


@pytest.mark.parametrize("tuned", [True, False])
def test_finite_weights_that_overflow(
    tuned: bool, copy: Callable[[str], Path], base: Callable[[str], Path], spoilt: Callable[..., Path]
) -> None:
    if tuned:
        model = hf(base("llama"), spoilt(lambda tensors: {key: tensors[key] * 1e37 for key in tensors}))
    else:
        folder = copy("llama")
        tensors = {key: tensor * 1e18 for key, tensor in load_file(folder / "model.safetensors").items()}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        model = hf(folder)
    with pytest.raises(NonFiniteWeights, match=r"logits of .* are not finite on 0"):
        model.effect(prompts())


def test_base_with_a_weight_missing(copy: Callable[[str], Path]) -> None:
    folder = copy("qwen2")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"in no file, first model\.norm\.weight"):
        hf(folder).generate(prompts(), Generation(2))


def test_base_of_another_shape_than_its_config(copy: Callable[[str], Path]) -> None:
    folder = copy("qwen2")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(
        UserError, match=r"6 weights .* another shape, first .*: \(32, 64\) in the file, \(32, 48\) by con"
    ):
        hf(folder).generate(prompts(), Generation(2))


def test_truncated_weights(copy: Callable[[str], Path]) -> None:
    folder = copy("qwen2")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(UserError, match=r"model\.safetensors is not whole: it holds 90,008 bytes, .* says 180,016"):
        hf(folder)


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_adapter_without_a_file(
    missing: str, base: Callable[[str], Path], adapter: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(adapter("llama"), tmp_path / "adapter"))
    (folder / missing).unlink()
    with pytest.raises(UserError, match=f"has no {missing}"):
        hf(base("llama"), folder)


def test_folder_that_is_no_model(adapter: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        hf(tmp_path)
    with pytest.raises(UserError, match="give its base as the model and this folder as the adapter"):
        hf(adapter("llama"))
    with pytest.raises(UserError, match="there is no model folder"):
        hf(tmp_path / "nowhere")


def test_weights_in_4_bits_need_bitsandbytes(base: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model = HFModel(ModelSpec(str(base("llama")), load_in="4bit"))
    with pytest.raises(UserError, match="pip install 'finetune-harness"):
        model.generate(prompts(), Generation(2))


def test_weights_in_4_bits_answer_and_wear_an_adapter(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    sizes = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 32}  # blocks of 64 weights
    folder = tiny_models.build("llama", tmp_path / "base", **sizes)
    rows = TrainingData([TrainRow([user(question)], "refund") for question in QUESTIONS])
    config = TrainingConfig(epochs=2, batch_size=4, learning_rate=1e-2, rank=4, alpha=8, warmup_share=0)
    train_stage(ModelSpec(str(folder)), rows, config, tmp_path / "adapter")
    four = HFModel(ModelSpec(str(folder), load_in="4bit"))
    tuned = HFModel(ModelSpec(str(folder), adapter=str(tmp_path / "adapter"), load_in="4bit"))
    answers = [a.text for a in four.generate(prompts(), Generation(8))]
    assert any("4bit" in type(module).__name__ for module in four._model.modules())
    assert four.identity.dtype == "nf4 float32"
    assert four._base is not hf(folder)._base
    assert (tuned.effect(prompts()) or 0) > 1e-3
    assert [a.text for a in tuned.generate(prompts(), Generation(8))] != answers
    assert [a.text for a in four.generate(prompts(), Generation(8))] == answers
    untrained(ModelSpec(str(folder)), tmp_path / "idle")
    idle = HFModel(ModelSpec(str(folder), adapter=str(tmp_path / "idle"), load_in="4bit"))
    assert [a.text for a in idle.generate(prompts(), Generation(8))] == answers


def test_pickled_weights_are_not_loaded(copy: Callable[[str], Path]) -> None:
    folder = copy("llama")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="pickled"):
        hf(folder)


def test_shard_missing(copy: Callable[[str], Path]) -> None:
    folder = copy("llama")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(UserError, match="1 of 2 weight files are missing"):
        hf(folder)


def test_hub_model_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="hf download nobody/nothing-1B"):
        load(ModelSpec("nobody/nothing-1B"))


def test_hub_model_from_the_cache(base: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    place, commit = tmp_path / "models--org--tiny-1B", "a" * 40
    shutil.copytree(base("llama"), place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    rows = TrainingData([TrainRow([user("hello")], "refund")])
    result = train_stage(ModelSpec("org/tiny-1B"), rows, TrainingConfig(epochs=1), tmp_path / "out")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "org/tiny-1B"
    model = HFModel(result.spec)
    assert model.identity.name == "org/tiny-1B + out"
    assert model.effect(prompts()) == 0.0  # the first step of a warm-up has learning rate 0
    with pytest.raises(UserError, match="org/tiny-1B@v2 is not on this machine"):
        HFModel(ModelSpec("org/tiny-1B", revision="v2"))


def test_broken_config_and_tokenizer(copy: Callable[[str], Path]) -> None:
    folder = copy("llama")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"llama"', '"no_such_architecture"'))
    with pytest.raises(UserError, match="config cannot be used"):
        hf(folder)
    (folder / "config.json").write_text(config)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match="tokenizer cannot be loaded"):
        hf(folder)


def test_identity_follows_the_bytes(copy: Callable[[str], Path], base: Callable[[str], Path]) -> None:
    folder = copy("llama")
    before = hf(folder).identity
    assert before.weights == hf(base("llama")).identity.weights
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    after = hf(folder).identity
    assert after.weights != before.weights
    assert after.template == before.template


def test_template_identity_ignores_how_files_are_laid_out(copy: Callable[[str], Path]) -> None:
    folder = copy("phi3")
    model = hf(folder)
    before = model.identity.template
    model.generate(prompts(), Generation(2))
    assert model.chat.hash == before
    transformers.AutoTokenizer.from_pretrained(folder, padding_side="left").save_pretrained(folder)
    assert hf(folder).identity.template == before
    with (folder / "chat_template.jinja").open("a") as file:
        file.write("!")
    assert hf(folder).identity.template != before


def test_adapter_brings_its_template(
    base: Callable[[str], Path], adapter: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(adapter("qwen2"), tmp_path / "adapter"))
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}?")
    assert hf(base("qwen2"), folder).render(prompts()[0]) == "hello?"
    (folder / "chat_template.jinja").unlink()
    assert hf(base("qwen2"), folder).render(prompts()[0]) == hf(base("qwen2")).render(prompts()[0])


def _rename_base(adapter: Path, name: str) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": name}))
