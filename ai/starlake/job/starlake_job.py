"""The abstract job factory."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import EnvironmentValue
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.job.cli_versions import StarlakeCli
from ai.starlake.job.compute_choices import ComputeChoice, chosen_profile, section_choice
from ai.starlake.job.job_options import JobOptions, OptionsT, StarlakeOptions, composed
from ai.starlake.job.names import StarlakeOrchestrator
from ai.starlake.job.pre_load_strategy import StarlakePreLoadStrategy
from ai.starlake.job.sections import names_of_section
from ai.starlake.job.spark_config import StarlakeSparkConfig
from ai.starlake.job.starlake_commands import load_command, names_of, required, stage_command, transform_command

if TYPE_CHECKING:
    from ai.starlake.job.compute_profiles import ComputeProfile

NodeT = TypeVar("NodeT")


class IStarlakeJob(StarlakeOptions, ABC, Generic[NodeT]):
    """Creates the nodes of an orchestrator that run Starlake commands. Every command is created by `sl_job`.

    Args:
        pre_load_strategy: The pre-load strategy; by default the option of that name.
        options: The options of the job.
        filename: The file of the caller; generated DAG files pass it.
        module_name: The module of the caller, whose hook `get_spark_config` is used; generated DAG files pass it.
        **kwargs: Further options, which take precedence over `options`.

    Raises:
        StarlakeError: If an option has an invalid value.
    """

    options_model: ClassVar[type[JobOptions]] = JobOptions
    """Model of the executor's options."""

    settings: JobOptions
    """All options, validated once."""

    def __init__(
        self,
        pre_load_strategy: StarlakePreLoadStrategy | str | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        filename: str | None = None,
        module_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        given = {**_by_name(options or {}), **kwargs}
        if pre_load_strategy is not None:
            given["pre_load_strategy"] = StarlakePreLoadStrategy.of(pre_load_strategy)
        self.options: Mapping[str, Any] = MappingProxyType(given)
        self.settings = composed(self.options_model, *self.further_options()).read(given)
        self._environment = MappingProxyType(dict(self.settings.environment))
        self.filename = filename
        self.module_name = module_name

    @classmethod
    def further_options(cls) -> tuple[type[JobOptions], ...]:
        """Return the options of the orchestrator, which are validated together with those of the executor."""
        return ()

    @classmethod
    def sl_orchestrator(cls) -> StarlakeOrchestrator:
        """Return the orchestrator of the nodes; Starlake itself, unless a subclass overrides it."""
        return StarlakeOrchestrator.STARLAKE

    def options_of(self, model: type[OptionsT]) -> OptionsT:
        """Return the options of a model.

        Args:
            model: The model; its options are validated now unless the class of this job includes the model.

        Raises:
            StarlakeError: If a value is of the wrong type.
        """
        return model.over(self.settings if isinstance(self.settings, model) else self.options)

    @property
    def pre_load_strategy(self) -> StarlakePreLoadStrategy:
        """The pre-load strategy of domains for which `sl_pre_load` receives no other."""
        return self.settings.pre_load_strategy

    @property
    def sl_env_vars(self) -> Mapping[str, EnvironmentValue]:
        """Environment variables of Starlake; secrets as references."""
        return self._environment

    @property
    def cli(self) -> StarlakeCli:
        """The version of Starlake in use."""
        return self.settings.starlake_version

    def sl_dataset(self, uri: str, **kwargs: Any) -> str:  # noqa: ARG002
        """Return the name of a table in the orchestrator, for DAG files of Starlake 1.2 and 1.3.

        Args:
            uri: Its Starlake name.
            **kwargs: Ignored.
        """
        return StarlakeDataset(uri).uri

    def sl_import(self, task_id: str | None, domain: str, tables: Iterable[str] = (), **kwargs: Any) -> NodeT:
        """Create the op that moves the files of a domain from the landing area to the stage area.

        The command is ``starlake stage``, or ``starlake import`` before Starlake 1.2.0; see its `StageCmd.scala`.

        Args:
            task_id: The name of the node, ``{domain}_import`` by default.
            domain: The domain.
            tables: The tables whose files to move; all by default.
            **kwargs: Arguments of `sl_job`.

        Returns:
            An op on Dagster, an operator on Airflow.

        Raises:
            StarlakeError: If the domain is empty.
            NameCollisionError: If another op has the name.
        """
        return self.sl_job(task_id or f"{domain}_import", stage_command(self.cli, domain, tables), **kwargs)

    def sl_load(
        self,
        task_id: str | None,
        domain: str,
        table: str,
        spark_config: StarlakeSparkConfig | None = None,
        dataset: StarlakeDataset | str | None = None,
        load_options: str | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> NodeT:
        """Create the op that loads the files of a table in the stage area.

        The command is ``starlake load``; see Starlake's `LoadCmd.scala`.

        Args:
            task_id: The name of the node, ``{domain}_{table}_load`` by default.
            domain: The domain of the table.
            table: The table.
            spark_config: Resources of the Spark job, if there is one.
            dataset: The dataset of the load, ``{domain}.{table}`` by default.
            load_options: Substitutions in its metadata: ``name=value,name=value``, or a mapping.
            **kwargs: Arguments of `sl_job`.

        Returns:
            An op on Dagster, an operator on Airflow.

        Raises:
            StarlakeError: If the domain or the table is empty, or if `load_options` are invalid.
            NameCollisionError: If another op has the name.
        """
        return self.sl_job(
            task_id or f"{domain}_{table}_load",
            load_command(domain, table, load_options),
            spark_config,
            dataset=dataset if dataset is not None else StarlakeDataset(f"{domain}.{table}"),
            **kwargs,
        )

    def sl_transform(
        self,
        task_id: str | None,
        transform_name: str,
        transform_options: str | Mapping[str, Any] | None = None,
        spark_config: StarlakeSparkConfig | None = None,
        dataset: StarlakeDataset | str | None = None,
        **kwargs: Any,
    ) -> NodeT:
        """Create the op that runs a transform.

        The command is ``starlake transform``; see Starlake's `TransformCmd.scala`.

        Args:
            task_id: The name of the node, `transform_name` by default.
            transform_name: The transform, ``domain.task``.
            transform_options: Substitutions in its SQL: ``name=value,name=value``, or a mapping.
            spark_config: Resources of the Spark job, if there is one.
            dataset: The dataset of the transform, `transform_name` by default.
            **kwargs: Arguments of `sl_job`.

        Returns:
            An op on Dagster, an operator on Airflow.

        Raises:
            StarlakeError: If the name is empty, or if `transform_options` are invalid.
            NameCollisionError: If another op has the name.
        """
        command = transform_command(transform_name, transform_options)
        return self.sl_job(
            task_id or transform_name,
            command,
            spark_config,
            dataset=dataset if dataset is not None else StarlakeDataset(transform_name),
            **kwargs,
        )

    def sl_pre_load(
        self,
        domain: str,
        tables: Iterable[str] = (),
        pre_load_strategy: StarlakePreLoadStrategy | str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Create the check that decides whether a domain is loaded.

        Args:
            domain: The domain.
            tables: The tables whose files are considered; all by default.
            pre_load_strategy: The strategy; by default that of this job.
            **kwargs: Arguments of `sl_job`.

        Returns:
            A graph on Dagster, an operator on Airflow; None for the strategy ``none``, which needs no check.

        Raises:
            StarlakeError: If the domain is empty, or if there is no such strategy.
        """
        strategy = (
            self.pre_load_strategy if pre_load_strategy is None else StarlakePreLoadStrategy.of(pre_load_strategy)
        )
        if strategy is StarlakePreLoadStrategy.NONE:
            return None
        return self._pre_load(required("domain", domain), names_of(tables), strategy, **kwargs)

    @abstractmethod
    def _pre_load(self, domain: str, tables: tuple[str, ...], strategy: StarlakePreLoadStrategy, **kwargs: Any) -> Any:
        """Create the check for a strategy other than ``none``."""

    @abstractmethod
    def sl_job(
        self,
        task_id: str,
        arguments: Sequence[str],
        spark_config: StarlakeSparkConfig | None = None,
        *,
        dataset: StarlakeDataset | str | None = None,
        **kwargs: Any,
    ) -> NodeT:
        """Create the op that runs a Starlake command.

        Args:
            task_id: The name of the node.
            arguments: The command, verb first: a `StarlakeCommand` or any sequence of strings.
            spark_config: Resources of the Spark job, if there is one.
            dataset: The dataset of the command.
            **kwargs: Arguments of the orchestrator.

        Returns:
            An op on Dagster, an operator on Airflow.
        """

    @abstractmethod
    def dummy_op(self, task_id: str, **kwargs: Any) -> NodeT:
        """Create an op that runs no command and only orders others.

        Args:
            task_id: Name of the op.
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            An op on Dagster, an operator on Airflow.
        """

    def pre_tasks(self, **kwargs: Any) -> NodeT | None:  # noqa: ARG002
        """Create the op that makes what commands run on, such as a cluster; by default there is no such op.

        Args:
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            An op on Dagster, an operator on Airflow; None unless commands need infrastructure that is made for the
            run.
        """
        return None

    def post_tasks(self, **kwargs: Any) -> NodeT | None:  # noqa: ARG002
        """Create the op that removes what `pre_tasks` made; by default there is no such op.

        Args:
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            An op on Dagster, an operator on Airflow; None unless commands need infrastructure that is made for the
            run.
        """
        return None

    def compute_of(
        self, name: str, op: str, argument: str | None = None, where: str = "the argument compute"
    ) -> ComputeProfile | None:
        """Return the compute profile of a command; see `ai.starlake.job.compute_choices` for the order of precedence.

        Args:
            name: The Starlake name of its table or task.
            op: The name of its op.
            argument: The profile that the code chooses.
            where: The place of that choice, for errors.

        Raises:
            StarlakeError: If there is no such profile.
        """
        settings = self.settings
        return chosen_profile(
            settings.compute,
            settings.default_compute,
            section_choice(self.options, names_of_section(name, op)),
            ComputeChoice(argument, where) if argument else None,
        )

    def get_spark_config(self, config_name: str | None = None, **spark_properties: Any) -> StarlakeSparkConfig:
        """Return the resources of a Spark job, from the hook `get_spark_config` of the calling module or the options.

        Variables of that module with the names of Spark options take precedence over the options.

        Args:
            config_name: Passed to the hook.
            **spark_properties: Further properties of the Spark job.
        """
        module = sys.modules.get(self.module_name) if self.module_name else None
        hook = getattr(module, "get_spark_config", None)
        variables = {name: getattr(module, name, None) for name in _SPARK_OPTIONS}
        if callable(hook):
            config: StarlakeSparkConfig = hook(config_name, **spark_properties)
            return config
        options = {name: variables[name] or value for name, value in self._spark_options.items()}
        return StarlakeSparkConfig(options=options, **spark_properties)

    @cached_property
    def _spark_options(self) -> dict[str, Any]:
        return self.settings.model_dump(include=_SPARK_OPTIONS)


_SPARK_OPTIONS = {"spark_executor_memory", "spark_executor_cores", "spark_executor_instances"}


def _by_name(options: Any) -> Mapping[str, Any]:
    """Return the given options.

    Raises:
        StarlakeError: If they are not a mapping of names to values. They are not shown: they may hold a secret.
    """
    if isinstance(options, Mapping) and all(isinstance(name, str) for name in options):
        return options
    raise StarlakeError(
        f"options are a {type(options).__name__} that does not map names to values",
        fix='pass a mapping with strings as keys, as in options={"retries": 2}',
    )
