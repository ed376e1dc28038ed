"""The examples of docs/secrets.md work as they stand."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import boto3
import pytest
import yaml
from click.testing import CliRunner
from dagster import DagsterInstance, GraphDefinition
from moto import mock_aws

from ai.starlake.aws import AwsSecret
from ai.starlake.common import StarlakeError
from ai.starlake.common.plug_ins import plug_ins
from ai.starlake.common.secrets import environment_value, resolve_environment, secret_cache
from ai.starlake.dagster.cli import main
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from ai.starlake.gcp import GoogleSecret
from tests.fakes.fake_cli import FakeStarlake

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "secrets.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(TOML,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
(YAML,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


class Vault(BaseHTTPRequestHandler):
    """Answers as HashiCorp Vault does for secrets of the engine kv-v2."""

    secrets: ClassVar[dict[str, dict[str, str]]] = {"secret/data/db": {"password": "hunter2-hunter2"}}
    unsealed_after = 0
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        found = self.secrets.get(self.path.removeprefix("/v1/"))
        if len(self.asked) <= self.unsealed_after:
            self._answer(503, {"errors": ["Vault is sealed"]})
        elif self.headers["X-Vault-Token"] != "s.root":
            self._answer(403, {"errors": ["permission denied"]})
        elif found is None:
            self._answer(404, {"errors": []})
        else:
            self._answer(200, {"data": {"data": found, "metadata": {"version": 1}}})

    def _answer(self, status: int, content: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Vault]]:
    """Yield a server of Vault, and the package of the page, installed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vault)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    Vault.asked, Vault.unsealed_after = [], 0
    monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("VAULT_TOKEN", "s.root")
    site, (source,) = tmp_path / "site", [block for block in PYTHON if block.startswith("# acme_vault.py")]
    metadata = site / "acme_vault-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "acme_vault.py").write_text(source)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-vault\nVersion: 1.0\n")
    group, name, target = re.search(r'\."(.*)"\]\n(\w+) = "(.*)"', TOML).groups()  # type: ignore[union-attr]
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")
    monkeypatch.syspath_prepend(site)
    plug_ins.cache_clear()
    secret_cache.clear()
    yield Vault
    server.shutdown()
    server.server_close()
    plug_ins.cache_clear()
    secret_cache.clear()
    sys.modules.pop("acme_vault", None)


@pytest.mark.parametrize("where", re.findall(r"`(\{\"vault\": \{.*?\}\})`", PAGE))
def test_a_command_gets_a_secret_of_vault(vault: type[Vault], tmp_path: Path, where: str) -> None:
    fake = FakeStarlake(tmp_path / "bin", record=["DB_PASSWORD"])
    environment = {"SL_ROOT": str(tmp_path), "DB_PASSWORD": json.loads(where)}
    sl_job = StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": str(fake.path), "sl_env_var": environment})
    graph = GraphDefinition(
        name="g", node_defs=[sl_job.sl_transform("a", "kpis.sales"), sl_job.sl_transform("b", "k.s")]
    )
    with DagsterInstance.ephemeral() as instance:
        assert graph.to_job().execute_in_process(instance=instance).success
    assert [call.environment["DB_PASSWORD"] for call in fake.calls()] == ["hunter2-hunter2"] * 2
    assert len(vault.asked) == 1


def test_a_vault_that_is_sealed_for_a_while_is_asked_again(vault: type[Vault]) -> None:
    vault.unsealed_after = 2
    reference = environment_value("X", {"vault": {"path": "secret/data/db", "field": "password"}})
    assert resolve_environment({"X": reference})[0] == {"X": "hunter2-hunter2"}
    assert len(vault.asked) == 3


