"""Replace references by their values, in the process that needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ai.starlake.common.errors import StarlakeError
from ai.starlake.common.redaction import Redactor, passwords_of_urls
from ai.starlake.common.secrets.secret_cache import secret_cache
from ai.starlake.common.secrets.secret_references import EnvironmentValue, JoinedReference, SecretReference
from ai.starlake.common.secrets.secret_stores import reference_of

ResultT = TypeVar("ResultT")


def resolve_environment(
    environment: Mapping[str, EnvironmentValue], *, renew: bool = False
) -> tuple[dict[str, str], set[str]]:
    """Fetch the values that an environment refers to.

    Args:
        environment: Strings and references by name.
        renew: True to fetch known values again, because an earlier attempt failed, possibly because of them.

    Returns:
        The strings by name, and the secrets among them: those that came from references.

    Raises:
        StarlakeError: If a reference cannot be resolved; the error names the entry, never a value.
    """
    values: dict[str, str] = {}
    secrets: set[str] = set()
    for name, value in environment.items():
        if isinstance(value, str):
            values[name] = value
            continue
        values[name], found = _resolved(f"{name} of option sl_env_var", value, renew=renew)
        secrets |= found
    return values, secrets


def resolved_text(value: Any, *, label: str, renew: bool = False) -> tuple[str, Redactor]:
    """Return the value of a string or reference, and a redactor for it: for a database URL, a token, a header.

    Args:
        value: A string, or a reference to one as `reference_of` reads it.
        label: Purpose of the value, such as ``option audit``, for error messages.
        renew: True to fetch a known value again, because it was refused.

    Returns:
        The string, and a redactor. It masks passwords of URLs in a plain string, and the whole value of a fetched
        secret.

    Raises:
        StarlakeError: If a reference cannot be resolved; the error names the label, never a value.
    """
    read = reference_of(label, value)
    if isinstance(read, str):
        return read, Redactor(passwords_of_urls(read))
    text, secrets = _resolved(label, read, renew=renew)
    return text, Redactor(secrets)


def used(value: Any, use: Callable[[str], ResultT], *, refused: Callable[[Exception], bool], label: str) -> ResultT:
    """Use a secret, and use it once more if it was refused and its store has a new value.

    Args:
        value: A string or a reference; see `resolved_text`.
        use: Uses the string, for example to log in.
        refused: Returns True for an error that means that the string was refused.
        label: Purpose of the value, for error messages.

    Returns:
        The result of `use`.

    Raises:
        StarlakeError: If a reference cannot be resolved. Errors of `use` propagate.
    """
    text, _ = resolved_text(value, label=label)
    try:
        return use(text)
    except Exception as error:
        if not refused(error):
            raise
        latest, _ = resolved_text(value, label=label, renew=True)
        if latest == text:
            raise
    return use(latest)


def _resolved(label: str, reference: SecretReference, *, renew: bool) -> tuple[str, set[str]]:
    """Return the value of a reference, and the secrets in it: itself, and each part that was fetched."""
    if not isinstance(reference, JoinedReference):
        text = _value(label, reference, renew=renew)
        return text, _secrets_in(text)
    parts = [each if isinstance(each, str) else _value(label, each, renew=renew) for each in reference.parts]
    fetched = {part for part, each in zip(parts, reference.parts, strict=True) if not isinstance(each, str)}
    text = "".join(parts)
    return text, {*_secrets_in(text), *fetched}


def _value(label: str, reference: SecretReference, *, renew: bool) -> str:
    try:
        return secret_cache.value(reference, renew=renew)
    except StarlakeError as error:
        cause = "\n".join(filter(None, (error.culprit, error.cause)))
        unresolved = StarlakeError(f"{label} has no value", cause=cause, fix=error.fix)
        unresolved.permanent = error.permanent
        raise unresolved from None


def _secrets_in(text: str) -> set[str]:
    return {text, *passwords_of_urls(text)}
