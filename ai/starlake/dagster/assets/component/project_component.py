"""The component of a project."""

# Annotations are not postponed: Dagster reads their objects.
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from dagster import (
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetSelection,
    AssetSpec,
    ComponentLoadContext,
    Definitions,
    Resolvable,
    Resolver,
    scaffold_with,
)
from dagster.components import AssetAttributesModel

from ai.starlake.dagster._compat.components import described, is_first_load
from ai.starlake.dagster.assets.asset_build import AssetBuild
from ai.starlake.dagster.assets.component.component_base import HAS_STATE, ProjectComponentBase
from ai.starlake.dagster.assets.component.component_metadata import MetadataGroup, left_out, without
from ai.starlake.dagster.assets.component.component_op import StepOptions
from ai.starlake.dagster.assets.component.component_project import (
    ExecutorPlace,
    ProjectPlace,
    Translation,
    resolve_executor,
    resolve_project,
    resolve_translation,
)
from ai.starlake.dagster.assets.component.component_scaffolder import ProjectScaffolder
from ai.starlake.dagster.assets.component.component_translator import ComponentTranslator
from ai.starlake.dagster.assets.definitions import definitions_of
from ai.starlake.dagster.assets.starlake_resource import StarlakeResource
from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.dagster.ops import Event
from ai.starlake.project.assets.item_state import dump_state, load_state
from ai.starlake.project.assets.project_item import ItemExpectation, ProjectItem
from ai.starlake.project.assets.starlake_project import StarlakeProject

if HAS_STATE:
    from dagster.components import DefsStateConfig, DefsStateConfigArgs, ResolvedDefsStateConfig

_REFRESH = "make it again: dg utils refresh-defs-state"


