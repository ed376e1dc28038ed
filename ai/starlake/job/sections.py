"""Sections in the options of a run: options under the name of one table, task or op."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.job.command import option_text

_NEAR = 0.75


def check_sections(options: Mapping[str, Any], known: Collection[str], where: str, *, strict: bool = True) -> list[str]:
    """Check that each section of options names an existing table, task or op.

    Args:
        options: Options by name, and sections, which are mappings.
        known: The valid names of sections.
        where: Description of the names, for the error message.
        strict: True if every other name is an error; otherwise only a name similar to a known one is.

    Returns:
        The other names that are not errors; empty if `strict`.

    Raises:
        StarlakeError: If the name of a section is an error.
    """
    others = [name for name, value in options.items() if isinstance(value, Mapping) and name not in known]
    lowered = {each.lower(): each for each in sorted(known, reverse=True)}
    for name in others:
        near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=_NEAR)
        if near or strict:
            raise StarlakeError(
                f"the options have a section {name!r}, but {where} has no table, task or op of that name",
                fix=f"did you mean {lowered[near[0]]}?" if near else "name it as in Starlake, such as domain.table",
            )
    return others


def sections_of(options: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Return the plain options, and the sections of some names."""
    return {name: value for name, value in options.items() if not isinstance(value, Mapping) or name in known}


def names_of_section(name: str, op: str) -> tuple[str, ...]:
    """Return the valid names of a section for an op, the most specific one last.

    Args:
        name: The Starlake name of its table or task.
        op: The name of the op.
    """
    return tuple(dict.fromkeys([sanitize_id(name), name, op]))


def options_of(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return the plain options, and those of the sections of some names; later sections take precedence.

    Raises:
        StarlakeError: If a value is not valid for an option.
    """
    found = {name: option_text(name, value) for name, value in options.items() if not isinstance(value, Mapping)}
    for name in names:
        section = options.get(name)
        if isinstance(section, Mapping):
            found.update((key, option_text(f"{name}.{key}", value)) for key, value in section.items())
    return found
