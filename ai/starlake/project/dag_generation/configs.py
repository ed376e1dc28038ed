"""Which DAG configuration a ``dagRef`` names."""

from __future__ import annotations

from ai.starlake.common import StarlakeError
from ai.starlake.project.findings import nearest
from ai.starlake.project.models import DagConfig
from ai.starlake.project.project import Project


def find_config(project: Project, name: str, user: str) -> DagConfig:
    """The configuration of a name.

    Args:
        project: The project.
        name: What ``dagRef`` says.
        user: The table or task that uses it, for the error.

    Raises:
        StarlakeError: If there is none, or if a file of ``metadata/dags`` cannot be used.
    """
    config = project.dag_configs.get(name.removesuffix(".sl.yml"))
    if config is not None:
        return config
    folder = project.settings.folder("dags", "SL_DAGS")
    raise StarlakeError(
        f"the DAG configuration {name} of {user} does not exist",
        cause=f"there is no {folder / name}.sl.yml",
        fix=nearest(name, project.dag_configs) or "write it, or correct dagRef",
    )
