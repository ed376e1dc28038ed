"""Secrets that Airflow keeps: references, Jinja that stands for them, what a task gets, where nobody finds them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from ai.starlake.airflow.airflow_secrets import ConnectionReference, VariableReference
from ai.starlake.airflow.bash import StarlakeAirflowBashJob
from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import JoinedReference, environment_value, resolve_environment, secret_cache
from tests.airflow.airflow_home import RecordedSupervisor, context_of
from tests.airflow.secrets_run import SECRETS

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _nothing_is_known() -> None:
    secret_cache.clear()


def read(value: object) -> Any:
    return StarlakeAirflowBashJob(options={"sl_env_var": {"X": value}}).sl_env_vars["X"]


def resolved(value: object) -> tuple[str, set[str]]:
    values, secrets = resolve_environment({"X": read(value)})
    return values["X"], secrets


class TestReferences:
    @pytest.mark.parametrize(
        ("written", "reference"),
        [
            ({"variable": "key"}, VariableReference("key")),
            ({"variable": "key", "field": "a.b"}, VariableReference("key", "a.b")),
            ({"variable": {"key": "key", "field": "a"}}, VariableReference("key", "a")),
            ({"connection": "db"}, ConnectionReference("db", "password")),
            ({"connection": "db", "field": "extra.token"}, ConnectionReference("db", "extra.token")),
        ],
    )
    def test_they_are_read_as_those_of_any_store(self, written, reference):
        assert environment_value("X", written) == reference == read(json.loads(json.dumps(written)))

    @pytest.mark.parametrize(
        ("written", "reference"),
        [
            ("{{ var.value.key }}", VariableReference("key")),
            ("{{var.value.my-key}}", VariableReference("my-key")),
            ("{{ var.json.key.a.b }}", VariableReference("key", "a.b")),
            ("{{ conn.db.password }}", ConnectionReference("db")),
            ("{{ conn.db.get_uri() }}", ConnectionReference("db", "uri")),
            ("{{ conn.db.extra_dejson.token }}", ConnectionReference("db", "extra.token")),
            (
                "jdbc:{{ conn.db.host }}/x?p={{ var.value.key }}",
                JoinedReference(("jdbc:", ConnectionReference("db", "host"), "/x?p=", VariableReference("key"))),
            ),
            ("{plain}", "{plain}"),
        ],
    )
    def test_jinja_becomes_a_reference(self, written, reference):
        assert read(written) == reference

    @pytest.mark.parametrize(
        "written",
        [
            "{{ ds }}",
            "{{ var.value.get('key', 'hunter2') }}",
            "{{ var.value.key | upper }}",
            "{{ var.value.key",
            "{% if x %}hunter2{% endif %}",
            "{{ conn.db.secret }}",
            "{{ var.value.key }} {{ ds }}",
        ],
    )
    def test_other_jinja_is_an_error_that_says_what_is_understood(self, written):
        with pytest.raises(StarlakeError) as caught:
            read(written)
        text = str(caught.value)
        assert "option sl_env_var: the Jinja in the value of X is not understood" in text
        assert "{{ var.value.key }}" in text
        assert "{{ conn.id.password }}" in text
        assert "hunter2" not in text

    def test_a_field_that_connections_do_not_have_is_an_error_at_once(self):
        with pytest.raises(StarlakeError, match="no field 'pasword'(.|\n)*password, login, host"):  # noqa: RUF043
            read({"connection": "db", "field": "pasword"})


class TestValues:
    """Of the environment, which Airflow asks outside of tasks too."""

    def test_a_variable_has_a_value_or_fields(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW_VAR_KEY", '{"a": {"b": "deep"}, "n": 5}')
        assert resolved({"variable": "key", "field": "a.b"}) == ("deep", {"deep"})
        assert resolved("{{ var.json.key.n }}") == ("5", {"5"})
        assert json.loads(resolved({"variable": "key"})[0])["n"] == 5

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("password", "p@ss/w"),
            ("login", "ada"),
            ("host", "db.example"),
            ("port", "5432"),
            ("schema", "shop"),
            ("extra.token", "of-extra"),
            ("uri", "postgres://ada:p%40ss%2Fw@db.example:5432/shop?token=of-extra"),
        ],
    )
    def test_a_connection_has_fields(self, monkeypatch, field, value):
        uri = "postgres://ada:p%40ss%2Fw@db.example:5432/shop?token=of-extra"
        monkeypatch.setenv("AIRFLOW_CONN_DB", uri)
        text, secrets = resolved({"connection": "db", "field": field})
        assert text == value
        assert value in secrets

    def test_each_part_of_a_longer_value_is_a_secret(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW_VAR_KEY", "of-the-variable")
        monkeypatch.setenv("AIRFLOW_CONN_DB", "postgres://ada:pass@h/x")
        text, secrets = resolved("a={{ var.value.key }};b={{ conn.db.password }}")
        assert text == "a=of-the-variable;b=pass"
        assert {"of-the-variable", "pass", text} <= secrets

    @pytest.mark.parametrize(
        ("written", "message"),
        [
            ({"variable": "lost"}, r"X of option sl_env_var has no value\nthe Variable lost of Airflow does not exist"),
            ("{{ conn.lost.password }}", "the Connection lost of Airflow does not exist"),
            ({"connection": "db", "field": "schema"}, "the Connection db of Airflow has no schema"),
            ({"variable": "key", "field": "other"}, "the Variable key of Airflow has no field other"),
        ],
    )
    def test_a_missing_one_is_an_error_that_names_it_and_says_what_to_do(self, monkeypatch, written, message):
        monkeypatch.setenv("AIRFLOW_CONN_DB", "postgres://ada:hunter2@h")
        monkeypatch.setenv("AIRFLOW_VAR_KEY", '{"a": "hunter2"}')
        with pytest.raises(StarlakeError, match=message) as caught:
            resolved(written)
        assert "To fix it:" in str(caught.value)
        assert "hunter2" not in str(caught.value)


class TestATask:
    def job(self, tmp_path: Path, **environment: object) -> StarlakeAirflowBashJob:
        program = ["/bin/sh", "-c", 'printf "%s" "$X" > "$SL_ROOT/told"; echo "it is $X"']
        options = {"SL_STARLAKE_PATH": program, "sl_env_var": {"SL_ROOT": str(tmp_path), **environment}}
        return StarlakeAirflowBashJob(options=options)

    def test_airflow_masks_every_value_that_is_resolved(
        self, tmp_path: Path, supervisor: RecordedSupervisor, monkeypatch
    ):
        monkeypatch.setenv("OF_THE_WORKER", "of-the-worker")
        supervisor.variables["key"] = "of-the-variable"
        supervisor.connections["db"] = {"conn_type": "http", "password": "of-the-connection"}
        made = self.job(
            tmp_path, X="{{ var.value.key }}:{{ conn.db.password }}", Y={"env": "OF_THE_WORKER"}, Z_TOKEN="literal-1"
        )
        with DAG("a_dag", schedule=None) as dag:
            made.sl_transform("t", "kpi.top")
        dag.get_task("t").execute(context_of(dag, "t"))
        assert (tmp_path / "told").read_text() == "of-the-variable:of-the-connection"
        masked = [
            value for sent in supervisor.sent if type(sent).__name__ == "MaskSecret" for value in _texts(sent.value)
        ]
        wanted = {"of-the-variable", "of-the-connection", "of-the-worker", "literal-1"}
        assert wanted <= set(masked)

    def test_a_missing_secret_is_no_reason_to_try_again(self, tmp_path: Path, supervisor: RecordedSupervisor):
        with DAG("a_dag", schedule=None) as dag:
            self.job(tmp_path, X={"variable": "lost"}).sl_transform("t", "kpi.top", retries=3)
        with pytest.raises(AirflowFailException, match="the Variable lost of Airflow does not exist"):
            dag.get_task("t").execute(context_of(dag, "t"))
        assert not (tmp_path / "told").exists()


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


@dataclass(frozen=True)
class Run:
    said: dict[str, Any]
    console: str
    told: dict[str, tuple[list[str], dict[str, str]]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of a DAG with secrets of the database, of the environment and of a secrets backend."""
    folder = tmp_path_factory.mktemp("secrets")
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "tests.airflow.secrets_run", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )
    console = done.stdout + done.stderr
    assert done.returncode == 0, console
    told = {path.suffix[1:]: tuple(json.loads(path.read_text())) for path in folder.glob("told.kpi.*")}
    return Run(json.loads((folder / "said.json").read_text()), console, told)


