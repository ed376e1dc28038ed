from __future__ import annotations

import json
import pickle
import sys

import google.cloud
import pytest
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
from google.auth.impersonated_credentials import Credentials as ImpersonatedCredentials
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.common.extras import MissingExtraError
from ai.starlake.executor.remote.progress import duration
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients, storage_client
from ai.starlake.gcp.client.endpoints import GcpEndpoints, host_of, is_insecure
from ai.starlake.gcp.client.google_errors import (
    AlreadyExistsError,
    GcpCallError,
    NotFoundError,
    code_of,
)


class Reporter:
    def __init__(self):
        self.infos = []

    def info(self, message):
        self.infos.append(message)

    def warning(self, message):
        raise AssertionError(message)

    def output(self, stream, line):
        raise AssertionError(line)


class Clock:
    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def calls(clock):
    return Calls(Reporter(), clock=clock, sleep=clock.sleep, mask=lambda text: text.replace("s3cr3t", "***"))


class Method:
    """A method that fails a few times."""

    def __init__(self, error, times=1):
        self.error, self.times, self.timeouts = error, times, []

    def __call__(self, request, *, retry, timeout):
        assert retry is None
        self.timeouts.append(timeout)
        if len(self.timeouts) <= self.times:
            raise self.error
        return request


def by_plugin(text):
    """Return gRPC's error for credentials that cannot be refreshed."""
    return exceptions.ServiceUnavailable(f"Getting metadata from plugin failed with error: {text}")


METADATA = "Failed to retrieve http://metadata/token from the Google Compute Engine metadata service."

