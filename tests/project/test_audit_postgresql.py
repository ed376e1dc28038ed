"""Starlake's audit in PostgreSQL: a real server, started by the tests."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.project.audit import AuditBusyError, AuditUnreachableError, open_audit
from tests.fakes.outside_audit import DuckDbAudit, PostgresAudit, copy_new_rows, load, transform
from tests.postgres_server import PASSWORD, postgres_server, shared_server
from tests.project.audit_contract import AuditContract

pytestmark = pytest.mark.slow

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


@pytest.fixture
def server():
    return shared_server()


@pytest.fixture
def new(server):
    url = server.database()
    return lambda schema="audit": PostgresAudit(url, schema)


class TestContract(AuditContract):
    """The suite, on PostgreSQL."""


def refused(url: str) -> str:
    audit = open_audit(url)
    with pytest.raises(AuditUnreachableError) as caught:
        audit.minutes(START)
    assert not isinstance(caught.value, AuditBusyError)
    shown = f"{caught.value}{caught.value!r}{audit!r}{audit.name}{pickle.loads(pickle.dumps(caught.value))}"
    assert "hush" not in shown
    return str(caught.value)


def test_names_that_were_created_with_quotes(new):
    tables = new('"Audit"')
    tables.create(quoted=True)
    tables.write("audit", load(START), quoted=True)
    (row,) = open_audit(tables.audit, schemas=dict.fromkeys(["audit", "rejected", "expectations"], "AUDIT")).last_rows()
    assert (row.job_id, row.table) == ("job-1", "orders")


def test_a_wrong_password(server, new):
    new()
    said = refused(server.url("postgres", password="wrong hush"))
    assert "password authentication failed" in said
    assert "check the user and the password in the URL" in said


def test_a_database_that_does_not_exist(server):
    said = refused(server.url("nowhere"))
    assert f"the audit in postgresql://127.0.0.1:{server.port}/nowhere cannot be read" in said
    assert 'database "nowhere" does not exist' in said


def test_a_database_without_audit(new):
    assert "the table audit.audit does not exist, or the user may not see it" in refused(new().audit)


def test_a_user_who_may_not_read(server, new):
    tables = new()
    tables.create()
    tables.run("DROP ROLE IF EXISTS guest")
    tables.run("CREATE ROLE guest LOGIN PASSWORD 'guest hush'; GRANT USAGE ON SCHEMA audit TO guest")
    said = refused(server.url(tables.audit.rpartition("/")[2], user="guest", password="guest hush"))
    assert "permission denied for table audit" in said
    assert "GRANT SELECT" in said
    tables.run("DROP OWNED BY guest; DROP ROLE guest")


def test_a_table_that_is_dropped_in_between(new):
    tables = new()
    tables.create()
    audit = open_audit(tables.audit)
    assert audit.minutes(START) == {}
    tables.run("DROP TABLE audit.audit")
    with pytest.raises(AuditUnreachableError, match="does not exist"):
        audit.minutes(START)
    tables.create()
    tables.write("audit", load(START))
    assert audit.minutes(START) == {START: 1}, "the next tick finds the new one"


def test_nothing_is_written_and_no_connection_is_kept(new, server):
    tables = new()
    tables.create()
    audit = open_audit(tables.audit)
    audit.last_rows()
    with audit.source.session() as session, pytest.raises(Exception, match="read-only transaction"):
        session.fetch("INSERT INTO audit.audit (JOBID) VALUES ('x')", {})
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert tables.run(open_ones) == [(0,)]


def test_a_query_that_takes_too_long_ends(new, monkeypatch):
    monkeypatch.setattr("ai.starlake.project.audit.sqlalchemy_audit._PATIENCE", 0.1)
    tables = new()
    tables.create()
    with (
        pytest.raises(AuditUnreachableError, match="statement timeout"),
        open_audit(tables.audit).source.session() as session,
    ):
        session.fetch("SELECT pg_sleep(20)", {})


def test_a_server_that_is_gone_and_comes_back():
    with postgres_server() as own:
        tables = PostgresAudit(own.database())
        tables.create()
        tables.write("audit", load(START))
        audit = open_audit(tables.audit)
        assert len(audit.last_rows()) == 1
        own.stop()
        with pytest.raises(AuditUnreachableError, match="check that the server runs"):
            audit.last_rows()
        own.start()
        assert len(audit.last_rows()) == 1


def test_the_url_is_a_secret(new, monkeypatch):
    tables = new()
    tables.create()
    tables.write("audit", load(START))
    audit = open_audit({"env": "AUDIT_URL_OF_TEST"}, name="the nightly audit")
    with pytest.raises(StarlakeError, match="AUDIT_URL_OF_TEST"):
        audit.last_rows()
    monkeypatch.setenv("AUDIT_URL_OF_TEST", tables.audit.replace("p%40ss", "wrong"))
    with pytest.raises(AuditUnreachableError, match="the nightly audit cannot be read") as caught:
        audit.last_rows()
    assert "hush" not in f"{caught.value}{audit!r}"
    monkeypatch.setenv("AUDIT_URL_OF_TEST", tables.audit)
    assert len(audit.last_rows()) == 1, "a secret that was refused is fetched again"
    assert PASSWORD not in repr(audit)


def test_rows_of_duckdb_reach_postgresql_once(new, tmp_path):
    source, target = DuckDbAudit(tmp_path / "duckdb.db"), new()
    source.create()
    source.write("audit", load(START), transform(START + HOUR))
    assert copy_new_rows(source.audit, target) == 2
    source.write("audit", load(START + HOUR, "clients"))
    assert (copy_new_rows(source.audit, target), copy_new_rows(source.audit, target)) == (1, 0)
    found = [open_audit(each.audit).rows(START, START + 9 * HOUR, limit=9) for each in (source, target)]
    assert found[0] == found[1]
    assert len(found[0]) == 3
