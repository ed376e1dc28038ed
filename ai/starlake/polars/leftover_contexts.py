"""Find and stop the compute contexts that killed runs left."""

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


class ContextSweeper:
    """Stops the compute contexts of a run that is over.

    Args:
        accounts: Environments of commands, one for each workspace and service account; see `accounts_of`.
    """

    def __init__(self, accounts: Sequence[Mapping[str, EnvironmentValue]]) -> None:
        self._accounts = accounts

    def sweep(self, execution: Execution, *, tolerance: float | None = None) -> list[str]:  # noqa: ARG002
        """Stop what a run left, and return it in words.

        Args:
            execution: The run.
            tolerance: Of no effect: each call is made once.

        Raises:
            StarlakeError: If something cannot be listed or stopped; all else has been stopped then.
        """
        return self.sweep_run(execution.root)

    def sweep_run(self, root_run_id: str, on_secrets: OnSecrets | None = None) -> list[str]:
        """Stop what a run left, and return it in words.

        Args:
            root_run_id: The run, with those that re-execute it.
            on_secrets: Told the secrets before they are used, for an orchestrator that masks its own logs, too.

        Raises:
            StarlakeError: If something cannot be listed or stopped; all else has been stopped then.
        """
        clients = [PolarsCloudClient.logged_in(each, on_secrets) for each in self._accounts]
        return sweep(each for client in clients for each in leftover_contexts(client, root_run_id))


def accounts_of(environments: Iterable[Mapping[str, EnvironmentValue]]) -> list[dict[str, EnvironmentValue]]:
    """Return what of environments says where contexts are and who may stop them, each once.

    No other secret of theirs is fetched then.

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
