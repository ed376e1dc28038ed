"""The definitions of ops, graphs and jobs, and how they hang together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dagster._core.definitions.composition import MappedInputPlaceholder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster import GraphDefinition, InputMapping, JobDefinition, NodeInvocation, OpDefinition, Out, OutputMapping
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    AssetJob = UnresolvedAssetJobDefinition
    """The type that `define_asset_job` returns: a job whose assets are found when it is part of a code location."""

MAPPED_INPUT = MappedInputPlaceholder
"""Stands for an input of a graph among the sources of an input that has several; see `InputMapping.fan_in_index`."""


def whole_job(job: JobDefinition) -> JobDefinition:
    """Return the job that a selection of ops was made of, or the job itself."""
    selection = job.op_selection_data
    return whole_job(selection.parent_job_def) if selection else job


def graph_of_job(job: JobDefinition) -> GraphDefinition:
    """Return the graph that a job runs."""
    return job.graph


def nodes_of(graph: GraphDefinition) -> Iterator[tuple[str, Any]]:
    """Yield the name that each op and graph has in a graph, and its definition."""
    for node in graph.nodes:
        yield node.name, node.definition


def dependencies_of(graph: GraphDefinition) -> Mapping[NodeInvocation, Mapping[str, Any]]:
    """Return what the inputs of the ops and graphs in a graph depend on."""
    dependencies: Mapping[Any, Mapping[str, Any]] = graph.dependencies
    return dependencies


def inner_output(mapping: OutputMapping) -> tuple[str, str]:
    """Return the node in a graph, and its output, from which an output of the graph comes."""
    return mapping.maps_from.node_name, mapping.maps_from.output_name


def inner_input(mapping: InputMapping) -> tuple[str, str]:
    """Return the node in a graph, and its input, to which an input of the graph leads."""
    return mapping.maps_to.node_name, mapping.maps_to.input_name


def first_output(op: OpDefinition) -> str:
    """Return the name of the first output of an op."""
    return str(next(iter(op.output_dict)))


def ordering_input(op: OpDefinition) -> str | None:
    """Return the name of the first input of an op that carries nothing; None if all carry a value."""
    kinds = ((name, definition.dagster_type.kind.name) for name, definition in op.input_dict.items())
    return next((str(name) for name, kind in kinds if kind == "NOTHING"), None)


def optional(out: Out) -> Out:
    """Return an output that an op may leave out, and is otherwise as the one that is given."""
    return out._replace(is_required=False)


def function_of(definition: Any) -> object:
    """Return the function of an op, as a user wrote it where it has a decorator; None for what is not an op."""
    function = getattr(definition, "compute_fn", None)
    return getattr(function, "decorated_fn", function)
