"""The queries of the audit as other databases take them: parsed as theirs, and run by DuckDB in translation.

Neither BigQuery, Snowflake, Redshift, Databricks nor MySQL runs here. What this shows: that the SQL is theirs, as
sqlglot knows it, and that it means the same. What it does not show: their drivers, permissions and column types.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest
import sqlglot

from ai.starlake.common import StarlakeError
from ai.starlake.project.audit import AuditUnreachableError, open_audit
from ai.starlake.project.audit.audit_times import AuditClock
from ai.starlake.project.audit.dialects import words_of
from ai.starlake.project.audit.duckdb_audit import DuckDbSession
from ai.starlake.project.audit.queried_audit import AuditColumn, QueriedAudit
from tests.fakes.outside_audit import DuckDbAudit, failed, load, transform

START = datetime(2026, 10, 24, 20, tzinfo=timezone.utc)
DAY = timedelta(days=1)
QUOTES = {"bigquery": "`", "databricks": "`", "mysql": "`", "snowflake": '"', "redshift": '"'}
ZONED = ["bigquery", "snowflake"]
"""Dialects whose timestamps with time zone are converted by functions of their own."""


@dataclass(frozen=True)
class TranslatedSession(DuckDbSession):
    """Queries of another database, answered by DuckDB."""

    dialect: str = ""
    has_zone: bool = False

    def quoted(self, name):
        return f"{QUOTES[self.dialect]}{name}{QUOTES[self.dialect]}"

    def columns(self, schema, table):
        found = super().columns(schema, table)
        return {name: AuditColumn(self.quoted(name), self.has_zone and name == "TIMESTAMP") for name in found}

    def place(self, schema, table):
        return f"{self.quoted(schema)}.{self.quoted(table)}"

    def fetch(self, sql, values):
        written = re.sub(r"(?<![:\w]):(\w+)", lambda found: f"'{values[found[1]]}'", sql)
        (translated,) = sqlglot.transpile(written, read=self.dialect, write="duckdb")
        return self.connection.execute(f"SET TimeZone = 'UTC'; {translated}").fetchall()


@dataclass(frozen=True)
class TranslatedSource:
    file: Path
    dialect: str
    has_zone: bool = False
    name: str = "translated"

    @contextmanager
    def session(self):
        with duckdb.connect(str(self.file), read_only=True) as connection:
            words = words_of(self.dialect)
            yield TranslatedSession(connection, self.file, words, dialect=self.dialect, has_zone=self.has_zone)


def answers(audit):
    rows = audit.rows(START, START + DAY, limit=40)
    later = audit.rows_of(["job-1", "job-4"], since=START + timedelta(hours=1))
    outcomes = audit.outcomes(rows, lambda *_: None)
    return audit.minutes(START + timedelta(hours=1)), rows, later, outcomes, audit.last_rows(), audit.last_rows(DAY / 8)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    tables = DuckDbAudit(tmp_path_factory.mktemp("dialects") / "duckdb.db")
    tables.create()
    loads = [load(START + timedelta(minutes=13.7 * at), f"t{at % 5}", job=f"job-{at}", seconds=at) for at in range(60)]
    tables.write("audit", *loads, transform(START), failed(load(START + DAY / 2, "t1")), *[load(START)] * 2)
    return tables.audit


@pytest.mark.parametrize("dialect", QUOTES)
def test_every_database_is_asked_the_same(file, dialect):
    translated = QueriedAudit(TranslatedSource(file, dialect), clock=AuditClock.of("Europe/Paris"))
    found = answers(translated)
    assert found == answers(open_audit(file, timezone="Europe/Paris"))
    assert [bool(each) for each in found] == [True, True, True, False, True, True]
    assert len(found[-1]) > len(found[-2])


@pytest.mark.parametrize("dialect", ZONED)
def test_timestamps_with_time_zone(file, dialect):
    assert answers(QueriedAudit(TranslatedSource(file, dialect, has_zone=True))) == answers(open_audit(file))


def test_another_database_says_which_there_are():
    with pytest.raises(StarlakeError, match="of the dialect oracle") as caught:
        words_of("oracle")
    assert "DuckDB or one of bigquery, databricks, mysql, postgresql, redshift, snowflake" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("snowflake://me:hush@account/db", "pip install snowflake-sqlalchemy"),
        ("bigquery://project", "pip install sqlalchemy-bigquery"),
        ("sqlite:///hush.db", "the dialect sqlite"),
        ("oracle://me:hush@host/db", "the dialect oracle"),
        ("postgresql://me:hush@host:port/db", "is not one of SQLAlchemy"),
        ("mysql+nodriver://me:hush@host/db", "an SQLAlchemy dialect for mysql"),
        ("postgresql+psycopg://me:hush@127.0.0.1:1/db", "Connection refused"),
    ],
)
def test_a_url_that_cannot_be_used(url, said):
    audit = open_audit(url)
    with pytest.raises(StarlakeError) as caught:
        audit.last_rows()
    assert said in str(caught.value)
    assert "hush" not in f"{caught.value}{audit!r}{audit.name}".replace("/hush.db", "")


def test_drivers_have_errors_of_their_own(monkeypatch):
    def connect(*_, **__):
        raise RuntimeError("no credentials in hush")

    monkeypatch.setattr("psycopg.connect", connect)
    audit = open_audit("postgresql://me:hush@host/db")
    with pytest.raises(AuditUnreachableError, match=r"no credentials in \*\*\*"):
        audit.last_rows()


def test_urls_that_are_not_those_of_sqlalchemy(tmp_path):
    for prefix in ("jdbc:duckdb:", "duckdb:///", ""):
        assert (
            open_audit(f"{prefix}{tmp_path}/duckdb.db").name
            == f"the DuckDB file {tmp_path}/duckdb.db, which does not exist yet"
        )
    with pytest.raises(StarlakeError, match="is one of JDBC") as caught:
        open_audit("jdbc:postgresql://host/db?user=me&password=hush")
    assert "hush" not in str(caught.value)
    with pytest.raises(StarlakeError, match="is not a time zone"):
        open_audit(tmp_path / "duckdb.db", timezone="Paris")
    with pytest.raises(StarlakeError, match="the URL of the audit is neither"):
        open_audit(None)


def test_a_reference_may_name_a_file(tmp_path, monkeypatch):
    tables = DuckDbAudit(tmp_path / "duckdb.db")
    tables.create()
    tables.write("audit", load(START))
    monkeypatch.setenv("AUDIT_FILE_OF_TEST", str(tables.audit))
    audit = open_audit({"env": "AUDIT_FILE_OF_TEST"})
    assert (audit.name, len(audit.last_rows())) == ("the audit", 1)
