"""Shared state of the parts of one `Definitions`: the items, their specs, and their executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ai.starlake.dagster.assets.automation.asset_partitions import partitions_of
from ai.starlake.dagster.assets.automation.automated_specs import AutomatedSpecs
from ai.starlake.dagster.assets.item_compute import item_compute, tagged
from ai.starlake.dagster.assets.translated_project import AnyProject, Prefix, TranslatedProject
from ai.starlake.dagster.named_jobs import checked_job
from ai.starlake.dagster.ops import OpFactory
from ai.starlake.dagster.run_command import DagsterCommandRunner
from ai.starlake.job import JobOptions, StarlakeCommand
from ai.starlake.job.compute_choices import ComputeChoice, chosen_profile
from ai.starlake.job.compute_profiles import ComputeProfile
from ai.starlake.job.starlake_commands import (
    check_command,
    load_command,
    replay_command,
    stage_command,
    transform_command,
)
from ai.starlake.orchestration.asset_options import AssetOptions
from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

if TYPE_CHECKING:
    from dagster import AssetCheckSpec, AssetKey, AssetSpec, BackfillPolicy, PartitionsDefinition, RetryPolicy

    from ai.starlake.common.secrets import EnvironmentValue
    from ai.starlake.dagster.assets.checks.declared_check import DeclaredCheck
    from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator
    from ai.starlake.dagster.job import StarlakeDagsterJob
    from ai.starlake.project.assets.item_selection import Words
    from ai.starlake.project.assets.project_item import ProjectItem, Target

Batched = bool | Literal["project"]


@dataclass(frozen=True, eq=False)
class AssetBuild:
    """The input of one call of `build_starlake_definitions`, one decorator or one component.

    Args:
        translated: The project, and the specs of its items.
        items: The selected items, each after its dependencies.
        sl_job: The job with the executor and the options.
        name: Prefix of the names of jobs, schedules and sensors.
        batched: Division into steps: False for a step per item, True for a step per domain, ``project`` for one.
        schedules: True if there are schedules.
        sensors: True if there are sensors.
        checks: True if there are checks.
        rejects: True if rejected rows are assets of their own.
        partitions_def: The partitions of all items; by default the intervals of their schedules.
        pool: The pool of the steps; by default that of the job.
        retry_policy: Retry policy of the steps; by default that of the job's options.
        backfill_policy: Division of backfills into runs, if the items have partitions.
        op_tags: Further tags of the steps.
        compute: The compute profile of all items, which overrides options and metadata.
        runs_elsewhere: True if the job is known only when a step runs.
        overrides: Options in place of those of the job.
        command_options: Substitutions for all commands, in addition to those of the project.
        function: Function that each step calls instead of running the commands of its items.
        left_out: Names of metadata to leave out.
    """

    translated: TranslatedProject
    items: tuple[ProjectItem, ...]
    sl_job: StarlakeDagsterJob[Any]
    name: str
    batched: Batched = False
    schedules: bool = True
    sensors: bool = True
    checks: bool = True
    rejects: bool = False
    partitions_def: PartitionsDefinition[str] | None = None
    pool: str | None = None
    retry_policy: RetryPolicy | None = None
    backfill_policy: BackfillPolicy | None = None
    op_tags: Mapping[str, str] = field(default_factory=dict)
    compute: str | None = None
    runs_elsewhere: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    command_options: Mapping[str, Any] = field(default_factory=dict)
    function: Callable[..., Any] | None = None
    left_out: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        project: AnyProject,
        sl_job: StarlakeDagsterJob[Any] | None = None,
        *,
        name: str | None = None,
        translator: DagsterStarlakeTranslator | None = None,
        select: Words | None = None,
        exclude: Words | None = None,
        asset_prefix: Prefix | None = None,
        **further: Any,
    ) -> AssetBuild:
        """Read a project, and select items.

        Args:
            project: The project, or its folder.
            sl_job: The job with the executor; by default the embedded engine, in the process of the step.
            name: Prefix of the names of jobs, schedules and sensors; by default the project's folder.
            translator: Creates the specs of assets and checks.
            select: The items to include, as selection strings; all by default.
            exclude: The items to exclude.
            asset_prefix: The first part or parts of the keys.
            **further: Further arguments of this class.

        Raises:
            StarlakeError: If a file of the project is wrong, if a selection matches nothing, or if `sl_job` is not a
                job.
        """
        from ai.starlake.common import sanitize_id

        translated = TranslatedProject(project, translator, asset_prefix)
        items = translated.select(select, exclude)
        name = sanitize_id(name or translated.project.name)
        return cls(translated, items, checked_job(sl_job), name, **further)

    @cached_property
    def options(self) -> AssetOptions:
        """The options of assets."""
        return AssetOptions.over(self.sl_job.options_of(AssetOptions), **self.overrides)

    @cached_property
    def pipelines(self) -> OrchestrationOptions:
        """Options of schedules and partitions: dates, time zone, schedules."""
        return self.sl_job.options_of(OrchestrationOptions)

    @cached_property
    def settings(self) -> JobOptions:
        """Options of the job, with the environment of the commands of this project."""
        return JobOptions.over(self.sl_job.settings, **self.overrides, sl_env_var=dict(self.environment))

    @cached_property
    def runner(self) -> DagsterCommandRunner:
        """The runner of the commands."""
        return DagsterCommandRunner(self.settings, self.sl_job.executor)

    @cached_property
    def ops(self) -> OpFactory:
        """Factory for the ops of the steps, which keeps their names unique."""
        return OpFactory()

    def key(self, item: ProjectItem) -> AssetKey:
        """Return the key of an item."""
        return self.translated.keys[item.target]

    @cached_property
    def names(self) -> frozenset[str]:
        """Full names of all items of the project, selected or not."""
        return frozenset(item.full_name for item in self.translated.project.items)

    @cached_property
    def item_of(self) -> Mapping[Target, ProjectItem]:
        """Selected items by the names of their tables in the database."""
        return {item.target: item for item in self.items}

    @cached_property
    def partitions(self) -> Mapping[Target, PartitionsDefinition[str] | None]:
        """Partitions of each selected item; None for an unpartitioned one."""
        return partitions_of(
            self.items,
            self._translated_specs,
            self.pipelines,
            common=self.partitions_def,
            scheduled=self.options.partitions == "schedule",
        )

    def runs_at_once(self, item: ProjectItem) -> bool:
        """Return True if one run of an item makes all partitions of a backfill, instead of one run for each."""
        return self.options.backfill_policy == "single_run" and item.uses_interval

    def specs(self, items: Sequence[ProjectItem]) -> list[AssetSpec]:
        """Return the specs of items, with their partitions and automation conditions."""
        return [self._specs[item.target] for item in items]

    @cached_property
    def _specs(self) -> Mapping[Target, AssetSpec]:
        automated = AutomatedSpecs(
            self._translated_specs, self.partitions, automated=self.options.automation == "eager"
        )
        return automated.of(self.items)

    @cached_property
    def _translated_specs(self) -> Mapping[Target, AssetSpec]:
        specs = zip(self.items, self.translated.specs(self.items), strict=True)
        return {item.target: tagged(spec, self.compute_of(item)) for item, spec in specs}

    def compute_of(self, item: ProjectItem) -> ComputeProfile | None:
        """Return the compute profile of the command of an item; None without one."""
        return self._compute[item.target]

    @cached_property
    def _compute(self) -> Mapping[Target, ComputeProfile | None]:
        choose = item_compute(self.translated, self.sl_job, self._compute_in_code)
        return {item.target: choose(item) for item in self.translated.project.items}

    @property
    def _compute_in_code(self) -> ComputeChoice | None:
        """The profile that code sets for all items."""
        if "compute_profile" in self.overrides:
            return ComputeChoice(str(self.overrides["compute_profile"]), "the argument compute_profile of run")
        where = f"the argument compute of {self.name}"
        return ComputeChoice(self.compute, where, portable=self.runs_elsewhere) if self.compute else None

    def _shared_compute(self, items: Sequence[ProjectItem]) -> ComputeProfile | None:
        """Return the profile of one command for several items: theirs if all are equal, else that of the options."""
        found = {self.compute_of(item) for item in items}
        if len(found) == 1:
            return found.pop()
        settings = self.settings
        return chosen_profile(settings.compute, settings.default_compute)

    def check_specs(self, items: Sequence[ProjectItem]) -> list[AssetCheckSpec]:
        """Return the specs of the checks of items; none if checks are switched off."""
        return [check.spec for check in self.declared_checks(items)]

    def declared_checks(self, items: Sequence[ProjectItem]) -> list[DeclaredCheck]:
        """Return the checks of items; none if checks are switched off."""
        return self.translated.checks(items) if self.checks else []

    @cached_property
    def environment(self) -> Mapping[str, EnvironmentValue]:
        """Environment of the commands: that of the project, unless the job's options override it."""
        return {**self.sl_job.variables_of(self.translated.project), **self.sl_job.sl_env_vars}

    def command(self, item: ProjectItem) -> StarlakeCommand:
        """Return the command that materializes an item: a load, or a transform."""
        options = {**self.translated.project.options, **self.command_options}
        if item.kind == "table":
            made = load_command(item.domain, item.name, options)
        else:
            made = transform_command(item.full_name, options)
        return made.with_environment(self.environment).with_compute(self.compute_of(item))

    def check_command(self, item: ProjectItem) -> StarlakeCommand:
        """Return the command that evaluates the expectations of an existing table."""
        options = {**self.translated.project.options, **self.command_options}
        made = check_command(item.full_name, options).with_environment(self.environment)
        return made.with_compute(self.compute_of(item))

    def replay_command(self, tables: Sequence[ProjectItem]) -> StarlakeCommand:
        """Return the command that loads the rejected rows of tables again."""
        options = {**self.translated.project.options, **self.command_options}
        domains = dict.fromkeys(table.domain for table in tables)
        made = replay_command(domains, [table.name for table in tables], options)
        return made.with_environment(self.environment).with_compute(self._shared_compute(tables))

    def load_command(self, items: Sequence[ProjectItem]) -> StarlakeCommand:
        """Return the command that loads several tables of one domain."""
        names = ",".join(item.name for item in items)
        made = load_command(items[0].domain, names, self.translated.project.options)
        return made.with_environment(self.environment).with_compute(self._shared_compute(items))

    def stage_command(self, items: Sequence[ProjectItem]) -> StarlakeCommand:
        """Return the command that moves the files of tables of one domain from the landing area to the stage area."""
        names = [item.name for item in items]
        made = stage_command(self.sl_job.cli, items[0].domain, names).with_environment(self.environment)
        return made.with_compute(self._shared_compute(items))
