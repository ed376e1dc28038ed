"""The factory of Airflow operators, common to all executors."""

from __future__ import annotations

import os
import sys
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic

from ai.starlake.airflow.airflow_options import AirflowOptions, StarlakeAirflowOptions, in_zone
from ai.starlake.airflow.task_arguments import operator_arguments, task_id_of
from ai.starlake.common.secrets import EnvironmentReference
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.job import (
    IStarlakeJob,
    JobOptions,
    StarlakeCommand,
    StarlakeOrchestrator,
    StarlakePreLoadStrategy,
    StarlakeSparkConfig,
)
from ai.starlake.job.job_options import OptionsT
from ai.starlake.orchestration.dates.first_day import first_day

if TYPE_CHECKING:
    from airflow.sdk import Asset, BaseOperator

    from ai.starlake.airflow.task_runs.start_decision import StartDecision
    from ai.starlake.executor.protocol import StarlakeExecutor
    from ai.starlake.orchestration.command_runs.command_runner import CommandRunner

Dataset = StarlakeDataset | str

_OWN = frozenset({"compute"})
"""Arguments of tasks that run commands, in addition to those of every operator."""


class StarlakeAirflowJob(StarlakeAirflowOptions, IStarlakeJob["BaseOperator"], Generic[OptionsT]):
    """Creates Airflow operators that run Starlake commands.

    A subclass sets the executor by the method `make_executor`, and its further options by `options_model`, which is its
    type parameter too. Every method that creates an operator takes the arguments of Airflow's `BaseOperator`, durations
    also as seconds; those that run commands also take `compute`.

    Args:
        filename: The file of the caller; generated DAG files pass it.
        module_name: The module of the caller, whose hooks and variables are used; generated DAG files pass it.
        pre_load_strategy: The pre-load strategy; by default the option of that name.
        options: The options, as docs/airflow.md lists them.
        outlets: Initial assets of `outlets`.
        **kwargs: Further options, which take precedence over `options`.

    Raises:
        StarlakeError: If an option has an invalid value.
    """

    settings: OptionsT
    """All options, validated once."""

    def __init__(
        self,
        filename: str | None = None,
        module_name: str | None = None,
        pre_load_strategy: StarlakePreLoadStrategy | str | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        outlets: Iterable[Asset] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(pre_load_strategy, options, filename=filename, module_name=module_name, **kwargs)
        self.outlets: list[Asset] = list(outlets)
        """Assets of all tasks created so far."""
        self._names_of_outlets = {(asset.name, asset.uri) for asset in self.outlets}

    def __deepcopy__(self, memo: dict[int, object]) -> StarlakeAirflowJob[OptionsT]:
        """Return the job itself, which is immutable: Airflow copies tasks with all that they hold."""
        return self

    @classmethod
    def further_options(cls) -> tuple[type[JobOptions], ...]:
        """Return the options of Airflow and of pipelines."""
        from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

        return OrchestrationOptions, AirflowOptions

    @classmethod
    def sl_orchestrator(cls) -> StarlakeOrchestrator:
        """Return the orchestrator of the operators."""
        return StarlakeOrchestrator.AIRFLOW

    @abstractmethod
    def make_executor(self) -> StarlakeExecutor:
        """Return the executor of the commands. Called once in each process that runs a task."""

    def executor(self) -> StarlakeExecutor:
        """Return the executor of the commands, in the process that runs a task."""
        return self._executor

    @cached_property
    def _executor(self) -> StarlakeExecutor:
        return self.make_executor()

    @cached_property
    def runner(self) -> CommandRunner:
        """The runner of the commands of tasks."""
        from ai.starlake.orchestration.command_runs.command_runner import CommandRunner

        return CommandRunner(self.settings, self.executor)

    @cached_property
    def airflow_options(self) -> AirflowOptions:
        """Options of Airflow, common to all executors."""
        return self.options_of(AirflowOptions)

    @property
    def pool(self) -> str:
        """Pool of the tasks that run commands."""
        return self.airflow_options.default_pool

    @property
    def sl_root(self) -> str | None:
        """Folder or URI of the project; None if neither the options nor the environment define it."""
        root = self.sl_env_vars.get("SL_ROOT", EnvironmentReference("SL_ROOT"))
        return root if isinstance(root, str) else os.environ.get("SL_ROOT")

    @property
    def timezone(self) -> str:
        """Time zone of dates and cron expressions."""
        return self.settings.timezone

    @property
    def start_date(self) -> datetime:
        """First date of the DAG, in its time zone: that of the option, else of the default arguments."""
        from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

        given = self.options_of(OrchestrationOptions).start_date
        arguments = self.airflow_options.merged_dag_args(self._arguments_of_module())
        return in_zone(first_day(given, arguments.get("start_date")), self.timezone)

    @property
    def end_date(self) -> datetime | None:
        """Date from which on no run is scheduled, in the DAG's time zone; None for no end."""
        given = self.airflow_options.end_date
        return in_zone(given, self.timezone) if given else None

    def default_dag_args(self) -> dict[str, Any]:
        """Return the default arguments of the tasks of a DAG.

        Those of the option `default_dag_args` take precedence over a variable of that name in the calling module, and
        this over `DEFAULT_DAG_ARGS`; the options `retries`, `retry_delay` and `start_date` over all of them.
        """
        arguments = self.airflow_options.merged_dag_args(self._arguments_of_module())
        if isinstance(arguments.get("end_date"), date):
            arguments["end_date"] = in_zone(arguments["end_date"], self.timezone)
        return {**arguments, "start_date": self.start_date}

    def sl_job(
        self,
        task_id: str,
        arguments: Sequence[str],
        spark_config: StarlakeSparkConfig | None = None,
        dataset: Dataset | None = None,
        **kwargs: Any,
    ) -> BaseOperator:
        """Create the operator that runs a Starlake command.

        If the command succeeds, its asset gets one event.

        Args:
            task_id: The id of the task; invalid characters are replaced.
            arguments: The command, verb first.
            spark_config: Resources of the Spark job, if there is one.
            dataset: The dataset of the command; none by default.
            **kwargs: Arguments of `BaseOperator`; and `compute`, the compute profile of the command.

        Returns:
            The operator, in the DAG whose ``with`` statement is open.

        Raises:
            StarlakeError: If an argument is unknown.
        """
        from ai.starlake.airflow.operators.starlake_operator import StarlakeOperator

        given = operator_arguments(task_id, {"pool": self.pool, **kwargs}, _OWN)
        command = StarlakeCommand.of(arguments).with_environment(self.sl_env_vars)
        product = StarlakeDataset(dataset) if isinstance(dataset, str) else dataset
        name = product.name if product else command.value_of("--domains") or task_id
        profile = self.compute_of(
            name, task_id_of(task_id), given.pop("compute", None), f"the argument compute of {task_id}"
        )
        if profile is not None:
            command = command.with_compute(profile)
        given["outlets"] = self._outlets(product, given.get("outlets"))
        return StarlakeOperator(
            task_id=task_id_of(task_id),
            runner=self.runner,
            command=command,
            name=name,
            spark_config=spark_config,
            **given,
        )

    def dummy_op(self, task_id: str, **kwargs: Any) -> BaseOperator:
        """Create an operator that runs no command and only orders others.

        Args:
            task_id: The id of the task.
            **kwargs: Arguments of `BaseOperator`.

        Returns:
            The operator, in the DAG whose ``with`` statement is open.

        Raises:
            StarlakeError: If an argument is unknown, or a duration is invalid.
        """
        from ai.starlake.airflow.operators.ordering_operator import StarlakeOrderingOperator

        return StarlakeOrderingOperator(task_id=task_id_of(task_id), **self._of_ordering(task_id, kwargs))

    def start_op(self, task_id: str = "start", *, decision: StartDecision | None = None, **kwargs: Any) -> BaseOperator:
        """Create the first operator, which decides on the dates of the run.

        Args:
            task_id: The id of the task.
            decision: Decides whether a data-triggered run continues.
            **kwargs: Arguments of `BaseOperator`.

        Returns:
            The operator, in the DAG whose ``with`` statement is open.

        Raises:
            StarlakeError: If an argument is unknown, or a duration is invalid.
        """
        from ai.starlake.airflow.operators.ordering_operator import StarlakeStartOperator

        given = self._of_ordering(task_id, kwargs)
        return StarlakeStartOperator(task_id=task_id_of(task_id), zone=self.timezone, decision=decision, **given)

    def end_op(self, task_id: str = "end", **kwargs: Any) -> BaseOperator:
        """Create the last operator.

        Its outlets get an event if any task before it has loaded or transformed something. It fails, by Airflow's own
        rules, if one of them has failed, and runs if some were skipped.

        Args:
            task_id: The id of the task.
            **kwargs: Arguments of `BaseOperator`.

        Returns:
            The operator, in the DAG whose ``with`` statement is open.

        Raises:
            StarlakeError: If an argument is unknown, or a duration is invalid.
        """
        from ai.starlake.airflow.operators.ordering_operator import StarlakeEndOperator

        given = self._of_ordering(task_id, kwargs)
        rule = given.pop("trigger_rule", "none_failed")
        return StarlakeEndOperator(task_id=task_id_of(task_id), zone=self.timezone, trigger_rule=rule, **given)

    def skip_or_start_op(self, task_id: str | None, upstream_task: BaseOperator, **kwargs: Any) -> BaseOperator:
        """Create the operator that skips downstream tasks if a pre-load check has found nothing to load.

        Args:
            task_id: The id of the task; by default named after the check.
            upstream_task: The operator of the check, as `sl_pre_load` returns it.
            **kwargs: Arguments of `BaseOperator`.

        Returns:
            The operator, in the DAG whose ``with`` statement is open.

        Raises:
            StarlakeError: If an argument is unknown, or a duration is invalid.
        """
        from ai.starlake.airflow.operators.ordering_operator import StarlakeSkipOperator

        check = upstream_task.task_id
        name = task_id or f"validating_{check.rpartition('.')[2]}"
        return StarlakeSkipOperator(task_id=task_id_of(name), check_id=check, **self._of_ordering(name, kwargs))

    def pre_load_check(
        self,
        domain: str,
        tables: tuple[str, ...],
        strategy: StarlakePreLoadStrategy,
        *,
        task_id: str | None = None,
        **kwargs: Any,
    ) -> BaseOperator:
        """Create the operator that decides whether a domain is loaded.

        Args:
            domain: The domain.
            tables: The tables whose files are considered; all if empty.
            strategy: The strategy; not ``none``.
            task_id: The id of the task; by default named after the domain.
            **kwargs: Arguments of `BaseOperator`.

        Returns:
            The operator, in the DAG whose ``with`` statement is open.

        Raises:
            StarlakeError: If the version of Starlake in use does not support the check, or an argument is unknown.
        """
        from ai.starlake.airflow.operators.pre_load_sensor import StarlakePreLoadSensor

        name = task_id or f"check_{domain}_{strategy.awaited}"
        return StarlakePreLoadSensor(
            task_id=task_id_of(name),
            runner=self.runner,
            domain=domain,
            tables=tables,
            strategy=strategy,
            deferrable=self.airflow_options.pre_load_deferrable,
            **self._of_ordering(name, kwargs),
        )

    def _pre_load(
        self, domain: str, tables: tuple[str, ...], strategy: StarlakePreLoadStrategy, **kwargs: Any
    ) -> BaseOperator:
        return self.pre_load_check(domain, tables, strategy, **kwargs)

    def _outlets(self, product: StarlakeDataset | None, further: Iterable[Asset] | None) -> list[Asset]:
        """Return the assets that a task updates; they are added to `outlets`."""
        from ai.starlake.airflow.assets import asset_of

        own = [asset_of(product)] if product and product.name else []
        made = [*own, *(asset for asset in further or () if asset not in own)]
        for asset in made:  # comparing assets would take seconds for 1,000 of them
            if (asset.name, asset.uri) not in self._names_of_outlets:
                self._names_of_outlets.add((asset.name, asset.uri))
                self.outlets.append(asset)
        return made

    def _of_ordering(self, task_id: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of an operator that runs no command."""
        given = operator_arguments(task_id, {"pool": self.pool, **kwargs}, _OWN)
        return {name: value for name, value in given.items() if name not in _OWN}

    def _arguments_of_module(self) -> Mapping[str, Any]:
        module = sys.modules.get(self.module_name) if self.module_name else None
        found = getattr(module, "default_dag_args", None)
        return found if isinstance(found, Mapping) else {}
