"""Spark drivers: what the jobs of a cluster run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from google.cloud import dataproc_v1 as dataproc

from starlake_gcp_emulator.cloud_storage.storage import OutputObject, StorageServer
from starlake_gcp_emulator.state.processes import Processes, Work

_DRIVER, _EXECUTORS = "spark.yarn.appMasterEnv.", "spark.executorEnv."


class DriverFactory(Protocol):
    """Makes what runs a job."""

    def __call__(self, job: dataproc.Job, config: dataproc.ClusterConfig) -> Driver:
        """Return what runs a job on a cluster."""
        ...


class Drivers:
    """Makes drivers that run a command in place of Spark.

    Args:
        command: Command before the arguments of a job.
        main_class: The main class that there is; None for any.
        processes: Processes of drivers.
        storage: Storage for its output.
        touch: Called when there is more of it.
    """

    def __init__(
        self,
        command: Sequence[str],
        main_class: str | None,
        processes: Processes,
        storage: StorageServer,
        touch: Callable[[], None],
    ) -> None:
        self._command = tuple(command)
        self._main_class = main_class
        self._processes = processes
        self._storage = storage
        self._touch = touch

    def __call__(self, job: dataproc.Job, config: dataproc.ClusterConfig) -> Driver:
        """Return what runs a job on a cluster."""
        asked = job.spark_job.main_class
        missing = asked if self._main_class is not None and asked not in ("", self._main_class) else None
        return Driver(
            (*self._command, *job.spark_job.args),
            _environment(job.spark_job.properties, config.software_config.properties),
            self._processes,
            self._storage.output(job.driver_output_resource_uri),
            self._touch,
            missing_class=missing,
        )


class Driver:
    """The process of a job, and what it prints.

    Args:
        argv: The command.
        added: Variables of its environment in addition to those of the emulator.
        processes: Processes of drivers.
        output: Destination of its output.
        touch: Called when there is more of it.
        missing_class: A main class that does not exist, so that the driver fails at once.
    """

    def __init__(
        self,
        argv: Sequence[str],
        added: Mapping[str, str],
        processes: Processes,
        output: OutputObject,
        touch: Callable[[], None],
        *,
        missing_class: str | None = None,
    ) -> None:
        self.argv = tuple(argv)
        self.added = dict(added)
        self.lines: list[str] = []
        self.exit_code: int | None = None
        self._processes = processes
        self._output = output
        self._touch = touch
        self._missing = missing_class
        self._work: Work | None = None

    def start(self, on_end: Callable[[int | None], None]) -> None:
        """Start the process; `on_end` hears its exit code, None when it was ended, in another thread."""

        def ended(code: int | None) -> None:
            self.exit_code = code
            on_end(code)

        self.exit_code = None
        argv = self.argv
        if self._missing is not None:
            text = f'Exception in thread "main" java.lang.ClassNotFoundException: {self._missing}'
            argv = ("/bin/sh", "-c", 'printf "%s\\n" "$1" >&2; exit 1', "spark", text)
        environment = {**os.environ, **self.added}
        self._work = self._processes.start(argv, environment, on_line=self._note, on_end=ended)

    def end(self) -> None:
        """End the process, if there is one."""
        if self._work is not None:
            self._work.end("cancelled")

    def flush(self) -> None:
        """Put all output where it belongs."""
        self._output.flush()

    def _note(self, _stream: str, line: str) -> None:
        self.lines.append(line)
        self._output.write(line)
        self._touch()


def _environment(of_job: Mapping[str, str], of_cluster: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that properties set for the driver; those of the job over those of the cluster."""
    spark = {name.removeprefix("spark:"): value for name, value in of_cluster.items() if name.startswith("spark:")}
    found = {n.removeprefix("spark-env:"): value for n, value in of_cluster.items() if n.startswith("spark-env:")}
    for prefix in (_EXECUTORS, _DRIVER):
        for properties in (spark, of_job):
            found.update({n.removeprefix(prefix): value for n, value in properties.items() if n.startswith(prefix)})
    return found
