"""Two tables that would be one asset: refused wherever they meet in a file, not told apart by chance."""

from __future__ import annotations

import pytest

from ai.starlake.common import NameCollisionError
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.orchestration import (
    OrchestrationFactory,
    StarlakeDependencies,
    StarlakeDependency,
    StarlakeDomain,
    StarlakeSchedule,
    StarlakeTable,
)


def test_the_two_names_are_one_asset():
    assert StarlakeDataset("a_b.c").uri == StarlakeDataset("a.b_c").uri == "a_b_c"


def test_of_what_one_transform_reads(factory):
    reads = [StarlakeDependency("a_b.c", "table"), StarlakeDependency("a.b_c", "table")]
    dependencies = StarlakeDependencies([StarlakeDependency("kpi.x", "task", dependencies=reads)])
    with (
        OrchestrationFactory.create_orchestration(job=factory()) as orchestration,
        pytest.raises(NameCollisionError, match=r"table a_b\.c and table a\.b_c") as caught,
    ):
        orchestration.sl_create_pipeline(dependencies=dependencies)
    assert "a_b_c" in str(caught.value)


def test_of_what_is_read_and_what_is_made(factory):
    read = StarlakeDependency("a_b.c", "table")
    dependencies = StarlakeDependencies([StarlakeDependency("kpi.x", "task", sink="a.b_c", dependencies=[read])])
    with OrchestrationFactory.create_orchestration(job=factory()) as orchestration, pytest.raises(NameCollisionError):
        orchestration.sl_create_pipeline(dependencies=dependencies)


def test_of_two_pipelines_of_a_file(factory):
    with OrchestrationFactory.create_orchestration(job=factory()) as orchestration:
        loads = StarlakeSchedule(name="one", domains=[StarlakeDomain("a", tables=[StarlakeTable("b_c")])])
        orchestration.sl_create_pipeline(schedule=loads).assemble()
        others = StarlakeSchedule(name="two", domains=[StarlakeDomain("a_b", tables=[StarlakeTable("c")])])
        with pytest.raises(NameCollisionError):
            orchestration.sl_create_pipeline(schedule=others)


def test_one_table_may_be_in_several_pipelines(factory):
    with OrchestrationFactory.create_orchestration(job=factory()) as orchestration:
        for name in ("one", "two"):
            loads = StarlakeSchedule(name=name, domains=[StarlakeDomain("a", tables=[StarlakeTable("b")])])
            orchestration.sl_create_pipeline(schedule=loads).assemble()
    assert len(orchestration.pipelines) == 2
