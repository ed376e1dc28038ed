from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.executor import CommandFailedError, ShellExecutor
from ai.starlake.executor.failures import Excerpt, failure_text, is_error, level_of
from ai.starlake.job import StarlakeCommand

LOAD = StarlakeCommand("load", ("--domains", "sales", "--tables", "orders"))
CAUSE = "java.sql.SQLException: IO Error: Could not set lock on file"

ERRORS = [
    f"26/11/29 14:56:03 ERROR IngestionWorkflow: {CAUSE}",  # Spark
    f"2026-11-29 14:56:03,123 ERROR [main] a.b.C - {CAUSE}",  # log4j
    f"14:56:03.123 [main] ERROR a.b.C - {CAUSE}",  # logback
    f"14:56:03.123 [Executor task launch worker for task 0.0 (TID 1)] ERROR a.b.C - {CAUSE}",
    f"2026-11-29T14:56:03.123Z  ERROR 1234 --- [           main] a.b.C : {CAUSE}",
    f"2026-11-29 14:56:03 [main] [ERROR] a.b.C - {CAUSE}",
    f"[ERROR] {CAUSE}",
    f"[2026-11-29 14:56:03,123 ERROR] {CAUSE}",
    f"[error-prone] ERROR {CAUSE}",
    f"ERROR: {CAUSE}",
    f"ERROR StatusLogger {CAUSE}",
    f"ERROR:root:{CAUSE}",  # Python
    f"2026-11-29 14:56:03,123 - a.b - ERROR - {CAUSE}",
    f"2026-11-29 14:56:03 +0000 - dagster - CRITICAL - {CAUSE}",
    f"2026-11-29 14:56:03 | ERROR    | a.b:c:12 - {CAUSE}",  # loguru
    f"\x1b[31mERROR\x1b[0m {CAUSE}",
    f"29 Nov 2026 14:56:03 FATAL a.b.C {CAUSE}",
    f"Sun Nov 29 14:56:03 UTC 2026 ERROR {CAUSE}",
    f"SEVERE: {CAUSE}",  # java.util.logging
    f"2026-11-29T14:56:03Z stderr F 26/11/29 14:56:03 ERROR Main: {CAUSE}",  # a container's log
    f'{{"timestamp":"2026-11-29T14:56:03Z","level":"ERROR","message":"{CAUSE}"}}',
    f'time=2026-11-29T14:56:03Z level=error msg="{CAUSE}"',
    f'Exception in thread "main" {CAUSE}',
]

OTHERS = [
    "26/11/29 14:56:03 INFO Loader: 3 rows with ERROR in column status",
    "26/11/29 14:56:03 WARN Loader: ERROR is not a status",
    "14:56:03.123 [main] DEBUG a.b.C - [ERROR] was expected",
    "the ERROR is elsewhere",
    "no ERROR was found",
    "ERROR_CODE=0",
    "ERRORS: 0",
    "Input records: 3",
    "IngestionCounters:{}",
    "2026-11-29 14:56:03,123 - a.ERROR.b - INFO - fine",
    '{"level":"INFO","message":"level=ERROR"}',
    "",
    "\tat ai.starlake.ERROR.run(Frame.scala:0)",
]

NOISE = [
    *(f"\tat ai.starlake.job.ingest.Frame{n}.run(Frame.scala:{n})" for n in range(80)),
    "\tat java.base/java.lang.Thread.run(Thread.java:840) ~[?:?]",
    "\tat ai.starlake.Main$.$anonfun$main$1(Main.scala:5) [starlake.jar:1.5.16]",
    "\tat a.b.C.run(Native Method)",
    "    at a.b.C.<init>(Unknown Source)",
    "\t... 12 more",
    "\t... 12 common frames omitted",
    *(f"26/11/29 14:56:03 INFO SparkContext: shutting down, step {n}" for n in range(10)),
    "14:56:03.123 [shutdown-hook-0] INFO o.a.s.util.ShutdownHookManager - Shutdown hook called",
    "26/11/29 14:56:03 WARN ShutdownHookManager: Deleting directory /tmp/spark-1",
    "Shutdown hook called before final status was reported.",
    "26/11/29 14:56:03 DEBUG Foo: bar",
    "",
]


