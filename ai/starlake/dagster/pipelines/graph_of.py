"""Read the steps of a job and their order, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dagster import DependencyDefinition, GraphDefinition, JobDefinition, MultiDependencyDefinition

from ai.starlake.dagster.run_options import Path, steps_of
from ai.starlake.orchestration.pipeline_runs import GraphStep, PipelineGraph


def graph_of(job: JobDefinition) -> PipelineGraph:
    """Return the steps of a job, with the groups that they are in, and their order.

    An edge between steps of different groups goes through the inputs and outputs of these; it is resolved to the steps.
    All is sorted by name: Dagster keeps ops in no settled order.
    """
    steps = [GraphStep(".".join(path), path[-1], path[:-1]) for path in sorted(path for path, _ in steps_of(job))]
    edges = {(".".join(before), ".".join(after)) for before, after in _edges(job.graph, ())}
    return PipelineGraph(job.name, steps, sorted(edges))


def _nodes(graph: GraphDefinition) -> Mapping[str, Any]:
    return {node.name: node.definition for node in graph.nodes}


def _edges(graph: GraphDefinition, path: Path) -> Iterator[tuple[Path, Path]]:
    nodes = _nodes(graph)
    for invocation, inputs in graph.dependencies.items():
        name = invocation.alias or invocation.name
        for input_name, dependency in inputs.items():
            for source in _sources(dependency):
                befores = list(_yielding(nodes[source.node], (*path, source.node), source.output))
                for after in _receiving(nodes[name], (*path, name), input_name):
                    yield from ((before, after) for before in befores)
    for name, definition in nodes.items():
        if isinstance(definition, GraphDefinition):
            yield from _edges(definition, (*path, name))


def _sources(dependency: Any) -> Iterator[DependencyDefinition]:
    if isinstance(dependency, MultiDependencyDefinition):
        yield from (one for one in dependency.dependencies if isinstance(one, DependencyDefinition))
    elif isinstance(dependency, DependencyDefinition):
        yield dependency


def _yielding(definition: Any, path: Path, output: str) -> Iterator[Path]:
    """The step that yields an output of an op or a graph."""
    if not isinstance(definition, GraphDefinition):
        yield path
        return
    nodes = _nodes(definition)
    for mapping in definition.output_mappings:
        if mapping.graph_output_name == output:
            inner = mapping.maps_from
            yield from _yielding(nodes[inner.node_name], (*path, inner.node_name), inner.output_name)


def _receiving(definition: Any, path: Path, input_name: str) -> Iterator[Path]:
    """The steps that receive an input of an op or a graph."""
    if not isinstance(definition, GraphDefinition):
        yield path
        return
    nodes = _nodes(definition)
    for mapping in definition.input_mappings:
        if mapping.graph_input_name == input_name:
            inner = mapping.maps_to
            yield from _receiving(nodes[inner.node_name], (*path, inner.node_name), inner.input_name)
