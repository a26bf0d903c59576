"""What is seen of models before anything is paid for: real adapters and folders, loaded without their weights."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import setuptools  # noqa: F401 (BOFT of PEFT does it too, which fails once something else has loaded distutils)
import tiny_models
import torch
import transformers
from safetensors.torch import load_file, save_file

from harness.models import NonFiniteWeights
from harness.models.files import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from harness.models.hf import rehearsal
from harness.models.hf.model import HFModel
from harness.models.vllm import check_served
from suites.errors import UserError
from suites.model import ModelSpec, Prompt
from suites.types import Finding


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("llama", tmp_path_factory.mktemp("llama"))


def adapter(base: Path, out: Path, config: peft.PeftConfig | None = None, **settings: Any) -> Path:
    """A LoRA on `base`, not trained but with an effect; or the adapter of `config`."""
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    shape = {"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", "init_lora_weights": False}
    peft.get_peft_model(model, config or peft.LoraConfig(**{**shape, **settings})).save_pretrained(out)
    return out


@pytest.fixture(scope="module")
def plain(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter(base, tmp_path_factory.mktemp("plain") / "adapter")


@pytest.fixture
def spoilt(plain: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the plain adapter with other settings, and tensors that went through a function."""

    def of(change: Callable[[dict[str, Any]], dict[str, Any]] = dict, source: Path = plain, **settings: Any) -> Path:
        folder = Path(shutil.copytree(source, tmp_path / "spoilt"))
        _settings(folder / ADAPTER_CONFIG, settings)
        save_file(change(load_file(folder / ADAPTER_WEIGHTS)), folder / ADAPTER_WEIGHTS, {"format": "pt"})
        return folder

    return of


def _settings(file: Path, settings: dict[str, Any]) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


def changed(source: Path, out: Path, **settings: Any) -> Path:
    """A copy of a model's folder with other settings in its config."""
    shutil.copytree(source, out)
    _settings(out / "config.json", settings)
    return out


def told(base: Path, folder: Path, **spec: Any) -> list[Finding]:
    return rehearsal.of_adapter(ModelSpec(str(base), adapter=str(folder), **spec), "candidate")


KINDS: dict[str, peft.PeftConfig] = {
    "dora": peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], use_dora=True, init_lora_weights=False),
    "head": peft.LoraConfig(
        task_type="CAUSAL_LM", target_modules=["q_proj"], modules_to_save=["lm_head"], init_lora_weights=False
    ),
    "tokens": peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], trainable_token_indices=[5]),
    "layers twice": peft.LoraConfig(
        task_type="CAUSAL_LM", target_modules=["q_proj"], layer_replication=[[0, 2], [1, 2]]
    ),
    "ia3": peft.IA3Config(
        task_type="CAUSAL_LM", target_modules=["k_proj"], feedforward_modules=[], init_ia3_weights=False
    ),
    "prefix": peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4),
    "prompt": peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_adapter_of_every_kind_passes_without_a_word(kind: str, base: Path, tmp_path: Path) -> None:
    assert told(base, adapter(base, tmp_path / "theirs", KINDS[kind])) == []


@pytest.mark.parametrize("saved", [None, ["embed_tokens"], ["lm_head"]])
def test_tied_embeddings_are_no_missing_part(saved: list[str] | None, tmp_path: Path) -> None:
    tied = tiny_models.build("llama", tmp_path / "tied", tie_word_embeddings=True)
    assert rehearsal.of_model(ModelSpec(str(tied)), "model") == []
    assert told(tied, adapter(tied, tmp_path / "theirs", modules_to_save=saved)) == []


def test_a_saved_module_that_the_file_lacks(base: Path, tmp_path: Path, spoilt: Callable[..., Path]) -> None:
    whole = adapter(base, tmp_path / "theirs", modules_to_save=["lm_head"])
    part = spoilt(lambda tensors: {key: t for key, t in tensors.items() if "lm_head" not in key}, whole)
    with pytest.raises(UserError, match=r"part of the adapter is missing: its file lacks 1 tensor, first .*lm_head"):
        told(base, part)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"r": 0}, "`r` should be a positive integer"),
        ({"r": "8"}, "does not fit the base: .*'str' and 'int'"),
        ({"r": 8}, "settings say the rank 8, and .*q_proj.lora_A.weight has the rank 4"),  # not another base
        ({"target_modules": ["c_attn"]}, r"does not fit the base: Target modules \{'c_attn'\} not found"),
        ({"peft_type": "UNHEARD_OF"}, "PEFT knows no `peft_type: UNHEARD_OF`"),
        ({"peft_type": None}, "settings cannot be used"),
        ({"task_type": "SEQ_CLS"}, "another task than writing text: its task_type is SEQ_CLS"),
    ],
)
def test_settings_that_peft_refuses(
    settings: dict[str, Any], says: str, base: Path, spoilt: Callable[..., Path]
) -> None:
    with pytest.raises(UserError, match=says):
        told(base, spoilt(**settings))


