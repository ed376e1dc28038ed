"""DAG files from the templates of a project's ``metadata/dags`` configurations."""

from ai.starlake.project.dag_generation.dependency_lists import dependencies_json
from ai.starlake.project.dag_generation.generated_files import (
    DagFile,
    FileChange,
    FileStep,
    GeneratedFolder,
    check_syntax,
)
from ai.starlake.project.dag_generation.generation import generate
from ai.starlake.project.dag_generation.installed_templates import why_missing
from ai.starlake.project.dag_generation.templates import Templates, own_variables

__all__ = [
    "DagFile",
    "FileChange",
    "FileStep",
    "GeneratedFolder",
    "Templates",
    "check_syntax",
    "dependencies_json",
    "generate",
    "own_variables",
    "why_missing",
]
