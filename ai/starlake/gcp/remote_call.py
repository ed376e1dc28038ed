"""A command of Starlake as it is to run elsewhere, put together in the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from ai.starlake.common import Redactor
from ai.starlake.executor.notes import RunsRemotely
from ai.starlake.executor.prepared import PreparedCommand
from ai.starlake.executor.project_facts import FactsFactory
from ai.starlake.executor.protocol import Execution
from ai.starlake.executor.recovery import LoadFiles
from ai.starlake.gcp.client.endpoints import gs_uri
from ai.starlake.gcp.gcp_options import GcpOptions
from ai.starlake.job import StarlakeCommand


@dataclass(frozen=True)
class RemoteCall:
    """All that it takes to run a command elsewhere.

    Args:
        command: The command.
        environment: What it is to find in its environment, secrets included.
        redactor: Masks the secrets.
    """

    command: StarlakeCommand
    environment: Mapping[str, str] = field(repr=False)
    redactor: Redactor = field(repr=False)

    @classmethod
    def prepare(cls, command: StarlakeCommand, execution: Execution) -> RemoteCall:
        """Prepare a command: its environment is what it asks for and nothing of this process.

        Raises:
            StarlakeError: If a secret has no value, or a variable cannot be passed to a process.
        """
        prepared = PreparedCommand.of(command, execution).mapped(gs_uri)
        return cls(command, prepared.environment, prepared.redactor)

    @property
    def argv(self) -> Sequence[str]:
        """The arguments, verb first; ``gcs://`` is ``gs://`` in them as in the environment: Starlake knows no other."""
        return [gs_uri(text) for text in self.command.argv]

    def __str__(self) -> str:
        """The command line, secrets masked; for people to read."""
        return self.redactor.shown(("starlake", *self.argv))

    def files(
        self,
        execution: Execution,
        facts: FactsFactory | None,
        settings: GcpOptions,
        runs_remotely: RunsRemotely,
        remote: Mapping[str, str] | None = None,
    ) -> LoadFiles:
        """Return the files of a load.

        Args:
            execution: The attempt.
            facts: How to learn about the project.
            settings: The options: how Cloud Storage is reached, and where a copy of the project is.
            runs_remotely: Tells whether the command of a load runs.
            remote: What the command is known by.
        """
        variables = settings.project_variables(self.environment)
        root = variables.get("SL_ROOT")
        return LoadFiles(
            self.command,
            partial(facts, root, variables) if facts and root else None,
            execution,
            self.environment["SL_JOB_ID"],
            remote,
            runs_remotely,
        )

    def kept(
        self,
        execution: Execution,
        facts: FactsFactory | None,
        settings: GcpOptions,
        runs_remotely: RunsRemotely,
        remote: Mapping[str, str],
    ) -> AbstractContextManager[None]:
        """Return a context in which the command runs: the files of a load that fails go back; see `LoadFiles.kept`."""
        if self.command.verb != "load":
            return nullcontext()
        return self.files(execution, facts, settings, runs_remotely, remote).kept()
