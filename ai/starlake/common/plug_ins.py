"""Classes and folders that installed packages register under a name, as entry points."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ai.starlake.common.errors import StarlakeError

EXECUTORS = "starlake.executors"
"""Job classes by the name ``orchestrator.environment``, such as ``dagster.shell``."""

ORCHESTRATORS = "starlake.orchestrators"
"""Orchestration classes by the name of their orchestrator."""

DAG_TEMPLATES = "starlake.dag_templates"
"""Packages with templates of DAG files, by the name of the folder that the templates share."""


SECRETS = "starlake.secrets"
"""Secret stores by their name in references: each returns a reference when it is called."""

LAZY_ENGINES = "starlake.lazy_engines"
"""Engines for the lazy frames of Python tasks, by the name in ``engine`` of a task's YAML; see `LazyEngine`."""


@functools.cache
def plug_ins(group: str) -> Mapping[str, EntryPoint]:
    """Return the registered objects by name, in alphabetical order. Packages are searched once per process.

    Args:
        group: A group of entry points, such as `EXECUTORS`.
    """
    return {each.name: each for each in sorted(entry_points(group=group), key=lambda each: each.name)}


def load(plug_in: EntryPoint, what: str) -> Any:
    """Import a registered object.

    Args:
        plug_in: The entry point.
        what: The part that needs it, for the error message.

    Raises:
        StarlakeError: If a package that it needs is not installed.
    """
    try:
        return plug_in.load()
    except ImportError as error:
        distribution = plug_in.dist.name if plug_in.dist else "its package"
        extras = f"[{','.join(plug_in.extras)}]" if plug_in.extras else ""
        raise StarlakeError(
            f"{what} needs a package that is not installed",
            cause=error.culprit if isinstance(error, StarlakeError) else str(error),
            fix=f'pip install "{distribution}{extras}"',
        ) from error
