"""The variables that belong to a project, as opposed to its process."""

from __future__ import annotations

import os

from ai.starlake.project.project import Project


def own_variables(project: Project) -> dict[str, str]:
    """What env files, options and Starlake itself define, by name.

    The rest of the process's environment is nobody's business in what is deployed or shown.
    """
    return {
        name: value
        for name, value in sorted(project.environment.items())
        if name.startswith("SL_") or os.environ.get(name) != value
    }
