"""Secrets of each store, on each executor: they reach the command, and none of the places that others can read."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from dagster import (
    ConfigurableResource,
    DagsterInstance,
    EnvVar,
    GraphDefinition,
    OpDefinition,
    serialize_value,
)
from moto import mock_aws

from ai.starlake.common.plug_ins import plug_ins
from ai.starlake.common.secrets import secret_cache
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob, StarlakeDagsterDataprocJob
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from ai.starlake.gcp.exposed_secrets import ExposedSecretWarning
from starlake_gcp_emulator import GcpEmulator

pytestmark = pytest.mark.slow

STORES = ("env", "EnvVar", "file", "resource", "google", "google_field", "aws", "vault")
VALUES = {store: f"""sEcr3t-of-{store}-'"$`%é-0815""" for store in STORES}
NAMES = {store: f"CREDENTIAL_{store.upper()}" if store != "env" else "X_PLAIN" for store in STORES}
"""The names of the variables; one does not speak of a secret, so that only its value tells."""
CLI = """
import json, os, sys
from pathlib import Path
seen = {name: os.environ.get(name) for name in %(names)r}
Path(%(seen)r).write_text(json.dumps({"environment": seen, "command": Path("/proc/self/cmdline").read_text()}))
for name, value in seen.items():
    print("connecting with", name, value, repr(value), json.dumps(value), flush=True)
    print("ERROR: cannot log in as", value, file=sys.stderr, flush=True)
sys.exit(1 if "--fail" in sys.argv else 0)
"""
VAULT = """
from dataclasses import dataclass
@dataclass(frozen=True)
class Vault:
    path: str
    def resolve(self):
        return %(value)r
"""


class Safe(ConfigurableResource[Any]):
    """A resource of a user's own."""

    token: str


@pytest.fixture(scope="module")
def gcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcpEmulator]:
    cli = tmp_path_factory.mktemp("image") / "cli.py"
    with GcpEmulator([sys.executable, str(cli)], speed=3000, grace=1) as emulator:
        emulator.cli = cli  # type: ignore[attr-defined]  what the image runs
        emulator.add_secret("projects/p/secrets/whole", VALUES["google"])
        emulator.add_secret("projects/p/secrets/json", json.dumps({"password": VALUES["google_field"]}))
        emulator.add_job("projects/p/locations/europe-west1/jobs/starlake", max_retries=0)
        yield emulator