def test_an_adapter_of_more_layers_is_no_adapter_of_this_base_whoever_says_so(base: Path, tmp_path: Path) -> None:
    deep = tiny_models.build("llama", tmp_path / "deep", num_hidden_layers=3)
    theirs = adapter(deep, tmp_path / "theirs")
    with pytest.raises(UserError, match="another base"):
        told(base, theirs)
    with pytest.raises(UserError, match=r"would do nothing: the model has no counterpart to 4 tensors.*layers\.2\."):
        told(base, theirs, same_base=True)


def test_all_that_speaks_against_an_adapter_is_said_at_once(
    base: Path, tmp_path: Path, spoilt: Callable[..., Path]
) -> None:
    other = tiny_models.build("llama", tmp_path / "seed1", seed=1)
    with pytest.raises(UserError, match=r"(?s)2 problems with the models.*another base.*another task"):
        told(base, spoilt(base_model_name_or_path=str(other), task_type="SEQ_CLS"))


def test_an_adapter_of_nan_is_seen(base: Path, spoilt: Callable[..., Path]) -> None:
    with pytest.raises(NonFiniteWeights, match="8 of 8 tensors"):
        told(base, spoilt(lambda tensors: {key: t * float("nan") for key, t in tensors.items()}))


@pytest.mark.parametrize(
    ("recorded", "spec", "level", "says"),
    [
        ("acme/{name}", {}, "info", "are taken for the same base, by name"),
        (
            "unsloth/{name}-unsloth-bnb-4bit",
            {},
            "warn",
            "fewer bits, .*`load_in: 4bit` of `model` asks it as it was trained",
        ),
        ("acme/{name}-GGUF", {}, "warn", "fewer bits, and is put on the whole weights"),
        ("unsloth/{name}-bnb-4bit", {"load_in": "4bit"}, "info", "are taken for the same base"),
        ("acme/else", {}, "warn", "is not known: the adapter names acme/else, which is not on this machine"),
        (None, {}, "warn", "is not known: the adapter names no base"),
        ("acme/else", {"same_base": True}, "info", "acme/else and .* the same base, as the experiment file says"),
    ],
)
def test_a_base_that_is_not_plainly_the_same_is_told(
    recorded: str | None, spec: dict[str, Any], level: str, says: str, base: Path, spoilt: Callable[..., Path]
) -> None:
    named = spoilt(base_model_name_or_path=recorded and recorded.format(name=base.name))
    [finding] = told(base, named, **spec)
    assert (finding.level, finding.check) == (level, "adapter_base")
    assert re.search(says, finding.message)


