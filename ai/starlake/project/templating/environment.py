"""Variables of a project: the values of ``{{NAME}}`` in its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from ai.starlake.common import PermanentError
from ai.starlake.project.templating.rendering import UndefinedNameError, references, render, undeclared


def clock_variables(now: datetime) -> dict[str, str]:
    """Return the ``sl_date`` family, from the wall clock of the process.

    Args:
        now: The current time, with its time zone.
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


class Missing(NamedTuple):
    """An undefined name in the value of a variable."""

    layer: int
    variable: str
    name: str
    used: bool
    """False if the value only compares it."""


class Variables(NamedTuple):
    """Result of `resolve_variables`."""

    values: dict[str, str]
    missing: tuple[Missing, ...] = ()


def resolve_variables(layers: Iterable[Mapping[str, str]]) -> Variables:
    """Merge layers of variables, and render the references between them.

    A value refers to others as ``{{NAME}}`` or ``${NAME}``, and gets the value of the highest layer; a reference to its
    own name gets the value of the layer below. An undefined ``{{NAME}}`` is empty, an undefined ``${NAME}`` stays.

    Args:
        layers: From the lowest to the highest. The first, the environment of the process, is not rendered.

    Raises:
        StarlakeError: If references are circular, or if a value cannot be rendered.

    >>> resolve_variables([{}, {"a": "base", "b": "{{a}}-b"}, {"a": "qa"}]).values["b"]
    'qa-b'
    """
    return _Resolution([dict(layer) for layer in layers]).all()


class _Resolution:
    """One pass over all variables; a value is resolved once."""

    def __init__(self, layers: list[dict[str, str]]) -> None:
        self._layers = layers
        self._done: dict[tuple[str, int], str] = {}
        self._open: list[tuple[str, int]] = []
        self._missing: list[Missing] = []

    def all(self) -> Variables:
        values = {name: self._value(name, len(self._layers)) or "" for layer in self._layers for name in layer}
        return Variables(values, tuple(self._missing))

    def _value(self, name: str, below: int) -> str | None:
        """Return the value of a name in the highest layer below one; None if no layer below defines it."""
        level = next((n for n in range(below - 1, -1, -1) if name in self._layers[n]), None)
        if level is None:
            return None
        value = self._layers[level][name]
        if level == 0 or not any(mark in value for mark in ("{{", "{%", "${")):
            return value
        if (name, level) not in self._done:
            self._done[name, level] = self._rendered(name, level, value)
        return self._done[name, level]

    def _rendered(self, name: str, level: int, value: str) -> str:
        if (name, level) in self._open:
            circle = [part for part, _ in [*self._open[self._open.index((name, level)) :], (name, level)]]
            raise PermanentError(
                f"the variables of the env files refer to each other in a circle: {' -> '.join(circle)}",
                fix="give one of them a value of its own",
            )
        self._open.append((name, level))
        label = f"the variable {name}"
        try:
            known = {
                other: found
                for other in {*undeclared(value, label=label), *references(value)}
                for found in [self._value(other, level if other == name else len(self._layers))]
                if found is not None
            }
            rendering = render(value, known, label=label)
        except UndefinedNameError as error:
            self._missing += [Missing(level, name, other, used) for other, used in error.missing.items()]
            return ""
        finally:
            self._open.pop()
        self._missing += [Missing(level, name, other, used) for other, used in rendering.missing.items()]
        return rendering.text
