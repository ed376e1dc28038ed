"""Templates of installed packages, under the names in Starlake's DAG configurations."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

from ai.starlake.common.plug_ins import DAG_TEMPLATES, load, plug_ins

_NAME = re.compile(r"(load|transform)/([a-z]+)__scheduled_(table|task)__(\w+)\.py\.j2")

_OLD_SHELL = "bash"
"""Name of `shell` in older names of templates."""


@functools.cache
def folders() -> Mapping[str, Path]:
    """Return the folders of templates, by the name of the folder with their shared parts.

    Packages register them as entry points of the group ``starlake.dag_templates``. They are laid out as in a project:
    ``load/...``, ``transform/...``.
    """
    found = {name: load(plug_in, f"the templates of {name}") for name, plug_in in plug_ins(DAG_TEMPLATES).items()}
    return {name: Path(package.__file__).parent for name, package in found.items()}


def template_names(folder: Path) -> list[str]:
    """Return the names of all templates in a folder, sorted."""
    return [file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*.j2"))]


def shipped() -> Mapping[str, Path]:
    """Return the templates that a DAG configuration may name, with their files."""
    return {
        name: folder / name
        for shared, folder in reversed(list(folders().items()))
        for name in template_names(folder)
        if not name.startswith(f"{shared}/")
    }


def orchestrator_of(name: str) -> str | None:
    """Return the orchestrator in the name of a template, such as ``dagster``; None if the name has no prefix."""
    match = _NAME.fullmatch(name)
    return match[2] if match else None


def why_missing(name: str) -> tuple[str, str] | None:
    """Return the reason why a template of Starlake is not installed, and an alternative; None for other names.

    Args:
        name: Name of a template in a DAG configuration.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    kind, orchestrator, what, environment = match.groups()
    known = sorted(found.groups() for found in map(_NAME.fullmatch, shipped()) if found)
    orchestrators = sorted({other for _, other, _, _ in known})
    if orchestrator not in orchestrators:
        ours = " or ".join(f"{kind}/{other}__scheduled_{what}__shell.py.j2" for other in orchestrators)
        here = " and ".join(other.capitalize() for other in orchestrators)
        return f"it is for {orchestrator.capitalize()}, and this package is for {here}", f"use {ours}"
    environments = [place for *same, place in known if same == [kind, orchestrator, what] and place != _OLD_SHELL]
    if not environments:
        return None
    where = "AWS Fargate" if environment == "fargate" else environment
    ours = f"{kind}/{orchestrator}__scheduled_{what}__X.py.j2"
    return f"this package does not run Starlake on {where}", f"use {ours}, where X is {', '.join(environments)}"
