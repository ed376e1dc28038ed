"""Generated files as modules, and their jobs, run in this process."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from dagster import DagsterInstance, Definitions, ExecuteInProcessResult

from starlake_gcp_emulator import Emulator

_numbers = itertools.count()


def on_google_cloud(gcp: Emulator, place: str, poll_interval: float) -> dict[str, str]:
    """Return the options that lead the commands of a place to an emulator."""
    names = {"cloud_run": ("cloud_run_endpoint", "logging_endpoint"), "dataproc": ("dataproc_endpoint",)}[place]
    known = gcp.options()
    chosen = {name: known[name] for name in (*names, "storage_endpoint") if name in known}
    return {**chosen, "poll_interval": str(poll_interval)}


@contextmanager
def imported(file: Path) -> Iterator[ModuleType]:
    """Yield a DAG file as a module, as Dagster imports it."""
    name = f"generated_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]


def validated(module: ModuleType) -> Definitions:
    """Return the definitions of a file; Dagster has found nothing wrong with them."""
    definitions: Definitions = module.defs
    Definitions.validate_loadable(definitions)
    return definitions


def run(module: ModuleType, job: str, instance: DagsterInstance) -> ExecuteInProcessResult:
    """Run a job of a file; one that the clock starts for its last tick."""
    definition = validated(module).get_repository_def().get_job(job)
    given: dict[str, Any] = {}
    if definition.partitions_def is not None:
        given["partition_key"] = definition.partitions_def.get_last_partition_key()
    result = definition.execute_in_process(instance=instance, raise_on_error=False, **given)
    assert result.success, [event.message for event in result.all_events if event.is_failure]
    return result
