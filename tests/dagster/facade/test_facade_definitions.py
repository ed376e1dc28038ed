"""A project that somebody else runs, as definitions: what is there before anything has run."""

from __future__ import annotations

import socket
import traceback
from pathlib import Path

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    DagsterInstance,
    DefaultSensorStatus,
    Definitions,
    build_sensor_context,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import StarlakeDagsterFacade, build_starlake_definitions
from tests.dagster.assets.conftest import SAMPLE, Folder, columns_of, deps_of, lineage_of

PASSWORD = "s3cret-pw"
NOWHERE = f"postgresql+psycopg://reader:{PASSWORD}@localhost:1/nowhere"


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """Return a table with an expectation, and a task that reads it."""
    expectation = """
        comment: All orders.
        tags: [daily, "owner:ada@example.org"]
        expectations:
          - expect: "is_row_count_to_be_between(1, 9)"
            failOnError: true
    """
    folder.table("shop", "orders", "id: long, price: double", expectation)
    folder.task("kpis", "sales", "SELECT sum(price) AS total FROM shop.orders")
    return folder


def definitions_of(folder: Folder, environment: str | None = None, **arguments: object) -> Definitions:
    return StarlakeDagsterFacade(folder.root, NOWHERE).create_definitions(environment, **arguments)


def specs_of(definitions: Definitions) -> dict[str, object]:
    repository = definitions.get_repository_def()
    specs = {spec.key.to_user_string(): spec for each in repository.assets_defs_by_key.values() for spec in each.specs}
    return {key: specs[key] for key in sorted(specs)}


class TestAssets:
    def test_they_are_external_and_have_all_that_is_known(self, shop: Folder) -> None:
        definitions = definitions_of(shop, "prod")
        graph = definitions.get_repository_def().asset_graph
        assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {"shop/orders", "kpis/sales"}
        assert not any(graph.get(key).is_executable for key in graph.get_all_asset_keys())
        specs = specs_of(definitions)
        orders, sales = specs["shop/orders"], specs["kpis/sales"]
        assert orders.description == "All orders."
        assert orders.owners == ["ada@example.org"]
        assert {"daily": "", "starlake/environment": "prod"}.items() <= orders.tags.items()
        assert orders.kinds == {"starlake", "duckdb", "csv"}
        assert list(columns_of(orders)) == ["id", "price"]
        assert deps_of(sales) == {"shop/orders"}
        assert lineage_of(sales.metadata["dagster/column_lineage"]) == {"total": ["shop/orders.price"]}
        assert orders.code_version
        assert orders.automation_condition is None
        assert sales.automation_condition is None

    def test_a_prefix_and_a_selection(self, shop: Folder) -> None:
        specs = specs_of(definitions_of(shop, asset_prefix=["prod"], select="shop"))
        assert list(specs) == ["prod/shop/orders"]

    def test_the_environment_selects_an_env_file(self, folder: Folder) -> None:
        folder.write("env.sl.yml", 'version: 1\nenv:\n  SOURCE: "small"\n')
        folder.write("env.prod.sl.yml", 'version: 1\nenv:\n  SOURCE: "large"\n')
        folder.table("shop", "small")
        folder.table("shop", "large")
        folder.task("kpis", "sales", "SELECT id FROM shop.{{SOURCE}}")
        assert deps_of(specs_of(definitions_of(folder))["kpis/sales"]) == {"shop/small"}
        assert deps_of(specs_of(definitions_of(folder, "prod"))["kpis/sales"]) == {"shop/large"}


class TestChecks:
    def test_each_asset_has_those_of_its_expectations_and_last_run(self, shop: Folder) -> None:
        keys = definitions_of(shop).get_repository_def().asset_graph.asset_check_keys
        orders, sales = AssetKey(["shop", "orders"]), AssetKey(["kpis", "sales"])
        assert set(keys) == {
            AssetCheckKey(orders, "last_run"),
            AssetCheckKey(orders, "rejected_rows"),
            AssetCheckKey(orders, "is_row_count_to_be_between_1_9"),
            AssetCheckKey(sales, "last_run"),
        }


def test_how_old_an_asset_may_be_is_told_as_for_assets_of_dagster(folder: Folder) -> None:
    folder.table("shop", "orders", more="metadata:\n  freshness: {warn: 1 day, error: 2 days}")
    here, there = build_starlake_definitions(folder.root), definitions_of(folder)
    policies = [getattr(specs_of(each)["shop/orders"], "freshness_policy", None) for each in (here, there)]
    assert policies[0] == policies[1]
    checks = [{*each.get_repository_def().asset_graph.asset_check_keys} for each in (here, there)]
    assert checks[1] - checks[0] == {AssetCheckKey(AssetKey(["shop", "orders"]), "last_run")}
    assert policies[0] or len(checks[0]) > 1


