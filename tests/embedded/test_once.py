"""A command that was killed after its commit and is run again under its job id does nothing twice."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ai.starlake.embedded import Engine
from ai.starlake.embedded.transform.task_run import TransformRequest
from tests.embedded.test_crashes import run_until

RUN = {"SL_JOB_ID": "run.step"}
SINKS = ("here", "elsewhere", "off")


def audit_goes(shop, sink):
    own, other = (
        {"type": "jdbc", "options": {"url": f"jdbc:duckdb:{shop.root}/datasets/{name}.db"}}
        for name in ("duckdb", "audit")
    )
    audit = {"active": False} if sink == "off" else {"sink": {"connectionRef": "duckdb" if sink == "here" else "other"}}
    content = {"connectionRef": "duckdb", "connections": {"duckdb": own, "other": other}, "audit": audit}
    shop.write("metadata/application.sl.yml", application=content)


@pytest.fixture(params=SINKS)
def project(shop, request):
    audit_goes(shop, request.param)
    shop.table("rows", {"id": "int"})
    shop.task("kpi.one", "SELECT 1 AS a")
    return shop


def transform(shop, name="kpi.one", *, scheduled=None, **environment):
    engine = Engine.open(shop.root, environment={**shop.environment, **environment})
    return engine.transform(TransformRequest(name), scheduled=scheduled).error


def load(shop, files, **environment):
    engine = Engine.open(shop.root, environment={**shop.environment, **environment})
    return engine.load(["shop"], ["rows"], files=[str(file) for file in files], in_place=True)


def test_a_task_is_done_once_for_a_job_id(project, caplog):
    for _ in range(2):
        assert transform(project, **RUN) is None
    assert project.rows("kpi.one") == [(1,)]
    assert "kpi.one is done already, under the job id run.step" in caplog.text
    for environment in ({}, {}, {"SL_JOB_ID": "other"}, {"SL_JOB_ID": "other"}):
        assert transform(project, **environment) is None
    assert project.rows("kpi.one") == [(1,)] * 4


def test_another_logical_date_is_another_job(project):
    days = [datetime(2026, 1, day, tzinfo=timezone.utc).replace(tzinfo=None) for day in (1, 2, 2)]
    for day in days:
        assert transform(project, scheduled=day, **RUN) is None
    assert project.rows("kpi.one") == [(1,)] * 2


def test_a_failed_task_is_tried_again(project):
    project.task("kpi.two", "SELECT error('not yet') AS a")
    assert transform(project, "kpi.two", **RUN)
    project.task("kpi.two", "SELECT 2 AS a")
    assert transform(project, "kpi.two", **RUN) is None
    assert project.rows("kpi.two") == [(2,)]


@pytest.mark.parametrize("strategy", ["OVERWRITE", "UPSERT_BY_KEY"])
def test_a_task_that_may_be_repeated_is(project, strategy):
    """The task's rows may be new ones by now."""
    for value in (1, 2):
        keys = {"writeStrategy": {"type": strategy, "key": ["k"]}}
        project.task("kpi.three", f"SELECT 1 AS k, {value} AS a", **keys)
        assert transform(project, "kpi.three", **RUN) is None
    assert project.rows("kpi.three") == [(1, 2)]


@pytest.mark.parametrize("grouped", [False, True])
def test_files_in_place_are_loaded_once_for_a_job_id(project, grouped):
    project.table("rows", {"id": "int"}, metadata={"grouped": grouped})
    files = [project.put(f"{name}.csv", f"id\n{name}\nx\n", area="elsewhere") for name in (1, 2)]
    for _ in range(3):
        result = load(project, files, **RUN)
        assert not result.failures
        assert (result.input_count, result.accepted_count, result.rejected_count) == (4, 2, 2)
    assert project.rows() == [(1,), (2,)]
    load(project, files)
    assert project.rows() == [(1,), (1,), (2,), (2,)]
    load(project, [project.put("3.csv", "id\n3\n", area="elsewhere")], **RUN)
    assert len(project.rows()) == 5


def test_so_are_those_of_a_detailed_audit(shop):
    shop.application(audit={"detailedLoadAudit": True})
    shop.table("rows", {"id": "int"}, metadata={"grouped": True})
    files = [shop.put(f"{name}.csv", f"id\n{name}\n", area="elsewhere") for name in (1, 2)]
    for _ in range(2):
        assert load(shop, files, **RUN).accepted_count == 2
    assert shop.rows() == [(1,), (2,)]


@pytest.mark.slow
@pytest.mark.parametrize("sink", SINKS)
def test_killed_at_every_step(shop, sink):
    audit_goes(shop, sink)
    shop.table("rows", {"id": "int"})
    shop.task("kpi.one", "SELECT 1 AS a")
    file = shop.put("1.csv", "id\n1\n", area="elsewhere")
    environment = {**shop.environment, **RUN}
    actions = (
        lambda engine: engine.transform(TransformRequest("kpi.one")),
        lambda engine: engine.load(["shop"], ["rows"], files=[str(file)], in_place=True),
    )
    for action, table in zip(actions, ("kpi.one", "shop.rows"), strict=True):
        died, step = True, 0
        while died:
            step += 1
            for database in shop.root.glob("datasets/*.db*"):
                database.unlink()
            died = run_until(shop.root, environment, step, action)
            action(Engine.open(shop.root, environment=environment))
            assert shop.rows(table) == [(1,)], f"died at {step}"
        assert step > 8
