"""The fields `project`, `executor` and `translation` of the component."""

# Annotations are not postponed: Dagster reads their objects.
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from dagster import AssetSpec, ResolutionContext, Resolvable, Resolver

from ai.starlake.dagster._compat.components import changed_spec, described, from_file_of, read_model
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.dagster.named_jobs import named_job
from ai.starlake.project.assets.project_item import ProjectItem
from ai.starlake.project.assets.starlake_project import StarlakeProject
from ai.starlake.project.paths import is_address

Translation = Callable[[AssetSpec, ProjectItem], AssetSpec]


def _as_text(_context: ResolutionContext, value: Any) -> str:
    return str(value)


@dataclass
class ProjectPlace(Resolvable):
    """Folder and profile of the project."""

    path: Annotated[
        str,
        described(
            "The folder that holds `metadata`, relative to this file; or its address.",
            ["../../../../bakery", "gs://bucket/bakery"],
        ),
    ]
    env: Annotated[
        str | None,
        described("The profile, like SL_ENV; by default the value of SL_ENV in the environment.", ["PROD"]),
    ] = None
    options: Annotated[
        dict[str, str] | None,
        described("Variables that take precedence over env files.", [{"long_ride_minutes": "90"}]),
    ] = None


@dataclass
class ExecutorPlace(Resolvable):
    """Executor of the project's commands."""

    class_: Annotated[
        str,
        Resolver(
            _as_text,
            model_field_name="class",
            model_field_type=str,
            description="`embedded` (DuckDB, in the process of the step), `shell` (the command `starlake`), "
            "`warm` (the same, in one JVM), `dataproc`, `cloud_run`, or a class of yours with its module, "
            "such as `my_package.MyJob`.",
            examples=["embedded", "shell", "my_package.MyJob"],
        ),
    ] = "embedded"
    options: Annotated[
        dict[str, Any] | None,
        described(
            "The options of the class. Give a secret by reference: `{env: NAME}`.",
            [{"retries": 2, "sl_env_var": {"DB_PASSWORD": {"env": "DB_PASSWORD"}}}],
        ),
    ] = None


def resolve_project(context: ResolutionContext, given: Any) -> StarlakeProject:
    """Return the project for a YAML field; a relative path starts at the file of the component."""
    place = ProjectPlace(given) if isinstance(given, str) else read_model(ProjectPlace, context, given)
    path = place.path if is_address(place.path) else from_file_of(context, place.path)
    return StarlakeProject(path, env=place.env, options=place.options)


def resolve_executor(context: ResolutionContext, given: Any) -> StarlakeDagsterJob[Any] | None:
    """Return the job for a YAML field; the name of its class may be given alone."""
    if given is None:
        return None
    place = ExecutorPlace(given) if isinstance(given, str) else read_model(ExecutorPlace, context, given)
    return named_job(place.class_, place.options)


def resolve_translation(context: ResolutionContext, given: Any) -> Translation | None:
    """Return the translation of specs for a YAML field. Its templates may use ``spec`` and ``item``."""
    if given is None:
        return None
    return lambda spec, item: changed_spec(spec, given, context, {"spec": spec, "item": item}, "translation")
