"""Executes tasks whose command is `true`: ``ours|bare tasks``."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from benchmarks.clock import Clock
from benchmarks.probes.airflow_dags import bare, ours


def main(kind: str, tasks: int) -> None:
    from tests.airflow.airflow_home import context_of  # sets the environment of Airflow

    dag_class = import_module("airflow.sdk").DAG

    make = {"ours": ours, "bare": bare}[kind]()
    with dag_class("loads", schedule=None) as dag:
        for number in range(tasks + 1):
            make(number)
    contexts = [(task, context_of(dag, task.task_id)) for task in dag.tasks]
    first, *others = contexts
    first[0].execute(first[1])  # imports
    clock = Clock()
    for task, context in others:
        task.execute(context)
    print(json.dumps(clock.read("seconds")))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
