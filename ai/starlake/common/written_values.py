"""Values that people write as one string: lists, pairs and JSON objects. Each form is read here and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class NotAPairError(ValueError):
    """An item is not of the form ``name=value``.

    Args:
        item: The item.
    """

    def __init__(self, item: str) -> None:
        self.item = item
        super().__init__(f"{item!r} is not a name=value pair")


def comma_list(text: str) -> tuple[str, ...]:
    """Return the items between commas, without the blanks around them; empty ones do not count."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


def comma_pairs(text: str) -> dict[str, str]:
    """Return ``name=value`` pairs between commas, as Starlake splits them: a value may hold ``=`` but no comma.

    Values keep the blanks around them; names do not.

    Raises:
        NotAPairError: If an item has no ``=``, or nothing before it.
    """
    pairs: dict[str, str] = {}
    for item in text.split(","):
        name, equals, value = item.partition("=")
        if equals and name.strip():
            pairs[name.strip()] = value
        elif item.strip():
            raise NotAPairError(item)
    return pairs


def json_object(value: Any) -> dict[str, Any]:
    """Return an object, or the one that a JSON text holds; an empty text is an empty object.

    Raises:
        ValueError: If it is neither. The message does not show the text, which may hold secrets.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except json.JSONDecodeError as error:
            raise ValueError(f"it is not valid JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(value, Mapping):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  pydantic and click report ValueErrors
    return {str(name): entry for name, entry in value.items()}
