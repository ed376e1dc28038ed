"""Compute profiles on this machine: the limits of processes, and the sizes of Spark and of the embedded engine."""

from __future__ import annotations

import json
import os
import resource
from typing import Any

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor import CommandFailedError, Execution, ShellExecutor, StarlakeResult
from ai.starlake.executor.process.limits import limited
from ai.starlake.job import JobOptions, StarlakeCommand
from ai.starlake.job.compute_sections import ProcessCompute

SIZES = """
import resource
print(json.dumps({
    "cpu": resource.getrlimit(resource.RLIMIT_CPU),
    "memory": resource.getrlimit(resource.RLIMIT_DATA),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "nice": os.nice(0),
    "group": os.getpgid(0) == os.getpid(),
    "argv": sys.argv[1:],
    "environment": dict(os.environ),
}))
"""


def command(**sections: Any) -> StarlakeCommand:
    """Return a command with a profile of these sections."""
    profile = JobOptions.read({"compute": {"small": sections}}).compute["small"]
    return StarlakeCommand("load", ("--domains", "a b"), environment={"MINE": "1"}).with_compute(profile)


def run(cli: Any, body: str, execution: Execution, **sections: Any) -> StarlakeResult:
    return ShellExecutor(cli(body)).run(command(**sections), execution)


def shown(execution: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(execution.report.of("stdout")[-1])
    return found


def test_a_command_has_the_limits_of_its_profile_and_this_process_does_not(cli: Any, execution: Any) -> None:
    kinds = (resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_NOFILE)
    before = ([resource.getrlimit(kind) for kind in kinds], os.nice(0))
    limits = {"memory": "512MiB", "cpu_seconds": 50, "open_files": 100, "nice": 3}
    result = run(cli, SIZES, execution, process=limits)
    found = shown(execution)
    assert found["cpu"] == [50, 55]
    assert found["memory"] == [512 * 1024**2] * 2
    assert found["files"] == [100, 100]
    assert found["nice"] == before[1] + 3
    assert found["group"], "the number of its group is that of its process"
    assert found["argv"] == ["load", "--domains", "a b"]
    assert found["environment"]["MINE"] == "1"
    assert result.sizes == {f"process.{name}": str(value) for name, value in limits.items()}
    assert ([resource.getrlimit(kind) for kind in kinds], os.nice(0)) == before


def test_a_profile_without_limits_starts_the_command_itself() -> None:
    assert limited(["/bin/x", "load"], ProcessCompute()) == ["/bin/x", "load"]


def test_a_limit_of_the_system_that_is_lower_stays(cli: Any, execution: Any) -> None:
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    run(cli, SIZES, execution, process={"open_files": highest + 1000})
    assert shown(execution)["files"] == [highest, highest]


def test_a_command_that_needs_more_memory_says_so(cli: Any, execution: Any) -> None:
    with pytest.raises(CommandFailedError) as error:
        run(cli, "x = bytearray(400_000_000)", execution, process={"memory": "100MB"})
    text = "the command exceeded the memory limit 100MB of compute profile small (process.memory)"
    assert text in str(error.value)
    assert "raise process.memory of profile small" in str(error.value)


def test_a_command_that_needs_more_time_says_so(cli: Any, execution: Any) -> None:
    with pytest.raises(CommandFailedError) as error:
        run(cli, "while True: pass", execution, process={"cpu_seconds": 1})
    assert "the command exceeded the CPU time limit 1 of compute profile small (process.cpu_seconds)" in str(
        error.value
    )


def test_a_command_that_a_shell_started_says_so_too(cli: Any, execution: Any) -> None:
    body = "import subprocess; raise SystemExit(128 - subprocess.run(['sh', '-c', 'kill -XCPU $$']).returncode)"
    with pytest.raises(CommandFailedError) as error:
        run(cli, body, execution, process={"cpu_seconds": 9})
    assert "exceeded the CPU time limit 9" in str(error.value)


def test_a_command_that_opens_more_files_says_so(cli: Any, execution: Any) -> None:
    body = "x = [open(os.devnull) for _ in range(200)]"
    with pytest.raises(CommandFailedError) as error:
        run(cli, body, execution, process={"open_files": 64})
    assert "the command exceeded the open files limit 64 of compute profile small" in str(error.value)


def test_another_failure_has_nothing_to_do_with_limits(cli: Any, execution: Any) -> None:
    with pytest.raises(CommandFailedError) as error:
        run(cli, "raise SystemExit('no such table')", execution, process={"memory": "1GB", "cpu_seconds": 50})
    assert "exceeded" not in str(error.value)


def test_a_program_that_cannot_be_started_is_a_missing_executable(cli: Any, execution: Any, tmp_path: Any) -> None:
    file = tmp_path / "starlake"
    file.write_text("#!/nowhere/python\n")
    file.chmod(0o755)
    with pytest.raises(StarlakeError, match="exit code 127"):
        ShellExecutor(str(file)).run(command(process={"nice": 1}), execution)


def test_starlake_is_told_how_large_its_spark_job_is(cli: Any, execution: Any) -> None:
    sizes = {"driver_memory": "2g", "executor_memory": "8g", "executor_cores": 2}
    profiled = command(spark=sizes, duckdb={"threads": 1})
    profiled = profiled.with_environment({"SPARK_CONF_OPTIONS": "--conf spark.x=1", "SPARK_DRIVER_MEMORY": "4g"})
    result = ShellExecutor(cli(SIZES)).run(profiled, execution)
    environment = shown(execution)["environment"]
    assert environment["SPARK_DRIVER_MEMORY"] == "2g"
    assert environment["SPARK_CONF_OPTIONS"] == (
        "--conf spark.x=1 --conf spark.executor.memory=8g --conf spark.executor.cores=2 --conf spark.driver.memory=2g"
    )
    assert "SL_DUCKDB_THREADS" not in environment
    assert set(result.sizes) == {"spark.driver_memory", "spark.executor_memory", "spark.executor_cores"}
