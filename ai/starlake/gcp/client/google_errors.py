"""Errors of Google Cloud, each with the call, its code and the fix."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from ai.starlake.executor.remote.remote_errors import RemoteCallError

PERMISSIONS: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType(
    {
        ("ClusterControllerClient", "create_cluster"): ("dataproc.clusters.create", "iam.serviceAccounts.actAs"),
        ("ClusterControllerClient", "get_cluster"): ("dataproc.clusters.get",),
        ("ClusterControllerClient", "list_clusters"): ("dataproc.clusters.list",),
        ("ClusterControllerClient", "delete_cluster"): ("dataproc.clusters.delete",),
        ("ClusterControllerClient", "get_operation"): ("dataproc.operations.get",),
        ("JobControllerClient", "submit_job"): ("dataproc.jobs.create", "dataproc.clusters.use"),
        ("JobControllerClient", "get_job"): ("dataproc.jobs.get",),
        ("JobControllerClient", "list_jobs"): ("dataproc.jobs.list",),
        ("JobControllerClient", "cancel_job"): ("dataproc.jobs.cancel",),
        ("JobsClient", "run_job"): ("run.jobs.run", "run.jobs.runWithOverrides"),
        ("JobsClient", "get_job"): ("run.jobs.get",),
        ("JobsClient", "create_job"): ("run.jobs.create", "iam.serviceAccounts.actAs"),
        ("JobsClient", "update_job"): ("run.jobs.update", "iam.serviceAccounts.actAs"),
        ("ExecutionsClient", "get_execution"): ("run.executions.get",),
        ("ExecutionsClient", "list_executions"): ("run.executions.list",),
        ("ExecutionsClient", "cancel_execution"): ("run.executions.cancel",),
        ("ExecutionsClient", "wait_operation"): ("run.operations.get",),
        ("LoggingServiceV2Client", "list_log_entries"): ("logging.logEntries.list",),
        ("SecretManagerServiceClient", "access_secret_version"): ("secretmanager.versions.access",),
        ("Client", "list_blobs"): ("storage.objects.list",),
        ("Bucket", "get_blob"): ("storage.objects.get", "storage.objects.list"),
        ("Blob", "delete"): ("storage.objects.delete",),
        ("Blob", "rewrite"): ("storage.objects.get", "storage.objects.create"),
    }
)
"""The IAM permissions that each call requires, by client and method: Google's reference of permissions per method."""

