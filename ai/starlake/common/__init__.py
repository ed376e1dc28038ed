"""Identifiers, dates, errors and redaction: what every other package builds on."""

from ai.starlake.common.errors import MissingEnvironmentVariable, NameCollisionError, StarlakeError
from ai.starlake.common.identifiers import NameRegistry, sanitize_id

__all__ = ["MissingEnvironmentVariable", "NameCollisionError", "NameRegistry", "StarlakeError", "sanitize_id"]
