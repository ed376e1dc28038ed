"""Jobs by the names that generated DAG files have for them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.job import (
    StarlakeExecutionEnvironment,
    StarlakeExecutionMode,
    StarlakeJobFactory,
    StarlakeOrchestrator,
    TaskType,
)


def create(orchestrator: Any, environment: Any, **kwargs: Any) -> Any:
    return StarlakeJobFactory.create_job(
        filename="sales.py",
        module_name=__name__,
        orchestrator=orchestrator,
        execution_environment=environment,
        **kwargs,
    )


@pytest.mark.parametrize("orchestrator", ["dagster", "DAGSTER", StarlakeOrchestrator.DAGSTER])
@pytest.mark.parametrize("environment", ["shell", "SHELL", StarlakeExecutionEnvironment.SHELL])
def test_names_are_enums_or_texts(orchestrator: Any, environment: Any) -> None:
    job = create(orchestrator, environment, options={"retries": "3"})
    assert type(job).__name__ == "StarlakeDagsterShellJob"
    assert (job.filename, job.module_name, job.settings.retries) == ("sales.py", __name__, 3)
    assert job.sl_orchestrator() is StarlakeOrchestrator.DAGSTER


def test_the_zone_that_dag_generate_writes_is_that_of_the_dates() -> None:
    assert create("dagster", "shell", options={"SL_TIMEZONE": "Europe/Paris"}).settings.timezone == "Europe/Paris"


def test_options_of_single_tasks_are_not_taken_for_misspelled_ones(recwarn: pytest.WarningsRecorder) -> None:
    """Generated files merge the variable `jobs` into the options."""
    job = create("dagster", "shell", options={"kpi.margin": {"options": "rate=2"}})
    assert job.options["kpi.margin"] == {"options": "rate=2"}
    assert not recwarn.list


@pytest.mark.parametrize(
    ("orchestrator", "environment", "message"),
    [
        ("dagster", "fargate", "does not run Starlake on fargate with dagster"),
        (
            "airflow",
            "fargate",
            "does not run Starlake on fargate with airflow(.|\n)*cloud_run, dataproc, embedded, shell",
        ),
        ("dagster", "sql", "cloud_run, dataproc, embedded, shell"),
        ("snowflake", "shell", "orchestrators that it knows: airflow, dagster"),
    ],
)
def test_what_is_not_here_is_said_to_be_so(orchestrator: str, environment: str, message: str) -> None:
    with pytest.raises(StarlakeError, match=message):
        create(orchestrator, environment)


_IMPORTS = """
import json, os, sys
from ai.starlake.job import StarlakeJobFactory
loaded = [name for name in sys.modules if name.split(".")[0] in ("dagster", "duckdb", "google")]
assert not loaded, loaded
import dagster
for environment in sys.argv[1:]:
    if os.fork():
        assert os.wait()[1] == 0, environment
        continue
    StarlakeJobFactory.job_class("dagster", environment)
    assert not {"duckdb", "google.cloud"} & set(sys.modules)
    print(json.dumps(sorted({name.split(".")[3] for name in sys.modules if name.startswith("ai.starlake.dagster.")})))
    sys.stdout.flush()
    os._exit(0)
"""
"""Prints the packages that each environment imports, in a process of its own; all share one import of Dagster."""


def test_only_the_module_asked_for_is_imported() -> None:
    """The peer imports every module that it has, Google's packages among them, for each generated file."""
    executors = {"shell": "shell", "cloud_run": "gcp", "dataproc": "gcp", "embedded": "embedded", "warm": "shell"}
    ran = subprocess.run([sys.executable, "-c", _IMPORTS, *executors], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    imported = [set(json.loads(line)) & set(executors.values()) for line in ran.stdout.splitlines()]
    assert dict(zip(executors, imported, strict=True)) == {name: {one} for name, one in executors.items()}


def test_a_package_that_is_missing_is_named() -> None:
    """Dagster itself, in the process of this test."""
    code = (
        "import sys\nfrom ai.starlake.job import StarlakeJobFactory\n"
        "sys.modules['dagster'] = None\n"
        "try:\n    StarlakeJobFactory.create_job('f.py', 'm', 'dagster', 'dataproc')\n"
        "except Exception as error:\n    print(error.culprit, error.fix, sep='\\n')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines() == [
        "running Starlake on dataproc with dagster needs a package that is not installed",
        'pip install "starlake-jobs[dagster,gcp]"',
    ], ran.stderr


def test_a_word_that_no_package_offers_is_none() -> None:
    with pytest.raises(StarlakeError, match="'nap' is not a valid StarlakeExecutionEnvironment"):
        StarlakeExecutionEnvironment.of("nap")
    assert not hasattr(StarlakeExecutionEnvironment, "NAP")


def test_the_words_read_as_their_values() -> None:
    assert f"{StarlakeExecutionMode.DRY_RUN} {TaskType.from_str('LOAD')}" == "dry_run load"
    with pytest.raises(StarlakeError, match="'nap' is not a valid TaskType"):
        TaskType.of("nap")
