"""Makes a DAG of loads, ours or bare operators, imports the factory, or runs tasks: see `benchmarks.airflow_tasks`."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.clock import Clock
from tests.airflow import airflow_home

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
OPTIONS = {
    "sl_env_var": json.dumps({"SL_ROOT": str(Path(__file__).parents[2] / "samples" / "starbake")}),
    "SL_STARLAKE_PATH": "true",
    "duckdb_lock": "off",
}


def ours(tables: int) -> Any:
    """What a generated file does."""
    from ai.starlake.job import StarlakeJobFactory, StarlakeOrchestrator
    from ai.starlake.orchestration import OrchestrationFactory, StarlakeDomain, StarlakeSchedule, StarlakeTable

    job = StarlakeJobFactory.create_job(
        filename="bakery_load.py",
        module_name=__name__,
        orchestrator=StarlakeOrchestrator.AIRFLOW,
        execution_environment="shell",
        options={**OPTIONS, "start_date": "2026-01-01"},
    )
    names = [f"table_{number}" for number in range(tables)]
    loaded = [StarlakeTable(name=name, final_name=name) for name in names]
    domain = StarlakeDomain(name="shop", final_name="shop", tables=loaded)
    with OrchestrationFactory.create_orchestration(job=job) as orchestration:
        orchestration.add_loads(StarlakeSchedule(name=None, cron="0 5 * * *", domains=[domain]))
    return next(each for each in globals().values() if type(each).__name__ == "DAG")


def bare(tables: int) -> Any:
    """The same graph, as one writes it without a library."""
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG, Asset, TaskGroup

    with DAG("bakery_load", schedule="0 5 * * *", start_date=START, catchup=False) as dag:
        start, end = EmptyOperator(task_id="start"), EmptyOperator(task_id="end")
        with TaskGroup("shop"):
            loads = [
                BashOperator(
                    task_id=f"load_shop_table_{number}",
                    bash_command=f"starlake load --domains shop --tables table_{number}",
                    outlets=[Asset(f"shop_table_{number}")],
                )
                for number in range(tables)
            ]
        start >> loads >> end  # type: ignore[operator]
    return dag


def tasks_of(who: str) -> Any:
    """One DAG with a task whose command is `true`."""
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG

    from ai.starlake.airflow.bash import StarlakeAirflowBashJob

    with DAG("bakery", schedule=None, start_date=START) as dag:
        if who == "ours":
            StarlakeAirflowBashJob(options=OPTIONS).sl_load("load", "shop", "orders")
        else:
            BashOperator(task_id="load", bash_command="true")
    return dag


def run(who: str, tasks: int) -> dict[str, float]:
    """Execute a task again and again, as Airflow's task runner does."""
    dag = tasks_of(who)
    logging.disable(logging.CRITICAL)
    context = airflow_home.context_of(dag, "load", logical_date=START)
    task = dag.get_task("load")
    with contextlib.redirect_stdout(sys.stderr):
        task.execute(context)
        clock = Clock()
        for _ in range(tasks):
            task.execute(context)
        return clock.read("seconds")


def main(what: str, who: str, number: int) -> dict[str, float]:
    if what == "tasks":
        return run(who, number)
    import airflow.sdk  # noqa: F401  what both pay
    from airflow.providers.standard.operators.bash import BashOperator  # noqa: F401

    gc.collect()
    clock = Clock()
    if what == "import":
        import ai.starlake.airflow.bash  # noqa: F401
    else:
        dag = (ours if who == "ours" else bare)(number)
        if what == "serialized":
            from airflow.serialization.serialized_objects import DagSerialization

            clock = Clock()
            DagSerialization.to_dict(dag)
    return clock.read("seconds")


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
