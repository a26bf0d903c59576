"""A mark for mathematical expressions: 2(x+1) is 2x + 2, and 1/2 is \\frac{1}{2} and 0.5.

A text is never evaluated by Python (sympy's parsers do that): it is read by the small grammar here, and the expression
is worked out with 100 digits (mpmath) at random points. Two that agree at all of them are equal but for a chance of
less than one in a billion, for polynomials by the lemma of Schwartz (1980, doi:10.1145/322217.322225) and Zippel.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from suites.model import Completion
from suites.types import Example, Score

if TYPE_CHECKING:
    from mpmath import mpc

Value = Callable[[Mapping[str, "mpc"]], "mpc"]

POINTS, LEAST = 5, 2  # points that are tried, and those at which both sides must have a value
DIGITS, AGREE = 100, 1e-60
LONGEST, DEEPEST, MOST_POWER = 2_000, 60, 10_000

TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d*)?|\.\d+)|\\?([A-Za-zπ]+)|(\*\*|[-+*/^(){}!,=]))")
FUNCTIONS = ("sqrt", "sin", "cos", "tan", "exp", "log", "ln", "abs", "asin", "acos", "atan", "sinh", "cosh", "tanh")
CONSTANTS = ("pi", "e", "i")
LATEX = {
    r"\left": "", r"\right": "", r"\cdot": "*", r"\times": "*", r"\div": "/", r"\,": " ", r"\!": "", r"\ ": " ",
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", "−": "-", "·": "*", "×": "*", "÷": "/", "[": "(", "]": ")", "$": "",
}  # fmt: skip
"""What is written otherwise before it is read."""


class NoMaths(ValueError):
    """A text that is no expression of this grammar."""


def math_match(example: Example, completion: Completion) -> Score:
    """1 when the answer's expression equals the target's for every value of its variables."""
    try:
        wanted, names = _parsed(example.target)
    except NoMaths as error:
        return Score(None, f"the target is no expression: {error}")
    try:
        given, others = _parsed(completion.text)
    except NoMaths:
        return Score(0.0)
    return Score(float(_equal(wanted, given, sorted(names | others))))


def read(text: str) -> str | None:
    """The part of an answer that is looked at; None where it is no expression."""
    try:
        _parsed(text)
    except NoMaths:
        return None
    return _expression(text)


def _expression(text: str) -> str:
    """What is in the last `\\boxed{}`, or the last line, right of its last equals sign."""
    _, boxed, inner = text.rpartition(r"\boxed{")
    lines = [line for line in text.splitlines() if line.strip()]
    chosen = _to_brace(inner) if boxed else (lines[-1] if lines else "")
    return chosen.rpartition("=")[2].strip().strip(".").strip()


def _to_brace(text: str) -> str:
    depth = 1
    for at, sign in enumerate(text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth == 0:
            return text[:at]
    return text


def _parsed(text: str) -> tuple[Value, set[str]]:
    """An expression and its variables. Raises NoMaths."""
    chosen = _expression(text)
    if len(chosen) > LONGEST:
        raise NoMaths(f"{len(chosen):,} characters")
    for written, meant in LATEX.items():
        chosen = chosen.replace(written, meant)
    chosen = re.sub(r"\\frac\s*(\d)\s*(\d)", r"((\1)/(\2))", re.sub(r"(?<=\d),(?=\d{3})", "", chosen))
    reader = _Reader(_tokens(chosen))
    value = reader.sum()
    if reader.at < len(reader.tokens):
        raise NoMaths(f"{reader.tokens[reader.at]!r} is not expected there")
    return value, reader.names


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise NoMaths(f"{text[at]!r} is no sign of it")
        number, name, sign = found.groups()
        tokens += _names(name) if name else [number or {"**": "^"}.get(sign, sign)]
        at = found.end()
    if not tokens:
        raise NoMaths("it is empty")
    return tokens


def _names(word: str) -> list[str]:
    """A function, a constant, or variables of one letter each, multiplied."""
    if word in (*FUNCTIONS, "pi", "frac"):
        return [word]
    if word == "π":
        return ["pi"]
    if len(word) > 3:
        raise NoMaths(f"{word!r} is a word")
    return list(word)


class _Reader:
    """Reads tokens by sum > product > power > atom; names without a sign between them are multiplied."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0
        self.names: set[str] = set()

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise NoMaths(f"{wanted or 'something'!r} is missing")
        self.at += 1
        return token

    def sum(self) -> Value:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NoMaths("it is too deep")
        value = self.product()
        while self.peek() in ("+", "-"):
            value = _added(value, self.product(), 1) if self.take() == "+" else _added(value, self.product(), -1)
        self.depth -= 1
        return value

    def product(self) -> Value:
        value = self.signed()
        while (token := self.peek()) and token not in ("+", "-", ")", "}", ","):
            if token in ("*", "/"):
                self.take()
            value = _divided(value, self.signed()) if token == "/" else _multiplied(value, self.signed())
        return value

    def signed(self) -> Value:
        signs = 1
        while self.peek() in ("+", "-"):
            signs *= -1 if self.take() == "-" else 1
        value = self.power()
        return value if signs == 1 else (lambda at: -value(at))

    def power(self) -> Value:
        value = self.atom()
        while self.peek() == "!":
            self.take()
            value = _factorial(value)
        if self.peek() == "^":
            self.take()
            self.depth += 1
            if self.depth > DEEPEST:
                raise NoMaths("it is too deep")
            value = _raised(value, self.signed())
            self.depth -= 1
        return value

    def atom(self) -> Value:
        token = self.take()
        if token in ("(", "{"):
            value = self.sum()
            self.take(")" if token == "(" else "}")
            return value
        if token == "frac":
            above, below = self.atom(), self.atom()
            return _divided(above, below)
        if token in FUNCTIONS:
            return self.called(token)
        if token[0].isdigit() or token[0] == ".":
            return _number(token)
        if token.isalpha():
            if token not in CONSTANTS:
                self.names.add(token)
            return _constant(token) if token in CONSTANTS else (lambda at: at[token])
        raise NoMaths(f"{token!r} is not expected there")

    def called(self, name: str) -> Value:
        """A function of what is in brackets, or of the next power; its own power may stand before that."""
        power = None
        if self.peek() == "^":
            self.take()
            power = self.atom()
        value = _called(name, self.atom() if self.peek() in ("(", "{") else self.power())
        return _raised(value, power) if power else value


