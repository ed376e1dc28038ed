"""Jobs by the names of their executors in YAML and resources."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.plug_ins import EXECUTORS, load, plug_ins
from ai.starlake.dagster.job import StarlakeDagsterJob

_OURS = "dagster."


def named_job(executor: str, options: Mapping[str, Any] | None = None) -> StarlakeDagsterJob[Any]:
    """Return a job for the name of its executor.

    Args:
        executor: ``embedded``, ``shell``, ``warm``, ``dataproc``, ``cloud_run`` or one of an installed package; or a
            class with its module, such as ``my_package.MyJob``.
        options: The options of the job.

    Raises:
        StarlakeError: If there is no such class, if a package that it needs is not installed, or if an option has an
            invalid value.
    """
    found = plug_ins(EXECUTORS).get(f"{_OURS}{executor}")
    job_class = load(found, f"the executor {executor}") if found else _imported(executor)
    if not (isinstance(job_class, type) and issubclass(job_class, StarlakeDagsterJob)):
        raise _not_an_executor(executor, f"{job_class!r} is not a subclass of StarlakeDagsterJob")
    job: StarlakeDagsterJob[Any] = job_class(options=options)
    return job


def checked_job(job: object) -> StarlakeDagsterJob[Any]:
    """Return a job; that of the embedded engine for None.

    Args:
        job: The value of ``sl_job``.

    Raises:
        StarlakeError: If it is anything else, such as the class of a job or the name of an executor.
    """
    if job is None:
        return named_job("embedded")
    if isinstance(job, StarlakeDagsterJob):
        return job
    raise StarlakeError(
        f"sl_job is {job!r}",
        cause="it is not an instance of a subclass of StarlakeDagsterJob",
        fix="pass a job, such as StarlakeDagsterShellJob(options={...}), or None for the embedded engine",
    )


def executor_names() -> list[str]:
    """Return the short names of the executors of installed packages."""
    return [name.removeprefix(_OURS) for name in plug_ins(EXECUTORS) if name.startswith(_OURS)]


def _imported(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    if not module:
        raise _not_an_executor(name, "no installed package offers it")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise _not_an_executor(name, str(error)) from error


def _not_an_executor(name: str, cause: str) -> StarlakeError:
    names = executor_names()
    nearest = get_close_matches(name, names, n=1)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    return StarlakeError(
        f"{name} is not an executor",
        cause=cause,
        fix=f"{hint}Use {', '.join(names)}, or the name of a subclass of StarlakeDagsterJob with its module",
    )
