"""Starlake projects as typed, frozen models: settings, areas, tables, tasks, and their dependencies."""

from typing import TYPE_CHECKING

from ai.starlake.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from ai.starlake.project.areas import Areas
    from ai.starlake.project.checks.project_checks import validate
    from ai.starlake.project.findings import Finding, ProjectError, Severity
    from ai.starlake.project.lineage.graph import Graph
    from ai.starlake.project.lineage.sql_references import Reference
    from ai.starlake.project.models import (
        Application,
        Attribute,
        Connection,
        DagConfig,
        Domain,
        Expectation,
        Format,
        Loader,
        Materialization,
        MergeOn,
        Metadata,
        PrimitiveType,
        Sink,
        SyncStrategy,
        Table,
        Task,
        TransformDomain,
        Trim,
        TypeDefinition,
        WriteStrategy,
    )
    from ai.starlake.project.patterns import java_pattern
    from ai.starlake.project.project import Project

__all__ = [
    "Application",
    "Areas",
    "Attribute",
    "Connection",
    "DagConfig",
    "Domain",
    "Expectation",
    "Finding",
    "Format",
    "Graph",
    "Loader",
    "Materialization",
    "MergeOn",
    "Metadata",
    "PrimitiveType",
    "Project",
    "ProjectError",
    "Reference",
    "Severity",
    "Sink",
    "SyncStrategy",
    "Table",
    "Task",
    "TransformDomain",
    "Trim",
    "TypeDefinition",
    "WriteStrategy",
    "java_pattern",
    "validate",
]

__getattr__ = lazy_names(
    __name__,
    {
        "areas": ["Areas"],
        "checks.project_checks": ["validate"],
        "findings": ["Finding", "ProjectError", "Severity"],
        "lineage.graph": ["Graph"],
        "lineage.sql_references": ["Reference"],
        "models": [
            "Application",
            "Attribute",
            "Connection",
            "DagConfig",
            "Domain",
            "Expectation",
            "Format",
            "Loader",
            "Materialization",
            "MergeOn",
            "Metadata",
            "PrimitiveType",
            "Sink",
            "SyncStrategy",
            "Table",
            "Task",
            "TransformDomain",
            "Trim",
            "TypeDefinition",
            "WriteStrategy",
        ],
        "patterns": ["java_pattern"],
        "project": ["Project"],
    },
)
