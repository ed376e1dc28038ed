"""Dependencies of transforms, read from the output of `dag-generate`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration import StarlakeDependencies, StarlakeDependency, StarlakeDependencyType


def place(name: str, *children: dict[str, Any], typ: str = "task", **data: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"data": {"name": name, "typ": typ, **data}, "task": typ == "task"}
    return {**found, "children": list(children)} if children else found


def table(name: str, **data: Any) -> dict[str, Any]:
    return place(name, typ="table", **data)


def order(dependencies: StarlakeDependencies, **kwargs: Any) -> dict[str, list[str]]:
    return {node.id: [parent.id for parent in node.parents] for node in dependencies.graphs(**kwargs)}


KPI = [
    place("kpi.margin", place("kpi.orders", table("sales.orders"), table("sales.items")), table("sales.costs")),
    place("kpi.orders", table("sales.orders"), table("sales.items")),
]


def test_each_name_is_one_dependency_however_often_it_stands_there() -> None:
    found = StarlakeDependencies(json.dumps(KPI))
    margin, orders = found
    assert margin.dependencies[0] is orders
    assert found.get_dependency("sales.items") is orders.dependencies[1]
    assert found.get_dependency("sales.nothing") is None
    assert [one.name for one in found] == ["kpi.margin", "kpi.orders"]
    assert (len(found), found[1].name) == (2, "kpi.orders")
    assert list(found.first_level_tasks) == ["kpi.margin", "kpi.orders"]
    assert list(found.all_dependencies) == ["kpi.orders", "sales.costs", "sales.orders", "sales.items"]


def test_a_node_may_stand_without_its_children_where_they_stand_elsewhere() -> None:
    short = [place("kpi.margin", place("kpi.orders"), table("sales.costs")), KPI[1]]
    assert order(StarlakeDependencies(json.dumps(short)), run_dependencies_first=True) == order(
        StarlakeDependencies(json.dumps(KPI)), run_dependencies_first=True
    )


def test_the_tasks_of_the_file_alone_are_run() -> None:
    assert order(StarlakeDependencies(json.dumps(KPI))) == {"kpi.margin": ["kpi.orders"]}


def test_all_that_they_depend_on_is_run_first() -> None:
    assert order(StarlakeDependencies(json.dumps(KPI)), run_dependencies_first=True) == {
        "kpi.margin": ["kpi.orders", "sales.costs"],
        "kpi.orders": ["sales.orders", "sales.items"],
    }


def test_a_task_without_anything_before_or_after_it_has_a_tree_too() -> None:
    assert order(StarlakeDependencies(json.dumps([place("kpi.one"), place("kpi.two", table("sales.orders"))]))) == {
        "kpi.one": [],
        "kpi.two": [],
    }


def test_a_tree_knows_what_comes_after_it() -> None:
    [margin] = StarlakeDependencies(json.dumps(KPI)).graphs()
    [orders] = margin.parents
    assert orders.children == [margin]
    assert orders.node.name == "kpi.orders"


def test_the_order_does_not_depend_on_the_process() -> None:
    """O11: the peer's trees are a set, whose order differs from process to process."""
    names = [f"kpi.task{number}" for number in range(40)]
    found = StarlakeDependencies(json.dumps([place(name, table("sales.orders")) for name in names]))
    assert [node.id for node in found.graphs(run_dependencies_first=True)] == names


def test_reading_costs_as_much_as_the_text_is_long() -> None:
    """The peer walks every way through the graph: 21 tasks in 7 layers took it more than 150 seconds."""
    layers = [[f"layer{depth}.task{number}" for number in range(20)] for depth in range(20)]
    text = json.dumps(
        [
            place(name, *(place(below) for below in layers[depth - 1] if depth))
            for depth, layer in enumerate(layers)
            for name in layer
        ]
    )
    found = StarlakeDependencies(text).graphs(run_dependencies_first=True)
    assert sum(len(node.parents) for node in found) == 19 * 20 * 20


