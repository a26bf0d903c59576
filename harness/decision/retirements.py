"""What ends on a day its provider has named: models that are called, priced or trained. Pure; the day is given."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import yaml

RETIREMENTS = Path(__file__).with_name("retirements.yaml")

DAYS_A_MONTH = 365.25 / 12

# A snapshot's day at the end of its name: -2025-04-14, -20250929.
_SNAPSHOT = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")


@dataclass(frozen=True, slots=True)
class Retirement:
    """The last day of `what`, as `source` had it on the day `as_of`."""

    what: str
    day: date
    as_of: date
    source: str

    def told(self, today: date) -> str:
        """As a sentence without its full stop."""
        verb = "ended" if self.day <= today else "ends"
        return f"{self.what} {verb} on {self.day.isoformat()} (as of {self.as_of.isoformat()}, {self.source})"


@dataclass(frozen=True, slots=True)
class _Provider:
    host: str
    new_training_ends: Retirement | None
    models: dict[str, Retirement]


def of_model(name: str, endpoint: str | None = None) -> Retirement | None:
    """When a model ends: `name` as its provider or the price list calls it, fine-tunes (`ft:BASE...`) by their base.

    With an `endpoint` only where that is the provider's own: others serve a model as long as they like.
    """
    base = name.removeprefix("ft:").split(":")[0]
    for provider in _providers():
        if endpoint is None or _at(endpoint, provider.host):
            found = provider.models.get(base) or provider.models.get(_SNAPSHOT.sub("", base))
            if found:
                return Retirement(name, found.day, found.as_of, found.source)
    return None


def of_training(endpoint: str) -> Retirement | None:
    """When the provider at an endpoint takes no further training jobs."""
    ends = (provider.new_training_ends for provider in _providers() if _at(endpoint, provider.host))
    return next((end for end in ends if end), None)


def first(ends: Iterable[Retirement | None]) -> Retirement | None:
    """The one that comes first."""
    return min((end for end in ends if end), key=lambda end: end.day, default=None)


def months_left(end: Retirement, today: date) -> float:
    """Months until then; 0 where it is over."""
    return max(0.0, (end.day - today).days / DAYS_A_MONTH)


def _at(endpoint: str, host: str) -> bool:
    at = urlsplit(endpoint).hostname or ""
    return at == host or at.endswith(f".{host}")


@cache
def _providers() -> list[_Provider]:
    found = []
    for part in yaml.safe_load(RETIREMENTS.read_text(encoding="utf-8"))["lists"]:
        read = part["as_of"], part["source"]
        training = part.get("new_training_ends")
        models = {name: Retirement(name, day, *read) for day, names in part["models"].items() for name in names}
        ends = Retirement(f"training by {part['host']}", training, *read) if training else None
        found.append(_Provider(part["host"], ends, models))
    return found
