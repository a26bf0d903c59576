"""The answers of word problems, from the formula that stands beside each: sums of names and whole numbers."""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping

OPERATIONS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
}  # fmt: skip


def worked_out(formula: str | int, values: Mapping[str, int]) -> int:
    """What a formula comes to. Raises ValueError for one of anything but names, whole numbers, +, -, * and //."""
    return formula if isinstance(formula, int) else _value(ast.parse(formula, mode="eval").body, values)


def _value(node: ast.expr, values: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            return int(OPERATIONS[type(op)](_value(left, values), _value(right, values)))
    raise ValueError(f"no sum of whole numbers: {ast.unparse(node)}")
