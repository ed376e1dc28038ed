"""Prepare a command for its run: resolve its secrets, build its environment, mask its output.

Nothing else does: an executor runs a `PreparedCommand`, and code that only displays a command calls `shown`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ai.starlake.common import Redactor, StarlakeError, names_a_secret, secret_arguments
from ai.starlake.common.redaction import names_a_place
from ai.starlake.common.secrets import SecretReference, referenced_variables, resolve_environment, secret_cache
from ai.starlake.common.storage.location import local_path
from ai.starlake.executor.protocol import Execution
from ai.starlake.job import StarlakeCommand
from ai.starlake.job.command import check_encodable

_SHORTEST_INHERITED = 6
"""Minimum length of inherited values that are masked. `TOKENIZERS_PARALLELISM=true` must not mask every "true"."""
_SERVER = "SL_HTTP_PORT"
"""If this variable is set, Starlake's launcher sends the command to a server and loses its exit code."""
_PROGRAM = ("starlake",)


def _never(reference: SecretReference) -> bool:  # noqa: ARG001  the default for a function that takes a reference
    return False


@dataclass(frozen=True)
class PreparedCommand:
    """A command with its environment, its resolved secrets and its redactor.

    Args:
        command: The command.
        argv: Its arguments, verb first.
        environment: Its environment, secrets included.
        redactor: Masks the secrets.
        references: The variables whose values the service fetches itself, with their references.
        secret_names: The variables whose values came from references.
        folder: Working folder on this machine; None for the current one, or for another machine.
    """

    command: StarlakeCommand
    argv: tuple[str, ...] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    redactor: Redactor = field(repr=False)
    references: Mapping[str, SecretReference] = field(default_factory=dict)
    secret_names: frozenset[str] = frozenset()
    folder: Path | None = None

    @classmethod
    def of(
        cls,
        command: StarlakeCommand,
        execution: Execution,
        base_environment: Mapping[str, str] | None = None,
        *,
        passed_on: Callable[[SecretReference], bool] = _never,
    ) -> PreparedCommand:
        """Prepare a command, in the process that runs it or submits it.

        The environment consists of the base, Starlake's settings (SL_API makes it print the row counts, SL_JOB_ID is
        recorded in its audit), and the variables of the command, which take precedence.

        Args:
            command: The command.
            execution: The attempt.
            base_environment: The inherited environment: `os.environ` on this machine, empty elsewhere.
            passed_on: Returns True for a reference that the service resolves itself. Its value is fetched only to mask
                it; that this process may not read it is not an error.

        Raises:
            StarlakeError: If a secret has no value, or a variable cannot be passed to a process.
        """
        given, renew = command.environment, execution.attempt > 0
        references = {name: each for name, each in given.items() if not isinstance(each, str) and passed_on(each)}
        known = {name: each for name, each in given.items() if name not in references}
        asked_for, secrets = resolve_environment(known, renew=renew)
        secrets |= _readable(references.values(), renew=renew)
        for name, value in asked_for.items():
            _check_variable(name, value)
        told = {"SL_API": "true", "SL_JOB_ID": execution.job_id}
        own = dict(os.environ)  # reading it decodes every variable
        base = own if base_environment is os.environ else base_environment or {}
        environment = {**base, **told, **asked_for}
        environment.pop(_SERVER, None)
        named = {value for name, value in asked_for.items() if names_a_secret(name)}
        inherited = own if base is own else {**own, **base}
        known_secrets = {*secrets, *named, *_named_in(command)}
        if known_secrets and execution.on_secrets is not None:
            execution.on_secrets(known_secrets)
        redactor = Redactor({*known_secrets, *_inherited(inherited)})
        names = frozenset(name for name, each in known.items() if not isinstance(each, str))
        return cls(command, command.argv, environment, redactor, references, names)

    @property
    def job_id(self) -> str:
        """Value of the column JOBID in Starlake's audit."""
        return self.environment["SL_JOB_ID"]

    @property
    def root(self) -> str:
        """Folder or URI of the project; empty if the environment does not define it."""
        return self.environment.get("SL_ROOT", "")

    def mask(self, text: str) -> str:
        """Return a string with every secret in it masked."""
        return self.redactor.mask(text)

    def shown(self, program: Sequence[str] = _PROGRAM) -> str:
        """Return the command line for display: quoted as for a shell, secrets masked.

        Args:
            program: Program name before the arguments.
        """
        return self.redactor.shown((*program, *self.argv))

    def __str__(self) -> str:
        return self.shown()

    def located(self) -> PreparedCommand:
        """Return the command with its working folder on this machine: SL_ROOT, if that is a folder.

        A relative SL_ROOT becomes absolute, or the command would apply it twice.

        Raises:
            StarlakeError: If SL_ROOT is a local path but not a folder.
        """
        folder = local_path(self.root) if self.root.strip() else None
        if folder is None:
            return self
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "does not exist"
            raise StarlakeError(
                f"SL_ROOT: {self.root} {what}", fix="set SL_ROOT in sl_env_var to the folder of the project"
            )
        root = self.root if folder.is_absolute() else str(folder.absolute())
        return replace(self, folder=folder.absolute(), environment={**self.environment, "SL_ROOT": root})

    def with_defaults(self, variables: Mapping[str, str]) -> PreparedCommand:
        """Return the command with variables added that its environment lacks; they hold no secrets."""
        return replace(self, environment={**variables, **self.environment})

    def with_variables(self, variables: Mapping[str, str]) -> PreparedCommand:
        """Return the command with variables that replace those of its environment; they hold no secrets."""
        return replace(self, environment={**self.environment, **variables}) if variables else self

    def mapped(self, change: Callable[[str], str]) -> PreparedCommand:
        """Return the command with every argument and every value of its environment converted.

        Args:
            change: Converts a value, such as a location to the notation of another service.
        """
        environment = {name: change(value) for name, value in self.environment.items()}
        return replace(self, argv=tuple(map(change, self.argv)), environment=environment)


