"""The wheels: what is in them, and that each extra does alone what it promises."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.lent_bytecode import LENDERS, lend_bytecode

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")

pytestmark = pytest.mark.slow

Run = Callable[..., str]


@pytest.fixture(scope="module")
def environments(wheels: dict[str, Path], disk: Path) -> Callable[[str], Path]:
    """Return a function that makes a fresh environment with extras of the wheel, and returns its folder of programs."""
    made: dict[str, Path] = {}

    def environment(extras: str, *others: str) -> Path:
        key = " ".join((extras, *others))
        if key not in made:
            folder = Path(tempfile.mkdtemp(dir=disk))
            subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True, timeout=120)
            wanted = [f"starlake-jobs{extras} @ {wheels['starlake_jobs'].as_uri()}"]
            wanted += [f"{name} @ {wheels[name].as_uri()}" for name in others]
            install = [UV, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *wanted]
            subprocess.run(install, check=True, timeout=300)
            lend_bytecode(folder, *LENDERS)
            LENDERS.append(folder)
            made[key] = folder / "bin"
        return made[key]

    return environment


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the starter project, made by the engine of this environment."""
    bootstrap = [sys.executable, "-m", "ai.starlake.embedded", "bootstrap", "--project-location", tmp_path / "rental"]
    subprocess.run(bootstrap, check=True, timeout=60, capture_output=True)
    return tmp_path / "rental"


