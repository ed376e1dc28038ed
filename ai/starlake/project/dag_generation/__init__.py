"""DAG files out of the templates that a project's ``metadata/dags`` configurations name (contract 3.8 and 10)."""

from ai.starlake.project.dag_generation.dependencies import dependencies_json
from ai.starlake.project.dag_generation.files import DagFile, write_files
from ai.starlake.project.dag_generation.generate import generate
from ai.starlake.project.dag_generation.output import Change, Output, Step
from ai.starlake.project.dag_generation.shipped import why_missing
from ai.starlake.project.dag_generation.syntax import check_syntax
from ai.starlake.project.dag_generation.templates import Templates
from ai.starlake.project.dag_generation.variables import own_variables

__all__ = [
    "Change",
    "DagFile",
    "Output",
    "Step",
    "Templates",
    "check_syntax",
    "dependencies_json",
    "generate",
    "own_variables",
    "why_missing",
    "write_files",
]
