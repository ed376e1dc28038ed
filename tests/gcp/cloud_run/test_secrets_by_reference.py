"""Secrets of Secret Manager that Cloud Run fetches itself: the process that starts an execution does not pass them."""

from __future__ import annotations

import json
import warnings

import pytest

from ai.starlake.common.secrets import EnvironmentReference, secret_cache
from ai.starlake.executor import CommandFailedError
from ai.starlake.gcp.client.google_errors import GcpCallError
from ai.starlake.gcp.exposed_secrets import ExposedSecretWarning
from ai.starlake.gcp.secret_manager import GoogleSecret

TOKEN = "projects/my-project/secrets/token"


@pytest.fixture(autouse=True)
def secrets(gcp):
    secret_cache.clear()
    gcp.add_secret(TOKEN, "s3cr3t-value")
    gcp.add_secret("projects/my-project/secrets/db", '{"password": "s3cr3t-value"}')
    yield
    secret_cache.clear()


@pytest.fixture
def token(gcp) -> GoogleSecret:
    return GoogleSecret(TOKEN, endpoint=gcp.endpoint)


def started_with(gcp) -> dict:
    """Return the variables of the last order to start an execution, as they were sent."""
    call = [call for call in gcp.journal if call.is_of("RunJob")][-1]
    override = call.request["overrides"]["container_overrides"][0]
    return {variable["name"]: variable for variable in override["env"]}


def journal(gcp) -> str:
    return json.dumps([dict(call.request) for call in gcp.journal if not call.is_of("AccessSecretVersion")])


def test_the_container_gets_the_value_and_the_order_only_its_name(bench, gcp, token):
    bench.run("transform", environment={"DB_X": token})
    assert started_with(gcp)["DB_X"]["value_source"] == {"secret_key_ref": {"secret": TOKEN, "version": "latest"}}
    assert gcp.executions[-1].env["DB_X"] == "s3cr3t-value"
    assert "s3cr3t" not in journal(gcp)


def test_a_version_is_passed_on(bench, gcp, token):
    gcp.add_secret(TOKEN, "another-value")
    bench.run("transform", environment={"DB_X": GoogleSecret(f"{TOKEN}/versions/1", endpoint=gcp.endpoint)})
    assert gcp.executions[-1].env["DB_X"] == "s3cr3t-value"


def test_what_the_container_prints_of_it_is_masked(bench, gcp, token):
    with pytest.raises(CommandFailedError) as caught:
        bench.run("load", "exit=1", cloud_run_logs="all", cloud_run_log_wait=2, environment={"DB_X": token})
    assert "DB_X" in bench.report.everything()
    assert "s3cr3t" not in bench.report.everything() + str(caught.value)


def test_the_process_that_starts_it_needs_no_access(bench, gcp, token):
    gcp.fault("AccessSecretVersion", "PERMISSION_DENIED", count=None)
    bench.run("transform", environment={"DB_X": token})
    assert gcp.executions[-1].env["DB_X"] == "s3cr3t-value"


def test_a_field_of_a_secret_and_other_stores_are_passed_as_values(bench, gcp, monkeypatch):
    monkeypatch.setenv("THE_PASSWORD", "s3cr3t-value")
    field = GoogleSecret("projects/my-project/secrets/db", field="password", endpoint=gcp.endpoint)
    bench.run("transform", environment={"DB_X": field, "DB_Y": EnvironmentReference("THE_PASSWORD")})
    sent = started_with(gcp)
    assert [sent[name].get("value") for name in ("DB_X", "DB_Y")] == ["s3cr3t-value"] * 2


def test_values_are_passed_if_the_option_says_so(bench, gcp, token):
    bench.run("transform", cloud_run_secrets="value", environment={"DB_X": token})
    assert started_with(gcp)["DB_X"]["value"] == "s3cr3t-value"


def test_a_reference_that_is_refused_says_what_else_there_is(bench, gcp, executions):
    missing = GoogleSecret("projects/my-project/secrets/tokken", endpoint=gcp.endpoint)
    with pytest.raises(GcpCallError, match=r"see that DB_X of sl_env_var refers to(.|\n)*cloud_run_secrets to value"):
        bench.run("transform", environment={"DB_X": missing})
    assert executions() == []


class TestWarnings:
    def test_one_names_all_variables_that_are_passed_as_values(self, bench, token):
        variables = {"DB_X": token, "DB_PASSWORD": {"env": "A"}, "DB_KEY": {"file": "/run/key"}, "SL_ROOT": "gs://b"}
        with pytest.warns(ExposedSecretWarning) as caught:
            bench.settings(sl_env_var=variables)
        assert len(caught) == 1
        text = str(caught[0].message)
        assert text.startswith(
            "option sl_env_var: DB_KEY, DB_PASSWORD are passed as plain values; whoever may view the"
        )
        assert "To fix it: keep it in Google Secret Manager, as a secret of its own without `field`" in text

    @pytest.mark.parametrize(
        "options",
        [
            {"sl_env_var": {"DB_X": {"google": "projects/p/secrets/s"}}, "cloud_run_endpoint": None},
            {"sl_env_var": {"SL_ROOT": "gs://b", "DB_PASSWORD": "written down"}},
            {"sl_env_var": {"DB_X": {"env": "A"}}, "cloud_run_secrets": "value"},
        ],
        ids=["by reference", "no reference", "as the user decided"],
    )
    def test_there_is_none_where_nothing_can_be_done(self, bench, options):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            bench.settings(**options)

    def test_commands_warn_of_nothing(self, bench, monkeypatch):
        monkeypatch.setenv("THE_PASSWORD", "s3cr3t-value")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            bench.run("transform", environment={"DB_Y": EnvironmentReference("THE_PASSWORD")})
        assert bench.report.warnings == []
