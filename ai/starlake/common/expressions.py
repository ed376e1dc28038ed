"""Small languages with the syntax of Python expressions: parsed by Python, evaluated by rules, never executed."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping
from typing import Any

Evaluate = Callable[[ast.expr], Any]
"""Returns the value of a part of an expression."""
Rule = Callable[[Any, Evaluate], Any]
"""Returns the value of a node; its argument evaluates the parts of the node."""


class ExpressionError(ValueError):
    """A string is not an expression of the language; the message gives the reason."""


def evaluate(text: str, rules: Mapping[type[ast.expr], Rule], *, allowed: str = "") -> Any:
    """Return the value of an expression.

    Args:
        text: The expression.
        rules: The rules of the language, by kind of node.
        allowed: Description of a node without a rule, for messages.

    Raises:
        ExpressionError: If it is not an expression, has a node without a rule, or is nested too deeply. Rules may raise
            it, too.
    """

    def value(node: ast.expr) -> Any:
        rule = rules.get(type(node))
        if rule is None:
            raise ExpressionError(f"{ast.unparse(node)!r} is {allowed or 'not allowed here'}")
        return rule(node, value)

    source = " ".join(text.splitlines()).strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own warnings, about expressions that are refused below
            tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(_reason(error, source)) from None
    try:
        return value(tree.body)
    except RecursionError:
        raise ExpressionError("its parentheses are nested too deep") from None


def operands(node: ast.BinOp | ast.BoolOp) -> list[ast.expr]:
    """Return the operands of one operator, from left to right: Python nests ``a & b & c`` to the left."""
    if isinstance(node, ast.BoolOp):
        return node.values
    found: list[ast.expr] = []
    current: ast.expr = node
    while isinstance(current, ast.BinOp) and isinstance(current.op, type(node.op)):
        found.append(current.right)
        current = current.left
    return [current, *reversed(found)]


def _reason(error: BaseException, source: str) -> str:
    """Return the reason why Python cannot parse an expression. Messages of Python differ by version."""
    place = error.offset if isinstance(error, SyntaxError) else None
    if not source or not place or place > len(source):
        return "it is not complete, or nested too deep" if source else "it is empty"
    return f"it is not understood from character {place} on: {source[place - 1 :]!r}"
