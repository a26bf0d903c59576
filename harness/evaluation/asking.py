"""An arm's answers to a suite: asked once or several times and counted, and read by the rule of the task.

Calls of tools are read as targets spell them, whatever way a model has of writing them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from baselines.arm import Arm
from harness.models.cache import completion_ids
from harness.observe.progress import phase
from suites.answers import most_frequent
from suites.data.examples import sha256_json
from suites.model import Completion, Generation, Model, Prompt
from suites.tools.dialects import spelled_alike
from suites.types import Suite


@dataclass(frozen=True, slots=True)
class Said:
    """An answer under its key: all that came, and what of it is marked."""

    key: str
    came: Completion
    read: Completion


def ask(arm: Arm, suite: Suite, model: Model, seed: int) -> list[Said]:
    """What an arm says to each example of a suite, in their order, asked once."""
    return [said for (said,) in ask_often(arm, replace(suite, samples=1), model, seed)]


def ask_often(arm: Arm, suite: Suite, model: Model, seed: int) -> list[tuple[Said, ...]]:
    """What an arm says to each example of a suite, in their order: as many answers as the suite asks for.

    A draw is known by its seed, as one of a vote is: what is on record is not asked again.
    """
    asking = arm.prompter.asking
    prompts = arm.prompter.prompts(suite.examples)
    generation = asking.generation(replace(suite.generation, seed=seed))
    with phase(f"{arm.name} on {suite.name}", len(prompts) * suite.samples * asking.votes) as progress:

        def on_batch(batch: list[tuple[int, Completion]]) -> None:
            progress.advance(len(batch), sum(done.error is not None for _, done in batch))

        rounds: list[list[Said]] = []
        for draw in range(suite.samples * asking.votes):
            drawn = replace(generation, seed=seed + draw)
            came = model.generate(prompts, drawn, on_progress=on_batch)
            rounds.append(_read(suite, came, prompts, _keys(model, prompts, drawn)))
    if asking.votes == 1:
        return list(zip(*rounds, strict=True))
    polls = [rounds[first : first + asking.votes] for first in range(0, len(rounds), asking.votes)]
    return list(zip(*([_elected(votes) for votes in zip(*poll, strict=True)] for poll in polls), strict=True))


def _keys(model: Model, prompts: Sequence[Prompt], generation: Generation) -> list[str]:
    return completion_ids(model.identity, [model.render(prompt) for prompt in prompts], generation)


def _read(suite: Suite, came: Sequence[Completion], prompts: Sequence[Prompt], keys: Sequence[str]) -> list[Said]:
    read = suite.read(spelled_alike(came, prompts))
    return [Said(*each) for each in zip(keys, came, read, strict=True)]


def _elected(votes: Sequence[Said]) -> Said:
    """The answer that most of them give, which cost as much as all. Where one failed it has failed, and can be asked
    again; one without an answer has no vote."""
    valid = [vote for vote in votes if vote.read.error] or [vote for vote in votes if vote.read.text] or votes
    chosen = valid[most_frequent([vote.read.text for vote in valid])]
    key = sha256_json([vote.key for vote in votes])
    return Said(key, _at_the_price_of(votes, chosen.came), _at_the_price_of(votes, chosen.read))


def together(samples: Sequence[Said]) -> Said:
    """Several answers to a question as one: the first, at the mean of what they cost. Where one failed they have."""
    if len(samples) == 1:
        return samples[0]
    first = next((said for said in samples if said.read.error), samples[0])
    key = sha256_json([said.key for said in samples])
    return Said(key, _at_the_mean_of(samples, first.came), _at_the_mean_of(samples, first.read))


def _at_the_mean_of(samples: Sequence[Said], completion: Completion) -> Completion:
    return replace(
        completion,
        tokens_in=round(fmean(said.came.tokens_in for said in samples)),
        tokens_out=round(fmean(said.came.tokens_out for said in samples)),
        seconds=fmean(said.came.seconds for said in samples),
    )


def _at_the_price_of(votes: Sequence[Said], completion: Completion) -> Completion:
    return replace(
        completion,
        tokens_in=sum(vote.came.tokens_in for vote in votes),
        tokens_out=sum(vote.came.tokens_out for vote in votes),
        seconds=sum(vote.came.seconds for vote in votes),
    )
