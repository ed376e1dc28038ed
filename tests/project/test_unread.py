"""Keys and files that nobody reads: errors with file, line and what was probably meant."""

import pytest

from ai.starlake.project import ProjectError, Severity, validate

BEGIN = "version: 1\n"


def everything(files, **given):
    project = files.read(**given)
    _ = project.domains, project.tasks, project.types, project.table_refs, project.dag_configs
    return project


KEYS = [
    ("load/shop/a.sl.yml", "table:\n  pattern: a\n  attributes:\n  - name: x\n    tipe: double\n", 6, "tipe", "type"),
    ("load/shop/a.sl.yml", "table:\n  pattern: a\n  presqls: [x]\n  attributes: [{name: x}]\n", 4, "presqls", "presql"),
    (
        "load/shop/a.sl.yml",
        "table:\n  pattern: a\n  metadata:\n    writeStrategy: {typ: OVERWRITE}\n  attributes: [{name: x}]\n",
        5,
        "typ",
        "type",
    ),
    (
        "load/shop/a.sl.yml",
        (
            "table:\n  pattern: a\n  attributes:\n  - name: x\n    type: struct\n    attributes:\n"
            "    - {name: y, requird: true}\n"
        ),
        8,
        "requird",
        "required",
    ),
    ("load/shop/a.sl.yml", "table:\n  pattern: a\n  attributes: [{name: x}]\nmetadat: {quote: x}\n", 5, "metadat", ""),
    ("load/shop/_config.sl.yml", "load:\n  metadata:\n    seperator: ','\n", 4, "seperator", "separator"),
    ("load/shop/_config.sl.yml", "load:\n  tables: []\n", 3, "tables", ""),
    ("load/shop/a.sl.yml", "table:\n  pattern: a\n  attributes: [{name: x}]\n  pattern: b\n", 5, "pattern", ""),
    ("env.sl.yml", "env:\n  a: b\n  a: c\n", 4, "a", ""),
    ("transform/mart/t.sl.yml", "task:\n  sql: SELECT 1 AS a\n  postSql: [SELECT 1]\n", 4, "postSql", "postsql"),
    (
        "transform/mart/_config.sl.yml",
        "transform:\n  default:\n    writeStrateg: {type: OVERWRITE}\n",
        4,
        "writeStrateg",
        "",
    ),
    (
        "transform/mart/_config.sl.yml",
        "transform:\n  tasks:\n  - {name: t, sql: SELECT 1 AS a, tag: [x]}\n",
        4,
        "tag",
        "tags",
    ),
    ("types/types.sl.yml", "types:\n- {name: x, pattern: y, primitiveTyp: long}\n", 3, "primitiveTyp", "primitiveType"),
    ("refs.sl.yml", "refs:\n- input: {tabel: a}\n  output: {table: b}\n", 3, "tabel", "table"),
    ("dags/d.sl.yml", "dag:\n  template: x\n  filename: x\n  option: {}\n", 5, "option", "options"),
    ("env.sl.yml", "env: {a: b}\nenvs: {c: d}\n", 3, "envs", "env"),
    ("application.sl.yml", "application: {loader: native}\nconnectionRef: x\n", 3, "connectionRef", ""),
]


@pytest.mark.parametrize(("name", "text", "line", "key", "meant"), KEYS)
def test_a_key_that_nobody_reads_is_an_error(shop, name, text, line, key, meant):
    file = shop.write("transform/mart/t.sql", "SELECT 1 AS a")
    file = shop.write(name, BEGIN + text)
    with pytest.raises(ProjectError) as caught:
        everything(shop)
    assert str(caught.value).startswith(f"{file}:{line}: {key} ")
    assert not meant or f"did you mean {meant}?" in str(caught.value)
    found = [each for each in validate(shop.root, environment={}) if each.message.startswith(f"{key} ")]
    assert [(each.file, each.line, each.severity) for each in found] == [(file, line, Severity.ERROR)]


@pytest.mark.parametrize(("name", "text", "line", "key", "meant"), KEYS)
def test_a_project_may_allow_it(shop, name, text, line, key, meant):
    shop.write("transform/mart/t.sql", "SELECT 1 AS a")
    file = shop.write(name, BEGIN + text)
    read = everything(shop, environment={"SL_UNKNOWN_KEYS": "warn"})
    assert [(each.file, each.line, each.is_error) for each in read.findings if each.message.startswith(f"{key} ")] == [
        (file, line, False)
    ]
    ignoring = everything(shop, environment={"SL_UNKNOWN_KEYS": "ignore"})
    assert [each for each in ignoring.findings if each.message.startswith(f"{key} ")] == []


def test_keys_that_starlake_knows_are_accepted(shop):
    shop.write(
        "load/shop/a.sl.yml",
        BEGIN + "table:\n  pattern: a\n  metadata: {fillWithDefaultValue: true, sink: {sharding: [x]}}\n"
        "  attributes: [{name: x, type: int}]\n",
    )
    shop.write("transform/mart/t.sl.yml", BEGIN + "task: {sql: SELECT 1 AS a, dataset_triggering_strategy: any}\n")
    shop.write(
        "application.sl.yml", BEGIN + "application: {onExceptionRetries: 2, pythonLibsDir: x, gizmosql: {url: x}}\n"
    )
    assert validate(shop.root, environment={}) == []


def test_keys_of_aliases_are_the_users(shop):
    text = "x-common: &common {separator: ','}\ntable:\n  pattern: a\n  metadata:\n    <<: *common\n"
    shop.write("load/shop/a.sl.yml", f"{BEGIN}{text}  attributes: [{{name: x, type: int}}]\n")
    assert validate(shop.root, environment={}) == []
    assert shop.read().table("shop", "a").metadata.separator == ","


