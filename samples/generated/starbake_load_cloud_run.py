"""What the shops delivered, loaded by Cloud Run

Generated with the template load/dagster__scheduled_table__cloud_run.py.j2.
Change the project, the DAG configuration or the template, and generate it again; it is overwritten then.
"""

from __future__ import annotations

from pathlib import Path

from ai.starlake.job import StarlakeExecutionEnvironment, StarlakeJobFactory, StarlakeOrchestrator
from ai.starlake.orchestration import OrchestrationFactory, StarlakeDomain, StarlakeSchedule, StarlakeTable

description = "What the shops delivered, loaded by Cloud Run"
template = "load/dagster__scheduled_table__cloud_run.py.j2"

options = {
    "sl_env_var": '{"SL_ROOT": "gs://starbake/project"}',
    "cloud_run_project_id": "starbake",
    "cloud_run_region": "europe-west1",
    "cloud_run_job_name": "starlake",
    "pre_load_strategy": "ack",
    "global_ack_file_path": "gs://starbake/ack/{domain}/{ds}.ack",
    "tags": "starbake load",
    "SL_TIMEZONE": "UTC",
}

orchestrator = StarlakeOrchestrator.DAGSTER
execution_environment = StarlakeExecutionEnvironment.CLOUD_RUN

sl_job = StarlakeJobFactory.create_job(
    filename=Path(__file__).name,
    module_name=__name__,
    orchestrator=orchestrator,
    execution_environment=execution_environment,
    options=options,
)

schedules = [
    StarlakeSchedule(
        name=None,
        cron="0 5 * * *",
        domains=[
            StarlakeDomain(
                name="starbake",
                final_name="starbake",
                tables=[
                    StarlakeTable(name="Customers", final_name="Customers"),
                    StarlakeTable(name="Ingredients", final_name="Ingredients"),
                    StarlakeTable(name="Orders", final_name="Orders"),
                    StarlakeTable(name="Products", final_name="Products"),
                ],
            ),
        ],
    ),
]

with OrchestrationFactory.create_orchestration(job=sl_job) as orchestration:
    pipelines = [orchestration.add_loads(schedule) for schedule in schedules]
