"""The job that loads rejected rows again, after the metadata is corrected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster import AssetMaterialization, Failure, GraphDefinition, JobDefinition, Nothing, OpExecutionContext, Out

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.checks.check_events import CheckResults
from ai.starlake.dagster.assets.rejects.rejected_assets import rejected_metadata
from ai.starlake.dagster.assets.rejects.rejected_keys import loaded_domains, rejected_key
from ai.starlake.dagster.assets.steps.outcome_events import outcome_metadata
from ai.starlake.dagster.ops import Body, Event, OpSpec, outputs
from ai.starlake.dagster.resource_secrets import resources_of
from ai.starlake.dagster.run_command import metadata_of, outcomes_of_failure

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.executor.outcomes import TableOutcome
    from ai.starlake.orchestration.command_runs.command_run import CommandRun
    from ai.starlake.project.assets.project_item import ProjectItem

_DONE = {"result": Out(Nothing)}


def replay_job(build: AssetBuild) -> JobDefinition:
    """Return the job that loads the rejected rows of all selected tables again, with an op for each domain.

    Args:
        build: The items, and their executor.
    """
    ops = [_replay_op(build, domain, tables) for domain, tables in loaded_domains(build).items()]
    name = f"{build.name}_replay_rejects"
    graph = GraphDefinition(name=build.ops.claim(name, "the job that replays rejected rows"), node_defs=ops)
    return graph.to_job(
        description="Loads rejected rows again that wait in the replay area. Correct the metadata first."
    )


def _replay_op(build: AssetBuild, domain: str, tables: tuple[ProjectItem, ...]) -> Any:
    settings = build.settings
    return build.ops.make(
        OpSpec(
            task_id=f"{build.name}_replay_{domain}",
            source=f"the replay of rejected rows of {domain}",
            body=ReplayBody(build, domain, tables),
            outs=_DONE,
            description=f"Loads the rejected rows of {domain} again.",
            tags={"dagster/compute_kind": "starlake", **build.op_tags},
            retries=settings.retries,
            retry_delay=settings.retry_delay,
            pool=build.pool or build.sl_job.pool,
            retry_policy=build.retry_policy,
            resources=resources_of(build.environment.values()),
        )
    )


@dataclass(frozen=True, eq=False)
class ReplayBody(Body):
    """Body of an op that loads the rejected rows of a domain again.

    Args:
        build: The command, and the keys of tables.
        domain: The domain, by its name in the database.
        tables: Its tables.
    """

    build: AssetBuild
    domain: str
    tables: tuple[ProjectItem, ...]

    @property
    def subject(self) -> str | None:
        """The name of the domain."""
        return self.tables[0].domain

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Replay the rejected rows; record the tables that received rows, and the remaining rejects."""
        command = self.build.replay_command(self.tables)
        try:
            run = self.build.runner.run(command, self.tables[0].domain, context, outcomes=True)
        except Failure as failure:
            yield from self._recorded(outcomes_of_failure(failure), {}, context)
            raise
        if run is not None:
            _require_replay(self.domain, run)
            context.log.info(run.summary)
            yield from self._recorded(run.result.tables, metadata_of(run), context)
        yield from outputs(_DONE, self.domain)

    def _recorded(
        self, outcomes: Iterable[TableOutcome], metadata: Mapping[str, Any], context: OpExecutionContext
    ) -> Iterator[Event]:
        items = {table.full_name.lower(): table for table in self.tables}
        made = False
        for outcome in outcomes:
            item = items.get(outcome.name.lower())
            if item is not None and outcome.error is None and outcome.counts and outcome.counts.input:
                made = True
                known = {**metadata, **dict(outcome_metadata(outcome)), "starlake/replayed": True}
                yield AssetMaterialization(self.build.key(item), metadata=known)
                self._report_checks(item, outcome, context)
        if made:
            key = rejected_key(self.build, self.domain)
            yield AssetMaterialization(key, metadata=rejected_metadata(self.build, self.tables, context))

    def _report_checks(self, item: ProjectItem, outcome: TableOutcome, context: OpExecutionContext) -> None:
        """Report the results of checks; an op outside of an asset cannot yield them on Dagster 1.9."""
        checks = CheckResults(self.build.declared_checks([item]), self.build.settings.max_rejected)
        for check, result in checks.results(outcome):
            if result is not None:
                _compat.report_check(result, context.instance, blocking=check.spec.blocking)


def _require_replay(domain: str, run: CommandRun) -> None:
    """Refuse a command that does not report what it loaded: another executable may ignore an unknown verb.

    Raises:
        Failure: If it reports nothing. A retry does not help.
    """
    if run.counts is None and not run.result.tables:
        error = StarlakeError(
            f"the rejected rows of {domain} are not replayed",
            cause=f"`{run.command_line}` does not report the rows that it loaded",
            fix="run it on the embedded engine; with Starlake, move the replay files to the landing area yourself",
        )
        raise Failure(str(error), allow_retries=False) from error
