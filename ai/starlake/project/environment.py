"""The variables of a project: what ``{{NAME}}`` means in its files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from ai.starlake.common import StarlakeError

_REFERENCE = re.compile(r"\{\{\s*(\w+)\s*\}\}|\$\{(\w+)\}")


def date_variables(now: datetime) -> dict[str, str]:
    """The ``sl_date`` family, from the wall clock of the process.

    Args:
        now: The time, with its time zone.
    """
    milli = f"{now.microsecond // 1000:03d}"
    epoch = int(now.timestamp())
    return {
        "sl_date": f"{now:%Y%m%d}",
        "sl_datetime": f"{now:%Y%m%d%H%M%S}",
        "sl_year": f"{now:%Y}",
        "sl_month": f"{now:%m}",
        "sl_day": f"{now:%d}",
        "sl_hour": f"{now:%H}",
        "sl_minute": f"{now:%M}",
        "sl_second": f"{now:%S}",
        "sl_milli": milli,
        "sl_epoch_second": str(epoch),
        "sl_epoch_milli": f"{epoch}{milli}",
    }


def resolve_variables(layers: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Merges layers of variables, and replaces the references between them.

    A value refers to others as ``{{NAME}}`` or ``${NAME}``, and gets the value of the highest layer; one that refers to
    its own name gets the one of the layer below. ``{{NAME}}`` that nobody defines is empty, ``${NAME}`` stays.

    Args:
        layers: From the lowest to the highest. The first, the environment of the process, is taken as it is.

    Raises:
        StarlakeError: If values refer to each other in a circle.

    >>> resolve_variables([{}, {"a": "base", "b": "{{a}}-b"}, {"a": "qa"}])["b"]
    'qa-b'
    """
    return _Resolution([dict(layer) for layer in layers]).all()


class _Resolution:
    """One pass over all variables; a value is resolved once."""

    def __init__(self, layers: list[dict[str, str]]) -> None:
        self._layers = layers
        self._done: dict[tuple[str, int], str] = {}
        self._open: list[str] = []

    def all(self) -> dict[str, str]:
        return {name: self._value(name, len(self._layers)) for layer in self._layers for name in layer}

    def _value(self, name: str, below: int) -> str:
        """The value of a name in the highest layer below one."""
        level = next((n for n in range(below - 1, -1, -1) if name in self._layers[n]), None)
        if level is None:
            return ""
        if level == 0:
            return self._layers[0][name]
        if (name, level) not in self._done:
            self._done[name, level] = self._substitute(name, level)
        return self._done[name, level]

    def _substitute(self, name: str, level: int) -> str:
        key = f"{name}@{level}"
        if key in self._open:
            circle = [part.partition("@")[0] for part in [*self._open[self._open.index(key) :], key]]
            raise StarlakeError(
                f"the variables of the env files refer to each other in a circle: {' -> '.join(circle)}",
                fix="give one of them a value of its own",
            )
        self._open.append(key)
        try:
            return _REFERENCE.sub(lambda found: self._reference(found, name, level), self._layers[level][name])
        finally:
            self._open.pop()

    def _reference(self, found: re.Match[str], name: str, level: int) -> str:
        other = found[1] or found[2]
        if found[2] and not any(other in layer for layer in self._layers):
            return found[0]
        return self._value(other, level if other == name else len(self._layers))
