"""Variables that nobody defines: an error with file, line and the nearest name, wherever they are used."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.project import Graph, ProjectError, Severity, validate

ENV = "version: 1\nenv:\n  wanted: open\n"
BEGIN = "version: 1\napplication:\n"


@pytest.fixture
def project(shop):
    shop.write("env.sl.yml", ENV)
    return shop


def everything(files, **given):
    """Read all of a project, as its commands do."""
    project = files.read(**given)
    _ = project.domains, project.types, project.table_refs
    Graph(project).order()
    for task in project.tasks:
        for text in (*task.presql, *task.postsql):
            project.render(text, macros=True, file=task.sql_file or task.file)
        for item in task.expectations:
            project.render(f"{{{{ {item.expect} }}}}", macros=True, file=task.file)


PLACES = [
    ("load/shop/_config.sl.yml", "version: 1\nload:\n  metadata:\n    directory: '/in/{{ wantd }}'\n", 4),
    ("load/shop/_config.sl.yml", "version: 1\nload:\n  metadata:\n    directory: '/in/${wantd}'\n", 4),
    ("load/shop/a.sl.yml", "version: 1\ntable:\n  pattern: '{{wantd}}.*'\n  attributes: [{name: a}]\n", 3),
    (
        "load/shop/a.sl.yml",
        "version: 1\ntable:\n  pattern: a\n  attributes: [{name: a}]\n  presql:\n  - 'DELETE FROM {{wantd}}'",
        6,
    ),
    (
        "load/shop/a.sl.yml",
        "version: 1\ntable:\n  pattern: a\n  attributes: [{name: a}]\n  metadata: {options: {x: '{{ wantd }}'}}\n",
        5,
    ),
    ("types/types.sl.yml", "version: 1\ntypes:\n- name: x\n  pattern: '{{wantd}}'\n  primitiveType: string\n", 4),
    ("refs.sl.yml", "version: 1\nrefs:\n- input: {table: '{{wantd}}'}\n  output: {table: b}\n", 3),
    (
        "application.sl.yml",
        f"{BEGIN}  connections:\n    d: {{type: jdbc, options: {{password: '{{{{wantd}}}}'}}}}\n",
        4,
    ),
    ("application.sl.yml", f"{BEGIN}  area:\n    archive: /a/${{wantd}}\n", 4),
    ("env.sl.yml", f"{ENV}  other: a-{{{{wantd}}}}\n", 4),
    ("env.sl.yml", f"{ENV}  other: a-${{wantd}}\n", 4),
    ("env.sl.yml", f"{ENV}  other: a-{{{{ wantd | upper }}}}\n", 4),
    ("transform/mart/t.sl.yml", "version: 1\ntask:\n  sql: |\n    SELECT 1 AS a\n    WHERE '{{wantd}}' = ''\n", 5),
    ("transform/mart/t.sql", "SELECT 1 AS a\nWHERE '{{wantd}}' = ''\n", 2),
    ("transform/mart/t.sql", "SELECT 1 AS a\nWHERE '${wantd}' = ''\n", 2),
    ("transform/mart/t.sql", "-- a comment\n-- SL_PRESQL\nSELECT '{{ wantd }}';\n-- SL_SQL\nSELECT 1 AS a", 3),
    ("transform/mart/t.sql", "SELECT 1\n{% for each in wantd %}, {{ each }}{% endfor %}", 2),
    ("transform/mart/t.sql", "SELECT 1\n{% if wantd == 'open' %}, 2{% endif %}", 2),
    ("transform/mart/t.sql", "SELECT 1, {{ wantd.inner }}", 1),
    ("transform/mart/t.sql", "SELECT 1, {{ wantd | length }}", 1),
    ("transform/mart/t.sql", "SELECT 1, '{{ [wantd] }}'", 1),
    ("transform/mart/t.sql", "SELECT 1, '{{ wantd + 1 }}'", 1),
    ("transform/mart/t.sql", "SELECT 1, '{{ wantd(1) }}'", 1),
    ("transform/mart/t.sql", "SELECT '--', '{{ wantd }}'", 1),
]


@pytest.mark.parametrize(("name", "text", "line"), PLACES)
def test_reading_stops_with_file_line_and_the_nearest_name(project, name, text, line):
    file = project.write(name, text)
    with pytest.raises(ProjectError) as caught:
        everything(project)
    assert str(caught.value).startswith(f"{file}:{line}: the variable wantd is not defined")
    assert "did you mean wanted?" in str(caught.value)


@pytest.mark.parametrize(("name", "text", "line"), PLACES)
def test_validate_finds_it(project, name, text, line):
    file = project.write(name, text)
    found = [each for each in validate(project.root, environment={}) if "wantd is not" in each.message]
    assert [(each.file, each.line, each.severity) for each in found] == [(file, line, Severity.ERROR)]


@pytest.mark.parametrize(("name", "text", "line"), PLACES)
def test_a_project_may_allow_it(project, name, text, line):
    if any(part in text for part in ("wantd(1)", "wantd + 1")):
        return  # Jinja itself cannot render that
    project.write(name, text)
    everything(project, environment={"SL_UNDEFINED_VARIABLES": "empty"})
    project.read(environment={"SL_UNDEFINED_VARIABLES": "empty"})
    warned = validate(project.root, environment={"SL_UNDEFINED_VARIABLES": "warn"})
    assert [each.severity for each in warned if "wantd is not" in each.message] == [Severity.WARNING]


def test_the_application_says_what_is_done(project):
    project.write("application.sl.yml", f"{BEGIN}  undefinedVariables: WARN\n  tenant: '{{{{wantd}}}}'\n")
    read = project.read()
    assert read.application.tenant == ""
    assert [(each.line, each.is_error) for each in read.findings] == [(4, False)]
    project.write("application.sl.yml", f"{BEGIN}  undefinedVariables: empty\n  tenant: '{{{{wantd}}}}'\n")
    assert project.read().findings == ()


@pytest.mark.parametrize(
    "text",
    [
        "{{ wantd | default('') }}",
        "{{ wantd | d('x') | upper }}",
        "{{ wantd.a.b | default('') }}",
        "{{ wantd is defined }}",
        "{{ wantd or '' }}",
        "{{ wantd if wantd else '' }}",
        "{% if wantd %}{{ wantd }}{% endif %}",
        "{% if not wantd %}x{% endif %}",
        "{% if wantd is defined and wantd == 'x' %}{{ wantd }}{% endif %}",
        "{% if wantd and wantd.x > 1 %}{{ wantd }}{% endif %}",
        "{% set wantd = 'x' %}{{ wantd }}",
        "{% raw %}{{ wantd }}{% endraw %}",
        "{# {{ wantd }} #}",
        "{{ '${wantd}' }}",
        "$wantd {wantd} $1 ${1}",
    ],
)
def test_what_asks_for_a_variable_stays_legal(project, text):
    file = project.write("transform/mart/t.sql", f"SELECT 1 AS a -- {text}\n")
    assert project.read().render(text, file=file) is not None
    file.write_text(f"SELECT 1 AS a\n/* x */ {text}")
    assert [each for each in validate(project.root, environment={}) if "wantd" in each.message] == []


def test_comments_do_no_harm(project):
    project.write("transform/mart/t.sql", "SELECT 1 AS a -- {{ wantd }}\n/* {{ more }}\n${other} */\n")
    project.write("load/shop/_config.sl.yml", "version: 1\n# directory: '{{ wantd }}'\nload: {name: shop} # {{ x }}\n")
    everything(project)
    assert validate(project.root, environment={}) == []


def test_a_branch_that_is_not_taken_is_validated(project):
    file = project.write("transform/mart/t.sql", "SELECT 1 AS a\n{% if wanted == 'x' %}, '{{ wantd }}' AS b{% endif %}")
    everything(project)
    (found,) = validate(project.root, environment={})
    assert (found.file, found.line, found.is_error) == (file, 2, True)


def test_what_another_profile_defines_is_no_mistake_in_its_branch(project):
    project.write("env.prod.sl.yml", "version: 1\nenv: {only_prod: x}\n")
    project.write("transform/mart/t.sql", "SELECT 1 AS a {% if SL_ENV %}, '{{ only_prod }}' AS b{% endif %}")
    assert validate(project.root, environment={}) == []
    assert validate(project.root, environment={"SL_ENV": "prod"}) == []


def test_a_comparison_with_what_only_some_runs_have_is_a_warning(project):
    project.write("transform/mart/t.sql", "SELECT 1 AS a\n{% if full_load == 'yes' %}, 2 AS b{% endif %}")
    everything(project)
    (found,) = validate(project.root, environment={})
    assert (found.line, found.severity) == (2, Severity.WARNING)
    assert validate(project.root, environment={}, options={"full_load": "yes"}) == []


def test_what_only_a_run_has_is_known(project):
    project.write("transform/mart/t.sql", "SELECT '{{ sl_data_interval_start }}' AS a, '{{ sl_date }}' AS b")
    everything(project)
    assert validate(project.root, environment={}) == []
    with pytest.raises(ProjectError, match="sl_data_interval_start is not defined"):
        project.read().render("{{ sl_data_interval_start }}")


def test_a_macro_names_its_own_file(project):
    file = project.write(
        "macros/m.j2", "{% macro one(a) %}{{ a }}{% endmacro %}\n{% macro two() %}\n{{ wantd }}\n{% endmacro %}"
    )
    project.write("transform/mart/t.sql", "SELECT 1 AS a\n, {{ two() }}")
    with pytest.raises(ProjectError, match=f"{file}:3: the variable wantd is not defined"):
        everything(project)
    (found,) = validate(project.root, environment={})
    assert (found.file, found.line) == (file, 3)
    project.write("macros/m.j2", "{% macro two(given) %}{{ given }}{% endmacro %}")
    with pytest.raises(ProjectError, match=r"m.j2:1: the variable given is not defined"):
        everything(project)


def test_expectations_are_validated(project):
    project.write("expectations/e.j2", "{% macro none_null(column) %}SELECT {{ column }}{% endmacro %}")
    project.write(
        "load/shop/a.sl.yml",
        "version: 1\ntable:\n  pattern: a\n  attributes: [{name: a, type: int}]\n  expectations:\n"
        "  - expect: none_null('a')\n  - expect: none_nul('a')\n  - expect: none_null(wantd)\n",
    )
    found = validate(project.root, environment={})
    assert [(each.line, each.is_error) for each in found] == [(7, True), (8, True)]
    assert "did you mean none_null?" in found[0].hint


def test_an_expectation_that_is_not_jinja_has_its_line(project):
    project.write(
        "load/shop/a.sl.yml",
        "version: 1\ntable:\n  pattern: a\n  attributes: [{name: a, type: int}]\n  expectations:\n"
        "  - expect: none_null('a'\n  - expect: none_null('a') => result(\n",
    )
    project.write("transform/mart/t.sql", "SELECT 1 AS a")
    project.write("transform/mart/t.sl.yml", "version: 1\ntask:\n  expectations:\n  - expect: none_null('a'\n")
    found = sorted(validate(project.root, environment={}))
    assert [(each.file.name, each.line, each.is_error) for each in found] == [
        ("a.sl.yml", 6, True),
        ("a.sl.yml", 7, True),
        ("t.sl.yml", 4, True),
    ]
    assert all("this is not valid Jinja" in each.message for each in found)


def test_a_file_that_is_not_jinja_is_told_once_with_its_line(project):
    file = project.write(
        "load/shop/a.sl.yml",
        "version: 1\ntable:\n  pattern: a\n  comment: '{% if %}'\n  attributes: [{name: a, type: int}]\n",
    )
    (found,) = validate(project.root, environment={})
    assert (found.file, found.line) == (file, 4)


def test_a_missing_profile_variable_says_where_it_is_declared(project):
    project.write("transform/mart/t.sql", "SELECT '{{ currency }}' AS a")
    with pytest.raises(ProjectError, match=r"define it in metadata/env.sl.yml, where --options and profiles override"):
        everything(project)
    everything(project, options={"currency": "EUR"})
    project.write("env.sl.yml", f"{ENV}  currency: \"{{{{ currency | default('EUR') }}}}\"\n")
    everything(project)
    assert project.read({"currency": "USD"}).environment["currency"] == "USD"


names = st.text(string.ascii_lowercase, min_size=6, max_size=12)
SHAPES = ("'{{%s}}'", "'{{ %s }}'", "'{{-%s-}}'", "'${%s}'", "'${ %s }'", "{{ %s ~ 'x' }}", "{{ 'a' ~ (%s | trim) }}")


@given(
    name=names, before=st.sampled_from(["", "-- x\n", "'it''s' = a AND\n", "/* ' */ "]), shape=st.sampled_from(SHAPES)
)
def test_no_use_of_an_unknown_variable_is_missed(tmp_path_factory, name, before, shape):
    root = tmp_path_factory.mktemp("p")
    (root / "metadata" / "transform" / "mart").mkdir(parents=True)
    file = root / "metadata" / "transform" / "mart" / "t.sql"
    file.write_text(f"SELECT 1 WHERE {before}{shape % f'zz_{name}'}")
    (found,) = (each for each in validate(root, environment={}) if "not defined" in each.message)
    assert (found.file, found.line) == (file, 1 + before.count("\n"))
    assert f"zz_{name}" in found.message


def test_a_failing_expression_names_the_variable(project):
    with pytest.raises(StarlakeError, match="the variable wantd is not defined"):
        project.read().render("{{ wantd | int + 1 }}{{ wantd.items() }}")
