"""Values as Python source, for templates of DAG files."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ai.starlake.common import StarlakeError

_LINE = 110
"""Columns that a list or dictionary may fill before each of its items gets a line of its own."""


def literal(value: Any, indent: int = 0, before: int = 0) -> str:
    """Return a value as Python source, safely quoted.

    Strings are in double quotes unless that needs a backslash, like in the style of ruff and Black. A list or
    dictionary that is too long for a line has a line for each of its items.

    Args:
        value: A string, a number, a boolean, None, or a list or dictionary of these.
        indent: Indentation of the statement.
        before: Number of columns before the value.

    Raises:
        TypeError: If it is anything else, such as an undefined name of the template.
    """
    line = _line(value)
    if not isinstance(value, (list, Mapping)) or not value or max(indent, before) + len(line) < _LINE:
        return line
    inner = indent + 4
    if isinstance(value, list):
        items = [literal(item, inner, inner) for item in value]
    else:
        keys = {key: f"{_line(key)}: " for key in value}
        items = [key + literal(value[name], inner, inner + len(key)) for name, key in keys.items()]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    lines = "".join(f"{' ' * inner}{item},\n" for item in items)
    return f"{opening}\n{lines}{' ' * indent}{closing}"


def _line(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_line, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_line(key)}: {_line(item)}" for key, item in value.items()) + "}"
    if not isinstance(value, (str, int, float, bool, type(None))):
        raise TypeError(f"{value!r}, a {type(value).__name__}, cannot be written as a literal")
    text = repr(value)
    if isinstance(value, str) and text.startswith("'") and '"' not in text:
        return f'"{text[1:-1]}"'
    return text


def docstring(value: Any) -> str:
    """Return a string for use within three double quotes."""
    text = str(value).strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'{text[:-1]}\\"' if text.endswith('"') else text


def access_control(text: str) -> str:
    """Return the access control of an Airflow DAG by role, as Python source.

    Args:
        text: A dictionary in JSON or Python, or ``None``.

    Raises:
        StarlakeError: If it is anything else.
    """
    for read in (ast.literal_eval, json.loads):
        with suppress(ValueError, SyntaxError, TypeError):
            value = read(text.strip())
            if value is None or isinstance(value, dict):
                return literal(_without_sets(value))
    raise StarlakeError(
        "the variable sl_airflow_access_control cannot be used",
        cause="it is not a dictionary of roles",
        fix='write it as in {"Op": ["can_read", "can_edit"]}',
    )


def _without_sets(value: Any) -> Any:
    """Return a value with lists in place of sets, whose order differs between processes."""
    if isinstance(value, dict):
        return {key: _without_sets(item) for key, item in value.items()}
    return sorted(value) if isinstance(value, (set, tuple)) else value
