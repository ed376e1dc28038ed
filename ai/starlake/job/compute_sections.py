"""Sections of a compute profile: the sizes that each executor reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]?)(?P<binary>I?)B", re.IGNORECASE)
_SPARK_SIZE = re.compile(r"[1-9]\d*[kmgt]", re.IGNORECASE)
_CLOUD_RUN_SIZE = re.compile(r"[1-9]\d*(?:Mi|Gi|M|G)")
_CLOUD_RUN_CPU = re.compile(r"[1-9]\d*m|[1-9]|0?\.\d+")


def bytes_of(text: str) -> int:
    """Return the bytes of a size such as ``2GB`` or ``512MiB``.

    Raises:
        ValueError: If it is not a size.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None or float(found["number"]) == 0:
        raise ValueError("it is not a size; write a number with a unit, such as 2GB or 512MiB")
    unit = found["unit"].upper()
    if found["binary"] and not unit:
        raise ValueError("it is not a size; write a number with a unit, such as 2GB or 512MiB")
    factor = 1024 ** ("KMGT".index(unit) + 1) if found["binary"] else _UNITS[unit]
    return int(float(found["number"]) * factor)


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _size(value: str) -> str:
    bytes_of(value)
    return value.strip()


def _spark_size(value: str) -> str:
    if not _SPARK_SIZE.fullmatch(value):
        raise ValueError("it is not a size of Spark; write a whole number with a unit, such as 4g or 512m")
    return value


def _cloud_run_size(value: str) -> str:
    if not _CLOUD_RUN_SIZE.fullmatch(value):
        raise ValueError("it is not a size of Cloud Run; write a whole number with a unit, such as 2Gi or 512Mi")
    return value


def _cloud_run_cpu(value: str) -> str:
    if not _CLOUD_RUN_CPU.fullmatch(value):
        raise ValueError("it is not a CPU of Cloud Run; write 1, 2, 4, 6 or 8, or a part such as 500m")
    return value


Size = Annotated[str, BeforeValidator(_text), AfterValidator(_size)]
"""A size of memory or disk, such as ``2GB`` or ``512MiB``."""
SparkSize = Annotated[str, BeforeValidator(_text), AfterValidator(_spark_size)]
CloudRunSize = Annotated[str, BeforeValidator(_text), AfterValidator(_cloud_run_size)]
CloudRunCpu = Annotated[str, BeforeValidator(_text), AfterValidator(_cloud_run_cpu)]
Count = Annotated[int, Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]
Disk = Annotated[int, Field(ge=10)]


class ComputeSection(BaseModel):
    """A part of a profile: the sizes for one kind of executor. The other options of the job supply what is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    title: ClassVar[str] = ""
    """Title of the executors that read the section."""

    @property
    def sizes(self) -> dict[str, Any]:
        """The sizes that are set, by field name."""
        return {name: value for name, value in self if value is not None}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from self.sizes.items()


class SparkCompute(ComputeSection):
    """The driver and the executors of a Spark job."""

    title = "Spark: Dataproc, and the `starlake` command"

    executor_memory: SparkSize | None = Field(default=None, description="memory per executor, such as `4g`")
    executor_cores: Count | None = Field(default=None, description="cores per executor")
    executor_instances: Count | None = Field(default=None, description="number of executors")
    driver_memory: SparkSize | None = Field(default=None, description="memory of the driver, such as `2g`")
    driver_cores: Count | None = Field(default=None, description="cores of the driver")

    @property
    def properties(self) -> dict[str, str]:
        """The sizes as properties of a Spark job, by their Spark names."""
        return {f"spark.{name.replace('_', '.')}": str(value) for name, value in self.sizes.items()}


class CloudRunCompute(ComputeSection):
    """The machine of a Cloud Run execution."""

    title = "Cloud Run"

    job: Name | None = Field(
        default=None,
        description="the Cloud Run job that has these sizes; by default `{cloud_run_job_name}-{profile}`, which is "
        "made from `cloud_run_job_name`",
    )
    cpu: CloudRunCpu | None = Field(default=None, description="CPUs, such as `2` or `500m`")
    memory: CloudRunSize | None = Field(default=None, description="memory, such as `2Gi`")
    timeout: Annotated[int, Field(ge=1, le=7 * 24 * 3600)] | None = Field(
        default=None, description="timeout of a command, in seconds; `cloud_run_task_timeout` by default"
    )


class DataprocCompute(ComputeSection):
    """The shape of a Dataproc cluster."""

    title = "Dataproc"

    master_machine_type: Name | None = Field(default=None, description="the master's machine type")
    master_disk_type: Name | None = Field(default=None, description="the type of the master's disk")
    master_disk_size: Disk | None = Field(default=None, description="the size of the master's disk, in GB")
    worker_machine_type: Name | None = Field(default=None, description="the workers' machine type")
    worker_disk_type: Name | None = Field(default=None, description="the type of the workers' disks")
    worker_disk_size: Disk | None = Field(default=None, description="the size of the workers' disks, in GB")
    num_workers: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="the number of workers; 0 makes a single-node cluster"
    )
    num_secondary_workers: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="the number of secondary (spot) workers"
    )


class ProcessCompute(ComputeSection):
    """Limits of a command that runs as a process on this machine, and of each process that it starts."""

    title = "processes of the shell executor"

    memory: Size | None = Field(
        default=None, description="memory of each process, such as `2GB`; Linux only: macOS enforces no such limit"
    )
    cpu_seconds: Count | None = Field(default=None, description="seconds of CPU time of each process")
    open_files: Annotated[int, Field(ge=16)] | None = Field(default=None, description="open files of each process")
    nice: Annotated[int, Field(ge=0, le=19)] | None = Field(
        default=None, description="niceness of the process, 0 to 19: higher values yield more to other processes"
    )


class DuckDBCompute(ComputeSection):
    """Limits of DuckDB in the embedded engine."""

    title = "the embedded engine, in the step's process or as `starlake-embedded`"

    threads: Count | None = Field(default=None, description="number of threads")
    memory_limit: Size | None = Field(default=None, description="memory of the database, such as `2GB`")
    max_temp_directory_size: Size | None = Field(
        default=None, description="disk space for what does not fit into memory, such as `50GB`"
    )
