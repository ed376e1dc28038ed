"""Secrets that a resource of Dagster holds reach commands, and nothing that Dagster stores."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import ConfigurableResource, DagsterInstance, job

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.resource_secrets import ResourceField
from ai.starlake.dagster.shell import StarlakeDagsterShellJob


class Vault(ConfigurableResource):  # type: ignore[type-arg]
    """A resource of a user's own."""

    token: str

    def login(self) -> dict[str, str]:
        return {"password": self.token}


def secret_job(tmp_path: Path, where: str) -> StarlakeDagsterShellJob:
    script = tmp_path / "starlake"
    script.write_text(f'#!/bin/sh\nprintf %s "$PASSWORD" > {tmp_path}/seen\necho "I got $PASSWORD"\n')
    script.chmod(0o755)
    environment = {"SL_ROOT": str(tmp_path), "PASSWORD": {"resource": where}}
    return StarlakeDagsterShellJob(options={"sl_env_var": environment, "SL_STARLAKE_PATH": str(script)})


def run(tmp_path: Path, where: str, instance: DagsterInstance) -> bool:
    load = secret_job(tmp_path, where).sl_load(None, "shop", "orders")

    @job(resource_defs={"vault": Vault(token="hunter2hunter2")})
    def nightly() -> None:
        load()

    return nightly.execute_in_process(instance=instance, raise_on_error=False).success


@pytest.mark.parametrize("where", ["vault.token", "vault.login.password"])
def test_a_field_of_a_resource_reaches_the_command_and_no_event(tmp_path: Path, where: str) -> None:
    with DagsterInstance.ephemeral() as instance:
        assert run(tmp_path, where, instance)
        events = [
            str(entry)
            for record in instance.get_run_records()
            for entry in instance.all_logs(record.dagster_run.run_id)
        ]
    assert (tmp_path / "seen").read_text() == "hunter2hunter2"
    assert not [event for event in events if "hunter2hunter2" in event]


@pytest.mark.parametrize(
    ("where", "problem"),
    [("vault.tokken", "has no tokken"), ("vault.login", "is not a string"), ("vault", "not a string")],
)
def test_a_field_that_does_not_exist_fails_the_step_with_its_name(tmp_path: Path, where: str, problem: str) -> None:
    with DagsterInstance.ephemeral() as instance:
        assert not run(tmp_path, where, instance)
        run_id = instance.get_run_records()[0].dagster_run.run_id
        errors = " ".join(str(entry.dagster_event) for entry in instance.all_logs(run_id))
    assert problem in errors
    assert not (tmp_path / "seen").exists()


def test_outside_of_a_step_the_error_says_why() -> None:
    with pytest.raises(StarlakeError, match="the resource vault is not known here"):
        ResourceField("vault.token").resolve()


def test_ops_require_the_resources_of_their_secrets(tmp_path: Path) -> None:
    op = secret_job(tmp_path, "vault.token").sl_load(None, "shop", "orders")
    assert set(op.required_resource_keys) == {"vault"}


def test_ops_require_the_resources_of_the_secrets_of_profiles(tmp_path: Path) -> None:
    profiles = {"cloud": {"polars": {"client_secret": {"resource": "safe.secret"}}}}
    sl_job = StarlakeDagsterShellJob(options={"compute": profiles, "SL_STARLAKE_PATH": str(tmp_path / "starlake")})
    assert set(sl_job.sl_load(None, "shop", "orders").required_resource_keys) == {"safe"}
    assert set(sl_job.dummy_op("nothing").required_resource_keys) == set()
