"""The instruction alone."""

from __future__ import annotations

from baselines.arm import Prompter


def zero_shot(name: str, template: str) -> Prompter:
    """A prompter without shots."""
    return Prompter(name, template)