@pytest.mark.parametrize(
    ("token", "where", "said"),
    [
        ("s.guest", {"path": "secret/data/db", "field": "password"}, "HTTPError: HTTP Error 403: Forbidden"),
        ("s.root", {"path": "secret/data/dbb"}, "HTTPError: HTTP Error 404: Not Found"),
        ("s.root", {"path": "secret/data/db", "field": "passwd"}, "KeyError in acme_vault.py:"),
    ],
)
def test_what_vault_refuses_is_an_error_with_its_reference(
    vault: type[Vault], monkeypatch: pytest.MonkeyPatch, token: str, where: dict[str, str], said: str
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", token)
    with pytest.raises(StarlakeError) as caught:
        resolve_environment({"DB_PASSWORD": environment_value("DB_PASSWORD", {"vault": where})})
    text = str(caught.value)
    assert text.startswith(
        f"DB_PASSWORD of option sl_env_var has no value\nthe secret VaultSecret(path='{where['path']}'"
    )
    assert said in text
    assert "hunter2" not in text
    assert len(vault.asked) == 1


def test_the_first_example_reads_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("API_TOKEN", "token-of-the-api")
    scope: dict[str, object] = {}
    exec(PYTHON[0], scope)
    secret_cache.clear()
    with mock_aws():
        boto3.client("secretsmanager").create_secret(Name="prod/db", SecretString='{"password": "hunter2"}')
        values, _ = resolve_environment(scope["sl_job"].settings.environment)  # type: ignore[attr-defined]
    secret_cache.clear()
    expected = {"SL_ROOT": "/data/shop", "DB_USER": "loader", "DB_PASSWORD": "hunter2", "API_TOKEN": "token-of-the-api"}
    assert values == expected


def test_the_example_in_yaml_is_accepted() -> None:
    options = yaml.safe_load(YAML)
    environment = StarlakeDagsterShellJob(options=options).settings.environment
    assert repr(environment["DB_PASSWORD"]).startswith(
        "AwsSecret(secret='prod/db', field='password', region='eu-west-1'"
    )
    assert repr(environment["API_TOKEN"]).startswith("GoogleSecret(secret='api-token'")


def test_the_references_in_python_are_those_of_the_stores() -> None:
    scope = {"GoogleSecret": GoogleSecret, "AwsSecret": AwsSecret}
    google, aws = (eval(code, scope) for code in re.findall(r"`((?:GoogleSecret|AwsSecret)\(.*?\))`", PAGE))
    assert google == environment_value("X", {"google": {"secret": "api-token", "version": "3"}})
    assert aws == environment_value("X", {"aws": {"secret": "prod/db", "field": "password"}})


def test_the_example_of_a_resource_gives_definitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "my_project" / "metadata"
    (project / "transform/kpis").mkdir(parents=True)
    (project / "application.sl.yml").write_text("version: 1\napplication: {}\n")
    (project / "transform/kpis/sales.sql").write_text("select 1 as id")
    fake = FakeStarlake(tmp_path / "bin", record=["DB_PASSWORD"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SL_STARLAKE_PATH", str(fake.path))
    monkeypatch.setenv("VAULT_TOKEN", "s.root")
    (source,) = [block for block in PYTHON if "class Vault(ConfigurableResource)" in block]
    scope: dict[str, object] = {"__name__": "acme_definitions"}
    exec(source, scope)
    definitions = scope["defs"]
    renamed = getattr(definitions, "resolve_implicit_global_asset_job_def", None)
    job = renamed() if renamed else definitions.get_implicit_global_asset_job_def()  # type: ignore[attr-defined]
    assert job.execute_in_process().success
    assert [call.environment["DB_PASSWORD"] for call in fake.calls() if call.verb == "transform"] == ["of s.root"]


def test_a_generated_file_has_the_reference_and_its_run_the_value(
    vault: type[Vault], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeStarlake(tmp_path / "bin", record=["DB_PASSWORD"])
    environment = {"SL_ROOT": str(tmp_path), "DB_PASSWORD": {"vault": {"path": "secret/data/db", "field": "password"}}}
    options = {"sl_env_var": json.dumps(environment), "SL_STARLAKE_PATH": str(fake.path)}
    dag = {"comment": "every day", "template": "load/dagster__scheduled_table__shell.py.j2", "filename": "daily.py"}
    columns = [{"name": "id", "type": "string"}]
    for name, content in {
        "application": {"version": 1, "application": {"loader": "spark", "dagRef": {"load": "daily"}}},
        "dags/daily": {"version": 1, "dag": {**dag, "options": options}},
        "load/sales/_config": {"version": 1, "load": {"name": "sales", "metadata": {"directory": "incoming/sales"}}},
        "load/sales/orders": {"version": 1, "table": {"name": "orders", "pattern": "orders.*", "attributes": columns}},
    }.items():
        file = tmp_path / "metadata" / f"{name}.sl.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content))
    made = CliRunner().invoke(main, ["generate", "--project", str(tmp_path), "--output", str(tmp_path / "made")])
    assert made.exit_code == 0, made.output
    assert "hunter2" not in (tmp_path / "made/daily.py").read_text()
    jobs = list(runpy.run_path(str(tmp_path / "made/daily.py"))["defs"].jobs)
    assert all(job.execute_in_process().success for job in jobs)
    assert "hunter2-hunter2" in {call.environment["DB_PASSWORD"] for call in fake.calls() if call.verb == "load"}
