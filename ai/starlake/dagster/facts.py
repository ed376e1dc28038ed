"""What executors learn of the project, from its YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai.starlake.project.facts import ProjectFacts


def project_facts(root: str, environment: Mapping[str, str]) -> ProjectFacts:
    """Reads a project, in the process that runs a command.

    Raises:
        StarlakeError: If it cannot be read.
    """
    from ai.starlake.project.facts import ProjectFacts as Facts

    return Facts(root, environment)
