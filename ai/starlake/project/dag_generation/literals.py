"""Filters by which templates write Python."""

from __future__ import annotations

from typing import Any

_LINE = 80


def literal(value: Any) -> str:
    """A value as Python source, so that no quote in it ends the text that it stands in.

    Texts stand in double quotes unless that costs a backslash, as ruff and Black write them. A list that is too long
    for a line has a line for each of its items.

    Args:
        value: A text, a number, a truth value, None, or a list of these.

    Raises:
        TypeError: If it is anything else, such as a name that the template does not know.
    """
    if isinstance(value, list):
        items = [literal(item) for item in value]
        line = f"[{', '.join(items)}]"
        return line if len(line) <= _LINE else "[\n" + "".join(f"    {item},\n" for item in items) + "]"
    if not isinstance(value, (str, int, float, bool, type(None))):
        raise TypeError(f"{value!r}, a {type(value).__name__}, cannot be written as a literal")
    text = repr(value)
    if isinstance(value, str) and text.startswith("'") and '"' not in text:
        return f'"{text[1:-1]}"'
    return text


def docstring(value: Any) -> str:
    """A text for within three double quotes."""
    text = str(value).strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'{text[:-1]}\\"' if text.endswith('"') else text