def new_tokens(base: Path, folder: Path) -> Any:
    """The folder with a tokenizer that has two tokens more than the base's."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["<one>", "<two>"])
    tokenizer.save_pretrained(folder)
    return tokenizer


def test_rows_made_up_for_added_tokens_are_told(base: Path, tmp_path: Path, spoilt: Callable[..., Path]) -> None:
    folder = spoilt()
    tokenizer = new_tokens(base, folder)
    [finding] = told(base, folder)
    assert (finding.level, finding.check, finding.rows) == ("warn", "token_rows", ("<one>", "<two>"))
    assert (
        "nothing for 2 tokens new to the base, first '<one>': 2 rows of the model made up, 0 that nobody"
        in finding.message
    )

    roomy = tiny_models.build("llama", tmp_path / "roomy", vocab_size=len(tokenizer) + 8)
    [finding] = told(roomy, folder, same_base=True)[1:]
    assert "0 rows of the model made up, 2 that nobody trained" in finding.message


def test_rows_that_the_adapter_brings_are_not_told(base: Path, tmp_path: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    folder = tmp_path / "resized"
    tokenizer = new_tokens(base, folder)
    model.resize_token_embeddings(len(tokenizer))
    lora = peft.LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM")
    peft.get_peft_model(model, lora).save_pretrained(folder, save_embedding_layers=True)
    assert told(base, folder) == []
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(UserError, match=r"does not fit the tokens: size mismatch .*embed_tokens") as refused:
        told(base, folder)
    assert refused.value.fix == "copy the tokenizer it was trained with into its folder"


def test_tokens_with_another_number_than_in_the_base_are_told(base: Path, spoilt: Callable[..., Path]) -> None:
    folder = spoilt()
    transformers.AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["A"], vocabulary["B"] = vocabulary["B"], vocabulary["A"]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    [finding] = told(base, folder)
    assert "2 tokens of its tokenizer with another number in the base's, first 'A'" in finding.message


def test_what_vllm_has_no_place_for_is_told_by_the_settings_alone(spoilt: Callable[..., Path]) -> None:
    folder = spoilt(r=512)
    check_served(folder)
    for settings, says in (
        ({"r": 513}, "up to rank 512, not this LORA of rank 513"),
        ({"use_dora": True}, "not this LORA of rank 8 with use_dora"),
        ({"modules_to_save": ["lm_head"]}, "not this LORA of rank 8 with modules_to_save"),
        ({"peft_type": "IA3"}, "not this IA3"),
    ):
        _settings(folder / ADAPTER_CONFIG, {"r": 8, "use_dora": False, "modules_to_save": None, **settings})
        with pytest.raises(UserError, match=says):
            check_served(folder)


def test_a_model_whose_fine_tune_was_never_merged_blocks(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "theirs"))
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.self_attn.q_proj.lora_A.default.weight"] = torch.ones(4, 32)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    [finding] = rehearsal.of_model(ModelSpec(str(folder)), "candidate")
    assert (finding.level, finding.check) == ("block", "unread_tensors")
    assert "no part of the model reads 1 of the 22 tensors in its files" in finding.message
    assert "an adapter's, which was never merged" in finding.message


@pytest.mark.parametrize(
    ("name", "level"),
    [("model.layers.2.x.weight", "block"), ("model.layers.1.x.weight", "warn"), ("score.weight", "warn")],
)
def test_layers_that_the_config_does_not_have_block_and_other_spare_tensors_are_told(
    name: str, level: str, base: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "theirs"))
    save_file(
        load_file(folder / "model.safetensors") | {name: torch.ones(2)}, folder / "model.safetensors", {"format": "pt"}
    )
    [finding] = rehearsal.of_model(ModelSpec(str(folder)), "candidate")
    assert finding.level == level
    assert ("config.json has 2 layers, the files have 3" in finding.message) == (level == "block")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"num_hidden_layers": 3}, r"9 weights of the model in no file, first model\.layers\.2\."),
        (
            {"vocab_size": 100},
            r"2 weights of the model in another shape, first lm_head.*\(400, 32\) in the file, \(100, 32\) by",
        ),
        ({"num_hidden_layers": "two"}, "cannot be (used|loaded): .*integer|cannot be used: .*expected int, got str"),
        ({"num_attention_heads": 0}, "cannot be (used|loaded)"),
        ({"model_type": "t5"}, "cannot be loaded: Unrecognized configuration class"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "the model cannot be loaded"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "gives classes or scores, not text"),
    ],
)
def test_a_config_that_does_not_describe_a_model_that_writes(
    settings: dict[str, Any], says: str, base: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=says):
        rehearsal.of_model(ModelSpec(str(changed(base, tmp_path / "theirs", **settings))), "candidate")


def test_a_classifier_on_tied_embeddings_would_load_and_is_refused(tmp_path: Path) -> None:
    tied = tiny_models.build("llama", tmp_path / "tied", tie_word_embeddings=True)
    transformers.AutoModelForSequenceClassification.from_pretrained(tied, num_labels=2).save_pretrained(tied)
    with pytest.raises(UserError, match="gives classes or scores, not text"):
        HFModel(ModelSpec(str(tied))).effect([Prompt("0", "hello")])


def test_a_tensor_that_a_shard_lacks(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "theirs"))
    (folder / "model.safetensors").unlink()
    transformers.AutoModelForCausalLM.from_pretrained(base).save_pretrained(folder, max_shard_size="60KB")
    assert rehearsal.of_model(ModelSpec(str(folder)), "model") == []
    shard = min(folder.glob("model-*.safetensors"))
    tensors = load_file(shard)
    name, _ = tensors.popitem()
    save_file(tensors, shard, {"format": "pt"})
    with pytest.raises(UserError, match=f"1 weight of the model in no file, first {name}"):
        rehearsal.of_model(ModelSpec(str(folder)), "model")


def test_a_model_of_another_kind_than_the_base_is_told(base: Path, tmp_path: Path) -> None:
    [same] = rehearsal.of_kind(ModelSpec(str(base)), ModelSpec(str(base)), "candidate")
    assert (same.level, same.check) == ("block", "inert_candidate")
    other = tiny_models.build("qwen2", tmp_path / "qwen2")
    [finding] = rehearsal.of_kind(ModelSpec(str(base)), ModelSpec(str(other)), "candidate")
    assert (finding.level, finding.check) == ("warn", "other_kind")
    assert "qwen2 of 2 layers, 32 wide, and the base is llama of 2 layers, 32 wide" in finding.message


QV = {"target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}
# As PEFT makes them before anything is learnt.
FRESH = {
    "DoRA": peft.LoraConfig(r=4, use_dora=True, **QV),
    "IA3": peft.IA3Config(feedforward_modules=["v_proj"], **QV),
    "AdaLoRA": peft.AdaLoraConfig(r=4, total_step=10, **QV),
    "VeRA": peft.VeraConfig(r=4, **{**QV, "target_modules": ["q_proj"]}),
    "OFT": peft.OFTConfig(oft_block_size=4, **QV),
    "BOFT": peft.BOFTConfig(boft_block_size=4, **QV),
}


@pytest.mark.parametrize("kind", FRESH)
def test_an_adapter_of_any_kind_that_learnt_nothing_is_told(kind: str, base: Path, tmp_path: Path) -> None:
    folder = adapter(base, tmp_path / "adapter", FRESH[kind])
    assert [finding.check for finding in told(base, folder)] == ["inert_candidate"]
    tensors = load_file(folder / ADAPTER_WEIGHTS)
    name = max(name for name in tensors if not re.search(r"vera_[AB]$|lambda_d|lora_[AB]\b", name))  # what is learnt
    save_file({**tensors, name: tensors[name] + 0.1}, folder / ADAPTER_WEIGHTS, {"format": "pt"})
    assert told(base, folder) == []


# Of these the tensors alone say nothing; a number of each kind that is learnt.
OTHER_KINDS = {
    "LN tuning": (peft.LNTuningConfig(target_modules=["input_layernorm"], task_type="CAUSAL_LM"), "ln_tuning"),
    "FourierFT": (peft.FourierFTConfig(n_frequency=10, init_weights=True, **QV), "spectrum"),
    "HRA": (peft.HRAConfig(r=4, **QV), "hra_u"),
    "MiSS": (peft.MissConfig(r=4, **QV), "miss_block"),
    "RandLoRA": (peft.RandLoraConfig(r=4, **{**QV, "target_modules": ["q_proj"]}), "lambda"),
    "SHiRA": (peft.ShiraConfig(r=1, **QV), "shira_weight"),
    "RoAd": (peft.RoadConfig(group_size=16, **QV), "road_theta"),
    "the head, as it was": (peft.LoraConfig(r=4, modules_to_save=["lm_head"], **QV), "lm_head"),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_an_adapter_whose_tensors_say_nothing_is_known_by_the_logits(kind: str, base: Path, tmp_path: Path) -> None:
    config, learnt = OTHER_KINDS[kind]
    folder = adapter(base, tmp_path / "adapter", config)
    [finding] = told(base, folder)
    assert finding.check == "inert_candidate"
    assert "of 4 texts its adapter changes no logit by more than 0.0001" in finding.message
    tensors = load_file(folder / ADAPTER_WEIGHTS)
    drawn = {name: tensor + torch.rand_like(tensor) if learnt in name else tensor for name, tensor in tensors.items()}
    save_file(drawn, folder / ADAPTER_WEIGHTS, {"format": "pt"})
    assert told(base, folder) == []


def test_an_adapter_of_tokens_may_change_none_that_was_tried(base: Path, tmp_path: Path) -> None:
    config = peft.TrainableTokensConfig(token_indices=[390], task_type="CAUSAL_LM")
    assert told(base, adapter(base, tmp_path / "adapter", config)) == []


def test_no_row_for_a_token_of_the_tokenizer_is_told(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "theirs"))
    new_tokens(base, folder)
    [finding] = rehearsal.of_model(ModelSpec(str(folder)), "candidate")
    assert (finding.level, finding.rows) == ("warn", ("<one>", "<two>"))
