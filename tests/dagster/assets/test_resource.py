"""Steps whose function a user writes, with a resource that runs the commands."""

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import (
    AssetExecutionContext,
    AssetKey,
    Definitions,
    EnvVar,
    OpExecutionContext,
    RetryPolicy,
    StaticPartitionsDefinition,
    asset,
    materialize,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import StarlakeResource, starlake_assets
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.job import EnvironmentReference
from tests.dagster.assets.conftest import Folder
from tests.dagster.assets.reporting import ReportingJob, loaded, run


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """Two loaded tables, and a task that reads one of them."""
    folder.table("shop", "orders")
    folder.table("shop", "clients")
    folder.task("kpis", "sales", "select id from shop.orders")
    return folder


def reports(**changes: TableOutcome) -> dict[str, TableOutcome]:
    usual = {"shop.orders": loaded("shop.orders"), "shop.clients": loaded("shop.clients")}
    return {**usual, "kpis.sales": TableOutcome("kpis.sales", checks=()), **changes}


def definitions(
    shop: Folder, sl_job: ReportingJob, overrides: dict[str, Any] | None = None, **arguments: Any
) -> Definitions:
    @starlake_assets(project=shop.project, **arguments)
    def bakery(context: AssetExecutionContext, starlake: StarlakeResource):
        yield from starlake.run(context, **(overrides or {}))

    return Definitions([bakery], resources={"starlake": StarlakeResource.from_job(sl_job)})


def test_a_function_materializes_a_project_in_one_step(shop: Folder) -> None:
    sl_job = ReportingJob(reports())
    ran = run(definitions(shop, sl_job))
    assert ran.success
    assert ran.made == {"shop/orders", "shop/clients", "kpis/sales"}
    assert sl_job.reporting.commands == ["load shop.clients", "load shop.orders", "transform kpis.sales"]


def test_the_function_may_say_what_it_yields(shop: Folder) -> None:
    @starlake_assets(project=shop.project)
    def bakery(context: AssetExecutionContext, starlake: StarlakeResource) -> Iterator[Any]:
        yield from starlake.run(context)

    sl_job = ReportingJob(reports())
    made = run(Definitions([bakery], resources={"starlake": StarlakeResource.from_job(sl_job)})).made
    assert made == {"shop/orders", "shop/clients", "kpis/sales"}


def test_a_part_of_the_step_runs_its_commands_only(shop: Folder) -> None:
    sl_job = ReportingJob(reports())
    assert run(definitions(shop, sl_job), assets=["shop/orders", "kpis/sales"]).made == {"shop/orders", "kpis/sales"}
    assert sl_job.reporting.commands == ["load shop.orders", "transform kpis.sales"]


def test_a_table_that_fails_stops_what_reads_it_and_nothing_else(shop: Folder) -> None:
    failing = TableOutcome("shop.orders", error="disk full")
    sl_job = ReportingJob(reports(**{"shop.orders": failing}))
    ran = run(definitions(shop, sl_job))
    assert not ran.success
    assert ran.made == {"shop/clients"}
    assert "disk full" in ran.failure
    assert sl_job.reporting.commands == ["load shop.clients", "load shop.orders"]


def test_the_arguments_of_the_decorator_reach_its_step(shop: Folder) -> None:
    policy, parts = RetryPolicy(max_retries=2), StaticPartitionsDefinition(["a", "b"])

    @starlake_assets(
        project=shop.project,
        select="shop",
        exclude="shop.clients",
        name="loads",
        asset_prefix=["lake"],
        partitions_def=parts,
        pool="few",
        retry_policy=policy,
        op_tags={"team": "bakery"},
    )
    def bakery(context: OpExecutionContext, starlake: StarlakeResource):
        yield from starlake.run(context)

    assert bakery.keys == {AssetKey(["lake", "shop", "orders"])}
    assert bakery.partitions_def == parts
    assert (bakery.op.name, bakery.op.retry_policy, bakery.op.pool) == ("loads", policy, "few")
    assert bakery.op.tags["team"] == "bakery"
    sl_job = ReportingJob(reports())
    result = materialize([bakery], resources={"starlake": StarlakeResource.from_job(sl_job)}, partition_key="b")
    [made] = result.get_asset_materialization_events()
    assert made.partition == "b"


def test_options_of_a_call_take_the_place_of_those_of_the_job(shop: Folder) -> None:
    bad = TableOutcome("shop.orders", StarlakeCounts(10, 9, 1, files=True), checks=())
    sl_job = ReportingJob(reports(**{"shop.orders": bad}))
    assert run(definitions(shop, sl_job)).success
    ran = run(definitions(shop, sl_job, {"max_rejected": 0}))
    assert not ran.success
    assert "1 of 10 rows are rejected" in ran.failure


def test_an_unknown_option_of_a_call_is_an_error(shop: Folder) -> None:
    ran = run(definitions(shop, ReportingJob(reports()), {"max_rejekted": 0}))
    assert "max_rejekted: not an option of a job" in ran.failure


def test_substitutions_of_a_call_reach_all_commands(shop: Folder) -> None:
    sl_job = ReportingJob(reports())
    run(definitions(shop, sl_job, {"options": {"country": "FR"}}), assets=["shop/orders"])
    assert dict(sl_job.reporting.last.options) == {"country": "FR"}


def test_a_resource_is_made_of_the_name_of_an_executor() -> None:
    resource = StarlakeResource(executor="embedded", options={"max_rejected": "5%"})
    assert isinstance(resource.sl_job, StarlakeDagsterEmbeddedJob)
    assert str(resource.sl_job.settings.max_rejected) == "5%"


def test_a_step_that_is_not_of_a_project_says_so() -> None:
    @asset
    def mine(context: AssetExecutionContext, starlake: StarlakeResource):
        yield from starlake.run(context)

    result = materialize([mine], resources={"starlake": StarlakeResource()}, raise_on_error=False)
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert "mine is not a step of @starlake_assets" in failed.step_failure_data.error.message


def test_a_selection_without_anything_is_an_error(shop: Folder) -> None:
    with pytest.raises(StarlakeError, match="there is no table and no task"):
        definitions(shop, ReportingJob({}), select="shop", exclude="shop")


def test_environment_variables_are_named_and_read_in_the_step(shop: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    @starlake_assets(project=shop.project, select="shop.orders")
    def bakery(context: AssetExecutionContext, starlake: StarlakeResource):
        seen.append((starlake.executor, starlake.sl_job.settings.environment, repr(starlake)))
        yield from starlake.run(context, nothing_to_load="materialize")

    secrets = {"DB_PASSWORD": {"env": "PASSWORD"}, "TOKEN": EnvVar("PASSWORD")}
    resource = StarlakeResource(executor=EnvVar("WHERE"), options={"sl_env_var": secrets})
    monkeypatch.setenv("WHERE", "embedded")
    monkeypatch.setenv("PASSWORD", "hunter2")
    result = materialize([bakery], resources={"starlake": resource})
    assert result.success
    ((executor, environment, shown),) = seen
    assert executor == "embedded"
    assert environment == dict.fromkeys(secrets, EnvironmentReference("PASSWORD"))
    assert "hunter2" not in shown
