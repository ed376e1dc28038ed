"""Tests of Starlake's audit for any database. Each database has its own `tables`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.common.outcomes.audit_rows import AuditRow
from ai.starlake.project.audit import AuditDatabase, AuditUnreachableError, ItemOnRecord, open_audit
from tests.fakes.outside_audit import OutsideAudit, failed, load, transform

UTC = timezone.utc
START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PARIS = ZoneInfo("Europe/Paris")


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def names(rows: list[AuditRow]) -> list[str]:
    return [row.job_id for row in rows]


def windows(audit: AuditDatabase, start: datetime, end: datetime, steps: list[timedelta], limit: int) -> list[AuditRow]:
    """All rows, read window by window, each window by pages."""
    found, since, turn = [], start, 0
    while since < end:
        until = min(since + steps[turn % len(steps)], end)
        turn += 1
        while page := audit.rows(since, until, limit=limit):
            found += page
            since = page[-1].ended + timedelta(microseconds=1)
        since = until
    return found


class AuditContract:
    """The suite; subclasses have the fixtures `new` and `tables`."""

    @pytest.fixture
    def tables(self, new) -> OutsideAudit:
        tables = new()
        tables.create()
        return tables

    @pytest.fixture
    def audit(self, tables) -> AuditDatabase:
        return open_audit(tables.audit)

    def test_a_row_has_all_that_starlake_wrote(self, tables, audit):
        tables.write("audit", load(START, seconds=90.25, SCHEDULED_DATE=datetime(2026, 2, 28, tzinfo=UTC)))
        (row,) = audit.rows(START, START + HOUR, limit=10)
        assert (row.job_id, row.paths, row.domain, row.table) == ("job-1", "file:/in/orders.csv", "sales", "orders")
        assert (row.success, row.message, row.step) == (True, "success", "LOAD")
        assert (row.started, row.ended, row.duration) == (START, after(90.25), 90.25)
        assert row.scheduled == datetime(2026, 2, 28, tzinfo=UTC)
        counts = row.counts
        assert counts is not None
        assert (counts.input, counts.accepted, counts.rejected, counts.lost_files) == (3, 2, 1, 0)

    def test_what_was_not_counted_has_no_counts(self, tables, audit):
        refused = load(after(2), COUNT=4, COUNTACCEPTED=0, COUNTREJECTED=4)
        native = load(after(3), COUNT=4, COUNTACCEPTED=4, COUNTREJECTED=-1)
        tables.write("audit", transform(START), load(after(1), COUNT=-1), refused, native)
        task, load_, lost, own = audit.rows(START, START + HOUR, limit=10)
        assert (task.counts, load_.counts) == (None, None)
        assert lost.counts is not None
        assert (lost.counts.lost_files, lost.counts.rejected) == (1, 4)
        assert own.counts is not None
        assert (own.counts.input, own.counts.rejected) == (4, 0)

    def test_minutes_count_the_ends_of_rows(self, tables, audit):
        tables.write("audit", *(load(after(at), seconds=30) for at in (0, 29.999, 30, 95, 96)))
        tables.write("audit", load(START, job="long", seconds=3600))
        first, second, hour = START, START + timedelta(minutes=1), START + HOUR
        assert audit.minutes(START) == {first: 2, second: 1, second + timedelta(minutes=1): 2, hour: 1}
        assert audit.minutes(after(75)) == {second: 1, second + timedelta(minutes=1): 2, hour: 1}, "whole minutes"
        assert audit.minutes(after(7200)) == {}

    def test_a_window_has_its_start_and_not_its_end(self, tables, audit):
        tables.write("audit", *(load(after(at), job=f"at {at}") for at in (9, 10, 11)))
        assert names(audit.rows(after(10), after(11), limit=9)) == ["at 9"], "they end a second later"
        assert names(audit.rows(after(10), after(12), limit=9)) == ["at 9", "at 10"]
        assert audit.rows(after(11), after(11), limit=9) == []
        assert names(audit.rows(after(12), datetime.max.replace(tzinfo=UTC), limit=9)) == ["at 11"]
        paris = [at.astimezone(PARIS) for at in (after(10), after(11))]
        assert names(audit.rows(*paris, limit=9)) == ["at 9"], "whatever the time zone of the question"

    def test_a_limit_takes_the_first_rows_to_end(self, tables, audit):
        tables.write("audit", load(START, job="long", seconds=99), *(load(after(at), job=f"{at}") for at in (3, 1, 2)))
        assert names(audit.rows(START, START + HOUR, limit=2)) == ["1", "2"]
        assert names(audit.rows(START, START + HOUR, limit=4)) == ["1", "2", "3", "long"]

    def test_a_limit_does_not_part_rows_that_ended_at_once(self, tables, audit):
        tables.write("audit", load(START, job="first"), *(load(after(1), job=f"{at:02}") for at in range(12)))
        tables.write("audit", load(after(2), job="last"))
        page = audit.rows(START, START + HOUR, limit=3)
        assert names(page) == ["first", *(f"{at:02}" for at in range(12))]
        assert names(audit.rows(page[-1].ended + timedelta(microseconds=1), START + HOUR, limit=3)) == ["last"]

    def test_equal_rows_are_told_apart(self, tables, audit):
        tables.write("audit", *[load(START)] * 3, load(START, seconds=2))
        found = audit.rows(START, START + HOUR, limit=10)
        assert [row.ordinal for row in found] == [0, 1, 2, 0]
        digests = [row.digest for row in found]
        assert len(set(digests)) == 4
        tables.write("audit", load(START))
        again = [row.digest for row in audit.rows_of(["job-1"])]
        assert set(digests) < set(again), "rows that were there keep their digests"
        assert len(set(again)) == 5

    def test_rows_of_jobs(self, tables, audit):
        tables.write("audit", *(load(after(at), job=f"it's {at}") for at in range(600)))
        wanted = [f"it's {at}" for at in range(0, 600, 1)]
        assert names(audit.rows_of([*wanted, "another", wanted[0]])) == wanted
        assert names(audit.rows_of(wanted, since=after(500), until=after(502))) == ["it's 499", "it's 500"]
        assert audit.rows_of([]) == []

    def test_the_last_rows_of_each_table(self, tables, audit):
        tables.write(
            "audit",
            load(START, job="old"),
            load(after(1), job="good"),
            failed(load(after(2), job="bad")),
            failed(load(after(3), "Orders", "SALES", job="worse")),
            load(after(2), "clients", job="only"),
            transform(after(9), job="task"),
            load(after(5), "clients", job="native", STEP="TRANSFORM"),
        )
        assert names(audit.last_rows()) == ["good", "only", "worse", "native", "task"]

    def test_the_last_rows_of_each_table_and_those_shortly_before_them(self, tables, audit):
        tables.write(
            "audit",
            *(load(after(at), job=f"at {at}") for at in (0, 40, 70, 70)),
            failed(load(after(100), job="bad")),
            *(failed(load(after(at), job="worse")) for at in (3000, 3060)),
            load(after(10), "clients", job="other"),
        )
        near = timedelta(seconds=60)
        assert names(audit.last_rows(near)) == ["other", "at 40", "at 70", "at 70", "worse", "worse"]
        assert names(audit.last_rows()) == ["other", "at 70", "at 70", "worse"]
        assert len({row.digest for row in audit.last_rows(near)}) == 6

    def test_a_starlake_that_writes_no_scheduled_date(self, new):
        tables = new()
        tables.create(without=["SCHEDULED_DATE", "TENANT"])
        tables.write("audit", load(START))
        (row,) = open_audit(tables.audit).rows(START, START + HOUR, limit=10)
        assert row.scheduled is None

    def test_rows_with_gaps(self, tables, audit):
        nothing = dict.fromkeys(("PATHS", "MESSAGE", "DURATION", "JOBID", "COUNT", "COUNTACCEPTED"))
        tables.write("audit", {**load(START), **nothing})
        (row,) = audit.rows(START, START + HOUR, limit=10)
        assert (row.paths, row.message, row.duration, row.job_id, row.counts) == ("", "", 0, "", None)
        assert audit.minutes(START) == {START: 1}
        assert audit.last_rows() == [row]

    def test_texts_are_values_never_sql(self, tables, audit):
        odd = "'; DROP TABLE audit.audit; -- :name %s $1 {0} \"ü\n"
        tables.write("audit", load(START, odd, odd, job=odd, MESSAGE=odd))
        (row,) = audit.rows_of([odd])
        assert (row.job_id, row.domain, row.table, row.message) == (odd, odd, odd, odd)
        (outcome,) = audit.outcomes([row], lambda domain, table, _: ItemOnRecord("odd", domain, table, None))
        assert outcome.name == "odd"

    def test_schemas_of_the_project(self, new):
        tables, rejects = new("Logs"), new("quality")
        tables.create(only="audit")
        rejects.create(only="rejected")
        tables.write("audit", load(START))
        rejects.write("rejected", reject(START))
        audit = open_audit(tables.audit, schemas={"audit": "Logs", "rejected": "quality"})
        (outcome,) = audit.outcomes(audit.last_rows(), orders)
        assert [(reason.reason, reason.rows) for reason in outcome.reasons] == [("`id` (int) can't be null", 1)]

    def test_another_schema_than_the_one_of_the_audit(self, new):
        new().create()
        with pytest.raises(AuditUnreachableError, match=r"the table nowhere\.audit does not exist"):
            open_audit(new().audit, schemas={"audit": "nowhere"}).minutes(START)

    def test_an_audit_whose_other_tables_do_not_exist_yet(self, new):
        tables = new()
        tables.create(only="audit")
        tables.write("audit", load(START))
        audit = open_audit(tables.audit)
        (outcome,) = audit.outcomes(audit.last_rows(), orders)
        assert (outcome.reasons, outcome.checks_unknown) == ((), "the audit has no results of its expectations")

    def test_what_became_of_tables_and_tasks(self, tables, audit):
        other = load(after(-60), job="before")
        second = load(after(2), PATHS="file:/in/b.csv", COUNT=1, COUNTACCEPTED=1, COUNTREJECTED=0)
        task = failed(transform(after(4), seconds=2), "no such column")
        tables.write("audit", other, load(START), second, task)
        tables.write("rejected", reject(START), reject(START), reject(START, job="another"), reject(after(-60)))
        low, old = check(after(3), COUNT=7, SUCCESS=False), check(after(-3000), COUNT=9)
        tables.write("expectations", old, low, check(after(5), "filled('id')", COUNT=0, SUCCESS=True))
        found = audit.outcomes(audit.rows_of(["job-1"]), orders)
        loaded, months = found
        assert (loaded.name, loaded.error, loaded.audit_id, loaded.duration) == ("sales.orders", None, "job-1", 2)
        assert loaded.counts is not None
        assert (loaded.counts.input, loaded.counts.accepted, loaded.counts.rejected) == (4, 3, 1)
        assert [file.name for file in loaded.files] == ["orders.csv", "b.csv"]
        assert [(one.expect, one.success, one.count) for one in loaded.checks or ()] == [
            ("below('id', 10)", False, 7),
            ("filled('id')", True, 0),
        ]
        assert [(reason.reason, reason.rows) for reason in loaded.reasons] == [("`id` (int) can't be null", 2)]
        assert (months.name, months.error, months.counts) == ("kpi.months", "no such column", None)

    def test_files_of_one_name_are_counted_each_and_a_failure_that_was_tried_again_is_not(self, tables, audit):
        one = {"PATHS": "file:/in/a.csv"}
        tables.write(
            "audit",
            load(START, **one),
            load(after(10), **one),
            failed(load(after(20), PATHS="file:/in/b.csv", COUNT=9), "no space left"),
            load(after(30), PATHS="file:/in/b.csv"),
            *[transform(after(40)), transform(after(50), seconds=5)],
        )
        loaded, months = audit.outcomes(audit.rows_of(["job-1"]), orders)
        assert loaded.counts is not None
        assert (loaded.counts.input, loaded.counts.rejected, loaded.error) == (9, 3, None)
        assert [file.name for file in loaded.files] == ["a.csv", "a.csv", "b.csv"]
        assert (months.duration, months.counts) == (5, None)

    def test_several_readings_of_one_connection_are_those_of_many(self, tables, audit):
        tables.write("audit", load(START), load(after(2), job="job-2"), transform(after(4), job="job-2"))
        tables.write("expectations", check(after(1)), {**check(after(3), COUNT=5, SUCCESS=False), "JOBID": "job-2"})
        runs = [audit.rows_of([job]) for job in ("job-1", "job-2")]
        with audit.opened() as opened:
            assert opened.name == audit.name
            assert (opened.minutes(START), opened.last_rows()) == (audit.minutes(START), audit.last_rows())
            assert [opened.rows_of([job]) for job in ("job-1", "job-2")] == runs
            found = opened.outcomes_of_runs(runs, orders)
        assert found == [audit.outcomes(run, orders) for run in runs]
        assert [[one.count for one in run[0].checks or ()] for run in found] == [[0, None], [5, None]]

    def test_tables_that_nobody_asks_about_have_no_outcome(self, tables, audit):
        tables.write("audit", load(START), load(START, "clients"))
        rows = audit.last_rows()
        found = audit.outcomes(rows, lambda _, table, __: orders("", table, "") if table == "orders" else None)
        assert [outcome.name for outcome in found] == ["sales.orders"]
        assert audit.outcomes([], orders) == []

    def test_a_load_that_duckdb_did_on_its_own_is_one_outcome(self, tables, audit):
        writing = load(after(1), STEP="TRANSFORM", COUNT=-1, COUNTACCEPTED=-1, COUNTREJECTED=-1, PATHS="sales.orders")
        tables.write("audit", writing, load(START, seconds=3))
        (outcome,) = audit.outcomes(audit.last_rows(), orders)
        assert outcome.counts is not None
        assert (outcome.counts.input, outcome.duration, outcome.error) == (3, 3, None)

    def test_a_failure_is_never_hidden_by_the_row_of_the_other_step(self, tables, audit):
        writing = failed(load(after(1), STEP="TRANSFORM", PATHS="sales.orders"), "no space left")
        tables.write("audit", writing, load(START, seconds=3))
        (outcome,) = audit.outcomes(audit.last_rows(), orders)
        assert outcome.error == "no space left"

    def test_times_of_a_jvm_that_is_not_in_utc(self, tables):
        midnight = datetime(2026, 7, 1, tzinfo=UTC)
        tables.write("audit", load(midnight + 2 * HOUR, SCHEDULED_DATE=midnight))
        audit = open_audit(tables.audit, timezone="Europe/Paris")
        assert audit.minutes(midnight) == {midnight: 1}
        (row,) = audit.rows(midnight, midnight + HOUR, limit=9)
        assert (row.started, row.scheduled) == (midnight, midnight - 2 * HOUR)

    def test_times_with_time_zone_are_what_they_say(self, new):
        tables = new()
        tables.create(times="TIMESTAMP WITH TIME ZONE")
        tables.write("audit", {**load(START), "TIMESTAMP": START.astimezone(PARIS)})
        audit = open_audit(tables.audit, timezone="America/New_York")
        assert audit.minutes(START) == {START: 1}
        (row,) = audit.rows(START, START + HOUR, limit=9)
        assert (row.started, audit.last_rows()) == (START, [row])

    @pytest.mark.parametrize(
        ("zone", "day"),
        [
            ("Europe/Paris", datetime(2026, 3, 28, tzinfo=UTC)),
            ("Europe/Paris", datetime(2026, 10, 24, tzinfo=UTC)),
            ("America/New_York", datetime(2026, 10, 31, tzinfo=UTC)),
            ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
        ],
    )
    def test_no_row_is_lost_or_doubled_when_clocks_change(self, tables, zone, day):
        # every time that clocks show, and those that they never do: arithmetic makes those, too
        written = [day + timedelta(minutes=17 * place) for place in range(200)]
        tables.write("audit", *(load(at, job=at.isoformat(), seconds=600) for at in written))
        audit = open_audit(tables.audit, timezone=zone)
        start = day - 24 * HOUR
        found = windows(audit, start, start + 96 * HOUR, [20 * HOUR, 31 * HOUR], 70)
        assert sorted(names(found)) == [at.isoformat() for at in written]
        assert [row.ended for row in found] == sorted(row.ended for row in found)
        minutes = audit.minutes(start)
        assert sum(minutes.values()) == 200
        for row in found[::10]:
            assert minutes[row.ended.replace(second=0, microsecond=0)] >= 1

    def test_a_time_that_clocks_show_twice_is_the_later_one(self, tables):
        tables.write("audit", load(datetime(2026, 10, 25, 2, 30, tzinfo=UTC), seconds=0))
        audit = open_audit(tables.audit, timezone="Europe/Paris")
        assert list(audit.minutes(START)) == [datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]

    def test_windows_of_any_size_have_each_row_once(self, tables, audit):
        # a property within the test: hypothesis wants one class for each that stands in a class
        @settings(max_examples=5)
        @given(
            written=st.lists(
                st.tuples(st.integers(0, 5_000), st.integers(0, 3_000), st.integers(0, 2), st.booleans()), max_size=40
            ),
            steps=st.lists(
                st.integers(2_000, 9_000).map(lambda ms: timedelta(milliseconds=ms)), min_size=1, max_size=4
            ),
            limit=st.integers(4, 30),
        )
        def holds(written, steps, limit):
            tables.run("DELETE FROM audit.audit")
            rows = [
                load(after(at / 1000), f"table_{table}", seconds=ms / 1000, job=f"{table}", SUCCESS=good)
                for at, ms, table, good in written
            ]
            tables.write("audit", *rows)
            found = windows(audit, START, after(10), steps, limit)
            assert len({row.digest for row in found}) == len(found) == len(rows)
            assert sorted(names(found)) == sorted(row["JOBID"] for row in rows)
            assert {row.digest for row in found} == {row.digest for row in audit.rows(START, after(10), limit=99)}
            assert sum(audit.minutes(START).values()) == len(rows)

        holds()


def orders(domain: str, table: str, paths: str) -> ItemOnRecord:
    del paths
    if table == "months":
        return ItemOnRecord("kpi.months", domain, table, ())
    return ItemOnRecord("sales.orders", "sales", "orders", ("below('id', 10)", "filled('id')"))


def reject(started: datetime, *, job: str = "job-1") -> dict[str, object]:
    error = "ERR -> \n`id` (int) can't be null\n\nFILE -> file:/in/orders.csv"
    at = started.replace(tzinfo=None)
    return {"JOBID": job, "TIMESTAMP": at, "DOMAIN": "sales", "SCHEMA": "orders", "ERROR": error, "PATH": "a"}


def check(started: datetime, expect: str = "below('id', 10)", **more: object) -> dict[str, object]:
    return {
        "JOBID": "job-1",
        "DOMAIN": "sales",
        "SCHEMA": "orders",
        "TIMESTAMP": started.replace(tzinfo=None),
        "NAME": expect,
        "PARAMS": expect.replace("'", '"'),
        "COUNT": 0,
        "EXCEPTION": "",
        "SUCCESS": True,
        **more,
    }
