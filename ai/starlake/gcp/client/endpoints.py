"""Where the services of Google Cloud are, and on whose behalf they are called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GcpEndpoints:
    """The addresses of the services.

    An address that begins with ``http://`` is called in the clear and without credentials, as an emulator is.
    ``https://...``, a bare ``host:port``, and None, which stands for Google's own address, are called with TLS and the
    Application Default Credentials.

    Args:
        dataproc: Of Dataproc; by default that of the region.
        cloud_run: Of Cloud Run.
        storage: Of Cloud Storage; by default what the variable STORAGE_EMULATOR_HOST says, else Google's.
        logging: Of Cloud Logging.
        impersonate: The e-mail address of a service account on whose behalf calls are made.
    """

    dataproc: str | None = None
    cloud_run: str | None = None
    storage: str | None = None
    logging: str | None = None
    impersonate: str | None = None


def gs_uri(text: str) -> str:
    """Return the same location as Google's libraries write it: ``gcs://`` is ``gs://``; any other text as it is."""
    return f"gs://{text.removeprefix('gcs://')}" if text.startswith("gcs://") else text


def is_insecure(endpoint: str | None) -> bool:
    """Return whether an address is called in the clear and without credentials."""
    return bool(endpoint) and str(endpoint).startswith("http://")


def host_of(endpoint: str) -> str:
    """Return the ``host:port`` of an address."""
    return endpoint.partition("://")[2].rstrip("/") if "://" in endpoint else endpoint.rstrip("/")
