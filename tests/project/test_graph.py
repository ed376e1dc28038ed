"""Dependencies of tasks: references in SQL, trees, order, circles."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.project import Graph
from ai.starlake.project.lineage.sql_references import dialect_of, table_references


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT * FROM shop.rows r JOIN b ON r.id = b.id, c", ("shop.rows", "b", "c")),
        ("WITH a AS (SELECT * FROM shop.rows), b AS (SELECT * FROM a) SELECT * FROM b", ("shop.rows",)),
        ("WITH rows AS (SELECT * FROM rows) SELECT * FROM rows", ("rows",)),
        ("WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT * FROM t) SELECT * FROM t", ()),
        ("WITH a AS (SELECT 1) SELECT * FROM (SELECT * FROM a WHERE x IN (SELECT y FROM z.k))", ("z.k",)),
        ("SELECT (WITH a AS (SELECT 1) SELECT * FROM a), * FROM a", ("a",)),
        ("WITH a AS (SELECT 1) SELECT * FROM mart.a", ("mart.a",)),
        ('SELECT * FROM "Shop"."Rows"', ("Shop.Rows",)),
        ("SELECT * FROM db.shop.rows", ("db.shop.rows",)),
        ("SELECT * FROM a UNION ALL SELECT * FROM b EXCEPT SELECT * FROM a", ("a", "b")),
        ("SELECT * FROM read_csv('x.csv') JOIN t ON true, unnest([1]) u", ("t",)),
        ("INSERT INTO k.l SELECT * FROM m.n", ("m.n",)),
        ("CREATE TABLE k.l AS SELECT * FROM m.n", ("m.n",)),
        ("SELECT 'FROM x.y' -- FROM no.comment\nFROM m.n", ("m.n",)),
        ("SELECT a,, FROM q.w JOIN `p.x`.e -- not SQL", ("q.w", "p.x.e")),
        ("", ()),
    ],
)
def test_references(sql, names):
    assert table_references(sql) == names


@given(st.text(max_size=80))
def test_any_text_has_references_without_an_error(sql):
    assert all(isinstance(name, str) for name in table_references(sql))


def test_dialects():
    assert dialect_of("jdbc", "jdbc:duckdb:/x.db") == "duckdb"
    assert dialect_of("jdbc", "jdbc:postgresql://h/d") == "postgres"
    assert dialect_of("BQ", None) == "bigquery"
    assert dialect_of("something", None) == "duckdb"


@pytest.fixture
def bakery(files):
    """Two tasks over two loaded tables, as in the sample DAG file of Starlake's documentation."""
    for table in ("Customers", "Orders"):
        files.write(
            f"load/starbake/{table}.sl.yml",
            f"version: 1\ntable: {{name: {table}, pattern: {table}.*, attributes: [{{name: id}}]}}",
        )
    files.write(
        "transform/Customers/CustomerLifeTimeValue.sql",
        "SELECT * FROM starbake.Customers c JOIN starbake.Orders o ON c.id = o.id",
    )
    files.write("transform/Customers/HighValueCustomers.sql", "SELECT * FROM CustomerLifetimeValue WHERE total > 100")
    return files


def test_the_tree_of_the_documentation(bakery):
    project = bakery.read()
    tree = Graph(project).dependency_tree(project.task("Customers.HighValueCustomers"))
    common = {"cron": "None", "freshness": 0}

    def table(name):
        return {"data": {"name": name, "typ": "table", "parentTyp": "unknown", **common}, "task": False}

    assert json.loads(json.dumps(tree)) == {
        "data": {
            "name": "Customers.HighValueCustomers",
            "typ": "task",
            "parent": "Customers.CustomerLifeTimeValue",
            "parentTyp": "task",
            "parentRef": "CustomerLifetimeValue",
            "sink": "Customers.HighValueCustomers",
            **common,
        },
        "children": [
            {
                "data": {
                    "name": "Customers.CustomerLifeTimeValue",
                    "typ": "task",
                    "parent": "starbake.Customers",
                    "parentTyp": "table",
                    "parentRef": "starbake.Customers",
                    "sink": "Customers.CustomerLifeTimeValue",
                    **common,
                },
                "children": [table("starbake.Customers"), table("starbake.Orders")],
                "task": True,
            }
        ],
        "task": True,
    }


def test_what_a_task_says_of_itself_is_in_its_node(bakery):
    bakery.write(
        "transform/Customers/HighValueCustomers.sl.yml",
        """
        version: 1
        task:
          schedule: daily
          freshness: {warn: 2 hours, error: 1 day}
          writeStrategy: {type: UPSERT_BY_KEY, key: [id]}
          assetTriggeringStrategy: all
          table: best
        """,
    )
    project = bakery.read()
    data = Graph(project).dependency_tree(project.task("Customers.HighValueCustomers"))["data"]
    assert data["cron"] == "0 0 * * *"
    assert data["freshness"] == 86400
    assert data["writeStrategy"] == {"type": "UPSERT_BY_KEY", "key": ["id"]}
    assert data["dataset_triggering_strategy"] == "all"
    assert data["sink"] == "Customers.best"


