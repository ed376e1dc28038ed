"""The factory of Dagster ops, common to all executors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic

from dagster import (
    AssetKey,
    DependencyDefinition,
    GraphDefinition,
    In,
    InputMapping,
    JobDefinition,
    OpDefinition,
    Out,
    OutputMapping,
    SensorDefinition,
)

from ai.starlake.common import NameRegistry, StarlakeError, sanitize_id
from ai.starlake.dagster import _compat
from ai.starlake.dagster.asset_keys import dataset_key
from ai.starlake.dagster.command_op import CommandBody
from ai.starlake.dagster.dummy import DummyBody
from ai.starlake.dagster.ops import Body, OpFactory, OpSpec, outputs_of
from ai.starlake.dagster.resource_secrets import resources_of
from ai.starlake.dagster.run_command import DagsterCommandRunner
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.executor.prepared import shown
from ai.starlake.executor.protocol import StarlakeExecutor
from ai.starlake.job import (
    IStarlakeJob,
    StarlakeCommand,
    StarlakeOrchestrator,
    StarlakePreLoadStrategy,
    StarlakeSparkConfig,
)
from ai.starlake.job.compute_choices import COMPUTE_TAG
from ai.starlake.job.job_options import JobOptions, OptionsT

if TYPE_CHECKING:
    from ai.starlake.project.assets.starlake_project import StarlakeProject

AssetLike = AssetKey | str | Sequence[str]
Dataset = StarlakeDataset | str

_TAGS = {"dagster/compute_kind": "starlake"}


_NOT_READ = frozenset({"assets", "cron", "params", "output_datasets"})


@dataclass(frozen=True)
class NodeOptions:
    """Arguments of every method that creates an op, in addition to its own.

    Args:
        ins: The inputs.
        out: The only output (a name or a definition), or all of them.
        outs: All outputs.
        retries: Number of retries; by default the option of that name.
        retry_delay: Seconds before the first retry; by default the option of that name.
        description: Shown in the UI.
        tags: Tags of the steps.
        pool: The pool whose slots the steps take.
        asset: The keys of the assets that the op materializes, instead of that of its dataset.
        skip_or_start: True if downstream ops are skipped if there was nothing to do.
        compute: The compute profile of its command, instead of that of the options.
        assets: Like `asset`, the name in files of Starlake 1.2 and 1.3.
        cron: Not read; files of Starlake 1.2 and 1.3 pass it. A run knows its dates from its partition or its tags.
        params: Not read; files of Starlake 1.3 pass it.
        output_datasets: Not read; files of Starlake 1.3 pass it. The last task records the asset of its pipeline.
    """

    ins: Mapping[str, In] | None = None
    out: str | Out | Mapping[str, Out] | None = None
    outs: Mapping[str, Out] | None = None
    retries: int | None = None
    retry_delay: float | None = None
    description: str | None = None
    tags: Mapping[str, str] | None = None
    pool: str | None = None
    asset: AssetLike | Iterable[AssetKey] | None = None
    skip_or_start: bool = False
    compute: str | None = None
    assets: Iterable[AssetKey] | None = None
    cron: Any = None
    params: Any = None
    output_datasets: Any = None

    @classmethod
    def of(cls, task_id: str, given: Mapping[str, Any]) -> NodeOptions:
        """Parse keyword arguments.

        Raises:
            StarlakeError: If one is unknown.
        """
        unknown = sorted(name for name in given if name not in cls.__dataclass_fields__)
        if unknown:
            raise StarlakeError(
                f"{task_id}: {', '.join(unknown)} is not a known argument of an op",
                fix=f"use {', '.join(name for name in cls.__dataclass_fields__ if name not in _NOT_READ)}; in a DAG "
                "file that another version of Starlake generated, generate it again with starlake-dagster generate",
            )
        node = cls(**given)
        return replace(node, asset=tuple(node.assets)) if node.asset is None and node.assets else node


class StarlakeDagsterJob(IStarlakeJob[OpDefinition], Generic[OptionsT]):
    """Creates Dagster ops that run Starlake commands.

    A subclass sets the executor by the method `make_executor`, and its further options by `options_model`, which is its
    type parameter too.

    See `IStarlakeJob` for the arguments.
    """

    settings: OptionsT
    """All options, validated once."""

    @classmethod
    def further_options(cls) -> tuple[type[JobOptions], ...]:
        """Return the options of pipelines and of assets."""
        from ai.starlake.orchestration.asset_options import AssetOptions
        from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

        return OrchestrationOptions, AssetOptions

    @classmethod
    def sl_orchestrator(cls) -> StarlakeOrchestrator:
        """Return the orchestrator of the ops."""
        return StarlakeOrchestrator.DAGSTER

    @abstractmethod
    def make_executor(self) -> StarlakeExecutor:
        """Return the executor of the commands. Called once in each process that runs an op."""

    @property
    def pool(self) -> str | None:
        """Pool of the steps that run commands; None for no pool."""
        return self.settings.pool

    def variables_of(self, project: StarlakeProject) -> Mapping[str, str]:
        """Return the environment variables for the commands of a project's assets.

        Args:
            project: The project.
        """
        return project.variables

    def executor(self) -> StarlakeExecutor:
        """Return the executor of the commands, in the process that runs an op."""
        return self._executor

    def sensors(
        self,
        jobs: Iterable[JobDefinition] | None = None,  # noqa: ARG002
        *,
        name: str | None = None,  # noqa: ARG002
    ) -> list[SensorDefinition]:
        """Return the sensors that clean up after runs; none if runs leave nothing.

        Args:
            jobs: The jobs whose runs they clean up after; by default all jobs of the code location.
            name: Prefix of their names.
        """
        return []

    def sl_job(
        self,
        task_id: str,
        arguments: Sequence[str],
        spark_config: StarlakeSparkConfig | None = None,
        *,
        dataset: Dataset | None = None,
        **kwargs: Any,
    ) -> OpDefinition:
        """Create the op that runs a Starlake command.

        If the command succeeds, the op records one materialization of its dataset, and yields its outputs.

        Args:
            task_id: The name of the op; invalid characters are replaced.
            arguments: The command, verb first.
            spark_config: Resources of the Spark job, if there is one.
            dataset: The dataset of the command; none by default.
            **kwargs: See `NodeOptions`.

        Returns:
            The op, to be called in a graph or a job.

        Raises:
            NameCollisionError: If another op has the name.
            StarlakeError: If an argument is unknown.
        """
        node = NodeOptions.of(task_id, {"pool": self.pool, **kwargs})
        command = StarlakeCommand.of(arguments).with_environment(self.sl_env_vars)
        product = StarlakeDataset(dataset) if isinstance(dataset, str) else dataset
        name = product.name if product else command.value_of("--domains") or task_id
        outs = outputs_of(node.out, node.outs, optional=node.skip_or_start)
        assets = self._assets(node, product)
        profile = self.compute_of(name, sanitize_id(task_id), node.compute, f"the argument compute of {task_id}")
        if profile is not None:
            command = command.with_compute(profile)
            node = replace(node, tags={COMPUTE_TAG: profile.name, **(node.tags or {})})
        body = self._deciding_body(command, name, outs) if node.skip_or_start else None
        body = body or CommandBody(self.runner, command, name, assets, outs, node.skip_or_start, spark_config)
        return self._op(task_id, shown(command), body, outs, node)

    def sl_pre_load(
        self,
        domain: str,
        tables: Iterable[str] = (),
        pre_load_strategy: StarlakePreLoadStrategy | str | None = None,
        **kwargs: Any,
    ) -> GraphDefinition | None:
        """Create the graph that decides whether a domain is loaded; None for the strategy ``none``.

        Args:
            domain: Name of the domain, or of its folder.
            tables: Tables whose files are considered; all by default.
            pre_load_strategy: Strategy; by default that of this job.
            **kwargs: Arguments of `pre_load_check`.

        Returns:
            The graph, with the outputs `load_domain` and `skipped`; None for the strategy ``none``.

        Raises:
            StarlakeError: If there is no domain, or no such strategy.
        """
        made: GraphDefinition | None = super().sl_pre_load(domain, tables, pre_load_strategy, **kwargs)
        return made

    def dummy_op(self, task_id: str, **kwargs: Any) -> OpDefinition:
        """Create an op that runs no command and only orders others.

        Args:
            task_id: The name of the op, and the value of its outputs.
            **kwargs: See `NodeOptions`.

        Returns:
            The op, to be called in a graph or a job.

        Raises:
            StarlakeError: If an argument is unknown.
            NameCollisionError: If another op has the name.
        """
        node = NodeOptions.of(task_id, kwargs)
        outs = outputs_of(node.out, node.outs, optional=node.skip_or_start)
        body = DummyBody(task_id, self._assets(node, None), outs)
        return self._op(task_id, "an op that only orders others", body, outs, node)

    def end_op(self, task_id: str, **kwargs: Any) -> OpDefinition:
        """Create the op that runs after all others.

        It records its assets as materialized if any op before it has recorded one: not if all loads were skipped.

        Args:
            task_id: The name of the op, and the value of its outputs.
            **kwargs: See `NodeOptions`.

        Returns:
            The op, to be called in a graph or a job.

        Raises:
            StarlakeError: If an argument is unknown.
            NameCollisionError: If another op has the name.
        """
        node = NodeOptions.of(task_id, kwargs)
        outs = outputs_of(node.out, node.outs, optional=node.skip_or_start)
        body = DummyBody(task_id, self._assets(node, None), outs, only_after_data=True)
        return self._op(task_id, "the op that comes after all others", body, outs, node)

    def pre_load_check(
        self,
        domain: str,
        tables: tuple[str, ...],
        strategy: StarlakePreLoadStrategy,
        *,
        task_id: str | None = None,
        out: Out | None = None,
        **kwargs: Any,
    ) -> OpDefinition:
        """Create the op that decides whether a domain is loaded: it yields either `load_domain` or `skipped`.

        Args:
            domain: The domain.
            tables: The tables whose files are considered; all if empty.
            strategy: The strategy; not ``none``.
            task_id: The name of the op.
            out: Definition of both outputs; type str by default.
            **kwargs: See `NodeOptions`.

        Returns:
            The op, to be called in a graph or a job.

        Raises:
            StarlakeError: If an argument is unknown, or if the version of Starlake in use does not support the check.
            NameCollisionError: If another op has the name.
        """
        from ai.starlake.dagster.pre_load_op import READY, SKIPPED, PreLoadBody
        from ai.starlake.orchestration.preload.checks import check_of

        name = task_id or f"{domain}_check_{strategy.awaited}"
        node = NodeOptions.of(name, kwargs)
        out = _compat.optional(out or Out(str))
        check = check_of(self.settings, domain, tables, strategy)
        body = PreLoadBody(self.runner, check, domain, {READY: out}, {SKIPPED: out})
        return self._op(name, f"pre-load check of {domain}", body, {READY: out, SKIPPED: out}, node)

    def _pre_load(
        self, domain: str, tables: tuple[str, ...], strategy: StarlakePreLoadStrategy, **kwargs: Any
    ) -> GraphDefinition:
        """Create a graph that yields exactly one of its outputs `load_domain` and `skipped`."""
        from ai.starlake.dagster.pre_load_op import READY, SKIPPED

        node = NodeOptions.of(f"{domain}_pre_load", kwargs)
        ins = dict(node.ins or {"domain": In()})
        inherited = {name: value for name, value in kwargs.items() if name not in ("ins", "out", "outs")}
        check = self.pre_load_check(domain, tables, strategy, ins=ins, **inherited)
        nodes, last, dependencies = [check], check, {}
        if strategy is StarlakePreLoadStrategy.IMPORTED:
            last = self.sl_import(None, domain, tables, ins={READY: In(str)}, out=READY, **inherited)
            nodes.append(last)
            dependencies[last.name] = {READY: DependencyDefinition(check.name, READY)}
        return GraphDefinition(
            name=self._ops.claim(f"{domain}_pre_load", f"the pre-load graph of {domain}"),
            description=f"Decides whether domain {domain} is loaded, by the pre-load strategy {strategy}.",
            node_defs=nodes,
            dependencies=dependencies,
            input_mappings=[
                InputMapping(graph_input_name=name, mapped_node_name=check.name, mapped_node_input_name=name)
                for name in ins
            ],
            output_mappings=[_output_mapping(READY, last), _output_mapping(SKIPPED, check)],
        )

    def _deciding_body(self, command: StarlakeCommand, name: str, outs: Mapping[str, Out]) -> Body | None:
        """Return the body of an op that decides on a load; None for any other command."""
        from ai.starlake.dagster.pre_load_op import PreLoadBody
        from ai.starlake.orchestration.preload.checks import CommandCheck

        check = CommandCheck.of(command)
        return PreLoadBody(self.runner, check, command.value_of("--domain") or name, outs, {}) if check else None

    def _op(
        self,
        task_id: str,
        source: str,
        body: Body,
        outs: Mapping[str, Out],
        node: NodeOptions,
        *,
        ins: Mapping[str, In] | None = None,
    ) -> OpDefinition:
        settings = self.settings
        return self._ops.make(
            OpSpec(
                task_id=task_id,
                source=source,
                body=body,
                ins=dict(ins if ins is not None else node.ins or {}),
                outs=outs,
                description=node.description,
                tags={**_TAGS, **node.tags} if node.tags else _TAGS,
                retries=settings.retries if node.retries is None else node.retries,
                retry_delay=settings.retry_delay if node.retry_delay is None else node.retry_delay,
                pool=node.pool,
                resources=self._resources_of(body),
            )
        )

    def _resources_of(self, body: Body) -> frozenset[str]:
        """Return the resources whose fields the secrets of an op's commands are; none if it runs no command."""
        if isinstance(body, DummyBody):
            return frozenset()
        environment = body.command.environment if isinstance(body, CommandBody) else self.sl_env_vars
        return resources_of([*environment.values(), *self.settings.secrets_of_profiles])

    def _assets(self, node: NodeOptions, product: StarlakeDataset | None) -> tuple[AssetKey, ...]:
        """Return the assets that an op materializes; two Starlake names must not result in one key."""
        if node.asset is not None:
            return _asset_keys(node.asset)
        if product is None:
            return ()
        key = dataset_key(product, self.settings.asset_key_style)
        self._asset_names.claim("/".join(key.path), product.name, f"the asset of {product.name}")
        return (key,)

    @cached_property
    def _ops(self) -> OpFactory:
        return OpFactory()

    @cached_property
    def _asset_names(self) -> NameRegistry:
        return NameRegistry()

    @cached_property
    def _executor(self) -> StarlakeExecutor:
        return self.make_executor()

    @cached_property
    def runner(self) -> DagsterCommandRunner:
        """The runner of the commands of ops and assets."""
        return DagsterCommandRunner(self.settings, self.executor)


def _output_mapping(name: str, op: OpDefinition) -> OutputMapping:
    return OutputMapping(graph_output_name=name, mapped_node_name=op.name, mapped_node_output_name=name)


def _asset_keys(asset: AssetLike | Iterable[AssetKey]) -> tuple[AssetKey, ...]:
    if isinstance(asset, AssetKey):
        return (asset,)
    if isinstance(asset, str):
        return (AssetKey(asset),)
    parts = list(asset)
    if all(isinstance(part, AssetKey) for part in parts):
        return tuple(part for part in parts if isinstance(part, AssetKey))
    return (AssetKey([str(part) for part in parts]),)
