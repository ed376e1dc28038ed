"""Facts of Starlake's command line and of the life of a file that no recorded case shows."""

from __future__ import annotations

import os
from datetime import datetime

import pytest

from ai.starlake.embedded import Engine
from ai.starlake.embedded.cli.main import run
from ai.starlake.embedded.transform.task_run import TransformRequest

ID = {"id": "long"}


@pytest.fixture
def command(shop, monkeypatch, capsys):
    """Run the command in process; return its exit code and standard output."""

    def call(*arguments, **environment):
        for name in [name for name in os.environ if name.startswith("SL_")]:
            monkeypatch.delenv(name)
        for name, value in {**shop.environment, **environment}.items():
            monkeypatch.setenv(name, value)
        return run(list(arguments)), capsys.readouterr().out

    return call


def test_stage_says_what_moves(shop, command):
    shop.table("rows", ID)
    shop.put("rows1.csv", "id\n1\n", area="incoming/shop")
    code, out = command("stage")
    assert code == 0
    source, target = shop.root / "incoming/shop", shop.root / "datasets/stage/shop"
    assert out.splitlines() == [f"Moving 1 file(s) from {source} to {target}", "Moving rows1.csv"]


def test_stage_does_not_see_dot_files_and_folders(shop):
    shop.table("rows", ID, pattern=".*")
    shop.put(".rows1.csv", "id\n1\n", area="incoming/shop")
    shop.put("rows2.csv", "id\n1\n", area="incoming/shop/deeper")
    assert shop.engine.stage().moves == ()


def test_tables_of_stage_count_with_domains_only(shop):
    shop.table("rows", ID)
    shop.table("others", ID)
    for name in ("rows", "others"):
        shop.put(f"{name}1.csv", "id\n1\n", area="incoming/shop")
    assert [move.name for move in shop.engine.stage(["shop"], ["rows"]).moves] == ["rows1.csv"]
    assert [move.name for move in shop.engine.stage((), ["rows"]).moves] == ["others1.csv"]


def test_load_says_what_it_did(shop, command):
    shop.table("rows", ID)
    shop.put("rows1.csv", "id\n1\nx\n")
    code, out = command("load")
    assert code == 0
    for line in ("Loading", "Format: DSV", "Load summary:", "Input records: 2", "Accepted: 1", "Rejected: 1"):
        assert line in out.splitlines()
    assert f"Data successfully loaded from file:{shop.root}/datasets/ingesting/shop/rows1.csv" in out
    assert "IngestionCounters" not in out


def test_nothing_to_load_is_no_failure(shop, command):
    shop.table("rows", ID)
    code, out = command("load", SL_API="1")
    assert code == 0
    assert out.strip() == 'IngestionCounters:{"inputCount":0,"acceptedCount":0,"rejectedCount":0}'


def test_the_logical_date_is_in_the_audit_and_a_t_is_a_blank(shop, command):
    shop.table("rows", ID)
    shop.put("rows1.csv", "id\n1\n")
    assert command("load", "--scheduledDate", "2024-02-29T10:00:00")[0] == 0
    assert shop.query("SELECT scheduled_date FROM audit.audit") == [(datetime(2024, 2, 29, 10),)]  # noqa: DTZ001


def test_the_job_id_of_the_environment_is_in_the_audit(shop, command):
    shop.table("rows", ID)
    shop.put("rows1.csv", "id\nx\n")
    assert command("load", SL_JOB_ID="run-42")[0] == 0
    assert shop.query("SELECT jobid FROM audit.audit UNION ALL SELECT jobid FROM audit.rejected") == [("run-42",)] * 2


