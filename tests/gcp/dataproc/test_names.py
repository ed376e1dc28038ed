from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.executor import Execution
from ai.starlake.executor.remote.identity import RunIdentity, command_name, label_value
from ai.starlake.gcp.dataproc.resource_names import cluster_name, is_cluster_name, request_id

RUN = "0b5e31d2-1111-4000-8000-000000000001"

anything = st.text(max_size=120)
some_name = st.text(min_size=1, max_size=120)
run_ids = st.uuids().map(str)


def test_people_recognise_the_name_of_a_cluster():
    assert cluster_name("dataproc-cluster", "sales", RUN) == "dataproc-cluster-sales-0b5e31d2"


def test_people_recognise_the_id_of_a_spark_job():
    assert re.fullmatch(r"load-sales-0b5e31d2-2-[0-9a-f]{8}", command_name("load_sales", RUN, 2, ["load"]))


@given(anything, anything, st.one_of(run_ids, some_name))
def test_every_name_of_a_cluster_is_valid(name, cluster_id, run_id):
    assert is_cluster_name(cluster_name(name, cluster_id, run_id))


@given(anything, anything, st.uuids(), st.uuids())
def test_runs_have_clusters_of_their_own(name, cluster_id, one, other):
    one_name, other_name = (cluster_name(name, cluster_id, str(run)) for run in (one, other))
    assert (one_name == other_name) == (str(one)[:8] == str(other)[:8])


def test_long_names_that_differ_at_their_end_stay_different():
    first, second = (cluster_name("dataproc-cluster", f"{'x' * 60}{end}", RUN) for end in "ab")
    assert first != second
    assert max(len(first), len(second)) <= 51


@pytest.mark.parametrize("name", ["", "A", "1a", "a-", "a_b", "a.b", "a" * 52, "é"])
def test_what_dataproc_refuses_is_no_name(name):
    assert not is_cluster_name(name)


@given(some_name, st.one_of(run_ids, some_name), st.integers(0, 10**6))
def test_every_id_of_a_spark_job_is_valid(step, run_id, attempt):
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,100}", command_name(step, run_id, attempt, [step]))


commands = st.lists(some_name, max_size=2).map(tuple)


@given(st.lists(st.tuples(some_name, run_ids, st.integers(0, 5), commands), min_size=2, max_size=2, unique=True))
def test_commands_have_spark_jobs_of_their_own(attempts):
    first, second = (command_name(*attempt) for attempt in attempts)
    assert first != second
    assert command_name(*attempts[0]) == first


@given(anything)
def test_every_value_of_a_label_is_valid(text):
    assert re.fullmatch(r"[a-z0-9_-]{0,63}", label_value(text))


@given(anything, anything)
def test_different_texts_have_different_labels(one, other):
    assert (label_value(one) == label_value(other)) == (one == other)


@given(st.lists(anything))
def test_every_request_id_is_valid(parts):
    assert re.fullmatch(r"[a-z0-9-]{1,40}", request_id(*parts))
    assert request_id(*parts) == request_id(*parts)


def test_a_re_execution_belongs_to_its_first_run():
    first = RunIdentity.of(Execution(RUN, "load", report=None))
    again = RunIdentity.of(Execution(str(uuid.uuid4()), "load", report=None, root_run_id=RUN))
    assert first.root_run_id == again.root_run_id == RUN
    assert first.labels == again.labels
