"""Ops that decide whether a domain is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dagster import OpExecutionContext, Out

from ai.starlake.dagster import _compat
from ai.starlake.dagster.ops import Body, Event, outputs
from ai.starlake.dagster.run_command import DagsterCommandRunner, failures
from ai.starlake.dagster.run_info import is_dry_run
from ai.starlake.executor.prepared import shown
from ai.starlake.orchestration.command_runs.command_runner import DRY_RUN
from ai.starlake.orchestration.preload.checks import PreLoadCheck, decide_on_load
from ai.starlake.orchestration.preload.view import PreLoadView, ProjectView
from ai.starlake.orchestration.preload.waiting import Patience, PreLoadFinding

READY, SKIPPED = "load_domain", "skipped"


@dataclass(frozen=True)
class PreLoadBody(Body):
    """The body of an op that decides whether a domain is loaded.

    Args:
        runner: Runs commands.
        check: Finds out whether there is something to load.
        domain: The domain.
        ready: The outputs when there is something to load.
        skipped: The outputs when there is nothing.
    """

    runner: DagsterCommandRunner
    check: PreLoadCheck
    domain: str
    ready: Mapping[str, Out] = field(hash=False)
    skipped: Mapping[str, Out] = field(hash=False)

    @property
    def subject(self) -> str | None:
        """The domain that is asked about."""
        return self.domain

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Decide within an op."""
        if is_dry_run(context):
            context.log.info(f"dry run: domain {self.domain} counts as ready, nothing is checked")
            with failures(retry=False):
                command = self.check.planned(self._view(context))
            if command is not None:
                context.log.info(f"{DRY_RUN}{shown(command)}")
            yield from outputs(self.ready, self.domain)
            return
        with failures():
            found = _as_before(context, tuple(self.ready)) or decide_on_load(self.check, self._view(context))
        if warning := found.warning():
            context.log.warning(warning)
        with failures(retry=False):
            Patience.of(self.runner.settings, for_ack=self.check.for_ack).check(found, self.domain)
        decision = "will be loaded" if found.ready else "is skipped"
        context.log.info(f"domain {self.domain} {decision}: {found.reason}")
        yield from outputs(self.ready if found.ready else self.skipped, self.domain)

    def _view(self, context: OpExecutionContext) -> PreLoadView:
        runner = self.runner
        dates, execution = runner.dates(context), runner.execution(context)
        return PreLoadView(ProjectView(runner.settings), dates, self.domain, runner.executor, execution)


def _as_before(context: OpExecutionContext, ready: tuple[str, ...]) -> PreLoadFinding | None:
    """Return what the run that this one continues found, if it was ready.

    Its files have been moved on and its ack file is consumed by then: looking again would find nothing, and the rows of
    a failed load would be left behind by a run that succeeds. A run that was continued from its failure did not look
    itself; what counts is the last one that did.
    """
    step = _compat.step_key_of(context)
    parent = _compat.parent_run_of(context.run)
    while parent:
        found = _compat.yielded_outputs(context.instance, parent, step)
        if found:
            reason = f"run {parent}, which this run continues, found it ready"
            return PreLoadFinding(ready=True, reason=reason) if found & set(ready) else None
        run = context.instance.get_run_by_id(parent)
        parent = _compat.parent_run_of(run) if run else None
    return None
