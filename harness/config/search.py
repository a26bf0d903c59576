"""A search of the bar: what is varied, the tokens it may take, and who proposes instructions."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from baselines.retrieval.shots import MOST, Choice, Order
from harness.config.base import FilePath
from harness.config.models import ModelConfig
from suites.settings import Section

Shots = Annotated[int, Field(ge=0, le=MOST)]
TOKENS = 200_000


class Optimize(Section):
    """Instructions that a model proposes from wrong answers to training rows (GEPA, arXiv:2507.19457)."""

    shorthand: ClassVar[str | None] = "method"
    method: Literal["gepa"]
    """How: `gepa`, by the package of that name (`pip install 'finetune-harness[gepa]'`)."""
    proposer: ModelConfig | None = None
    """The model that proposes them. Left out: the one that is prompted, which has to be a large one for that."""
    budget: Annotated[int, Field(ge=1)] | None = None
    """Tokens that answers and proposals may take, of the search's own. Left out: half of those."""


class SearchConfig(Section):
    """The best of many prompts: each combination of what is listed races on validation, the worse half leaves after
    every round, and the winner stands in the bar as `search`."""

    prompts: list[FilePath] | FilePath = []
    """Files of instructions, such as `prompts/*.md` or a folder. The task's own is always among them."""
    hints: bool = True
    """Whether instructions are made from the data, too: with the labels, with `task.schema`, with the labels that are
    most often mistaken for one another on training rows."""
    shots: Annotated[list[Shots], Field(min_length=1)] = [0, 8]
    """Numbers of training examples shown; 0 for none."""
    choose: Annotated[list[Choice], Field(min_length=1)] = ["balanced", "nearest"]
    """How those are chosen, as in `few_shot`."""
    order: Annotated[list[Order], Field(min_length=1)] | None = None
    """Their orders, as in `few_shot`. Left out: the usual one of each choice."""
    constrain: Annotated[list[bool], Field(min_length=1)] = [False]
    """Whether answers are held to the schema or the labels while they are written; `[false, true]` tries both."""
    budget: Annotated[int, Field(ge=1)] = TOKENS
    """Tokens read and written that the search may take, answers on record among them."""
    optimize: Optimize | None = None
    """`gepa`, or with its settings: instructions that a model proposes race, too. Left out: none are proposed."""

    @model_validator(mode="before")
    @classmethod
    def _switches(cls, value: Any) -> Any:
        """One value is a list of one."""
        if not isinstance(value, dict):
            return value
        listed = ("shots", "choose", "order", "constrain")
        alone = {key: [item] for key, item in value.items() if key in listed and isinstance(item, str | int)}
        return {**value, **alone}

    @field_validator("shots", "choose", "order", "constrain")
    @classmethod
    def _once(cls, values: list[Any] | None) -> list[Any] | None:
        if values and len(set(values)) < len(values):
            raise ValueError("names a value twice; leave one out")
        return values

    @property
    def files(self) -> list[str]:
        """The files of instructions, once patterns are spelled out."""
        return [self.prompts] if isinstance(self.prompts, str) else self.prompts
