"""Starlake's audit in a DuckDB file."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest

from ai.starlake.project.audit import AuditBusyError, AuditUnreachableError, open_audit
from tests.fakes.outside_audit import DuckDbAudit, load
from tests.project.audit_contract import AuditContract

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
COLUMNS = """JOBID VARCHAR, PATHS VARCHAR, DOMAIN VARCHAR, SCHEMA VARCHAR, SUCCESS BOOLEAN, COUNT BIGINT,
    COUNTACCEPTED BIGINT, COUNTREJECTED BIGINT, TIMESTAMP TIMESTAMP, DURATION BIGINT, MESSAGE VARCHAR, STEP VARCHAR"""


class TestContract(AuditContract):
    @pytest.fixture
    def new(self, tmp_path):
        return lambda schema="audit": DuckDbAudit(tmp_path / "contract.db", schema)


@pytest.fixture
def file(tmp_path):
    with duckdb.connect(str(tmp_path / "duckdb.db")) as connection:
        connection.execute(f"CREATE SCHEMA audit; CREATE TABLE audit.audit ({COLUMNS})")
        connection.execute(
            """INSERT INTO audit.audit VALUES
            ('job-1', 'a.csv', 'sales', 'orders', true, 3, 2, 1, '2026-03-01 00:00:50', 20500, 'success', 'LOAD'),
            ('job-2', 'kpi.months', 'kpi', 'months', false, -1, -1, -1, '2026-03-01 00:02:00', 0, 'no', 'TRANSFORM')"""
        )
    return tmp_path / "duckdb.db"


def test_the_audit_of_a_starlake_without_scheduled_dates(file):
    audit = open_audit(file)
    assert audit.minutes(START) == {START + timedelta(minutes=1): 1, START + timedelta(minutes=2): 1}
    first, second = audit.rows(START, START + timedelta(hours=1), limit=10)
    assert (first.job_id, first.ended) == ("job-1", START + timedelta(seconds=70.5))
    assert (first.counts.input, first.counts.rejected, first.scheduled) == (3, 1, None)
    assert (second.success, second.counts, second.message) == (False, None, "no")


def test_a_file_that_does_not_exist_yet_has_no_rows(tmp_path):
    audit = open_audit(tmp_path / "later.db")
    assert (audit.minutes(START), audit.last_rows(), audit.rows_of(["job-1"])) == ({}, [], [])
    assert audit.name.endswith("later.db, which does not exist yet")


def test_a_file_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(tmp_path / "audit.db") in open_audit("~/audit.db").name
    assert str(tmp_path / "audit.db") in open_audit(Path("~/audit.db")).name


def test_a_folder_that_does_not_exist_is_a_mistake(tmp_path):
    with pytest.raises(AuditUnreachableError, match=r"the folder .*nowhere does not exist"):
        open_audit(tmp_path / "nowhere" / "duckdb.db").last_rows()


def test_a_file_of_something_else_is_a_mistake(tmp_path):
    with duckdb.connect(str(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 1 AS id")
    with pytest.raises(AuditUnreachableError, match=r"the table audit\.audit does not exist, and other tables do"):
        open_audit(tmp_path / "other.db").last_rows()


def test_a_database_without_any_table_has_no_rows(tmp_path):
    duckdb.connect(str(tmp_path / "empty.db")).close()
    assert open_audit(tmp_path / "empty.db").last_rows() == []


def test_a_file_that_is_not_a_database(tmp_path):
    (tmp_path / "text.db").write_text("no database at all, but long enough to be taken for one" * 100)
    with pytest.raises(AuditUnreachableError, match="cannot be read") as caught:
        open_audit(tmp_path / "text.db").last_rows()
    assert not isinstance(caught.value, AuditBusyError)


def test_a_file_that_a_process_writes_is_busy(file):
    audit = open_audit(file)
    code = f"import duckdb; c = duckdb.connect({str(file)!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(AuditBusyError, match="Could not set lock"):
            audit.last_rows()
        holder.kill()
    assert len(audit.last_rows()) == 2


def test_a_file_that_this_process_writes_is_busy(file):
    with duckdb.connect(str(file)), pytest.raises(AuditBusyError):
        open_audit(file).last_rows()
    assert len(open_audit(Path(file)).last_rows()) == 2


def test_a_file_of_any_name_is_read_twice_at_once_and_free_afterwards(tmp_path):
    tables = DuckDbAudit(tmp_path / 'it\'s; an "audit".db')
    tables.create()
    tables.write("audit", load(START))
    with open_audit(tables.audit).opened() as one, open_audit(tables.audit).opened() as two:
        assert one.last_rows() == two.last_rows() != []
        with pytest.raises(duckdb.Error), duckdb.connect(str(tables.audit)) as writer:
            writer.execute("DELETE FROM audit.audit")
    tables.write("audit", load(START, job="job-2"))
    assert len(open_audit(tables.audit).rows_of(["job-1", "job-2"])) == 2
