"""The built-in suites by name. `python -m suites.generators.write` writes their files anew."""

from __future__ import annotations

from suites.generators import (
    calibration,
    conversation,
    fairness,
    formatting,
    instruction_following,
    long_context,
    multilingual,
    reading,
    reasoning,
    robustness,
    safety,
)
from suites.generators.items import Generator

SEED = 20
"""Of the files that ship."""

GENERATORS: dict[str, Generator] = {
    "instruction_following": instruction_following.SUITE,
    "reasoning": reasoning.SUITE,
    "reading": reading.SUITE,
    "formatting": formatting.SUITE,
    "safety": safety.SUITE,
    "robustness": robustness.SUITE,
    "fairness": fairness.SUITE,
    "calibration": calibration.SUITE,
    "long_context": long_context.SUITE,
    "multilingual": multilingual.SUITE,
    "conversation": conversation.SUITE,
}
