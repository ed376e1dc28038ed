"""Secret stores by their name in references: our own, and those of installed packages."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ai.starlake.common.errors import StarlakeError
from ai.starlake.common.plug_ins import SECRETS, load, plug_ins
from ai.starlake.common.secrets.secret_references import (
    EnvironmentReference,
    EnvironmentValue,
    FileReference,
    SecretReference,
)


def reference_of(label: str, value: Any) -> EnvironmentValue:
    """Read a user's value: a string, or a reference to one. Nothing is fetched.

    Args:
        label: Purpose of the value, such as ``option sl_env_var: the value of TOKEN``, for error messages.
        value: A string or a number; a reference: an object with `resolve`, a mapping of the name of a store to the name
            in that store, as in ``{"env": "NAME"}`` or ``{"aws": {"secret": "prod/db", "field": "password"}}``, or with
            the parts beside the store, ``{"aws": "prod/db", "field": "password"}``; or a `dagster.EnvVar`.

    Returns:
        A string, or a reference that is resolved in the process that runs the command.

    Raises:
        StarlakeError: If it is not one of these, or if no installed package offers the store.
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
    if isinstance(value, Mapping) and value:
        store = _store_of(value)
        where = value.get(store)
        if isinstance(store, str) and where and isinstance(where, (str, Mapping) if len(value) == 1 else str):
            return _reference(label, store, where, {name: part for name, part in value.items() if name != store})
    raise StarlakeError(
        f"{label} is neither a string, a number nor a reference",
        cause=f"it is a {type(value).__name__}",
        fix='write "text", a number, or the name of a store with what it is called there, as in {"env": "NAME"} or '
        '{"file": "/path/of/a/secret"}',
    )


def environment_value(name: str, value: Any) -> EnvironmentValue:
    """Read the value of one entry of the option `sl_env_var`; see `reference_of`.

    Args:
        name: The name of the entry.
        value: The user's value.

    Returns:
        A string, or a reference that is resolved in the process that runs the command.

    Raises:
        StarlakeError: If the value is neither a string, a number nor a reference, or if no installed package offers the
            store.
    """
    return reference_of(f"option sl_env_var: the value of {name}", value)


def _store_of(value: Mapping[Any, Any]) -> Any:
    """Return the key of a mapping that names a store: its only key, or the only known one; else None."""
    known = (
        list(value) if len(value) == 1 else [name for name in value if name in _BUILT_IN or name in plug_ins(SECRETS)]
    )
    return known[0] if len(known) == 1 else None


def _reference(label: str, store: str, where: str | Mapping[str, Any], further: Mapping[Any, Any]) -> SecretReference:
    factory = _factory(label, store)
    parts = inspect.signature(factory).parameters
    try:
        named = {**_named(where), **further}
        inspect.signature(factory).bind(*([where] if isinstance(where, str) else []), **named)
    except TypeError as error:
        raise StarlakeError(
            f"{label} is a reference to the store {store!r} with wrong parts",
            cause=str(error),
            fix=f"a reference to it takes {', '.join(parts)}",
        ) from None
    made = factory(where, **named) if isinstance(where, str) else factory(**named)
    if not isinstance(made, SecretReference):
        raise StarlakeError(
            f"the store {store!r} of secrets returns a {type(made).__name__}",
            cause="it has no method `resolve`",
            fix=f"let the entry point {store} of {SECRETS} return an object with `resolve() -> str`",
        )
    return made


def _named(where: str | Mapping[str, Any]) -> Mapping[str, Any]:
    return {} if isinstance(where, str) else where


def _factory(label: str, store: str) -> Callable[..., Any]:
    if store in _BUILT_IN:
        return _BUILT_IN[store]
    offered = plug_ins(SECRETS)
    if store not in offered:
        raise StarlakeError(
            f"{label} refers to the store {store[:40]!r}, which no installed package offers",
            cause=f"known are {', '.join(sorted({*_BUILT_IN, *offered}))}",
            fix=f"correct the name, or install a package with an entry point of that name in the group {SECRETS}",
        )
    factory: Callable[..., Any] = load(offered[store], f"the store {store!r} of secrets")
    return factory


_BUILT_IN: Mapping[str, Callable[[str], SecretReference]] = {"env": EnvironmentReference, "file": FileReference}
