"""The command `polars reap` of each orchestrator."""

from __future__ import annotations

import json
import os

import click

from ai.starlake.orchestration.reaping.reap_parts import ReapingOrchestrator, leftover_options, show_reaped

_HELP = """Stop the compute contexts that finished runs have left on Polars Cloud.

Stops contexts whose names contain the id of a finished run, if they are old enough. {cleaner} The service account is
that of POLARS_CLOUD_CLIENT_ID and POLARS_CLOUD_CLIENT_SECRET.

\b
  {program} polars reap --workspace analytics --dry-run

{knowledge} See {program} gcp reap.
"""


def contexts_reap_command(orchestrator: ReapingOrchestrator) -> click.Command:
    """Return the command.

    Args:
        orchestrator: Orchestrator of the runs that left something.
    """
    help_text = orchestrator.explained(_HELP)

    @click.command("reap", help=help_text)
    @click.option("--workspace", help="The workspace; by default that of the service account.")
    @leftover_options("contexts")
    def reap(*, workspace: str | None, older_than: float, unknown: bool, dry_run: bool) -> None:
        from ai.starlake.executor.remote.leftovers import reap as reap_leftovers
        from ai.starlake.job.polars_profile import PROFILE
        from ai.starlake.polars.leftover_contexts import leftover_contexts
        from ai.starlake.polars.polars_cloud_client import PolarsCloudClient

        profile = json.dumps({"workspace": workspace} if workspace else {})
        client = PolarsCloudClient.of({**os.environ, PROFILE: profile})
        with orchestrator.known_runs() as is_over:
            rows = reap_leftovers(
                leftover_contexts(client), older_than=older_than, is_over=is_over, unknown_too=unknown, dry_run=dry_run
            )
        show_reaped(rows)
        if any(row.action == "not removed" for row in rows):
            raise click.exceptions.Exit(1)

    return reap
