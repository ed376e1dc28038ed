"""A DAG file means the same DAG at each parse, in each process, and prints nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.airflow.airflow_home import dag_bag
from tests.airflow.dag_files import DATAPROC, load_file, node, table, transform_file

DOMAINS = {domain: [f"table{number}" for number in range(7)] for domain in ("crm", "shop", "a b", "Été")}
TREES = [node("kpi.c", node("kpi.b", node("kpi.a", table("shop.orders")), table("shop.lines")), table("crm.people"))]
TREES += [node("kpi.b", node("kpi.a", table("shop.orders")), table("shop.lines")), node("kpi.a", table("shop.orders"))]

_PARSE = """
import contextlib, io, json, runpy, sys
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

def parsed(file):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        found = runpy.run_path(file, run_name="a_dag_file")
    assert said.getvalue() == "", said.getvalue()
    dags = sorted((each for each in found.values() if isinstance(each, DAG)), key=lambda dag: dag.dag_id)
    return [DagSerialization.to_dict(dag) for dag in dags]

print(json.dumps([[parsed(file), parsed(file)] for file in sys.argv[1:]], sort_keys=True))  # as the hash of a version
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("dags")
    schedules = [("daily", "0 5 * * *", DOMAINS), ("hourly", "0 * * * *", {"shop": ["clicks"]})]
    dependencies = repr(json.dumps(TREES))
    where = {"SHELL": {}, "DATAPROC": DATAPROC}
    made = []
    for place, options in where.items():
        given = {"environment": place, **options}
        made.append(load_file(folder, schedules, pre_load_strategy="imported", name=f"load_{place}.py", **given))
        made.append(transform_file(folder, dependencies, name=f"tasks_{place}.py", **given))
        first = {"run_dependencies_first": "true", "name": f"first_{place}.py"}
        made.append(transform_file(folder, dependencies, **first, **given))
    return made


@pytest.fixture(scope="module")
def parses(files: list[Path]) -> list[str]:
    """By hash seed, what each file means at two parses in one process."""
    found = []
    for seed in ("0", "1"):
        command = [sys.executable, "-W", "error::ai.starlake.job.job_options.StarlakeOptionWarning", "-c", _PARSE]
        done = subprocess.run(
            [*command, *map(str, files)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.strip().splitlines()[-1])
    return found


def test_two_parses_in_one_process_are_the_same(parses):
    for first, second in json.loads(parses[0]):
        assert first
        assert first == second


def test_parses_in_different_processes_are_the_same(parses):
    first, second = parses
    assert first == second


def test_no_file_brings_a_warning(files):
    for file in files:
        bag = dag_bag(file)
        assert bag.import_errors == {}
        assert bag.captured_warnings == {}
