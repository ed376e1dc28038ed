"""The tables made of what was loaded, in tasks of Airflow, when all of it is loaded

Generated with the template transform/airflow__scheduled_task__embedded.py.j2.
Change the project, the DAG configuration or the template, and generate it again; it is overwritten then.
"""

from __future__ import annotations

from pathlib import Path

from ai.starlake.job import StarlakeExecutionEnvironment, StarlakeJobFactory, StarlakeOrchestrator
from ai.starlake.orchestration import OrchestrationFactory, StarlakeDependencies

description = "The tables made of what was loaded, in tasks of Airflow, when all of it is loaded"
template = "transform/airflow__scheduled_task__embedded.py.j2"

options = {
    "dataset_triggering_strategy": "all",
    "sl_env_var": '{"DB_PASSWORD": {"variable": "bakery_db_password"}}',
    "tags": "starbake transform",
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

cron = None

tables = {
    "starbake.Customers": {"cron": "0 5 * * *"},
    "starbake.Orders": {"cron": "0 5 * * *"},
    "starbake.Products": {"cron": "0 5 * * *"},
    "starbake.Ingredients": {"cron": "0 5 * * *"},
}
tasks = {
    "Customers.CustomerLifeTimeValue": {"reads": ["starbake.Customers", "starbake.Orders"]},
    "Customers.HighValueCustomers": {"reads": ["Customers.CustomerLifeTimeValue"]},
    "Products.ProductMargins": {"reads": ["starbake.Products", "starbake.Ingredients"]},
    "kpis.DailySales": {
        "reads": ["starbake.Orders", "Products.ProductMargins", "Customers.HighValueCustomers"],
    },
}
dependencies = StarlakeDependencies.of(tasks, tables=tables)

with OrchestrationFactory.create_orchestration(job=sl_job) as orchestration:
    pipelines = [orchestration.add_transforms(dependencies)]
