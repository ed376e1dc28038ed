"""Options of a run's configuration: for all commands, or in a section for one table, task or op."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dagster import GraphDefinition, JobDefinition, OpExecutionContext

from ai.starlake.dagster import _compat
from ai.starlake.dagster.ops import Body, body_of
from ai.starlake.job.sections import check_sections, names_of_section, options_of

Path = tuple[str, ...]


def steps_of(job: JobDefinition) -> Iterator[tuple[Path, Any]]:
    """Yield the path and the definition of each op."""
    yield from _steps(_compat.graph_of_job(job), ())


def options_for(context: OpExecutionContext, names: Iterable[str]) -> dict[str, str]:
    """Return the options for one op: the plain ones, then those of its sections.

    A section for something that the job does not have is logged: a configuration may be meant for several jobs.

    Args:
        context: The context of the op.
        names: The names of sections for the op.

    Raises:
        StarlakeError: If the name of a section is similar to a name in the job, or if a value is not valid for an
            option.
    """
    options: Mapping[str, Any] = (context.op_config or {}).get("options") or {}
    if any(isinstance(value, Mapping) for value in options.values()):
        known = section_names(_compat.whole_job(context.job_def))
        for name in check_sections(options, known, f"job {context.job_name}", strict=False):
            context.log.warning(f"the options under {name!r} are for no table, task or op of job {context.job_name}")
    return options_of(options, names)


def bodies_of(job: JobDefinition) -> Iterator[Body]:
    """Yield the bodies of the ops of a job that run commands."""
    yield from filter(None, (body_of(definition) for _, definition in steps_of(job)))


def verb_of(definition: Any) -> str | None:
    """Return the verb of the command of an op; None for any other op."""
    body = body_of(definition)
    return body.verb if body else None


@functools.lru_cache(maxsize=8)
def section_names(job: JobDefinition) -> frozenset[str]:
    """Return the valid names of sections of options in a job."""
    found: set[str] = set()
    for path, definition in steps_of(job):
        body = body_of(definition)
        found.add(path[-1])
        for subject in body.subjects if body else ():
            found.update(names_of_section(subject, path[-1]))
    return frozenset(found)


def _steps(graph: GraphDefinition, path: Path) -> Iterator[tuple[Path, Any]]:
    for name, definition in _compat.nodes_of(graph):
        if isinstance(definition, GraphDefinition):
            yield from _steps(definition, (*path, name))
        else:
            yield (*path, name), definition
