"""Events of a command in the event log, and lines that go to the compute log only."""

from __future__ import annotations

import io
import sys

import pytest

from ai.starlake.dagster.report import DagsterReporter


def records_of(instance, result, step):
    """Return the events of a step; the set-up of Dagster's resources, once per process, is not its own."""
    entries = [entry for entry in instance.all_logs(result.run_id) if entry.step_key == step]
    events = [(entry, entry.dagster_event.event_type_value if entry.dagster_event else "LOG") for entry in entries]
    return {kind: entry for entry, kind in events if not kind.startswith("RESOURCE_INIT")}, len(
        [kind for _, kind in events if not kind.startswith("RESOURCE_INIT")]
    )


@pytest.mark.parametrize(("counts", "most"), [((3, 3, 0), 5), ((3, 2, 1), 6)])
def test_a_load_is_at_most_six_records(sl_job, run, fake, shared_instance, counts, most):
    fake.behave("load", counts=counts, stdout=[f"line {number}" for number in range(500)])
    result = run(sl_job.sl_load("a", "starbake", "Customers"))
    records, count = records_of(shared_instance, result, "a")
    assert count == most
    summary = records["ASSET_MATERIALIZATION"].user_message
    assert summary.startswith(f"load starbake.Customers: 3 rows read, {counts[1]} accepted, {counts[2]} rejected in ")


def test_warnings_and_errors_go_to_the_event_log_the_rest_to_the_compute_log(sl_job, run, fake, logged, capfd):
    fake.behave(
        "load",
        stdout=["2026-03-01 00:00:00 WARN slow disk", "INFO all is well", "[ERROR] no space"],
        stderr=["ERROR on standard error"],
        counts=(3, 3, 0),
    )
    lines = logged(run(sl_job.sl_load("a", "starbake", "Customers")))
    assert set(lines) == {"2026-03-01 00:00:00 WARN slow disk", "[ERROR] no space", "ERROR on standard error"}
    captured = capfd.readouterr()
    for line in ("INFO all is well", "[ERROR] no space", "$ starlake load --domains starbake --tables Customers"):
        assert line in captured.out
    assert "ERROR on standard error" in captured.err


def test_all_lines_may_go_to_the_event_log(factory, run, fake, logged):
    fake.behave("load", stdout=["one", "two"])
    lines = logged(run(factory(event_log_lines="all").sl_load("a", "starbake", "Customers")))
    assert lines[0].startswith("$ starlake load")
    assert {"one", "two"} <= set(lines)


def test_where_all_lines_go_to_the_event_log_warnings_and_errors_keep_their_level(factory, run, fake, shared_instance):
    fake.behave("load", stdout=["INFO a", "WARN b", *["ERROR c"] * 150])
    result = run(factory(event_log_lines="all").sl_load("a", "starbake", "Customers"))
    entries = [entry for entry in shared_instance.all_logs(result.run_id) if entry.dagster_event is None]
    levels = {entry.user_message: entry.level for entry in entries}
    assert (levels["INFO a"], levels["WARN b"], levels["ERROR c"]) == (20, 30, 40)
    assert [entry.user_message for entry in entries].count("ERROR c") == 150


def test_a_flood_of_warnings_ends(sl_job, run, fake, logged):
    fake.behave("load", stdout=[f"WARN {number}" for number in range(300)])
    lines = logged(run(sl_job.sl_load("a", "starbake", "Customers")))
    assert len([line for line in lines if line.startswith("WARN")]) == 100
    assert any("the further ones are in the compute log only" in line for line in lines)


def test_rejected_rows_are_a_warning(sl_job, run, fake, shared_instance):
    fake.behave("load", counts=(3, 1, 2))
    result = run(sl_job.sl_load("a", "starbake", "Customers"))
    logs = [entry for entry in shared_instance.all_logs(result.run_id) if entry.dagster_event is None]
    assert [entry.level for entry in logs if "2 rejected" in entry.user_message] == [30]


def test_a_stream_that_cannot_write_a_character_does_not_end_the_command(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    DagsterReporter(log=None).output("stdout", "données")  # type: ignore[arg-type]
    assert stream.buffer.getvalue() == b"donn\\xe9es\n"


@pytest.mark.parametrize(
    ("line", "important"),
    [
        ("WARN x", True),
        ("2026-03-01 10:00:00,123 [main] ERROR a.b.C - x", True),
        ("[SEVERE] x", True),
        ("INFO no ERRORS here", False),
        ("WARNINGS: 0", False),
        ("the word error in small letters", False),
        ("", False),
    ],
)
def test_which_lines_are_important(sl_job, run, fake, logged, line, important):
    fake.behave("load", stdout=[line])
    assert (line in logged(run(sl_job.sl_load("a", "starbake", "Customers")))) is important