_REFUSED = frozenset(
    {
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
    }
)
_TRANSIENT = frozenset(
    {"UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "UNKNOWN", "CANCELLED"}
)
"""Error codes after which the same call may succeed. CANCELLED is one: Google's services send it at random, and this
library never cancels a call of its own."""

_BRIEFLY = 60.0
"""Seconds for which a call with rejected credentials is repeated: a token that expires during a long job is rejected
once or twice before its successor is used."""


class GcpCallError(RemoteCallError):
    """A call to Google Cloud failed.

    Args:
        what: Description of the call, such as ``start Cloud Run job x``.
        code: The canonical code, such as ``UNAVAILABLE``.
        message: Message of the service, secrets masked.
        fix: Advice for the user.
        patience: Seconds for which repeating the call may help; by default those of the code.
    """

    def __init__(
        self, what: str, code: str, message: str, *, fix: str | None = None, patience: float | None = None
    ) -> None:
        super().__init__(f"Google Cloud could not {what}", cause=f"{code}: {message}", fix=fix)
        self.what = what
        self.code = code
        self.message = message
        self.patience = _patience(code, message) if patience is None else patience
        self.definite = code in _REFUSED and not self.transient
        self.missing = code == "NOT_FOUND"

    @property
    def passes(self) -> bool:
        """True if the obstacle may disappear within minutes, as an outage or the state of a job does."""
        return self.transient or self.code == "FAILED_PRECONDITION"


class PermissionDeniedError(GcpCallError):
    """The account is not permitted to make the call. The error names the required permissions."""


class NotFoundError(GcpCallError):
    """The resource does not exist, or is not visible to this account."""


class AlreadyExistsError(GcpCallError):
    """The resource exists already."""


_KINDS: dict[str, type[GcpCallError]] = {
    "PERMISSION_DENIED": PermissionDeniedError,
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
}

_FIXES = {
    "UNAUTHENTICATED": "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS; to act for"
    " another account takes roles/iam.serviceAccountTokenCreator on it",
    "RESOURCE_EXHAUSTED": "request a higher quota, or run fewer steps or tasks at once with a pool",
    "UNAVAILABLE": "try again later; https://status.cloud.google.com shows outages",
}
"""Fixes, for codes that determine the fix."""

_REVOKED = ("invalid_grant", "invalid_client", "unauthorized_client", "Reauthentication", "credentials were not found")
"""Messages of google-auth about credentials that will not work later either: expired, revoked or missing. With gRPC it
is a string within UNAVAILABLE, like a network failure."""

_IMPERSONATION = "impersonated credentials"
"""Message of google-auth if the token service for another account answered with a status other than 200."""

_STATUS = re.compile(r"""(?:"code":\s*|[Ss]tatus(?:\ code)?:\s*|<title>\D{0,20}|['"]\s*)([45]\d\d)\b""")
"""The HTTP status within a message of google-auth, which quotes the answer of the token service."""

_PASSING_STATUS = frozenset({408, 429, *range(500, 600)})

_BY_HTTP_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def code_of(error: BaseException) -> str | None:
    """Return the canonical code of an error of Google's clients, or of one of ours for it; None for other errors."""
    if isinstance(error, GcpCallError):
        return error.code
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError

    if isinstance(error, RetryError):
        return code_of(error.cause) if error.cause else "DEADLINE_EXCEEDED"
    if isinstance(error, GoogleAPICallError):
        return _code_of_call(error)
    if isinstance(error, GoogleAuthError):
        return _code_of_credentials(str(error), "UNAVAILABLE" if _is_passing(error) else "UNAUTHENTICATED")
    if isinstance(error, OSError) and type(error).__module__.partition(".")[0] in ("requests", "urllib3"):
        return "UNAVAILABLE"
    return None


def _code_of_call(error: Any) -> str:
    status = error.grpc_status_code
    code = str(status.name) if status is not None else _BY_HTTP_STATUS.get(int(error.code or 0), "UNKNOWN")
    text = str(error.message)
    by_plugin = code == "UNAVAILABLE" and "metadata from plugin failed" in text
    return _code_of_credentials(text, code) if by_plugin else code


def _is_passing(error: Any) -> bool:
    """Return True if the token service could not be reached, or reports that it is unavailable."""
    from google.auth.exceptions import TransportError

    behind = (error, error.__cause__, *error.args)
    return bool(getattr(error, "retryable", False)) or any(isinstance(each, TransportError) for each in behind)


def _code_of_credentials(text: str, code: str) -> str:
    """Return the code of an answer of the token service.

    Args:
        text: The message of google-auth.
        code: The code if the message does not determine it.
    """
    if any(sign in text for sign in _REVOKED):
        return "UNAUTHENTICATED"
    status = _STATUS.search(text)
    if status:
        return "UNAVAILABLE" if int(status[1]) in _PASSING_STATUS else "UNAUTHENTICATED"
    return "UNAUTHENTICATED" if _IMPERSONATION in text else code


def patience_of(error: BaseException) -> float:
    """Return the seconds for which repeating the call that raised an error may help; 0 if it does not help."""
    if isinstance(error, GcpCallError):
        return error.patience
    from google.auth.exceptions import DefaultCredentialsError

    code = code_of(error)
    if code is None or isinstance(error, DefaultCredentialsError):
        return 0.0
    return _patience(code, str(error))


def _patience(code: str, text: str) -> float:
    if code in _TRANSIENT:
        return math.inf
    if code != "UNAUTHENTICATED" or any(sign in text for sign in _REVOKED):
        return 0.0
    status = _STATUS.search(text)
    return 0.0 if status and int(status[1]) not in (401, *_PASSING_STATUS) else _BRIEFLY


def permissions_of(method: object) -> tuple[str, ...]:
    """Return the IAM permissions that a method of one of Google's clients requires; empty if unknown."""
    owner = type(getattr(method, "__self__", None)).__name__
    return PERMISSIONS.get((owner, getattr(method, "__name__", "")), ())


def said_by(error: BaseException) -> str:
    """Return the message of the service, or of the client that could not reach it."""
    return str(getattr(error, "message", None) or error)


@contextmanager
def explained(what: str, permissions: tuple[str, ...] = (), mask: Callable[[str], str] = str) -> Iterator[None]:
    """Raise our errors in place of those of Google's clients; other errors propagate.

    The error of the client does not become the cause of ours: it contains the unmasked message of the service.

    Args:
        what: Description of the call.
        permissions: The IAM permissions that it requires.
        mask: Masks secrets in the message of the service.

    Raises:
        GcpCallError: If the call fails.
    """
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        code = code_of(error)
        if code is None:
            raise
        fix = _FIXES.get(code)
        if code == "PERMISSION_DENIED" and permissions:
            fix = f"grant the account {' and '.join(permissions)}; docs/gcp.md names roles that hold them"
        said, patience = mask(said_by(error)), patience_of(error)
        raise _KINDS.get(code, GcpCallError)(what, code, said, fix=fix, patience=patience) from None
