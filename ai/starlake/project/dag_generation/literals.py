"""Write Python source from templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LINE = 110
"""Columns that a list or dictionary may fill before each of its items gets a line of its own."""


def literal(value: Any, indent: int = 0, before: int = 0) -> str:
    """Return a value as Python source, so that no quote in it ends the string that it stands in.

    Strings stand in double quotes unless that costs a backslash, as ruff and Black write them. A list or dictionary
    that is too long for a line has a line for each of its items.

    Args:
        value: A string, a number, a boolean, None, or a list or dictionary of these.
        indent: The columns that the statement is indented by.
        before: The columns that stand before the value.

    Raises:
        TypeError: If it is anything else, such as a name that the template does not know.
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
    """Return a string for within three double quotes."""
    text = str(value).strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'{text[:-1]}\\"' if text.endswith('"') else text
