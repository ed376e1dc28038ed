"""docs/gcp.md, dataproc.md and cloud-run.md: their tables of options and permissions are those of the code."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ai.starlake.gcp.client.google_errors import PERMISSIONS
from ai.starlake.gcp.cloud_run.cloud_run_options import CloudRunOptions
from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions
from ai.starlake.gcp.gcp_options import GcpOptions
from ai.starlake.job import JobOptions

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [DOCS / name for name in ("gcp.md", "dataproc.md", "cloud-run.md")]


def options_of(model, *known) -> list[list[str]]:
    names = set().union(*(other.model_fields for other in known))
    return [
        [f"`{name}`", "required" if field.is_required() else shown(field.default), field.description]
        for name, field in model.model_fields.items()
        if name not in names
    ]


def shown(value) -> str:
    return "" if value in (None, "", {}) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def permissions() -> list[list[str]]:
    calls = {"Client": "Cloud Storage", "Bucket": "Cloud Storage", "Blob": "Cloud Storage"}
    calls |= {"ClusterControllerClient": "Dataproc", "JobControllerClient": "Dataproc", "JobsClient": "Cloud Run"}
    calls |= {"SecretManagerServiceClient": "Secret Manager", "ExecutionsClient": "Cloud Run"}
    calls |= {"LoggingServiceV2Client": "Cloud Logging"}
    return [
        [calls[client], f"`{method}`", ", ".join(f"`{name}`" for name in names)]
        for (client, method), names in PERMISSIONS.items()
    ]


HEAD = ["option", "default", "description"]
TABLES = {
    "permissions": (["service", "call", "permissions"], permissions),
    "options of both": (HEAD, lambda: options_of(GcpOptions, JobOptions)),
    "options of Cloud Run": (HEAD, lambda: options_of(CloudRunOptions, GcpOptions)),
    "options of Dataproc": (HEAD, lambda: options_of(DataprocOptions, GcpOptions)),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_are_those_of_the_code(name):
    """``UPDATE_DOCS=1`` in the environment writes them."""
    head, make = TABLES[name]
    rows = [head, ["---"] * len(head), *make()]
    text = "\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
    pattern = re.compile(rf"(?<=<!-- {name} -->).*?(?=<!-- end of {name} -->)", re.DOTALL)
    (page,) = [page for page in PAGES if pattern.search(page.read_text("utf-8"))]
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(pattern.sub(lambda _: text, page.read_text("utf-8")), "utf-8")
    assert pattern.search(page.read_text("utf-8"))[0] == text, "set UPDATE_DOCS=1 to write the tables"


def test_every_option_is_described():
    for model in (CloudRunOptions, DataprocOptions):
        assert all(field.description for field in model.model_fields.values())
