"""Instances of Dagster, and jobs of ops that a fake `starlake` runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from tests.fakes.fake_cli import FakeStarlake


@pytest.fixture
def fake(tmp_path: Path) -> FakeStarlake:
    return FakeStarlake(tmp_path / "bin")


@pytest.fixture
def factory(tmp_path: Path, fake: FakeStarlake) -> Callable[..., StarlakeDagsterShellJob]:
    """Return a function that makes factories of ops whose commands the fake receives."""

    def make(**options: Any) -> StarlakeDagsterShellJob:
        given = {"sl_env_var": {"SL_ROOT": str(tmp_path)}, "SL_STARLAKE_PATH": str(fake.path), **options}
        return StarlakeDagsterShellJob(options=given)

    return make


LOADS = """
from ai.starlake.job import StarlakeExecutionEnvironment, StarlakeJobFactory, StarlakeOrchestrator
from ai.starlake.orchestration import OrchestrationFactory, StarlakeDomain, StarlakeSchedule, StarlakeTable

options = {options}
sl_job = StarlakeJobFactory.create_job(
    filename={name!r},
    module_name=__name__,
    orchestrator=StarlakeOrchestrator.DAGSTER,
    execution_environment=StarlakeExecutionEnvironment.SHELL,
    options=options,
)
tables = [StarlakeTable("Orders"), StarlakeTable("Customers")]
schedules = [
    StarlakeSchedule(name=name, cron=cron, domains=[StarlakeDomain("starbake", tables=tables)])
    for name, cron in {schedules}
]
with OrchestrationFactory.create_orchestration(job=sl_job) as orchestration:

    def generate(schedule):
        with orchestration.sl_create_pipeline(schedule=schedule) as pipeline:
            start, end = pipeline.start_task(), pipeline.end_task()
            for domain in schedule.domains:
                with orchestration.sl_create_task_group(group_id=domain.name, pipeline=pipeline) as group:
                    names = [table.name for table in domain.tables]
                    loads = [pipeline.sl_load(task_id=None, domain=domain.name, table=name) for name in names]
                    check = pipeline.sl_pre_load(domain=domain.name, tables=set(names))
                    if check:
                        check >> loads
                start >> group >> end
            return pipeline

    pipelines = [generate(schedule) for schedule in schedules]
"""

TRANSFORMS = """
from ai.starlake.job import StarlakeExecutionEnvironment, StarlakeJobFactory, StarlakeOrchestrator
from ai.starlake.orchestration import OrchestrationFactory, StarlakeDependencies

cron = {cron!r}
options = {options}
sl_job = StarlakeJobFactory.create_job(
    filename={name!r},
    module_name=__name__,
    orchestrator=StarlakeOrchestrator.DAGSTER,
    execution_environment=StarlakeExecutionEnvironment.SHELL,
    options=options,
)
dependencies = StarlakeDependencies(dependencies={dependencies!r})
with OrchestrationFactory.create_orchestration(job=sl_job) as orchestration:
    with orchestration.sl_create_pipeline(dependencies=dependencies) as pipeline:
        start, end = pipeline.start_task(), pipeline.end_task()
        for node in pipeline.graphs:
            task = pipeline.dependency_to_task(node.node)
            if node.parents:
                [pipeline.dependency_to_task(parent.node) for parent in node.parents] >> task
            else:
                start >> task
            task >> end
"""

DEPENDENCIES = [
    {
        "data": {"name": "kpi.margin", "typ": "task", "sink": "kpi.margin", "cron": "None", "freshness": 0},
        "task": True,
        "children": [
            {
                "data": {"name": "kpi.sales", "typ": "task", "sink": "kpi.sales", "cron": "None", "freshness": 0},
                "task": True,
                "children": [
                    {"data": {"name": f"starbake.{table}", "typ": "table", "freshness": 0}, "task": False}
                    for table in ("Orders", "Customers")
                ],
            }
        ],
    },
]
"""The margin is made of the sales, which are made of two tables."""


@pytest.fixture
def dag_file(tmp_path: Path, fake: FakeStarlake) -> Callable[..., Path]:
    """Return a function that writes a DAG file: of loads by schedules, or of transforms."""

    def write(
        name: str = "my_dag",
        *,
        schedules: Sequence[tuple[str, str | None]] | None = None,
        cron: str | None = None,
        **options: str,
    ) -> Path:
        variables = json.dumps({"SL_ROOT": str(tmp_path)})
        given = {"sl_env_var": variables, "SL_STARLAKE_PATH": str(fake.path), "start_date": "2026-01-01", **options}
        source = {
            "name": f"{name}.py",
            "options": repr(given),
            "schedules": schedules,
            "cron": cron,
            "dependencies": json.dumps(DEPENDENCIES),
        }
        file = tmp_path / f"{name}.py"
        file.write_text((TRANSFORMS if schedules is None else LOADS).format(**source))
        return file

    return write
