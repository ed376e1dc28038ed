"""Schedules that Dagster refuses or that never occur, and names that become one name in Dagster."""

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.project import validate
from ai.starlake.project.dag_generation import generate

TABLE = """version: 1
table:
  pattern: {name}.*
  metadata: {{{metadata}}}
  attributes:
  - {{name: a, type: int}}
"""
DAG = "version: 1\ndag:\n  template: {kind}__{place}.py.j2\n  filename: '{filename}'\n"
APPLICATION = "version: 1\napplication:\n  dagRef: {load: loads, transform: tasks}\n"


@pytest.fixture
def project(files):
    files.write("application.sl.yml", APPLICATION)
    dag(files, "{{domain}}_load.py", "{{domain}}.py")
    return files


def dag(files, load, task):
    loads, tasks = "load/dagster__scheduled_table", "transform/dagster__scheduled_task"
    files.write("dags/loads.sl.yml", DAG.format(kind=loads, place="shell", filename=load))
    files.write("dags/tasks.sl.yml", DAG.format(kind=tasks, place="shell", filename=task))


def table(files, name, folder="d", **metadata):
    text = ", ".join(f"{key}: '{value}'" for key, value in metadata.items())
    return files.write(f"load/{folder}/{name}.sl.yml", TABLE.format(name=f"{folder}_{name}", metadata=text))


def refused(files):
    """Return the findings of `validate`, which generation refuses too."""
    found = [each for each in validate(files.root, environment={}) if each.is_error]
    with pytest.raises(StarlakeError) as caught:
        generate(files.read())
    for each in found:
        assert each.message in str(caught.value).replace("\n", ": ")
    return found


WRONG = [
    ("0 0 0 * * ?", "six|6 fields", "write '0 0 * * *'"),
    ("0 15 10 ? * MON-FRI", "6 fields", "write '15 10 * * MON-FRI'"),
    ("0 0 12 ? * 2 2030", "7 fields", "count days of the week from 0"),
    ("* * * * * *", "6 fields", "leave out the seconds"),
    ("0 24 * * *", "out of range", "minute, hour"),
    ("60 * * * *", "out of range", "minute, hour"),
    ("0 0 31 2 *", "never occurs", "correct its day"),
    ("0 0 31 4,6 *", "never occurs", "correct its day"),
    ("0 0 30 feb *", "never occurs", "correct its day"),
    ("@reboot", "not a word", "@daily"),
    ("@every 5m", "2 fields", "minute, hour"),
    ("", "empty", "minute, hour"),
    ("  ", "empty", "minute, hour"),
    ("0 5 * *", "4 fields", "minute, hour"),
    ("R R * * *", "random", "minute, hour"),
    ("H * * * *", "random", "minute, hour"),
    ("0 0 15W * *", "Dagster does not know W", "minute, hour"),
    ("*/0 * * * *", "", "minute, hour"),
    ("dayly", "no preset dayly", "did you mean daily?"),
]


@pytest.mark.parametrize(("schedule", "message", "hint"), WRONG)
def test_a_schedule_that_cannot_be_is_refused_with_table_file_and_line(project, schedule, message, hint):
    file = table(project, "t", schedule=schedule)
    table(project, "u", schedule="0 5 * * *")
    (found,) = refused(project)
    assert (found.file, found.line) == (file, 4)
    assert "d.t" in found.message
    assert any(part in found.message for part in message.split("|"))
    assert hint in found.hint


@pytest.mark.parametrize(
    "schedule", ["0 5 * * *", "*/15 * * * *", "@daily", "@Hourly", "daily", "None", "none", "0 0 L * *", "0 6 * * 1-5"]
)
def test_schedules_that_there_are(project, schedule):
    table(project, "t", schedule=schedule)
    assert validate(project.root, environment={}) == []
    assert [file.name for file in generate(project.read())] == ["d_load.py"]


