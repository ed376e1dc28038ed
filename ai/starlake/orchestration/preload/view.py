"""The project and the run for pre-load checks: read once, however often the check polls."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError, date_variables
from ai.starlake.common.redaction import Redactor
from ai.starlake.common.secrets import resolve_environment
from ai.starlake.common.storage import Files, local_path
from ai.starlake.executor.prepared import shown
from ai.starlake.executor.protocol import Execution, StarlakeExecutor, StarlakeResult
from ai.starlake.job import JobOptions, StarlakeCommand
from ai.starlake.orchestration.dates.run_dates import RunDates

if TYPE_CHECKING:
    from ai.starlake.project.file_facts import FileFacts
    from ai.starlake.project.landing import FileRules, Landing

_REFERENCE = re.compile(r"\{+\s*(\w+)\s*\}+")


@dataclass(frozen=True)
class ProjectView:
    """The project for the checks of all its domains; each of its files is read on first use.

    Args:
        settings: The options of the job.
    """

    settings: JobOptions

    @cached_property
    def facts(self) -> FileFacts:
        """The project."""
        from ai.starlake.project.file_facts import FileFacts

        return FileFacts(self.root, self._variables, self.files)

    @property
    def files(self) -> Files:
        """The file layer for the awaited files."""
        return self.settings.files

    @cached_property
    def is_readable(self) -> bool:
        """True if the project is on this machine. One in an object store costs a request per file."""
        metadata = local_path(self._metadata)
        return metadata is not None and metadata.is_dir()

    @property
    def root(self) -> str:
        """Folder or URI of the project."""
        return self._variables["SL_ROOT"]

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment of commands, with the values of secrets except those that only a step knows."""
        return self._resolved[0]

    @property
    def secrets(self) -> Collection[str]:
        """Secrets in the environment, which paths may contain."""
        return self._resolved[1]

    def masked(self, text: str) -> str:
        """Return a string, such as an error with a path, without the secrets of the environment."""
        try:
            secrets = self.secrets
        except StarlakeError:  # none could be fetched, so the string contains none
            secrets = ()
        return Redactor(secrets).mask(text)

    @cached_property
    def _resolved(self) -> tuple[Mapping[str, str], Collection[str]]:
        known = {name: value for name, value in self.settings.environment.items() if getattr(value, "is_here", True)}
        return resolve_environment(known)

    @cached_property
    def known(self) -> Mapping[str, str]:
        """Variables of Starlake in the environment of this process, overridden by those of commands."""
        return {name: value for name, value in os.environ.items() if name.startswith("SL_")} | dict(self.environment)

    @cached_property
    def folders(self) -> Mapping[str, str]:
        """Folders of the data; Starlake's defaults if the project cannot be read at all."""
        self.require(is_read=True)
        if self.is_readable:
            return self.facts.folders
        return {"SL_DATASETS": self.known.get("SL_DATASETS") or f"{self.root.rstrip('/')}/datasets"}

    @cached_property
    def _variables(self) -> Mapping[str, str]:
        """Variables for reading the project; without ``SL_ROOT``, it is the working folder."""
        variables = self.settings.project_variables({**os.environ, **self.environment})
        root = variables.get("SL_ROOT") or os.getcwd()  # noqa: PTH109  a string, as Starlake's launcher takes it
        return {**variables, "SL_ROOT": root}

    @cached_property
    def _metadata(self) -> str:
        """Metadata folder: in ``SL_ROOT``, or elsewhere by ``SL_METADATA`` or the option `project_copy`."""
        from ai.starlake.project.paths import join

        return join(self.root, self._variables.get("SL_METADATA") or "metadata")

    def require(self, *, is_read: bool) -> None:
        """Check that the project exists.

        A missing folder may mean that no file waits there; a missing project is an error.

        Args:
            is_read: True if the awaited files are in the project. Without ``SL_ROOT`` that is the working folder, which
                may be any.

        Raises:
            StarlakeError: If it is on this machine, and is not a project.
        """
        root, metadata = local_path(self.root), local_path(self._metadata)
        if self.is_readable:
            return
        if metadata is not None and (root is None or root not in metadata.parents):
            raise StarlakeError(
                f"{metadata}, where the metadata of the project are expected, is not a folder",
                fix="correct SL_METADATA in sl_env_var, or the option project_copy",
            )
        if root is not None and not root.is_dir():
            raise StarlakeError(
                f"SL_ROOT is {root}, which is not a folder",
                fix="set SL_ROOT in sl_env_var to the folder of the Starlake project",
            )
        if root is not None and is_read and root == Path.cwd():
            raise StarlakeError(
                f"the working folder {root} is not a Starlake project",
                cause="it has no folder metadata, and is where the project is looked for without SL_ROOT",
                fix="set SL_ROOT to the folder of the project, in sl_env_var or in the environment of the step or task",
            )


