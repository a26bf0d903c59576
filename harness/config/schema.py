"""The sections of experiment.yaml: every setting with its type, limits and default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from harness.config.base import Name
from harness.config.exam import (
    BaselineConfig,
    CandidateConfig,
    DataConfig,
    RegressionConfig,
    TaskConfig,
    with_standard,
)
from harness.config.judging import JudgeConfig
from harness.config.models import ModelConfig
from harness.config.policy import CostsConfig, Policy
from harness.config.training import TrainingSection
from suites.catalog import EMBEDDED, STANDARD
from suites.settings import Section

AS_WRITTEN = BeforeValidator(with_standard, json_schema_input_type=list[RegressionConfig] | Literal["standard"])


class ExperimentConfig(Section):
    """One question: should this fine-tune replace the prompt?"""

    experiment: Name
    """Its name in store and report: up to 64 letters, digits, `.`, `_` and `-`."""
    model: ModelConfig | None = None
    """The base: what is prompted, and what a training starts from. Required unless every answer is recorded or an
    endpoint's."""
    data: DataConfig
    """The rows to learn from, to choose on, and to decide by."""
    task: TaskConfig = TaskConfig()
    """The instruction, and how an answer is marked."""
    baselines: Annotated[list[BaselineConfig], Field(min_length=1)] = [
        BaselineConfig.model_validate("zero_shot"),
        BaselineConfig.model_validate("few_shot"),
    ]
    """The bar: ways to prompt the base. The best of them on validation is what the candidate has to beat. Left out:
    these, and `labels` where training shows labels that neither of them names."""
    training: TrainingSection | None = None
    """How to make the candidate here. Left out, with no `candidate` either: a LoRA with every default."""
    candidate: CandidateConfig | None = None
    """What others trained, in place of `training`."""
    regression: Annotated[list[RegressionConfig], AS_WRITTEN] | None = None
    """What the base could do before and must still be able to do. `standard`: the eleven built-in suites. `[]`:
    nothing, on purpose. Left out: `standard`, for the `embedded` model `general`, and nothing without a `model`."""
    judge: JudgeConfig | None = None
    """A model that compares the answers of both sides. Left out: none is asked."""
    policy: Policy = Policy()
    """What must hold to deploy."""
    costs: CostsConfig = CostsConfig()
    """Prices, for costs, break-even and `policy.max_cost`. Left out: nothing is priced."""
    seed: Annotated[int, Field(ge=0, le=2_000_000_000)] = 0
    """Seed of everything drawn at random: splits, shots, training, repeats of the statistics."""

    @property
    def asked_before(self) -> list[RegressionConfig]:
        """What is asked of the base and the candidate beside the task: as the file says, or by default."""
        if self.regression is not None:
            return self.regression
        recorded = self.candidate is not None and self.candidate.recorded  # it has no answers to anything else
        if self.model is None or (recorded and not self.model.embedded):
            return []
        return [RegressionConfig(suite=name) for name in (EMBEDDED if self.model.embedded else STANDARD)]

    @property
    def own_prompt(self) -> str | None:
        """The candidate's own prompt setting; None where it is asked with the prompts of the bar."""
        candidate = self.training or self.candidate
        return candidate.prompt if candidate else None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        """A file that names no candidate wants one trained."""
        named = not isinstance(value, dict) or "training" in value or "candidate" in value
        return value if named else {**value, "training": {}}


def json_schema() -> dict[str, Any]:
    """JSON Schema of the experiment file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ExperimentConfig.model_json_schema()}
