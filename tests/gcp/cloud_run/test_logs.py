"""Output of commands on Cloud Run, as in Cloud Logging."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from ai.starlake.common import Redactor
from ai.starlake.executor import CommandFailedError, StarlakeCounts
from ai.starlake.executor.output import CommandOutput
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.cloud_run.cloud_logging import ExecutionLog
from ai.starlake.job import EnvironmentReference


def test_all_lines_are_passed_on_and_row_counts_are_read_from_them(bench):
    result = bench.run("load", "sleep=0.2", cloud_run_logs="all", cloud_run_log_wait=2)
    assert result.counts == StarlakeCounts(3, 2, 1)
    lines = [line for _, line in bench.report.lines]
    assert lines[0] == 'argv ["load", "sleep=0.2"]'
    assert len(lines) == len(set(lines)) == 3


def test_a_failure_shows_the_last_lines(bench):
    with pytest.raises(CommandFailedError, match="it went wrong") as caught:
        bench.run("load", "exit=3", cloud_run_log_wait=2)
    assert caught.value.tail[-1] == "it went wrong"


def test_a_success_asks_for_no_line(bench, called):
    bench.run("load")
    assert "ListLogEntries" not in called()
    assert bench.report.lines == []


def test_no_line_is_fetched_when_none_is_wanted(bench, called):
    with pytest.raises(CommandFailedError) as caught:
        bench.run("load", "exit=3", cloud_run_logs="off")
    assert "ListLogEntries" not in called()
    assert "printed nothing" not in str(caught.value)
    assert caught.value.log_url in str(caught.value)


def test_an_emulator_without_a_log_is_not_confused_with_google(bench, called):
    with pytest.raises(CommandFailedError):
        bench.run("load", "exit=3", logging_endpoint=None)
    assert bench.report.warnings == []


def test_secrets_in_lines_are_masked(bench, monkeypatch):
    monkeypatch.setenv("THE_PASSWORD", "s3cr3t-value")
    bench.run(
        "load", cloud_run_logs="all", cloud_run_log_wait=2, environment={"DB_X": EnvironmentReference("THE_PASSWORD")}
    )
    assert '"DB_X": "***"' in bench.report.everything()
    assert "s3cr3t" not in bench.report.everything()


def test_a_log_that_may_not_be_read_is_told_once_and_fails_nothing(bench, gcp):
    gcp.fault("ListLogEntries", "PERMISSION_DENIED", count=None)
    result = bench.run("load", "sleep=0.3", cloud_run_logs="all")
    assert result.counts is None
    assert len(bench.report.warnings) == 1
    assert "logging.logEntries.list" in bench.report.warnings[0]


class Entries:
    """A log whose entries become visible one look after the other, out of order."""

    def __init__(self, *looks):
        self.looks = list(looks)
        self.requests = []

    @property
    def logging(self):
        return self

    def list_log_entries(self, request, *, retry, timeout):
        self.requests.append(request)
        visible = self.looks.pop(0) if self.looks else []
        return SimpleNamespace(pages=[SimpleNamespace(entries=visible, next_page_token="")])


def entry(number, text="", stream="stdout", payload=None):
    return SimpleNamespace(
        insert_id=str(number),
        timestamp=datetime(2026, 1, 1, 0, 0, number, tzinfo=timezone.utc),
        log_name=f"projects/p/logs/run.googleapis.com%2F{stream}",
        text_payload=text,
        json_payload=payload,
    )


@pytest.fixture
def log(bench):
    def make(entries):
        execution = SimpleNamespace(
            name="projects/p/locations/r/jobs/j/executions/e", create_time=datetime(2026, 1, 1, tzinfo=timezone.utc)
        )
        calls = Calls(bench.report, interval=0.01)
        return ExecutionLog(entries, calls, execution, CommandOutput(Redactor(), bench.report))

    return make


def test_entries_that_come_late_or_twice_are_passed_on_once(bench, log):
    first, second, third = entry(1, "a"), entry(2, "b"), entry(3, "c")
    entries = Entries([first, third], [first, second, third], [], [second])
    made = log(entries)
    while entries.looks:
        made.advance()
    assert [line for _, line in bench.report.lines] == ["a", "c", "b"]
    assert 'timestamp>="2025-12-31T23:59:03' in entries.requests[1]["filter"]


def test_late_entries_are_waited_for_a_bit(bench, log):
    entries = Entries([], [], [entry(1, "late")], [], [entry(2, "later")])
    made = log(entries)
    made.finish(5, made.advance)
    assert [line for _, line in bench.report.lines] == ["late", "later"]


def test_the_wait_for_late_entries_ends(log):
    made = log(Entries())
    made.finish(0.05, made.advance)


def test_lines_keep_their_stream_and_what_the_service_says_is_left_out(bench, log):
    made = log(
        Entries(
            [
                entry(1, "two\nlines"),
                entry(2, "broken", "stderr"),
                entry(3, "Container called exit(1).", "varlog%2Fsystem"),
                entry(4, payload={"message": "structured", "level": 1}),
                entry(5, payload={"other": 1}),
            ]
        )
    )
    made.advance()
    assert bench.report.lines == [
        ("stdout", "two"),
        ("stdout", "lines"),
        ("stderr", "broken"),
        ("stdout", "structured"),
        ("stdout", '{"other": 1}'),
    ]