@dataclass(frozen=True)
class DomainView:
    """A domain of a project, for a check.

    Args:
        project: The project.
        dates: The dates of the run.
        domain: The domain.
    """

    project: ProjectView
    dates: RunDates
    domain: str

    @property
    def settings(self) -> JobOptions:
        """The options of the job."""
        return self.project.settings

    @property
    def facts(self) -> FileFacts:
        """The project."""
        return self.project.facts

    @property
    def files(self) -> Files:
        """The file layer for the awaited files."""
        return self.project.files

    @property
    def is_readable(self) -> bool:
        """True if the project is on this machine."""
        return self.project.is_readable

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Variables of path templates: those of Starlake, the domain, the logical date."""
        own = {"SL_ROOT": self.project.root, "domain": self.domain}
        return {**self.project.known, **date_variables(self.dates.logical), **own}

    @cached_property
    def landing(self) -> Landing:
        """Landing area of the domain, from the project.

        Raises:
            StarlakeError: If the project cannot be read, or does not define it.
        """
        return self.facts.landing(self.domain)

    @cached_property
    def rules(self) -> FileRules:
        """File rules of the domain.

        Raises:
            StarlakeError: If the project cannot be read, or lacks the domain.
        """
        return self.facts.file_rules(self.domain)

    @property
    def place(self) -> str:
        """File and line of the domain, for messages; empty if the project cannot be read."""
        try:
            return f"{self.facts.place(self.domain)}: " if self.is_readable else ""
        except StarlakeError:
            return ""

    def render(self, template: str) -> str:
        """Render a path template; see `render_path`.

        Raises:
            StarlakeError: If it refers to something unknown, or if the project is needed and does not exist.
        """
        names = set(_REFERENCE.findall(template))
        needed = names & {"SL_DATASETS", "SL_INCOMING"}
        variables = {**self.variables, **self.project.folders} if needed else self.variables
        path = render_path(template, variables)
        self.project.require(is_read=path.startswith(variables["SL_ROOT"]))
        return path


@dataclass(frozen=True)
class PreLoadView(DomainView):
    """The domain and the run of one pre-load check.

    Args:
        executor: Returns the executor, in the process that runs the check.
        execution: This attempt at the check.
    """

    executor: Callable[[], StarlakeExecutor]
    execution: Execution

    def run(self, command: StarlakeCommand) -> StarlakeResult:
        """Run a command for the check.

        Raises:
            StarlakeError: If the command fails.
        """
        self.execution.report.output("stdout", f"$ {shown(command)}")
        return self.executor().run(command, self.execution)


def render_path(template: str, variables: Mapping[str, str]) -> str:
    """Render a path template: ``{{name}}`` and ``{name}`` alike, and ``{{{{name}}}}`` as in Starlake's README.

    Raises:
        StarlakeError: If it refers to something unknown.
    """

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        if name not in variables:
            raise StarlakeError(
                f"the path {template!r} refers to {name}, which is not known",
                fix=f"use {', '.join(sorted(name for name in variables if not name.startswith('SL_')))}, "
                "SL_ROOT, SL_DATASETS or another variable of sl_env_var that begins with SL_",
            )
        return variables[name]

    return _REFERENCE.sub(value_of, template)
