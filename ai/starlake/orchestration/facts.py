"""What a pipeline is called, what starts it, and what its module and its options say of it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import cached_property
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ai.starlake.common import NameRegistry, StarlakeError, job_name, sanitize_id
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.job import IStarlakeJob, StarlakePreLoadStrategy, StarlakeSparkConfig
from ai.starlake.orchestration.dependencies import StarlakeDependencies, StarlakeDependency
from ai.starlake.orchestration.load_schedules import StarlakeSchedule, cron_of
from ai.starlake.orchestration.options import OrchestrationOptions
from ai.starlake.orchestration.tasks import AbstractTaskGroup
from ai.starlake.orchestration.tree import TreeNodeMixin

if TYPE_CHECKING:
    from ai.starlake.orchestration.orchestration import AbstractOrchestration

NativeT = TypeVar("NativeT")


class PipelineFacts(AbstractTaskGroup, Generic[NativeT]):
    """What a pipeline is called, what starts it, and what its module and its options say of it.

    See `AbstractPipeline` for the arguments.
    """

    def __init__(
        self,
        orchestration: AbstractOrchestration[NativeT],
        schedule: StarlakeSchedule | None = None,
        dependencies: StarlakeDependencies | None = None,
    ) -> None:
        if (schedule is None) == (dependencies is None):
            raise StarlakeError("a pipeline has either a schedule of loads or the dependencies of transforms")
        self.orchestration = orchestration
        self.job: IStarlakeJob[NativeT] = orchestration.job
        self.schedule = schedule
        self.dependencies = dependencies
        self.settings = OrchestrationOptions.of(self.job.options)
        self.schedule_name = sanitize_id(schedule.name) if schedule and schedule.name else None
        source = self.job.filename or self.job.module_name or "starlake"
        self.pipeline_id = job_name(source, schedule.name if schedule else None)
        if schedule is None:
            self.pipeline_id = _free_name(self.pipeline_id, {other.pipeline_id for other in orchestration.pipelines})
        super().__init__(self.pipeline_id, label=f"pipeline {self.pipeline_id}")
        self._check_names()

    @property
    def caller_globals(self) -> Mapping[str, Any]:
        """The variables of the module that it is made in."""
        return self.orchestration.caller_globals

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of the job."""
        return self.job.options

    @cached_property
    def cron(self) -> str | None:
        """When the clock starts it: as its schedule says, or the variable ``cron`` of a file of transforms."""
        if self.schedule is not None:
            return self.schedule.cron
        return cron_of(self.caller_globals.get("cron"), f"variable cron of pipeline {self.pipeline_id}")

    @property
    def catchup(self) -> bool:
        """Whether ticks of the clock that were missed are made up for."""
        return self.settings.catchup

    @property
    def tags(self) -> list[str]:
        """The tags of the job: those of the options, and the domains that are loaded."""
        domains = [domain.name for domain in self.schedule.domains] if self.schedule else []
        return list(dict.fromkeys([*self.settings.tag_list, *domains]))

    @property
    def description(self) -> str | None:
        """The variable ``description`` of the module."""
        text = self.caller_globals.get("description")
        return str(text) if text else None

    @property
    def run_dependencies_first(self) -> bool:
        """Whether all that the transforms depend on is run first."""
        return self.settings.run_dependencies_first

    @property
    def load_dependencies(self) -> bool:
        """The same, under the name that the option had before Starlake 1.3."""
        return self.run_dependencies_first

    @property
    def pre_load_strategy(self) -> StarlakePreLoadStrategy:
        """When a domain is loaded."""
        return self.job.pre_load_strategy

    @property
    def cron_period_frequency(self) -> str:
        """The period in which the ticks of cron expressions are counted to compare them."""
        return self.settings.cron_period_frequency

    @property
    def filtered_datasets(self) -> frozenset[str]:
        """Tables whose updates start nothing: the variable of that name of the module, and the dependencies' own."""
        own = self.dependencies.filtered_datasets if self.dependencies is not None else frozenset()
        return own | frozenset(self.caller_globals.get("filtered_datasets") or ())

    @cached_property
    def products(self) -> frozenset[str]:
        """The names, in the orchestrator, of the tables that the pipeline may make."""
        if self.dependencies is not None:
            return frozenset(dependency.uri for dependency in self.dependencies.everything)
        domains = self.schedule.domains if self.schedule else []
        return frozenset(sanitize_id(f"{domain.name}.{table.name}") for domain in domains for table in domain.tables)

    @cached_property
    def triggers(self) -> list[StarlakeDependency]:
        """What it waits for: what its transforms depend on, unless the clock starts it or it runs that itself."""
        if self.dependencies is None or self.cron or self.run_dependencies_first:
            return []
        return self.dependencies.upstream(self.filtered_datasets)

    @property
    def datasets(self) -> list[StarlakeDataset]:
        """The tables that the pipeline waits for."""
        return [trigger.dataset for trigger in self.triggers]

    @property
    def scheduled_datasets(self) -> Mapping[str, str]:
        """The cron expressions of those of these tables that have one, by name."""
        return {trigger.sink: trigger.cron for trigger in self.triggers if trigger.cron}

    @property
    def not_scheduled_datasets(self) -> list[StarlakeDataset]:
        """Those of these tables that have none."""
        return [trigger.dataset for trigger in self.triggers if not trigger.cron]

    @property
    def graphs(self) -> list[TreeNodeMixin[StarlakeDependency]]:
        """The trees of what is to be run, for transforms; see `StarlakeDependencies.graphs`."""
        if self.dependencies is None:
            return []
        return self.dependencies.graphs(run_dependencies_first=self.run_dependencies_first)

    def get_context_var(self, var_name: str, default_value: Any = None) -> Any:
        """Finds the value of an option; see `StarlakeOptions.get_context_var`."""
        return self.job.get_context_var(var_name, default_value, self.options)

    def sl_spark_config(self, spark_config_name: str) -> StarlakeSparkConfig:
        """What a Spark job may use; see `IStarlakeJob.get_spark_config`. The variables of the module count first.

        Args:
            spark_config_name: Passed to the hook, unless the option of that name is set.
        """
        return self.job.get_spark_config(
            self.settings.spark_config_name or spark_config_name,
            **(self.caller_globals.get("spark_properties") or {}),
        )

    def _check_names(self) -> None:
        """Makes sure that the names of tables and transforms stay apart in the orchestrator."""
        names = NameRegistry()
        for domain in self.schedule.domains if self.schedule else []:
            names.claim(sanitize_id(domain.name), domain.name, f"domain {domain.name}")
        tables = self.orchestration.table_names
        for domain in self.schedule.domains if self.schedule else []:
            for table in domain.tables:
                name = f"{domain.name}.{table.name}"
                tables.claim(sanitize_id(name), name, f"table {name}")
        for dependency in self.dependencies.everything if self.dependencies is not None else []:
            tables.claim(dependency.uri, dependency.sink, f"table {dependency.sink}")


def _free_name(name: str, taken: Set[str]) -> str:
    """The name, with a number from 2 on where it is taken: nothing else tells the transforms of one file apart."""
    return next(free for free in chain([name], (f"{name}_{number}" for number in count(2))) if free not in taken)
