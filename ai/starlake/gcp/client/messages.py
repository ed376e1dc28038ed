"""Dataproc messages, made from plain mappings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.extras import MissingExtraError


def dataproc_message(kind: str, fields: Mapping[str, Any], what: str) -> Any:
    """Return a message of `google.cloud.dataproc_v1`, which refuses unknown fields and values of the wrong type.

    Args:
        kind: The name of its class, such as ``ClusterConfig``.
        fields: Its fields, in snake case.
        what: Description of the fields, for the error.

    Raises:
        MissingExtraError: If google-cloud-dataproc is not installed.
        StarlakeError: If a field is unknown, or has another type.
    """
    try:
        from google.cloud import dataproc_v1
        from google.protobuf.json_format import ParseError
    except ImportError as error:
        raise MissingExtraError("google-cloud-dataproc", "gcp", str(error)) from None
    try:
        return getattr(dataproc_v1, kind)(dict(fields))
    except (ValueError, TypeError, KeyError, AttributeError, ParseError) as error:
        raise StarlakeError(
            f"the configuration of {what} is not accepted",
            cause=f"{type(error).__name__}: {error}",
            fix=f"use the fields of {kind} in google.cloud.dataproc_v1, in snake case and with values of their types",
        ) from None


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return one mapping laid over another; nested mappings are merged, other values replaced."""
    result = dict(base)
    for name, value in over.items():
        known = result.get(name)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        result[name] = merged(known, value) if both else value  # type: ignore[arg-type]
    return result