@pytest.mark.parametrize(
    ("environment", "job"), [({"RUN": "own"}, "own"), ({"RUN": "own", "SL_JOB_ID": "run-42"}, "run-42")]
)
def test_another_variable_tells_the_job_id_where_the_usual_one_does_not(shop, command, environment, job):
    shop.write("metadata/application.sl.yml", application={"connectionRef": "duckdb", "jobIdEnvName": "RUN"})
    shop.table("rows", ID)
    shop.put("rows1.csv", "id\n1\n")
    assert command("load", SL_DUCKDB_MODE="true", **environment)[0] == 0
    assert shop.query("SELECT jobid FROM audit.audit") == [(job,)]


def test_without_one_the_job_id_names_table_and_file(shop):
    shop.table("rows", ID)
    shop.put("rows1.csv", "id\n1\n")
    shop.engine.load()
    ((found,),) = shop.query("SELECT jobid FROM audit.audit")
    assert found.startswith("shop-rows-rows1.csv-")


def test_options_win_over_env_files_and_these_over_the_environment(shop):
    shop.write("metadata/env.sl.yml", env={"who": "file", "what": "file"})
    shop.environment.update(who="process", what="process", where="process")
    shop.task(
        "kpi.rows",
        "SELECT '{{ who }}' AS who, '{{ what }}' AS what, '{{ where }}' AS place, '{{ unset | default() }}' AS n",
    )
    engine = Engine.open(shop.root, environment=shop.environment, options={"who": "option"})
    assert engine.transform(TransformRequest("kpi.rows")).error is None
    assert shop.rows("kpi.rows") == [("option", "file", "process", "")]


def test_a_task_is_found_in_any_case(shop):
    shop.task("kpi.rows", "SELECT 1 AS id")
    assert shop.engine.transform(TransformRequest("KPI.Rows")).tasks == ("kpi.rows",)


def test_rejects_on_record_are_bounded(shop):
    shop.application(audit={"maxErrors": 3})
    shop.table("rows", ID)
    shop.put("rows1.csv", "id\n" + "x\n" * 10)
    assert shop.engine.load().rejected_count == 10
    assert len(shop.errors()) == 3


def test_the_first_table_in_order_takes_a_file_that_two_match(shop):
    """Of whatever age their own files are: a copy of the project has others."""
    for name, moment in {"c": 1_700_000_000, "a": 1_700_000_002, "b": 1_700_000_001}.items():
        shop.table(name, ID, pattern="rows.*")
        os.utime(shop.root / f"metadata/load/shop/{name}.sl.yml", (moment, moment))
    shop.put("rows1.csv", "id\n1\n")
    assert [job.table for job in shop.engine.load().jobs] == ["a"]


def test_all_files_of_a_grouped_table_are_one_ingestion(shop):
    shop.table("rows", ID, metadata={"grouped": True, "writeStrategy": {"type": "OVERWRITE"}})
    for number in (1, 2):
        shop.put(f"rows{number}.csv", f"id\n{number}\n")
    (job,) = shop.engine.load().jobs
    assert job.files == ("rows1.csv", "rows2.csv")
    assert shop.rows() == [(1,), (2,)]


def test_a_key_that_is_null_meets_no_row(shop):
    shop.table(
        "rows", {"id": "long", "n": "long"}, metadata={"writeStrategy": {"type": "UPSERT_BY_KEY", "key": ["id"]}}
    )
    for number in (1, 2):
        shop.put(f"rows{number}.csv", f"id,n\n,{number}\n")
    shop.engine.load()
    assert shop.rows() == [(None, 1), (None, 2)]


def test_rows_that_a_filter_drops_count_as_accepted(shop):
    shop.table("rows", ID, filter="id > 1")
    shop.put("rows1.csv", "id\n1\n2\n")
    assert shop.engine.load().accepted_count == 2
    assert shop.rows() == [(2,)]


def test_rows_that_are_short_or_long(shop):
    shop.table("rows", {"a": "string", "b": "string"})
    shop.put("rows1.csv", "a,b\nx\ny,z,more\n")
    assert not shop.engine.load().failures
    assert shop.rows() == [("x", None)]
    assert len(shop.errors()) == 1


