"""The decision whether a domain is loaded, within a step of a run, for any orchestrator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ai.starlake.common import StarlakeError, zone_of
from ai.starlake.common.errors import permanently
from ai.starlake.executor.prepared import shown
from ai.starlake.executor.protocol import StarlakeExecutor
from ai.starlake.job import JobOptions, StarlakeCommand
from ai.starlake.orchestration.command_runs.command_runner import DRY_RUN, CommandRunner
from ai.starlake.orchestration.command_runs.run_step import RunStep
from ai.starlake.orchestration.dates.run_dates import RunDates
from ai.starlake.orchestration.preload.checks import PreLoadCheck, decide_on_load, look_once
from ai.starlake.orchestration.preload.view import PreLoadView, ProjectView
from ai.starlake.orchestration.preload.waiting import Patience, PreLoadFinding


@dataclass(frozen=True)
class PreLoadDecision:
    """Decides whether a domain is loaded.

    Args:
        settings: The options of the job.
        executor: Returns the executor, in the process that runs the step.
        check: Checks whether there is something to load.
        domain: The domain.
    """

    settings: JobOptions
    executor: Callable[[], StarlakeExecutor]
    check: PreLoadCheck
    domain: str

    @property
    def patience(self) -> Patience:
        """Limits of the wait for something to load."""
        return Patience.of(self.settings, for_ack=self.check.for_ack)

    def dates(self, step: RunStep) -> RunDates:
        """Return the dates of the run, for path templates.

        Raises:
            StarlakeError: If the configuration of the run is invalid.
        """
        return step.dates(zone_of(self.settings.timezone))

    def decide(self, step: RunStep, before: Callable[[], PreLoadFinding | None]) -> bool:
        """Return True if the domain is loaded; wait in this process for something to load, according to the options.

        Args:
            step: The step.
            before: Returns the decision of an earlier attempt, if it was ready. Its files have been moved and its ack
                file is deleted by then: another check would find nothing, and the run would succeed without the rows of
                the failed load.

        Raises:
            StarlakeError: If that cannot be determined, or if having nothing to load is an error.
        """
        if self.is_dry_run(step):
            return True
        found = before()
        if found is None:
            with self._view(step) as view:
                found = decide_on_load(self.check, view)
        ready = self.conclude(step, found)
        if ready:  # the step of the load takes a while to start, too
            load = StarlakeCommand("load", ("--domains", self.domain), environment=self.settings.environment)
            CommandRunner(self.settings, self.executor).prestart(load, step)
        return ready

    def is_dry_run(self, step: RunStep) -> bool:
        """Return True if nothing is checked, because commands are only logged; the domain counts as ready then.

        Raises:
            StarlakeError: If the configuration of the run is invalid.
        """
        with permanently():
            if not step.is_dry_run:
                return False
            step.info(f"dry run: domain {self.domain} counts as ready, nothing is checked")
            with self._view(step) as view:
                command = self.check.planned(view)
        if command is not None:
            step.info(f"{DRY_RUN}{shown(command)}")
        return True

    def look(self, step: RunStep) -> PreLoadFinding:
        """Check once.

        Raises:
            StarlakeError: If it cannot be determined whether there is something to load.
        """
        with self._view(step) as view:
            return look_once(self.check, view)

    def conclude(self, step: RunStep, found: PreLoadFinding) -> bool:
        """Return True if there is something to load; log the reason.

        Args:
            step: The step.
            found: The last finding; the wait is over.

        Raises:
            StarlakeError: If there is nothing to load, and that is an error or uncertain.
        """
        if warning := found.warning():
            step.execution().report.warning(warning)
        with permanently():
            self.patience.check(found, self.domain)
        decision = "will be loaded" if found.ready else "is skipped"
        step.info(f"domain {self.domain} {decision}: {found.reason}")
        return found.ready

    @contextmanager
    def _view(self, step: RunStep) -> Iterator[PreLoadView]:
        """Yield the project for a check; mask secrets in its errors, which name paths and URIs."""
        project, execution = ProjectView(self.settings), step.execution()
        if execution.on_secrets is not None:
            execution.on_secrets(project.secrets)
        try:
            yield PreLoadView(project, self.dates(step), self.domain, self.executor, execution)
        except StarlakeError as error:
            error.args = (project.masked(str(error)),)
            raise
