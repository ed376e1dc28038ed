"""Secrets: references to them, the stores that hold them, and the values that this process has fetched."""

from ai.starlake.common.secrets.resolution import resolve_environment, resolved_text, used
from ai.starlake.common.secrets.secret_cache import secret_cache
from ai.starlake.common.secrets.secret_references import (
    EnvironmentReference,
    EnvironmentValue,
    FileReference,
    JoinedReference,
    SecretReference,
    field_of,
    referenced_variables,
)
from ai.starlake.common.secrets.secret_stores import environment_value, reference_of

__all__ = [
    "EnvironmentReference",
    "EnvironmentValue",
    "FileReference",
    "JoinedReference",
    "SecretReference",
    "environment_value",
    "field_of",
    "reference_of",
    "referenced_variables",
    "resolve_environment",
    "resolved_text",
    "secret_cache",
    "used",
]