class TestNames:
    def test_of_jobs_and_sensor(self, shop: Folder) -> None:
        definitions = definitions_of(shop, "prod")
        assert {job.name for job in definitions.jobs} == {"starlake_sync_prod", "starlake_mirror_prod"}
        (sensor,) = definitions.sensors
        assert sensor.name == "starlake_track_prod"
        assert sensor.minimum_interval_seconds == 30
        assert sensor.default_status is DefaultSensorStatus.RUNNING

    def test_without_an_environment(self, shop: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SL_ENV", raising=False)
        assert definitions_of(shop).sensors[0].name == "starlake_track_default"
        monkeypatch.setenv("SL_ENV", "test")
        assert definitions_of(shop).sensors[0].name == "starlake_track_test"

    def test_the_sensor_may_wait_to_be_started(self, shop: Folder) -> None:
        (sensor,) = definitions_of(shop, enable_sensor_by_default=False).sensors
        assert sensor.default_status is DefaultSensorStatus.STOPPED

    def test_the_sensor_may_tick_more_often(self, shop: Folder) -> None:
        facade = StarlakeDagsterFacade(shop.root, NOWHERE, interval_seconds=5)
        (sensor,) = facade.create_definitions().sensors
        assert sensor.minimum_interval_seconds == 5

    def test_events_need_no_mirror_job(self, shop: Folder) -> None:
        definitions = definitions_of(shop, mirror="events")
        assert {job.name for job in definitions.jobs} == {"starlake_sync_default"}
        assert len(definitions.sensors) == 1

    def test_without_a_mirror_there_is_no_sensor(self, shop: Folder) -> None:
        definitions = definitions_of(shop, mirror=None)
        assert {job.name for job in definitions.jobs} == {"starlake_sync_default"}
        assert not definitions.sensors

    def test_another_mirror_is_refused(self, shop: Folder) -> None:
        with pytest.raises(StarlakeError, match="mirror is 'run'"):
            definitions_of(shop, mirror="run")


class TestMerging:
    def test_two_environments_of_one_project(self, shop: Folder) -> None:
        facade = StarlakeDagsterFacade(shop.root, NOWHERE)
        merged = Definitions.merge(
            facade.create_definitions("prod", "prod"), facade.create_definitions("test", "test", mirror="events")
        )
        Definitions.validate_loadable(merged)
        assert len(specs_of(merged)) == 4
        assert {sensor.name for sensor in merged.sensors} == {"starlake_track_prod", "starlake_track_test"}

    def test_beside_a_project_that_is_run_here(self, shop: Folder) -> None:
        merged = Definitions.merge(definitions_of(shop, asset_prefix="there"), build_starlake_definitions(SAMPLE))
        Definitions.validate_loadable(merged)
        assert {"there/shop/orders", "starbake/Orders"} <= set(specs_of(merged))

    def test_two_projects_of_one_environment_have_names_of_their_own(self, shop: Folder) -> None:
        other = StarlakeDagsterFacade(SAMPLE, NOWHERE).create_definitions("prod", name="bakery")
        merged = Definitions.merge(definitions_of(shop, "prod"), other)
        Definitions.validate_loadable(merged)
        assert {sensor.name for sensor in merged.sensors} == {"starlake_track_prod", "bakery_track_prod"}


def test_definitions_need_neither_a_network_nor_the_audit(shop: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection is made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    Definitions.validate_loadable(definitions_of(shop))
    missing = Path(shop.root) / "missing.db"
    Definitions.validate_loadable(StarlakeDagsterFacade(shop.root, missing).create_definitions())
    assert not missing.exists()


def test_the_address_of_the_audit_is_not_shown(shop: Folder) -> None:
    facade = StarlakeDagsterFacade(shop.root, NOWHERE)
    assert PASSWORD not in repr(facade.settings)


class TestUnreachable:
    @pytest.fixture
    def definitions(self, shop: Folder, instance: DagsterInstance) -> Definitions:
        """Definitions whose audit is on a server that does not answer."""
        return definitions_of(shop)

    def test_a_tick_fails_without_the_password(self, definitions: Definitions, instance: DagsterInstance) -> None:
        context = build_sensor_context(instance=instance, repository_def=definitions.get_repository_def())
        with pytest.raises(StarlakeError, match="localhost") as raised:
            definitions.sensors[0].evaluate_tick(context)
        assert PASSWORD not in "".join(traceback.format_exception(raised.value))

    def test_so_do_runs(
        self, definitions: Definitions, instance: DagsterInstance, capfd: pytest.CaptureFixture[str]
    ) -> None:
        reference = {"name": "17", "job_ids": ["17"], "rows": ["abc"], "since": "2026-03-01", "until": "2026-03-01"}
        for job, config in (
            ("starlake_sync_default", {}),
            ("starlake_mirror_default", {"ops": {"read_audit": {"config": reference}}}),
        ):
            run = definitions.get_job_def(job).execute_in_process(
                instance=instance, run_config=config, raise_on_error=False
            )
            assert not run.success
            assert PASSWORD not in "".join(map(str, run.all_events))
        shown = capfd.readouterr()
        assert "localhost" in shown.err
        assert PASSWORD not in shown.err + shown.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"audit": "jdbc:postgresql://host/db"}, "JDBC"),
        ({"timezone": "Mars"}, "'Mars' is not a time zone"),
        ({"ignore_job_ids": "("}, "option ignore_job_ids"),
        ({"settle_seconds": "soon"}, "option settle_seconds"),
        ({"log_url_template": "https://x/{jobid}"}, "it names {jobid}"),
        ({"log_url_template": "https://x/{"}, "cannot be used"),
        ({"log_url_template": "https://u:secret@x/{job_id}"}, "log_url_template has a password"),
        ({"audit": " "}, "audit is empty"),
        ({"options": {"longest_second": 60}}, "did you mean longest_seconds?"),
        ({"options": {"group_seconds": 60}}, "group_seconds is an argument of the facade"),
        ({"options": {"start_date": "soon"}}, "option start_date"),
    ],
)
def test_what_cannot_be_used_is_refused(shop: Folder, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(StarlakeError) as raised:
        StarlakeDagsterFacade(shop.root, **{"audit": NOWHERE, **arguments}).create_definitions()
    assert message in str(raised.value)
    assert "secret@" not in str(raised.value)


def test_options_of_tracking_are_read_without_a_warning(shop: Folder, recwarn: pytest.WarningsRecorder) -> None:
    facade = StarlakeDagsterFacade(shop.root, NOWHERE, options={"longest_seconds": 60, "start_date": "2026-01-01"})
    facade.create_definitions()
    assert facade.settings.tracking.longest_seconds == 60
    assert [str(warning.message) for warning in recwarn if "is not known" in str(warning.message)] == []


@pytest.mark.parametrize(
    ("argument", "value", "told"),
    [
        ("audit", 7, "the URL of the audit is 7"),
        ("timezone", None, "None is not a time zone"),
        ("interval_seconds", 0, "interval_seconds is 0"),
        ("interval_seconds", 1.5, "interval_seconds is 1.5"),
        (
            "dagster_graphql_host",
            "http://localhost:3000",
            "dagster_graphql_host='localhost', dagster_graphql_port=3000",
        ),
        ("dagster_graphql_host", "localhost:3000", "dagster_graphql_host is 'localhost:3000'"),
        ("dagster_graphql_port", "x", "dagster_graphql_port is 'x'"),
        ("dagster_graphql_port", 0, "from 1 to 65535"),
        ("dagster_graphql_port", 70_000, "from 1 to 65535"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named_at_once(shop, argument, value, told) -> None:
    with pytest.raises(StarlakeError) as raised:
        StarlakeDagsterFacade(shop.root, **{"audit": NOWHERE, argument: value})
    assert told in str(raised.value)


@pytest.mark.parametrize("host", ["localhost", "dagster.example.com", "10.0.0.7", "::1", "[::1]", "web_server"])
def test_hosts_are_accepted(shop, host) -> None:
    facade = StarlakeDagsterFacade(shop.root, NOWHERE, dagster_graphql_host=host, dagster_graphql_port="3000")
    assert (facade.settings.graphql_host, facade.settings.graphql_port) == (host, 3000)


def test_a_facade_of_nothing_is_an_error(shop) -> None:
    with pytest.raises(StarlakeError, match=r"exclude='\*': there is no table and no task left"):
        StarlakeDagsterFacade(shop.root, NOWHERE).create_definitions(exclude="*")
