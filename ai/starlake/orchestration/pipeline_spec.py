"""Pipelines as data: their loads or transforms, and their triggers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count
from typing import Any

from ai.starlake.common import NameRegistry, StarlakeError, job_name, sanitize_id
from ai.starlake.job import IStarlakeJob, StarlakePreLoadStrategy
from ai.starlake.orchestration.dependencies import StarlakeDependencies, StarlakeDependency, TreeNodeMixin
from ai.starlake.orchestration.load_schedules import StarlakeDomain, StarlakeSchedule, cron_of
from ai.starlake.orchestration.orchestration_options import OrchestrationOptions


@dataclass(frozen=True)
class PipelineSpec:
    """Describes a pipeline.

    Args:
        pipeline_id: Its name, and that of its job.
        options: Options of pipelines.
        pre_load_strategy: The pre-load strategy.
        schedule: The schedule of its loads; or
        dependencies: the dependencies of its transforms.
        cron: The cron expression that starts it.
        description: Its description.
        filtered_datasets: Tables whose updates start nothing.
    """

    pipeline_id: str
    options: OrchestrationOptions
    pre_load_strategy: StarlakePreLoadStrategy
    schedule: StarlakeSchedule | None = None
    dependencies: StarlakeDependencies | None = None
    cron: str | None = None
    description: str | None = None
    filtered_datasets: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        job: IStarlakeJob[Any],
        variables: Mapping[str, Any],
        schedule: StarlakeSchedule | None = None,
        dependencies: StarlakeDependencies | None = None,
        taken: Collection[str] = (),
    ) -> PipelineSpec:
        """Return the specification of a pipeline of a DAG file.

        Args:
            job: The job of the file, with the name of the file, and the options.
            variables: The variables of the file: ``cron``, ``description``, ``filtered_datasets``.
            schedule: The schedule of its loads; or
            dependencies: the dependencies of its transforms.
            taken: The names of other pipelines of the file. Transforms get another one, because they have no
                distinguishing name.

        Raises:
            StarlakeError: If neither or both are given, or if an option or a cron expression is not valid.
            NameCollisionError: If two of its domains result in the same name in the orchestrator.
        """
        if (schedule is None) == (dependencies is None):
            raise StarlakeError("a pipeline has either a schedule of loads or the dependencies of transforms")
        source = job.filename or job.module_name or "starlake"
        name = job_name(source, schedule.name if schedule else None)
        own = dependencies.filtered_datasets if dependencies is not None else frozenset()
        description = variables.get("description")
        if schedule is None:
            name = next(free for free in chain([name], (f"{name}_{n}" for n in count(2))) if free not in taken)
            cron = cron_of(variables.get("cron"), f"variable cron of pipeline {name}")
        else:
            cron = schedule.cron
        spec = cls(
            pipeline_id=name,
            options=job.options_of(OrchestrationOptions),
            pre_load_strategy=job.pre_load_strategy,
            schedule=schedule,
            dependencies=dependencies,
            cron=cron,
            description=str(description) if description else None,
            filtered_datasets=own | frozenset(variables.get("filtered_datasets") or ()),
        )
        names = NameRegistry()
        for domain in spec.domains:
            names.claim(sanitize_id(domain.name), domain.name, f"domain {domain.name}")
        return spec

    @property
    def domains(self) -> list[StarlakeDomain]:
        """Domains that it loads."""
        return self.schedule.domains if self.schedule else []

    @property
    def schedule_name(self) -> str | None:
        """Name of its schedule, as a part of names in the orchestrator; None if there is only one."""
        return sanitize_id(self.schedule.name) if self.schedule and self.schedule.name else None

    @property
    def tags(self) -> list[str]:
        """Tags of its job: those of the options, and the loaded domains."""
        return list(dict.fromkeys([*self.options.tag_list, *(domain.name for domain in self.domains)]))

    def tables(self) -> Iterator[tuple[str, str]]:
        """Yield the tables that it writes or waits for: the name in the orchestrator, and that of Starlake."""
        for domain in self.domains:
            for table in domain.tables:
                name = f"{domain.name}.{table.name}"
                yield sanitize_id(name), name
        for dependency in self.dependencies.everything if self.dependencies is not None else []:
            yield dependency.uri, dependency.sink

    @cached_property
    def products(self) -> frozenset[str]:
        """Names, in the orchestrator, of the tables that it may write."""
        return frozenset(uri for uri, _ in self.tables())

    @cached_property
    def triggers(self) -> tuple[StarlakeDependency, ...]:
        """Tables that its transforms wait for: none if a schedule starts it, or if it loads them itself."""
        if self.dependencies is None or self.cron or self.options.run_dependencies_first:
            return ()
        return tuple(self.dependencies.upstream(self.filtered_datasets))

    @property
    def graphs(self) -> list[TreeNodeMixin[StarlakeDependency]]:
        """Trees of what is run, for transforms; see `StarlakeDependencies.graphs`."""
        if self.dependencies is None:
            return []
        return self.dependencies.graphs(run_dependencies_first=self.options.run_dependencies_first)
