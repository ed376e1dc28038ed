"""The names that users and generated DAG files may rely on, written out: a change here is a change of contract."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType
from typing import get_origin

import dagster
import pytest

SURFACE = {
    "ai.starlake.common": {
        "DataInterval",
        "MissingEnvironmentVariable",
        "NameCollisionError",
        "NameRegistry",
        "PermanentError",
        "Redactor",
        "StarlakeError",
        "date_variables",
        "format_timestamp",
        "job_name",
        "mask_named_values",
        "names_a_secret",
        "parse_datetime",
        "sanitize_id",
        "secret_arguments",
        "zone_of",
    },
    "ai.starlake.dataset": {"StarlakeDataset"},
    "ai.starlake.job": {
        "ComputeProfile",
        "EnvironmentReference",
        "FileReference",
        "IStarlakeJob",
        "JobOptions",
        "SecretReference",
        "StarlakeCli",
        "StarlakeCommand",
        "StarlakeExecutionEnvironment",
        "StarlakeExecutionMode",
        "StarlakeJobFactory",
        "StarlakeOptionWarning",
        "StarlakeOptions",
        "StarlakeOrchestrator",
        "StarlakePreLoadStrategy",
        "StarlakeSparkConfig",
        "TaskType",
    },
    "ai.starlake.executor": {
        "AuditReader",
        "CheckOutcome",
        "ChecksAlone",
        "CommandFailedError",
        "ExecutableNotFoundError",
        "FilesLeftError",
        "Execution",
        "FactsFactory",
        "LoadedFile",
        "Location",
        "ProjectFacts",
        "RecoveryError",
        "RejectReason",
        "Reporter",
        "ReportsTables",
        "Runner",
        "ShellExecutor",
        "StarlakeCounts",
        "StarlakeExecutor",
        "StarlakeResult",
        "TableOutcome",
        "WriterBusyError",
        "parent_death_fd",
        "run_process",
        "stranded_files",
    },
    "ai.starlake.aws": {"AwsSecret"},
    "ai.starlake.gcp": {
        "GoogleSecret",
        "StarlakeDataprocClusterConfig",
        "StarlakeDataprocMasterConfig",
        "StarlakeDataprocWorkerConfig",
    },
    "ai.starlake.orchestration": {
        "AbstractDependency",
        "AbstractOrchestration",
        "AbstractPipeline",
        "AbstractTask",
        "AbstractTaskGroup",
        "OrchestrationFactory",
        "OrchestrationOptions",
        "StarlakeDependencies",
        "StarlakeDependency",
        "StarlakeDependencyType",
        "StarlakeDomain",
        "StarlakeSchedule",
        "StarlakeSchedules",
        "StarlakeTable",
        "TaskGroupContext",
        "TreeNodeMixin",
    },
    "ai.starlake.embedded": {"Engine", "LoadResult", "PreloadResult", "StageResult", "TransformResult"},
    "ai.starlake.dagster": {
        "DagsterStarlakeTranslator",
        "StarlakeDagsterFacade",
        "StarlakeDagsterJob",
        "StarlakeDuckDB",
        "StarlakeProject",
        "StarlakeProjectComponent",
        "StarlakeResource",
        "TableEvent",
        "build_starlake_asset_selection",
        "build_starlake_asset_specs",
        "build_starlake_definitions",
        "on_check_failed",
        "on_rows_rejected",
        "on_table_failed",
        "starlake_assets",
    },
    "ai.starlake.dagster.embedded": {"StarlakeDagsterEmbeddedJob"},
    "ai.starlake.dagster.gcp": {"StarlakeDagsterCloudRunJob", "StarlakeDagsterDataprocJob"},
    "ai.starlake.dagster.polars": {"PolarsCloudCompute"},
    "ai.starlake.dagster.pipelines": {"DagsterOrchestration", "DagsterPipeline"},
    "ai.starlake.dagster.shell": {"ShellOptions", "StarlakeDagsterShellJob"},
    "ai.starlake.dagster.warm": {"StarlakeDagsterWarmJob", "WarmJobOptions"},
    "starlake_gcp_emulator": {
        "Call",
        "Clock",
        "ClusterView",
        "Emulator",
        "EmulatorClient",
        "Endpoints",
        "ExecutionView",
        "GcpEmulator",
        "ManualClock",
        "SparkJobView",
        "Timing",
    },
}


def usable(package: ModuleType) -> list[str]:
    """Return the public names: without the component where Dagster has none, which is an error of its own."""
    return [name for name in package.__all__ if name != "StarlakeProjectComponent" or hasattr(dagster, "Component")]


@pytest.mark.parametrize("module", sorted(SURFACE))
def test_the_public_names_of_a_package_are_those_of_the_contract(module: str) -> None:
    package = importlib.import_module(module)
    assert set(package.__all__) == SURFACE[module]
    assert [name for name in usable(package) if not hasattr(package, name)] == []


@pytest.mark.parametrize("module", sorted(SURFACE))
def test_public_names_are_documented(module: str) -> None:
    package = importlib.import_module(module)
    found = {name: getattr(package, name) for name in usable(package)}
    aliases = {name for name, value in found.items() if get_origin(value)}  # a string below them documents these
    assert [name for name, value in found.items() if name not in aliases and not value.__doc__] == []


def test_importing_does_nothing_and_prints_nothing() -> None:
    program = """
import sys
events = []
sys.addaudithook(lambda event, args: events.append((event, args)))
import dagster
before = len(events)
import ai.starlake.dagster.shell
seen = events[before:]
opened = [a[0] for e, a in seen if e == "open" and not str(a[0]).endswith((".py", ".pyc", ".so"))
          and isinstance(a[0], str) and "__pycache__" not in a[0]]
forbidden = [e for e, a in seen if e.startswith(("subprocess", "socket.connect", "os.system", "os.mkdir", "os.fork"))]
heavy = [m for m in ("duckdb", "sqlglot", "google.cloud", "upath", "ai.starlake.project",
                     "ai.starlake.embedded", "ai.starlake.executor.process.supervision") if m in sys.modules]
heavy = [m for m in heavy if m != "upath"]
assert not opened and not forbidden and not heavy, (opened, forbidden, heavy)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
