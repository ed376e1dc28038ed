"""The command `gcp reap` of each orchestrator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration.reaping.reap_parts import ReapingOrchestrator, leftover_options, show_reaped

if TYPE_CHECKING:
    from ai.starlake.executor.protocol import Stream
    from ai.starlake.executor.remote.remote_backend import Leftover
    from ai.starlake.gcp.client.calls import Calls
    from ai.starlake.gcp.client.clients import GcpClients
    from ai.starlake.gcp.client.endpoints import GcpEndpoints


class _Standard:
    """Reports to standard error; only the table is written to standard output."""

    def output(self, _stream: Stream, line: str) -> None:
        click.echo(line, err=True)

    def info(self, message: str) -> None:
        click.echo(message, err=True)

    def warning(self, message: str) -> None:
        click.echo(f"warning: {message}", err=True)


_HELP = """Remove what finished runs have left on Google Cloud.

Deletes Dataproc clusters, and cancels Spark jobs and Cloud Run executions, with the labels of a finished run, if they
are old enough. {cleaner}

\b
  {program} gcp reap --project my-project --dry-run
  {program} gcp reap --project my-project --region europe-west1 --older-than 1d

{knowledge} Resources of a run in progress always stay. Resources of unknown runs stay too, unless --unknown is given:
then only their age matters.

The exit code is 1 if a resource could not be listed or removed; all others were processed.
"""


def google_reap_command(orchestrator: ReapingOrchestrator) -> click.Command:
    """Return the command.

    Args:
        orchestrator: Orchestrator of the runs that left something.
    """
    help_text = orchestrator.explained(_HELP)

    @click.command("reap", help=help_text)
    @click.option("--project", envvar=["GOOGLE_CLOUD_PROJECT", "GCP_PROJECT"], show_envvar=True, help="The project.")
    @click.option(
        "--region", "regions", multiple=True, default=["europe-west1"], show_default=True, help="May be repeated."
    )
    @click.option(
        "--service",
        "services",
        multiple=True,
        default=["dataproc", "cloud-run"],
        type=click.Choice(["dataproc", "cloud-run"]),
        help="Service to search; both by default.",
    )
    @leftover_options("things")
    @click.option("--impersonate", metavar="ACCOUNT", help="The service account on whose behalf to call Google Cloud.")
    @click.option("--dataproc-endpoint", metavar="URL", help="Another address of Dataproc, as of an emulator.")
    @click.option("--cloud-run-endpoint", metavar="URL", help="Another address of Cloud Run.")
    def reap(
        *,
        project: str | None,
        regions: tuple[str, ...],
        services: tuple[str, ...],
        older_than: float,
        unknown: bool,
        dry_run: bool,
        impersonate: str | None,
        dataproc_endpoint: str | None,
        cloud_run_endpoint: str | None,
    ) -> None:
        from ai.starlake.executor.remote.leftovers import reap as reap_leftovers
        from ai.starlake.gcp.client.endpoints import GcpEndpoints

        endpoints = GcpEndpoints(dataproc=dataproc_endpoint, cloud_run=cloud_run_endpoint, impersonate=impersonate)
        problems: list[StarlakeError] = []
        with orchestrator.known_runs() as is_over:
            rows = reap_leftovers(
                _leftovers(endpoints, project, regions, services, problems),
                older_than=older_than,
                is_over=is_over,
                unknown_too=unknown,
                dry_run=dry_run,
            )
        if rows or not problems:
            show_reaped(rows)
        first, *others = dict.fromkeys(map(str, problems)) or [""]
        for text in others:
            click.echo(f"warning: {text}", err=True)
        if first:
            raise problems[0]
        if any(row.action == "not removed" for row in rows):
            raise click.exceptions.Exit(1)

    return reap


def _leftovers(
    endpoints: GcpEndpoints,
    project: str | None,
    regions: Sequence[str],
    services: Sequence[str],
    problems: list[StarlakeError],
) -> Iterator[Leftover]:
    """Yield the leftovers; errors are added to the problems, and the search continues."""
    from ai.starlake.gcp.client.calls import Calls
    from ai.starlake.gcp.client.clients import GcpClients

    calls = Calls(_Standard(), tolerance=60)
    looks = {"dataproc": (_spark_jobs, _clusters), "cloud-run": (_executions,)}
    for region in regions:
        clients = GcpClients(endpoints, project=project, region=region)
        for look in (look for service, of_service in looks.items() if service in services for look in of_service):
            yield from _found(partial(look, calls, clients), problems)


def _spark_jobs(calls: Calls, clients: GcpClients) -> Iterator[Leftover]:
    from ai.starlake.executor.remote.leftovers import leftover_work
    from ai.starlake.gcp.dataproc.backend import SparkJobs

    yield from leftover_work(SparkJobs(calls, clients))


def _clusters(calls: Calls, clients: GcpClients) -> Iterator[Leftover]:
    from ai.starlake.gcp.dataproc.cluster_calls import ClusterCalls
    from ai.starlake.gcp.dataproc.clusters import leftover_clusters

    yield from leftover_clusters(ClusterCalls(clients, calls, clients.project, clients.region))


def _executions(calls: Calls, clients: GcpClients) -> Iterator[Leftover]:
    from ai.starlake.executor.remote.leftovers import leftover_work
    from ai.starlake.gcp.cloud_run.backend import CloudRunJob

    yield from leftover_work(CloudRunJob(calls, clients))


def _found(look: Callable[[], Iterator[Leftover]], problems: list[StarlakeError]) -> Iterator[Leftover]:
    try:
        yield from look()
    except StarlakeError as error:
        problems.append(error)