@scaffold_with(ProjectScaffolder)
@dataclass
class StarlakeProjectComponent(ProjectComponentBase, Resolvable):
    """A Starlake project as assets: its tables and tasks, their checks, schedules and sensors.

    ```yaml
    type: ai.starlake.dagster.StarlakeProjectComponent
    attributes:
      project: ../../../../bakery
      executor:
        class: embedded
    ```

    Override `get_asset_spec`, `get_asset_check_spec` or `execute` in a subclass to change assets and checks, and how
    they run.
    """

    project: Annotated[
        StarlakeProject,
        Resolver(
            resolve_project,
            model_field_type=str | ProjectPlace.model(),
            description="The folder of the Starlake project, relative to this file; or a mapping with its path, its "
            "profile and its variables.",
            examples=["../../../../bakery", {"path": "../../../../bakery", "env": "PROD"}],
        ),
    ]
    executor: Annotated[
        StarlakeDagsterJob[Any] | None,
        Resolver(
            resolve_executor,
            model_field_type=str | ExecutorPlace.model() | None,
            description="Executor of the project's commands, with its options; by default the embedded engine.",
            examples=["embedded", {"class": "shell", "options": {"SL_STARLAKE_PATH": "/opt/starlake/starlake"}}],
        ),
    ] = None
    select: Annotated[
        str | list[str] | None,
        described(
            "Tables and tasks to include, in the syntax of Starlake selections; all by default.",
            ["shop", ["tag:daily", "+kpis.sales"]],
        ),
    ] = None
    exclude: Annotated[
        str | list[str] | None,
        described("Tables and tasks to leave out of the selection.", ["shop.drafts"]),
    ] = None
    translation: Annotated[
        Translation | None,
        Resolver(
            resolve_translation,
            model_field_type=str | AssetAttributesModel | None,
            inject_before_resolve=False,
            description="Changes to each asset. `{{ item }}` is the table or task, `{{ spec }}` the asset "
            "before the change. Metadata and tags are added; everything else is replaced.",
            examples=[{"group_name": "{{ item.domain }}_raw", "key_prefix": "bakery", "tags": {"team": "sales"}}],
        ),
    ] = None
    op: Annotated[
        StepOptions | None,
        described(
            "Settings of the steps: retries, pool, tags, backfills.",
            [{"retry_policy": {"max_retries": 3, "delay": 30}, "pool": "warehouse"}],
        ),
    ] = None
    include_metadata: Annotated[
        list[MetadataGroup] | None,
        described(
            "Groups of metadata for assets and their materializations, besides what they always have; all by default.",
            [["column_schema", "row_count"], []],
        ),
    ] = None
    batched: Annotated[
        bool | Literal["project"],
        described(
            "Division into steps: `false` for a step per table or task, `true` for one per domain, "
            "`project` for one in all.",
        ),
    ] = False
    rejects: Annotated[
        bool,
        described("Make assets of rejected rows, with a job that replays them."),
    ] = False
    checks: Annotated[bool, described("Make asset checks of expectations.")] = True
    schedules: Annotated[bool, described("Make schedules and partitions of the project's schedules.")] = True
    sensors: Annotated[bool, described("Add sensors that load files when they arrive.")] = True
    compute: Annotated[
        str | None,
        described("The compute profile of all commands, instead of those in options and metadata.", ["large"]),
    ] = None
    name: Annotated[
        str | None,
        described("Prefix of the names of jobs, schedules and sensors; by default the project's folder."),
    ] = None
    asset_prefix: Annotated[
        str | list[str] | None,
        described("Prefix of the project's asset keys.", ["bakery"]),
    ] = None
    if HAS_STATE:
        defs_state: ResolvedDefsStateConfig = field(default_factory=DefsStateConfigArgs.local_filesystem)
        """Place of the state; by default a folder of this machine."""

        @property
        def defs_state_config(self) -> DefsStateConfig:
            """Configuration of the state: a copy of the items of the project."""
            identity = repr((self.project.root, self.project.env, sorted(self.project.options.items())))
            digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
            key = f"{type(self).__name__}[{self.project.name}-{digest}]"
            return DefsStateConfig.from_args(self.defs_state, default_key=key)

    def get_asset_spec(self, item: ProjectItem) -> AssetSpec:
        """Return the spec of the asset of a table or task; `translation` changes it afterwards.

        Args:
            item: The table or task: its ``kind``, ``domain``, ``name``, ``full_name``, ``metadata`` and more.
        """
        return without(self._default_translator.get_asset_spec(item), left_out(self.include_metadata))

    def get_compute_profile(self, item: ProjectItem) -> str | None:
        """Return the name of the compute profile of an item; by default that of its metadata.

        Args:
            item: The table or task.
        """
        return self._default_translator.get_compute_profile(item)

    def get_asset_check_spec(self, expectation: ItemExpectation) -> AssetCheckSpec | None:
        """Return the spec of the check of an expectation; None for no check.

        Args:
            expectation: The expectation: its ``expect``, ``name``, ``fail_on_error`` and more.
        """
        return self._default_translator.get_asset_check_spec(expectation)

    def execute(self, context: AssetExecutionContext, starlake: StarlakeResource) -> Iterator[Event]:
        """Run the commands of the selected assets of a step; override it to extend or replace this.

        Args:
            context: The context of the step.
            starlake: Runs the commands; see `StarlakeResource.run`.

        Yields:
            The events of the step.

        Raises:
            Failure: If a command fails; raised after all commands that do not depend on it.
        """
        yield from starlake.run(context)

    def get_asset_selection(self, select: str | list[str], exclude: str | list[str] | None = None) -> AssetSelection:
        """Return a selection of assets, for jobs, schedules and sensors.

        Args:
            select: Names, tags or patterns of tables and tasks, as in the field `select`.
            exclude: The same, for tables and tasks to leave out.

        Raises:
            StarlakeError: If a file of the project is wrong, or if a selection matches nothing.
        """
        build = self._build(self.project, select, exclude)
        return AssetSelection.assets(*(build.key(item) for item in build.items))

    def asset_key_for(self, full_name: str) -> AssetKey:
        """Return the key of a table or task by its name, ``domain.name``.

        Args:
            full_name: Name such as ``starbake.orders``.

        Raises:
            StarlakeError: If there is no such item.
        """
        build = self._build(self.project, full_name, None)
        return build.key(build.items[0])

    def write_state_to_path(self, state_path: Path) -> None:
        """Read the project, and write its items.

        Args:
            state_path: File to write; its folder is created if it is missing.

        Raises:
            StarlakeError: If a file of the project cannot be used.
        """
        fresh = StarlakeProject(self.project.root, env=self.project.env, options=self.project.options)
        state_path.parent.mkdir(parents=True, exist_ok=True)
        state_path.write_bytes(dump_state(fresh))

    def build_defs_from_state(self, context: ComponentLoadContext, state_path: Path | None) -> Definitions:  # noqa: ARG002
        """Build the definitions from the state, or from the project itself if there is no state.

        Args:
            context: Context of the component; not used.
            state_path: File that `write_state_to_path` wrote; None to read the project itself.

        Returns:
            Assets, checks, jobs, schedules, sensors and resources of the project.

        Raises:
            StarlakeError: If the state does not belong to the current project, or if a file of the project cannot be
                used.
        """
        return definitions_of(self._build(self._project_of(state_path), self.select, self.exclude))

    def _project_of(self, state_path: Path | None) -> StarlakeProject:
        """Return the project with the items of a state. Runs use the state that their code location was loaded with."""
        if state_path is None:
            return self.project
        state = state_path.read_bytes()
        items = load_state(self.project, state, refresh=_REFRESH, same_content=is_first_load())
        return self.project.with_items(items)

    def _build(
        self, project: StarlakeProject, select: str | list[str] | None, exclude: str | list[str] | None
    ) -> AssetBuild:
        op = self.op or StepOptions()
        return AssetBuild.of(
            project,
            self.executor,
            name=self.name,
            translator=ComponentTranslator(self),
            select=select,
            exclude=exclude,
            asset_prefix=self.asset_prefix,
            batched=self.batched,
            schedules=self.schedules,
            sensors=self.sensors,
            checks=self.checks,
            rejects=self.rejects,
            compute=self.compute,
            pool=op.pool,
            retry_policy=op.retry_policy.policy if op.retry_policy else None,
            backfill_policy=op.backfill_policy.policy if op.backfill_policy else None,
            op_tags=op.tags or {},
            function=self._function,
            left_out=left_out(self.include_metadata),
        )

    @property
    def _function(self) -> Callable[[AssetExecutionContext], Iterator[Event]] | None:
        """The function that steps call if a subclass overrides `execute`."""
        if type(self).execute is StarlakeProjectComponent.execute:
            return None
        starlake = StarlakeResource.from_job(self.executor) if self.executor else StarlakeResource()

        def step(context: AssetExecutionContext) -> Iterator[Any]:
            yield from self.execute(context, starlake)

        return step

    @cached_property
    def _default_translator(self) -> DagsterStarlakeTranslator:
        return DagsterStarlakeTranslator()
