"""Sensors that users write on what a facade mirrors, as the documentation of facades shows them."""

from __future__ import annotations

from dataclasses import dataclass

import dagster
import pytest
from dagster import (
    AssetKey,
    ConfigurableResource,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    EventLogEntry,
    JobSelector,
    RunRequest,
    RunStatusSensorContext,
    SensorDefinition,
    SensorEvaluationContext,
    asset_sensor,
    build_sensor_context,
    job,
    op,
    run_status_sensor,
)

from ai.starlake.dagster import TableEvent, on_check_failed, on_table_failed
from tests.dagster.assets.conftest import Folder
from tests.dagster.facade.conftest import Mirror, Scheduler


@op
def send_email() -> None:
    pass


@job
def send_email_job() -> None:
    send_email()


@dataclass
class Ticks:
    """A sensor of a user, tick after tick."""

    sensor: SensorDefinition
    mirror: Mirror
    cursor: str | None = None

    def __post_init__(self) -> None:
        self.definitions = Definitions.merge(
            self.mirror.definitions, Definitions(jobs=[send_email_job], sensors=[self.sensor])
        )
        Definitions.validate_loadable(self.definitions)
        self()  # reading begins here

    def __call__(self) -> list[RunRequest]:
        context = build_sensor_context(
            instance=self.mirror.instance, cursor=self.cursor, repository_def=self.definitions.get_repository_def()
        )
        data = self.sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return list(data.run_requests or [])


@pytest.fixture
def mirror(shop: Folder, instance: DagsterInstance) -> Mirror:
    """Return a mirror that mirrors runs as runs."""
    mirror = Mirror(shop, instance)
    mirror.tick()
    return mirror


def night(scheduler: Scheduler, job_id: str, *, fails: bool = False) -> None:
    scheduler.deliver("shop.orders", "1;5")
    scheduler.deliver("shop.returns", "x;y" if fails else "1;5")
    scheduler.load("shop.orders", "shop.returns", job_id=job_id)


@pytest.mark.parametrize(
    ("status", "fails", "requests"),
    [
        (DagsterRunStatus.SUCCESS, False, 1),
        (DagsterRunStatus.SUCCESS, True, 0),
        (DagsterRunStatus.FAILURE, True, 1),
        (DagsterRunStatus.STARTED, False, 1),
    ],
)
def test_a_run_status_sensor_by_the_job(mirror, scheduler, status, fails, requests):
    mirror_job = mirror.definitions.get_job_def("starlake_mirror_prod")

    @run_status_sensor(run_status=status, monitored_jobs=[mirror_job], request_job=send_email_job)
    def on_starlake_run(context: RunStatusSensorContext):
        return RunRequest(tags={"night": context.dagster_run.tags["starlake/outside_run"]})

    ticks = Ticks(on_starlake_run, mirror)
    night(scheduler, "night 1", fails=fails)
    mirror.settle()
    mirror.sync()
    assert [request.tags["night"] for request in ticks()] == ["night 1"] * requests
    assert ticks() == []


def test_a_run_status_sensor_by_a_job_selector_loads(mirror):
    mirror_job = JobSelector(location_name="starlake", job_name="starlake_mirror_prod")

    @run_status_sensor(run_status=DagsterRunStatus.SUCCESS, monitored_jobs=[mirror_job], request_job=send_email_job)
    def on_starlake_run(context: RunStatusSensorContext):
        return RunRequest()

    assert Ticks(on_starlake_run, mirror)() == []  # tests/dagster/dev/test_facade.py has one that is started


class SlackClient:
    """Stands for that of slack_sdk."""

    said: list[tuple[str, str]]

    def __init__(self) -> None:
        self.said = []

    def chat_postMessage(self, *, channel: str, text: str) -> None:  # noqa: N802  the name that Slack gave it
        self.said.append((channel, text))


CLIENT = SlackClient()


class SlackResource(ConfigurableResource):
    """Stands for that of dagster-slack, which needs another version with each version of Dagster."""

    token: str

    def get_client(self) -> SlackClient:
        return CLIENT


def test_slack_hears_of_a_run_that_failed(mirror, scheduler):
    @run_status_sensor(
        run_status=DagsterRunStatus.FAILURE,
        monitored_jobs=[mirror.definitions.get_job_def("starlake_mirror_prod")],
    )
    def tell_the_bakers(context: RunStatusSensorContext, slack: SlackResource):
        name = context.dagster_run.tags["starlake/outside_run"]
        slack.get_client().chat_postMessage(channel="#bakery", text=f"{name} failed")

    CLIENT.said.clear()
    definitions = Definitions.merge(
        mirror.definitions, Definitions(sensors=[tell_the_bakers], resources={"slack": SlackResource(token="s3cret")})
    )
    repository = definitions.get_repository_def()
    cursor = None
    for number, fails in enumerate((False, False, True, False)):
        if number:
            night(scheduler, f"night {number}", fails=fails)
            mirror.settle()
        for _ in range(3):
            resources = {"slack": SlackResource(token="s3cret")}
            context = build_sensor_context(
                instance=mirror.instance, cursor=cursor, repository_def=repository, resources=resources
            )
            cursor = tell_the_bakers.evaluate_tick(context).cursor
    assert CLIENT.said == [("#bakery", "night 2 failed")]


@pytest.mark.parametrize("mode", ["runs", "events"])
def test_an_asset_sensor_hears_of_tables(shop: Folder, instance, scheduler, mode):
    mirror = Mirror(shop, instance, mirror=mode)
    mirror.tick()

    @asset_sensor(asset_key=AssetKey(["shop", "orders"]), job=send_email_job)
    def on_orders(context: SensorEvaluationContext, asset_event: EventLogEntry):
        made = asset_event.dagster_event.step_materialization_data.materialization
        yield RunRequest(tags={"rows": str(made.metadata["starlake/rows_accepted"].value)})

    ticks = Ticks(on_orders, mirror)
    night(scheduler, "night 1", fails=True)
    mirror.settle()
    assert [request.tags["rows"] for request in ticks()] == ["1"]
    assert ticks() == []


@pytest.mark.parametrize(("reaction", "check"), [(on_table_failed, None), (on_check_failed, "last_run")])
def test_our_reactions_hear_of_mirrored_runs(mirror, scheduler, reaction, check):
    told: list[TableEvent] = []
    ticks = Ticks(reaction(told.append, name="tell"), mirror)
    night(scheduler, "night 1", fails=True)
    mirror.settle()
    ticks()
    events = [event for event in told if event.check == check]
    assert len(events) == (check is None or hasattr(dagster, "AssetCheckEvaluation"))  # in the run's log since 1.11.16
    assert {event.table for event in events} <= {"shop.returns"}
    assert all("1 invalid records" in event.message for event in events)
    told.clear()
    ticks()
    assert told == []