def test_an_attribute_without_a_type_is_a_string_and_validate_says_so(shop):
    file = shop.write("load/shop/a.sl.yml", BEGIN + "table:\n  pattern: a\n  attributes:\n  - name: x\n")
    (found,) = validate(shop.root, environment={})
    assert (found.file, found.line, found.severity) == (file, 5, Severity.WARNING)
    assert "x has no type and is a string" in found.message
    assert shop.read().table("shop", "a").attributes[0].type == "string"


TYPE = BEGIN + "types:\n- {name: date_fr, pattern: dd/MM/yyyy, primitiveType: date}\n"


@pytest.mark.parametrize("name", ["mine.sl.yml", "types.sl.yml", "default.sl.yml", "more/of/them.sl.yml"])
def test_types_of_any_file_count(shop, name):
    shop.write(f"types/{name}", TYPE)
    shop.write("load/shop/a.sl.yml", BEGIN + "table:\n  pattern: a\n  attributes: [{name: x, type: date_fr}]\n")
    assert validate(shop.root, environment={}) == []
    assert shop.read().table("shop", "a").attributes[0].type == "date_fr"


def test_a_type_is_defined_once(shop):
    shop.write("types/default.sl.yml", TYPE)
    mine = shop.write("types/mine.sl.yml", TYPE.replace("dd/MM", "MM/dd"))
    assert shop.read().type("date_fr").pattern == "MM/dd/yyyy"
    other = shop.write("types/types.sl.yml", TYPE)
    with pytest.raises(ProjectError, match=f"{other}:3: the type date_fr is defined in {mine} too"):
        shop.read().type("date_fr")


@pytest.mark.parametrize(
    "name", ["macros/m.j2", "macros/m.sql", "macros/deep/m.jinja", "expectations/m.jinja2", "macros/m.sql.j2"]
)
def test_macros_of_any_template_count(shop, name):
    shop.write(name, "{% macro one() %}1{% endmacro %}")
    shop.write("transform/mart/t.sql", "SELECT {{ one() }} AS a")
    assert validate(shop.root, environment={}) == []
    assert shop.read().render("{{ one() }}", macros=True) == "1"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("types/mine.yml", ".sl.yml"),
        ("types/mine.yaml", ".sl.yml"),
        ("types/mine.sl.yaml", ".sl.yml"),
        ("macros/m.yml", ".j2"),
        ("expectations/e.sl.yml", ".j2"),
        ("load/shop/b.yml", ".sl.yml"),
        ("load/shop/b.sl.yaml", ".sl.yml"),
        ("load/b.sl.yml", "folder of its domain"),
        ("load/shop/deep/_config.sl.yml", "the domain's own folder"),
        ("load/shop/_config.yml", ".sl.yml"),
        ("transform/mart/b.yml", ".sl.yml"),
        ("transform/mart/b.sql.jinja", ".sql.j2"),
        ("transform/b.sql", "folder of its domain"),
        ("dags/d.yml", ".sl.yml"),
        ("dags/deep/d.sl.yml", "move it into"),
        ("write-strategies/upsert.j2", "duckdb"),
        ("write-strategies/duckdb/upsert.sql", ".j2"),
        ("application.yml", "application.sl.yml"),
        ("env.prod.yaml", "env.prod.sl.yml"),
        ("env.sl.yaml", "env.sl.yml"),
        ("transforms/mart/t.sql", "did you mean transform?"),
        ("type/types.sl.yml", "did you mean types?"),
    ],
)
def test_files_that_nobody_reads_are_found(shop, name, hint):
    file = shop.write(name, "")
    (found,) = validate(shop.root, environment={})
    assert found.is_error
    assert found.file == file or found.file in file.parents
    assert hint in found.hint
    (warning,) = validate(shop.root, environment={"SL_UNKNOWN_KEYS": "warn"})
    assert not warning.is_error


@pytest.mark.parametrize(
    "name",
    [
        "types/README.md",
        "macros/.hidden.yml",
        "load/shop/notes.txt",
        "transform/mart/_draft.sql",
        "dags/templates/load/own.py.j2",
        "write-strategies/bigquery/merge.j2",
        "external/a/b.sl.yml",
        "worksheets/a.sql",
        "extract/e.sl.yml",
        "env.prod.sl.yml",
        "iam-policy-tags.sl.yml",
    ],
)
def test_other_files_are_the_users(shop, name):
    shop.write(name, "")
    assert validate(shop.root, environment={}) == []


def test_the_sql_of_a_task_stands_in_one_place(shop):
    shop.write("transform/mart/t.sql", "SELECT 1 AS a")
    file = shop.write("transform/mart/t.sl.yml", BEGIN + "task:\n  sql: SELECT 2 AS a\n")
    (found,) = validate(shop.root, environment={})
    assert (found.file, found.line, found.severity) == (file, 3, Severity.WARNING)
    assert "t.sql takes precedence" in found.message
    file.unlink()
    shop.write("transform/mart/t.py", "")
    with pytest.raises(ProjectError, match=r"has t.sql and t.py; one is not read"):
        everything(shop)


def test_two_files_of_one_table_are_an_error(shop):
    shop.write("load/shop/deep/orders.sl.yml", BEGIN + "table: {pattern: b, attributes: [{name: x, type: int}]}")
    with pytest.raises(ProjectError, match=r"is a file of the table orders too"):
        everything(shop)
    assert [each.is_error for each in validate(shop.root, environment={})] == [True]
