"""Secrets that resources hold, in the steps of assets. Its annotations are postponed, as those of users may be."""

from __future__ import annotations

from typing import Any

import dagster
import pytest
from dagster import AssetExecutionContext, ConfigurableResource, Definitions, EnvVar, build_sensor_context, materialize

from ai.starlake.dagster import StarlakeResource, build_starlake_definitions, starlake_assets
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from tests.dagster.assets.conftest import Folder

SECRET = "hunter2-hunter2"


class Vault(ConfigurableResource[Any]):
    """A resource of a user's own."""

    token: str


@pytest.fixture
def options(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Options by which a fake starlake gets a field of the resource, and writes it down."""
    monkeypatch.setenv("THE_TOKEN", SECRET)
    script = folder.root.parent / "starlake"
    script.write_text(f'#!/bin/sh\nprintf %s "$TOKEN" > {folder.root.parent}/seen\necho "with $TOKEN"\n')
    script.chmod(0o700)
    folder.table("shop", "orders")
    folder.task("kpis", "sales", "select 1 as id")
    return {"SL_STARLAKE_PATH": str(script), "sl_env_var": {"TOKEN": {"resource": "vault.token"}}}


@pytest.fixture
def vault() -> dict[str, Any]:
    return {"vault": Vault(token=EnvVar("THE_TOKEN"))}


def seen(folder: Folder) -> str:
    return (folder.root.parent / "seen").read_text()


def whole_job(definitions: Definitions) -> Any:
    renamed = getattr(definitions, "resolve_implicit_global_asset_job_def", None)
    return renamed() if renamed else definitions.get_implicit_global_asset_job_def()


def test_steps_require_the_resource_and_read_it(
    folder: Folder, options: dict[str, Any], vault: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    made = build_starlake_definitions(folder.project, StarlakeDagsterShellJob(options=options), rejects=True)
    job = whole_job(Definitions.merge(made, Definitions(resources=vault)))
    steps = [node.definition for node in job.nodes if not node.name.endswith("rejected")]
    assert steps
    assert [step.name for step in steps if "vault" not in step.required_resource_keys] == []
    assert job.execute_in_process().success
    assert seen(folder) == SECRET
    assert "with ***" in capfd.readouterr().out


def test_the_replay_of_rejected_rows_requires_it_too(folder: Folder, options: dict[str, Any]) -> None:
    made = build_starlake_definitions(folder.project, StarlakeDagsterShellJob(options=options), rejects=True)
    (replay,) = [job for job in made.jobs or () if job.name.endswith("replay_rejects")]
    assert "vault" in {key for node in replay.nodes for key in node.definition.required_resource_keys}


def test_a_resource_of_commands_reads_it_where_the_step_takes_both(
    folder: Folder, options: dict[str, Any], vault: dict[str, Any]
) -> None:
    @starlake_assets(project=folder.project, select="kpis.sales")
    def bakery(context: AssetExecutionContext, starlake: StarlakeResource, vault: Vault):
        yield from starlake.run(context)

    resources = {"starlake": StarlakeResource(executor="shell", options=options), **vault}
    assert materialize([bakery], resources=resources).success
    assert seen(folder) == SECRET


def test_without_it_the_error_says_what_to_add(folder: Folder, options: dict[str, Any], vault: dict[str, Any]) -> None:
    @starlake_assets(project=folder.project, select="kpis.sales")
    def bakery(context: AssetExecutionContext, starlake: StarlakeResource):
        yield from starlake.run(context)

    resources = {"starlake": StarlakeResource(executor="shell", options=options), **vault}
    result = materialize([bakery], resources=resources, raise_on_error=False)
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "TOKEN of option sl_env_var has no value" in failed.step_failure_data.error.message
    assert "make vault a parameter of the function of the step" in failed.step_failure_data.error.message


def test_the_file_sensor_does_without_it(folder: Folder, options: dict[str, Any], vault: dict[str, Any]) -> None:
    directory = "{{SL_ROOT}}/incoming/shop"
    folder.write("load/shop/_config.sl.yml", f"load:\n  name: shop\n  metadata: {{directory: '{directory}'}}\n")
    (folder.root / "incoming/shop").mkdir(parents=True)
    (folder.root / "incoming/shop/orders_1.csv").write_text("id\n1\n")
    sl_job = StarlakeDagsterShellJob(options=options)
    made = build_starlake_definitions(folder.project, sl_job)
    definitions = Definitions.merge(made, Definitions(resources=vault))
    (sensor,) = [each for each in definitions.sensors or () if each.name.endswith("_files")]
    with dagster.instance_for_test() as instance:
        found = sensor.evaluate_tick(build_sensor_context(instance, definitions=definitions))
    assert found.skip_message == "no new files; shop.orders: orders_1.csv may still be written"
