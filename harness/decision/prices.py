"""What a request costs: a price as the experiment file gives it, or by its name in the price list that ships."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import yaml

from harness.config.policy import PriceConfig
from suites.data.examples import sha256_json
from suites.errors import UserError

PRICE_LIST = Path(__file__).with_name("prices.yaml")
MILLION, HOUR = 1_000_000, 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A price per million tokens in and out, or per hour of a machine; a listed one has a name, a date and a source."""

    input: float | None = None
    output: float | None = None
    per_hour: float | None = None
    name: str = ""
    as_of: str = ""
    source: str = ""

    @property
    def by_time(self) -> bool:
        """Whether it charges for seconds, and not for tokens."""
        return self.per_hour is not None

    def of(self, tokens_in: float, tokens_out: float, seconds: float) -> float | None:
        """What one request costs; None when what is charged for was not measured.

        No request has an empty prompt or takes no time: 0 tokens in, or 0 seconds, is a count that nobody took.
        """
        if self.per_hour is not None:
            return self.per_hour * seconds / HOUR if seconds > 0 else None
        if not tokens_in or self.input is None or self.output is None:
            return None
        return (self.input * tokens_in + self.output * tokens_out) / MILLION


def rate(price: PriceConfig) -> Rate:
    """The rate behind a price setting. Raises UserError for a name that is not on the list."""
    return listed(price.name) if price.name else Rate(input=price.input, output=price.output, per_hour=price.per_hour)


def listed(name: str) -> Rate:
    """A price of the list by its name. Raises UserError for one that is not there."""
    known = _price_list()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        fix = f"did you mean `{near[0]}`?" if near else f"use one of {', '.join(known)}, or give the numbers"
        raise UserError(f"no price named {name!r}", "the price list", fix)
    return known[name]


def digest(name: str) -> str:
    """The sha256 of a listed price, so that an experiment's id covers the numbers and not only the name."""
    return sha256_json(asdict(listed(name)))


@cache
def _price_list() -> dict[str, Rate]:
    rates: dict[str, Rate] = {}
    for part in yaml.safe_load(PRICE_LIST.read_text(encoding="utf-8"))["lists"]:
        origin = {"as_of": part["as_of"].isoformat(), "source": part["source"]}
        for name, price in part.get("per_million_tokens", {}).items():
            rates[name] = Rate(name=name, **price, **origin)
        for name, per_hour in part.get("per_hour", {}).items():
            rates[name] = Rate(name=name, per_hour=per_hour, **origin)
    return rates
