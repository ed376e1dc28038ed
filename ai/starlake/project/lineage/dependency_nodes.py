"""Nodes of dependency trees in generated DAG files.

The keys are those of ``dag-generate`` of Starlake 1.5.16; keys without a value are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ai.starlake.project.lineage.sql_references import Reference
from ai.starlake.project.models import Application, Freshness, Table, Task, WriteStrategy

Node = dict[str, Any]

_AGE = re.compile(r"\s*(\d+)\s*(second|minute|hour|day|week)s?\s*", re.IGNORECASE)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}


def task_node(task: Task, references: Sequence[Reference], nodes: Mapping[str, Node], application: Application) -> Node:
    """Return the node of a task.

    Args:
        task: The task.
        references: The tables that it reads.
        nodes: The nodes of the tasks among them, by their full names in lower case.
        application: The settings, for the presets of schedules.
    """
    first = references[0] if references else None
    data = {
        "name": task.full_name,
        "typ": "task",
        "parent": first.item.full_name if first is not None and first.item is not None else None,
        "parentTyp": first.kind if first is not None else "unknown",
        "parentRef": first.text if first is not None else None,
        "writeStrategy": _strategy(task.write_strategy),
        "dataset_triggering_strategy": task.asset_triggering_strategy,
        "sink": task.target,
        "cron": application.cron(task.schedule) or "None",
        "freshness": seconds(task.freshness),
    }
    children: dict[str, Node] = {}
    for item in (reference.item for reference in references):
        if isinstance(item, Task):
            children[item.full_name.lower()] = nodes[item.full_name.lower()]
        elif item is not None:
            children[item.full_name.lower()] = table_node(item, application)
    below = {"children": list(children.values())} if children else {}
    return {"data": {key: value for key, value in data.items() if value not in (None, {})}, **below, "task": True}


def table_node(table: Table, application: Application) -> Node:
    """Return the node of a loaded table."""
    data = {
        "name": table.full_name,
        "typ": "table",
        "parentTyp": "unknown",
        "cron": application.cron(table.metadata.schedule) or "None",
        "freshness": seconds(table.metadata.freshness),
    }
    return {"data": data, "task": False}


def _strategy(strategy: WriteStrategy) -> dict[str, Any]:
    data = {
        "type": strategy.type,
        "types": strategy.types,
        "key": list(strategy.key),
        "timestamp": strategy.timestamp,
    }
    return {key: value for key, value in data.items() if value}


def seconds(freshness: Freshness) -> int:
    """Return the freshness limit in seconds, for an error or else for a warning; 0 without a limit."""
    for age in (freshness.error, freshness.warn):
        match = _AGE.fullmatch(age or "")
        if match:
            return int(match[1]) * _SECONDS[match[2].lower()]
    return 0
