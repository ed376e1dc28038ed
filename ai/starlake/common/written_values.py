"""Values that users write as one string: lists, pairs and JSON objects. Each form is parsed only here."""

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
    """Return comma-separated items, without the blanks around them; empty ones are ignored."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


def comma_pairs(text: str) -> dict[str, str]:
    """Return comma-separated ``name=value`` pairs, split as by Starlake: a value may contain ``=`` but no comma.

    Blanks around values are kept, those around names are not.

    Raises:
        NotAPairError: If an item has no ``=``, or an empty name.
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
    """Return an object, or the one in a JSON string; an empty string is an empty object.

    Raises:
        ValueError: If it is neither. The message does not show the string, which may contain secrets.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except json.JSONDecodeError as error:
            raise ValueError(f"it is not valid JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(value, Mapping):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  pydantic and click report ValueErrors
    return {str(name): entry for name, entry in value.items()}