def test_schedules_that_a_folder_or_a_task_gives(project):
    config = project.write("load/d/_config.sl.yml", "version: 1\nload:\n  metadata:\n    schedule: 0 24 * * *\n")
    table(project, "t")
    (found,) = refused(project)
    assert (found.file, found.line) == (config, 4)
    config.unlink()
    project.write("transform/k/x.sql", "SELECT 1 AS a")
    task = project.write("transform/k/x.sl.yml", "version: 1\ntask:\n  tags: [a]\n  schedule: 0 0 31 2 *\n")
    (found,) = refused(project)
    assert (found.file, found.line) == (task, 4)
    task.unlink()
    default = project.write("transform/k/_config.sl.yml", "version: 1\ntransform:\n  default: {schedule: '@reboot'}\n")
    (found,) = refused(project)
    assert (found.file, found.line) == (default, 3)
    tasks = "  tasks:\n  - {name: y, sql: SELECT 1 AS a}\n  - name: x\n    schedule: 0 0 0 * * ?\n"
    project.write("transform/k/_config.sl.yml", f"version: 1\ntransform:\n{tasks}")
    (found,) = refused(project)
    assert (found.file, found.line, "k.x" in found.message) == (default, 6, True)


@pytest.mark.parametrize("expression", ["0 24 * * *", "0 0 0 * * ?", "''", "nightly"])
def test_presets_are_checked_where_they_stand(project, expression):
    file = project.write("application.sl.yml", f"{APPLICATION}  schedulePresets:\n    nightly: {expression}\n")
    table(project, "t", schedule="nightly")
    (found,) = refused(project)
    assert (found.file, found.line) == (file, 5)
    assert "nightly" in found.message


COLLISIONS = [
    ([("d", "a-b"), ("d", "a_b")], "d.a-b and d.a_b|d.a_b and d.a-b", "d_a_b"),
    ([("a_b", "c"), ("a", "b_c")], "a.b_c and a_b.c|a_b.c and a.b_c", "a_b_c"),
    ([("d", "é"), ("d", "e")], "d.é and d.e|d.e and d.é", "d_e"),
    ([("a-b", "x"), ("a_b", "y")], "a-b and a_b|a_b and a-b", "a_b"),
]


@pytest.mark.parametrize(("tables", "names", "key"), COLLISIONS)
def test_tables_that_become_one_name_are_refused(project, tables, names, key):
    for folder, name in tables:
        table(project, name, folder)
    (found,) = refused(project)
    assert found.file is not None
    assert any(both in found.message for both in names.split("|"))
    assert f"both become {key} in the orchestrator;" in found.message
    assert str(project.root) in found.message


def test_a_table_and_a_task_of_another_file_may_become_one_name(project):
    table(project, "b_c", "a")
    project.write("transform/a_b/c.sql", "SELECT 1 AS x")
    (found,) = refused(project)
    assert "a_b.c and a.b_c" in found.message
    project.write("transform/a_b/c.sl.yml", "version: 1\ntask: {table: d}\n")
    (found,) = refused(project)  # the op of the task
    project.write("transform/a_b/c.sl.yml", "version: 1\ntask: {domain: a, table: b_c}\n")
    assert [each for each in validate(project.root, environment={}) if "both become" in each.message] == []


def test_jobs_of_one_name_are_refused(project):
    dag(project, "same.py", "Same.py")
    table(project, "t")
    project.write("transform/k/x.sql", "SELECT 1 AS a")
    (found,) = refused(project)
    assert "both make the job same" in found.message
    dag(project, "sub/load-it.py", "load_it.py")
    assert "both make the job load_it" in refused(project)[0].message


def test_a_job_named_as_the_asset_of_another_file_is_refused(project):
    table(project, "load", "sales")
    table(project, "t", "other")
    dag(project, "{{domain}}_load.py", "{{domain}}.py")
    assert [file.name for file in generate(project.read())] == ["other_load.py", "sales_load.py"]
    project.write("transform/other/load.sql", "SELECT 1 AS a")
    (found,) = refused(project)
    assert "the job other_load of other_load.py has the name of the asset of other.load" in found.message


def test_a_template_that_does_not_exist_is_found(project):
    file = project.write(
        "dags/loads.sl.yml", DAG.format(kind="load/dagster__scheduled_tabel", place="shell", filename="x.py")
    )
    table(project, "t")
    (found,) = refused(project)
    assert (found.file, found.line) == (file, 3)
    assert "did you mean load/dagster__scheduled_table__shell.py.j2?" in found.hint


def test_templates_for_another_orchestrator_are_none_of_our_business(project):
    project.write("dags/loads.sl.yml", DAG.format(kind="load/snowflake__scheduled_table", place="sql", filename="x.py"))
    table(project, "t")
    assert validate(project.root, environment={}) == []