def test_a_name_that_the_project_does_not_make(files):
    files.write("transform/mart/t.sql", "SELECT * FROM other.place")
    project = files.read()
    node = Graph(project).dependency_tree(project.task("mart.t"))
    assert (node["data"]["parentTyp"], node["data"]["parentRef"]) == ("unknown", "other.place")
    assert "parent" not in node["data"]
    assert "children" not in node


def test_reading_its_own_table_is_no_dependency(files):
    files.write("transform/mart/t.sql", "SELECT * FROM mart.t UNION ALL SELECT * FROM t")
    project = files.read()
    assert Graph(project).references(project.task("mart.t")) == ()


def test_a_task_is_found_by_the_table_that_it_writes(files):
    files.write("transform/mart/a.sql", "SELECT 1 AS x")
    files.write("transform/mart/a.sl.yml", "version: 1\ntask: {table: alpha}")
    files.write("transform/mart/b.sql", "SELECT * FROM mart.alpha")
    project = files.read()
    assert [task.name for task in Graph(project).parents(project.task("mart.b"))] == ["a"]


def test_a_short_name_that_fits_several(files):
    for domain in ("one", "two"):
        files.write(f"transform/{domain}/same.sql", "SELECT 1 AS x")
    files.write("transform/three/t.sql", "SELECT * FROM same")
    files.write("transform/one/t.sql", "SELECT * FROM same")
    project = files.read()
    graph = Graph(project)
    with pytest.raises(StarlakeError, match=r"may be any of one\.same, two\.same"):
        graph.references(project.task("three.t"))
    assert [each.full_name for each in graph.parents(project.task("one.t"))] == ["one.same"]


def test_sql_that_is_not_parsed_has_no_dependencies(files):
    files.write("transform/mart/a.sql", "SELECT 1 AS x")
    files.write("transform/mart/t.sql", "SELECT * FROM mart.a")
    files.write("transform/mart/t.sl.yml", "version: 1\ntask: {parseSQL: false}")
    project = files.read()
    assert Graph(project).references(project.task("mart.t")) == ()


def test_variables_and_macros_are_rendered_first(files):
    files.write("macros/m.j2", "{% macro source(t) %}mart.{{ t }}{% endmacro %}")
    files.write("env.sl.yml", "version: 1\nenv: {which: a}")
    files.write("transform/mart/a.sql", "SELECT 1 AS x")
    files.write("transform/mart/t.sql", "SELECT * FROM {{ source(which) }}")
    project = files.read()
    assert [task.full_name for task in Graph(project).order([project.task("mart.t")])] == ["mart.a", "mart.t"]


def test_a_circle_is_named(files):
    for name, other in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")):
        files.write(f"transform/mart/{name}.sql", f"SELECT * FROM mart.{other}")
    project = files.read()
    with pytest.raises(StarlakeError, match=r"mart\.a -> mart\.b -> mart\.c -> mart\.a depend on each other"):
        Graph(project).dependency_tree(project.task("mart.d"))


def test_many_ways_through_the_graph_cost_no_more_than_its_tasks(files):
    layers, width = 30, 3
    for layer in range(layers):
        sources = [f"mart.t{layer - 1}_{n}" for n in range(width)] if layer else ["shop.rows"]
        for n in range(width):
            files.write(f"transform/mart/t{layer}_{n}.sql", f"SELECT * FROM {', '.join(sources)}")
    project = files.read()
    graph = Graph(project)
    started = time.process_time()
    tree = graph.dependency_tree(project.task(f"mart.t{layers - 1}_0"))
    assert time.process_time() - started < 20  # there are 3**29 ways
    first, second = tree["children"][:2]
    assert first["children"][0] is second["children"][0]


def test_a_chain_longer_than_pythons_stack(files):
    files.write(
        "transform/mart/_config.sl.yml",
        "version: 1\ntransform:\n  tasks:\n"
        + "".join(f"    - {{name: t{n}, sql: 'SELECT * FROM mart.t{n - 1}'}}\n" for n in range(1, 1500))
        + "    - {name: t0, sql: 'SELECT 1 AS x'}\n",
    )
    project = files.read()
    assert [task.name for task in Graph(project).order()] == [f"t{n}" for n in range(1500)]


@given(edges=st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda edge: edge[0] > edge[1])))
def test_each_task_comes_after_what_it_depends_on(tmp_path_factory, edges):
    root = tmp_path_factory.mktemp("graph")
    folder = root / "metadata" / "transform" / "mart"
    folder.mkdir(parents=True)
    for task in range(7):
        sources = [f"mart.t{other}" for each, other in edges if each == task]
        (folder / f"t{task}.sql").write_text(f"SELECT 1 AS x FROM {', '.join(sources or ['shop.rows'])}")
    from ai.starlake.project import Project

    names = [int(task.name[1:]) for task in Graph(Project.read(root, environment={})).order()]
    assert sorted(names) == list(range(7))
    assert all(names.index(after) > names.index(before) for after, before in edges)
