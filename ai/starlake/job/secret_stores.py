"""Stores of secrets, found by name: what installed packages offer, and the values that this process has fetched."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.plug_ins import SECRETS, load, plug_ins
from ai.starlake.job.secret_references import EnvironmentReference, EnvironmentValue, FileReference, SecretReference


def environment_value(name: str, value: Any) -> EnvironmentValue:
    """Read the value of one entry of the option `sl_env_var`.

    Args:
        name: The name of the entry.
        value: A string or a number; a reference: an object with `resolve`, a mapping of the name of a store to what it
            is called there, as in ``{"env": "NAME"}`` or ``{"aws": {"secret": "prod/db", "field": "password"}}``; or a
            `dagster.EnvVar`.

    Raises:
        StarlakeError: If it is none of these, or if no installed package offers the store.
    """
    if isinstance(value, SecretReference):
        return value
    variable = getattr(value, "env_var_name", None)  # dagster.EnvVar, which this package must not import
    if isinstance(variable, str):
        return EnvironmentReference(variable)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, Mapping) and len(value) == 1:
        store, where = next(iter(value.items()))
        if isinstance(store, str) and where and isinstance(where, (str, Mapping)):
            return _reference(name, store, where)
    raise StarlakeError(
        f"option sl_env_var: the value of {name} is neither a string, a number nor a reference",
        cause=f"it is a {type(value).__name__}",
        fix='write "text", a number, or the name of a store with what it is called there, as in {"env": "NAME"} or '
        '{"file": "/path/of/a/secret"}',
    )


def _reference(name: str, store: str, where: str | Mapping[str, Any]) -> SecretReference:
    factory = _factory(name, store)
    try:
        inspect.signature(factory).bind(*([where] if isinstance(where, str) else []), **_named(where))
    except TypeError as error:
        raise StarlakeError(
            f"option sl_env_var: the reference of {name} to the store {store!r} is not complete or has too much",
            cause=str(error),
            fix=f"a reference to it takes {', '.join(inspect.signature(factory).parameters)}",
        ) from None
    made = factory(where) if isinstance(where, str) else factory(**where)
    if not isinstance(made, SecretReference):
        raise StarlakeError(
            f"the store {store!r} of secrets returns a {type(made).__name__}",
            cause="it has no method `resolve`",
            fix=f"let the entry point {store} of {SECRETS} return an object with `resolve() -> str`",
        )
    return made


def _named(where: str | Mapping[str, Any]) -> Mapping[str, Any]:
    return {} if isinstance(where, str) else where


def _factory(name: str, store: str) -> Callable[..., Any]:
    if store in _BUILT_IN:
        return _BUILT_IN[store]
    offered = plug_ins(SECRETS)
    if store not in offered:
        known = ", ".join(sorted({*_BUILT_IN, *offered}))
        raise StarlakeError(
            f"option sl_env_var: {name} refers to the store {store[:40]!r}, which no installed package offers",
            cause=f"known are {known}",
            fix=f"correct the name, or install a package with an entry point of that name in the group {SECRETS}",
        )
    factory: Callable[..., Any] = load(offered[store], f"the store {store!r} of secrets")
    return factory


_BUILT_IN: Mapping[str, Callable[[str], SecretReference]] = {"env": EnvironmentReference, "file": FileReference}


class SecretCache:
    """The values that this process has fetched from stores elsewhere, so that each is fetched once.

    References whose attribute `kept` is False are read each time: variables and files, which cost nothing.
    """

    def __init__(self) -> None:
        self._values: dict[SecretReference, str] = {}
        self._lock = threading.Lock()
        self._fetching: dict[SecretReference, threading.Lock] = {}

    def value(self, reference: SecretReference, *, renew: bool = False) -> str:
        """Return the value of a reference.

        Args:
            reference: The reference; one that cannot be hashed is fetched each time.
            renew: Whether to fetch it again, because what used the known value was refused.

        Raises:
            StarlakeError: If there is no such value.
        """
        if not getattr(reference, "kept", True) or not _is_hashable(reference):
            return reference.resolve()
        with self._lock:
            known, turn = self._values.get(reference), self._fetching.setdefault(reference, threading.Lock())
        if known is not None and not renew:
            return known
        with turn:  # of several steps that ask at once, one fetches it
            latest = self._values.get(reference)
            if latest is None or latest == known:
                self._values[reference] = latest = reference.resolve()
            return latest

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._values.clear()


secret_cache = SecretCache()
"""The values that this process knows."""


def resolve_environment(
    environment: Mapping[str, EnvironmentValue], *, renew: bool = False
) -> tuple[dict[str, str], set[str]]:
    """Fetch what an environment refers to.

    Args:
        environment: Names with strings and references.
        renew: Whether to fetch values again that this process knows: an earlier attempt failed, perhaps of them.

    Returns:
        Names with strings, and those of the strings that came from references: they are secrets.

    Raises:
        StarlakeError: If a reference leads nowhere; it names the entry, never a value.
    """
    values: dict[str, str] = {}
    secrets: set[str] = set()
    for name, value in environment.items():
        if isinstance(value, str):
            values[name] = value
            continue
        try:
            values[name] = secret_cache.value(value, renew=renew)
        except StarlakeError as error:
            raise StarlakeError(f"{name} of option sl_env_var has no value", cause=str(error)) from None
        secrets.add(values[name])
    return values, secrets


def field_of(secret: str, field: str | None, label: str) -> str:
    """Return a secret, or one field of a secret that is a JSON object.

    Args:
        secret: The secret.
        field: The name of the field; None for the whole secret.
        label: What the secret is called, for error messages.

    Raises:
        StarlakeError: If the secret is not a JSON object, or has no such field; it shows no value.
    """
    if field is None:
        return secret
    try:
        content = json.loads(secret)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise StarlakeError(
            f"{label} has no field {field}", cause="it is not a JSON object", fix="leave out the field of the reference"
        )
    if field not in content:
        raise StarlakeError(f"{label} has no field {field}", cause=f"its fields are {', '.join(sorted(content))}")
    value = content[field]
    return value if isinstance(value, str) else json.dumps(value)


def _is_hashable(reference: SecretReference) -> bool:
    try:
        hash(reference)
    except TypeError:
        return False
    return True
