"""Pipelines: what one job of the orchestrator consists of."""

from __future__ import annotations

from abc import abstractmethod
from datetime import date
from types import TracebackType
from typing import Any, TypeVar

from ai.starlake.orchestration.pipeline_runs import RunDate, RunnablePipeline, RunOptions, RunReport
from ai.starlake.orchestration.pipeline_tasks import PipelineTasks

NativeT = TypeVar("NativeT")


class AbstractPipeline(PipelineTasks[NativeT]):
    """What one job of the orchestrator consists of. Plain data until its ``with`` statement ends.

    Args:
        orchestration: What it is part of.
        schedule: What is loaded, and when; or
        dependencies: what is transformed.

    Raises:
        StarlakeError: If it is given neither or both, or if an option has a value that it does not accept.
        NameCollisionError: If two of its tables or transforms have names that the orchestrator cannot tell apart.
    """

    def __enter__(self) -> AbstractPipeline[NativeT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Makes the job of the orchestrator; an exception goes on as it is."""
        if error is None:
            self.assemble()

    @abstractmethod
    def assemble(self) -> None:
        """Makes the job of the orchestrator. Called when the ``with`` statement has ended well."""

    @property
    @abstractmethod
    def runs(self) -> RunnablePipeline:
        """What runs the pipeline in this process, tells about it, and knows its dates."""

    def run(self, logical_date: date | None = None, **options: Any) -> RunReport:
        """Runs the pipeline once, to its end, in this process.

        Args:
            logical_date: A day or a moment that the run is for; by default the newest partition that is over, or now.
            **options: Further ``--options`` of all commands.

        Raises:
            StarlakeError: If there is no such run.
        """
        return self.runs.execute(self._date_of(logical_date), RunOptions(substitutions=options))

    def dry_run(self, logical_date: date | None = None, **options: Any) -> RunReport:
        """Finds the commands that `run` would run; they are not run, and nothing is changed."""
        return self.runs.execute(self._date_of(logical_date), RunOptions(dry=True, substitutions=options))

    def backfill(self, start_date: date, end_date: date, **options: Any) -> list[RunReport]:
        """Runs the pipeline for each interval that begins from one day or moment to another, both included.

        It ends at the first run that fails.

        Raises:
            StarlakeError: If the pipeline has no partitions for a part of that time.
        """
        reports: list[RunReport] = []
        for run_date in self.runs.dates_between(start_date, end_date):
            reports.append(self.runs.execute(run_date, RunOptions(substitutions=options)))
            if not reports[-1].success:
                break
        return reports

    def _date_of(self, moment: date | None) -> RunDate | None:
        return None if moment is None else self.runs.date_of(moment)
