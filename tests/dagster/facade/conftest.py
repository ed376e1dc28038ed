"""A project that another scheduler runs, and Dagster beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    build_sensor_context,
)

from ai.starlake.dagster import StarlakeDagsterFacade, _compat
from ai.starlake.embedded import Engine
from ai.starlake.embedded.transform.task_run import TransformRequest
from tests.dagster.assets.conftest import Folder, cache
from tests.fakes.project_folder import APPLICATION

__all__ = ["cache"]

MACROS = """
    {% macro none_below(column, least) %}SELECT count(*) FROM sl_this WHERE {{ column }} < {{ least }}{% endmacro %}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return a project with an application and nothing else."""
    folder = Folder(tmp_path / "bakery")
    folder.write("application.sl.yml", APPLICATION)
    return folder


class Scheduler:
    """The other scheduler: it runs the embedded engine, and knows nothing of Dagster."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def deliver(self, table: str, *rows: str, name: str = "1") -> None:
        """Put a file into the stage area; `table` as ``domain.table``, its columns are id and price."""
        domain, _, file = table.partition(".")
        stage = self.folder.root / "datasets" / "stage" / domain
        stage.mkdir(parents=True, exist_ok=True)
        (stage / f"{file}_{name}.csv").write_text("\n".join(["id;price", *rows, ""]), "utf-8")

    def load(self, *tables: str, job_id: str | None = None, scheduled: datetime | None = None) -> bool:
        """Load tables of one domain."""
        domains = {table.partition(".")[0] for table in tables}
        names = [table.partition(".")[2] for table in tables]
        return not self._engine(job_id).load(sorted(domains), names, scheduled=scheduled).failures

    def bring(
        self, table: str, *rows: str, job_id: str | None = None, name: str = "1", scheduled: datetime | None = None
    ) -> bool:
        """Put a file of a table into the stage area, and load it."""
        self.deliver(table, *rows, name=name)
        return self.load(table, job_id=job_id, scheduled=scheduled)

    def transform(self, task: str, job_id: str | None = None) -> bool:
        """Run a task."""
        return self._engine(job_id).transform(TransformRequest(task)).error is None

    def _engine(self, job_id: str | None) -> Engine:
        environment = {name: value for name, value in os.environ.items() if name != "SL_JOB_ID"}
        given = {} if job_id is None else {"SL_JOB_ID": job_id}
        return Engine.open(self.folder.root, environment={**environment, **given})


class Mirror:
    """Dagster beside the other scheduler: what its daemon does with the sensor, and what is on record then."""

    def __init__(self, folder: Folder, instance: DagsterInstance, environment: str = "prod", **arguments: Any) -> None:
        of_facade = {"settle_seconds": 0, **arguments.pop("facade", {})}
        self.facade = StarlakeDagsterFacade(folder.root, folder.root / "datasets" / "duckdb.db", **of_facade)
        self.instance = instance
        self.definitions: Definitions = self.facade.create_definitions(environment, **arguments)
        self.environment = environment
        self.cursor: str | None = None
        self.keys: set[str] = set()
        self.runs: list[ExecuteInProcessResult] = []

    def tick(self, *, crash: bool = False) -> Any:
        """Evaluate the sensor once; a crash comes after what it asks for is done, and before the cursor is kept."""
        (sensor,) = self.definitions.sensors
        context = build_sensor_context(
            instance=self.instance, cursor=self.cursor, repository_def=self.definitions.get_repository_def()
        )
        result = sensor.evaluate_tick(context)
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        for request in result.run_requests or []:
            if request.run_key not in self.keys:
                self.keys.add(request.run_key)
                self.runs.append(self.run(request.job_name, run_config=request.run_config, tags=request.tags))
        if not crash:
            self.cursor = result.cursor
        return result

    def settle(self, ticks: int = 4) -> list[ExecuteInProcessResult]:
        """Ticks until what is there is mirrored; returns the runs."""
        before = len(self.runs)
        for _ in range(ticks):
            self.tick()
        return self.runs[before:]

    def run(self, job: str, **arguments: Any) -> ExecuteInProcessResult:
        return self.definitions.get_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False, **arguments
        )

    def sync(self) -> ExecuteInProcessResult:
        return self.run(f"starlake_sync_{self.environment}")

    def materializations(self, asset: str) -> list[Any]:
        """Return the materializations of an asset, the newest first."""
        found = self.instance.fetch_materializations(AssetRecordsFilter(key(asset)), limit=1000).records
        return [record.asset_materialization for record in found]

    def observations(self, asset: str) -> list[Any]:
        found = self.instance.fetch_observations(AssetRecordsFilter(key(asset)), limit=1000).records
        return [record.asset_observation for record in found]

    def checks(self, asset: str, check: str = "last_run") -> list[Any]:
        """Return the results of a check, the newest first."""
        found = self.instance.event_log_storage.get_asset_check_execution_history(
            AssetCheckKey(key(asset), check), limit=1000
        )
        return [record.event.dagster_event.event_specific_data for record in found if record.event is not None]

    def passed(self, asset: str, check: str = "last_run") -> list[bool]:
        return [result.passed for result in self.checks(asset, check)]


def key(text: str) -> AssetKey:
    return AssetKey.from_user_string(text)


def plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "value", value) for name, value in metadata.items()}


def steps_of(run: ExecuteInProcessResult) -> dict[str, bool]:
    """Return the steps of a run, and whether they succeeded."""
    found = {}
    for event in run.all_events:
        if event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE"):
            found[event.step_key] = event.event_type_value == "STEP_SUCCESS"
    return found


def failure_of(run: ExecuteInProcessResult, step: str) -> Any:
    return next(_compat.failure_of(e) for e in run.all_events if e.step_key == step and e.is_step_failure)


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """Two tables, one of them with an expectation, and a task."""
    (folder.root / "datasets").mkdir()
    folder.write("expectations/shop.j2", MACROS)
    expectation = """
        expectations:
          - {expect: "shop.none_below('price', 0)", failOnError: false}
    """
    folder.table("shop", "orders", "id: long, price: long", expectation)
    folder.table("shop", "returns", "id: long, price: long", "metadata: {maxRejected: 0}\n")
    folder.task("kpis", "sales", "SELECT sum(price) AS total FROM shop.orders")
    return folder


@pytest.fixture
def scheduler(shop: Folder) -> Scheduler:
    """Return the other scheduler."""
    return Scheduler(shop)
