"""Searches of the bar: arms race on validation, and the winner stands in the bar from then on; test is not touched."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from baselines.racing import FEWEST, BudgetTooSmall, Round, race
from harness.config.exam import BaselineConfig
from harness.config.search import SearchConfig
from harness.evaluation.contest import Contest, Tally
from harness.experiment import exams
from harness.experiment.arms import base_arms
from harness.experiment.names import arm_name
from harness.experiment.searching import Instruction, Racer, instructions, racers, with_found, without_searches
from harness.experiment.session import Session
from harness.observe.progress import say
from harness.pipeline.confused import confused
from harness.pipeline.held import hold
from harness.pipeline.proposals import proposals
from harness.pipeline.rates import arm_rate
from harness.store import searches
from reports.rows import SearchRow, SearchTrialRow
from suites.errors import UserError
from suites.model import Prompt
from suites.types import Example

CHARACTERS = 4
"""Of a token, by a rough count: what a row costs is known once one was asked."""


def search(session: Session) -> None:
    """Make the searches that are not on record, and let what they found stand in their place."""
    made = {row.search for row in searches.found(session.store, session.id)}
    for entry in session.experiment.config.baselines:
        if entry.search and arm_name(entry) not in made:
            _Search(session, entry).make()
    session.experiment = with_found(session.experiment, searches.found(session.store, session.id))


def on_record(session: Session) -> list[dict[str, object]]:
    """What the searches found, for the record of a decision."""
    return [
        {"search": row.search, "found": row.found, "entry": json.loads(row.entry), "same_as": row.same_as,
         "arms": row.arms, "budget": row.budget, "spent": row.spent}
        for row in searches.found(session.store, session.id)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Search:
    """One search of the bar."""

    session: Session
    entry: BaselineConfig

    def make(self) -> None:
        """Make instructions, race the arms, and put both on record. Raises UserError where the budget is too small."""
        field = self._racers(instructions(self.session.experiment, self._settings, self._train))
        self._refuse_what_is_too_small(field)
        hold(self.session, [racer.arm for racer in field])
        further, making = self._made(field)
        field = self._racers([*instructions(self.session.experiment, self._settings, self._train), *further])
        contest = self._contest(field)
        seed, budget = self.session.experiment.config.seed, self._settings.budget
        say(f"{self._name}: a race of {len(field)} on validation, for {budget - making:,} tokens")
        try:
            rounds = race(len(field), [e.cluster for e in contest.suite.examples], contest, budget - making, seed)
        except BudgetTooSmall as error:
            raise self._too_small(len(field), making + error.needed) from None
        self._put(field, contest, rounds, making)

    @property
    def _settings(self) -> SearchConfig:
        assert self.entry.search
        return self.entry.search

    @property
    def _name(self) -> str:
        return arm_name(self.entry)

    @property
    def _train(self) -> Sequence[Example]:
        return self.session.splits.get("train", ())

    def _racers(self, told: Sequence[Instruction]) -> list[Racer]:
        return racers(self.session.experiment, self.entry, told, self._train)

    def _made(self, field: list[Racer]) -> tuple[list[Instruction], int]:
        """Instructions that are made by asking, and the tokens that took."""
        hints, hinting = confused(self.session, field, self.entry)
        proposed, proposing = proposals(self.session, self.entry, field)
        return [*hints, *proposed], hinting + proposing

    def _contest(self, field: Sequence[Racer]) -> Contest:
        session, config = self.session, self.session.experiment.config
        suite = exams.task_suite(session.experiment, session.splits, "validation")
        rate = arm_rate(config, "base", self._name)
        return Contest(
            [racer.arm for racer in field], suite, session.model(field[0].arm.model), config.seed,
            config.policy.max_unscored, config.policy.confidence, None if rate is None or rate.by_time else rate,
        )  # fmt: skip

    def _refuse_what_is_too_small(self, field: Sequence[Racer]) -> None:
        """Before anything is asked, by the length of a few prompts."""
        rows = self.session.splits["validation"][:FEWEST]
        prompts = [prompt for racer in field for prompt in racer.arm.prompter.prompts(rows)]
        needed = math.ceil(sum(map(_length, prompts)) / CHARACTERS)
        if needed > self._settings.budget:
            raise self._too_small(len(field), needed)

    def _too_small(self, arms: int, needed: int) -> UserError:
        budget = self._settings.budget
        what = f"a budget of {budget:,} tokens is too small: to ask {arms} prompts {FEWEST} rows takes about {needed:,}"
        fix = "give a larger `budget`, or fewer `prompts`, `shots`, `choose` or `constrain`"
        return UserError(what, f"baselines: {self._name}", fix)

    def _put(self, field: Sequence[Racer], contest: Contest, rounds: Sequence[Round], making: int) -> None:
        session, last = self.session, rounds[-1]
        best = field[last.arms[0]]
        if contest.standing(last.arms[0]).score is None:
            what = f"no prompt of the search could be used: of {best.name} too many answers have no score"
            raise UserError(what, f"baselines: {self._name}", "look at the errors, or shorten the prompts")
        others = base_arms(without_searches(session.experiment), session.splits)
        same = [a.name for a in others if (a.model, a.prompter.digest) == (best.arm.model, best.arm.prompter.digest)]
        spent = making + sum(part.tokens for part in rounds)
        row = SearchRow(
            experiment_id=session.id, search=self._name, found=best.name, entry=json.dumps(best.entry),
            same_as=same[0] if same else "", arms=len(field), budget=self._settings.budget, spent=spent, making=making,
        )  # fmt: skip
        searches.put(session.store, row, self._trials(field, contest, rounds))
        say(f"{self._name}: found {best.name}, with {spent:,} of {self._settings.budget:,} tokens")

    def _trials(self, field: Sequence[Racer], contest: Contest, rounds: Sequence[Round]) -> list[SearchTrialRow]:
        return [
            _trial(
                self.session.id,
                self._name,
                (number, place),
                field[arm],
                contest.tally(arm, len(part.rows)),
                stays=place <= part.stay,
            )
            for number, part in enumerate(rounds, 1)
            for place, arm in enumerate(part.arms, 1)
        ]


def _trial(
    experiment_id: str, search: str, at: tuple[int, int], racer: Racer, tally: Tally, *, stays: bool
) -> SearchTrialRow:
    number, place = at
    low, high = (tally.interval.low, tally.interval.high) if tally.interval else (None, None)
    return SearchTrialRow(
        experiment_id=experiment_id, search=search, round=number, place=place, arm=racer.name,
        entry=json.dumps(racer.entry), stays=stays, n=tally.n, n_unscored=tally.n_unscored, score=tally.score,
        low=low, high=high, tokens=tally.tokens, seconds=tally.seconds, cost=tally.cost,
    )  # fmt: skip


def _length(prompt: Prompt) -> int:
    """Characters of a prompt."""
    assert not isinstance(prompt.messages, str)
    return sum(len(message["content"]) for message in prompt.messages)