def test_what_the_tasks_depend_on_and_do_not_make_is_upstream() -> None:
    found = StarlakeDependencies(json.dumps(KPI))
    assert [one.sink for one in found.upstream()] == ["sales.costs", "sales.orders", "sales.items"]
    assert [one.sink for one in found.upstream({"sales.costs"})] == ["sales.orders", "sales.items"]
    filtered = StarlakeDependencies(json.dumps(KPI), filtered_datasets={"sales_orders"})
    assert [one.sink for one in filtered.upstream()] == ["sales.costs", "sales.items"]


def test_what_a_caller_passes_is_not_changed() -> None:
    """D03: the peer adds to the set of the caller."""
    given = {"sales_orders"}
    StarlakeDependencies(json.dumps(KPI), filtered_datasets=given)
    assert given == {"sales_orders"}


@pytest.mark.parametrize(("sink", "expected"), [("mart.margins", "mart.margins"), ("None", "kpi.x"), (None, "kpi.x")])
def test_the_sink_is_the_table_that_is_made(sink: str | None, expected: str) -> None:
    """Starlake up to 1.5.15 writes the text None where there is no sink of its own."""
    [found] = StarlakeDependencies(json.dumps([place("kpi.x", sink=sink)]))
    assert (found.sink, found.uri) == (expected, expected.replace(".", "_"))
    assert f"{found.domain}.{found.table}" == expected


def test_schedules_and_freshness_are_read() -> None:
    [found] = StarlakeDependencies(
        json.dumps([place("kpi.x", table("a.b", cron="0 5 * * *", freshness=60), table("a.c", cron="None"))])
    )
    assert [(one.cron, one.freshness) for one in found.dependencies] == [("0 5 * * *", 60), (None, 0)]
    assert found.dependencies[0].dependency_type is StarlakeDependencyType.TABLE


def test_files_of_today_name_tables_and_tasks_with_what_they_read() -> None:
    found = StarlakeDependencies.of(
        {"kpi.b": {"reads": ["kpi.a"], "sink": "mart.b"}, "kpi.a": {"reads": ["sales.orders", "crm.x"]}},
        tables={"sales.orders": {"cron": "0 5 * * *", "freshness": 60}},
        other_tasks={"crm.x": {}},
    )
    assert list(found.first_level_tasks) == ["kpi.b", "kpi.a"]
    assert [one.name for one in found[1].dependencies] == ["sales.orders", "crm.x"]
    kinds = {one.name: str(one.dependency_type) for one in found.everything}
    assert kinds == {"kpi.b": "task", "kpi.a": "task", "sales.orders": "table", "crm.x": "task"}
    assert [(one.sink, one.cron, one.freshness) for one in found.upstream()] == [
        ("sales.orders", "0 5 * * *", 60),
        ("crm.x", None, 0),
    ]
    assert found[0].sink == "mart.b"


def test_reading_a_name_that_is_not_there_is_an_error_with_the_nearest_one() -> None:
    with pytest.raises(StarlakeError, match=r"kpi.a reads sales.ordres, which is neither") as caught:
        StarlakeDependencies.of({"kpi.a": {"reads": ["sales.ordres"]}}, tables={"sales.orders": {}})
    assert "write sales.orders" in str(caught.value)


def test_kinds_read_as_generated_files_write_them() -> None:
    assert f"{StarlakeDependencyType.TASK}/{StarlakeDependencyType.TABLE}" == "task/table"
    assert StarlakeDependency("a.b", "table").dependency_type is StarlakeDependencyType.TABLE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{", "not valid JSON"),
        ("{}", "not a JSON list"),
        ('[{"data": {}}]', "has no name"),
        ('["kpi.x"]', "has no name"),
        ('[{"data": {"name": "kpi.x", "cron": "daily at noon"}}]', "'daily at noon' is not a cron expression"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_says_so(text: str, message: str) -> None:
    with pytest.raises(StarlakeError, match=message):
        StarlakeDependencies(text)
