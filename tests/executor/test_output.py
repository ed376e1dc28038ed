from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.executor import StarlakeCounts
from ai.starlake.executor.output import CountsReader

COUNT = st.integers(0, 10**12)


def read(*lines):
    reader = CountsReader()
    for line in lines:
        reader.read(line)
    return reader


def counters(read_, accepted, rejected, **others):
    document = {"inputCount": read_, "acceptedCount": accepted, "rejectedCount": rejected, **others}
    return "IngestionCounters:" + json.dumps(document)


def summary(read_, accepted, rejected):
    return ["Load summary:", f"Input records: {read_}", f"Accepted: {accepted}", f"Rejected: {rejected}", "Data ..."]


def test_the_line_as_starlake_prints_it():
    line = 'IngestionCounters:{"inputCount":3,"acceptedCount":2,"rejectedCount":1,"paths":["a.csv"],"jobid":",run-42"}'
    assert read("Loading", line).counts == StarlakeCounts(3, 2, 1)


def test_warnings_are_counted_too():
    line = 'IngestionCounters:{"inputCount":3,"acceptedCount":2,"rejectedCount":1,"warningCount":2,"paths":["a.csv"]}'
    assert read(line, line).counts == StarlakeCounts(6, 4, 2, warnings=4)


@given(st.lists(st.tuples(COUNT, COUNT, COUNT), min_size=1, max_size=5), st.booleans())
def test_several_are_added_up(numbers, as_counters):
    lines = [line for n in numbers for line in ([counters(*n)] if as_counters else summary(*n))]
    assert read(*lines).counts == StarlakeCounts(*map(sum, zip(*numbers, strict=True)))


def test_counters_count_more_than_summaries():
    assert read(*summary(9, 9, 9), counters(3, 2, 1)).counts == StarlakeCounts(3, 2, 1)


def test_nothing_to_load_is_zero_rows_and_no_word_is_none():
    counts = read(counters(0, 0, 0)).counts
    assert counts == StarlakeCounts(0, 0, 0)
    assert counts.read_nothing
    with_file = 'IngestionCounters:{"inputCount":0,"acceptedCount":0,"rejectedCount":0,"paths":["file:/a.csv"]}'
    assert not read(with_file).counts.read_nothing
    assert not read(*summary(0, 0, 0)).counts.read_nothing
    assert read("Loading", "Rejected: 1").counts is None


def test_a_native_load_does_not_know_what_it_refused():
    assert read(counters(3, 3, -1)).counts == StarlakeCounts(3, 3, 0)


def test_a_list_of_paths_too_long_for_one_line_does_no_harm():
    line = counters(3, 2, 1, paths=["x" * 100] * 1000)
    reader = read(line[:65536], line[65536:])
    assert reader.counts == StarlakeCounts(3, 2, 1)
    assert reader.problem is None


def test_a_file_name_cannot_pass_for_a_count():
    line = counters(3, 2, 1, paths=['"inputCount": 99,.csv'])
    assert read(line).counts == StarlakeCounts(3, 2, 1)


@pytest.mark.parametrize(
    "text", ["", "{", "null", "{}", '{"inputCount":"x"}', '{"inputCount":1,"acceptedCount":1,"rejectedCount":1']
)
def test_broken_counters_are_a_problem_and_the_summary_still_counts(text):
    reader = read("IngestionCounters:" + text, *summary(3, 2, 1))
    assert reader.counts == StarlakeCounts(3, 2, 1)
    assert "IngestionCounters:" in reader.problem


@given(st.lists(st.text() | st.just("IngestionCounters:") | st.just("Accepted: ") | st.just("Accepted: 1")))
def test_no_output_whatsoever_is_an_error(lines):
    read(*lines)
