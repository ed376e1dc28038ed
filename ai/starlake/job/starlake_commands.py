"""The commands that stage, load and transform, with Starlake's names: the same for ops and for assets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.written_values import comma_list
from ai.starlake.job.cli_versions import StarlakeCli
from ai.starlake.job.command import StarlakeCommand, option_text, parse_options

Options = str | Mapping[str, Any]


def stage_command(cli: StarlakeCli, domain: str, tables: Iterable[str] = ()) -> StarlakeCommand:
    """Return the command that moves files from the landing area to the stage area: `stage`, or `import` before 1.2.0.

    Args:
        cli: The version of Starlake in use.
        domain: The domain.
        tables: The tables whose files to move; all by default.
    """
    arguments = cli.stage_arguments(required("domain", domain), names_of(tables))
    return StarlakeCommand(cli.stage_verb, arguments)


def load_command(domain: str, table: str, options: Options | None = None) -> StarlakeCommand:
    """Return the command that loads the files of a table in the stage area.

    Args:
        domain: The domain of the table.
        table: The table.
        options: Substitutions in its metadata: ``name=value,name=value``, or a mapping.
    """
    arguments = ("--domains", required("domain", domain), "--tables", required("table", table))
    return StarlakeCommand("load", arguments, options_of_command(options))


def transform_command(name: str, options: Options | None = None) -> StarlakeCommand:
    """Return the command that runs a transform.

    Args:
        name: The transform, ``domain.task``.
        options: Substitutions in its SQL: ``name=value,name=value``, or a mapping.
    """
    return StarlakeCommand("transform", ("--name", required("transform_name", name)), options_of_command(options))


def check_command(name: str, options: Options | None = None) -> StarlakeCommand:
    """Return the command that evaluates the expectations of an existing table; see `ChecksAlone`.

    Args:
        name: The table or task, ``domain.name``.
        options: Substitutions in its metadata: ``name=value,name=value``, or a mapping.
    """
    return StarlakeCommand("check", ("--names", required("name", name)), options_of_command(options))


def replay_command(domains: Iterable[str], tables: Iterable[str], options: Options | None = None) -> StarlakeCommand:
    """Return the command of the embedded engine that loads rejected rows again.

    Args:
        domains: The domains.
        tables: The tables.
        options: Substitutions in the metadata: ``name=value,name=value``, or a mapping.
    """
    arguments = ("--domains", ",".join(names_of(domains)), "--tables", ",".join(names_of(tables)))
    return StarlakeCommand("replay", arguments, options_of_command(options))


def names_of(tables: Iterable[str]) -> tuple[str, ...]:
    """Return names of tables in a defined order: generated files pass sets, whose order differs between processes."""
    if isinstance(tables, str):
        return comma_list(tables)
    names = tuple(tables)
    return tuple(sorted(names)) if isinstance(tables, (set, frozenset)) else names


def required(what: str, value: str) -> str:
    """Return a name that must not be empty.

    Raises:
        StarlakeError: If it is empty.
    """
    if not isinstance(value, str) or not value.strip():
        raise StarlakeError(f"{what} is {value!r}", fix=f"pass the name of a {what}")
    return value


def options_of_command(options: Options | None) -> dict[str, str]:
    """Return the options of a command, as strings.

    Raises:
        StarlakeError: If a value is not valid for an option.
    """
    if isinstance(options, Mapping):
        return {str(name): option_text(str(name), value) for name, value in options.items()}
    return parse_options(options or "")
