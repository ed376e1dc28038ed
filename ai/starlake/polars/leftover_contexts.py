"""Find and stop the compute contexts that killed runs left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ai.starlake.common.secrets.secret_references import EnvironmentValue
from ai.starlake.executor.protocol import Execution
from ai.starlake.executor.remote.leftovers import sweep
from ai.starlake.executor.remote.remote_backend import Leftover
from ai.starlake.job.polars_profile import CLIENT_ID, CLIENT_SECRET, PROFILE
from ai.starlake.polars.context_names import run_label, run_of
from ai.starlake.polars.polars_cloud_client import PolarsCloudClient


def leftover_contexts(client: PolarsCloudClient, root_run_id: str | None = None) -> Iterator[Leftover]:
    """Yield the compute contexts that start or run for runs of ours.

    Args:
        client: The calls, which name the workspace.
        root_run_id: The run, with those that re-execute it; all runs by default.

    Raises:
        PolarsCloudCallError: If they cannot be listed.
    """
    client.authenticate()
    for found in client.running():
        run_id = run_of(found.name)
        if run_id is None or (root_run_id is not None and run_label(run_id) != run_label(root_run_id)):
            continue
        yield Leftover(
            kind="compute context",
            name=str(found.name),
            region=client.profile.workspace or "",
            run_id=run_id,
            job_name="",
            state=found.state,
            created=found.created,
            remove=found.stop,
        )


_NEEDED = (PROFILE, CLIENT_ID, CLIENT_SECRET)
"""The variables of commands that tell the workspace and the service account. No other secret is fetched."""


class ContextSweeper:
    """Stops the compute contexts of a run that is over.

    Args:
        environments: The environments of commands, one for each workspace and service account; secrets as references.
    """

    def __init__(self, environments: Sequence[Mapping[str, EnvironmentValue]]) -> None:
        self._environments = environments

    def sweep(self, execution: Execution, *, tolerance: float | None = None) -> list[str]:  # noqa: ARG002
        """Stop what a run left, and return it in words.

        Args:
            execution: The run.
            tolerance: Of no effect: each call is made once.

        Raises:
            StarlakeError: If something cannot be listed or stopped; all else has been stopped then.
        """
        accounts = [{name: each[name] for name in _NEEDED if name in each} for each in self._environments]
        clients = [PolarsCloudClient.logged_in(each) for each in accounts]
        return sweep(each for client in clients for each in leftover_contexts(client, execution.root))
