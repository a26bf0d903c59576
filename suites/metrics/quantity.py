"""A mark for numbers with a tolerance and a unit: 5 km is 5,000 m, and 5 is neither.

Units are a table of our own. A library of units reads any text for one (in pint, `a` is a year and `h` Planck's
constant where a context says so), and what an answer may be marked right by should be a list that can be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from suites.errors import UserError
from suites.model import Completion
from suites.types import Example, Mark, Score

UNITS: dict[str, dict[str, float]] = {
    "length": {"nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "dm": 0.1, "m": 1, "km": 1e3, "in": 0.0254,
               "ft": 0.3048, "yd": 0.9144, "mi": 1609.344},
    "mass": {"µg": 1e-9, "mg": 1e-6, "g": 1e-3, "kg": 1, "t": 1e3, "oz": 0.028349523125, "lb": 0.45359237},
    "time": {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400, "wk": 604800},
    "area": {"mm²": 1e-6, "cm²": 1e-4, "m²": 1, "ha": 1e4, "km²": 1e6},
    "volume": {"ml": 1e-3, "cl": 1e-2, "dl": 0.1, "l": 1, "cm³": 1e-3, "m³": 1e3},
    "speed": {"m/s": 1, "km/h": 1 / 3.6, "mph": 0.44704},
    "energy": {"J": 1, "kJ": 1e3, "MJ": 1e6, "cal": 4.184, "kcal": 4184, "Wh": 3600, "kWh": 3.6e6},
    "power": {"mW": 1e-3, "W": 1, "kW": 1e3, "MW": 1e6},
    "frequency": {"Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
    "data": {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
    "voltage": {"mV": 1e-3, "V": 1, "kV": 1e3},
    "current": {"mA": 1e-3, "A": 1},
    "angle": {"°": 1, "rad": 57.29577951308232},
    "share": {"%": 0.01},
    "°C": {"°C": 1}, "°F": {"°F": 1}, "K": {"K": 1},  # which differ in more than a factor
    "$": {"$": 1}, "€": {"€": 1}, "£": {"£": 1},
}  # fmt: skip
"""Units by what they measure, each with what one of it is of the first that is 1. Case counts: mW is no MW."""

WORDS = {
    "meter": "m", "metre": "m", "kilometer": "km", "kilometre": "km", "centimeter": "cm", "centimetre": "cm",
    "millimeter": "mm", "millimetre": "mm", "inch": "in", "inches": "in", "foot": "ft", "feet": "ft", "yard": "yd",
    "mile": "mi", "gram": "g", "kilogram": "kg", "milligram": "mg", "tonne": "t", "ounce": "oz", "pound": "lb",
    "lbs": "lb", "second": "s", "sec": "s", "minute": "min", "mins": "min", "hour": "h", "hr": "h", "hrs": "h",
    "day": "d", "week": "wk", "millisecond": "ms", "liter": "l", "litre": "l", "milliliter": "ml", "millilitre": "ml",
    "hectare": "ha", "joule": "J", "watt": "W", "volt": "V", "ampere": "A", "hertz": "Hz", "byte": "B", "degree": "°",
    "percent": "%", "dollar": "$", "usd": "$", "euro": "€", "eur": "€", "gbp": "£", "kelvin": "K", "celsius": "°C",
    "fahrenheit": "°F", "m2": "m²", "m^2": "m²", "km2": "km²", "km^2": "km²", "cm2": "cm²", "cm^2": "cm²",
    "m3": "m³", "m^3": "m³", "kmh": "km/h", "kph": "km/h", "um": "µm", "μm": "µm", "μs": "µs", "us": "µs",
}  # fmt: skip
"""Names of units in words, small and without the s of several."""

KINDS = {unit: (kind, factor) for kind, units in UNITS.items() for unit, factor in units.items()}
NUMBER = re.compile(
    r"(?P<before>[$€£])?\s?(?P<minus>(?<![\w.)])[-−])?(?P<digits>\d[\d,]*(?:\.\d+)?|\.\d+)"
    r"(?:(?:[eE]|\s?[×x*]\s?10\^?)(?P<power>[+-−]?\d{1,3}))?\s?(?P<unit>%|[$€£]|°[CF]?|[A-Za-zµμ]+(?:\^?[23²³]|/[a-z]+)?)?"
)
EXACT = 1e-9  # what two ways of writing one number may differ by, relative


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in the unit that is 1 of what it measures; `kind` is empty without a unit."""

    value: float
    kind: str


def quantity(example: Example, completion: Completion) -> Score:
    """1 when the last number of the answer is that of the target, in the same unit or one that it converts to."""
    return _compared(EXACT, True, example, completion)


def within(tolerance: str) -> Mark:
    """1 when it is off by no more than this: `1%` of the target, or an amount in the target's unit, such as `0.5`.

    Raises UserError for anything else."""
    share = tolerance.strip().endswith("%")
    try:
        amount = float(tolerance.strip().removesuffix("%")) * (0.01 if share else 1)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        fix = "write a share, as in `quantity:1%`, or an amount in the unit of the target, as in `quantity:0.5`"
        raise UserError(f"`{tolerance}` is no tolerance", "task.metrics", fix)
    return lambda example, completion: _compared(max(amount, EXACT) if share else amount, share, example, completion)


def _compared(tolerance: float, share: bool, example: Example, completion: Completion) -> Score:
    wanted, given = _last(example.target), _last(completion.text)
    if wanted is None:
        return Score(None, "the target holds no number")
    if given is None or given[0].kind != wanted[0].kind:
        return Score(0.0)
    (want, unit), (got, _) = wanted, given
    allowed = tolerance * abs(want.value) if share else tolerance * unit + EXACT * abs(want.value)
    return Score(float(abs(got.value - want.value) <= allowed * (1 + EXACT)))


def read(text: str) -> str | None:
    """What is looked at in a text: a number and what it measures; None where it holds none."""
    found = _last(text)
    return f"{found[0].value:g} {found[0].kind}".strip() if found else None


def _last(text: str) -> tuple[Quantity, float] | None:
    """The last number of a text, with how much one of its unit is."""
    numbers = list(NUMBER.finditer(text))
    if not numbers:
        return None
    found = numbers[-1]
    kind, factor = _unit(found["unit"] or found["before"] or "")
    power = int((found["power"] or "0").replace("−", "-"))
    value = float(Decimal(found["digits"].replace(",", "")[:400])) * 10.0 ** min(power, 300) * factor
    return Quantity(-value if found["minus"] else value, kind), factor


def _unit(text: str) -> tuple[str, float]:
    """What a unit measures, and how much one of it is; a word that is no unit counts as none."""
    small = text.lower()
    word = text if text in KINDS else WORDS.get(small) or WORDS.get(small.removesuffix("s")) or ""
    return KINDS.get(word, ("", 1.0))