TRANSIENT = [
    by_plugin("HTTPSConnectionPool(host='oauth2.googleapis.com'): Max retries exceeded"),
    exceptions.ServiceUnavailable("x"),
    exceptions.InternalServerError("x"),
    exceptions.DeadlineExceeded("x"),
    exceptions.GatewayTimeout("x"),
    exceptions.BadGateway("x"),
    exceptions.ResourceExhausted("x"),
    exceptions.TooManyRequests("x"),
    exceptions.Aborted("x"),
    exceptions.Unknown("x"),
    exceptions.RetryError("x", exceptions.ServiceUnavailable("y")),
    exceptions.Cancelled("x"),
    TransportError("x", retryable=True),
    TransportError("x"),
    RefreshError("x", retryable=True),
    RefreshError(TransportError(f"{METADATA} Status: 503 Response:\nb''")),
    RefreshError("Unable to acquire impersonated credentials", '{"error": {"code": 503, "status": "UNAVAILABLE"}}'),
    RefreshError("Unable to acquire impersonated credentials", '{\n  "error": {\n    "code": 429,'),
    RefreshError("Unable to acquire impersonated credentials", "<html><title>Error 502 (Server Error)!!1</title>"),
    by_plugin("""('Unable to acquire impersonated credentials', '{"error": {"code": 503,\\n "status": "X"}}')"""),
    by_plugin("('Unable to acquire impersonated credentials', '<html><title>502 Server Error</title>')"),
    by_plugin(f"{METADATA} Compute Engine Metadata server unavailable. Response status: 503\nResponse details:\n"),
]
BRIEFLY = [
    exceptions.Unauthenticated("x"),
    exceptions.Unauthorized("x"),
    RefreshError("x", retryable=False),
    RefreshError("Unable to acquire impersonated credentials", ""),
    by_plugin("('Unable to acquire impersonated credentials', '')"),
]
"""Repeated for a minute: a token that expires is refused before its successor is used."""
FINAL = [
    exceptions.PermissionDenied("x"),
    exceptions.InvalidArgument("x"),
    exceptions.NotFound("x"),
    exceptions.AlreadyExists("x"),
    exceptions.FailedPrecondition("x"),
    exceptions.Unauthenticated("invalid_grant"),
    exceptions.MethodNotImplemented("x"),
    exceptions.DataLoss("x"),
    DefaultCredentialsError("x"),
    RefreshError(TransportError(f"{METADATA} Status: 404 Response:\nb''")),
    RefreshError("Unable to acquire impersonated credentials", '{"error": {"code": 403, "status": "DENIED"}}'),
    RefreshError("Unable to acquire impersonated credentials", '{"error": {"code": 404}}'),
    by_plugin("Reauthentication is needed. Please run `gcloud auth application-default login` to reauthenticate."),
    by_plugin("('invalid_grant: Token has been expired or revoked.', {'error': 'invalid_grant'})"),
    by_plugin("('Unable to acquire impersonated credentials', '403 iam.serviceAccounts.getAccessToken denied')"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
@pytest.mark.parametrize("how", ["read", "repeat"])
def test_questions_and_repeatable_orders_are_repeated(calls, error, how):
    method = Method(error, times=3)
    assert getattr(calls, how)(method, "request", what="do it") == "request"
    assert len(calls.report.infos) == 3
    assert "did not do it" in calls.report.infos[0]


@pytest.mark.parametrize("error", BRIEFLY, ids=repr)
def test_credentials_that_are_not_accepted_are_tried_for_a_minute(calls, clock, error):
    assert calls.read(Method(error, times=3), "request", what="do it") == "request"
    started = clock.now
    with pytest.raises(GcpCallError) as caught:
        calls.read(Method(error, times=10**6), "request", what="do it")
    assert 60 <= clock.now - started < 120
    assert (caught.value.code, caught.value.transient, caught.value.definite) == ("UNAUTHENTICATED", True, False)


def test_the_minute_begins_with_the_first_refusal_of_credentials(calls, clock):
    errors = iter([exceptions.ServiceUnavailable("x")] * 10 + [exceptions.Unauthenticated("x")] * 2)

    def method(request, *, retry, timeout):
        error = next(errors, None)
        if error:
            raise error
        return request

    assert calls.read(method, "request", what="do it") == "request"
    assert clock.now > 100


@pytest.mark.parametrize("error", FINAL, ids=repr)
def test_what_is_refused_is_not_repeated(calls, error):
    method = Method(error, times=9)
    with pytest.raises(GcpCallError) as caught:
        calls.read(method, "request", what="do it")
    assert len(method.timeouts) == 1
    assert not caught.value.transient
    assert caught.value.definite == (caught.value.code != "DATA_LOSS")


@pytest.mark.parametrize("error", [*TRANSIENT, *BRIEFLY, *FINAL], ids=repr)
def test_what_must_not_be_repeated_is_not(calls, error):
    method = Method(error, times=9)
    with pytest.raises(GcpCallError):
        calls.once(method, "request", what="do it")
    assert len(method.timeouts) == 1


def test_patience_ends(calls, clock):
    method = Method(exceptions.ServiceUnavailable("s3cr3t"), times=10**6)
    with pytest.raises(GcpCallError, match=r"\*\*\*") as caught:
        calls.read(method, "request", what="do it")
    assert "s3cr3t" not in str(caught.value) + "".join(calls.report.infos)
    assert 600 <= clock.now < 660
    assert len(method.timeouts) < 40


def test_the_line_about_a_repetition_says_why_in_one_line(calls):
    calls.read(Method(exceptions.ServiceUnavailable(f"no route\nto s3cr3t {'x' * 999}")), "request", what="do it")
    (line,) = calls.report.infos
    assert "did not do it (UNAVAILABLE: no route to *** xxx" in line
    assert len(line) < 300
    assert line.count("\n") == 0


def test_pauses_grow_and_differ(calls, clock):
    calls.read(Method(exceptions.ServiceUnavailable("x"), times=10), "request", what="do it")
    assert 1 <= clock.pauses[0] <= 2
    assert clock.pauses[3] > clock.pauses[0]
    assert max(clock.pauses) <= 31
    assert len(set(clock.pauses)) == 10


def test_haste_is_short(calls, clock):
    with pytest.raises(GcpCallError):
        calls.within(15).read(Method(exceptions.ServiceUnavailable("x"), times=10**6), "request", what="do it")
    assert clock.now < 30


def test_other_errors_pass_as_they_are(calls):
    for error in (ValueError("x"), OSError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            calls.read(Method(error), "request", what="do it")


def test_kinds_of_errors(calls):
    for error, kind in ((exceptions.NotFound("x"), NotFoundError), (exceptions.AlreadyExists("x"), AlreadyExistsError)):
        with pytest.raises(kind):
            calls.once(Method(error), "request", what="do it")


@given(st.sampled_from(range(400, 600)))
def test_every_status_of_http_has_a_code(status):
    assert code_of(exceptions.from_http_status(status, "x"))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119.4, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h 0 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("endpoint", "insecure", "host"),
    [
        ("http://127.0.0.1:80/", True, "127.0.0.1:80"),
        ("https://run.example.com", False, "run.example.com"),
        ("run.example.com:443", False, "run.example.com:443"),
    ],
)
def test_addresses(endpoint, insecure, host):
    assert (is_insecure(endpoint), host_of(endpoint)) == (insecure, host)


@pytest.fixture
def credentials(tmp_path, monkeypatch):
    """Write the key file of a service account, which the test uses."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    content = {
        "type": "service_account",
        "project_id": "project-of-the-key",
        "client_email": "me@project.iam.gserviceaccount.com",
        "private_key": pem,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path = tmp_path / "key.json"
    path.write_text(json.dumps(content))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    for name in ("GOOGLE_CLOUD_PROJECT", "GCP_PROJECT", "GCLOUD_PROJECT", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)


def test_google_is_called_with_its_own_addresses(credentials):
    clients = GcpClients(GcpEndpoints(), project=None, region="europe-west1")
    assert clients.project == "project-of-the-key"
    assert clients.clusters.api_endpoint == "europe-west1-dataproc.googleapis.com:443"
    assert clients.run_jobs.api_endpoint == "run.googleapis.com"
    assert clients.logging.api_endpoint == "logging.googleapis.com"
    assert clients.operations is clients.clusters
    assert clients.storage.project == "project-of-the-key"


def test_another_address_is_called_with_credentials(credentials):
    endpoints = GcpEndpoints(cloud_run="https://run.example.com", storage="https://storage.example.com")
    clients = GcpClients(endpoints, project="p", region="r")
    assert clients.executions.api_endpoint == "run.example.com"
    assert clients.storage._connection.API_BASE_URL == "https://storage.example.com"


def test_another_account_is_acted_for(credentials):
    account = "other@project.iam.gserviceaccount.com"
    clients = GcpClients(GcpEndpoints(impersonate=account), project=None, region="r")
    used = clients.run_jobs.transport._credentials
    assert isinstance(used, ImpersonatedCredentials)
    assert used.service_account_email == account
    assert isinstance(storage_client(GcpEndpoints(impersonate=account))._credentials, ImpersonatedCredentials)


def test_no_credentials_are_needed_for_an_emulator(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing"))
    address = "http://127.0.0.1:1"
    clients = GcpClients(GcpEndpoints(address, address, address, address), project="p", region="r")
    assert clients.clusters
    assert clients.spark_jobs
    assert clients.run_jobs
    assert clients.executions
    assert clients.logging
    assert clients.storage


@pytest.mark.parametrize("variable", ["GOOGLE_CLOUD_PROJECT", "GCP_PROJECT"])
def test_the_project_comes_from_the_environment(credentials, monkeypatch, variable):
    monkeypatch.setenv(variable, "project-of-the-environment")
    assert GcpClients(GcpEndpoints(), project=None, region="r").project == "project-of-the-environment"
    assert GcpClients(GcpEndpoints(), project="mine", region="r").project == "mine"


def test_a_project_that_nobody_names_is_an_error(credentials):
    with pytest.raises(StarlakeError, match="cloud_run_project_id"):
        _ = GcpClients(GcpEndpoints(cloud_run="http://127.0.0.1:1"), project=None, region="r").project


@pytest.mark.parametrize(
    ("client", "module", "package"),
    [
        ("clusters", "dataproc_v1", "google-cloud-dataproc"),
        ("spark_jobs", "dataproc_v1", "google-cloud-dataproc"),
        ("run_jobs", "run_v2", "google-cloud-run"),
        ("executions", "run_v2", "google-cloud-run"),
        ("logging", "logging_v2.services.logging_service_v2", "google-cloud-logging"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, client, module, package):
    monkeypatch.setitem(sys.modules, f"google.cloud.{module}", None)
    if "." not in module:
        monkeypatch.delattr(google.cloud, module, raising=False)
    clients = GcpClients(GcpEndpoints(*["http://127.0.0.1:1"] * 4), project="p", region="r")
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed(.|\n)*starlake-jobs\[gcp\]"):
        getattr(clients, client)


def test_a_project_that_only_credentials_could_name_needs_the_extra(monkeypatch):
    for name in ("GOOGLE_CLOUD_PROJECT", "GCP_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(MissingExtraError, match=r"google-auth is not installed(.|\n)*starlake-jobs\[gcp\]"):
        _ = GcpClients(GcpEndpoints(), project=None, region="r").project


def test_errors_survive_the_way_to_another_process():
    error = pickle.loads(pickle.dumps(NotFoundError("look", "NOT_FOUND", "gone", fix="look elsewhere")))
    assert isinstance(error, NotFoundError)
    assert (error.code, error.definite, error.transient, error.fix) == ("NOT_FOUND", True, False, "look elsewhere")
