"""The filters of Dataproc's lists: ``field = value AND field = value ...``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from starlake_gcp_emulator.errors import invalid

_TERM = re.compile(r"""\s*(?P<field>[A-Za-z][\w.-]*)\s*[=:]\s*(?P<value>"[^"]*"|[^\s"]+)\s*""")
_AND = re.compile(r"AND\b")
ANY = "*"


def terms(text: str) -> list[tuple[str, str]]:
    """Return the fields and values that a filter asks for.

    Raises:
        RpcError: If it is not written as a filter is.
    """
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text.rstrip()):
        if found:
            link = _AND.match(text, position)
            position = link.end() if link else position
            if not link:
                raise invalid(f"Invalid filter {text!r}: AND expected at {text[position:]!r}")
        term = _TERM.match(text, position)
        if not term:
            raise invalid(f"Invalid filter {text!r}: field = value expected at {text[position:]!r}")
        found.append((term["field"], term["value"].strip('"')))
        position = term.end()
    return found


def selected(text: str, labels: Mapping[str, str], fields: Mapping[str, Callable[[str], bool]]) -> bool:
    """Return True if a resource is what a filter asks for.

    Args:
        text: The filter; empty for all.
        labels: The labels of the resource.
        fields: For each other field that a filter may name, whether the resource has a value of it.

    Raises:
        RpcError: If the filter is not written as a filter is, or names another field.
    """
    held = [_holds(field, value, labels, fields) for field, value in terms(text)]  # all of them are checked
    return all(held)


def _holds(field: str, value: str, labels: Mapping[str, str], fields: Mapping[str, Callable[[str], bool]]) -> bool:
    if field.startswith("labels."):
        label = labels.get(field.removeprefix("labels."))
        return label is not None and value in (ANY, label)
    if field not in fields:
        raise invalid(f"Invalid filter: unknown field {field!r}")
    return value == ANY or fields[field](value)
