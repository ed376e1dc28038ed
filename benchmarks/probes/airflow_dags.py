"""Makes a DAG of loads: ``ours|bare tables home``."""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.clock import Clock


def ours() -> Any:
    """Tasks of our factory; its construction belongs to a DAG file and is measured too."""
    from ai.starlake.airflow.bash import StarlakeAirflowBashJob

    job = StarlakeAirflowBashJob(
        options={"sl_env_var": {"SL_ROOT": os.environ["AIRFLOW_HOME"]}, "SL_STARLAKE_PATH": "true"}
    )
    return lambda number: job.sl_load(f"load_{number}", "shop", f"table_{number}")


def bare() -> Any:
    """Create the DAG without a library: a BashOperator per table, and its asset."""
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import Asset

    def load(number: int) -> Any:
        asset = Asset(name=f"shop.table_{number}", uri=f"shop.table_{number}")
        return BashOperator(task_id=f"load_{number}", bash_command="true", outlets=[asset])

    return load


def main(kind: str, tables: int, home: Path) -> None:
    os.environ["AIRFLOW_HOME"] = str(home)
    from airflow.sdk import DAG

    gc.collect()
    make = {"ours": ours, "bare": bare}[kind]()
    make(0)  # what is imported for the first task is measured by itself
    clock = Clock()
    make = {"ours": ours, "bare": bare}[kind]()
    with DAG("loads", schedule=None) as dag:
        for number in range(tables):
            make(number)
    found = clock.read("seconds")
    if len(dag.task_dict) != tables or not all(task.outlets for task in dag.tasks):
        raise AssertionError("these are not the tasks that were to be made")
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
