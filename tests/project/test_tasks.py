"""Tasks: what files they come from, how defaults are merged, sections of SQL files."""

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.project import ProjectError
from ai.starlake.project.reading.sql_files import split_statements


def test_a_sql_file_alone_is_a_task(files):
    files.write("transform/mart/t.sql.j2", "SELECT {{ x }} AS id")
    task = files.read().task("MART.T")
    assert (task.full_name, task.target, task.sql) == ("mart.t", "mart.t", "SELECT {{ x }} AS id")
    assert task.write_strategy.effective_type == "APPEND"
    assert task.parse_sql is True


def test_the_sql_file_counts_before_the_yaml(files):
    files.write("transform/mart/t.sl.yml", "version: 1\ntask: {sql: SELECT 1, tags: [x]}")
    files.write("transform/mart/t.sql", "SELECT 2")
    task = files.read().task("mart.t")
    assert (task.sql, task.tags) == ("SELECT 2", ("x",))


def test_domain_and_table_of_the_yaml(files):
    files.write("transform/mart/t.sql", "SELECT 1 AS id")
    files.write("transform/mart/t.sl.yml", "version: 1\ntask: {domain: elsewhere, table: other, name: ignored}")
    project = files.read()
    assert project.task("elsewhere.t").target == "elsewhere.other"
    for name in ("mart.t", "elsewhere.other", "mart.other"):
        with pytest.raises(StarlakeError, match="does not exist"):
            project.task(name)


def test_defaults_of_the_folder(files):
    files.write(
        "transform/mart/_config.sl.yml",
        """
        version: 1
        transform:
          default:
            writeStrategy: {type: OVERWRITE}
            presql: [first]
            tags: [all]
            connectionRef: duckdb
          tasks:
            - {name: inline, sql: SELECT 3 AS id}
        """,
    )
    files.write(
        "transform/mart/t.sl.yml", "version: 1\ntask: {presql: [second], tags: [own], writeStrategy: {type: APPEND}}"
    )
    files.write("transform/mart/t.sql", "--SL_PRESQL\nthird;\n--SL_SQL\nSELECT 1\n--SL_POSTSQL\nlast")
    project = files.read()
    task = project.task("mart.t")
    assert task.presql == ("first", "third;", "second")
    assert task.postsql == ("last",)
    assert (task.sql, task.tags, task.write_strategy.type) == ("SELECT 1", ("all", "own"), "APPEND")
    assert project.task("mart.inline").write_strategy.type == "OVERWRITE"
    assert [task.name for task in project.tasks] == ["inline", "t"]


def test_a_comment_above_the_sections_is_a_comment(files):
    files.write("transform/mart/t.sql", "-- why\n/* and how */\n--SL_SQL\nSELECT 1\n--SL_POSTSQL\nx")
    assert files.read().task("mart.t").sql == "SELECT 1"


def test_sql_above_the_sections_is_the_statement_if_there_is_no_other(files):
    files.write("transform/mart/t.sql", "SELECT 1\n--SL_POSTSQL\nx")
    files.write("transform/mart/u.sql", "SELECT 1\n--SL_SQL\nSELECT 2")
    project = files.read()
    assert project.task("mart.t").sql == "SELECT 1"
    with pytest.raises(ProjectError, match="two main statements"):
        project.task("mart.u")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.sl.yml", "version: 1\ntask: {comment: no sql}", "has no SQL"),
        ("t.sl.yml", "version: 1\ntask:\n  sql: SELECT 1\n  parseSQL: maybe", r"t\.sl\.yml:4: parseSQL"),
        ("t.sl.yml", "version: 1\ntask:\n  sql: SELECT 1\n  writeStrategy: {type: SCD2}", r":4: SCD2 needs a key"),
        ("t.sl.yml", "version: 1\ntable: {name: x}", r"does not begin with task but with table"),
        ("_config.sl.yml", "version: 1\ntransform: {tasks: [{sql: SELECT 1}]}", "a list of tasks with names"),
    ],
)
def test_what_is_wrong_with_a_task(files, name, text, message):
    files.write(f"transform/mart/{name}", text)
    with pytest.raises(ProjectError, match=message):
        files.read().task("mart.t")


def test_two_files_of_one_task(files):
    files.write("transform/mart/t.sql", "SELECT 1")
    files.write("transform/mart/sub/t.sql", "SELECT 2")
    with pytest.raises(ProjectError, match="is a file of the task t too"):
        files.read().task("mart.t")


def test_a_task_of_a_folder_below(files):
    files.write("transform/mart/sub/t.sql", "SELECT 2")
    assert files.read().task("mart.t").sql == "SELECT 2"


def test_python_tasks(files):
    file = files.write("transform/mart/t.py", "x = 1")
    assert files.read().task("mart.t").python_file == file


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", ()),
        (" ; ;\n", ()),
        ("a", ("a",)),
        ("a;b;\n", ("a", "b")),
        ("SELECT ';'; SELECT 2 -- ; no", ("SELECT ';'", "SELECT 2 -- ; no")),
        ("/* ; */ SELECT 1", ("/* ; */ SELECT 1",)),
        ("-- only a comment;\n", ()),
        ("SELECT 'open;\nb", ("SELECT 'open", "b")),
    ],
)
def test_split_statements(text, statements):
    assert split_statements(text) == statements


def test_a_sink_is_merged_key_by_key_and_a_write_strategy_is_not(files):
    default = "{sink: {connectionRef: far, partition: [day]}, writeStrategy: {type: OVERWRITE, key: [id]}}"
    files.write("transform/mart/_config.sl.yml", f"version: 1\ntransform: {{default: {default}}}")
    own = "{sql: SELECT 1, sink: {partition: [month]}, writeStrategy: {type: APPEND}}"
    files.write("transform/mart/t.sl.yml", f"version: 1\ntask: {own}")
    task = files.read().task("mart.t")
    assert (task.sink.connection_ref, task.sink.partition) == ("far", ("month",))
    assert (task.write_strategy.type, task.write_strategy.key) == ("APPEND", ())
