"""Checks of the services, as far as documentation or users' reports describe them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlake_gcp_emulator.errors import Code, RpcError, invalid

MINUTE, DAY = 60, 24 * 60 * 60
_CLUSTER_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,49}[a-z0-9])?")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_RUN_JOB_ID = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_KEY = re.compile(r"[^\W\d_][\w-]{0,62}")
_LABEL_VALUE = re.compile(r"[\w-]{0,63}")
_IMAGE = re.compile(
    r"(preview|default|\d+\.\d+(\.\d+)?(-RC\d+)?)(-(ml-)?(debian([89]|1\d)|ubuntu(18|2\d)|rocky([89]|1\d))(-arm)?)?"
)


def require(name: str, value: str) -> str:
    """Return a field that must be set.

    Raises:
        RpcError: If it is empty.
    """
    if not value:
        raise invalid(f"{name} must be set")
    return value


def cluster_name(name: str) -> None:
    """At most 51 lower-case letters, digits and hyphens; a letter first, no hyphen last."""
    if not _CLUSTER_NAME.fullmatch(name):
        raise invalid(f"Invalid value for field 'cluster_name': {name!r} must match pattern {_CLUSTER_NAME.pattern}")


def request_id(value: str) -> None:
    """At most 40 letters, digits, underscores and hyphens; empty when there is none."""
    if value and not _REQUEST_ID.fullmatch(value):
        raise invalid(f"Invalid request_id {value!r}: it must match {_REQUEST_ID.pattern}")


def job_id(value: str) -> None:
    """At most 100 letters, digits, underscores and hyphens."""
    if not _JOB_ID.fullmatch(value):
        raise invalid(f"Invalid job_id {value!r}: it must match {_JOB_ID.pattern}")


def run_job_id(value: str) -> None:
    """Check the name of a Cloud Run job."""
    if not _RUN_JOB_ID.fullmatch(value):
        raise invalid(f"Invalid job_id {value!r}: it must match {_RUN_JOB_ID.pattern}")


def image_version(value: str) -> None:
    """Such as 2.2-debian12; empty for the default one."""
    if value and not _IMAGE.fullmatch(value):
        raise invalid(f"Selected software image version '{value}' is unknown")


def labels(values: Mapping[str, str]) -> None:
    """At most 32; keys begin with a lower-case letter, at most 63 letters, digits, underscores and hyphens."""
    if len(values) > 32:  # noqa: PLR2004
        raise invalid(f"{len(values)} labels are more than 32")
    for key, value in values.items():
        if not _LABEL_KEY.fullmatch(key) or key != key.lower():
            raise invalid(f"Invalid label key {key!r}")
        if not _LABEL_VALUE.fullmatch(value) or value != value.lower():
            raise invalid(f"Invalid value {value!r} of label {key!r}")


def lifetime(name: str, seconds: float, *, least: float) -> None:
    """Check a time to live, at most 14 days."""
    if not least <= seconds <= 14 * DAY:
        raise invalid(f"Invalid value for field '{name}': {seconds:g}s is not between {least:g}s and {14 * DAY}s")


def etag(given: str, known: str) -> None:
    """Check the version that the caller expects; empty for any."""
    if given not in ("", known):
        raise RpcError(Code.ABORTED, f"etag {given} does not match {known}")
