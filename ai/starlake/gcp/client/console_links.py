"""Where people see in Google's console what we started."""

from __future__ import annotations

from urllib.parse import quote

_CONSOLE = "https://console.cloud.google.com"


def dataproc_link(kind: str, name: str, project: str, region: str) -> str:
    """Return the page of a cluster or job of Dataproc.

    Args:
        kind: ``clusters`` or ``jobs``.
        name: Its name or id.
        project: The project.
        region: The region.
    """
    return f"{_CONSOLE}/dataproc/{kind}/{quote(name)}?project={quote(project)}&region={quote(region)}"


def execution_link(name: str) -> str:
    """Return the page of an execution of Cloud Run.

    Args:
        name: Its full name, ``projects/P/locations/L/jobs/J/executions/E``.
    """
    _, project, _, region, *_, execution = name.split("/")
    return f"{_CONSOLE}/run/jobs/executions/details/{quote(region)}/{quote(execution)}?project={quote(project)}"