@pytest.fixture
def references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gcp: GcpEmulator) -> Iterator[dict[str, Any]]:
    """Yield the option `sl_env_var`, with a reference to each store."""
    file, site = tmp_path / "secret", tmp_path / "site"
    file.write_text(VALUES["file"], encoding="utf-8")
    file.chmod(0o600)
    for store in ("env", "EnvVar", "resource"):
        monkeypatch.setenv(f"SOURCE_{store}", VALUES[store])
    (site / "acme-1.0.dist-info").mkdir(parents=True)
    (site / "acme_safe.py").write_text(VAULT % {"value": VALUES["vault"]}, encoding="utf-8")
    (site / "acme-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (site / "acme-1.0.dist-info/entry_points.txt").write_text("[starlake.secrets]\nvault = acme_safe:Vault\n")
    monkeypatch.syspath_prepend(site)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    plug_ins.cache_clear()
    secret_cache.clear()
    with mock_aws():
        made = {"password": VALUES["aws"]}
        boto3.client("secretsmanager", "eu-west-1").create_secret(Name="prod/db", SecretString=json.dumps(made))
        google = {"project": "p", "endpoint": gcp.endpoint}
        where: dict[str, Any] = {
            "env": {"env": "SOURCE_env"},
            "EnvVar": EnvVar("SOURCE_EnvVar"),
            "file": {"file": str(file)},
            "resource": {"resource": "safe.token"},
            "google": {"google": {"secret": "whole", **google}},
            "google_field": {
                "google": {"secret": "json", "project": "p", "field": "password", "endpoint": gcp.endpoint}
            },
            "aws": {"aws": {"secret": "prod/db", "field": "password", "region": "eu-west-1"}},
            "vault": {"vault": "db"},
        }
        yield {NAMES[store]: reference for store, reference in where.items()}
    plug_ins.cache_clear()
    secret_cache.clear()
    sys.modules.pop("acme_safe", None)


@pytest.fixture
def cli(tmp_path: Path, gcp: GcpEmulator) -> Path:
    """Return a starlake that writes down what it was given, and tells everybody."""
    text = CLI % {"names": list(NAMES.values()), "seen": str(tmp_path / "seen.json")}
    gcp.cli.write_text(text, encoding="utf-8")  # type: ignore[attr-defined]
    (tmp_path / "starlake").write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
    (tmp_path / "starlake").chmod(0o700)
    return tmp_path / "starlake"


@pytest.fixture
def seen(tmp_path: Path) -> Callable[[], Any]:
    return lambda: json.loads((tmp_path / "seen.json").read_text(encoding="utf-8"))


def shell(environment: dict[str, Any], gcp: GcpEmulator, cli: Path) -> StarlakeDagsterJob[Any]:
    return StarlakeDagsterShellJob(options={"sl_env_var": environment, "SL_STARLAKE_PATH": str(cli)})


def dataproc(environment: dict[str, Any], gcp: GcpEmulator, cli: Path) -> StarlakeDagsterJob[Any]:
    known = {name: value for name, value in gcp.options().items() if not name.startswith(("cloud_run", "logging"))}
    needed = {"dataproc_project_id": "p", "spark_bucket": "b", "spark_jar_list": "gs://jars/starlake.jar"}
    options = {**needed, **known, "poll_interval": 0.02, "sl_env_var": environment}
    with pytest.warns(ExposedSecretWarning):
        return StarlakeDagsterDataprocJob(options=options)


def cloud_run(environment: dict[str, Any], gcp: GcpEmulator, cli: Path) -> StarlakeDagsterJob[Any]:
    known = {name: value for name, value in gcp.options().items() if name != "dataproc_endpoint"}
    logs = {"cloud_run_logs": "all", "logging_endpoint": gcp.endpoint, "cloud_run_log_wait": 2}
    needed = {"cloud_run_project_id": "p", "cloud_run_job_name": "starlake", "poll_interval": 0.02}
    with pytest.warns(ExposedSecretWarning):
        return StarlakeDagsterCloudRunJob(options={**needed, **known, **logs, "sl_env_var": environment})


def written_forms(value: str) -> set[bytes]:
    """Return the forms in which a value may stand in a file."""
    forms = {value, json.dumps(value)[1:-1], json.dumps(json.dumps(value))[2:-2], repr(value)[1:-1], quote(value)}
    return {form.encode() for form in forms} | {base64.b64encode(value.encode())}


def leaks(text: bytes) -> list[str]:
    """Return the stores whose secrets are in a string, in any form; a long part of a secret is a leak too."""
    short = {store: f"sEcr3t-of-{store}-".encode() for store in STORES}
    return [
        store for store in STORES if short[store] in text or any(form in text for form in written_forms(VALUES[store]))
    ]


def files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def execute(op: OpDefinition, instance: DagsterInstance) -> Any:
    graph = GraphDefinition(name="g", node_defs=[op])
    job = graph.to_job(name="nightly", resource_defs={"safe": Safe(token=EnvVar("SOURCE_resource"))})
    return job.execute_in_process(instance=instance, raise_on_error=False)


def records(instance: DagsterInstance, run_id: str) -> str:
    """Return everything that the instance has stored about a run, as strings."""
    return "\n".join(
        [*map(serialize_value, instance.all_logs(run_id)), serialize_value(instance.get_run_by_id(run_id))]
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return Dagster's storage folder; temporary files of the test go to a folder of their own."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize("fails", [False, True], ids=["success", "failure"])
@pytest.mark.parametrize("executor", [shell, dataproc, cloud_run])
def test_secrets_reach_the_command_and_nothing_that_is_stored(
    executor: Callable[..., StarlakeDagsterJob[Any]],
    fails: bool,
    references: dict[str, Any],
    gcp: GcpEmulator,
    cli: Path,
    seen: Callable[[], Any],
    home: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sl_job = executor({"SL_ROOT": str(home.parent), **references}, gcp, cli)
    command = ["transform", "--name", "kpis.sales", *(["--fail"] if fails else [])]
    op = sl_job.sl_job("a", command)
    with DagsterInstance.local_temp(str(home)) as instance:
        result = execute(op, instance)
        assert result.success is not fails, records(instance, result.run_id)
        text = records(instance, result.run_id)
    assert seen()["environment"] == {NAMES[store]: VALUES[store] for store in STORES}
    assert leaks(seen()["command"].encode()) == []
    assert leaks(text.encode()) == []
    assert {str(path): found for path in files_below(home) if (found := leaks(path.read_bytes()))} == {}
    captured = capfd.readouterr()
    assert leaks((captured.out + captured.err).encode()) == []
    everything = (
        text + captured.out + captured.err + "".join(path.read_text("utf-8", "replace") for path in files_below(home))
    )
    if fails or executor is not dataproc:
        assert "cannot log in as ***" in everything
    assert leaks(f"{op.compute_fn!r}{vars(op)!r}{op.tags}{op.description}".encode()) == []
    assert open_to_others(home.parent / "tmp") == {}


def open_to_others(folder: Path) -> dict[str, list[str]]:
    """Return the files below a folder that hold a secret, and that other users of the machine may read."""
    others = stat.S_IRGRP | stat.S_IROTH
    found = {str(path): leaks(path.read_bytes()) for path in files_below(folder) if path.stat().st_mode & others}
    return {path: stores for path, stores in found.items() if stores}


def test_google_is_only_told_what_it_needs(references: dict[str, Any], gcp: GcpEmulator, cli: Path, home: Path) -> None:
    known = len(gcp.journal)
    for executor in (dataproc, cloud_run):
        op = executor(references, gcp, cli).sl_job("a", ["transform", "--name", "kpis.sales"])
        with DagsterInstance.ephemeral() as instance:
            assert execute(op, instance).success
    calls = [call for call in gcp.journal[known:] if not call.is_of("AccessSecretVersion")]
    told = {call.method: leaks(json.dumps(call.request, ensure_ascii=False).encode()) for call in calls}
    by_value = [store for store in STORES if store != "google"]
    assert told.pop("SubmitJob") == list(STORES)  # Spark knows no references; a warning says so
    assert told.pop("RunJob") == by_value
    assert {method for method, stores in told.items() if stores} == set()
    job = next(call.request["job"] for call in calls if call.is_of("SubmitJob"))
    properties = job["spark_job"].pop("properties")
    assert leaks(json.dumps(job).encode()) == []
    holders = {name for name, value in properties.items() if leaks(value.encode())}
    assert {name.rpartition(".")[2] for name in holders} == set(NAMES.values())


@pytest.mark.parametrize("store", ["vault", "resource"])
def test_the_engine_masks_a_secret_in_what_its_database_says(
    store: str, references: dict[str, Any], home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = home.parent / "project"
    for name, text in {
        "application.sl.yml": "version: 1\napplication:\n  connectionRef: duckdb\n  connections:\n    duckdb:\n"
        "      type: jdbc\n      options: {url: 'jdbc:duckdb:{{SL_ROOT}}/duckdb.db'}\n",
        "transform/kpis/sales.sql": f"select cast($${{{{{NAMES[store]}}}}}$$ as integer)",
    }.items():
        file = root / "metadata" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    sl_job = StarlakeDagsterEmbeddedJob(options={"sl_env_var": {"SL_ROOT": str(root), **references}})
    with DagsterInstance.local_temp(str(home)) as instance:
        result = execute(sl_job.sl_transform("a", "kpis.sales"), instance)
        assert not result.success
        text = records(instance, result.run_id)
    assert "Could not convert string" in text
    assert "***" in text
    captured = capfd.readouterr()
    assert leaks((text + captured.out + captured.err).encode()) == []
    assert {str(path): found for path in files_below(home) if (found := leaks(path.read_bytes()))} == {}
    assert open_to_others(home.parent / "tmp") == {}
    assert os.environ.get(NAMES[store]) is None
