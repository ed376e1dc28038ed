"""Generated DAG files load as they are, and make the DAGs that Starlake's templates promise."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.airflow_home import dag_bag
from tests.airflow.generated_dags import (
    PLACES,
    STRATEGIES,
    Made,
    bakery,
    described,
    expected_loads,
    expected_transforms,
    transforms,
)

FORMS = (None, "newer", "older")
"""Our own templates, and those in the two forms of Starlake's."""
KINDS = ("any", "all", "cron", "first")
LOADS = [
    *itertools.product((None,), PLACES, STRATEGIES, range(3)),
    *itertools.product(FORMS[1:], PLACES, STRATEGIES, (2,)),
]


def loaded(file: Path, capfd: pytest.CaptureFixture[str]) -> dict[str, Made]:
    """Return the DAGs of a file, which loads without an error, a warning, or a line printed."""
    capfd.readouterr()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        bag = dag_bag(file)
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    assert [str(each.message) for each in told if "ai/starlake" in each.filename or "Starlake" in str(each)] == []
    printed = "".join(capfd.readouterr()).splitlines()
    assert [line for line in printed if "Filling up the DagBag" not in line] == []  # Airflow says so itself
    return {dag_id: described(dag) for dag_id, dag in bag.dags.items()}


@pytest.mark.parametrize(("form", "place", "strategy", "schedules"), LOADS)
def test_load_files(
    form: str | None, place: str, strategy: str, schedules: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = bakery(tmp_path / "starbake", place, form).loads(strategy, schedules)
    assert loaded(file, capfd) == expected_loads(place, strategy, schedules)


@pytest.mark.parametrize(("form", "place", "kind"), list(itertools.product(FORMS, PLACES, KINDS)))
def test_transform_files(
    form: str | None, place: str, kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = transforms(bakery(tmp_path / "starbake", place, form), kind)
    assert loaded(file, capfd) == {"starbake_transform": expected_transforms(place, kind)}


GIVEN = {
    "default_dag_args": '{"owner": "bakers", "retries": 4, "email_on_retry": true}',
    "default_pool": "ovens",
    "tags": "bread daily",
    "retry_delay": "60",
    "end_date": "2030-01-01",
    "timezone": "Europe/Paris",
    "max_active_runs": "2",
}
"""Options that DAGs and tasks have as arguments."""


def serialized(file: Path) -> dict[str, Any]:
    """Return the DAGs of a file as Airflow's server sees them, without their folder and edges."""
    from airflow.serialization.serialized_objects import DagSerialization

    found: dict[str, Any] = {}
    for dag_id, dag in dag_bag(file).dags.items():
        data = DagSerialization.to_dict(dag)["dag"]
        tasks = {task["__var"]["task_id"]: task["__var"] for task in data.pop("tasks")}
        for task in tasks.values():
            task.pop("downstream_task_ids", None)
        for name in ("fileloc", "relative_fileloc", "_processor_dags_folder", "task_group"):
            data.pop(name, None)
        found[dag_id] = (data, tasks)
    return found


@pytest.mark.parametrize("place", PLACES)
def test_our_templates_make_the_dags_of_starlakes(place: str, tmp_path: Path) -> None:
    seen = []
    for form in FORMS:
        folder = tmp_path / str(form)
        loads = bakery(folder / "load" / "starbake", place, form, GIVEN).loads("imported", 2)
        tasks = transforms(bakery(folder / "transform" / "starbake", place, form, GIVEN), "all")
        seen.append({**serialized(loads), **serialized(tasks)})
    assert set(seen[0]) == {"starbake_load_cron1", "starbake_load_hourly", "starbake_transform"}
    assert seen[0] == seen[1]
    assert seen[0] == seen[2]
    for data, made in seen[0].values():
        assert set(data["tags"]) >= {"bread", "daily"}
        assert all(task["pool"] == "ovens" and task["retries"] == 4 for task in made.values())


def test_a_file_makes_the_same_dag_at_each_parse(tmp_path: Path) -> None:
    """Sets of a file have another order in each process; the DAG may not, or each parse would be a new version."""
    files = [
        str(bakery(tmp_path / "load", "shell", "newer").loads("imported", 2)),
        str(transforms(bakery(tmp_path / "transform", "shell", "newer"), "any")),
        str(bakery(tmp_path / "dataproc", "dataproc", "older").loads("imported", 1)),
    ]
    code = (
        "import hashlib, json, sys\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "from airflow.serialization.serialized_objects import DagSerialization\n"
        "for file in sys.argv[1:]:\n"
        "    for name, dag in sorted(DagBag(dag_folder=file).dags.items()):\n"
        "        data = DagSerialization.to_dict(dag)\n"
        "        print(name, hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest())\n"
    )
    seen = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code, *files], env=environment, capture_output=True, text=True, check=True
        )
        lines = [line for line in done.stdout.splitlines() if "DagBag" not in line]
        assert len(lines) == 4, done.stdout
        seen.add(tuple(lines))
    assert len(seen) == 1, seen


@pytest.mark.parametrize("form", FORMS[1:])
def test_a_file_for_fargate_says_what_to_use_instead(form: str, tmp_path: Path) -> None:
    file = bakery(tmp_path / "starbake", "shell", form).loads("none", 1)
    text = file.read_text("utf-8").replace("StarlakeExecutionEnvironment.SHELL", "StarlakeExecutionEnvironment.FARGATE")
    file.write_text(text, encoding="utf-8")
    (error,) = dag_bag(file).import_errors.values()
    assert "this package does not run Starlake on fargate with airflow" in error
    assert "use one of the execution environments cloud_run, dataproc, embedded, shell" in error
