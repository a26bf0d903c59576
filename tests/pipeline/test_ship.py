"""What ships can be taken as it is told: the command that serves it, and the prompt as the messages of a request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import decided, recorded_experiment, run

from baselines.arm import Prompter
from harness.models.files import content_hash
from harness.pipeline.ship import as_decided, serving
from suites.model import ModelSpec
from suites.types import Example

LORA = "vllm serve org/base --enable-lora --lora-modules 'my tickets=out/a'"


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        ({"peft_type": "LORA", "r": 8}, LORA),
        ({"peft_type": "LORA", "r": 16}, LORA),
        ({"peft_type": "LORA", "r": 17}, f"{LORA} --max-lora-rank 32"),
        ({"peft_type": "LORA", "r": 512}, f"{LORA} --max-lora-rank 512"),
        ({"peft_type": "LORA", "r": 513}, ""),
        ({"peft_type": "LORA", "r": 8, "use_dora": True}, ""),
        ({"peft_type": "IA3"}, ""),
    ],
)
def test_a_lora_adapter_is_served_on_its_base_and_no_other_kind_is(
    tmp_path: Path, settings: dict[str, object], command: str
) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    spec = ModelSpec(base="org/base", adapter=str(tmp_path))
    assert serving("my tickets", spec, "org/base", "out/a") == command


def test_a_whole_model_is_served_by_its_folder_and_what_a_server_has_needs_no_command() -> None:
    whole = ModelSpec(base="/x/out/merged")
    assert serving("tickets", whole, "", "out/merged") == "vllm serve out/merged --served-model-name tickets"
    assert serving("tickets", ModelSpec(base="tuned", endpoint="http://localhost:1/v1"), "", "") == ""


def test_of_a_gguf_file_the_weights_that_were_examined_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    assert as_decided(str(tmp_path / "a.gguf")) == f"/cache/finetune-harness/gguf/{content_hash(tmp_path / 'a.gguf')}"
    assert [as_decided(base) for base in ("org/base", "org/a.gguf", "")] == ["org/base", "org/a.gguf", ""]


def test_a_prompt_is_written_with_the_question_left_open() -> None:
    shot = Example("s", {"input": "where is it?"}, "shipping", "s")
    messages = Prompter("few-shot 1", "Route this.", (shot,)).outline()
    assert [(message["role"], message["content"]) for message in messages] == [
        ("system", "Route this."), ("user", "where is it?"), ("assistant", "shipping"), ("user", "{{ input }}"),
    ]  # fmt: skip
    assert Prompter("whole", "Q: {{ input }} A:").outline() == [{"role": "user", "content": "Q: {{ input }} A:"}]
    assert Prompter("column", "For {{ plan }}.").outline()[0]["content"] == "For {{ plan }}."
    assert Prompter("literal", '{{ "One of {a}" }}').outline()[0]["content"] == "One of {a}"
    assert Prompter("none").outline() == [{"role": "user", "content": "{{ input }}"}]


def test_the_prompt_of_each_side_is_on_record_where_it_was_asked_here(tmp_path: Path) -> None:
    path = recorded_experiment(
        tmp_path, ["no"] * 60, ["yes"] * 60, model="echo", baselines=["zero_shot"], task={"prompt": "Say yes."}
    )
    ship = decided(run(path)).facts.ship
    assert ship is not None
    assert (ship.folder, ship.command, list(ship.prompts)) == ("", "", ["base"])
    assert ship.prompts["base"][0] == {"role": "system", "content": "Say yes."}
