"""Pictures of pipelines: what they show, and that nothing in them overlaps."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.orchestration.cli import run
from ai.starlake.orchestration.cli.layers import Bend, layers_of
from ai.starlake.orchestration.cli.mermaid import mermaid
from ai.starlake.orchestration.cli.svg import svg
from ai.starlake.orchestration.runs import Graph, Node

SVG = "{http://www.w3.org/2000/svg}"

GRAPH = Graph(
    "loads",
    [
        Node("start", "start"),
        Node("sales.check", "check", ("sales",)),
        Node("sales.load.orders", "orders", ("sales", "load")),
        Node('sales.load."x" & <y>', '"x" & <y>', ("sales", "load")),
        Node("end", "end"),
    ],
    [
        ("start", "sales.check"),
        ("sales.check", "sales.load.orders"),
        ("sales.check", 'sales.load."x" & <y>'),
        ("sales.load.orders", "end"),
        ('sales.load."x" & <y>', "end"),
    ],
)


def boxes(picture):
    """The steps of a picture by name: left, top, right, bottom."""
    found = {}
    for shape in ET.fromstring(picture).iter(f"{SVG}rect"):
        if shape.get("class") == "step":
            x, y, width, height = (float(shape.get(name)) for name in ("x", "y", "width", "height"))
            found[shape.find(f"{SVG}title").text] = (x, y, x + width, y + height)
    return found


def test_a_picture_shows_all_steps_and_groups():
    root = ET.fromstring(svg(GRAPH))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert sorted(texts) == sorted(["start", "end", "check", "orders", '"x" & <y>', "sales", "load"])
    assert len([shape for shape in root.iter(f"{SVG}rect") if shape.get("class") == "group"]) == 2
    assert set(boxes(svg(GRAPH))) == {node.name for node in GRAPH.nodes}


def test_what_comes_later_stands_further_to_the_right():
    found = boxes(svg(GRAPH))
    assert all(found[before][2] < found[after][0] for before, after in GRAPH.edges)


def test_edges_between_groups_are_drawn_once():
    assert svg(GRAPH).count('class="edge"') == 3
    assert mermaid(GRAPH).count("-->") == 3


def test_mermaid_text():
    assert mermaid(GRAPH) == (
        "---\ntitle: loads\n---\nflowchart LR\n"
        '  n1["start"]\n'
        '  subgraph n2["sales"]\n'
        '    n3["check"]\n'
        '    subgraph n4["load"]\n'
        '      n5["orders"]\n'
        '      n6["#quot;x#quot; & <y>"]\n'
        "    end\n"
        "    n3 --> n4\n"
        "  end\n"
        '  n7["end"]\n'
        "  n1 --> n2\n"
        "  n2 --> n7\n"
    )


def test_groups_that_come_after_each_other_in_parts_are_drawn_all_the_same():
    nodes = [Node(f"{group}.{name}", name, (group,)) for group in "ab" for name in "xy"]
    graph = Graph("twisted", nodes, [("a.x", "b.x"), ("b.x", "a.y")])
    assert len(boxes(svg(graph))) == 4


def test_an_empty_graph_is_a_picture():
    assert ET.fromstring(svg(Graph("empty", [], []))).tag == f"{SVG}svg"


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 14))
    pairs = [(first, second) for first in range(count) for second in range(first + 1, count)]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=30, unique=True)) if pairs else []
    groups = draw(st.lists(st.sampled_from([(), ("g",), ("g", "h")]), min_size=count, max_size=count))
    names = [".".join((*group, f"s{number}")) for number, group in enumerate(groups)]
    nodes = [Node(name, f"s{number}", groups[number]) for number, name in enumerate(names)]
    return Graph("any", nodes, [(names[first], names[second]) for first, second in chosen])


@given(graphs())
def test_no_two_steps_overlap_and_all_are_within_the_picture(graph):
    picture = svg(graph)
    found = boxes(picture)
    root = ET.fromstring(picture)
    width, height = float(root.get("width")), float(root.get("height"))
    assert len(found) == len(graph.nodes)
    for left, top, right, bottom in found.values():
        assert 0 <= left < right <= width + 1
        assert 0 <= top < bottom <= height + 1
    for one, other in itertools.combinations(found.values(), 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart


@given(graphs())
def test_edges_go_from_layer_to_layer(graph):
    names = [node.name for node in graph.nodes]
    layers = layers_of(names, graph.edges)
    where = {place: number for number, layer in enumerate(layers.order) for place in layer}
    assert set(layers.routes) == set(graph.edges)
    for (before, after), route in layers.routes.items():
        assert (route[0], route[-1]) == (before, after)
        assert [where[place] for place in route] == list(range(where[before], where[after] + 1))
        assert all(isinstance(place, Bend) for place in route[1:-1])
    assert sorted(place for place in where if isinstance(place, str)) == sorted(names)


def test_crossings_are_taken_out():
    layers = layers_of(["a", "b", "x", "y"], [("a", "y"), ("b", "x")])
    assert layers.order in ([["a", "b"], ["y", "x"]], [["b", "a"], ["x", "y"]])


def test_a_thousand_tables_are_drawn_at_once():
    nodes = [Node("start", "start"), *(Node(f"t{number}", f"t{number}") for number in range(1_000)), Node("end", "end")]
    edges = [edge for number in range(1_000) for edge in (("start", f"t{number}"), (f"t{number}", "end"))]
    assert len(boxes(svg(Graph("many", nodes, edges)))) == 1_002


@pytest.mark.parametrize("strategy", ["none", "pending", "imported", "ack"])
def test_the_command_writes_a_picture_and_a_text(dag_file, tmp_path, capsys, strategy):
    file = dag_file(schedules=[("daily", "@daily"), ("never", None)], pre_load_strategy=strategy)
    assert run(["graph", "-f", str(file), "--output", str(tmp_path / "images")]) == 0
    written = [tmp_path / "images" / f"my_dag_{name}" for name in ("daily.mmd", "daily.svg", "never.mmd", "never.svg")]
    assert capsys.readouterr().out.split() == [str(path) for path in written]
    picture = written[1].read_text()
    steps = {"start_daily", "end_daily", "starbake.load_starbake_Orders", "starbake.load_starbake_Customers"}
    assert steps <= set(boxes(picture))
    assert ("check_starbake_daily" in picture) == (strategy != "none")
    assert re.search(r'subgraph n\d+\["starbake"\]', written[0].read_text())


def test_pictures_of_the_same_pipeline_are_the_same(dag_file, tmp_path):
    pictures = set()
    for folder in "abc":
        file = dag_file("kpis", run_dependencies_first="true")
        assert run(["graph", "-f", str(file), "--output", str(tmp_path / folder), "--format", "svg"]) == 0
        assert not (tmp_path / folder / "kpis.mmd").exists()
        pictures.add((tmp_path / folder / "kpis.svg").read_text())
    assert len(pictures) == 1
