"""Jobs by the name of their executor, as resources and YAML files give it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.job import StarlakeJobFactory


def job_of(executor: str = "embedded", options: Mapping[str, Any] | None = None) -> StarlakeDagsterJob[Any]:
    """Return the job whose commands run on an executor.

    Args:
        executor: The name of an installed executor, such as ``embedded``, ``shell``, ``dataproc`` and ``cloud_run``; or
            the path of a class of jobs, such as ``my_package.MyJob``.
        options: The options of the job.

    Raises:
        StarlakeError: If there is no such executor, or if an option has a value that it does not accept.
    """
    job_class = _imported(executor) if "." in executor else StarlakeJobFactory.job_class("dagster", executor.lower())
    if not isinstance(job_class, type) or not issubclass(job_class, StarlakeDagsterJob):
        raise StarlakeError(
            f"{executor} is not a class of jobs", fix="name a subclass of ai.starlake.dagster.StarlakeDagsterJob"
        )
    return job_class(options=options)


def _imported(path: str) -> object:
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise StarlakeError(
            f"the executor {path} cannot be imported",
            cause=f"{type(error).__name__}: {error}",
            fix="write the path of a class: package.module.ClassName",
        ) from error
