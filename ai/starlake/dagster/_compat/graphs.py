"""Definitions of ops, graphs and jobs, and their connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dagster._core.definitions.composition import MappedInputPlaceholder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster import GraphDefinition, InputMapping, JobDefinition, NodeInvocation, OpDefinition, Out, OutputMapping
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    AssetJob = UnresolvedAssetJobDefinition
    """Type of the results of `define_asset_job`: a job whose assets are resolved in its code location."""

MAPPED_INPUT = MappedInputPlaceholder
"""Placeholder for an input of a graph among the sources of an input with several; see `InputMapping.fan_in_index`."""


def whole_job(job: JobDefinition) -> JobDefinition:
    """Return the job that a selection of ops was made from, or the job itself."""
    selection = job.op_selection_data
    return whole_job(selection.parent_job_def) if selection else job


def graph_of_job(job: JobDefinition) -> GraphDefinition:
    """Return the graph that a job runs."""
    return job.graph


def nodes_of(graph: GraphDefinition) -> Iterator[tuple[str, Any]]:
    """Yield the name and the definition of each op and graph in a graph."""
    for node in graph.nodes:
        yield node.name, node.definition


def dependencies_of(graph: GraphDefinition) -> Mapping[NodeInvocation, Mapping[str, Any]]:
    """Return the dependencies of the inputs of the ops and graphs in a graph."""
    dependencies: Mapping[Any, Mapping[str, Any]] = graph.dependencies
    return dependencies


def inner_output(mapping: OutputMapping) -> tuple[str, str]:
    """Return the node in a graph, and its output, that an output of the graph is mapped from."""
    return mapping.maps_from.node_name, mapping.maps_from.output_name


def inner_input(mapping: InputMapping) -> tuple[str, str]:
    """Return the node in a graph, and its input, that an input of the graph is mapped to."""
    return mapping.maps_to.node_name, mapping.maps_to.input_name


def first_output(op: OpDefinition) -> str:
    """Return the name of the first output of an op."""
    return str(next(iter(op.output_dict)))


def ordering_input(op: OpDefinition) -> str | None:
    """Return the name of the first input of an op with type Nothing; None if all carry a value."""
    kinds = ((name, definition.dagster_type.kind.name) for name, definition in op.input_dict.items())
    return next((str(name) for name, kind in kinds if kind == "NOTHING"), None)


def optional(out: Out) -> Out:
    """Return a copy of an output that is not required."""
    return out._replace(is_required=False)


def function_of(definition: Any) -> object:
    """Return the function of an op as the user wrote it, below its decorator; None if the node is not an op."""
    function = getattr(definition, "compute_fn", None)
    return getattr(function, "decorated_fn", function)
