"""Who judges: a model, a jury, recorded verdicts or a cascade; how it is asked, and what it is checked against."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from harness.config.base import FilePath
from harness.config.models import ModelConfig
from harness.config.policy import PriceConfig
from suites.settings import Section


class CascadeConfig(Section):
    """A cheap judge that is asked first, about every pair; `judge.model` is asked about those it is not sure of."""

    first: ModelConfig
    """The model that is asked first. What its word is worth is found from the pairs of which both were asked."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the prompts, drawn at random, about which `judge.model` is asked whatever the first one says; at least
    50 on which that one has a word. The fewer they are, the wider is the interval."""
    price: PriceConfig | None = None
    """What the first one's verdicts are paid by, as in `costs`. Left out: not known."""


class JudgeConfig(Section):
    """Who compares two answers in both orders, and the pairs people labelled to check them against."""

    later: ClassVar[tuple[str, ...]] = ("recorded", "jury", "votes", "read", "own_answers", "max_pairs", "cascade")

    model: ModelConfig | None = None
    """The model that judges. Left out: verdicts are `recorded`."""
    recorded: FilePath | None = None
    """File of verdicts given elsewhere, in place of a `model`: rows of `id`, `order` (`ab` where `a` was shown first,
    or `ba`) and `verdict` (`a`, `b`, `tie` or null). `a` is the candidate's answer, and of a labelled pair the first,
    unless rows show both as `a` and `b`. Several judges, named in `judge`, are a jury."""
    jury: list[ModelConfig] = []
    """Further models that judge beside `model`; the verdict most of them give counts."""
    votes: Literal["equal", "weighted"] = "equal"
    """What each of a jury counts: one vote, or by how often it agrees with the labelled pairs (`calibration`)."""
    rubric: str = "helpful"
    """What it is asked: a built-in rubric, or a text file. One with `{{ input }}`, `{{ first }}` and `{{ second }}`
    compares; one with `{{ input }}` and `{{ answer }}` grades each answer, and the higher grade is preferred."""
    calibration: FilePath | None = None
    """File of labelled pairs, rows of `id`, `input`, `first`, `second` and `label`, a row for each `annotator` where
    there are several; those of the exam's own pairs may be among them, in the order of `pairs-to-label.jsonl`. Left
    out: the judge is advisory."""
    max_new_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """Tokens that one of its verdicts may have."""
    max_pairs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Pairs of the exam it is asked about at most, in both orders; of more, a random part that has every slice, the
    task's marks and the longer answer in proportion. Left out: all."""
    cascade: CascadeConfig | None = None
    """A cheap judge goes first; `model` is asked where that one contradicts itself, says tie or cannot be read, and
    about a random part of the rest. What counts is still the word of `model`. Left out: it is asked about all pairs."""
    read: Literal["text", "held", "probability"] = "text"
    """How its word is read: the last verdict in its `text`; one of the verdicts and nothing else, to which it is `held`
    as by `constrain`; or after its reasons the most probable one, of a model that runs here (`probability`)."""
    own_answers: bool = False
    """Allows a judge that is the model of one side, and so judges its own answers."""

    @property
    def deciding(self) -> list[ModelConfig]:
        """The models whose word counts."""
        return [*([self.model] if self.model else []), *self.jury]

    @property
    def models(self) -> list[tuple[tuple[str | int, ...], ModelConfig]]:
        """The models that judge, where each stands in the file."""
        named: list[tuple[tuple[str | int, ...], ModelConfig]] = []
        named += [(("judge", "model"), self.model)] if self.model else []
        named += [(("judge", "jury", position), model) for position, model in enumerate(self.jury)]
        return [*named, (("judge", "cascade", "first"), self.cascade.first)] if self.cascade else named

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.model is None) == (self.recorded is None):
            raise ValueError("a judge is exactly one of a `model` and `recorded` verdicts")
        asks = self.model_fields_set & {"jury", "rubric", "max_new_tokens", "read", "own_answers", "cascade"}
        if self.recorded and asks:
            raise ValueError(f"recorded verdicts are read as they are; leave out {', '.join(sorted(asks))}")
        if self.cascade and self.jury:
            raise ValueError("`cascade` is of one judge; leave out `jury`, which is asked about every pair")
        if self.cascade and self.cascade.first == self.model:
            raise ValueError("`cascade.first` is `model` itself; name a cheaper one")
        models = [model for _, model in self.models]
        if any(model in models[:position] for position, model in enumerate(models)):
            raise ValueError("`jury` names a model twice; judges that are the same err alike")
        if self.votes == "weighted" and not ((self.jury or self.recorded) and self.calibration):
            raise ValueError("`votes: weighted` is of a jury that is measured on `calibration`")
        if self.read == "probability" and (served := [model for model in models if model.endpoint]):
            raise ValueError(f"`read: probability` asks how probable a text is, which {served[0].name} does not tell")
        return self
