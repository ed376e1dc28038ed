"""What the shops delivered, loaded by the embedded engine in tasks of Airflow

Generated with the template load/airflow__scheduled_table__embedded.py.j2.
Change the project, the DAG configuration or the template, and generate it again; it is overwritten then.
"""

from __future__ import annotations

from pathlib import Path

from ai.starlake.job import StarlakeExecutionEnvironment, StarlakeJobFactory, StarlakeOrchestrator
from ai.starlake.orchestration import OrchestrationFactory, StarlakeDomain, StarlakeSchedule, StarlakeTable

description = "What the shops delivered, loaded by the embedded engine in tasks of Airflow"
template = "load/airflow__scheduled_table__embedded.py.j2"

options = {
    "pre_load_strategy": "imported",
    "sl_env_var": '{"DB_PASSWORD": {"variable": "bakery_db_password"}}',
    "tags": "starbake load",
    "SL_TIMEZONE": "UTC",
}

orchestrator = StarlakeOrchestrator.AIRFLOW
execution_environment = StarlakeExecutionEnvironment.EMBEDDED

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