def shown(command: StarlakeCommand) -> str:
    """Return a command for display, without resolving its references: quoted as for a shell, secrets masked."""
    texts = {name: value for name, value in command.environment.items() if isinstance(value, str)}
    named = {value for name, value in texts.items() if names_a_secret(name)}
    return Redactor({*named, *_named_in(command)}).shown((*_PROGRAM, *command))


def _readable(references: Iterable[SecretReference], *, renew: bool) -> set[str]:
    """Return the values of the references that this process may read."""
    values = set()
    for reference in references:
        with suppress(StarlakeError):
            values.add(secret_cache.value(reference, renew=renew))
    return values


def _check_variable(name: str, value: str) -> None:
    if not name or "=" in name or "\0" in name:
        raise StarlakeError(
            f"option sl_env_var: {name!r} cannot be the name of a variable", cause="it is empty, or holds = or a null"
        )
    check_encodable(name, "option sl_env_var: the name of a variable")
    check_encodable(value, f"option sl_env_var: the value of {name!a}")
    if "\0" in value:
        raise StarlakeError(f"option sl_env_var: the value of {name} cannot be passed", cause="it holds a null")


def _named_in(command: StarlakeCommand) -> set[str]:
    named = {value for name, value in command.options.items() if names_a_secret(name)}
    return named | secret_arguments(command.arguments)


def _inherited(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the secrets of an environment that commands inherit: a failing command may print them."""
    referenced = referenced_variables()
    for name, value in environment.items():
        if name in referenced or (_variable_names_a_secret(name) and _is_secret(name, value)):
            yield value


_variable_names_a_secret = functools.lru_cache(maxsize=1024)(names_a_secret)


def _is_secret(name: str, value: str) -> bool:
    return len(value) >= _SHORTEST_INHERITED and not names_a_place(name, value)
