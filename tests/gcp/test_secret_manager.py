"""Secrets of Google Secret Manager, on the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import environment_value
from ai.starlake.gcp.secret_manager import GoogleSecret
from starlake_gcp_emulator import GcpEmulator


@pytest.fixture(scope="module")
def emulator() -> Iterator[GcpEmulator]:
    with GcpEmulator() as emulator:
        emulator.add_secret("projects/shop/secrets/token", "old")
        emulator.add_secret("projects/shop/secrets/token", "hunter2")
        emulator.add_secret("projects/shop/secrets/db", '{"password": "hunter2"}')
        yield emulator


@pytest.mark.parametrize(
    ("name", "version", "value"),
    [
        ("projects/shop/secrets/token", "latest", "hunter2"),
        ("projects/shop/secrets/token/versions/1", "latest", "old"),
        ("token", "latest", "hunter2"),
        ("token", "1", "old"),
    ],
)
def test_a_secret_is_read_by_its_id_or_its_full_name(
    emulator: GcpEmulator, monkeypatch: pytest.MonkeyPatch, name: str, version: str, value: str
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "shop")
    assert GoogleSecret(name, version=version, endpoint=emulator.endpoint).resolve() == value


def test_an_option_refers_to_it_by_the_name_of_the_store(emulator: GcpEmulator) -> None:
    where = {"secret": "db", "project": "shop", "field": "password", "endpoint": emulator.endpoint}
    reference = environment_value("PASSWORD", {"google": where})
    assert not isinstance(reference, str)
    assert reference.resolve() == "hunter2"


def test_a_missing_secret_is_named(emulator: GcpEmulator) -> None:
    with pytest.raises(StarlakeError, match="could not read projects/shop/secrets/tokken/versions/latest"):
        GoogleSecret("projects/shop/secrets/tokken", endpoint=emulator.endpoint).resolve()


def test_an_outage_is_ridden_out(emulator: GcpEmulator) -> None:
    emulator.fault("AccessSecretVersion", "UNAVAILABLE")
    assert GoogleSecret("projects/shop/secrets/token", endpoint=emulator.endpoint).resolve() == "hunter2"


def test_a_missing_field_is_an_error_that_shows_nothing_of_the_secret(emulator: GcpEmulator) -> None:
    with pytest.raises(StarlakeError, match="secrets/db/versions/latest has no field pass") as caught:
        GoogleSecret("projects/shop/secrets/db", field="pass", endpoint=emulator.endpoint).resolve()
    assert "hunter2" not in str(caught.value)


def test_a_refusal_names_the_permission(emulator: GcpEmulator) -> None:
    emulator.fault("AccessSecretVersion", "PERMISSION_DENIED")
    with pytest.raises(StarlakeError, match=r"secretmanager\.versions\.access"):
        GoogleSecret("projects/shop/secrets/token", endpoint=emulator.endpoint).resolve()


def test_without_a_project_the_error_says_where_to_name_one(
    emulator: GcpEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOOGLE_CLOUD_PROJECT", "GCP_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StarlakeError, match="GOOGLE_CLOUD_PROJECT"):
        GoogleSecret("token", endpoint=emulator.endpoint).resolve()
