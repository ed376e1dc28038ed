"""A pre-load check as plain data, so that another process can wait for its files."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from pkgutil import resolve_name
from typing import Any

from ai.starlake.common import StarlakeError, names_a_secret
from ai.starlake.common.redaction import mask_named_values, passwords_of_urls
from ai.starlake.common.secrets import JoinedReference
from ai.starlake.job import JobOptions, StarlakePreLoadStrategy
from ai.starlake.job.job_options import composed
from ai.starlake.orchestration.dates.run_dates import RunDates
from ai.starlake.orchestration.preload.checks import Peeks, check_of
from ai.starlake.orchestration.preload.view import DomainView, ProjectView

_REFERENCE = "reference"


@dataclass(frozen=True)
class PreLoadWatch:
    """Waits for the files of a domain's pre-load check, without a command, and without deleting an ack file.

    Args:
        settings: The options of the job.
        domain: The domain.
        tables: The tables whose files are considered; all of the domain if empty.
        strategy: The strategy; not ``none``.
        logical: The logical date of the run.
    """

    settings: JobOptions
    domain: str
    tables: tuple[str, ...]
    strategy: StarlakePreLoadStrategy
    logical: datetime

    def seen(self) -> bool:
        """Return True if there is something to load.

        Raises:
            StarlakeError: If the check fails.
        """
        return self._check.peek(self._view)

    @property
    def secrets(self) -> Collection[str]:
        """Secrets that this process has fetched for the check, for masking.

        Raises:
            StarlakeError: If one cannot be fetched.
        """
        return self._view.project.secrets

    def masked(self, text: str) -> str:
        """Return a string, such as an error with a path, without these secrets."""
        return self._view.project.masked(text)

    def as_plain_data(self) -> dict[str, Any]:
        """Return plain data for `of_plain_data`: strings, numbers, lists and mappings, without secrets.

        References to secrets stay references. Plain values with the name of a secret are left out: the location of
        files does not depend on them.
        """
        models = _importable_models(type(self.settings))
        return {
            "models": [_path_of(model) for model in models],
            "options": dict(_plain_options(self.settings)),
            "environment": dict(_plain_environment(self.settings.environment)),
            "domain": self.domain,
            "tables": list(self.tables),
            "strategy": self.strategy.value,
            "logical": self.logical.isoformat(),
        }

    @classmethod
    def of_plain_data(cls, data: Mapping[str, Any]) -> PreLoadWatch:
        """Return the object of `as_plain_data`, in another process. Nothing is fetched yet.

        Raises:
            StarlakeError: If a class is not installed here, or the options cannot be read.
        """
        environment = {name: _value_of(value) for name, value in data["environment"].items()}
        model = composed(*(_located(path) for path in data["models"]))
        return cls(
            settings=model.read({**data["options"], "sl_env_var": environment}, warn=False),
            domain=data["domain"],
            tables=tuple(data["tables"]),
            strategy=StarlakePreLoadStrategy.of(data["strategy"]),
            logical=datetime.fromisoformat(data["logical"]),
        )

    @cached_property
    def _check(self) -> Peeks:
        check = check_of(self.settings, self.domain, self.tables, self.strategy)
        if not isinstance(check, Peeks):
            raise StarlakeError(
                f"the pre-load check of {self.domain} runs a command, so that no other process can watch for it"
            )
        return check

    @cached_property
    def _view(self) -> DomainView:
        return DomainView(ProjectView(self.settings), RunDates(self.logical, None), self.domain)


def _importable_models(model: type[JobOptions]) -> list[type[JobOptions]]:
    """Return the nearest classes of a model that another process can import; a composed one is not importable."""
    if getattr(sys.modules.get(model.__module__), model.__qualname__, None) is model:
        return [model]
    return [each for base in model.__bases__ if issubclass(base, JobOptions) for each in _importable_models(base)]


def _plain_options(settings: JobOptions) -> Mapping[str, Any]:
    given = {name: getattr(settings, name) for name in sorted(settings.model_fields_set - {"sl_env_var"})}
    values = {name: value.value if isinstance(value, Enum) else value for name, value in given.items()}
    return {name: value for name, value in values.items() if _is_plain(value) and not _may_be_secret(name, value)}


def _plain_environment(environment: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {name: value for name, value in environment.items() if not _is_written_secret(name, value)}
    plain = {name: value if isinstance(value, str) else _reference(value) for name, value in kept.items()}
    return {name: value for name, value in plain.items() if value and not _may_be_secret(name, value)}


def _is_written_secret(name: str, value: Any) -> bool:
    """Return True for strings and joined references, whose strings may be secret."""
    if not isinstance(value, JoinedReference):
        return False
    text = "".join(part if isinstance(part, str) else "reference" for part in value.parts)
    return _may_be_secret(name, text) or mask_named_values(text) != text


def _may_be_secret(name: str, value: Any) -> bool:
    return isinstance(value, str) and (names_a_secret(name) or bool(passwords_of_urls(value)))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(each) for each in value)
    return isinstance(value, str | int | float | bool)


def _reference(value: Any) -> dict[str, Any] | None:
    """Return a reference as plain data; None if it consists of more than names, such as a user's own object."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return None
    given = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    parts = {name: _plain_part(part) for name, part in given.items()}
    if any(parts[name] is None and part is not None for name, part in given.items()):
        return None
    return {_REFERENCE: _path_of(type(value)), "parts": parts}


def _plain_part(part: Any) -> Any:
    """Return a part of a reference as plain data; None if it is not."""
    if isinstance(part, tuple):
        parts = [_plain_part(each) for each in part]
        return None if None in parts else parts
    return part if _is_plain(part) else _reference(part)


def _value_of(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_value_of(each) for each in value)
    if not isinstance(value, Mapping):
        return value
    return _located(value[_REFERENCE])(**{name: _value_of(part) for name, part in value["parts"].items()})


def _path_of(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _located(path: str) -> Any:
    try:
        return resolve_name(path)
    except (ImportError, AttributeError) as error:
        raise StarlakeError(
            f"{path} cannot be imported here",
            cause=f"{error}; the process that watches has other packages than the process that runs tasks",
            fix="install the same packages for both",
        ) from error
