"""Flowcharts of pipelines."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.orchestration.cli import run
from ai.starlake.orchestration.cli.mermaid import mermaid
from ai.starlake.orchestration.pipeline_runs import GraphStep, PipelineGraph

GRAPH = PipelineGraph(
    "loads",
    [
        GraphStep("start", "start"),
        GraphStep("sales.check", "check", ("sales",)),
        GraphStep("sales.load.orders", "orders", ("sales", "load")),
        GraphStep('sales.load."x" & <y>', '"x" & <y>', ("sales", "load")),
        GraphStep("end", "end"),
    ],
    [
        ("start", "sales.check"),
        ("sales.check", "sales.load.orders"),
        ("sales.check", 'sales.load."x" & <y>'),
        ("sales.load.orders", "end"),
        ('sales.load."x" & <y>', "end"),
    ],
)


def labels(flowchart, kind):
    """Return the labels of the steps, or of the groups (``subgraph``), of a flowchart."""
    return re.findall(rf'^ *{kind}n\d+\["(.*)"\]$', flowchart, re.MULTILINE)


def test_a_flowchart_shows_all_steps_and_groups():
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


def test_edges_between_groups_are_drawn_once():
    assert mermaid(GRAPH).count("-->") == 3


def test_groups_that_come_after_each_other_in_parts_are_drawn_all_the_same():
    steps = [GraphStep(f"{group}.{name}", name, (group,)) for group in "ab" for name in "xy"]
    graph = PipelineGraph("twisted", steps, [("a.x", "b.x"), ("b.x", "a.y")])
    assert labels(mermaid(graph), "") == ["x", "y", "x", "y"]
    assert {"n1 --> n4", "n4 --> n1"} <= {line.strip() for line in mermaid(graph).splitlines()}


def test_an_empty_graph_is_a_flowchart():
    assert mermaid(PipelineGraph("empty", [], [])) == "---\ntitle: empty\n---\nflowchart LR\n"


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 14))
    pairs = [(first, second) for first in range(count) for second in range(first + 1, count)]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=30, unique=True)) if pairs else []
    groups = draw(st.lists(st.sampled_from([(), ("g",), ("g", "h")]), min_size=count, max_size=count))
    names = [".".join((*group, f"s{number}")) for number, group in enumerate(groups)]
    steps = [GraphStep(name, f"s{number}", groups[number]) for number, name in enumerate(names)]
    return PipelineGraph("any", steps, [(names[first], names[second]) for first, second in chosen])


@given(graphs())
def test_each_step_stands_once_and_each_edge_leads_from_what_is_drawn_to_what_is_drawn(graph):
    flowchart = mermaid(graph)
    assert sorted(labels(flowchart, "")) == sorted(step.label for step in graph.steps)
    assert set(labels(flowchart, "subgraph ")) == {group for step in graph.steps for group in step.groups}
    drawn = set(re.findall(r"(n\d+)\[", flowchart))
    edges = re.findall(r"(n\d+) --> (n\d+)", flowchart)
    assert {end for edge in edges for end in edge} <= drawn
    assert bool(edges) == bool(graph.edges)
    assert all(before != after for before, after in edges)


@pytest.mark.parametrize("strategy", ["none", "pending", "imported", "ack"])
def test_the_command_writes_flowcharts(dag_file, tmp_path, capsys, strategy):
    file = dag_file(schedules=[("daily", "@daily"), ("never", None)], pre_load_strategy=strategy)
    assert run(["graph", "-f", str(file), "--output", str(tmp_path / "images")]) == 0
    written = [tmp_path / "images" / f"my_dag_{name}" for name in ("daily.mmd", "never.mmd")]
    assert capsys.readouterr().out.split() == [str(path) for path in written]
    assert sorted((tmp_path / "images").iterdir()) == written
    flowchart = written[0].read_text()
    assert {"start_daily", "end_daily", "load_starbake_Orders", "load_starbake_Customers"} <= set(labels(flowchart, ""))
    assert "starbake" in labels(flowchart, "subgraph ")
    assert ("check_starbake_daily" in flowchart) == (strategy != "none")


def test_flowcharts_of_the_same_pipeline_are_the_same(dag_file, tmp_path):
    flowcharts = set()
    for folder in "abc":
        file = dag_file("kpis", run_dependencies_first="true")
        assert run(["graph", "-f", str(file), "--output", str(tmp_path / folder)]) == 0
        flowcharts.add((tmp_path / folder / "kpis.mmd").read_text())
    assert len(flowcharts) == 1
