"""URLs of the services of Google Cloud, and the service account that calls them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GcpEndpoints:
    """URLs of the services.

    A URL that begins with ``http://`` is called without TLS and without credentials, as an emulator is.
    ``https://...``, a bare ``host:port``, and None, which means Google's own URL, are called with TLS and the
    Application Default Credentials.

    Args:
        dataproc: URL of Dataproc; by default that of the region.
        cloud_run: URL of Cloud Run.
        storage: URL of Cloud Storage; by default the variable STORAGE_EMULATOR_HOST, else that of Google.
        logging: URL of Cloud Logging.
        impersonate: E-mail address of the service account to impersonate.
    """

    dataproc: str | None = None
    cloud_run: str | None = None
    storage: str | None = None
    logging: str | None = None
    impersonate: str | None = None


def gs_uri(text: str) -> str:
    """Return a location in the form of Google's libraries: ``gs://`` for ``gcs://``; any other string unchanged."""
    return f"gs://{text.removeprefix('gcs://')}" if text.startswith("gcs://") else text


def is_insecure(endpoint: str | None) -> bool:
    """Return True if a URL is called without TLS and credentials."""
    return bool(endpoint) and str(endpoint).startswith("http://")


def host_of(endpoint: str) -> str:
    """Return the ``host:port`` of a URL."""
    return endpoint.partition("://")[2].rstrip("/") if "://" in endpoint else endpoint.rstrip("/")
