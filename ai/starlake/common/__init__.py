"""Identifiers, dates, errors and redaction: what every other package builds on."""

from ai.starlake.common.dates import DataInterval, date_variables, format_timestamp, parse_datetime, zone_of
from ai.starlake.common.errors import MissingEnvironmentVariable, NameCollisionError, StarlakeError
from ai.starlake.common.identifiers import NameRegistry, sanitize_id
from ai.starlake.common.redaction import Redactor, mask_named_values, names_a_secret, secret_arguments

__all__ = [
    "DataInterval",
    "MissingEnvironmentVariable",
    "NameCollisionError",
    "NameRegistry",
    "Redactor",
    "StarlakeError",
    "date_variables",
    "format_timestamp",
    "mask_named_values",
    "names_a_secret",
    "parse_datetime",
    "sanitize_id",
    "secret_arguments",
    "zone_of",
]
