"""Secrets in Dagster resources, available within the steps of a run."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dagster import DagsterError

from ai.starlake.common import StarlakeError

if TYPE_CHECKING:
    from dagster import OpExecutionContext

    from ai.starlake.common.secrets import EnvironmentValue


class _Steps(threading.local):
    """The steps that this thread runs, innermost last."""

    def __init__(self) -> None:
        self.contexts: list[OpExecutionContext] = []


_steps = _Steps()


@contextmanager
def within_step(context: OpExecutionContext) -> Iterator[None]:
    """Let references find the resources of a step while it runs.

    Args:
        context: The context of the step.
    """
    _steps.contexts.append(context)
    try:
        yield
    finally:
        if context in _steps.contexts:  # a generator that is garbage-collected may end in another thread
            _steps.contexts.remove(context)


@dataclass(frozen=True)
class ResourceField:
    """A field of a resource, such as ``vault.password``.

    Steps whose commands refer to it require the resource. For a field that is a mapping or an object, a further name
    selects its part; a method without arguments is called.

    Args:
        where: The key of the resource and the names of the field, joined by dots.
    """

    lifetime: ClassVar[float] = 0
    where: str

    @property
    def resource(self) -> str:
        """The key of the resource."""
        return self.where.partition(".")[0]

    @property
    def is_here(self) -> bool:
        """True within a step: sensors and schedules have no resources of their jobs."""
        return bool(_steps.contexts)

    def resolve(self) -> str:
        """Read the field.

        Raises:
            StarlakeError: If no step runs in this thread, or if the resource has no such field.
        """
        value = self._value()
        for name in self.where.split(".")[1:]:
            value = _entered(value, name, self.where)
        if not isinstance(value, str):
            raise StarlakeError(
                f"{self.where} is not a string",
                cause=f"it is a {type(value).__name__}",
                fix="name a field of it that is a string, or a method that returns one",
            )
        return value

    def _value(self) -> Any:
        if not _steps.contexts:
            raise StarlakeError(
                f"the resource {self.resource} is not known here",
                cause="resources exist within the steps of a run",
                fix="refer to the store of the secret itself",
            )
        resources = _steps.contexts[-1].resources
        try:
            return getattr(resources, self.resource)
        except DagsterError:
            raise StarlakeError(
                f"the step does not require the resource {self.resource}",
                cause="the options of its StarlakeResource refer to it; the definition of the step cannot know that",
                fix=f"make {self.resource} a parameter of the function of the step",
            ) from None


def resources_of(environment: Iterable[EnvironmentValue]) -> frozenset[str]:
    """Return the keys of the resources that the values of an environment refer to."""
    return frozenset(value.resource for value in environment if isinstance(value, ResourceField))


def _entered(value: Any, name: str, where: str) -> Any:
    if isinstance(value, dict) and name in value:
        return value[name]
    if not hasattr(value, name):
        raise StarlakeError(
            f"{where} does not exist", cause=f"a {type(value).__name__} has no {name}", fix="correct the reference"
        )
    found = getattr(value, name)
    return found() if callable(found) else found