@pytest.fixture
def run(project: Path, tmp_path: Path) -> Run:
    """Run a program within the project, outside of this repository; return what it prints."""

    def call(program: Path, *arguments: str, code: int = 0, **variables: str) -> str:
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        path = f"{program.parent}:/usr/bin:/bin"
        environment = {**kept, "PATH": path, "SL_ROOT": str(project), "DAGSTER_HOME": str(tmp_path), **variables}
        done = subprocess.run(
            [program, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


@pytest.fixture
def python(run: Run) -> Run:
    """Run Python code in an environment."""

    def call(bin_: Path, code: str, **variables: str) -> str:
        return run(bin_ / "python", "-I", "-c", textwrap.dedent(code), **variables)

    return call


EXECUTE = """
    import os, runpy, sys
    names = sys.argv[1:] or ["rental_load", "usage_transform"]
    for name in names:
        file = f"{os.environ['SL_ROOT']}/metadata/.build/dags/{name}.py"
        found = runpy.run_path(file)["defs"]
        for job in found.get_all_job_defs() if hasattr(found, "get_all_job_defs") else found.resolve_all_job_defs():
            print(job.name, job.execute_in_process().success)
"""


def configure(project: Path, before: str, after: str) -> None:
    """Replace text in the DAG configurations of a project."""
    for config in (project / "metadata" / "dags").glob("*.sl.yml"):
        text = config.read_text()
        assert before in text
        config.write_text(text.replace(before, after))


def names_in(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_of_the_library_carries_no_emulator_no_fakes_and_no_tests(wheels: dict[str, Path]) -> None:
    names = {name for name in names_in(wheels["starlake_jobs"]) if ".dist-info/" not in name}
    assert {name for name in names if not name.startswith("ai/starlake/")} == set()
    assert {name for name in names if "emulator" in name or "fake" in Path(name).name} == set()
    for_tests = {Path(name).name for name in names if name.startswith("ai/starlake/testing/")}
    suites = {"executor_contract.py", "_stand_in_main.py", "warehouse_contract.py"}  # one runs a program of its own
    assert for_tests - {"__init__.py", "py.typed"} == suites


def test_the_wheel_of_the_library_carries_all_that_is_no_code(wheels: dict[str, Path]) -> None:
    tracked = subprocess.run(["git", "ls-files", "ai"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = names_in(wheels["starlake_jobs"])
    assert set(tracked.split()) - names == set()
    for folder in ("ai/starlake/embedded/cli/templates/", "ai/starlake/dagster/cli/templates/"):
        written = {file.relative_to(ROOT).as_posix() for file in (ROOT / folder).rglob("*") if file.is_file()}
        assert {name for name in names if name.startswith(folder)} == written != set()


def test_the_wheel_of_the_emulator_carries_nothing_else(wheels: dict[str, Path]) -> None:
    names = {name for name in names_in(wheels["starlake_gcp_emulator"]) if ".dist-info/" not in name}
    assert {name for name in names if not name.startswith("starlake_gcp_emulator/")} == set()
    assert {"starlake_gcp_emulator/__main__.py", "starlake_gcp_emulator/py.typed"} < names


def test_without_extras_each_part_names_the_one_that_it_needs(environments, run, python) -> None:
    programs = environments("")
    assert "starlake-jobs[dagster]" in run(programs / "starlake-dagster", "generate", code=1)
    assert "starlake-jobs[embedded]" in run(programs / "starlake-embedded", "load", code=1)
    printed = python(
        programs,
        """
        import os
        from importlib import import_module
        import ai.starlake.dataset, ai.starlake.executor, ai.starlake.gcp, ai.starlake.orchestration
        from ai.starlake.job import StarlakeCommand
        from ai.starlake.embedded import Engine
        from ai.starlake.project import Graph, Project

        project = Project.read(os.environ["SL_ROOT"])
        print([task.full_name for task in project.tasks])
        shell = "ai.starlake.dagster.shell"
        for call in (Graph(project).order, lambda: Engine(project), lambda: import_module(shell)):
            try:
                print("no error", call())
            except ImportError as error:
                print(error)
        """,
    )
    assert "usage.daily_rides" in printed
    assert "sqlglot" in printed
    assert printed.count("starlake-jobs[dagster]") == 2
    assert "starlake-jobs[embedded]" in printed
    assert "no error" not in printed


def test_dagster_alone_generates_and_runs_files_for_the_starlake_command(
    environments, run, python, project: Path, tmp_path: Path
) -> None:
    programs = environments("[dagster]")
    starlake = tmp_path / "starlake"
    starlake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    starlake.chmod(0o755)
    configure(project, "SL_STARLAKE_PATH: starlake-embedded", f"SL_STARLAKE_PATH: {starlake}")
    assert "usage_transform.py" in run(programs / "starlake-dagster", "generate")
    assert "unchanged" in run(programs / "starlake-dagster", "generate", "--dry-run")
    printed = python(programs, EXECUTE)
    assert "rental_load True" in printed
    assert "usage_transform True" in printed
    calls = (tmp_path / "calls").read_text()
    assert "load --domains rental --tables bikes" in calls
    assert "transform --name usage.daily_rides" in calls
    printed = python(
        programs,
        """
        import ai.starlake.dagster.gcp
        from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
        from dagster import job

        load = StarlakeDagsterEmbeddedJob().sl_load("load", "rental", "bikes")

        @job
        def loading():
            load()

        print(loading.execute_in_process(raise_on_error=False).success)
        """,
    )
    assert "starlake-jobs[embedded]" in printed


def test_the_engine_alone_runs_a_project(environments, run) -> None:
    starlake = environments("[embedded]") / "starlake-embedded"
    run(starlake, "stage")
    assert "Accepted: 8" in run(starlake, "load")
    run(starlake, "transform", "--name", "usage.daily_rides")
    assert "0 error(s)" in run(starlake, "validate")
    assert "usage.daily_rides" in run(starlake, "lineage", "--all")
    assert "usage_transform.py" in run(starlake, "dag-generate")


def test_the_engine_runs_within_steps_of_dagster(environments, run, python, project: Path) -> None:
    programs = environments("[dagster,embedded]")
    configure(project, "__shell", "__embedded")
    run(programs / "starlake-dagster", "generate")
    run(programs / "starlake-embedded", "stage")
    printed = python(programs, EXECUTE)
    assert "rental_load True" in printed
    assert "usage_transform True" in printed
    assert (project / "datasets" / "duckdb.db").exists()


def test_google_cloud_alone_has_its_clients_and_its_storage(environments, python) -> None:
    printed = python(
        environments("[gcp]"),
        """
        from ai.starlake.gcp import StarlakeDataprocMasterConfig
        from upath import UPath

        print(type(UPath("gs://bucket/folder").fs).__name__)
        """,
    )
    assert "gcs" in printed.lower()


@pytest.mark.parametrize("extras", ["[dagster,gcp]", "[all]"])
def test_jobs_on_google_cloud_are_made_with_dagster_and_gcp(environments, run, python, project: Path, extras) -> None:
    programs = environments(extras)
    configure(project, "__shell", "__cloud_run")
    run(programs / "starlake-dagster", "generate")
    printed = python(
        programs,
        """
        from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob, StarlakeDagsterDataprocJob

        run = {"cloud_run_project_id": "p", "cloud_run_job_name": "j", "cloud_run_job_region": "europe-west1"}
        print(StarlakeDagsterCloudRunJob(options=run).sl_load("load", "rental", "bikes").name)
        """,
    )
    assert "load" in printed


def test_the_emulator_stands_in_for_google_cloud(environments, python, project: Path) -> None:
    printed = python(
        environments("[dagster,embedded,gcp]", "starlake_gcp_emulator"),
        """
        from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob
        from dagster import job
        from starlake_gcp_emulator import GcpEmulator

        with GcpEmulator() as gcp:
            gcp.add_job("projects/p/locations/europe-west1/jobs/j", max_retries=0)
            given = {"cloud_run_project_id": "p", "cloud_run_job_name": "j", "cloud_run_job_region": "europe-west1"}
            sl_job = StarlakeDagsterCloudRunJob(options={**given, **gcp.options("cloud_run"), "poll_interval": 0.1})
            stage = sl_job.sl_import("stage", "rental")

            @job
            def staging():
                stage()

            print("success", staging.execute_in_process().success)
        """,
    )
    assert "success True" in printed
    assert list((project / "datasets" / "stage" / "rental").glob("bikes-*.csv"))


def test_secrets_of_aws_need_one_extra(environments, python) -> None:
    code = """
        import json
        from http.server import BaseHTTPRequestHandler, HTTPServer
        from threading import Thread
        from ai.starlake.common.secrets import environment_value, resolve_environment

        class SecretsManager(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"Name": "db", "SecretString": '{"password": "hunter2"}'}).encode())

        server = HTTPServer(("127.0.0.1", 0), SecretsManager)
        Thread(target=server.serve_forever, daemon=True).start()
        where = {"secret": "db", "field": "password", "region": "eu-west-1"}
        where["endpoint"] = f"http://127.0.0.1:{server.server_port}"
        try:
            print(resolve_environment({"X": environment_value("X", {"aws": where})}))
        except Exception as error:
            print(error)
        """
    credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert "hunter2" in python(environments("[secrets-aws]"), code, **credentials)
    assert 'pip install "starlake-jobs[secrets-aws]"' in python(environments(""), code, **credentials)


def test_secrets_of_google_need_one_extra(environments, python) -> None:
    code = """
        from ai.starlake.common.secrets import environment_value, resolve_environment

        try:
            from concurrent.futures import ThreadPoolExecutor
            import grpc
            from google.cloud.secretmanager_v1 import AccessSecretVersionRequest, AccessSecretVersionResponse

            def access(request, context):
                return AccessSecretVersionResponse(name=request.name, payload={"data": b"hunter2"})

            method = grpc.unary_unary_rpc_method_handler(
                access, AccessSecretVersionRequest.deserialize, AccessSecretVersionResponse.serialize
            )
            service = "google.cloud.secretmanager.v1.SecretManagerService"
            server = grpc.server(ThreadPoolExecutor())
            server.add_generic_rpc_handlers(
                [grpc.method_handlers_generic_handler(service, {"AccessSecretVersion": method})]
            )
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
        except ImportError:
            port = 1
        where = {"secret": "projects/p/secrets/s", "endpoint": f"http://127.0.0.1:{port}"}
        try:
            print(resolve_environment({"X": environment_value("X", {"google": where})}))
        except Exception as error:
            print(error)
        """
    assert "hunter2" in python(environments("[secrets-gcp]"), code)
    assert 'pip install "starlake-jobs[secrets-gcp]"' in python(environments(""), code)


def test_lazy_frames_need_one_extra_each(environments, run, project: Path) -> None:
    task = project / "metadata" / "transform" / "usage" / "lazy"
    task.with_suffix(".py").write_text(
        "import polars as pl\n\n\n"
        "def task(connection, variables):\n"
        "    return pl.DataFrame(connection.sql('SELECT 1 AS id')).lazy()\n"
    )
    ways = {
        ("[embedded,polars]", "polars"): None,
        ("[polars-cloud]", "polars"): None,
        # the real package, as far as it gets without an account
        ("[polars-cloud]", "polars-cloud"): "AuthLoadError: Authentication token was not found",
        ("[embedded,polars]", "polars-cloud"): "starlake-jobs[polars-cloud]",
    }
    for (extras, engine), told in ways.items():
        task.with_suffix(".sl.yml").write_text(f"version: 1\ntask:\n  engine: {engine}\n")
        starlake = environments(extras) / "starlake-embedded"
        assert "0 error(s)" in run(starlake, "validate")
        assert (told or "") in run(starlake, "transform", "--name", "usage.lazy", code=0 if told is None else 1)
