"""Typed, frozen models of Starlake's metadata.

The names are Starlake's in snake_case. The values are complete: with Starlake's defaults, and a domain's metadata
merged into that of its tables.
"""

from ai.starlake.project.models.application import (
    BUILTIN_SCHEDULES,
    Application,
    Area,
    Audit,
    Connection,
    DagRef,
    Expectations,
)
from ai.starlake.project.models.attribute import Attribute, AttributePosition, Expectation
from ai.starlake.project.models.dag import DagConfig
from ai.starlake.project.models.enums import (
    Format,
    Loader,
    Materialization,
    MergeOn,
    MetricType,
    PrimitiveType,
    SyncStrategy,
    Trim,
)
from ai.starlake.project.models.metadata import Freshness, Metadata
from ai.starlake.project.models.strategy_kinds import STRATEGY_KINDS, StrategyKind
from ai.starlake.project.models.table import AccessControl, Domain, RowLevelSecurity, Table
from ai.starlake.project.models.task import Task, TransformDomain, compute_of
from ai.starlake.project.models.types import TypeDefinition
from ai.starlake.project.models.write_options import Sink, WriteStrategy

__all__ = [
    "BUILTIN_SCHEDULES",
    "STRATEGY_KINDS",
    "AccessControl",
    "Application",
    "Area",
    "Attribute",
    "AttributePosition",
    "Audit",
    "Connection",
    "DagConfig",
    "DagRef",
    "Domain",
    "Expectation",
    "Expectations",
    "Format",
    "Freshness",
    "Loader",
    "Materialization",
    "MergeOn",
    "Metadata",
    "MetricType",
    "PrimitiveType",
    "RowLevelSecurity",
    "Sink",
    "StrategyKind",
    "SyncStrategy",
    "Table",
    "Task",
    "TransformDomain",
    "Trim",
    "TypeDefinition",
    "WriteStrategy",
    "compute_of",
]
