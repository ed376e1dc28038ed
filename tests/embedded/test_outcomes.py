"""The engine's report about each table and task."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from typing import Any

import pytest

from ai.starlake.common.outcomes.outcome_data import masked_outcomes, outcomes_of_text, outcomes_text
from ai.starlake.common.outcomes.table_outcomes import LoadedFile, RejectReason, StarlakeCounts, TableOutcome
from ai.starlake.embedded.areas import file_digests
from ai.starlake.embedded.cli.main import run
from ai.starlake.embedded.engine import Engine
from ai.starlake.embedded.outcome_log import OutcomeLog
from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.project import Project
from ai.starlake.project.file_facts import FileFacts

MACROS = """
{% macro no_nulls(column) %}SELECT COUNT(*) FROM sl_this WHERE {{ column }} IS NULL{% endmacro %}
{% macro unique(column) %}SELECT count(*) - count(DISTINCT {{ column }}) FROM sl_this{% endmacro %}
{% macro broken() %}SELECT nothing FROM sl_this{% endmacro %}
{% macro named() %}SELECT 'a' FROM sl_this LIMIT 1{% endmacro %}
"""


@pytest.fixture
def shop(shop: Any) -> Any:
    file = shop.root / "metadata/expectations/checks.j2"
    file.parent.mkdir(parents=True)
    file.write_text(MACROS)
    return shop


def engine_of(shop: Any) -> tuple[Engine, OutcomeLog]:
    log = OutcomeLog(wanted=True)
    project = Project.read(shop.root, environment=shop.environment)
    return Engine(project, environment=shop.environment, outcomes=log), log


def loaded(shop: Any, *tables: str) -> dict[str, TableOutcome]:
    engine, log = engine_of(shop)
    engine.load(("shop",), tables)
    return {table.name: table for table in log.tables}


def transformed(shop: Any, name: str, **how: Any) -> list[TableOutcome]:
    engine, log = engine_of(shop)
    engine.transform(TransformRequest(name, **how))
    return list(log.tables)


def expecting(*calls: str) -> list[dict[str, str]]:
    return [{"expect": call} for call in calls]


def test_nothing_is_collected_unless_it_is_wanted(shop):
    shop.table("rows", {"id": "int"}, expectations=expecting("no_nulls('id')"))
    shop.put("rows1.csv", "id\n1\n")
    log = OutcomeLog()
    Engine(Project.read(shop.root, environment=shop.environment), environment=shop.environment, outcomes=log).load()
    assert log.tables == ()


def test_the_files_of_a_table_add_up(shop):
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\nx\n")
    shop.put("rows2.csv", "id\n2\ny\nz\n")
    shop.put("rows3.csv", "other\n2\n")
    rows = loaded(shop)["shop.rows"]
    assert rows.counts == StarlakeCounts(5, 2, 3)
    assert [(file.name, file.size) for file in rows.files] == [("rows1.csv", 7), ("rows2.csv", 9), ("rows3.csv", 8)]
    assert rows.row_count == 2
    assert rows.reasons == (RejectReason(r"`id` (int) doesn't match pattern `[-|\+|0-9][0-9]*`", 3),)
    assert "rows3.csv" in str(rows.error)
    assert rows.duration is not None
    assert rows.checks == ()


def test_a_table_without_files_read_nothing_if_it_is_named(shop):
    shop.table("rows", {"id": "int"})
    shop.table("others", {"id": "int"})
    shop.put("rows1.csv", "id\n1\n")
    found = loaded(shop, "rows", "others")
    assert found["shop.others"].counts.read_nothing
    assert not found["shop.rows"].counts.read_nothing
    shop.put("rows2.csv", "id\n2\n")
    assert loaded(shop).keys() == {"shop.rows"}


def test_a_file_that_cannot_be_read_is_a_failure_of_its_table(shop):
    shop.table("rows", {"id": "int"}, expectations=expecting("no_nulls('id')"))
    shop.put("rows1.csv", "id\n1\n").unlink()
    (shop.root / "datasets/stage/shop/rows2.csv").symlink_to(shop.root / "nowhere")
    rows = loaded(shop)["shop.rows"]
    assert "does not exist" in str(rows.error)
    assert (rows.checks, rows.checks_unknown) == (None, "it ended before its expectations were evaluated")


@pytest.mark.parametrize(("multiline", "rows"), [(True, [3, 2, 1]), (False, [2, 2, 1, 1])])
def test_reasons_have_no_values(shop, multiline, rows):
    shop.application(rejectWithValue=True)
    shop.table("rows", {"id": "int", "day": "date"}, metadata={"multiline": multiline})
    text = 'id,day\nhush-1,2020-01-01\nhush-2,hush-3\n"hush-4\n`hush`-5",2020-01-01\n1,2020-01-01,hush\n1,hush\n'
    shop.put("rows1.csv", text)
    reasons = loaded(shop)["shop.rows"].reasons
    assert sorted((reason.rows for reason in reasons), reverse=True) == rows
    assert "hush" not in str(reasons)


@pytest.mark.parametrize("fail", [True, False])
def test_results_of_expectations(shop, fail):
    shop.application(expectations={"failOnError": fail})
    attributes = [{"name": "id", "type": "int"}, {"name": "label", "type": "string", "rename": "text"}]
    attributes += [{"name": "who", "type": "string", "privacy": "MD5"}]
    calls = ("no_nulls('id')", "no_nulls('text')", "unique('id')", "broken()", "named()")
    shop.table("rows", attributes, expectations=expecting(*calls))
    shop.put("rows1.csv", f"id,label,who\n1,,Ada\n1,{'x' * 300},Bob\n")
    shop.put("rows1.csv", "id,label,who\n" + "1,,Ada\n" * 12)
    rows = loaded(shop)["shop.rows"]
    assert (rows.error is not None) is fail
    checks = rows.checks or ()
    assert [check.expect for check in checks] == list(calls)
    assert [check.success for check in checks] == [True, False, False, False, False]
    assert [check.count for check in checks] == [0, 12, 11, None, None]
    assert [bool(check.error) for check in checks] == [False, False, False, True, False]
    assert checks[1].rows == ({"id": "1", "text": None},) * 10
    assert [check.rows for check in checks if check is not checks[1]] == [()] * 4
    assert rows.row_count == (None if fail else 12)


def test_values_of_offending_rows_are_short(shop):
    shop.table("rows", {"id": "int", "label": "string"}, expectations=expecting("no_nulls('id')"))
    shop.put("rows1.csv", f"id,label\n,{'x' * 300}\n,{'y' * 100}\n")
    (check,) = loaded(shop)["shop.rows"].checks or ()
    assert [row["label"] for row in check.rows] == ["x" * 100 + "...", "y" * 100]


def test_a_struct_with_a_private_field_is_not_shown(shop):
    fields = [{"name": "city", "type": "string"}, {"name": "street", "type": "string", "privacy": "HIDE"}]
    attributes = [{"name": "id", "type": "int"}, {"name": "place", "type": "struct", "attributes": fields}]
    shop.table("rows", attributes, metadata={"format": "JSON"}, expectations=expecting("no_nulls('id')"))
    shop.put("rows1.json", '{"place": {"city": "Rome", "street": "Via"}}\n')
    (check,) = loaded(shop)["shop.rows"].checks or ()
    assert check.rows == ({"id": None},)


def test_expectations_that_are_switched_off_are_not_known(shop):
    shop.application(expectations={"active": False})
    shop.table("rows", {"id": "int"}, expectations=expecting("no_nulls('id')"))
    shop.put("rows1.csv", "id\n1\n")
    rows = loaded(shop)["shop.rows"]
    assert (rows.checks, rows.checks_unknown) == (None, "expectations.active is false in the application")


def test_results_of_a_load_that_fails_win_over_later_ones(shop):
    shop.application(expectations={"failOnError": True})
    shop.table("rows", {"id": "int"}, expectations=expecting("no_nulls('id')"))
    shop.put("rows1.csv", 'id\n""\n')
    shop.put("rows2.csv", "id\n1\n")
    rows = loaded(shop)["shop.rows"]
    assert [check.success for check in rows.checks or ()] == [False]
    assert rows.row_count == 1


def test_tasks_in_order_up_to_the_one_that_fails(shop):
    shop.task("kpi.one", "SELECT 1 AS id", expectations=expecting("no_nulls('id')"))
    shop.task("kpi.two", "SELECT 1 / (id - id) AS n, error('no') AS e FROM kpi.one", expectations=expecting("broken()"))
    shop.task("kpi.three", "SELECT * FROM kpi.two")
    one, two = transformed(shop, "kpi.three", recursive=True)
    assert (one.name, one.error, one.row_count, one.counts) == ("kpi.one", None, 1, None)
    assert [check.success for check in one.checks or ()] == [True]
    assert two.name == "kpi.two"
    assert two.error
    assert (two.checks, two.checks_unknown) == (None, "it ended before its expectations were evaluated")


def test_a_view_is_not_counted(shop):
    shop.task("kpi.view", "SELECT * FROM range(3)", sink={"materializedView": "VIEW"})
    (view,) = transformed(shop, "kpi.view")
    assert (view.error, view.row_count) == (None, None)


def test_what_is_done_before_says_so(shop):
    shop.environment["SL_JOB_ID"] = "the job"
    shop.task("kpi.one", "SELECT 1 AS id", expectations=expecting("no_nulls('id')"))
    assert transformed(shop, "kpi.one")[0].checks
    (again,) = transformed(shop, "kpi.one")
    assert (again.checks, again.audit_id) == (None, "the job")
    assert "under the same job id" in str(again.checks_unknown)


@pytest.mark.parametrize("size", [0, 100, file_digests._SMALL + 1])
def test_the_digest_of_a_file_is_that_of_its_content(tmp_path, size):
    file = tmp_path / "rows.csv"
    file.write_bytes(os.urandom(size))
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    digests = file_digests.FileDigests([file])
    file.rename(tmp_path / "moved.csv")
    assert digests.result() == (LoadedFile("rows.csv", size, f"sha256:{expected}"),)


def test_a_huge_file_is_sampled_and_its_digest_changes_with_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(file_digests, "_HUGE", 10)
    file = tmp_path / "rows.csv"
    file.write_bytes(b"x" * (3 << 20))
    os.utime(file, (1, 1))
    (first,) = file_digests.FileDigests([file]).result()
    (same,) = file_digests.FileDigests([file]).result()
    os.utime(file, (2, 2))
    (later,) = file_digests.FileDigests([file]).result()
    assert str(first.digest).startswith("sampled-sha256:")
    assert first == same != later


def test_a_file_that_is_gone_has_a_name_only(tmp_path):
    assert file_digests.FileDigests([tmp_path / "a"]).result() == (LoadedFile("a"),)


def test_the_command_writes_a_file_when_asked(shop, monkeypatch, capsys):
    shop.table("rows", {"id": "int"}, expectations=expecting("no_nulls('id')"))
    shop.put("rows1.csv", 'id\n""\nx\n')
    monkeypatch.setenv("SL_ROOT", str(shop.root))
    monkeypatch.setenv("SL_OUTCOME_FILE", str(shop.root / "out/o.json"))
    assert run(["load"]) == 0
    (rows,) = outcomes_of_text((shop.root / "out/o.json").read_text())
    assert (rows.name, rows.counts) == ("shop.rows", StarlakeCounts(2, 1, 1))
    assert [check.rows for check in rows.checks or ()] == [({"id": None},)]
    assert [path.name for path in (shop.root / "out").iterdir()] == ["o.json"], "no partial file stays"


def test_a_file_of_outcomes_that_cannot_be_written_is_a_warning(shop, monkeypatch, capsys):
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\n")
    for name, value in {
        **shop.environment,
        "SL_OUTCOME_FILE": str(shop.root / "metadata/application.sl.yml/o"),
    }.items():
        monkeypatch.setenv(name, value)
    assert run(["load"]) == 0
    assert "WARNING" in capsys.readouterr().err


OUTCOME = TableOutcome(
    "shop.rows",
    StarlakeCounts(3, 2, 1, 1, files=True, lost_files=0),
    "it failed",
    None,
    "who knows",
    (RejectReason("no", 1),),
    (LoadedFile("a.csv", 3, "sha256:0"),),
    2,
    "job",
    0.5,
)


def test_outcomes_survive_their_file():
    assert outcomes_of_text(outcomes_text([OUTCOME])) == (OUTCOME,)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tables": [{}]}', '{"tables": {"a": 1}}', "\0"])
def test_a_file_that_is_no_file_of_outcomes_tells_nothing(text):
    assert outcomes_of_text(text) == ()


def test_a_file_of_a_later_version_tells_nothing():
    data = json.loads(outcomes_text([OUTCOME]))
    data["tables"][0]["news"] = 1
    assert outcomes_of_text(json.dumps(data)) == ()


def test_secrets_are_masked_in_each_text():
    masked = masked_outcomes([OUTCOME], lambda text: text.replace("failed", "***"))
    assert masked[0].error == "it ***"


def checked(shop: Any, *names: str) -> list[TableOutcome]:
    return list(engine_of(shop)[0].check(names))


def test_checks_alone_write_nothing(shop):
    shop.table("rows", {"id": "int", "label": "string"}, expectations=expecting("no_nulls('label')", "broken()"))
    shop.put("rows1.csv", "id,label\n1,\n2,b\n")
    loaded(shop)
    before = {table: shop.query(f"SELECT count(*) FROM {table}") for table in ("audit.audit", "audit.expectations")}
    (rows,) = checked(shop, "shop.rows")
    assert [(check.success, check.rows) for check in rows.checks or ()] == [
        (False, ({"id": "1", "label": None},)),
        (False, ()),
    ]
    assert (rows.row_count, rows.audit_id, rows.error) == (2, None, None)
    assert {table: shop.query(f"SELECT count(*) FROM {table}") for table in before} == before


def test_checks_alone_of_a_task_see_the_tables_of_its_domain(shop):
    shop.task("kpi.one", "SELECT 1 AS id", expectations=expecting("same()"), table="ones")
    (shop.root / "metadata/expectations/same.j2").write_text(
        "{% macro same() %}SELECT count(*) - 1 FROM ones{% endmacro %}"
    )
    transformed(shop, "kpi.one")
    (one,) = checked(shop, "KPI.one")
    assert (one.name, [check.success for check in one.checks or ()]) == ("kpi.one", [True])


def test_checks_alone_of_a_table_that_does_not_exist_make_none(shop):
    shop.table("rows", {"id": "int"}, expectations=expecting("no_nulls('id')"))
    (rows,) = checked(shop, "shop.rows")
    assert (rows.checks, rows.checks_unknown) == (None, "the table shop.rows does not exist")
    assert not (shop.root / "datasets/duckdb.db").exists()
    shop.task("kpi.one", "SELECT 1 AS id")
    transformed(shop, "kpi.one")
    assert checked(shop, "shop.rows")[0].error
    assert "neither a table nor a task" in str(checked(shop, "shop.nobody")[0].error)


@pytest.mark.parametrize(("text", "code"), [("a", 0), ("", 1)])
def test_the_verb_check(shop, monkeypatch, capsys, text, code):
    shop.table("rows", {"id": "int", "label": "string"}, expectations=expecting("no_nulls('label')"))
    shop.put("rows1.csv", f"id,label\n1,{text}\n")
    loaded(shop)
    monkeypatch.setenv("SL_ROOT", str(shop.root))
    assert run(["check", "--names", "shop.rows"]) == code
    verdict = "met" if code == 0 else "not met: 1"
    assert capsys.readouterr().out == f"shop.rows: no_nulls('label'): {verdict}\n"


def test_the_audit_tells_the_same(shop):
    """Compare as far as possible: it has no rows of the table, no digests, and no rows that violate an expectation."""
    shop.environment["SL_JOB_ID"] = "the job"
    calls = ("no_nulls('id')", "no_nulls('label')", "broken()", "named()")
    shop.table("rows", {"id": "int", "label": "string"}, expectations=expecting(*calls), rename="others")
    shop.put("rows1.csv", "id,label\n1,\nx,b\n")
    shop.put("rows2.csv", "id,label\n2,b\n")
    shop.task("kpi.one", "SELECT 1 AS id", expectations=expecting("no_nulls('id')"), table="ones")
    rows, (one,) = loaded(shop)["shop.rows"], transformed(shop, "kpi.one")
    facts = FileFacts(shop.root, shop.environment)
    for outcome, verb in ((rows, "load"), (one, "transform")):
        (recorded,) = facts.recorded_outcomes((outcome.name,), verb=verb, job_id="the job")
        checks = tuple(replace(check, rows=()) for check in outcome.checks or ())
        files = tuple(LoadedFile(file.name) for file in outcome.files)
        assert replace(recorded, duration=None) == replace(
            outcome, checks=checks, files=files, row_count=None, duration=None
        )
