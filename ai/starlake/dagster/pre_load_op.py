"""Ops that decide whether a domain is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dagster import OpExecutionContext, Out

from ai.starlake.dagster import _compat
from ai.starlake.dagster.ops import Body, Event, outputs
from ai.starlake.dagster.run_command import DagsterCommandRunner, failures
from ai.starlake.orchestration.command_runs.pre_load_decision import PreLoadDecision
from ai.starlake.orchestration.preload.checks import PreLoadCheck
from ai.starlake.orchestration.preload.waiting import PreLoadFinding

READY, SKIPPED = "load_domain", "skipped"


@dataclass(frozen=True)
class PreLoadBody(Body):
    """Body of an op that decides whether a domain is loaded.

    Args:
        runner: Runs commands.
        check: Checks whether there is something to load.
        domain: The domain.
        ready: The outputs if there is something to load.
        skipped: The outputs if there is nothing to load.
    """

    runner: DagsterCommandRunner
    check: PreLoadCheck
    domain: str
    ready: Mapping[str, Out] = field(hash=False)
    skipped: Mapping[str, Out] = field(hash=False)

    @property
    def subject(self) -> str | None:
        """The domain of the check."""
        return self.domain

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Decide within an op."""
        runner = self.runner
        decision = PreLoadDecision(runner.settings, runner.executor, self.check, self.domain)
        with failures():
            ready = decision.decide(runner.step(context), lambda: _as_before(context, tuple(self.ready)))
        yield from outputs(self.ready if ready else self.skipped, self.domain)


def _as_before(context: OpExecutionContext, ready: tuple[str, ...]) -> PreLoadFinding | None:
    """Return the decision of the run that this one continues, if it was ready; see `PreLoadDecision.decide`.

    A run that was continued from its failure did not check itself; the last one that did is used.
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