def excerpt(*lines):
    kept = Excerpt()
    for line in lines:
        kept.take(line)
    return kept.lines


@pytest.mark.parametrize("line", ERRORS)
def test_the_layouts_of_loggers(line):
    assert is_error(line)
    shown = re.sub("\x1b.*?m", "", line)
    assert excerpt("starting", *NOISE, line, *NOISE, *NOISE) == [shown]


@pytest.mark.parametrize("line", OTHERS)
def test_what_only_speaks_of_errors_is_none(line):
    assert not is_error(line)
    assert excerpt(line, "last") == [line, "last"]


def test_causes_warnings_and_plain_lines_are_kept_in_order():
    meaningful = [
        "Caused by: java.io.IOException: the disk is full",
        "26/11/29 14:56:03 WARN Loader: 3 files stay",
        "Starlake failed to execute command with args load",
        "26/11/29 14:56:04 ERROR Main: gave up",
    ]
    mixed = [line for one in meaningful for line in (*NOISE, one)]
    assert excerpt("before", ERRORS[0], *mixed, *NOISE) == [ERRORS[0], *meaningful]


def test_what_is_said_twice_is_shown_once():
    assert excerpt(ERRORS[0], "Caused by: x", ERRORS[0], "Caused by: x") == [ERRORS[0], "Caused by: x"]


def test_long_outputs_keep_their_first_and_last_lines():
    lines = excerpt(ERRORS[0], *(f"Caused by: reason {n}" for n in range(5000)))
    assert lines[:2] == [ERRORS[0], "Caused by: reason 0"]
    assert "... (4952 lines are left out)" in lines
    assert lines[-1] == "Caused by: reason 4999"
    assert len(lines) == 50


def test_without_an_error_the_last_lines_are_shown_as_they_are():
    lines = [f"\tat frame.number(F.java:{n})" for n in range(100)]
    assert excerpt(*lines) == lines[-50:]


@given(st.text() | st.from_regex(r"[0-9\[\]():|, -]{0,300}"))
def test_any_line_is_understood_or_left(line):
    assert level_of(line) is None or level_of(line).isupper()
    assert len(excerpt(line)) == 1


@pytest.mark.parametrize(
    "piece", ["1", "1 ", "[", "(", "[a] ", "- ", "a.b ", "\x1b[", "at a", "ERROR", "at a.b(", "| "]
)
def test_the_time_is_linear(piece):
    line = piece * (60_000 // len(piece))
    started = time.process_time()
    excerpt(ERRORS[0], *[line] * 4)
    assert time.process_time() - started < 2


def test_the_text_begins_with_the_cause_and_the_fix():
    first, second, third, *further = failure_text("`x` failed", [ERRORS[0], "Caused by: y"], fix="close it").split("\n")
    assert (first, second, third) == (ERRORS[0], "`x` failed", "To fix it: close it")
    assert further == ["what it printed after that:", "Caused by: y"]


def test_a_command_whose_cause_stands_before_a_hundred_frames(cli, execution):
    lines = ["26/11/29 14:56:03 INFO IngestionWorkflow: Loading", ERRORS[0], *NOISE]
    script = cli(f"[print(line, file=sys.stderr) for line in {lines!r}]; sys.exit(1)")
    with pytest.raises(CommandFailedError) as caught:
        ShellExecutor(script).run(LOAD, execution)
    text = str(caught.value)
    assert text.startswith(ERRORS[0])
    assert "another process has the DuckDB file open" in "\n".join(text.split("\n")[:3])
    assert "Frame.scala" not in text
    assert "shutting down" not in text
    assert caught.value.tail == (ERRORS[0],)
