"""Validation: all that is wrong, with file and line; nothing about what is well."""

import pickle

import pytest

from ai.starlake.project import ProjectError, Severity, validate


def found(files, environment=None):
    return [
        (finding.file.name if finding.file else None, finding.line, finding.severity, finding.message)
        for finding in validate(files.root, environment=environment or {})
    ]


def test_a_good_project_has_no_findings(shop):
    shop.write("transform/mart/t.sql", "SELECT * FROM shop.orders")
    assert validate(shop.root, environment={}) == []


def test_no_project_is_a_finding(tmp_path):
    (finding,) = validate(tmp_path, environment={})
    assert finding.is_error
    assert "is not a Starlake project" in finding.message


def test_everything_is_found_at_once(shop):
    shop.write(
        "load/shop/a.sl.yml",
        "version: 1\ntable:\n  name: a\n  pattern: 'a('\n  attributes:\n  - {name: x, type: nope}\n",
    )
    shop.write("load/shop/b.sl.yml", "version: 1\ntable: {name: [b\n")
    shop.write(
        "load/shop/c.sl.yml", "version: 1\ntable:\n  name: c\n  patern: c\n  attributes: [{name: x, type: int}]\n"
    )
    shop.write("transform/mart/t.sl.yml", "version: 1\ntask: {writeStrategy: {type: NOPE}}")
    shop.write("types/types.sl.yml", "version: 1\ntypes:\n- {name: x, pattern: y, primitiveTyp: long}\n")
    shop.write("dags/d.sl.yml", "version: 1\ndag: {template: x}")
    messages = found(shop)
    assert [(name, line, severity) for name, line, severity, _ in messages] == [
        ("d.sl.yml", 2, Severity.ERROR),
        ("a.sl.yml", 4, Severity.ERROR),
        ("a.sl.yml", 6, Severity.ERROR),
        ("b.sl.yml", 3, Severity.ERROR),
        ("c.sl.yml", 2, Severity.ERROR),
        ("c.sl.yml", 4, Severity.ERROR),
        ("t.sl.yml", 2, Severity.ERROR),
        ("t.sl.yml", 2, Severity.ERROR),
        ("types.sl.yml", 3, Severity.ERROR),
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("load/shop/_config.sl.yml", "version: 1\nload: {metadata: {seperator: x}}", "seperator is not a known key"),
        (
            "transform/mart/t.sl.yml",
            "version: 1\ntask: {sql: SELECT 1, sink: {partitions: [a]}}",
            "partitions is not a known",
        ),
        (
            "load/shop/z.sl.yml",
            "version: 1\ntable: {name: z, pattern: z, attributes: {a: int}}",
            "attributes must be a list",
        ),
        (
            "load/shop/z.sl.yml",
            "version: 1\ntable: {name: z, pattern: z, attributes: [a]}",
            "attributes.0 must be a mapping of keys to values",
        ),
        (
            "load/shop/z.sl.yml",
            "version: 1\ntable: {name: orders, pattern: z, attributes: [{name: a, type: int}]}",
            "same name as",
        ),
        (
            "load/shop/z.sl.yml",
            "version: 1\ntable: {name: z, pattern: 'orders-.*\\.csv', attributes: [{name: a, type: int}]}",
            "same pattern",
        ),
        ("transform/mart/t.sl.yml", "version: 1\ntask: {sql: SELECT 1, dagRef: nope}", "no DAG configuration nope"),
        ("transform/mart/t.sl.yml", "version: 1\ntask: {sql: SELECT 1, schedule: dayly}", "no preset dayly"),
        (
            "transform/mart/t.sl.yml",
            "version: 1\ntask: {sql: SELECT 1, connectionRef: duck}",
            "connection duck does not exist",
        ),
        ("transform/mart/t.sql", "SELECT {{ nobody() }}", "the variable nobody is not defined"),
        ("transform/mart/t.sql", "SELECT {% if %}", "not valid Jinja"),
        ("macros/m.j2", "{% macro x( %}", "not valid Jinja"),
        (
            "load/shop/z.sl.yml",
            "version: 1\nversion: 1\ntable: {name: z, pattern: z, attributes: [{name: a, type: int}]}",
            "given twice",
        ),
        (
            "load/shop/z.sl.yml",
            "table: {name: z, pattern: z, metadata: {write: OVERWRITE}, attributes: [{name: a, type: int}]}",
            "is read as",
        ),
    ],
)
def test_one_finding(shop, name, text, expected):
    shop.write(name, text)
    messages = found(shop)
    assert len(messages) == 1
    assert expected in messages[0][3]
    assert messages[0][0] in (None, name.rpartition("/")[2])