@pytest.mark.parametrize("separator", ["||", ";;;", "\t", "<->"])
def test_separators_of_several_characters(shop, separator):
    shop.table("rows", {"a": "string", "b": "string"}, metadata={"separator": separator})
    shop.put("rows1.csv", f"a{separator}b\nx{separator}y\n")
    assert not shop.engine.load().failures
    assert shop.rows() == [("x", "y")]


def test_a_table_that_is_a_view(shop):
    shop.task("kpi.rows", "SELECT 1 AS id", sink={"materializedView": "VIEW"})
    assert shop.engine.transform(TransformRequest("kpi.rows")).error is None
    assert shop.query("SELECT view_name FROM duckdb_views() WHERE schema_name = 'kpi'") == [("rows",)]


def test_a_failure_is_in_the_audit(shop):
    shop.task("kpi.rows", "SELECT missing FROM nowhere.at_all")
    assert shop.engine.transform(TransformRequest("kpi.rows")).error
    assert shop.query("SELECT success, count, step FROM audit.audit") == [(False, -1, "TRANSFORM")]


@pytest.mark.parametrize("options", [{"mode": "PERMISSIVE", "inferSchema": "true"}, {"maxColumns": "9"}])
def test_options_that_change_no_row_are_taken(shop, options):
    shop.table("rows", {"id": "int"}, metadata={"options": options})
    shop.put("rows1.csv", "id\n1\n")
    assert not shop.engine.load().failures
    assert shop.rows() == [(1,)]


def test_options_that_would_change_rows_are_errors(shop):
    shop.table("rows", {"id": "int"}, metadata={"options": {"mode": "DROPMALFORMED"}})
    shop.put("rows1.csv", "id\n1\n")
    (job,) = shop.engine.load().failures
    assert "the option 'mode' of shop.rows is not supported" in job.error


def test_options_of_the_application_are_those_of_every_dsv_table(shop):
    shop.application(dsvOptions={"comment": "#"})
    shop.table("rows", {"id": "int"}, metadata={"options": {"comment": ";"}})
    shop.table("words", {"id": "int"}, metadata={"format": "JSON"})
    shop.put("rows1.csv", "# made by hand\nid\n1\n")
    shop.put("words1.json", '{"id": 2}\n')
    assert not shop.engine.load().failures
    assert (shop.rows(), shop.rows("shop.words")) == ([(1,)], [(2,)])


def test_blanks_around_texts_of_xml(shop):
    options = {"rowTag": "row", "rootTag": "rows", "ignoreSurroundingSpaces": "true"}
    shop.table("rows", {"word": "string"}, metadata={"format": "XML", "options": options})
    shop.put("rows1.xml", "<rows><row><word> a </word></row></rows>")
    assert not shop.engine.load().failures
    assert shop.rows() == [("a",)]


def test_each_file_of_a_group_is_on_record_when_the_audit_is_detailed(shop):
    shop.application(grouped=True, audit={"detailedLoadAudit": True})
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\n")
    shop.put("rows2.csv", "id\n2\nx\n")
    assert len(shop.engine.load().jobs) == 1
    query = "SELECT parse_filename(paths), count, countaccepted, countrejected FROM audit.audit ORDER BY ALL"
    assert shop.query(query) == [("rows1.csv", 1, 1, 0), ("rows2.csv", 2, 1, 1)]


def test_postsql_of_a_table_sees_its_rows(shop):
    shop.table(
        "rows", {"id": "int"}, postsql=["CREATE OR REPLACE TABLE shop.counts AS SELECT count(*) AS n FROM shop.rows"]
    )
    shop.put("rows1.csv", "id\n1\n2\n")
    assert not shop.engine.load().failures
    assert shop.rows("shop.counts") == [(2,)]


