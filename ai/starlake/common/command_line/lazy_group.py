"""Groups of commands that are imported when they are needed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from ai.starlake.common import StarlakeError


class LazyGroup(click.Group):
    """A group whose commands are imported one by one. A `StarlakeError` ends it with its message and exit code 1.

    Args:
        name: The name of the group.
        modules: The commands, as ``module:attribute``.
        **attributes: Arguments of `click.Group`.
    """

    def __init__(self, name: str, modules: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(name, **attributes)
        self._modules = dict(modules)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, sorted."""
        return sorted({*self._modules, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self._modules:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._modules[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments begin with; an unknown one is refused with the nearest name."""
        near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
        if near and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except StarlakeError as error:
            raise click.ClickException(str(error)) from error


def program(name: str, modules: Mapping[str, str], **attributes: Any) -> click.Command:
    """Return the group of an installed program. Its option `--version` prints the version of the distribution.

    Args:
        name: The name of the program.
        modules: Location of each command, as ``module:attribute``.
        **attributes: Arguments of `click.Group`.
    """
    version = click.version_option(package_name="starlake-jobs", prog_name=name, message="%(prog)s %(version)s")
    return version(LazyGroup(name, modules, **attributes))
