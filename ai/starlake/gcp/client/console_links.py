"""Links to the resources that we create, in Google's console."""

from __future__ import annotations

from urllib.parse import quote

_CONSOLE = "https://console.cloud.google.com"


def dataproc_link(kind: str, name: str, project: str, region: str) -> str:
    """Return the URL of the page of a Dataproc cluster or job.

    Args:
        kind: ``clusters`` or ``jobs``.
        name: Name or id of the cluster or job.
        project: The project.
        region: The region.
    """
    return f"{_CONSOLE}/dataproc/{kind}/{quote(name)}?project={quote(project)}&region={quote(region)}"


def execution_link(name: str) -> str:
    """Return the URL of the page of a Cloud Run execution.

    Args:
        name: Full name of the execution, ``projects/P/locations/L/jobs/J/executions/E``.
    """
    _, project, _, region, *_, execution = name.split("/")
    return f"{_CONSOLE}/run/jobs/executions/details/{quote(region)}/{quote(execution)}?project={quote(project)}"
