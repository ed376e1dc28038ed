"""The templates of our own, under the names that Starlake's DAG configurations use (contract 10)."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "dagster" / "dag_templates"
"""They stand as a project's own do: ``load/...``, ``transform/...``; what they share is in ``dagster/``."""

_NAME = re.compile(r"(load|transform)/([a-z]+)__scheduled_(table|task)__(\w+)\.py\.j2")


def template_names(folder: Path) -> list[str]:
    """The names of all templates in a folder, sorted."""
    return [file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*.j2"))]


def shipped_names() -> list[str]:
    """The names of our templates that a DAG configuration may have."""
    return [name for name in template_names(FOLDER) if not name.startswith("dagster/")]


def why_missing(name: str) -> tuple[str, str] | None:
    """Why a template that Starlake ships is not among ours, and what to use instead; None for other names.

    Args:
        name: What a DAG configuration calls its template.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    kind, orchestrator, what, environment = match.groups()
    ours = f"{kind}/dagster__scheduled_{what}__"
    if orchestrator != "dagster":
        return f"it is for {orchestrator.capitalize()}, and this package is for Dagster", f"use {ours}shell.py.j2"
    environments = sorted(name.removeprefix(ours).removesuffix(".py.j2") for name in shipped_names() if ours in name)
    if not environments:
        return None
    where = "AWS Fargate" if environment == "fargate" else environment
    return f"this package does not run Starlake on {where}", f"use {ours}X.py.j2, where X is {', '.join(environments)}"
