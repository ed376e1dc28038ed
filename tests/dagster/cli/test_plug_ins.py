"""An executor of a user's own, which his package offers by entry points: in generated files, and in errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENTRY_POINTS = """
[starlake.executors]
dagster.acme = acme.jobs:AcmeJob
dagster.broken = acme.no_such_module:BrokenJob [fast,cloud]

[starlake.dag_templates]
acme = acme.templates
"""
JOBS = """
from ai.starlake.dagster.shell import StarlakeDagsterShellJob

class AcmeJob(StarlakeDagsterShellJob):
    pass
"""
TEMPLATE = """{% set environment = "ACME" -%}
{% extends "dagster/load.py.j2" %}
"""
PROJECT = {
    "application.sl.yml": "version: 1\napplication:\n  loader: spark\n  dagRef: {load: daily}\n",
    "dags/daily.sl.yml": (
        "version: 1\ndag:\n  comment: every day\n  template: load/dagster__scheduled_table__acme.py.j2\n"
        "  filename: daily.py\n  options: {}\n"
    ),
    "load/sales/_config.sl.yml": "version: 1\nload:\n  name: sales\n  metadata:\n    directory: incoming/sales\n",
    "load/sales/orders.sl.yml": (
        "version: 1\ntable:\n  name: orders\n  pattern: orders.*.csv\n  attributes:\n  - name: id\n    type: string\n"
    ),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of packages with one that nobody but this test knows."""
    folder = tmp_path_factory.mktemp("site")
    package, metadata = folder / "acme", folder / "acme_starlake-1.0.dist-info"
    (package / "templates/load").mkdir(parents=True)
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-starlake\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    for file in (package / "__init__.py", package / "templates/__init__.py"):
        file.touch()
    (package / "jobs.py").write_text(JOBS)
    (package / "templates/load/dagster__scheduled_table__acme.py.j2").write_text(TEMPLATE)
    return folder


@pytest.fixture
def python(site: Path, tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(Path(__file__).parents[3])])}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_a_generated_file_runs_on_it(python, tmp_path):
    for name, text in PROJECT.items():
        file = tmp_path / "metadata" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    ran = python("-c", GENERATE)
    assert ran.returncode == 0, ran.stderr
    text = (tmp_path / "made/daily.py").read_text()
    assert "execution_environment = StarlakeExecutionEnvironment.ACME" in text
    check = (
        "import runpy\n"
        "made = runpy.run_path('made/daily.py')\n"
        "print(type(made['sl_job']).__module__, *(job.name for job in made['defs'].jobs))\n"
    )
    ran = python("-c", check)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split()[0] == "acme.jobs"
    assert len(ran.stdout.split()) > 1


GENERATE = "from ai.starlake.dagster.cli import main\nmain(['generate', '--project', '.', '--output', 'made'])\n"
CREATE = """
from ai.starlake.job import StarlakeJobFactory
try:
    StarlakeJobFactory.create_job("f.py", "m", "dagster", {environment!r})
except Exception as error:
    print(error)
"""


def test_errors_name_it_among_the_installed_ones(python):
    text = python("-c", CREATE.format(environment="databricks")).stdout
    assert "dagster.acme, dagster.broken, dagster.cloud_run, dagster.dataproc" in text


def test_a_package_that_it_lacks_is_named_with_its_distribution_and_extras(python):
    text = python("-c", CREATE.format(environment="broken")).stdout
    assert "running Starlake on broken with dagster needs a package that is not installed" in text
    assert 'pip install "acme-starlake[fast,cloud]"' in text


def test_its_name_is_a_word_like_those_of_others(python):
    code = (
        "import pickle\n"
        "from ai.starlake.job import StarlakeExecutionEnvironment as E\n"
        "assert E.ACME is E.of(' Acme ') is E('acme') is pickle.loads(pickle.dumps(E.ACME))\n"
        "assert (str(E.ACME), E.ACME == 'acme', E.SHELL.value) == ('acme', True, 'shell')\n"
        "assert not hasattr(E, 'ACMEE') and not hasattr(E, 'acme')\n"
    )
    ran = python("-c", code)
    assert ran.returncode == 0, ran.stderr