class TestARun:
    def test_the_command_gets_what_the_references_stand_for(self, run: Run):
        arguments, environment = run.told["good"]
        assert environment["A"] == SECRETS["metastore"]
        assert environment["B"] == SECRETS["connection"]
        assert environment["C"] == SECRETS["environment"]
        assert environment["D"] == SECRETS["backend"]
        assert environment["E"] == f"postgresql://ada:{SECRETS['connection']}@h/db?k={SECRETS['json']}"
        assert environment["F_TOKEN"] == SECRETS["literal"]
        assert arguments[1:4] == ["transform", "--name", "kpi.good"]

    def test_they_are_on_no_command_line(self, run: Run):
        text = json.dumps([arguments for arguments, _ in run.told.values()])
        assert not [name for name, secret in SECRETS.items() if secret in text]
        assert sorted(run.told) == ["bad", "good"]

    def test_nothing_is_asked_for_when_the_file_is_read(self, run: Run):
        assert run.said["asked_when_read"] == []
        assert {"metastore", "backend", "warehouse"} <= set(run.said["asked"])

    def test_they_are_in_no_table_of_airflow_and_no_file(self, run: Run):
        """Variables and Connections are encrypted there; the DAG, XComs and rendered fields are not."""
        assert run.said["found"] == {name: [] for name in SECRETS}
        assert run.said["database"] > 100_000

    def test_the_console_shows_them_masked(self, run: Run):
        """`dag.test()` masks nothing by itself."""
        assert "printed" in run.console
        assert "***" in run.console
        assert not [name for name, secret in SECRETS.items() if secret in run.console]

    def test_a_task_that_fails_shows_none(self, run: Run):
        assert run.said["states"] == {"good": "success", "bad": "failed", "lost": "failed"}
        assert "failed with ***" in run.console

    def test_a_secret_that_is_not_there_is_not_asked_for_again(self, run: Run):
        assert run.said["tries"]["lost"] == 1
        assert "the Variable lost of Airflow does not exist" in run.console
