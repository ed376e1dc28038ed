"""The load job of generated DAG files as a function of the number of tables."""

from __future__ import annotations

from dagster import (
    DependencyDefinition,
    GraphDefinition,
    In,
    InputMapping,
    JobDefinition,
    OpDefinition,
    OutputMapping,
    graph,
)

from benchmarks.factories import Factory
from benchmarks.project import domains


def load_ops(factory: Factory, tables: int) -> dict[str, list[OpDefinition]]:
    """Return the ops that load: one for each table."""
    ins = {"domain": In(str)}
    return {domain: [factory.load(domain, table, ins) for table in names] for domain, names in domains(tables).items()}


def load_job(factory: Factory, ops: dict[str, list[OpDefinition]]) -> JobDefinition:
    """Start -> for each domain a graph of (a graph of its loads side by side, then an op that ends it) -> end."""
    start = factory.dummy("start", {})
    nodes = [_domain_graph(factory, domain, loads) for domain, loads in ops.items()]
    end = factory.dummy("end", {f"{node.name}_result": In(str) for node in nodes})
    dependencies = {node.name: {"domain": DependencyDefinition(start.name, "result")} for node in nodes}
    dependencies[end.name] = {f"{node.name}_result": DependencyDefinition(node.name, "result") for node in nodes}
    schedule = GraphDefinition(name="schedule", node_defs=[start, *nodes, end], dependencies=dependencies)
    return JobDefinition(name="load", graph_def=schedule)


def _domain_graph(factory: Factory, domain: str, loads: list[OpDefinition]) -> GraphDefinition:
    ended = factory.dummy(f"{domain}_load_ended", {load.name: In(str) for load in loads}, "domain_loaded")
    load_domain = GraphDefinition(
        name=f"{domain}_load",
        node_defs=[*loads, ended],
        dependencies={ended.name: {load.name: DependencyDefinition(load.name, "result") for load in loads}},
        input_mappings=[
            InputMapping(graph_input_name="domain", mapped_node_name=load.name, mapped_node_input_name="domain")
            for load in loads
        ],
        output_mappings=[
            OutputMapping(
                graph_output_name="domain_loaded",
                mapped_node_name=ended.name,
                mapped_node_output_name="domain_loaded",
            )
        ],
    )

    @graph(name=domain)
    def domain_graph(domain):
        return load_domain(domain)

    return domain_graph
