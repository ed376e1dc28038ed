"""Find and stop the compute contexts of killed runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ai.starlake.common.secrets.secret_references import EnvironmentValue
from ai.starlake.executor.protocol import Execution
from ai.starlake.executor.remote.leftovers import sweep
from ai.starlake.executor.remote.remote_backend import Leftover
from ai.starlake.job.polars_profile import CLIENT_ID, CLIENT_SECRET, PROFILE, PolarsProfile
from ai.starlake.polars.context_names import run_label, run_of
from ai.starlake.polars.polars_cloud_client import OnSecrets, PolarsCloudClient


def leftover_contexts(client: PolarsCloudClient, root_run_id: str | None = None) -> Iterator[Leftover]:
    """Yield the compute contexts of our runs that are starting or running.

    Args:
        client: The calls, with their workspace.
        root_run_id: The run and its re-executions; all runs by default.

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


class ContextSweeper:
    """Stops the compute contexts of a run that has ended.

    Args:
        accounts: Environments of commands, one for each workspace and service account; see `accounts_of`.
    """

    def __init__(self, accounts: Sequence[Mapping[str, EnvironmentValue]]) -> None:
        self._accounts = accounts

    def sweep(self, execution: Execution, *, tolerance: float | None = None) -> list[str]:  # noqa: ARG002
        """Stop the contexts of a run; return a description of each.

        Args:
            execution: The run.
            tolerance: Ignored: each call is made once.

        Raises:
            StarlakeError: If a context cannot be listed or stopped; all others are stopped by then.
        """
        return self.sweep_run(execution.root)

    def sweep_run(self, root_run_id: str, on_secrets: OnSecrets | None = None) -> list[str]:
        """Stop the contexts of a run; return a description of each.

        Args:
            root_run_id: The run and its re-executions.
            on_secrets: Called with the secrets before they are used, for orchestrators that mask their own logs.

        Raises:
            StarlakeError: If a context cannot be listed or stopped; all others are stopped by then.
        """
        clients = [PolarsCloudClient.logged_in(each, on_secrets) for each in self._accounts]
        return sweep(each for client in clients for each in leftover_contexts(client, root_run_id))


def accounts_of(environments: Iterable[Mapping[str, EnvironmentValue]]) -> list[dict[str, EnvironmentValue]]:
    """Return the workspaces and service accounts of environments, each once.

    No other secret of the environments is fetched.

    Args:
        environments: The environments of commands, secrets as references.
    """
    accounts: list[dict[str, EnvironmentValue]] = []
    for environment in environments:
        account = _account(environment)
        if account not in accounts:
            accounts.append(account)
    return accounts


def _account(environment: Mapping[str, EnvironmentValue]) -> dict[str, EnvironmentValue]:
    given = environment.get(PROFILE)
    workspace = PolarsProfile.of_environment({PROFILE: given}).workspace if isinstance(given, str) else None
    named = PolarsProfile(workspace=workspace).environment()
    return {**named, **{name: environment[name] for name in (CLIENT_ID, CLIENT_SECRET) if name in environment}}
