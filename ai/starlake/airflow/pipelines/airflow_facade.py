"""Classes that DAG files call, on Airflow: pipelines become DAGs."""

from __future__ import annotations

from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from airflow.sdk import DAG, BaseOperator

from ai.starlake.airflow.pipelines.dag_arguments import dag_arguments
from ai.starlake.airflow.pipelines.dag_assembly import DagAssembly
from ai.starlake.airflow.pipelines.operator_maker import OperatorMaker
from ai.starlake.orchestration import AbstractOrchestration, AbstractPipeline
from ai.starlake.orchestration.pipeline_spec import PipelineSpec

if TYPE_CHECKING:
    from ai.starlake.airflow.pipelines.dag_runs import DagRuns


class AirflowOrchestration(AbstractOrchestration[BaseOperator]):
    """The pipelines of a file. After a successful ``with`` statement, the module has a variable for each DAG.

    See `AbstractOrchestration` for the arguments.
    """

    def publish(self) -> None:
        """Set a variable of the module for each DAG, with the name of the DAG."""
        for pipeline in self.pipelines:
            if isinstance(pipeline, AirflowPipeline):
                self.caller_globals.setdefault(pipeline.pipeline_id, pipeline.dag)

    def _pipeline(self, spec: PipelineSpec) -> AirflowPipeline:
        return AirflowPipeline(self, spec)


class AirflowPipeline(AbstractPipeline[BaseOperator]):
    """A pipeline that becomes a DAG.

    Within its ``with`` statement the DAG is open: operators that are created there without Starlake belong to it too.

    Args:
        orchestration: Its orchestration.
        spec: Its specification.

    Raises:
        StarlakeError: If an option is invalid, or if the job is not one for Airflow.
    """

    def __init__(self, orchestration: AbstractOrchestration[BaseOperator], spec: PipelineSpec) -> None:
        self._maker = OperatorMaker(orchestration.job, spec)
        super().__init__(orchestration, spec, self._maker)
        self.dag = DAG(spec.pipeline_id, **dag_arguments(self._maker.job, spec, self.caller_globals))
        """The DAG."""
        self.dag.fileloc = str(self.caller_globals.get("__file__") or self.dag.fileloc)
        self._maker.put_into(self.dag)

    def __enter__(self) -> AirflowPipeline:
        self.dag.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Put the tasks in order; an exception propagates."""
        try:
            super().__exit__(kind, error, traceback)
        finally:
            self.dag.__exit__(kind, error, traceback)

    @cached_property
    def runs(self) -> DagRuns:
        """Return the object that runs the DAG in this process."""
        from ai.starlake.airflow.pipelines.dag_runs import DagRuns

        return DagRuns(self.dag, self.spec, self.tasks)

    def assemble(self) -> None:
        """Put the tasks in order."""
        DagAssembly(self.builder, self._maker).assemble()
