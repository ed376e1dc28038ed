"""Imports the factory after Airflow: ``home``."""

from __future__ import annotations

import gc
import json
import os
import sys

os.environ["AIRFLOW_HOME"] = sys.argv[1]

from airflow.sdk import DAG  # what the import is measured beyond

from benchmarks.clock import Clock


def main() -> None:
    gc.collect()
    clock = Clock()
    from ai.starlake.airflow.bash import StarlakeAirflowBashJob

    print(json.dumps(clock.read("seconds")))
    if not (DAG and StarlakeAirflowBashJob):
        raise AssertionError


if __name__ == "__main__":
    main()
