"""The engine gives the answers of the plain way: in any batch, with a shared prefix, in every family of models."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.hf import compatibility
from harness.models.hf.engine import Engine
from harness.models.hf.model import HFModel
from harness.models.hf.padded import Plain
from harness.models.hf.prefix_groups import common, group
from suites.model import Generation, LogLikelihood, ModelSpec

torch.set_num_threads(1)

FAMILIES = {
    "llama": {},
    "llama, grouped heads": {"num_attention_heads": 4, "num_key_value_heads": 2},
    "qwen2": {},
    "qwen2, sliding": {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1},
    "qwen3": {},
    "gemma2, sliding": {"sliding_window": 16},
    "gemma3, sliding": {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]},
    "phi3": {},
    "phi3, sliding": {"sliding_window": 16},
}
ANSWER = Generation(max_new_tokens=6)


@dataclass(frozen=True)
class Lengths:
    """Prompts that share `prefix` tokens and go on with `own` tokens each."""

    prefix: int
    own: Sequence[int]


SHARED = Lengths(40, [1, 3, 30, 2, 9, 9, 17, 5])
UNEQUAL = Lengths(0, [1, 2, 90, 5, 41, 7, 60, 3])


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    built: dict[str, Any] = {}

    def of(name: str) -> Any:
        if name not in built:
            folder = tiny_models.build(name.split(",")[0], tmp_path_factory.mktemp("family"), **FAMILIES[name])
            built[name] = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
            built[name].generation_config = transformers.GenerationConfig(pad_token_id=0)
        return built[name]

    return of


def prompts(model: Any, lengths: Lengths) -> list[list[int]]:
    draw = random.Random(str(lengths))
    some = [[draw.randrange(3, model.config.vocab_size) for _ in range(n)] for n in [lengths.prefix, *lengths.own]]
    return [some[0] + own for own in some[1:]]


def alone(model: Any, prompt: list[int]) -> list[int]:
    """What transformers itself answers to this prompt alone."""
    ids = torch.tensor([prompt])
    settings = {"max_new_tokens": ANSWER.max_new_tokens, "do_sample": False}
    return model.generate(ids, attention_mask=torch.ones_like(ids), **settings)[0, len(prompt) :].tolist()


def answers(way: Engine | Plain, asked: Sequence[list[int]], generation: Generation = ANSWER) -> list[list[int]]:
    found = {index: row.new for batch in way.generate(asked, generation) for index, row in batch}
    return [found[i] for i in range(len(asked))]


def scores(way: Engine | Plain, pairs: Sequence[tuple[list[int], list[int]]]) -> list[LogLikelihood]:
    found = {index: score for batch in way.loglikelihood(pairs) for index, score in batch}
    return [found[i] for i in range(len(pairs))]


@pytest.mark.parametrize("lengths", [SHARED, UNEQUAL], ids=["shared", "unequal"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_batch_size_answers_as_generate_does_alone(
    name: str, lengths: Lengths, family: Callable[[str], Any]
) -> None:
    model = family(name)
    asked = prompts(model, lengths)
    expected = [alone(model, prompt) for prompt in asked]
    assert answers(Plain(model, "cpu", []), asked) == expected
    for rows in (1, 3, 8, 64):
        engine = compatibility.engine(model, "cpu", [])
        assert engine
        engine._rows = rows
        assert answers(engine, asked) == expected


@pytest.mark.parametrize("name", FAMILIES)
def test_loglikelihoods_do_not_depend_on_what_is_shared(name: str, family: Callable[[str], Any]) -> None:
    model = family(name)
    endings = prompts(model, Lengths(0, [1, 2, 5, 1]))
    pairs = [(context, ending) for context in prompts(model, SHARED) for ending in endings]
    pairs += [(context, ending) for context in prompts(model, UNEQUAL) for ending in endings]
    expected = scores(Plain(model, "cpu", []), pairs)
    found = scores(Engine(model, "cpu", []), pairs)
    assert [score.logprob for score in found] == pytest.approx([score.logprob for score in expected], abs=1e-3)
    assert [score.is_greedy for score in found] == [score.is_greedy for score in expected]


@pytest.mark.parametrize("name", ["llama", "qwen2, sliding"])
def test_finished_rows_leave_and_others_come_in(name: str, family: Callable[[str], Any]) -> None:
    model = family(name)
    asked = prompts(model, UNEQUAL) + prompts(model, SHARED)
    whole = answers(Engine(model, "cpu", []), asked)
    stop = [row[2] for row in whole[:3]]
    expected = [row[: 1 + min((row.index(token) for token in stop if token in row), default=len(row))] for row in whole]
    assert len({len(row) for row in expected}) > 1
    engine = Engine(model, "cpu", stop)
    engine._rows = 4
    assert answers(engine, asked) == expected


def test_drawn_answers_do_not_depend_on_the_batch(family: Callable[[str], Any]) -> None:
    model = family("llama")
    asked, warm = prompts(model, SHARED), Generation(max_new_tokens=6, temperature=1.5, seed=4)
    together = answers(Engine(model, "cpu", []), asked, warm)
    assert [answers(Engine(model, "cpu", []), [prompt], warm)[0] for prompt in asked] == together
    assert together != answers(Engine(model, "cpu", []), asked, Generation(max_new_tokens=6, temperature=1.5, seed=5))


def test_drawn_tokens_follow_the_models_probabilities(family: Callable[[str], Any]) -> None:
    model = family("llama")
    [prompt] = prompts(model, Lengths(0, [9]))
    with torch.inference_mode():
        expected = (model(torch.tensor([prompt])).logits[0, -1] / 2).softmax(-1)
    likely = int(expected.argmax())
    draws = [Generation(max_new_tokens=1, temperature=2.0, seed=seed) for seed in range(400)]
    hits = sum(answers(Engine(model, "cpu", []), [prompt], draw) == [[likely]] for draw in draws)
    p = float(expected[likely])
    assert abs(hits - 400 * p) < 4 * (400 * p * (1 - p)) ** 0.5


def test_a_shared_prefix_is_read_once(family: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model = family("llama")
    seen: list[int] = []
    forward = model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["input_ids"].numel())
        return forward(*args, **kwargs)

    monkeypatch.setattr(model, "forward", counted)
    asked = prompts(model, Lengths(200, [4] * 8))
    answers(Engine(model, "cpu", []), asked, Generation(max_new_tokens=1))
    assert sum(seen) == 200 + 8 * 4
    seen.clear()
    scores(Engine(model, "cpu", []), [(prompt, [choice, 5, 6]) for prompt in asked for choice in range(4)])
    assert sum(seen) == 200 + 8 * (4 + 4 * 2)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (transformers.BloomConfig(vocab_size=99, hidden_size=32, n_layer=2, n_head=2), "cannot be exchanged"),
        (transformers.MambaConfig(vocab_size=99, hidden_size=32, num_hidden_layers=2), "cannot be exchanged"),
        (
            transformers.GptOssConfig(
                vocab_size=99, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                num_key_value_heads=1, head_dim=16, num_local_experts=2, num_experts_per_tok=1,
            ),
            "attention with s_aux",
        ),
    ],
    ids=["bloom", "mamba", "gpt_oss"],
)  # fmt: skip
def test_other_kinds_of_attention_are_asked_the_plain_way(
    config: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with caplog.at_level("INFO"):
        assert compatibility.engine(model, "cpu", []) is None
    assert reason in caplog.text


def test_an_attention_that_computes_something_else_is_noticed(
    family: Callable[[str], Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = family("qwen3")
    monkeypatch.setattr(model.model.layers[1].self_attn, "scaling", torch.tensor(0.2))
    assert compatibility.engine(model, "cpu", [])
    original = Engine._logits
    monkeypatch.setattr(Engine, "_logits", lambda *args: original(*args) * 1.01)
    with caplog.at_level("INFO"):
        assert compatibility.engine(model, "cpu", []) is None
    assert "log-likelihoods differ by" in caplog.text


def test_rotary_angles_that_depend_on_the_longest_text_are_kept_apart(tmp_path: Path) -> None:
    rope = {
        "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 8, "long_factor": [4.0] * 8,
    }  # fmt: skip
    model = HFModel(
        ModelSpec(
            str(tiny_models.build("phi3", tmp_path / "phi", rope_parameters=rope, original_max_position_embeddings=64))
        )
    )
    lengths = [10, 50, 90, 64]
    assert [(type(way), mine) for way, mine in model._ways(lengths)] == [(Engine, [0, 1, 3]), (Plain, [2])]


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=20), st.integers(0, 30))
@settings(deadline=None)
def test_groups_hold_every_row_once_and_share_what_they_say(rows: list[list[int]], cost: int) -> None:
    groups = group(rows, cost)
    assert sorted(i for each in groups for i in each.members) == list(range(len(rows)))
    for each in groups:
        assert len({tuple(rows[i][: each.prefix]) for i in each.members}) == 1
        assert all(each.prefix < len(rows[i]) for i in each.members)


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=6), min_size=1, max_size=6), st.integers(0, 9))
@settings(deadline=None)
def test_a_segment_is_a_group_or_leaves_it_to_its_parts(rows: list[list[int]], cost: int) -> None:
    def best(segment: list[list[int]]) -> int:
        if len(segment) == 1:
            return 0
        heights = [min(common(a, b), len(a) - 1, len(b) - 1) for a, b in pairwise(segment)]
        cuts = [0, *(i + 1 for i, height in enumerate(heights) if height == min(heights)), len(segment)]
        parts = sum(best(segment[first:last]) for first, last in pairwise(cuts))
        return max(parts, min(heights) * len(heights) - cost)

    found = sum(each.prefix * (len(each.members) - 1) - cost for each in group(rows, cost) if each.prefix)
    assert found == best(sorted(rows))


def test_two_sets_of_shots_are_two_groups_and_strangers_are_one() -> None:
    one, other = list(range(50)), list(range(100, 150))
    rows = [[*one, 7], [*other, 8], [*one, 9, 9], [*other, 1], [3], [4, 4]]
    found = {(each.prefix, tuple(sorted(each.members))) for each in group(rows, 20)}
    assert found == {(50, (0, 2)), (50, (1, 3)), (0, (4, 5))}
    assert common([1, 2, 3], [1, 2, 4, 5]) == 2
