"""Projects on Cloud Storage: what reads their YAML files reaches it as the options of the job say.

They are read through fsspec, whose driver for Cloud Storage is gcsfs; pre-load checks and the recovery of files have
`ai.starlake.gcp.cloud_storage`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ai.starlake.common.storage.location import storage_settings
from ai.starlake.gcp.client.clients import default_credentials
from ai.starlake.gcp.client.endpoints import is_insecure
from ai.starlake.gcp.gcp_options import GcpOptions

_SCHEMES = ("gs", "gcs")
_NO_QUESTIONS = "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"
"""Read by gcsfs when it is imported: whether it asks Google, by gRPC and nowhere else, for the kind of each bucket. An
emulator has no answer to that, and every look would take a minute and a half (gcsfs 2026.3 and later)."""


@contextmanager
def cloud_storage(settings: GcpOptions) -> Iterator[None]:
    """Within the block, and in this thread, files on Cloud Storage are reached as the options say.

    Those of projects are so in all threads: fsspec keeps its settings for the whole process.

    Args:
        settings: The options of the job.

    Raises:
        GcpCallError: If there are no credentials to act for another account with.
    """
    with storage_settings(settings.storage_settings), _fsspec_settings(settings):
        yield


@contextmanager
def _fsspec_settings(settings: GcpOptions) -> Iterator[None]:
    from fsspec.config import conf

    before = {scheme: conf.get(scheme) for scheme in _SCHEMES}
    given = _gcsfs_arguments(settings)
    if is_insecure(settings.storage_endpoint):
        os.environ.setdefault(_NO_QUESTIONS, "false")
    try:
        for scheme in _SCHEMES:
            conf[scheme] = {**(before[scheme] or {}), **given}
        yield
    finally:
        for scheme, known in before.items():
            if known is None:
                del conf[scheme]
            else:
                conf[scheme] = known


def _gcsfs_arguments(settings: GcpOptions) -> dict[str, Any]:
    endpoint = settings.storage_endpoint
    given: dict[str, Any] = {"endpoint_url": endpoint.rstrip("/")} if endpoint else {}
    if is_insecure(endpoint):
        return {**given, "token": "anon"}
    if settings.impersonated:
        given["token"] = default_credentials(settings.impersonated)[0]
    return given
