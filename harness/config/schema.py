"""The sections of experiment.yaml: every setting with its type, limits and default."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from harness.config.base import Name
from harness.config.exam import (
    BaselineConfig,
    CandidateConfig,
    DataConfig,
    JudgeConfig,
    ModelConfig,
    RegressionConfig,
    TaskConfig,
)
from harness.config.policy import CostsConfig, Policy
from harness.config.training import TrainingSection
from suites.settings import Section


class ExperimentConfig(Section):
    """One question: should this fine-tune replace the prompt?"""

    experiment: Name
    model: ModelConfig | None = None
    data: DataConfig
    task: TaskConfig = TaskConfig()
    baselines: Annotated[list[BaselineConfig], Field(min_length=1)] = [
        BaselineConfig.model_validate("zero_shot"),
        BaselineConfig.model_validate("few_shot"),
    ]
    training: TrainingSection | None = None
    candidate: CandidateConfig | None = None
    regression: list[RegressionConfig] | None = None
    judge: JudgeConfig | None = None
    policy: Policy = Policy()
    costs: CostsConfig = CostsConfig()
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        """A file that names no candidate wants one trained."""
        named = not isinstance(value, dict) or "training" in value or "candidate" in value
        return value if named else {**value, "training": {}}


def json_schema() -> dict[str, Any]:
    """JSON Schema of the experiment file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ExperimentConfig.model_json_schema()}