@pytest.mark.parametrize("name", ["load/shop/z.sl.yml", "load/shop/_config.sl.yml", "transform/mart/t.sql"])
def test_a_file_that_is_not_utf_8_is_one_finding(shop, name):
    file = shop.write(name, "")
    file.write_bytes("version: 1 # ä".encode("latin-1"))
    messages = found(shop)
    assert [(where, severity) for where, _, severity, _ in messages] == [(file.name, Severity.ERROR)]
    assert "is not UTF-8" in messages[0][3]


def test_a_misspelled_macro_of_an_expectation_is_found_in_its_line(shop):
    shop.write("expectations/uniqueness.j2", "{% macro unique(c) %}SELECT 0{% endmacro %}")
    shop.write(
        "load/shop/z.sl.yml",
        """\
        version: 1
        table:
          name: z
          pattern: z
          attributes: [{name: a, type: int}]
          expectations:
            - expect: "uniqueness.uniqe('a')"
        """,
    )
    ((name, line, _, message),) = found(shop)
    assert (name, line) == ("z.sl.yml", 7)
    assert message == "the variable uniqe is not defined"


def test_a_circle_of_tasks_is_a_finding(files):
    files.write("transform/mart/a.sql", "SELECT * FROM mart.b")
    files.write("transform/mart/b.sql", "SELECT * FROM mart.a")
    ((_, _, severity, message),) = found(files)
    assert severity is Severity.ERROR
    assert "mart.a -> mart.b -> mart.a" in message


def test_a_profile_without_a_file_beside_others_is_a_warning(shop):
    def told(profile):
        return [str(each) for each in validate(shop.root, environment={"SL_ENV": profile})]

    assert told("PRD") == []  # a project without such files may use the name alone
    shop.write("env.PROD.sl.yml", "version: 1\nenv: {a: b}")
    assert told("PROD") == told("") == []
    (message,) = told("PRD")
    assert "env.PRD.sl.yml: warning: SL_ENV is PRD, and this file does not exist" in message
    assert "did you mean PROD?" in message


def test_a_finding_reads_as_one_line(shop):
    shop.write("load/shop/_config.sl.yml", "version: 1\nload: {metadata: {seperator: x}}")
    (finding,) = validate(shop.root, environment={})
    place = shop.root / "metadata/load/shop/_config.sl.yml"
    assert str(finding) == f"{place}:2: error: seperator is not a known key (did you mean separator?)"


def test_an_error_with_its_findings_crosses_processes(shop):
    shop.write("load/shop/b.sl.yml", "version: 1\ntable: {name: [b\n")
    with pytest.raises(ProjectError) as caught:
        shop.read().domain("shop")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.findings) == (str(caught.value), caught.value.findings)


@pytest.mark.parametrize("schedule", ["daily", "nightly", "0 1 * * *", "@hourly", "None"])
def test_schedules_that_there_are(files, schedule):
    files.write("application.sl.yml", "version: 1\napplication: {schedulePresets: {nightly: 0 3 * * *}}")
    files.write("transform/mart/t.sl.yml", f"version: 1\ntask: {{sql: SELECT 1, schedule: '{schedule}'}}")
    assert found(files) == []
