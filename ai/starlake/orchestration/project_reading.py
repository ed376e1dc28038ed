"""The project of commands, for executors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai.starlake.common.storage import Files
    from ai.starlake.project.file_facts import FileFacts


def read_project(root: str, environment: Mapping[str, str], files: Files | None = None) -> FileFacts:
    """Return the facts of a project, read in the process that runs a command.

    Args:
        root: Folder or URI of the project.
        environment: The environment of the command.
        files: The file layer.

    Raises:
        StarlakeError: If the project cannot be read.
    """
    from ai.starlake.project.file_facts import FileFacts

    return FileFacts(root, environment, files)
