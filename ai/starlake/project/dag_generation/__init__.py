"""DAG files out of the templates that a project's ``metadata/dags`` configurations name."""

from ai.starlake.project.dag_generation.dependencies import dependencies_json
from ai.starlake.project.dag_generation.generate import generate
from ai.starlake.project.dag_generation.generated_files import (
    Change,
    DagFile,
    FileStep,
    GeneratedFolder,
    check_syntax,
)
from ai.starlake.project.dag_generation.shipped import why_missing
from ai.starlake.project.dag_generation.templates import Templates
from ai.starlake.project.dag_generation.variables import own_variables

__all__ = [
    "Change",
    "DagFile",
    "FileStep",
    "GeneratedFolder",
    "Templates",
    "check_syntax",
    "dependencies_json",
    "generate",
    "own_variables",
    "why_missing",
]
