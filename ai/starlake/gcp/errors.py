"""What can go wrong between us and Google Cloud, each error with the call, its code and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from ai.starlake.common import StarlakeError

INSTALL = 'pip install "starlake-jobs[gcp]"'

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
        ("ExecutionsClient", "get_execution"): ("run.executions.get",),
        ("ExecutionsClient", "list_executions"): ("run.executions.list",),
        ("ExecutionsClient", "cancel_execution"): ("run.executions.cancel",),
        ("ExecutionsClient", "wait_operation"): ("run.operations.get",),
        ("LoggingServiceV2Client", "list_log_entries"): ("logging.logEntries.list",),
        ("Client", "list_blobs"): ("storage.objects.list",),
        ("Bucket", "get_blob"): ("storage.objects.get", "storage.objects.list"),
        ("Blob", "delete"): ("storage.objects.delete",),
        ("Blob", "rewrite"): ("storage.objects.get", "storage.objects.create"),
    }
)
"""The IAM permissions that each call needs, by client and method: Google's reference of permissions per method."""

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
_TRANSIENT = frozenset({"UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "UNKNOWN"})


class MissingExtraError(StarlakeError):
    """A package of Google's is not installed.

    Args:
        package: Its name, as pip knows it.
        error: What the import said.
    """

    def __init__(self, package: str, error: ImportError) -> None:
        super().__init__(f"{package} is not installed in this Python environment", cause=str(error), fix=INSTALL)


class GcpCallError(StarlakeError):
    """A call of Google Cloud did not succeed.

    Args:
        what: What the call was to do, such as ``start Cloud Run job x``.
        code: The canonical code, such as ``UNAVAILABLE``.
        message: What the service said, secrets masked.
        fix: What the user can do about it.
    """

    def __init__(self, what: str, code: str, message: str, *, fix: str | None = None) -> None:
        self.what = what
        self.code = code
        self.message = message
        super().__init__(f"Google Cloud could not {what}", cause=f"{code}: {message}", fix=fix)

    @property
    def definite(self) -> bool:
        """Whether the service refused; otherwise the call may have had its effect all the same."""
        return self.code in _REFUSED

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.code in _TRANSIENT


class PermissionDeniedError(GcpCallError):
    """The account may not make the call. The error names the permissions that it needs."""


class NotFoundError(GcpCallError):
    """There is no such thing, or it is not visible to this account."""


class AlreadyExistsError(GcpCallError):
    """There is such a thing already."""


_KINDS: dict[str, type[GcpCallError]] = {
    "PERMISSION_DENIED": PermissionDeniedError,
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
}

_FIXES = {
    "UNAUTHENTICATED": "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS; to act for"
    " another account takes roles/iam.serviceAccountTokenCreator on it",
    "RESOURCE_EXHAUSTED": "ask for a higher quota, or run fewer steps at once with a Dagster pool",
    "UNAVAILABLE": "try again later; https://status.cloud.google.com shows outages",
}
"""What the user can do, where the code alone tells."""

_REVOKED = ("invalid_grant", "invalid_client", "unauthorized_client", "Reauthentication", "impersonated credentials")
"""What google-auth says about credentials that will not do any better later: expired, revoked, or not allowed to act
for another account. By gRPC it arrives as a text within UNAVAILABLE, like a network that is down."""

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
    """The canonical code of an error of Google's clients, or of one of ours about them; None for any other error."""
    if isinstance(error, GcpCallError):
        return error.code
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

    if isinstance(error, RetryError):
        return code_of(error.cause) if error.cause else "DEADLINE_EXCEEDED"
    if isinstance(error, GoogleAPICallError):
        return _code_of_call(error)
    if isinstance(error, GoogleAuthError):
        final = isinstance(error, DefaultCredentialsError) or not getattr(error, "retryable", False)
        return "UNAUTHENTICATED" if final else "UNAVAILABLE"
    if isinstance(error, OSError) and type(error).__module__.partition(".")[0] in ("requests", "urllib3"):
        return "UNAVAILABLE"
    return None


def _code_of_call(error: Any) -> str:
    status = error.grpc_status_code
    code = str(status.name) if status is not None else _BY_HTTP_STATUS.get(int(error.code or 0), "UNKNOWN")
    text = str(error.message)
    by_plugin = code == "UNAVAILABLE" and "metadata from plugin failed" in text
    return "UNAUTHENTICATED" if by_plugin and any(sign in text for sign in _REVOKED) else code


def is_transient(error: BaseException) -> bool:
    """Whether the call that raised an error may succeed a little later."""
    return code_of(error) in _TRANSIENT


def permissions_of(method: object) -> tuple[str, ...]:
    """The IAM permissions that a method of one of Google's clients needs; none where they are not known."""
    owner = type(getattr(method, "__self__", None)).__name__
    return PERMISSIONS.get((owner, getattr(method, "__name__", "")), ())


def said_by(error: BaseException) -> str:
    """What the service said, or whoever could not reach it."""
    return str(getattr(error, "message", None) or error)


@contextmanager
def explained(what: str, permissions: tuple[str, ...] = (), mask: Callable[[str], str] = str) -> Iterator[None]:
    """Raises our errors in place of those of Google's clients; other errors pass as they are.

    The error of the client does not become the cause of ours: it holds what the service said, unmasked.

    Args:
        what: What a call is to do.
        permissions: The IAM permissions that it needs.
        mask: Masks secrets in what the service said.

    Raises:
        GcpCallError: If the call does not succeed.
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
        raise _KINDS.get(code, GcpCallError)(what, code, mask(said_by(error)), fix=fix) from None
