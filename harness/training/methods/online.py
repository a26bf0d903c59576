"""Learning from rewards for the model's own answers: RLOO and GRPO, against a reward model or the exam's own metric.

RLOO (Ahmadian et al. 2024, arXiv:2402.14740) and GRPO (Shao et al. 2024, arXiv:2402.03300) draw several answers to a
prompt and reinforce those that do better than the others. The prompts are those of the training rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import trl

from harness.config.recipe import TrainingConfig
from harness.models.hf.chat import ChatTokenizer
from harness.training.methods import adapters
from harness.training.methods.reward_model import RewardModel
from harness.training.methods.sft import Job, Start, arguments, beta, tokens
from harness.training.types import TrainingData, TrainRow
from suites.errors import UserError
from suites.metrics import table
from suites.model import Completion
from suites.reasoning import NO_ANSWER, take_off
from suites.types import Example

Reward = Callable[[Sequence[tuple[TrainRow, list[int]]]], list[float]]
"""The rewards of answers, as token ids up to the stop token, each with the training row it answers."""


class _Rendered:
    """Prompts reach TRL as rendered text, and become the ids the model reads at test time."""

    chat: ChatTokenizer

    def _tokenize_prompts(self, prompts: Sequence[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [self.chat.encode(prompt) for prompt in prompts], None, {}


class _RLOO(_Rendered, trl.RLOOTrainer):  # type: ignore[misc]  # trl publishes no types
    pass


class _GRPO(_Rendered, trl.GRPOTrainer):  # type: ignore[misc]
    pass


def rloo(start: Start, data: TrainingData, config: TrainingConfig, out: Path) -> Job:
    """RLOO; `batch_size` counts answers, of which `completions` go to one prompt."""
    return _build(start, data, config, out, _RLOO, trl.RLOOConfig)


def grpo(start: Start, data: TrainingData, config: TrainingConfig, out: Path) -> Job:
    """GRPO; `batch_size` counts answers, of which `completions` go to one prompt."""
    return _build(start, data, config, out, _GRPO, trl.GRPOConfig)


def _build(
    start: Start, data: TrainingData, config: TrainingConfig, out: Path, trainer_kind: Any, config_kind: Any
) -> Job:
    if config.rows % config.completions:
        raise UserError(
            f"a batch of {config.rows} answers does not divide into prompts with {config.completions} each",
            "training: batch_size",
            "give a multiple of `completions`, which is at least 2",
        )
    config.check_enough(len(data.train))
    tokens(start, data.train, "training")  # refuses what does not fit
    by_metric = config.reward or "exact_match"
    reward = _by_model(start, data) if config.reward == "model" else _by_metric(start, data, by_metric)
    trainer = trainer_kind(
        adapters.load(start.spec, start.base, config),
        reward_funcs=_as_trl(start, data.train, reward),
        args=config_kind(
            **arguments(config, out, False),
            beta=beta(config),
            num_generations=config.completions,
            max_completion_length=config.max_new_tokens,
        ),
        train_dataset=datasets.Dataset.from_list(
            [{"prompt": start.chat.render(row.messages, tools=row.tools), "row": i} for i, row in enumerate(data.train)]
        ),
        processing_class=start.chat.tokenizer,
        peft_config=None if start.spec.adapter else adapters.peft_config(config),
    )
    trainer.chat = start.chat
    return Job(trainer, len(data.train), 0)


def _as_trl(start: Start, rows: Sequence[TrainRow], reward: Reward) -> Callable[..., list[float]]:
    """The reward in the form TRL calls it: columns of a batch."""

    def rewards(completion_ids: Sequence[list[int]], row: Sequence[int], **_: Any) -> list[float]:
        return reward([(rows[i], _answer(ids, start.stops)) for i, ids in zip(row, completion_ids, strict=True)])

    return rewards


def _answer(ids: list[int], stops: Sequence[int]) -> list[int]:
    """Up to the first stop token, it included."""
    end = next((i + 1 for i, token in enumerate(ids) if token in stops), len(ids))
    return list(ids[:end])


def _by_model(start: Start, data: TrainingData) -> Reward:
    if data.reward_model is None:
        fix = "put a stage of method reward before it, e.g. `after: [lora, reward]`, or name a metric"
        raise UserError("there is no reward model to learn from", "training: reward", fix)
    model = RewardModel(data.reward_model, start.spec, start.chat)
    return lambda answers: model.score(
        [start.chat.encode(start.chat.render(row.messages, tools=row.tools)) + ids for row, ids in answers]
    )


def _by_metric(start: Start, data: TrainingData, name: str) -> Reward:
    """The metric that marks the exam, on the answer as the exam would read it."""
    mark = table.build(name, data.schema)

    def marked(row: TrainRow, ids: list[int]) -> float:
        stopped = ids[-1:] != [] and ids[-1] in start.stops
        text = start.chat.decode(ids[:-1] if stopped else ids)
        columns = {"input": row.messages[-1]["content"], "target": row.target}
        example = Example(row.id, columns, row.target, row.id, others=row.others, tools=row.tools).read(data.answer)
        prompt = start.chat.render(row.messages, tools=row.tools)
        [answer] = take_off([Completion(text, "stop" if stopped else "length")], [prompt])
        if answer.thinking in NO_ANSWER:  # what comes to no answer earns nothing
            return 0.0
        [answer] = data.answer.read_all([answer]) if data.answer else [answer]
        score = mark(example, answer)
        if score.value is None:
            raise UserError(f"{name} cannot mark an answer to {row.target!r}: {score.reason}", "training: reward")
        return score.value

    return lambda answers: [marked(row, ids) for row, ids in answers]