def test_rejects_and_expectations_may_have_schemas_of_their_own(shop):
    shop.application(audit={"domain": "journal", "domainRejected": "bad", "domainExpectation": "checks"})
    macro = shop.root / "metadata/expectations/own.j2"
    macro.parent.mkdir(parents=True)
    macro.write_text("{% macro never() %}SELECT 1{% endmacro %}")
    shop.table("rows", {"id": "int"}, expectations=[{"expect": "never()", "failOnError": False}])
    shop.put("rows1.csv", "id\nx\n1\n")
    shop.engine.load()
    tables = {f"{schema}.{name}" for schema, name in shop.query("SELECT schema_name, table_name FROM duckdb_tables()")}
    assert tables == {"shop.rows", "journal.audit", "bad.rejected", "checks.expectations"}


@pytest.mark.parametrize(
    ("application", "table", "environment", "rejected"),
    [
        ({"maxRejected": 0}, {}, {}, 1),
        ({}, {"maxRejected": 1}, {}, 2),
        ({}, {"maxRejected": "49%"}, {}, 2),
        ({"maxRejected": "100%"}, {"maxRejected": 0}, {}, 1),
        ({}, {}, {"SL_MAX_REJECTED": "20%"}, 1),
        ({"rejectAllOnError": True}, {"maxRejected": "100%"}, {}, 1),
    ],
)
@pytest.mark.parametrize("allowed", [False, True])
def test_a_load_with_more_rejected_rows_than_may_be_fails(shop, application, table, environment, rejected, allowed):
    shop.application(**application)
    shop.environment |= environment
    shop.table("rows", {"id": "long"}, metadata=table)
    bad = 0 if allowed else rejected
    shop.put("rows1.csv", "id\n" + "x\n" * bad + "1\n" * (4 - bad))
    result = shop.engine.load()
    if allowed:
        assert not result.failures
        return
    assert f"shop.rows: {rejected} of 4 rows are rejected" in result.failures[0].error
    assert shop.files() == ["stage/shop/rows1.csv"]
    assert len(shop.errors()) == rejected
    assert shop.query("SELECT SUCCESS, COUNTREJECTED FROM audit.audit") == [(False, rejected)]


def test_a_table_may_allow_more_than_the_project(shop):
    shop.application(maxRejected=0)
    shop.table("rows", {"id": "long"}, metadata={"maxRejected": "50%"})
    shop.put("rows1.csv", "id\n1\nx\n")
    assert not shop.engine.load().failures
    assert shop.rows() == [(1,)]


@pytest.mark.parametrize("value", ["'-1'", "many", "101%", "1.5", "[]"])
@pytest.mark.parametrize("place", ["table", "application"])
def test_a_wrong_limit_of_rejected_rows_is_an_error_with_file_and_line(shop, monkeypatch, capsys, value, place):
    shop.table("rows", {"id": "long"})
    if place == "table":
        file = shop.root / "metadata/load/shop/rows.sl.yml"
        metadata = f"  metadata:\n    maxRejected: {value}\n"
        file.write_text(
            f"version: 1\ntable:\n  name: rows\n  pattern: rows.*\n{metadata}  attributes: [{{name: id}}]\n"
        )
        line = 6
    else:
        file = shop.root / "metadata/application.sl.yml"
        file.write_text(f"version: 1\napplication:\n  maxRejected: {value}\n")
        line = 3
    monkeypatch.setenv("SL_ROOT", str(shop.root))
    assert run(["validate"]) == 1
    assert f"{file}:{line}: error: " in (output := capsys.readouterr().out)
    assert "maxRejected" in output


def test_a_file_of_which_all_rows_are_rejected_is_not_said_to_be_loaded(shop, monkeypatch, capsys):
    shop.table("rows", {"id": "long"})
    shop.put("rows1.csv", "id\nx\ny\n")
    monkeypatch.setenv("SL_ROOT", str(shop.root))
    assert run(["load"]) == 0
    output = capsys.readouterr().out
    assert "Data successfully loaded" not in output
    assert "No row was loaded from " in output
