"""Compute profiles on the executors of this machine: limits of processes, and errors when a limit is too small."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ai.starlake.executor.process.limits import limit_reached
from ai.starlake.job import ComputeProfile, StarlakeCommand

_LIMIT_OF_DUCKDB = re.compile(r"Out of Memory Error")
_DISK_OF_DUCKDB = re.compile(r"max_temp_directory_size")
_WORDS = {"memory": "memory", "cpu_seconds": "CPU time", "open_files": "open files"}


def engine_sizes(profile: ComputeProfile | None) -> dict[str, str]:
    """Return the variables that tell the embedded engine what DuckDB may use, such as ``SL_DUCKDB_THREADS``."""
    sizes = profile.duckdb.sizes if profile else {}
    return {f"SL_DUCKDB_{name.upper()}": str(value) for name, value in sizes.items()}


def for_engine(command: StarlakeCommand) -> StarlakeCommand:
    """Return a command with the section `polars` of its profile in its environment, for the embedded engine.

    Secrets remain references, as in every command. Only tasks run on Polars: no other command needs the section.
    """
    polars = command.compute.polars if command.compute and command.verb == "transform" else None
    return command.with_environment(polars.environment()) if polars else command


def launcher_sizes(profile: ComputeProfile | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that size the Spark job of Starlake's launcher.

    Args:
        profile: The profile.
        environment: The environment of the command; its own Spark properties take precedence.
    """
    properties = dict(profile.spark.properties) if profile else {}
    memory = properties.get("spark.driver.memory")
    found = {"SPARK_DRIVER_MEMORY": memory} if memory else {}
    if properties:
        options = " ".join(f"--conf {name}={value}" for name, value in properties.items())
        found["SPARK_CONF_OPTIONS"] = f"{environment.get('SPARK_CONF_OPTIONS', '')} {options}".strip()
    return found


def too_small(profile: ComputeProfile | None, exit_code: int, lines: Sequence[str]) -> tuple[str, str] | None:
    """Return the cause and the fix if a limit of its profile made a command fail; None otherwise.

    Args:
        profile: The profile.
        exit_code: Exit code of the command.
        lines: Last lines that it printed.
    """
    if profile is None:
        return None
    reached = limit_reached(profile.process, exit_code, lines)
    text = "\n".join(lines)
    duckdb = profile.duckdb
    if duckdb.max_temp_directory_size is not None and _DISK_OF_DUCKDB.search(text):
        return _told(profile, "disk space", "duckdb", "max_temp_directory_size", duckdb.max_temp_directory_size)
    if duckdb.memory_limit is not None and _LIMIT_OF_DUCKDB.search(text):
        return _told(profile, "memory", "duckdb", "memory_limit", duckdb.memory_limit)
    if reached is not None:
        return _told(profile, _WORDS[reached], "process", reached, profile.process.sizes[reached])
    return None


def _told(profile: ComputeProfile, what: str, section: str, field: str, value: object) -> tuple[str, str]:
    return (
        f"the command exceeded the {what} limit {value} of compute profile {profile.name} ({section}.{field})",
        f"raise {section}.{field} of profile {profile.name}, or choose a larger profile",
    )
