"""Secrets of AWS Secrets Manager, on moto."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar

import boto3
import pytest
from moto import mock_aws

from ai.starlake.aws.secrets_manager import AwsSecret
from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import environment_value


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.fixture
def aws(credentials: None) -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("secretsmanager")


def test_a_secret_is_read_by_name_and_by_arn(aws: Any) -> None:
    arn = aws.create_secret(Name="prod/token", SecretString="hunter2")["ARN"]
    assert AwsSecret("prod/token").resolve() == "hunter2"
    assert AwsSecret(arn).resolve() == "hunter2"


def test_an_option_refers_to_it_by_the_name_of_the_store(aws: Any) -> None:
    aws.create_secret(Name="prod/db", SecretString='{"username": "ada", "password": "hunter2"}')
    reference = environment_value("PASSWORD", {"aws": {"secret": "prod/db", "field": "password"}})
    assert not isinstance(reference, str)
    assert reference.resolve() == "hunter2"


def test_the_version_before_is_at_hand_while_a_secret_is_rotated(aws: Any) -> None:
    aws.create_secret(Name="prod/token", SecretString="old")
    aws.put_secret_value(SecretId="prod/token", SecretString="new")
    assert [AwsSecret("prod/token", stage=stage).resolve() for stage in ("AWSCURRENT", "AWSPREVIOUS")] == ["new", "old"]


def test_another_region_has_other_secrets(aws: Any) -> None:
    aws.create_secret(Name="prod/token", SecretString="hunter2")
    with pytest.raises(StarlakeError, match=r"prod/token .* cannot be read(.|\n)*correct the name .* its region"):
        AwsSecret("prod/token", region="us-east-1").resolve()


@pytest.mark.parametrize(("content", "works"), [(b"hunter2", True), (b"\xff\xfehunter2", False)])
def test_binary_secrets_are_read_if_they_are_strings(aws: Any, content: bytes, works: bool) -> None:
    aws.create_secret(Name="prod/token", SecretBinary=content)
    if works:
        assert AwsSecret("prod/token").resolve() == "hunter2"
        return
    with pytest.raises(StarlakeError, match="is not a string") as caught:
        AwsSecret("prod/token").resolve()
    assert "hunter2" not in str(caught.value)


def test_without_a_region_the_error_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(StarlakeError, match="see that the process has credentials and a region"):
        AwsSecret("prod/token").resolve()


class Restarting(BaseHTTPRequestHandler):
    """Answers as Secrets Manager does, but for the first call."""

    calls: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.calls.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.calls[1:] else 503)
        self.end_headers()
        self.wfile.write(b'{"Name": "prod/token", "SecretString": "hunter2"}' if self.calls[1:] else b"{}")

    def log_message(self, *_: object) -> None: ...


@pytest.mark.usefixtures("credentials")
def test_an_outage_is_ridden_out() -> None:
    server = HTTPServer(("127.0.0.1", 0), Restarting)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    assert AwsSecret("prod/token", endpoint=f"http://127.0.0.1:{server.server_port}").resolve() == "hunter2"
    assert len(Restarting.calls) == 2
    server.shutdown()
    server.server_close()
