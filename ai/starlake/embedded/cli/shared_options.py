"""Options of several verbs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ai.starlake.common.option_values import pairs, pairs_once

_F = TypeVar("_F", bound=Callable[..., Any])


def shared_options(*, repeatable: bool = False) -> Callable[[_F], _F]:
    """Add the options of every verb.

    Args:
        repeatable: True if ``--options`` may be given more than once.
    """
    text = "Variables for YAML and SQL files; they win over env files."
    options = click.option(
        "--options", multiple=True, callback=pairs if repeatable else pairs_once, metavar="K=V,...", help=text
    )
    return lambda command: options(without_effect("--reportFormat")(command))


def without_effect(flag: str, *, is_flag: bool = False) -> Callable[[_F], _F]:
    """Add a flag of Starlake that has no effect here: it is about its servers, clouds, or caches.

    Args:
        flag: The flag.
        is_flag: True if it takes no value.
    """
    return click.option(flag, hidden=True, is_flag=is_flag, expose_value=False)