def _number(text: str) -> Value:
    import mpmath

    return lambda at: mpmath.mpc(text)


def _constant(name: str) -> Value:
    import mpmath

    return lambda at: {"pi": mpmath.mpc(mpmath.pi), "e": mpmath.mpc(mpmath.e), "i": mpmath.mpc(0, 1)}[name]


def _called(name: str, argument: Value) -> Value:
    import mpmath

    function = getattr(mpmath, {"abs": "fabs", "ln": "log"}.get(name, name))
    return lambda at: mpmath.mpc(function(_small(argument(at))))


def _added(a: Value, b: Value, sign: int) -> Value:
    return lambda at: a(at) + sign * b(at)


def _multiplied(a: Value, b: Value) -> Value:
    return lambda at: a(at) * b(at)


def _divided(a: Value, b: Value) -> Value:
    return lambda at: a(at) / b(at)


def _raised(a: Value, b: Value) -> Value:
    return lambda at: a(at) ** _small(b(at))


def _factorial(a: Value) -> Value:
    import mpmath

    return lambda at: mpmath.factorial(_small(a(at)))


def _small(value: mpc) -> mpc:
    """An exponent or argument that can be worked out at once. Raises OverflowError for others."""
    if not abs(value) <= MOST_POWER:
        raise OverflowError("too large")
    return value


def _equal(a: Value, b: Value, names: list[str]) -> bool:
    """Whether two expressions agree wherever both have a value; random points are the same every time."""
    import mpmath

    draw = random.Random("math_match")
    agreed = 0
    with mpmath.workdps(DIGITS):
        for _ in range(POINTS if names else LEAST):
            at = {name: mpmath.mpc(mpmath.mpf(draw.randint(1, 10**12)) / 10**12 + 1) for name in names}
            try:
                one, other = a(at), b(at)
            except (ArithmeticError, ValueError, RecursionError):
                continue
            if not abs(one - other) <= AGREE * max(1, abs(one), abs(other)):
                return False
            agreed += 1
    return agreed >= LEAST
