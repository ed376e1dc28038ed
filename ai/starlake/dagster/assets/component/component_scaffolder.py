"""`dg scaffold defs` for the component of a project."""

import os
from pathlib import Path
from typing import Any

from dagster import Scaffolder, ScaffoldRequest, scaffold_component
from pydantic import BaseModel, Field

from ai.starlake.common import StarlakeError


class ScaffoldedProject(BaseModel):
    """Parameters of `dg scaffold defs`."""

    project_path: str | None = Field(default=None, description="The folder of the Starlake project.")
    init: bool = Field(
        default=False,
        description="Make a new project with sample data at --project-path, by default in the root of the dg project.",
    )
    executor: str = Field(
        default="embedded",
        description="Executor of commands: embedded, shell, warm, dataproc, cloud_run, or a class with its module.",
    )


class ProjectScaffolder(Scaffolder[ScaffoldedProject]):
    """Writes the YAML of the component, and a new project if requested."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldedProject]:
        """Return the model of the parameters."""
        return ScaffoldedProject

    def scaffold(self, request: ScaffoldRequest[ScaffoldedProject]) -> None:
        """Write the files.

        Raises:
            StarlakeError: If no project is named, if its folder is not a project, or if the folder of a new one is not
                empty.
        """
        folder = _folder_of(request)
        if request.params.init:
            from ai.starlake.dagster.cli.new_project import make_project

            make_project(folder)
        elif not (folder / "metadata").is_dir():
            raise StarlakeError(
                f"{folder} is not a Starlake project",
                cause="it has no folder metadata",
                fix="name one that has with --project-path, or make a new one with --init",
            )
        attributes: dict[str, Any] = {
            "project": Path(os.path.relpath(folder, request.target_path.absolute())).as_posix(),
            "executor": {"class": request.params.executor},
        }
        scaffold_component(request, attributes)


def _folder_of(request: ScaffoldRequest[ScaffoldedProject]) -> Path:
    if request.params.project_path:
        return Path(request.params.project_path).expanduser().absolute()
    if not request.params.init:
        raise StarlakeError(
            "the component needs a project",
            fix="name its folder with --project-path, or make a new project with --init",
        )
    root = request.project_root or Path.cwd()
    return root.absolute() / request.target_path.name
